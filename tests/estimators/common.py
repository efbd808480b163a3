"""Data, settings and the laws of fitted attributes that the tests of the estimators share."""

import itertools

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.datasets import make_classification

from sklearn_set import NPSETClassifier, NPSETRegressor, SETClassifier, SETRegressor

SMALL = {
    "hidden_layer_sizes": (30, 20), "epsilon": 3, "max_iter": 8, "batch_size": 16,
    "learning_rate_init": 0.01, "mixup": 0.0, "averaging": 0.0, "n_iter_no_change": 10,
    "conditioning": None, "shrinkage": 0, "evolve_every": 1, "random_state": 3,
}  # fmt: skip
PRUNING = {**SMALL, "alpha": 0.2, "beta": 2, "gamma": 2}
BOTH = pytest.mark.parametrize("cls", [NPSETClassifier, NPSETRegressor])
ALL = pytest.mark.parametrize("cls", [SETClassifier, SETRegressor, NPSETClassifier, NPSETRegressor])


def blobs(n_classes=3, n=60, n_features=7, seed=0, **options):
    return make_classification(
        n, n_features, n_informative=5, n_classes=n_classes, random_state=seed, **options
    )


X, Y = blobs()
NAN, INF = X.copy(), X.copy()
NAN[3, 2], INF[3, 2] = np.nan, -np.inf


def assert_consistent(model):
    """The attributes of a fitted model agree with each other."""
    sizes = [model.n_features_in_, *model.hidden_layer_sizes_, model.n_outputs_]
    assert model.n_layers_ == len(sizes)
    assert [c.shape for c in model.coefs_] == list(itertools.pairwise(sizes))
    assert [b.shape for b in model.intercepts_] == [(n,) for n in sizes[1:]]
    for coef in model.coefs_:
        assert isinstance(coef, scipy.sparse.csc_array)
        coef.check_format(full_check=True)
        assert coef.has_canonical_format
        assert len(coef.data) == len(coef.indices) == coef.indptr[-1]
    assert model.n_connections_ == sum(c.nnz for c in model.coefs_)
    np.testing.assert_array_equal(
        model.density_, [c.nnz / (c.shape[0] * c.shape[1]) for c in model.coefs_]
    )
    strength = np.abs(model.coefs_[0]).sum(axis=1)
    np.testing.assert_allclose(model.feature_importances_, strength / strength.sum())
    columns = {len(column) for column in model.history_.values()}
    assert columns == ({model.n_iter_} if model.n_iter_ else set())
    assert len(model.loss_curve_) == model.n_iter_
    assert model.loss_curve_ == model.history_.get("loss", [])
    frame = pd.DataFrame(model.history_)
    assert len(frame) == model.n_iter_
    for column in model.history_.values():
        assert all(np.ndim(value) == 0 for value in column)
    if model.n_iter_:
        assert model.loss_ == model.loss_curve_[-1]
