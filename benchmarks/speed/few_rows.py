"""Targets 9: a default fit to few rows, against a forest, and where its time goes."""

import functools
from collections import Counter
from contextlib import ExitStack
from unittest.mock import patch

from common import CPU, interleave, quietly
from generalization.tables import load, split_rows
from sklearn.ensemble import RandomForestClassifier

from sklearn_set import SETClassifier, _regularization
from sklearn_set._conditioning import InputConditioner
from sklearn_set._evolution import Evolution
from sklearn_set._mixtures import Mixtures
from sklearn_set._network import Network
from sklearn_set._training import WeightAverage

from .material import ms

TABLES = ("leukemia", "GLIOMA", "lung_small")
WIDE = ("ucr_beef", "gems_brain_tumor1", "su_tissues", "liver_toxicity_dose", "throat_smoking")
#: What a fit consists of: the method that does it, and what it is called.
PARTS = (
    (InputConditioner, "_learn", "conditioning"),
    (InputConditioner, "_apply", "conditioning"),
    (_regularization.Signal, "of", "conditioning"),
    (Network, "train_batches", "batches"),
    (Evolution, "start_epoch", "evolution"),
    (Network, "_native", "index, binding"),
    (Mixtures, "draw", "mixtures"),
    (WeightAverage, "add", "averaging"),
    (Network, "is_finite", "finite checks"),
)
NAMES = list(dict.fromkeys(name for *_, name in PARTS))


class Split:
    """Seconds in each part, without those of the parts that it calls."""

    def __init__(self, parts=PARTS):
        self.parts = parts
        self.seconds = Counter()
        self.within = [0.0]

    def timed(self, function, name):
        @functools.wraps(function)
        def call(*arguments, **named):
            began = CPU()
            self.within.append(0.0)
            try:
                return function(*arguments, **named)
            finally:
                taken = CPU() - began
                self.seconds[name] += taken - self.within.pop()
                self.within[-1] += taken

        return call

    def of(self, fit):
        """The shares of a call."""
        with ExitStack() as stack:
            for owner, method, name in self.parts:
                found = owner.__dict__[method]
                function = self.timed(getattr(found, "__func__", found), name)
                function = type(found)(function) if hasattr(found, "__func__") else function
                stack.enter_context(patch.object(owner, method, function))
            began = CPU()
            fit()
            total = CPU() - began
        return {name: self.seconds[name] / total for *_, name in self.parts}


def few_rows(options, report):
    names = [name for name in TABLES if options.data_home]
    names += [name for name in WIDE if options.wide_home]
    if not names:
        report.skip("9a", "default fits to few rows", "without data")
        return
    rows, ratios, shares = [], [], []
    for name in names[:2] if options.quick else names:
        table = load(name, options.data_home, options.wide_home)
        train, _ = split_rows(table, 0)
        X, y = table.X[train], table.y[train]
        ours = SETClassifier(n_jobs=1, random_state=0)
        forest = RandomForestClassifier(500, n_jobs=1, random_state=0)
        tasks = {
            "ours": functools.partial(ours.fit, X, y),
            "forest": functools.partial(forest.fit, X, y),
        }
        s = quietly(interleave, tasks, options.budget(0.3), least=2)
        ratios.append(s["ours"] / s["forest"])
        shares.append(quietly(Split().of, tasks["ours"]))
        rows.append([name, f"{len(y)} × {X.shape[1]}", ms(s["ours"]), ms(s["forest"])])
        rows[-1] += [f"{ratios[-1]:.2f}", *(f"{100 * v:.0f}" for v in shares[-1].values())]
        rows[-1].append(f"{100 * (1 - sum(shares[-1].values())):.0f}")
    report.target("9a", "default fit against 500 trees, the worst", max(ratios), 1, at_least=False)
    mean = sum(ratios) / len(ratios)
    report.target("9a", "default fit against 500 trees, the mean", mean, 0.25, at_least=False)
    for part, limit in (("conditioning", 20), *((p, 5) for p in NAMES[-3:])):
        worst = max(100 * share[part] for share in shares)
        what = f"{part}, the largest share of a fit"
        report.target("9b", what, worst, limit, at_least=False, unit=" %", digits=1)
    report.table(
        "Few rows",
        "Default fits to two thirds of a table, one thread, ms; then shares of our time in %",
        ["table", "size", "SETClassifier", "500 trees", "ratio", *NAMES, "the rest"],
        rows,
    )
