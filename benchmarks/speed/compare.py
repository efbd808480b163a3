"""Compare the speed of the working tree with that of a commit.

    python benchmarks speed.compare [--base COMMIT] [--minutes N]

Both are built in the same way into folders of their own. Then two processes, one of either,
take turns at a few fits and predictions, so that both see the same machine. One thread, seconds
of the processor. A ratio is the median over the turns of head / base, beside it stand the
quartiles. Exit status 1: something takes a tenth longer, in three of four turns.

Owns: what a change of the package's speed is noticed by. May not touch: the package but
through what users call, since a base may have other insides.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 1.1


def tasks():
    """What is timed, by name."""
    from scipy import sparse

    from sklearn_set import NPSETClassifier, SETClassifier, SETRegressor
    from sklearn_set.presets import PAPER_NPSET

    rng = np.random.default_rng(0)

    def table(n_rows, n_columns, n_classes=2):
        y = np.arange(n_rows) % n_classes
        X = rng.standard_normal((n_rows, n_columns)).astype(np.float32)
        X[:, : n_columns // 10] += 0.5 * y[:, None]
        return X, y

    one = {"n_jobs": 1, "random_state": 0}
    few, many, spectra = table(48, 7000), table(2000, 60, 5), table(80, 600)
    words = sparse.random(1000, 3000, 0.015, format="csr", dtype=np.float32, random_state=rng)
    labels = np.asarray(words[:, :300].sum(axis=1)).ravel() > words[:, :300].sum() / 1000
    wide = SETClassifier(max_iter=5, **one).fit(*few)
    rows = np.tile(few[0], (20, 1))
    paper = NPSETClassifier((2000, 2000), **{**PAPER_NPSET, "max_iter": 10, **one})
    return {
        "fit, 48 x 7000": lambda: SETClassifier(max_iter=40, **one).fit(*few),
        "fit, 2000 x 60": lambda: SETClassifier(max_iter=10, **one).fit(*many),
        "fit, 1000 x 3000 words": lambda: SETClassifier(max_iter=10, **one).fit(words, labels),
        "fit of numbers, 80 x 600": lambda: SETRegressor(max_iter=40, **one).fit(*spectra),
        "fit, NPSET of the paper": lambda: paper.fit(few[0][:, :2000], few[1]),
        "fit, one epoch of 8 rows": lambda: SETClassifier((4,), max_iter=1, **one).fit(
            few[0][:8, :4], few[1][:8]
        ),
        "predict, 960 x 7000": lambda: wide.predict(rows),
        "predict, one row": lambda: wide.predict(rows[:1]),
    }


def serve(folder):
    """Time the task of each line that is read, with the package of a folder."""
    sys.meta_path[:] = [BuiltinImporter, FrozenImporter, PathFinder]  # no editable installation
    sys.path.insert(0, folder)
    warnings.simplefilter("ignore")
    import sklearn_set

    assert Path(sklearn_set.__file__).is_relative_to(folder), sklearn_set.__file__
    timed = tasks()
    print(json.dumps(list(timed)), flush=True)
    for line in sys.stdin:
        task, n, began = timed[line.strip()], 0, time.thread_time()
        while n == 0 or time.thread_time() - began < 0.1:
            task()
            n += 1
        print((time.thread_time() - began) / n, flush=True)


class Package:
    """The package as built from a folder of sources, in a process of its own."""

    def __init__(self, source, folder):
        install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target"]
        subprocess.run([*install, folder, source], check=True)
        self.process = subprocess.Popen(
            [sys.executable, "-P", __file__, "--serve", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        self.names = json.loads(self.process.stdout.readline())

    def seconds(self, name):
        print(name, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())


def compare(base, head, minutes):
    """Ratios head / base of each task, from turns that are taken until the time is over."""
    times = {name: [] for name in head.names if name in base.names}
    ends = time.monotonic() + 60 * minutes
    while time.monotonic() < ends or len(next(iter(times.values()))) < 4:
        for name, pairs in times.items():
            pairs.append((base.seconds(name), head.seconds(name)))
    return times


def judge(times):
    """Rows of the table, and the names of what became slower."""
    rows, slower = [], []
    for name, pairs in times.items():
        before, after = np.median(pairs, axis=0)
        low, middle, high = np.quantile([b / a for a, b in pairs], [0.25, 0.5, 0.75])
        rows.append([name, f"{before * 1e3:.3g}", f"{after * 1e3:.3g}", f"{middle:.2f}"])
        rows[-1].append(f"{low:.2f} – {high:.2f}")
        if low > LIMIT:
            slower.append(name)
    return rows, slower


def main():
    from common import table

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", default="origin/main", help="a commit; default: %(default)s")
    parser.add_argument("--minutes", type=float, default=5, help="of measuring, after the builds")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tree = str(Path(folder) / "tree")
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "-q", "--detach", tree, options.base], check=True)
        try:
            base = Package(tree, str(Path(folder) / "base"))
            head = Package(str(ROOT), str(Path(folder) / "head"))
        finally:
            subprocess.run([*git, "remove", "--force", tree], check=True)
        times = compare(base, head, options.minutes)
        for package in (base, head):
            package.process.terminate()
    rows, slower = judge(times)
    print(table(["", "base, ms", "head, ms", "head / base", "quartiles"], rows))
    if slower:
        sys.exit(f"Slower by a tenth or more: {', '.join(slower)}.")


if __name__ == "__main__":
    serve(sys.argv[2])
