"""partial_fit, warm_start and the clock that they continue."""

import copy

import numpy as np
import pytest
from estimators.common import BOTH, PRUNING, SMALL, X, Y, assert_consistent
from helpers import assert_same
from sklearn.exceptions import ConvergenceWarning

from sklearn_set import NPSETClassifier, SETClassifier, SETRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_partial_fit_needs_classes_first():
    model = SETClassifier(**SMALL)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        model.partial_fit(X, Y)
    model.partial_fit(X[:10], np.zeros(10, dtype=int), classes=[0, 1, 2])
    model.partial_fit(X, Y)
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])
    with pytest.raises(ValueError, match="not the same as on the last call to partial_fit"):
        model.partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"labels that are not among the classes .*\[7\]"):
        model.partial_fit(X, np.full(60, 7))
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(X[:, :3], Y)
    with pytest.raises(ValueError, match="early_stopping"):
        model.set_params(early_stopping=True).partial_fit(X, Y)
    assert model.n_iter_ == 2  # failures count for nothing


@BOTH
def test_the_clock_of_partial_fit(cls):
    model = cls(**PRUNING)
    options = {"classes": [0, 1, 2]} if cls is NPSETClassifier else {}
    for call in range(1, 8):
        model.partial_fit(X[call:], Y[call:], **options)  # batches of any size
        assert model.n_iter_ == call
        assert_consistent(model)
    assert model.history_["n_pruned"] == [0, 0, 10, 7, 6, 0, 0]
    assert model.history_["n_dropped"][0] == 0 and min(model.history_["n_dropped"][1:]) > 0


@BOTH
def test_fit_resets_the_clock(cls):
    model = cls(**PRUNING).fit(X, Y)
    for _ in range(2):
        model.partial_fit(X, Y)
    assert model.n_iter_ == 10
    model.fit(X, Y)
    assert model.n_iter_ == 8
    assert_same(model, cls(**PRUNING).fit(X, Y))
    assert_consistent(model)


@BOTH
@pytest.mark.parametrize("validated", [False, True])
def test_partial_fit_after_fit_continues_the_weights(cls, validated):
    held_out = {"X_val": X, "y_val": Y} if validated else {}
    model = cls(**PRUNING).fit(X, Y, **held_out)
    before = copy.deepcopy(model)
    model.set_params(learning_rate_init=1e-300, weight_decay=0.0).partial_fit(X, Y)
    assert model.n_iter_ == 9 and model.t_ == 9 * 60
    assert_consistent(model)
    # A rewiring took place; what was kept has not moved.
    old, new = before.coefs_[0].toarray(), model.coefs_[0].toarray()
    assert 0.6 * (old != 0).sum() < ((old == new) & (old != 0)).sum() < (old != 0).sum()
    assert before.loss_curve_ == model.loss_curve_[:8]  # and the first model is a copy
    np.testing.assert_allclose(before.coefs_[-1].toarray(), model.coefs_[-1].toarray())


@BOTH
def test_warm_start_continues_clock_and_history(cls):
    model = cls(**{**PRUNING, "max_iter": 3}, warm_start=True)
    with pytest.warns(ConvergenceWarning, match="before the last scheduled pruning"):
        model.fit(X, Y)
    assert model.n_iter_ == 3 and model.hidden_layer_sizes_ == (24, 16)
    model.fit(X, Y)
    assert model.n_iter_ == 6 and model.hidden_layer_sizes_ == (16, 11)
    assert_consistent(model)
    assert sum(n > 0 for n in model.history_["n_pruned"]) == 3
    model.fit(X, Y, X_val=X, y_val=Y)
    assert_consistent(model)
    model.set_params(early_stopping=True).fit(X, Y)
    assert_consistent(model)
    model.set_params(early_stopping=False).fit(X, Y)
    assert_consistent(model)
    assert model.n_iter_ == 15


def test_warm_start_with_another_solver_or_rate():
    model = SETClassifier(**SMALL, warm_start=True).fit(X, Y)
    changes = [{"solver": "sgd"}, {"momentum": 0.0}, {"learning_rate_init": 0.1}]
    changes += [{"solver": "adam"}, {"activation": "tanh"}, {"zeta": 0}]
    for change in changes:
        model.set_params(**change).fit(X, Y)
        assert_consistent(model)
    assert model.n_iter_ == 56 and np.isfinite(model.loss_)


def test_warm_start_needs_the_same_problem():
    model = SETClassifier(**SMALL, warm_start=True).fit(X, Y)
    raw = model.decision_function(X)
    with pytest.raises(ValueError, match=r"not among the classes|outputs"):
        model.fit(X, Y + 1)
    with pytest.raises(ValueError, match="features"):
        model.fit(X[:, 1:], Y)
    np.testing.assert_array_equal(model.decision_function(X), raw)
    regressor = SETRegressor(**SMALL, warm_start=True).fit(X, Y)
    with pytest.raises(ValueError, match="outputs"):
        regressor.fit(X, np.eye(3)[Y])


@pytest.mark.parametrize(
    "model, change, message",
    [
        (SETClassifier(**SMALL), {"loss": "squared_error"}, "softmax_log_loss, not with"),
        (SETRegressor(**SMALL), {"loss": "huber"}, r"squared_error, not with huber \("),
        (SETRegressor(**SMALL, loss="huber"), {"huber_delta": 2.0}, r"not with .*=2\)"),
    ],
)
def test_another_loss_is_refused(model, change, message):
    model = copy.copy(model).set_params(warm_start=True).fit(X, Y)
    expected = model.predict(X)
    model.set_params(**change)
    for go_on in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=message):
            go_on(X, Y)
    np.testing.assert_array_equal(model.predict(X), expected)
    model.set_params(warm_start=False).fit(X, Y)
