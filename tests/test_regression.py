"""Targets of regression and their scale."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_regression

from sklearn_set import InputConditioner, SETRegressor

SMALL = {"hidden_layer_sizes": (30, 20), "epsilon": 8, "max_iter": 12, "random_state": 0}


def test_the_unit_of_the_target_does_not_matter():
    X, y = make_regression(80, 10, random_state=0)
    a = SETRegressor(**SMALL).fit(X, y).predict(X)
    b = SETRegressor(**SMALL).fit(X, 1000 * y + 5).predict(X)
    assert_allclose(b, 1000 * a + 5, rtol=1e-6, atol=1e-6 * 1000 * y.std())


@pytest.mark.parametrize("scale_target", [True, False])
@pytest.mark.parametrize("loss", ["squared_error", "poisson", "huber"])
def test_outputs_that_are_shrunk_all_the_way_are_the_mean(loss, scale_target):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), rng.poisson(3.0, size=40).astype(float)
    options = {"loss": loss, "scale_target": scale_target, "shrinkage": 1, "max_iter": 2}
    weight = rng.uniform(size=40)
    model = SETRegressor((10,), random_state=0, **options).fit(X, y, sample_weight=weight)
    assert_allclose(model.predict(X), np.average(y, weights=weight))


def test_poisson_scales_by_the_mean_and_stays_positive():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 5))
    y = 500 * np.exp(X[:, 0])
    model = SETRegressor(**{**SMALL, "max_iter": 60}, loss="poisson").fit(X, y)
    predicted = model.predict(X)
    assert (predicted > 0).all() and np.corrcoef(predicted, y)[0, 1] > 0.8


def test_constant_and_several_targets():
    X, y = make_regression(60, 8, n_targets=3, random_state=0)
    y[:, 1] = 7.0
    predicted = SETRegressor(**{**SMALL, "max_iter": 80}).fit(X, y).predict(X)
    assert predicted.shape == (60, 3)
    assert_allclose(predicted[:, 1], 7.0, atol=1.5)


def test_sample_weights_enter_the_scale():
    X, y = make_regression(40, 5, random_state=0)
    weight = np.arange(40) % 3
    weighted = SETRegressor(**SMALL, mixup=0).fit(X, y, sample_weight=weight)
    repeated = SETRegressor(**SMALL, mixup=0).fit(X.repeat(weight, axis=0), y.repeat(weight))
    assert_allclose(weighted._targets.offset, repeated._targets.offset)
    assert_allclose(weighted._targets.scale, repeated._targets.scale)


def test_later_chunks_keep_the_scale_of_the_first():
    X, y = make_regression(60, 5, random_state=0)
    model = SETRegressor(**SMALL).partial_fit(X[:30], y[:30])
    scale = model._targets.scale
    assert_array_equal(model.partial_fit(X[30:], 10 * y[30:])._targets.scale, scale)


def test_scale_target_can_be_switched_off():
    X, y = make_regression(60, 5, random_state=0)
    model = SETRegressor(**SMALL, scale_target=False).fit(X, y)
    assert model._targets.offset == 0 and model._targets.scale == 1


def test_targets_that_are_too_large_are_refused():
    X, y = make_regression(40, 5, random_state=0)
    y *= 1e200 / np.abs(y).max()
    with pytest.raises(ValueError, match=r"y reaches 1e\+200, too far .* Divide y by a constant"):
        SETRegressor(**SMALL).fit(X, y)
    with pytest.warns(RuntimeWarning, match="overflow"):
        assert InputConditioner().fit(X, y).method_ == "scale"
