"""Each example of the gallery runs, with few epochs; the documentation runs them in full."""

import hashlib
import runpy
from dataclasses import replace
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.io
from joblib import parallel_config

from sklearn_set import _base, _feature_selection
from sklearn_set.datasets import _asu

EXAMPLES = sorted(Path(__file__).parents[1].glob("examples/plot_*.py"))


@pytest.fixture
def few_epochs(monkeypatch):
    """Three epochs at most, whatever max_iter says."""
    train = _base.train

    def train_shortly(*args, n_epochs, **kwargs):
        return train(*args, n_epochs=min(n_epochs, 3), **kwargs)

    for module in (_base, _feature_selection):
        monkeypatch.setattr(module, "train", train_shortly)


@pytest.fixture
def small_gene_expression(monkeypatch, tmp_path):
    """A file of GLIOMA's kind, in the folder that SKLEARN_SET_DATA names."""
    path = tmp_path / "GLIOMA.mat"
    X = np.random.default_rng(0).normal(size=(40, 60))
    scipy.io.savemat(path, {"X": X, "Y": np.arange(40)[:, np.newaxis] % 4 + 1})
    checksum = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    dataset = replace(_asu._DATASETS["GLIOMA"], n_samples=40, n_features=60, checksum=checksum)
    monkeypatch.setitem(_asu._DATASETS, "GLIOMA", dataset)
    monkeypatch.setenv("SKLEARN_SET_DATA", str(tmp_path))


def test_there_are_examples():
    assert len(EXAMPLES) >= 8


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example(path, few_epochs, small_gene_expression, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where an example may save its picture
    matplotlib.use("Agg")
    plt.close("all")
    with parallel_config(backend="sequential"):  # other processes would train in full
        namespace = runpy.run_path(str(path))
    title = namespace["__doc__"].strip().splitlines()
    assert set(title[1]) == {"="} and len(title[1]) >= len(title[0])
    assert plt.get_fignums()
    for number in plt.get_fignums():
        assert plt.figure(number).axes
    plt.close("all")
