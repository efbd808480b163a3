"""Target 10: grid searches on two cores, and what `memory` saves of them."""

import contextlib
import functools
import statistics
from tempfile import TemporaryDirectory
from time import perf_counter

import joblib
from common import CPU, quietly, run_apart
from generalization.tables import load
from sklearn.model_selection import GridSearchCV, ShuffleSplit

import sklearn_set
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
GRIDS = {"SETClassifier": OTHERS, "NPSETClassifier": LETTERS}
SEARCHES = (
    ("SETClassifier", ("lung_small",), ("musk1", "ord_vehicle")),
    ("NPSETClassifier", ("lung_small", "leukemia", "madelon"), ("ucr_beef",)),
)
PARTS = (
    (BaseSparseMLP, "_start", "conditioning"),
    (BaseSparseMLP, "_train", "training"),
    (BaseSparseMLP, "_raw_predict", "prediction"),
)
N_FOLDS = 5
#: joblib's backend and whether there is a `memory`.
WAYS = {
    "as it is": ("loky", False),
    "memory": ("loky", True),
    "memory, threads": ("threading", True),
    "memory, forked": ("multiprocessing", True),
}
AGAIN = ("as it is", "memory")  # whose processes stay
_LONG = 2.5  # seconds; longer searches are measured once


def _search(estimator, X, y, *, memory, n_folds, n_jobs=None, **grid):
    """The seconds of a search and its scores, without those of preparing the data."""
    with TemporaryDirectory() if memory else contextlib.nullcontext() as folder:
        network = getattr(sklearn_set, estimator)(random_state=0, memory=folder)
        folds = ShuffleSplit(n_folds, test_size=0.2, random_state=0)
        grid = grid or GRIDS[estimator]
        search = GridSearchCV(network, grid, cv=folds, refit=False, n_jobs=n_jobs)
        began = perf_counter()
        quietly(search.fit, X, y)
        seconds = perf_counter() - began
    return seconds, search.cv_results_["mean_test_score"].tolist()


def in_two(estimator, table, way, data_home, wide_home, grid):
    """The scores of a search in two workers; seconds of a process's first one, and second one."""
    backend, memory = WAYS[way]
    X, y, _ = load(table, data_home, wide_home)
    given = {"memory": memory, "n_folds": N_FOLDS, "n_jobs": 2, **(grid or {})}
    with joblib.parallel_config(backend):
        searches = [_search(estimator, X, y, **given) for _ in range(1 + (way in AGAIN))]
    seconds, (scores, *others) = zip(*searches)
    assert all(other == scores for other in others)
    return scores, seconds


def alone(estimator, X, y, grid):
    """CPU seconds without and with memory, on one fold and in this process; the first's parts."""
    seconds, shares = [], None
    for memory in (False, True):
        fit = functools.partial(_search, estimator, X, y, memory=memory, n_folds=1, **(grid or {}))
        began = CPU()
        found = Split(PARTS).of(fit) if shares is None else fit()
        seconds.append(CPU() - began)
        shares = shares or found
    return seconds, [*shares.values(), 1 - sum(shares.values())]


def letters(options, report):
    rows, gains = [], {"first": [], "second": []}
    for estimator, asu, wide in SEARCHES:
        names = [name for name in asu if options.data_home]
        names += [name for name in wide if options.wide_home]
        grid = {"epsilon": [5, 20]} if options.quick else None
        for name in names[:1] if options.quick else names:
            homes = {"data_home": options.data_home, "wide_home": options.wide_home}
            X, y, _ = load(name, **homes)
            given = {"estimator": estimator, "table": name, "grid": grid, **homes}
            taken = {way: [] for way in WAYS}
            scores = None
            for _ in range(1 if options.quick else 3):
                for way, seconds in taken.items():
                    found, taken_now = run_apart("speed.search", "in_two", way=way, **given)
                    assert found == (scores := scores or found), "scores differ"
                    seconds.append(taken_now)
                if taken["as it is"][0][0] > _LONG:
                    break
            (without, within), shares = alone(estimator, X, y, grid)
            rows.append([estimator, name, f"{X.shape[0]} × {X.shape[1]}"])
            first = [statistics.median(s[0] for s in taken[way]) for way in WAYS]
            second = [statistics.median(s[1] for s in taken[way]) for way in AGAIN]
            for when, (plain, *ours) in zip(gains, (first, second)):
                if estimator == "NPSETClassifier":
                    gains[when].append(plain / min(ours))
                rows[-1] += [*(f"{s:.1f}" for s in (plain, *ours)), f"{plain / min(ours):.2f}"]
            rows[-1] += [f"{without / within:.2f}", *(f"{100 * share:.0f}" for share in shares)]
            print(*rows[-1], flush=True)
    if not rows:
        report.skip("10", "search over the letters", "without data")
        return
    for when, found in gains.items():
        for word, gain in (("least", min(found)), ("largest", max(found))):
            what = f"search over the letters, a process's {when} one: gain, the {word}"
            report.target("10", what, gain, 2, at_least=True)
    report.table(
        "Searches on two cores",
        "GridSearchCV with `n_jobs=2` over two values of each of the five letters or, for SET, of "
        f"epsilon, zeta and mixup, on {N_FOLDS} folds; seconds of the clock. As it is, with "
        "`memory`, with it in two threads and in two forked processes; the ratio is that of the "
        "best. First from a fresh interpreter, whose processes must start, then a second time in "
        "the same processes with a new `memory` (medians of three of short ones). On one fold and "
        "in one process: the ratio of CPU seconds, and where they go without memory, in %",
        ["estimator", "table", "size"]
        + [*WAYS, "ratio", *(f"second, {way}" for way in AGAIN), "ratio of the second"]
        + ["one process, ratio", *(name for *_, name in PARTS), "the rest"],
        rows,
    )
