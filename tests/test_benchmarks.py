"""What the benchmarks share, and that their pages are those of the results in the repository."""

import csv
import importlib
import itertools
import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy import special

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
NAMES = sorted(path.parent.name for path in BENCHMARKS.glob("*/page.py"))

pytestmark = pytest.mark.skipif(
    not BENCHMARKS.is_dir(), reason="the benchmarks are not part of this copy"
)


@pytest.fixture
def load(monkeypatch):
    """Imports a module of the benchmarks, and forgets all of them after the test."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module
    for name in list(sys.modules):
        if name.split(".")[0] in (*NAMES, "common"):
            del sys.modules[name]


@pytest.mark.parametrize("name", NAMES)
def test_pages_are_those_of_the_results(load, name, tmp_path):
    page = load(f"{name}.page")
    page.write(page=tmp_path / "page.md")
    written = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert written == page.PAGE.read_text(encoding="utf-8"), f"run `python benchmarks pages {name}`"


def test_a_page_needs_all_of_its_parts(load, tmp_path):
    common = load("common")
    template, page = tmp_path / "page.md.in", tmp_path / "out" / "page.md"
    template.write_text("{a} and {b}, not { c }")
    common.write_page(template, page, {"a": "{b}", "b": 2})
    assert page.read_text() == "{b} and 2, not { c }"
    with pytest.raises(KeyError, match="b"):
        common.write_page(template, page, {"a": 1})


def test_the_best_figures_are_bold(load):
    common = load("common")
    assert common.bold_best(["1.5 ± 9", "–", "1,200 s", "−7"]) == [
        "1.5 ± 9",
        "–",
        "**1,200 s**",
        "−7",
    ]
    assert common.bold_best(["2.8e+03", "-0.5", "", "+3"], least=True)[1] == "**-0.5**"
    assert common.bold_best(["4 (2)", "4", "–"]) == ["4 (2)", "4", "–"]  # nobody is ahead
    rows = [["a", "x", 1, "0.3"], ["a", "y", 2, "0.3"], ["b", "x", 9, "0.4"], ["b", "y", 8, "0.2"]]
    written = common.table(
        ["of", "who", "gain", "loss"], rows, 2, most=["gain"], least=["loss"], by=1
    )
    assert written.splitlines()[2:] == [
        "| a | x | 1 | 0.3 |",
        "| a | y | **2** | 0.3 |",
        "| b | x | **9** | 0.4 |",
        "| b | y | 8 | **0.2** |",
    ]
    assert rows[1][2] == 2
    assert common.rivals_first(["SET", "trees", "NPSET", "SVC"], ["NPSET", "SET"]) == [
        *("trees", "SVC", "NPSET", "SET")
    ]


def test_results_are_read_as_they_were_written(load, tmp_path):
    common = load("common")
    path = tmp_path / "results.json"
    assert common.read_results(path) == {}
    results = {
        "rows": [{"n": np.int64(3), "seconds": np.float64(1 / 3)}, {"met": None, "of": [1, (2,)]}],
        "machine": {"cores": "2", "met": True},
    }
    common.write_results(path, results)
    assert common.read_results(path) == {
        "rows": [{"n": 3, "seconds": 0.33333333}, {"met": None, "of": [1, [2]]}],
        "machine": {"cores": "2", "met": True},
    }
    assert json.dumps({"n": 3, "seconds": 0.33333333}) in path.read_text()  # a row, a line


def test_interleaved_tasks_are_run_as_often_as_asked(load):
    common = load("common")
    ran, now = [], iter(range(1000))
    tasks = {name: lambda name=name: ran.append(name) for name in "ab"}
    seconds = common.interleave(tasks, budget=0, least=3, clock=lambda: next(now))
    assert seconds == {"a": 1, "b": 1}
    assert "".join(ran) == "abababab"  # once each before it is timed


# ------------------------------------------------------------------ speed: two commits


class Timed:
    """A package whose tasks take so many seconds."""

    def __init__(self, **seconds):
        self.taken, self.names = seconds, list(seconds)

    def seconds(self, name):
        return self.taken[name]


def test_two_commits_take_turns_at_the_tasks_that_both_have(load):
    compare = load("speed.compare")
    times = compare.compare(Timed(fit=2.0, old=1.0), Timed(fit=3.0, new=1.0), minutes=0)
    assert times == {"fit": [(2.0, 3.0)] * 4}
    rows, slower = compare.judge({"fit": [(2.0, 3.0)] * 4, "same": [(1.0, 1.0), (1.0, 1.2)] * 2})
    assert slower == ["fit"]
    assert rows[0] == ["fit", "2e+03", "3e+03", "1.50", "1.50 – 1.50"]


# ------------------------------------------------------------------ images: the fit of degrees


def test_the_exponent_of_a_power_law_is_found(load):
    degrees = load("images.degrees")
    rng = np.random.default_rng(0)
    for start, exponent in ((1, 2.2), (5, 2.5), (3, 3.5)):
        sample = degrees.draw_power_law(4000, start, exponent, rng)
        assert sample.min() == start
        expected = special.zeta(exponent, start + 1) / special.zeta(exponent, start)
        assert (sample > start).mean() == pytest.approx(expected, abs=0.03)
        found = degrees.describe(np.append(sample, np.arange(1, start)), n_samples=20)
        assert found["exponent"] == pytest.approx(exponent, abs=0.15)
        assert found["tail"] > 0.4 and found["plausibility"] >= 0.1
        assert abs(found["ratio"]) < 2.5
        keys = ("exponent", "plausibility", "ratio", "ratio_p")
        assert degrees.is_scale_free(*(found[key] for key in keys)) == (exponent < 3)


def test_other_laws_are_no_power_laws(load):
    degrees = load("images.degrees")
    rng = np.random.default_rng(0)
    for sample in (rng.poisson(30, 1000), rng.geometric(0.05, 2000), rng.lognormal(3, 0.5, 3000)):
        found = degrees.describe(sample.astype(int), n_samples=20)
        keys = ("exponent", "plausibility", "ratio", "ratio_p")
        assert not degrees.is_scale_free(*(found[key] for key in keys))
    # Of a log-normal law's whole range, the log-normal is the likelier.
    sample = np.round(rng.lognormal(3, 0.5, 3000)).astype(int)
    exponent = degrees.fit_exponent(sample, sample.min())
    statistic, p = degrees.against_log_normal(sample, sample.min(), exponent)
    assert statistic < -10 and p < 1e-10


def test_the_partition_function_is_that_of_all_states(load):
    run = load("images.run")
    rng = np.random.default_rng(0)
    W, hidden, visible = rng.normal(size=(8, 5)), rng.normal(size=5), rng.normal(size=8)
    states = np.array(list(itertools.product([0.0, 1.0], repeat=8)))
    exact = special.logsumexp(-run.free_energy(states, W, hidden, visible))
    found = run.log_partition(W, hidden, visible, np.zeros(8), rng, n_steps=500)
    assert found == pytest.approx(exact, abs=0.1)


def test_images_are_resumed(load, tmp_path, monkeypatch):
    run = load("images.run")
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, size=(90, 49), dtype=np.uint8), np.arange(90) % 3
    np.savez(tmp_path / "few.npz", X=X, y=y)
    few = ("few", 60, 40, 30, (60, 70), {**run.KERAS, "max_iter": 2})
    monkeypatch.setattr(run, "DATA", {"MNIST": few})
    monkeypatch.setattr(run, "MACHINE", {**run.MACHINE, "n_iter": 2})
    monkeypatch.setattr(run, "DENSE_EPOCHS", {"MNIST": 1})
    monkeypatch.setattr(run, "N_HIDDEN", 20)
    monkeypatch.setattr(run, "describe", partial(run.describe, n_samples=2))
    results = tmp_path / "results"
    models = ["SET", "DSR", "dense", "SET by relative sensitivity", "SET-RBM"]
    command = ["images", "--data-home", str(tmp_path), "--seeds", "1", "--results", str(results)]
    monkeypatch.setattr(sys, "argv", [*command, "--models", *models])
    run.main()
    texts = [path.read_text() for path in sorted(results.iterdir())]
    assert [text.count("\n") for text in texts] == [5, 6, 2]  # with 3 + 2 rows of degrees
    run.main()
    assert texts == [path.read_text() for path in sorted(results.iterdir())]


def test_networks_with_convolutions_keep_their_budget(load, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    run = load("images.run")
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, size=(90, 3072), dtype=np.uint8), np.arange(90) % 10
    np.savez(tmp_path / "few.npz", X=X, y=y)
    monkeypatch.setattr(run, "DATA", {"CIFAR-10": ("few", 64, 64, 20, (), {})})
    monkeypatch.setattr(run, "CONVOLUTIONAL_EPOCHS", {"CIFAR-10": 2})
    monkeypatch.setitem(run.CONVOLUTIONAL["ResNet, DSR"], "every", 1)
    models = ["ResNet, static", "ResNet, SET", "ResNet, DSR", "ResNet, dense", "SET-CNN"]
    command = ["images", "--data-home", str(tmp_path), "--seeds", "1", "--models", *models]
    monkeypatch.setattr(sys, "argv", [*command, "--results", str(tmp_path)])
    run.main()
    with open(tmp_path / "convolutional.csv", newline="") as file:
        rows = {row["model"]: row for row in csv.DictReader(file)}
    assert rows.keys() == set(models)
    weights = {model: int(row["weights"]) for model, row in rows.items()}
    static = weights["ResNet, static"]
    assert weights["ResNet, SET"] == weights["ResNet, DSR"] == static < weights["ResNet, dense"] / 5
    # From the same first network, which evolved.
    assert len({rows[f"ResNet, {name}"]["log_loss"] for name in ("static", "SET", "DSR")}) == 3
