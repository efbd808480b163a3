"""The command that runs the NPSET paper's experiments, and the page made from its results."""

import hashlib
import importlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
from helpers import REAL_DATA

from sklearn_set.datasets import _asu, list_asu

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
FOLDER = BENCHMARKS / "npset_paper"

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the benchmarks are not part of this copy"
)


@pytest.fixture
def run(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("npset_paper.run")
    for name in ("common", "npset_paper", "npset_paper.run", "npset_paper.page"):
        sys.modules.pop(name, None)


@pytest.fixture
def data_home(tmp_path, monkeypatch):
    """A folder with a small lung_small.mat that passes for the published file."""
    rng = np.random.default_rng(0)
    y = np.arange(45) % 3 - 1
    X = rng.normal(size=(45, 60)) + 2 * (np.arange(60) % 3 - 1 == y[:, np.newaxis])
    path = tmp_path / "data" / "lung_small.mat"
    path.parent.mkdir()
    scipy.io.savemat(path, {"X": X, "Y": y[:, np.newaxis]})
    checksum = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    entry = replace(_asu._DATASETS["Lung-discrete"], checksum=checksum)
    monkeypatch.setitem(_asu._DATASETS, "Lung-discrete", entry)
    return path.parent


def command(data_home, results, *more):
    return [
        *("--data-home", str(data_home), "--results", str(results)),
        *("--datasets", "Lung-discrete", "--seeds", "1", *more),
    ]


def test_all_parts_then_the_page(run, data_home, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(run.WIDTHS, "Lung-discrete", 40)
    # Not in a new process, which would not know of the altered checksum.
    monkeypatch.setitem(run.PARTS, "cost", run._cost)
    results = tmp_path / "results"
    run.main(command(data_home, results, "--epochs", "3"))
    assert "table2 [" in capsys.readouterr().err

    table = pd.read_csv(results / "table2.csv")
    assert not table.duplicated(["dataset", "method", "recipe", "seed"]).any()
    assert set(table["method"]) == set(run.METHODS)
    assert set(table["recipe"]) == {"paper", "defaults"}
    assert (table["n_train"] == 30).all() and (table["n_test"] == 15).all()
    accuracies = table[[f"{m}_accuracy" for m in ("max", "final", "chosen", "refit")]]
    np.testing.assert_allclose(accuracies * 15, (accuracies * 15).round(), atol=1e-9)
    assert (table["max_accuracy"] >= table["final_accuracy"]).all()
    assert (table["max_accuracy"] >= table["refit_accuracy"]).all()
    dense = table[table["method"] == "Direct FC-MLP"]
    width = run.pruned_width(40)
    assert (dense["connections_last"] == 60 * width + width * width + width * 3).all()

    removal = pd.read_csv(results / "figure1.csv")
    assert list(removal["order"]) == ["fewest", "random", "most"]
    points = [[int(n) for n in curve.split()] for curve in removal["test_right"]]
    assert {len(curve) for curve in points} == {len(run.removals(40))}
    assert len({curve[0] for curve in points}) == 1  # nothing is removed,
    assert len({curve[-1] for curve in points}) == 1  # everything is

    curves = pd.read_csv(results / "figure2.csv")
    assert set(curves["method"]) == {"NPSET-MLP", "SET-MLP", "Dense-MLP"}
    for name, n_rows in (("train", 30), ("test", 15)):
        assert (curves[f"n_{name}"] == n_rows).all()
        for curve in curves[f"{name}_right"]:
            assert len(curve.split()) == 3
            assert all(0 <= int(n) <= n_rows for n in curve.split())

    cost = pd.read_csv(results / "cost.csv")
    assert (cost["seconds_per_epoch_first"] > 0).all() and (cost["pickle_kilobytes"] > 0).all()

    page = importlib.import_module("npset_paper.page")
    read = page.read(results, "figure2")
    assert (read.groupby("method")["epoch"].max() == 2).all()
    assert read["test_accuracy"].between(0, 1).all()
    assert (page.read(results, "figure1").groupby("order")["n_removed"].max() == 40).all()
    page.write(results, tmp_path / "page" / "npset_paper.md")
    page.draw(results, tmp_path / "page")
    text = (tmp_path / "page" / "npset_paper.md").read_text()
    assert "| Lung-discrete | SET-MLP | 1 | **88.0** |" in text
    assert "{" not in text.replace("{}", "")
    for name in ("table2", "figure1", "figure2", "cost"):
        assert f"npset_paper_{name}.png" in text
        assert (tmp_path / "page" / f"npset_paper_{name}.png").stat().st_size > 5000


def test_interrupted_runs_continue(run, data_home, tmp_path, monkeypatch):
    monkeypatch.setitem(run.WIDTHS, "Lung-discrete", 40)
    arguments = command(
        data_home, tmp_path, "--epochs", "2", "--parts", "table2", "--recipes", "paper"
    )
    done = []

    def interrupted(task, data_home):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(task)
        return table2(task, data_home)

    table2 = run.table2
    monkeypatch.setitem(run.PARTS, "table2", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run.main(arguments)
    path = tmp_path / "table2.csv"
    assert len(pd.read_csv(path)) == 3
    path.write_text(path.read_text()[:-20])  # the last row was being written

    monkeypatch.setitem(run.PARTS, "table2", table2)
    run.main(arguments)
    table = pd.read_csv(path)
    assert sorted(table["method"]) == sorted(run.METHODS)
    assert table.notna().all(axis=None)

    monkeypatch.setitem(run.PARTS, "table2", None)  # there is nothing left to do
    run.main(arguments)
    assert len(pd.read_csv(path)) == len(run.METHODS)


def test_fit_with_two_scores_separates_them(run):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 5)), np.arange(40) % 2
    first, second = (rng.normal(size=(n, 5)) for n in (7, 11))
    targets = [np.arange(n) % 3 for n in (7, 11)]  # 2 is not among the training labels
    model = run.make_model("SET-MLP", "paper", 10, seed=0, epochs=4)
    scores = run.fit_with_two_scores(model, X, y, (first, targets[0]), (second, targets[1]))
    for of_set, rows, target in zip(scores, (first, second), targets):
        assert len(of_set) == 4
        assert of_set[-1] == pytest.approx((model.predict(rows) == target).mean())


def test_widths_and_neurons_are_the_papers(run):
    """Table 3, all 15 rows: this needs no data."""
    published = pd.read_csv(FOLDER / "paper" / "table3.csv").set_index("dataset")
    assert set(published.index) == set(run.WIDTHS)
    for name, row in published.iterrows():
        n_inputs, width = list_asu()[name]["n_features"], run.WIDTHS[name]
        assert row["hidden_layer_size"] == width
        assert row["neurons_SET"] == n_inputs + 2 * width
        assert row["neurons_NPSET"] == n_inputs + 2 * run.pruned_width(width)


@pytest.mark.parametrize("name", ["Lung-discrete", "madelon"])
def test_table3_parameters_are_near_the_papers(run, name):
    published = pd.read_csv(FOLDER / "paper" / "table3.csv").set_index("dataset").loc[name]
    (row,) = run.table3({"dataset": name, "seed": 0}, None)
    assert row["parameters_set"] == pytest.approx(published["params_SET"], rel=0.01)
    assert row["parameters_npset"] == pytest.approx(published["params_NPSET"], rel=0.05)
    assert row["parameters_fc"] == published["params_FC"]


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"the real files are not in {REAL_DATA}")
def test_lung_discrete(run, tmp_path):
    run.main(command(REAL_DATA, tmp_path, "--epochs", "12", "--parts", "table2", "figure1"))
    table = pd.read_csv(tmp_path / "table2.csv")
    assert (table["n_train"] == 48).all() and (table["n_test"] == 25).all()
    assert table["max_accuracy"].mean() > 0.6
    curves = pd.read_csv(tmp_path / "figure1.csv")["test_right"]
    assert [len(curve.split()) for curve in curves] == 3 * [41]


def test_the_published_curves_are_whole(run):
    """What is in the repository: a number of right rows for each epoch and each removal."""
    page = importlib.import_module("npset_paper.page")
    curves = page.read(page.RESULTS, "figure2")
    last = curves.groupby(["dataset", "method", "seed"])[["epoch", "epochs"]].max()
    assert len(last) and (last["epoch"] + 1 == last["epochs"]).all()
    removal = page.read(page.RESULTS, "figure1")
    gone = removal.groupby(["dataset", "order", "seed"])[["n_removed", "width"]].max()
    assert len(gone) and (gone["n_removed"] == gone["width"]).all()
    for name in ("train", "test"):
        assert curves[f"{name}_accuracy"].between(0, 1).all()
