"""Whether fits and predictions leave memory behind.

    python tests/tools/leaks.py [--fits 1000]

Small fits and predictions of every kind, some of them failing, over and over; the resident
memory may not grow by more than 10 MiB from the 100th fit on.
"""

import argparse
import contextlib
import gc
import os
import sys
import warnings

import numpy as np
from scipy import sparse

from sklearn_set import NPSETClassifier, NPSETRegressor, SETRegressor

LIMIT = 10 * 2**20


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fits", type=int, default=1000)
    n_fits = parser.parse_args().fits
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((200, 100)), rng.integers(0, 3, 200)
    S = sparse.csr_array(np.where(X > 1, X, 0))
    settings = dict(
        hidden_layer_sizes=(200, 100), epsilon=5, max_iter=4, conditioning=None, random_state=0
    )
    models = [
        NPSETClassifier(**settings, beta=1, gamma=2, early_stopping=True, warm_start=True),
        SETRegressor(**settings, drop="sensitivity", grow="gradient", n_jobs=2),
        NPSETRegressor(**settings, beta=1, gamma=2, budget="keep", select_inputs=20),
    ]
    start = None
    for i in range(n_fits):
        model = models[i % len(models)]
        data = S if i % 2 else X
        if i % 7 == 3:  # a failing one
            with contextlib.suppress(ValueError):
                model.fit(data, np.full(len(y), np.nan))
        if i % len(models) == 0:
            model.warm_start = i % 30 != 0
        model.fit(data, y).predict(data)
        if i % 100 == 99:
            gc.collect()
            if i == 99:
                start = resident()
            print(f"{i + 1} fits, {resident() / 2**20:.1f} MiB", flush=True)
    if resident() - start > LIMIT:
        sys.exit(f"{(resident() - start) / 2**20:.1f} MiB more than after 100 fits")


if __name__ == "__main__":
    main()
