"""Target 10: grid searches with `memory`."""

import functools
from tempfile import TemporaryDirectory

import numpy as np
from common import CPU, quietly
from generalization.tables import load
from sklearn.model_selection import GridSearchCV, ShuffleSplit

from sklearn_set import NPSETClassifier, SETClassifier
from sklearn_set._base import BaseSparseMLP

from .few_rows import Split

#: Those of the example "What the Greek letters do".
LETTERS = {
    "alpha": [0.02, 0.06],
    "beta": [5, 20],
    "gamma": [20, 40],
    "epsilon": [5, 20],
    "zeta": [0.1, 0.3],
}
OTHERS = {"epsilon": [5, 20], "zeta": [0.1, 0.3], "mixup": [0.1, 0.3]}
SEARCHES = (
    (SETClassifier, OTHERS, ("lung_small",), ("musk1", "ord_vehicle")),
    (NPSETClassifier, LETTERS, ("lung_small", "leukemia", "madelon"), ("ucr_beef",)),
)
PARTS = (
    (BaseSparseMLP, "_start", "conditioning"),
    (BaseSparseMLP, "_train", "training"),
    (BaseSparseMLP, "_raw_predict", "prediction"),
)


def measured(estimator, grid, X, y):
    """Seconds of a search without and with memory, and the parts of one without in %."""
    folds = ShuffleSplit(2, test_size=0.2, random_state=0)
    scores, seconds, parts = [], [], None
    with TemporaryDirectory() as folder:
        for memory in (None, folder):
            network = estimator(n_jobs=1, random_state=0, memory=memory)
            search = GridSearchCV(network, grid, cv=folds, refit=False)
            began = CPU()
            shares = quietly(Split(PARTS).of, functools.partial(search.fit, X, y))
            seconds.append(CPU() - began)
            scores.append(search.cv_results_["mean_test_score"])
            parts = parts or shares
    assert np.array_equal(*scores)
    return seconds, [*parts.values(), 1 - sum(parts.values())]


def letters(options, report):
    rows, gains = [], []
    for estimator, grid, asu, wide in SEARCHES:
        names = [name for name in asu if options.data_home]
        names += [name for name in wide if options.wide_home]
        if options.quick:
            names, grid = names[:1], {"epsilon": [5, 20]}
        for name in names:
            X, y, _ = load(name, options.data_home, options.wide_home)
            (plain, shared), shares = measured(estimator, grid, X, y)
            if estimator is NPSETClassifier:
                gains.append(plain / shared)
            rows.append([estimator.__name__, name, f"{X.shape[0]} × {X.shape[1]}"])
            rows[-1] += [f"{plain:.1f}", f"{shared:.1f}", f"{plain / shared:.2f}"]
            rows[-1] += [f"{100 * share:.0f}" for share in shares]
            print(*rows[-1], flush=True)
    if not rows:
        report.skip("10", "search over the letters", "without data")
        return
    for word, gain in (("least", min(gains)), ("largest", max(gains))):
        what = f"search over the letters: gain of memory, the {word}"
        report.target("10", what, gain, 2, at_least=True)
    report.table(
        "Searches with memory",
        "GridSearchCV in one process, seconds: over two values of each of the five letters or, for "
        "SET, of epsilon, zeta and mixup, on two folds of five (each fold shares for itself). Then "
        "where the time without memory goes, in %",
        ["estimator", "table", "size", "without memory", "with memory", "ratio"]
        + [*(name for *_, name in PARTS), "the rest"],
        rows,
    )
