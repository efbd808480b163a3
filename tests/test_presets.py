"""Presets: arguments that reproduce the papers, or make do with few connections."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits

from sklearn_set import NPSETClassifier, NPSETRegressor, SETClassifier
from sklearn_set.presets import PAPER_NPSET, PAPER_SET, ULTRA_SPARSE


def test_presets_are_constructor_arguments():
    assert set(PAPER_NPSET) - set(PAPER_SET) == {"alpha", "beta", "gamma", "prune_by"}
    assert "hidden_layer_sizes" not in PAPER_NPSET
    for cls, preset in ((SETClassifier, PAPER_SET), (NPSETClassifier, PAPER_NPSET)):
        model = cls(**preset)
        model._validate_params()
        assert {k: model.get_params()[k] for k in preset} == preset
    assert (PAPER_NPSET["alpha"], PAPER_NPSET["beta"], PAPER_NPSET["gamma"]) == (0.04, 10, 40)


def test_the_preset_gives_binary_problems_two_outputs():
    X, y = np.random.default_rng(0).normal(size=(20, 10)), np.arange(20) % 2
    model = SETClassifier((20, 20), **{**PAPER_SET, "max_iter": 2}).fit(X, y)
    assert model.n_outputs_ == 2 and model.out_activation_ == "logistic"


@pytest.mark.parametrize("preset", [PAPER_SET, PAPER_NPSET])
def test_presets_switch_the_new_mechanisms_off(preset):
    assert preset["mixup"] == 0 and preset["averaging"] == 0


def test_ultra_sparse_beats_set_of_more_connections():
    X, y = load_digits(return_X_y=True)
    few = NPSETClassifier(random_state=0, **ULTRA_SPARSE).fit(X[:200], y[:200])
    more = SETClassifier(epsilon=1, random_state=0).fit(X[:200], y[:200])
    assert few.n_connections_ < 0.8 * more.n_connections_
    assert few.score(X[200:], y[200:]) > 0.02 + more.score(X[200:], y[200:])


def test_ultra_sparse_serves_regression():
    X, y = load_diabetes(return_X_y=True)
    model = NPSETRegressor(random_state=0, **ULTRA_SPARSE).fit(X[:300], y[:300])
    assert model.score(X[300:], y[300:]) > 0.4
