"""Presets: arguments that reproduce the papers."""

import numpy as np
import pytest

from sklearn_set import NPSETClassifier, SETClassifier
from sklearn_set.presets import PAPER_NPSET, PAPER_SET


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
