"""Which columns to keep: selectors before other models on wide tables.

Owns: the tables, the models behind the selectors, what is measured. May not touch: the page.
"""

from __future__ import annotations

import argparse
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from common import Rows
from generalization.tables import WORD_COUNTS, load, split_rows
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from sklearn_set import SETClassifier

from .page import NEW
from .selectors import FEW_SPLITS, MOST_VALUES, SELECTORS

RESULTS = Path(__file__).parent / "results.csv"
NUMBERS = (10, 20, 50, 100)
N_SPLITS = 3
#: The scores of `SETFeatureSelector` were chosen on training rows of these tables.
KNOWN = ("lung_small", "sorlie_breast", "throat_smoking", "liver_toxicity_dose", "GLIOMA", "Yale",
         "metaml_cirrhosis", "ucr_beef", "leukemia", "mlrepo_kostic", "madelon")  # fmt: skip
PACKAGES = {"ReliefF": "skrebate", "Boruta": "boruta", "LassoNet": "lassonet", "STG": "stg"}


def measure(name: str, selector: str, homes: tuple) -> list[dict]:
    """A row for each split and number of columns, with the steadiness over the splits."""
    table = load(name, *homes)
    X = np.log1p(table.X) if name in WORD_COUNTS else table.X
    numbers = [k for k in NUMBERS if k < X.shape[1] / 2]
    rows, chosen = [], {k: [] for k in numbers}
    for split in range(FEW_SPLITS.get(selector, N_SPLITS)):
        train, test = split_rows(table, split)
        scaler = StandardScaler().fit(X[train])
        learn, judge = scaler.transform(X[train]), scaler.transform(X[test])
        began = time.process_time()
        order = SELECTORS[selector](learn, table.y[train], split)
        seconds = time.process_time() - began
        for k in numbers:
            best = order[:k]
            chosen[k].append(best)
            models = {
                "svc": LinearSVC(random_state=split),
                "trees": ExtraTreesClassifier(100, random_state=split),
            }
            if k == 50 and split < 2:
                models["set"] = SETClassifier(random_state=split, n_jobs=1)
            scores = {
                key: model.fit(learn[:, best], table.y[train]).score(judge[:, best], table.y[test])
                for key, model in models.items()
            }
            row = {"table": name, "selector": selector, "split": split, "number": k, "set": ""}
            rows.append(row | scores | {"seconds": seconds})
    for row in rows:
        row["steadiness"] = steadiness(chosen[row["number"]], X.shape[1])
    return [{k: f"{v:.5g}" if isinstance(v, float) else v for k, v in r.items()} for r in rows]


def steadiness(chosen: list[np.ndarray], n_columns: int) -> float:
    """Stability of selections of equal size (Nogueira et al., JMLR 18(174), 2018, eq. 4)."""
    n, k = len(chosen), len(chosen[0])
    if n == 1:
        return np.nan
    share = np.bincount(np.concatenate(chosen), minlength=n_columns) / n
    spread = n / (n - 1) * np.mean(share * (1 - share))
    return float(1 - spread / (k / n_columns * (1 - k / n_columns)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home", help="folder with the .mat files")
    parser.add_argument("--wide-home", help="folder with the .npz files")
    parser.add_argument("--tables", nargs="+", default=[*KNOWN, *NEW])
    parser.add_argument("--selectors", nargs="+", default=list(SELECTORS))
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    homes = (options.data_home, options.wide_home)
    rows = Rows(options.results, ("table", "selector"))
    warnings.simplefilter("ignore")
    for selector in options.selectors:
        if selector in PACKAGES and find_spec(PACKAGES[selector]) is None:
            print(f"{selector} is left out: the package {PACKAGES[selector]} is not installed")
            continue
        for name in options.tables:
            task = {"table": name, "selector": selector}
            small = load(name, *homes).X.size <= MOST_VALUES.get(selector, np.inf)
            if small and task not in rows:
                with threadpool_limits(1):
                    rows.add(measure(name, selector, homes))
                print(name, selector, flush=True)
