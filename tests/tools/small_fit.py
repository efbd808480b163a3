"""Small trainings and predictions that reach every native entry point that `fit` uses.

Run by sanitize.sh under a sanitizer or valgrind; prints one line.
"""

import argparse
import warnings

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from sklearn_set import NPSETClassifier, NPSETRegressor, SETClassifier, SETRegressor

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--light", action="store_true", help="few samples and neurons, for valgrind")
arguments = parser.parse_args()
n_jobs, light = arguments.threads, arguments.light
warnings.simplefilter("ignore", ConvergenceWarning)

rng = np.random.default_rng(0)
X = rng.standard_normal((63, 17) if light else (203, 37))
y = (X[:, 0] + X[:, 1] > 0).astype(int) + (X[:, 2] > 1)
# So many connections and samples a batch that a batch has work for two threads.
sizes = {"hidden_layer_sizes": (101, 60), "epsilon": 40, "batch_size": 100}
if light:
    sizes = {"hidden_layer_sizes": (21, 13), "epsilon": 8, "batch_size": 30}
common = dict(**sizes, max_iter=4, n_jobs=n_jobs, random_state=0)
models = [
    SETClassifier(**common),
    SETClassifier(**common, grow="gradient", drop="sensitivity", dropout=0.3, activation="tanh"),
    NPSETClassifier(**common, beta=1, gamma=2, alpha=0.1, solver="nesterov", early_stopping=True),
    SETRegressor(**common, loss="huber", activation="all_relu", evolve_output=True),
    NPSETRegressor(
        **common, beta=1, gamma=2, alpha=0.1, budget="keep", select_inputs=10, activation="logistic"
    ),
]
n_fits = 0
for model in models:
    for dtype in (np.float32, np.float64):
        for samples in (X.astype(dtype), sparse.csr_array(np.where(X > 0.5, X, 0).astype(dtype))):
            model.fit(samples, y)
            assert np.isfinite(model.loss_) and len(model.predict(samples)) == len(y)
            n_fits += 1
print(f"{n_fits} fits done with n_jobs={n_jobs}")
