"""Tables whose relevant columns are known: stability selection, and precision at K.

    python benchmarks features.synthetic [--seeds N]

Owns: the tables, the rankers and what is counted. May not touch: the page.
"""

from __future__ import annotations

import argparse
import time
import warnings
from itertools import product
from pathlib import Path

import numpy as np
from common import Rows
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import f_classif
from sklearn.linear_model import lars_path
from threadpoolctl import threadpool_limits

from sklearn_set import SETFeatureSelector, StabilitySelector
from sklearn_set._error_bounds import false_selections, largest_number

RESULTS = Path(__file__).parent / "synthetic.csv"
#: Rows, columns, their kind, how many matter.
TABLES = [
    (60, 2000, "independent", 5),
    (200, 2000, "independent", 20),
    (200, 2000, "blocks", 5),
    (200, 5000, "blocks", 20),
    (500, 2000, "independent", 20),
    (500, 2000, "blocks", 20),
    (200, 10_000, "independent", 5),
    (200, 10_000, "blocks", 20),
]
#: Bounds and thresholds at which selections are counted, those of the default first.
BOUNDS = [("r_concave", tau) for tau in (0.8, 0.55, 0.65, 0.75, 0.9)]
BOUNDS += [("unimodal", tau) for tau in (0.65, 0.8)]
BLOCK = 20  # columns of a block, whose correlation is .5


class FTest(BaseEstimator):
    def fit(self, X, y):
        self.scores_ = f_classif(X, y)[0]
        return self


class Lasso(BaseEstimator):
    """Columns in the order in which they enter the path of the lasso; the others not at all."""

    def fit(self, X, y):
        X = (X - X.mean(axis=0)) / X.std(axis=0)
        active = lars_path(X, y - y.mean(), method="lasso", max_iter=len(y))[1]
        self.scores_ = np.zeros(X.shape[1])
        self.scores_[active] = 1 / np.arange(1, len(active) + 1)
        return self


RANKERS = {
    "relevance": (
        SETFeatureSelector(1, method="relevance", n_subsamples=1),
        SETFeatureSelector(1, method="relevance"),
    ),
    "lasso": (Lasso(), Lasso()),
    "F test": (FTest(), FTest()),
    "random forest": (RandomForestClassifier(100), RandomForestClassifier(500)),
}


def simulate(n: int, p: int, kind: str, relevant: int, seed: int):
    """Two classes by a logistic model of the relevant columns, each of another block."""
    rng = np.random.default_rng([n, p, relevant, seed])
    X = rng.normal(size=(n, p))
    if kind == "blocks":
        X = np.sqrt(0.5) * (X + np.repeat(rng.normal(size=(n, p // BLOCK)), BLOCK, axis=1))
    truth = np.arange(relevant) * BLOCK
    signal = X[:, truth] @ rng.choice([-1.0, 1.0], relevant)
    y = 4 * signal / signal.std() + rng.logistic(size=n) > 0
    return X, y.astype(int), truth


def measure(table: tuple, ranker: str, seed: int) -> list[dict]:
    """What is selected with at most one false column expected, and what is true at the top.

    A row for each bound and threshold, of the same halves. False are all columns that do not
    matter; unrelated ones share no block with one that does.
    """
    n, p, kind, relevant = table
    X, y, truth = simulate(*table, seed)
    on_half, alone = RANKERS[ranker]
    began = time.process_time()
    stable = StabilitySelector(on_half, random_state=seed).fit(X, y)
    seconds = time.process_time() - began
    related = truth if kind == "independent" else np.arange(relevant * BLOCK)
    if "random_state" in alone.get_params():
        alone.set_params(random_state=seed)
    alone.fit(X, y)
    if hasattr(alone, "ranking_"):
        order = np.argsort(alone.ranking_, kind="stable")
    else:
        scores = alone.scores_ if hasattr(alone, "scores_") else alone.feature_importances_
        order = np.argsort(-scores, kind="stable")
    rows = []
    for bound, threshold in BOUNDS:
        chosen, expected = again(stable, bound, threshold)
        rows.append({
            "rows": n, "columns": p, "kind": kind, "relevant": relevant, "ranker": ranker,
            "seed": seed, "bound": bound, "threshold": threshold, "expected": f"{expected:.3g}",
            "true": len(np.intersect1d(chosen, truth)), "false": len(np.setdiff1d(chosen, truth)),
            "unrelated": len(np.setdiff1d(chosen, related)),
            "precision": f"{np.isin(order[:relevant], truth).mean():.3g}",
            "seconds": f"{seconds:.3g}",
        })  # fmt: skip
    return rows


def again(stable: StabilitySelector, bound: str, threshold: float) -> tuple[np.ndarray, float]:
    """What is selected of the same halves with another bound and threshold, and the bound."""
    p, n_pairs = stable.n_features_in_, stable.n_pairs
    number = largest_number(stable.max_false, p, threshold, n_pairs, bound)
    often = (stable.places_ < number).mean(axis=0) >= threshold - 1e-12
    return np.flatnonzero(often), false_selections(number, p, threshold, n_pairs, bound)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rankers", nargs="+", default=list(RANKERS))
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows = Rows(options.results, ("rows", "columns", "kind", "relevant", "ranker", "seed"))
    warnings.simplefilter("ignore")
    for seed, table, ranker in product(range(options.seeds), TABLES, options.rankers):
        task = dict(zip(("rows", "columns", "kind", "relevant"), table), ranker=ranker, seed=seed)
        if task not in rows:
            with threadpool_limits(1):
                rows.add(measure(table, ranker, seed))
            print(*table, ranker, seed, flush=True)
