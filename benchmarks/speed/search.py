"""Target 10: grid searches with `memory`."""

import functools
import statistics
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
from common import CPU, quietly
from generalization.tables import load
from sklearn.datasets import load_iris
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


def seconds_of(estimator, grid, X, y):
    """Searches without and with memory, in this process and in two; the first one's parts in %.

    CPU seconds in this process; in two, seconds of the clock, the median of three in turns.
    """
    folds = ShuffleSplit(2, test_size=0.2, random_state=0)
    scores, seconds, shares = [], [], None
    for n_jobs, clock, n_turns in ((None, CPU, 1), (2, perf_counter, 3)):
        taken = {False: [], True: []}
        for memory in (False, True) * n_turns:
            with TemporaryDirectory() as folder:
                network = estimator(n_jobs=1, random_state=0, memory=folder if memory else None)
                search = GridSearchCV(network, grid, cv=folds, refit=False, n_jobs=n_jobs)
                fit = functools.partial(search.fit, X, y)
                began = clock()
                if shares is None:
                    shares = quietly(Split(PARTS).of, fit)
                else:
                    quietly(fit)
                taken[memory].append(clock() - began)
            scores.append(search.cv_results_["mean_test_score"])
            assert np.array_equal(scores[0], scores[-1])
        seconds += map(statistics.median, taken.values())
    return seconds, [*shares.values(), 1 - sum(shares.values())]


def letters(options, report):
    rows, gains = [], {"one process": [], "two processes": []}
    # Processes start with the first search that needs them.
    seconds_of(SETClassifier, {"max_iter": [1]}, *load_iris(return_X_y=True))
    for estimator, grid, asu, wide in SEARCHES:
        names = [name for name in asu if options.data_home]
        names += [name for name in wide if options.wide_home]
        if options.quick:
            names, grid = names[:1], {"epsilon": [5, 20]}
        for name in names:
            X, y, _ = load(name, options.data_home, options.wide_home)
            (*one, plain, shared), shares = seconds_of(estimator, grid, X, y)
            rows.append([estimator.__name__, name, f"{X.shape[0]} × {X.shape[1]}"])
            for found, (without, within) in zip(gains.values(), (one, (plain, shared))):
                if estimator is NPSETClassifier:
                    found.append(without / within)
                rows[-1] += [f"{without:.1f}", f"{within:.1f}", f"{without / within:.2f}"]
            rows[-1] += [f"{100 * share:.0f}" for share in shares]
            print(*rows[-1], flush=True)
    if not rows:
        report.skip("10", "search over the letters", "without data")
        return
    for where, found in gains.items():
        for word, gain in (("least", min(found)), ("largest", max(found))):
            what = f"search over the letters, {where}: gain of memory, the {word}"
            report.target("10", what, gain, 2, at_least=True)
    report.table(
        "Searches with memory",
        "GridSearchCV over two values of each of the five letters or, for SET, of epsilon, zeta "
        "and mixup, on two folds of five (each fold shares for itself). CPU seconds in one "
        "process, seconds of the clock in two (medians of three); then where the time in one "
        "process goes without memory, in %",
        ["estimator", "table", "size", "without memory", "with memory", "ratio"]
        + ["two, without memory", "two, with memory", "ratio of two"]
        + [*(name for *_, name in PARTS), "the rest"],
        rows,
    )
