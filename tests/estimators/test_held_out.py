"""Samples that are held out by the user."""

import numpy as np
import pytest
import scipy.sparse
from estimators.common import BOTH, PRUNING, SMALL, X, Y
from sklearn.metrics import log_loss, r2_score

from sklearn_set import NPSETClassifier, SETClassifier, SETRegressor
from sklearn_set._losses import Loss
from sklearn_set._targets import Values

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@BOTH
def test_x_val_and_y_val_come_together(cls):
    model = cls(**PRUNING)
    with pytest.raises(ValueError, match="X_val was given without y_val"):
        model.fit(X, Y, X_val=X)
    with pytest.raises(ValueError, match="y_val was given without X_val"):
        model.fit(X, Y, y_val=Y)
    with pytest.raises(ValueError, match="sample_weight_val was given without"):
        model.fit(X, Y, sample_weight_val=np.ones(60))
    with pytest.raises(ValueError, match="features"):
        model.fit(X, Y, X_val=X[:, 1:], y_val=Y)
    with pytest.raises(ValueError, match="inconsistent"):
        model.fit(X, Y, X_val=X, y_val=Y[1:])
    with pytest.raises(ValueError, match="NaN"):
        model.fit(X, Y, X_val=X * np.nan, y_val=Y)
    if cls is NPSETClassifier:
        with pytest.raises(ValueError, match="not among the classes"):
            model.fit(X, Y, X_val=X, y_val=Y + 1)
    assert not hasattr(model, "n_iter_")


@pytest.mark.parametrize("as_sparse", [False, True])
@pytest.mark.parametrize(
    "cls, y, loss",
    [
        (SETClassifier, Y, "log_loss"),
        (SETClassifier, Y == 0, "log_loss"),
        (SETClassifier, Y, "squared_error"),
        (SETClassifier, np.eye(3, dtype=int)[Y], "log_loss"),
        (SETRegressor, Y * 1.0, "squared_error"),
        (SETRegressor, np.eye(3)[Y], "poisson"),
        (SETRegressor, Y * 3.0, "huber"),
    ],
)
def test_validation_loss_is_the_training_loss_on_the_held_out_samples(cls, y, loss, as_sparse):
    weight = np.random.default_rng(0).uniform(0, 2, 60)
    still = cls(**{**SMALL, "max_iter": 3, "batch_size": 60}, loss=loss, zeta=0, weight_decay=0)
    given = scipy.sparse.csc_array(X) if as_sparse else X
    still.fit(X, y, weight, X_val=given, y_val=y, sample_weight_val=weight)
    # In one batch, the loss of an epoch is that of the network before its step.
    np.testing.assert_allclose(still.validation_loss_curve_[:-1], still.loss_curve_[1:])
    np.testing.assert_allclose(still.validation_scores_[-1], still.score(X, y, weight))


def test_training_loss_is_that_of_samples_as_they_are():
    """The loss on mixtures would hide how far the network overfits."""
    wide = np.random.default_rng(1).normal(size=(60, 200))
    labels = np.random.default_rng(2).permutation(Y)
    model = SETClassifier((100,), max_iter=30, weight_decay=0.01, shrinkage=0, random_state=3)
    model.fit(wide[:40], labels[:40], X_val=wide[40:], y_val=labels[40:])
    last = {name: column[-1] for name, column in model.history_.items()}
    losses = [
        log_loss(labels[rows], model.predict_proba(wide[rows]), labels=[0, 1, 2])
        for rows in (slice(0, 40), slice(40, 60))
    ]
    np.testing.assert_allclose([last["training_loss"], last["validation_loss"]], losses)
    assert losses[0] < 0.2 * last["loss"] < 0.2 * losses[1]


@pytest.mark.parametrize("n_held_out, n_rows", [(10, 100), (300, 300), (2000, 1000)])
def test_training_loss_is_weighted_and_looks_at_some_rows(n_held_out, n_rows):
    many = np.random.default_rng(3).normal(size=(3000, 4))
    weight = np.random.default_rng(4).uniform(1, 2, 3000)
    target = many[:, 0] + 5
    model = SETRegressor((10,), max_iter=3, random_state=0)
    model.fit(many, target, weight, X_val=many[:n_held_out], y_val=target[:n_held_out])
    rows = np.linspace(0, 2999, n_rows).astype(int)
    variance = np.cov(target, aweights=weight, ddof=0)
    residual = (target - model.predict(many))[rows]
    expected = np.average(residual**2, weights=weight[rows]) / variance / 2
    np.testing.assert_allclose(model.history_["training_loss"][-1], expected)


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_r2_is_that_of_scikit_learn(n_outputs, weighted):
    rng = np.random.default_rng(0)
    values = Values.of(rng.normal(size=(30, n_outputs)), Loss("squared_error"), None, scaled=True)
    target, raw = rng.normal(size=(2, 30, n_outputs))
    weight = rng.uniform(size=30) if weighted else None
    for y, z in ((target, raw), (target, target), (0 * target, raw), (0 * target, 0 * raw)):
        np.testing.assert_allclose(values.score(z, y, weight), r2_score(y, z, sample_weight=weight))
    assert np.isnan(values.score(raw[:1], target[:1], None))
