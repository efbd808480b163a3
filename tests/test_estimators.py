"""What users of the estimators rely on."""

import copy
import itertools
import multiprocessing
import os
import pickle
import re
import signal
import subprocess
import sys
import sysconfig
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn
from helpers import assert_same
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.datasets import load_digits, make_classification, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import accuracy_score, get_scorer, log_loss, make_scorer, recall_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from threadpoolctl import threadpool_limits

from sklearn_set import (
    NPSETClassifier,
    NPSETRegressor,
    SETBernoulliRBM,
    SETClassifier,
    SETFeatureSelector,
    SETRegressor,
    _network,
)
from sklearn_set._base import BaseSparseMLP
from sklearn_set._evolution import Evolution
from sklearn_set._network import Data, Network
from sklearn_set._threads import effective_n_threads
from sklearn_set._training import Course, NonFiniteLossError, _follow

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SMALL = {
    "hidden_layer_sizes": (30, 20), "epsilon": 3, "max_iter": 8, "batch_size": 16,
    "learning_rate_init": 0.01, "mixup": 0.0, "averaging": 0.0, "n_iter_no_change": 10,
    "random_state": 3,
}  # fmt: skip
PRUNING = {**SMALL, "alpha": 0.2, "beta": 2, "gamma": 2}
BOTH = pytest.mark.parametrize("cls", [NPSETClassifier, NPSETRegressor])
ALL = pytest.mark.parametrize("cls", [SETClassifier, SETRegressor, NPSETClassifier, NPSETRegressor])


def blobs(n_classes=3, n=60, n_features=7, seed=0, **options):
    return make_classification(
        n, n_features, n_informative=5, n_classes=n_classes, random_state=seed, **options
    )


X, Y = blobs()


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


# ------------------------------------------------------------------ attributes


@ALL
@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_attributes(cls, held_out, early_stopping):
    settings = PRUNING if cls.__name__.startswith("NP") else SMALL
    model = cls(**settings, early_stopping=early_stopping)
    given = {"X_val": X[:20], "y_val": Y[:20]} if held_out else {}
    assert model.fit(X, Y, **given) is model
    assert_consistent(model)
    assert model.n_features_in_ == 7 and model.n_iter_ == 8
    history = model.history_
    names = {
        "loss", "n_connections", "n_connections_0", "n_connections_1", "n_connections_2",
        "hidden_layer_size_0", "hidden_layer_size_1", "n_dropped", "n_grown", "n_survived",
        "n_pruned", "time",
    }  # fmt: skip
    validated = held_out or early_stopping
    if validated:
        names |= {"validation_loss", "validation_score"}
        assert model.validation_scores_ == history["validation_score"]
        assert model.validation_loss_curve_ == history["validation_loss"]
    else:
        assert model.validation_scores_ is model.validation_loss_curve_ is None
    assert set(history) == names
    for i in range(8):
        assert history["n_connections"][i] == sum(
            history[f"n_connections_{k}"][i] for k in (0, 1, 2)
        )
    assert all(t > 0 for t in history["time"]) and sum(history["time"]) < 60
    assert history["n_dropped"][0] == 0 and min(history["n_dropped"][1:]) > 0
    assert history["n_connections"][-1] == model.n_connections_
    assert (history["hidden_layer_size_0"][-1],) == model.hidden_layer_sizes_[:1]
    n_train = 54 if early_stopping and not held_out else 60
    assert model.t_ == 8 * n_train
    if early_stopping:
        last = 4 if cls.__name__.startswith("NP") else 0
        assert model.best_loss_ is None
        assert model.best_validation_score_ == max(model.validation_scores_[last:])
    else:
        assert model.best_validation_score_ is None
        assert model.best_loss_ == min(model.loss_curve_)
    if cls in (SETClassifier, NPSETClassifier):
        np.testing.assert_array_equal(model.classes_, [0, 1, 2])
        assert (model.n_outputs_, model.out_activation_) == (3, "softmax")
    else:
        assert not hasattr(model, "classes_")
        assert (model.n_outputs_, model.out_activation_) == (1, "identity")
    assert not hasattr(model, "feature_names_in_")


@pytest.mark.parametrize(
    "cls, y, loss, n_outputs, activation",
    [
        (SETClassifier, Y == 1, "log_loss", 1, "logistic"),
        (SETClassifier, Y == 1, "squared_error", 2, "logistic"),
        (SETClassifier, Y, "squared_error", 3, "logistic"),
        (SETClassifier, np.eye(3, dtype=int)[Y], "log_loss", 3, "logistic"),
        (SETClassifier, np.eye(3, dtype=int)[Y], "squared_error", 3, "logistic"),
        (SETRegressor, Y + 1.0, "poisson", 1, "exp"),
        (SETRegressor, np.eye(3)[Y], "huber", 3, "identity"),
    ],
)
def test_outputs(cls, y, loss, n_outputs, activation):
    model = cls(**SMALL, loss=loss)
    if cls is SETRegressor:
        model.set_params(scale_target=False)
    model.fit(X, y)
    assert_consistent(model)
    assert (model.n_outputs_, model.out_activation_) == (n_outputs, activation)
    raw = model._raw_predict(X)
    assert raw.shape == (60, n_outputs)
    if cls is SETRegressor:
        outputs = np.exp(raw) if loss == "poisson" else raw
        np.testing.assert_allclose(model.predict(X), outputs[:, 0] if n_outputs == 1 else outputs)
        return
    p, decision = model.predict_proba(X), model.decision_function(X)
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(p))
    assert (p >= 0).all() and (p <= 1).all()
    if y.ndim == 2:
        np.testing.assert_allclose(p, 1 / (1 + np.exp(-raw)), rtol=1e-6)
        np.testing.assert_array_equal(decision, raw)
        np.testing.assert_array_equal(model.predict(X), (p > 0.5).astype(int))
        assert model.score(X, y) == (model.predict(X) == y).all(axis=1).mean()
        return
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_array_equal(model.predict(X), model.classes_[p.argmax(axis=1)])
    assert model.score(X, y) == (model.predict(X) == y).mean()
    if len(model.classes_) == 2:
        assert decision.shape == (60,)
        np.testing.assert_array_equal(model.predict(X), model.classes_[(decision > 0).astype(int)])
        order = np.argsort(decision)
        assert (np.diff(p[order, 1]) >= -1e-12).all()
    else:
        np.testing.assert_array_equal(decision, raw)


@BOTH
def test_attributes_before_fit(cls):
    model = cls()
    for name in ("coefs_", "intercepts_", "hidden_layer_sizes_", "n_connections_", "density_",
                 "feature_importances_", "history_", "n_iter_", "loss_"):  # fmt: skip
        assert not hasattr(model, name)
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_coefs_share_the_models_memory():
    model = SETClassifier(**SMALL).fit(X, Y)
    assert np.shares_memory(model.coefs_[1].data, model.coefs_[1].data)
    before = model.decision_function(X)
    model.coefs_[-1].data[:] *= 2
    model.intercepts_[-1][:] *= 2
    np.testing.assert_allclose(model.decision_function(X), 2 * before)


def test_the_network_is_what_the_attributes_say():
    model = NPSETClassifier(**PRUNING, activation="tanh").fit(X, Y)
    a = X
    for coef, intercept in zip(model.coefs_[:-1], model.intercepts_[:-1]):
        a = np.tanh(a @ coef + intercept)
    np.testing.assert_allclose(
        a @ model.coefs_[-1] + model.intercepts_[-1], model.decision_function(X), atol=1e-12
    )


def test_feature_importances_find_the_informative_features():
    rng = np.random.default_rng(0)
    data = rng.normal(size=(300, 50))
    target = (data[:, 3] + data[:, 17] > 0).astype(int)
    model = SETClassifier((50, 50), epsilon=5, max_iter=60, random_state=0).fit(data, target)
    assert set(np.argsort(model.feature_importances_)[-2:]) == {3, 17}
    assert model.feature_importances_.sum() == pytest.approx(1)


# ------------------------------------------------------------------ partial_fit, warm_start


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
    for change in ({"solver": "sgd"}, {"momentum": 0.0}, {"learning_rate_init": 0.1},
                   {"solver": "adam"}, {"activation": "tanh"}, {"zeta": 0}):  # fmt: skip
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


# ------------------------------------------------------------------ stopping


def test_patience_begins_after_the_last_pruning():
    lazy = {"tol": 10.0, "n_iter_no_change": 2, "max_iter": 50}
    plain = SETClassifier(**{**SMALL, **lazy}).fit(X, Y)
    assert plain.n_iter_ == 1 + 3  # the first epoch improves on nothing, three do not
    pruned = NPSETClassifier(**{**PRUNING, **lazy}).fit(X, Y)
    assert pruned.n_iter_ == 5 + 3
    assert pruned.hidden_layer_sizes_ == (16, 11)
    for cls, settings, n in ((SETClassifier, SMALL, 4), (NPSETClassifier, PRUNING, 8)):
        model = cls(**{**settings, **lazy}, early_stopping=True).fit(X, Y)
        assert model.n_iter_ == n
    off = NPSETClassifier(**{**PRUNING, **lazy, "alpha": 0}).fit(X, Y)
    assert off.n_iter_ == 4
    no_layer = NPSETClassifier(**{**PRUNING, **lazy}, prune_layers=()).fit(X, Y)
    assert no_layer.n_iter_ == 4


def test_patience_counts_from_the_best():
    model = SETClassifier(**{**SMALL, "max_iter": 400, "n_iter_no_change": 5}, tol=1e-3).fit(X, Y)
    best, stale, wanted = np.inf, 0, None
    for epoch, loss in enumerate(model.loss_curve_):
        stale = 0 if loss <= best - 1e-3 else stale + 1
        best = min(best, loss)
        if stale > 5:
            wanted = epoch + 1
            break
    assert model.n_iter_ == wanted < 400
    assert SETClassifier(
        **{**SMALL, "max_iter": 60, "n_iter_no_change": np.inf}, tol=10.0
    ).fit(X, Y).n_iter_ == 60  # fmt: skip


def test_adaptive_rate_outlasts_the_first_plateau():
    lazy = {"tol": 10.0, "n_iter_no_change": 1, "max_iter": 100, "solver": "sgd"}
    constant = SETClassifier(**{**SMALL, **lazy}).fit(X, Y)
    adaptive = SETClassifier(**{**SMALL, **lazy}, learning_rate="adaptive").fit(X, Y)
    # 0.01 / 5**6 is the first rate <= 1e-6: six plateaus of two epochs more.
    assert (constant.n_iter_, adaptive.n_iter_) == (3, 3 + 6 * 2)


@pytest.mark.parametrize("cls, settings", [(SETClassifier, SMALL), (NPSETClassifier, PRUNING)])
def test_early_stopping_restores_the_best(cls, settings):
    settings = {**settings, "max_iter": 40, "n_iter_no_change": 40}
    train, test = slice(0, 40), slice(40, 60)
    held_out = {"X_val": X[test], "y_val": Y[test]}
    model = cls(**settings, early_stopping=True).fit(X[train], Y[train], **held_out)
    first = 5 if cls is NPSETClassifier else 0
    scores = model.validation_scores_
    counting = slice(first - (first > 0), None)
    ranks = list(zip(scores[counting], -np.array(model.validation_loss_curve_[counting])))
    best = counting.start + max(range(len(ranks)), key=ranks.__getitem__)
    assert model.best_validation_score_ == scores[best] == model.score(X[test], Y[test])
    assert best < 39
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        stopped_there = cls(**{**settings, "max_iter": best + 1}).fit(X[train], Y[train])
    assert_same(model, stopped_there)  # topology and weights of that epoch


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "cls, scoring",
    [
        (SETClassifier, "neg_log_loss"),
        (SETClassifier, "balanced_accuracy"),
        (SETRegressor, "neg_mean_absolute_error"),
    ],
)
def test_early_stopping_by_any_scorer(cls, scoring, weighted):
    y = np.array(["no", "yes"])[Y % 2] if cls is SETClassifier else 100 + 7 * X[:, 0]
    held_out = {"X_val": X[40:], "y_val": y[40:]}
    weight = np.arange(1, 21) if weighted else None
    model = cls(**SMALL, early_stopping=True, scoring=scoring)
    model.fit(X[:40], y[:40], **held_out, sample_weight_val=weight)
    score = get_scorer(scoring)(model, X[40:], y[40:], sample_weight=weight)
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert_allclose(model.best_validation_score_, score, rtol=1e-6)


def test_early_stopping_by_a_function_and_by_the_loss():
    frame = pd.DataFrame(X, columns=[f"gene {i}" for i in range(X.shape[1])])
    model = SETClassifier(**SMALL, early_stopping=True, scoring=lambda model, X, y: -model.n_iter)
    with pytest.raises(AttributeError, match="n_iter"):  # the function's own error comes through
        model.fit(frame, Y)
    by_loss = clone(model).set_params(scoring="loss").fit(frame, Y)
    assert by_loss.validation_scores_ == [-loss for loss in by_loss.validation_loss_curve_]
    own = clone(model).set_params(scoring=lambda model, X, y: model.score(X, y)).fit(frame, Y)
    default = clone(model).set_params(scoring=None).fit(frame, Y)
    assert_same(own, default)
    always_tied = clone(model).set_params(scoring=lambda model, X, y: 1.0, n_iter_no_change=99)
    always_tied.fit(frame[:40], Y[:40], X_val=frame[40:], y_val=Y[40:])  # the loss decides
    losses = always_tied.validation_loss_curve_
    assert_allclose(log_loss(Y[40:], always_tied.predict_proba(frame[40:])), min(losses))
    assert min(losses) < losses[0]
    with pytest.raises(ValueError, match="scoring"):
        clone(model).set_params(scoring="accurracy").fit(frame, Y)


def capture_split(monkeypatch):
    seen = {}

    def spy(self, learner, samples, held_out, *args, **kwargs):
        seen.update(train=samples, val=held_out)
        return original(self, learner, samples, held_out, *args, **kwargs)

    original = BaseSparseMLP._train
    monkeypatch.setattr(BaseSparseMLP, "_train", spy)
    return seen


def test_early_stopping_is_stratified(monkeypatch):
    seen = capture_split(monkeypatch)
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(5), [100, 40, 20, 20, 20])
    data = rng.normal(size=(200, 4))
    weight = rng.uniform(1, 2, 200)
    weight[:10] = 0
    model = SETClassifier(**{**SMALL, "max_iter": 2}, early_stopping=True, validation_fraction=0.2)
    model.fit(data, y)
    np.testing.assert_array_equal(np.bincount(seen["val"].target), [20, 8, 4, 4, 4])
    np.testing.assert_array_equal(np.bincount(seen["train"].target), [80, 32, 16, 16, 16])
    model.fit(data, y, weight)
    np.testing.assert_array_equal(np.bincount(seen["val"].target), [18, 8, 4, 4, 4])
    rows = {row.tobytes(): i for i, row in enumerate(data)}
    for part in seen.values():  # weights stay with their rows
        np.testing.assert_array_equal(part.weight, [weight[rows[r.tobytes()]] for r in part.X])
        np.testing.assert_array_equal(part.target, [y[rows[r.tobytes()]] for r in part.X])


def test_a_class_too_rare_to_stratify():
    y = np.array([0] * 30 + [1] * 29 + [2])
    model = SETClassifier(**SMALL, early_stopping=True)
    with pytest.warns(UserWarning, match=r"cannot be stratified: the rarest class has 1 sample"):
        model.fit(X, y)
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])


def test_too_few_samples_to_hold_out():
    with pytest.raises(ValueError, match=r"cannot hold out validation_fraction=0\.1 of 1 sample"):
        SETRegressor(**SMALL, early_stopping=True).fit(X[:1], Y[:1])


@BOTH
def test_warning_when_the_last_pruning_is_not_reached(cls):
    settings = {**PRUNING, "max_iter": 4}
    with pytest.warns(ConvergenceWarning, match=r"after 4 epochs.* epoch 4: .*\(20, 13\) neurons"):
        cls(**settings).fit(X, Y)
    for quiet in ({"max_iter": 5}, {"alpha": 0}, {"gamma": 1}, {"prune_layers": ()}):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            cls(**{**settings, **quiet}).fit(X, Y)


# ------------------------------------------------------------------ held-out samples


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


# ------------------------------------------------------------------ weights of samples


@BOTH
def test_rows_of_weight_zero_are_absent(cls):
    weight = np.random.default_rng(0).uniform(0.5, 2, 60)
    weight[::4] = 0
    present = weight > 0
    a = cls(**PRUNING).fit(X, Y, weight)
    b = cls(**PRUNING).fit(X[present], Y[present], weight[present])
    assert_same(a, b)
    assert a.t_ == 45 * 8
    wild = X.copy()
    wild[::4] = 1e6
    assert_same(a, cls(**PRUNING).fit(wild, Y, weight))
    sparse = scipy.sparse.csr_array(X)
    np.testing.assert_allclose(
        cls(**PRUNING).fit(sparse, Y, weight).predict(X), a.predict(X), atol=1e-8
    )


def test_class_weight_is_a_sample_weight():
    weight = np.random.default_rng(0).uniform(0.5, 2, 60)
    classes = {0: 2.0, 1: 0.5, 2: 1.0}
    by_class = np.array([2.0, 0.5, 1.0])[Y]
    assert_same(
        SETClassifier(**SMALL, class_weight=classes).fit(X, Y),
        SETClassifier(**SMALL).fit(X, Y, by_class),
    )
    assert_same(
        SETClassifier(**SMALL, class_weight=classes).fit(X, Y, weight),
        SETClassifier(**SMALL).fit(X, Y, weight * by_class),
    )
    y = np.repeat([0, 1, 2], [40, 15, 5])
    balanced = SETClassifier(**SMALL, class_weight="balanced").fit(X, y)
    other = SETClassifier(**SMALL).fit(X, y, compute_sample_weight("balanced", y))
    np.testing.assert_allclose(balanced.decision_function(X), other.decision_function(X))
    # Balanced after weighting: each class weighs the same in the end.
    totals = np.bincount(y, weights=weight)
    expected = weight * (weight.sum() / (3 * totals))[y]
    both = SETClassifier(**SMALL, class_weight="balanced").fit(X, y, weight)
    other = SETClassifier(**SMALL).fit(X, y, expected)
    np.testing.assert_allclose(both.decision_function(X), other.decision_function(X), atol=1e-8)


def test_class_weight_of_multilabel_targets():
    data, y = make_multilabel_classification(60, 7, n_classes=3, random_state=0)
    weights = [{0: 1.0, 1: 5.0}] * 3
    assert_same(
        SETClassifier(**SMALL, class_weight=weights).fit(data, y),
        SETClassifier(**SMALL).fit(data, y, compute_sample_weight(weights, y)),
    )


def test_balanced_class_weight_raises_the_minoritys_recall():
    data, y = blobs(2, 400, weights=[0.93], class_sep=0.5, flip_y=0.05)
    settings = {**SMALL, "max_iter": 15}
    plain = SETClassifier(**settings).fit(data, y)
    balanced = SETClassifier(**settings, class_weight="balanced").fit(data, y)
    recalls = [recall_score(y, m.predict(data)) for m in (plain, balanced)]
    assert recalls[1] > recalls[0] + 0.2, recalls


# ------------------------------------------------------------------ errors

NAN, INF = X.copy(), X.copy()
NAN[3, 2], INF[3, 2] = np.nan, -np.inf


@ALL
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    "data, y, message",
    [
        (NAN, Y, "Input X contains NaN"),
        (INF, Y, "Input X contains infinity"),
        (scipy.sparse.csr_array(NAN), Y, "contains NaN"),
        (X, np.where(Y == 1, np.nan, Y), "Input y contains NaN"),
        (X, np.where(Y == 1, np.inf, Y), "Input y contains infinity"),
        (X[:0], Y[:0], r"0 sample\(s\)"),
        (X[:, :0], Y, r"0 feature\(s\)"),
        (X[:10], Y, "inconsistent numbers of samples"),
        (X[0], Y, "1D array"),
        (X[None], Y, "dim 3|3D"),
        (X * 1j, Y, "Complex data"),
        (np.full(X.shape, "a"), Y, "convert"),
        (X, None, "requires y|y cannot be None"),
    ],
)
def test_unusable_data(cls, method, data, y, message):
    model = cls(**SMALL)
    options = {}
    if method == "partial_fit" and cls in (SETClassifier, NPSETClassifier):
        options = {"classes": [0, 1, 2]}
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(data, y, **options)
    with pytest.raises(NotFittedError):
        model.predict(X)


@ALL
@pytest.mark.parametrize(
    "weight, message",
    [
        # Ours, or that of scikit-learn >= 1.9.
        (np.zeros(60), "entries of sample_weight are zero|at least one non-zero number"),
        (-np.ones(60), "sample_weight must not be negative; the smallest value is -1"),
        (np.ones(59), "sample_weight"),
        (np.full(60, np.nan), "NaN"),
        (np.full(60, np.inf), "infinity"),
        (np.ones((60, 2)), "1D"),
    ],
)
def test_unusable_weights(cls, weight, message):
    with pytest.raises(ValueError, match=message):
        cls(**SMALL).fit(X, Y, weight)
    with pytest.raises(ValueError, match=message.replace("sample_weight", "sample_weight(_val)?")):
        cls(**SMALL).fit(X, Y, X_val=X, y_val=Y, sample_weight_val=weight)


def test_weights_too_small_for_float32_are_no_silent_standstill():
    """1e-60 is 0 in float32: the model must learn all the same, or say that it cannot."""
    small = np.full(60, 1e-60)
    data = X.astype(np.float32)
    try:
        weighted = SETClassifier(**SMALL).fit(data, Y, small)
    except ValueError as error:
        assert "sample_weight" in str(error)
        return
    plain = SETClassifier(**SMALL).fit(data, Y)
    np.testing.assert_allclose(
        weighted.decision_function(data), plain.decision_function(data), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_unusable_class_weights(weight):
    with pytest.raises(ValueError, match="class_weight"):
        SETClassifier(**SMALL, class_weight={0: weight}).fit(X, Y)


def test_classes_and_weights_that_leave_nothing():
    with pytest.raises(ValueError, match="class_weight and sample_weight leave no sample"):
        SETClassifier(**SMALL, class_weight=dict.fromkeys([0, 1, 2], 0.0)).fit(X, Y)


@pytest.mark.parametrize("y", [np.zeros(60), np.full(60, "a"), [1] * 60])
def test_one_class(y):
    with pytest.raises(ValueError, match=r"at least 2 classes .* only one class: .*['\d]"):
        SETClassifier(**SMALL).fit(X, y)


def test_more_classes_than_samples():
    many = [f"class {i}" for i in range(100)]
    model = SETClassifier(**SMALL).partial_fit(X[:4], np.array(many[:4]), classes=many)
    assert model.predict_proba(X).shape == (60, 100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = SETClassifier(**SMALL).fit(X[:5], np.arange(5))
    assert model.predict(X).shape == (60,)
    assert_consistent(model)


def test_targets_of_the_wrong_kind():
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        SETClassifier(**SMALL).fit(X, X[:, 0])
    with pytest.raises(ValueError, match="1d array"):
        SETClassifier(**SMALL).fit(X, np.column_stack([Y, Y]))
    with pytest.raises(ValueError, match=r"loss='poisson' needs targets >= 0; .* -1"):
        SETRegressor(**SMALL, loss="poisson").fit(X, Y - 1.0)
    with pytest.raises(ValueError, match=r"string|convert"):
        SETRegressor(**SMALL).fit(X, np.array(["a", "b", "c"])[Y])
    model = SETClassifier(**SMALL).fit(X, Y)
    with pytest.raises(ValueError, match="a single label per sample and multilabel"):
        model.partial_fit(X, np.eye(3, dtype=int)[Y])


@ALL
def test_wrong_feature_count(cls):
    model = cls(**SMALL).fit(X, Y)
    for call in (model.predict, lambda data: model.score(data, Y)):
        with pytest.raises(ValueError, match=r"X has 6 features, but .* is expecting 7 features"):
            call(X[:, 1:])
    for bad, message in ((NAN, "NaN"), (INF, "infinity"), (X[:0], r"0 sample\(s\)")):
        with pytest.raises(ValueError, match=message):
            model.predict(bad)


@ALL
@pytest.mark.parametrize("value", [0.0, 3.0])
def test_constant_features(cls, value):
    data = np.full(X.shape, value)
    model = cls(**SMALL).fit(data, Y)
    assert np.isfinite(model.predict(data)).all() and np.isfinite(model.loss_)
    for given in (data, scipy.sparse.csr_array(data)):
        assert_consistent(cls(**SMALL).fit(given, Y))


@ALL
def test_single_feature_and_single_sample(cls):
    model = cls(**SMALL).fit(X[:, :1], Y)
    assert_consistent(model)
    assert len(model.predict(X[:1, :1])) == 1


def test_no_hidden_layer_is_a_sparse_linear_model():
    for cls in (SETClassifier, NPSETClassifier):
        model = cls(**{**SMALL, "hidden_layer_sizes": ()}, evolve_output=True).fit(X, Y)
        assert model.hidden_layer_sizes_ == () and len(model.coefs_) == 1
        assert_consistent(model)
        np.testing.assert_allclose(
            model.decision_function(X), X @ model.coefs_[0] + model.intercepts_[0]
        )


@ALL
@pytest.mark.parametrize(
    "settings",
    [
        {"learning_rate_init": 1e30, "solver": "sgd"},
        {"learning_rate_init": 1e200},
        {"learning_rate_init": 10.0, "solver": "sgd", "activation": "identity", "momentum": 0.99},
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_divergence_is_an_error_not_a_silent_nan(cls, settings, dtype):
    huge = X * 1e4
    model = cls(**{**SMALL, "max_iter": 30}, dtype=dtype)
    y = Y * 1e3 if "Regressor" in cls.__name__ else Y
    model.set_params(**settings)
    try:
        model.fit(huge, y)
    except ValueError as error:
        assert re.search(r"training diverged.*StandardScaler.*learning_rate_init", str(error))
        assert f"{settings['learning_rate_init']:g}" in str(error)
    else:
        assert np.isfinite(model.predict(huge)).all()
        assert all(np.isfinite(c.data).all() for c in model.coefs_)


@ALL
def test_the_last_step_may_diverge_too(cls):
    """The loss of the last epoch is finite, the weights after its only step are not."""
    model = cls(
        **{**SMALL, "max_iter": 1, "batch_size": 60}, solver="sgd", dtype="float32"
    ).set_params(learning_rate_init=1e38)
    with pytest.raises(ValueError, match="diverged"):
        model.fit(X * 100, Y * 100)


@pytest.mark.parametrize("stop_on_validation", [False, True])
def test_an_improvement_of_exactly_tol_counts(stop_on_validation):
    """As in scikit-learn's perceptrons; with ``tol=0`` a plateau is no end."""
    network = SETClassifier(**SMALL).fit(X, Y)._network
    stale = []
    for tol, values in ((0.0, [0.5] * 3), (0.25, [0.25, 0.5, 0.75, 0.875])):
        course = Course()
        for value in values:
            course.record(loss=-value, validation_score=value, validation_loss=-value)
            _follow(course, network, Evolution(), tol, stop_on_validation)
            stale.append(course.n_stale)
    assert stale == [0, 0, 0, 0, 0, 0, 1]


class Explodes:
    """`Network.train_batches` that leaves an infinite weight or loss at its nth call."""

    def __init__(self, n, what):
        self.n, self.what = n, what
        self.original = Network.train_batches

    def __get__(self, network, owner):
        def train_batches(*args, **kwargs):
            loss, weight = self.original(network, *args, **kwargs)
            self.n -= 1
            if self.n == 0 and self.what == "weight":
                network.layers[0].weights[0] = np.inf
            elif self.n == 0:
                network.layers[0].weights[:] = np.nan
                loss = np.nan
            return loss, weight

        return train_batches


@ALL
@pytest.mark.parametrize("what", ["loss", "weight"])
@pytest.mark.parametrize("settings", [{}, {"early_stopping": True}, {"averaging": 0.9}])
def test_divergence_keeps_the_last_finite_model(monkeypatch, cls, what, settings):
    model = cls(**{**SMALL, "max_iter": 9}).set_params(**settings)
    monkeypatch.setattr(Network, "train_batches", Explodes(6, what))
    began = "The loss became nan" if what == "loss" else "A weight became infinite"
    with pytest.raises(NonFiniteLossError, match=rf"^{began} in epoch 5.*until epoch 5 is kept"):
        model.fit(X, Y)
    monkeypatch.undo()
    assert model.n_iter_ == len(model.loss_curve_) == 5
    assert_consistent(model)
    assert all(np.isfinite(c.data).all() for c in model.coefs_)
    stopped = cls(**{**SMALL, "max_iter": 9}).set_params(**settings)
    monkeypatch.setattr(Network, "train_batches", Interrupts(6))
    with pytest.warns(UserWarning, match="interrupted"):
        stopped.fit(X, Y)
    monkeypatch.undo()
    assert_same(model, stopped)
    model.partial_fit(X, Y) if not settings.get("early_stopping") else model.fit(X, Y)
    assert_consistent(model)


class Interrupts(Explodes):
    """`Network.train_batches` that is interrupted before its nth call does anything."""

    def __init__(self, n):
        super().__init__(n, "interrupt")

    def __get__(self, network, owner):
        def train_batches(*args, **kwargs):
            self.n -= 1
            if self.n == 0:
                raise KeyboardInterrupt
            return self.original(network, *args, **kwargs)

        return train_batches


@ALL
@pytest.mark.parametrize("what", ["loss", "weight"])
def test_divergence_in_the_first_epoch_leaves_nothing(monkeypatch, cls, what):
    classes = {"classes": [0, 1, 2]} if "Classifier" in cls.__name__ else {}
    for method, given in (("fit", {}), ("partial_fit", classes)):
        model = cls(**SMALL)
        with monkeypatch.context() as context:
            context.setattr(Network, "train_batches", Explodes(1, what))
            with pytest.raises(NonFiniteLossError, match="in epoch 0: training div") as raised:
                getattr(model, method)(X, Y, **given)
        assert "kept" not in str(raised.value)
        assert not hasattr(model, "n_iter_")
        with pytest.raises(NotFittedError):
            model.predict(X)


@ALL
def test_divergence_of_a_refit_keeps_the_model_before(monkeypatch, cls):
    model = cls(**SMALL).fit(X, Y)
    before = copy.deepcopy(model)
    for warm_start in (False, True):
        monkeypatch.setattr(Network, "train_batches", Explodes(3, "loss"))
        model.set_params(warm_start=warm_start)
        with pytest.raises(NonFiniteLossError, match="fitted before stays as it was"):
            model.fit(X, Y)
        monkeypatch.undo()
        assert_same(model, before)


@pytest.mark.parametrize(
    "cls, name, values",
    [
        (SETClassifier, "epsilon", [0, -1, "a", None, np.nan, np.inf]),
        (SETClassifier, "zeta", [-0.1, 1.1, "a", np.nan]),
        (NPSETClassifier, "alpha", [-0.1, 1.0, 4, "a", np.nan]),
        (NPSETClassifier, "beta", [-1, 2.5, "a"]),
        (NPSETClassifier, "gamma", [-1, 2.5, None]),
        (NPSETClassifier, "prune_layers", ["none", 0]),
        (SETClassifier, "hidden_layer_sizes", [0, -3, "a", None]),
        (SETClassifier, "activation", ["srelu", None]),
        (SETClassifier, "loss", ["poisson", "mse"]),
        (SETRegressor, "loss", ["log_loss"]),
        (SETRegressor, "huber_delta", [0, -1.0]),
        (SETClassifier, "solver", ["lbfgs"]),
        (SETClassifier, "learning_rate", ["cosine"]),
        (SETClassifier, "learning_rate_init", [0, -0.1, np.nan, np.inf]),
        (SETClassifier, "power_t", [-1]),
        (SETClassifier, "momentum", [1.0, -0.1]),
        (SETClassifier, "nesterovs_momentum", ["a"]),
        (SETClassifier, "adam_beta_1", [1.0, -0.1]),
        (SETClassifier, "adam_beta_2", [1.0, -0.1]),
        (SETClassifier, "adam_epsilon", [0, -1e-8]),
        (SETClassifier, "weight_decay", [-1e-4, np.nan]),
        (SETClassifier, "decay_rule", ["l1"]),
        (SETClassifier, "dropout", [1.0, -0.1]),
        (SETClassifier, "batch_size", [0, "all", 2.5]),
        (SETClassifier, "max_iter", [0, -1, 2.5, None]),
        (SETClassifier, "shuffle", ["a"]),
        (SETClassifier, "tol", [-1e-4]),
        (SETClassifier, "n_iter_no_change", [0, -1]),
        (SETClassifier, "early_stopping", ["auto"]),
        (SETClassifier, "validation_fraction", [0.0, 1.0, 5]),
        (SETClassifier, "class_weight", ["equal", 3]),
        (SETClassifier, "init", ["zeros"]),
        (SETClassifier, "new_weights", ["he"]),
        (SETClassifier, "evolve_output", ["yes"]),
        (SETClassifier, "dtype", ["float16", np.float32]),
        (SETClassifier, "n_jobs", [1.5, "all", 0]),
        (SETClassifier, "warm_start", ["a"]),
        (SETClassifier, "random_state", ["a", -1]),
        (SETClassifier, "verbose", ["a"]),
    ],
)
def test_parameters_out_of_range(cls, name, values):
    for value in values:
        model = cls(**{**SMALL, name: value})
        with pytest.raises(ValueError, match=name) as error:
            model.fit(X, Y)
        assert str(value) in str(error.value), error.value


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"epsilon": 1e-8}, r"epsilon=1e-08 .* adam_epsilon"),
        ({"hidden_layer_sizes": (10, 0)}, r"hidden_layer_sizes must be positive, got \(10, 0\)"),
        ({"hidden_layer_sizes": (10.5,)}, r"sequence of integers, got \(10.5,\)"),
        ({"hidden_layer_sizes": [[3, 4]]}, r"sequence of integers, got \[\[3, 4\]\]"),
        ({"prune_layers": (2,)}, r"prune_layers=\(2,\) names 2, .* counted from 0 to 1"),
        ({"prune_layers": (-1,)}, r"prune_layers=\(-1,\) names -1"),
        ({"prune_layers": (0.0,)}, r"prune_layers=\(0.0,\) names 0.0"),
        ({"n_jobs": 0}, "n_jobs=0 has no meaning"),
    ],
)
def test_parameters_that_are_mistaken_for_others(settings, message):
    with pytest.raises(ValueError, match=message):
        NPSETClassifier(**{**SMALL, **settings}).fit(X, Y)


def test_alpha_that_prunes_nobody_warns():
    with pytest.warns(UserWarning, match=r"alpha=0.0001 prunes no neuron.* use weight_decay"):
        NPSETClassifier(**{**PRUNING, "alpha": 1e-4}).fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NPSETClassifier(**{**PRUNING, "alpha": 0}).fit(X, Y)
        NPSETClassifier(**{**PRUNING, "alpha": 0.04}).fit(X, Y)  # floor(0.04 * 30) = 1


# ------------------------------------------------------------------ after a failure


@BOTH
@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize(
    "change, data, y",
    [
        ({}, NAN, Y),
        ({}, X[:, 1:] * np.inf, Y),
        ({"solver": "sgd", "learning_rate_init": 1e300}, X * 1e4, Y),
        ({"hidden_layer_sizes": (0,)}, X, Y),
        ({"epsilon": 1e-8}, X, Y),
        ({"zeta": 2}, X, Y),
        ({}, pd.DataFrame(X[:, :3], columns=list("abc")), np.full(60, np.nan)),
    ],
)
def test_a_failed_refit_keeps_the_model(cls, warm_start, change, data, y):
    model = cls(**PRUNING, warm_start=warm_start).fit(X, Y)
    before = copy.deepcopy(model)
    model.set_params(**change)
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError), np.errstate(all="ignore"):
            getattr(model, method)(data, y)
        np.testing.assert_array_equal(model.predict(X), before.predict(X))
        assert_same(model, before)
        assert_consistent(model)
        assert model.n_features_in_ == 7 and not hasattr(model, "feature_names_in_")
    model.set_params(**before.get_params()).partial_fit(X, Y)  # and it goes on as if nothing was
    assert_same(model, before.partial_fit(X, Y))


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to itself")
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_interrupt_keeps_what_was_learned(monkeypatch, early_stopping, n_jobs):
    data, y = load_digits(return_X_y=True)
    data = data / 16
    model = SETClassifier(
        (300, 300), max_iter=10**6, n_iter_no_change=np.inf, n_jobs=n_jobs, random_state=0,
        early_stopping=early_stopping,
    )  # fmt: skip
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    original = Course.record

    def record(self, **columns):
        original(self, **columns)
        if self.epoch == 5:  # counted from 0
            timer.start()

    monkeypatch.setattr(Course, "record", record)
    with pytest.warns(UserWarning, match=r"interrupted in epoch \d+; the model keeps what it"):
        model.fit(data, y)
    timer.join()
    assert 5 <= model.n_iter_ < 10**6
    assert_consistent(model)
    assert model.score(data, y) > 0.5


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to itself")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_long_prediction_can_be_interrupted(n_jobs):
    network = SETClassifier((2000, 2000), max_iter=1, random_state=0).fit(X, Y)._network
    data = Data(np.ones((1_000_000, X.shape[1])), np.float64)  # many seconds
    out = np.full((1_000_000, 3), np.nan)
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        network._native(data).predict(data.native, out, n_jobs)
        timer.join()
    assert np.isnan(out).any() and not np.isnan(out).all()
    network.predict(Data(X, np.float64), n_jobs)  # and the network can be used


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("where", ["before", "within", "after"])
def test_interrupt_while_an_epoch_is_written_down(monkeypatch, where, early_stopping):
    """It may come between any two lines: all columns keep the same length."""
    original = Course.record

    def record(self, **columns):
        if self.epoch != 4:
            return original(self, **columns)
        names = {"before": 0, "within": 3, "after": len(columns)}[where]
        for name in list(columns)[:names]:
            self.history[name].append(columns[name])
        raise KeyboardInterrupt

    monkeypatch.setattr(Course, "record", record)
    model = NPSETClassifier(**PRUNING, early_stopping=early_stopping, warm_start=True)
    with pytest.warns(UserWarning, match="interrupted in epoch 4"):
        model.fit(X, Y)
    assert model.n_iter_ == 4
    assert_consistent(model)
    monkeypatch.undo()
    model.fit(X, Y)
    assert model.n_iter_ > 4
    assert_consistent(model)


class CountDown:
    """Raises KeyboardInterrupt when called for the nth time."""

    def __init__(self, original, n):
        self.original, self.n = original, n

    def __call__(self, *args, **kwargs):
        self.n -= 1
        if self.n == 0:
            raise KeyboardInterrupt
        return self.original(*args, **kwargs)


@pytest.mark.parametrize("n", range(1, 40, 3))
def test_interrupt_in_the_middle_of_a_rewiring(monkeypatch, n):
    """Between the arrays of a layer, or between the layers: the network stays whole."""
    from sklearn_set import _native

    model = NPSETClassifier(**PRUNING)
    monkeypatch.setattr(_native, "carry", CountDown(_native.carry, n))
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(X, Y)
    monkeypatch.undo()
    assert_consistent(model)
    # It is the network of the last epoch that was finished.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same = NPSETClassifier(**{**PRUNING, "max_iter": model.n_iter_}).fit(X, Y)
    assert_same(model, same)


def test_interrupt_in_the_first_epoch(monkeypatch):
    monkeypatch.setattr(
        _network.Network, "train_batches", CountDown(_network.Network.train_batches, 1)
    )
    model = SETClassifier(**SMALL)
    with pytest.warns(UserWarning) as caught:
        model.fit(X, Y)
    assert [w.category for w in caught] == [UserWarning]  # SET has no pruning to miss
    assert model.n_iter_ == 0
    assert_consistent(model)
    assert len(model.predict(X)) == 60


# ------------------------------------------------------------------ copies


@BOTH
@pytest.mark.parametrize(
    "twin_of",
    [
        copy.deepcopy,
        lambda m: pickle.loads(pickle.dumps(m)),
        lambda m: pickle.loads(pickle.dumps(m, protocol=2)),
    ],
    ids=["deepcopy", "pickle", "pickle2"],
)
@pytest.mark.parametrize("state", ["fit", "warm", "partial"])
def test_copies_predict_and_continue_alike(cls, twin_of, state):
    model = cls(**PRUNING, warm_start=state == "warm").fit(X, Y)
    if state == "partial":
        model.partial_fit(X, Y)
    model.predict(X)
    twin = twin_of(model)
    assert_same(model, twin)
    np.testing.assert_array_equal(model.predict(X), twin.predict(X))
    np.testing.assert_array_equal(
        model.predict(scipy.sparse.csr_array(X)), twin.predict(scipy.sparse.csr_array(X))
    )
    model.partial_fit(X, Y)
    assert twin.n_iter_ == model.n_iter_ - 1  # independent of each other
    twin.partial_fit(X, Y)
    assert_same(model, twin)


@ALL
def test_clone(cls):
    model = cls(**SMALL).fit(X, Y)
    twin = clone(model)
    assert twin.get_params() == model.get_params()
    assert not hasattr(twin, "n_iter_")
    assert_same(twin.fit(X, Y), model)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_fitted_model_is_small(dtype, early_stopping):
    data, y = load_digits(return_X_y=True)
    model = NPSETClassifier(
        (400, 400), dtype=dtype, early_stopping=early_stopping, max_iter=30, alpha=0.01, beta=2,
        gamma=10, random_state=0,
    ).fit(data[:200] / 16, y[:200])  # fmt: skip
    model.predict(scipy.sparse.csr_array(data))
    arrays = sum(c.data.nbytes + c.indices.nbytes + c.indptr.nbytes for c in model.coefs_)
    arrays += sum(b.nbytes for b in model.intercepts_)
    assert arrays > 50_000
    assert len(pickle.dumps(model)) <= 1.2 * arrays + 16_000


@BOTH
def test_read_only_memory_maps(cls, tmp_path):
    model = cls(**PRUNING).fit(X, Y)
    joblib.dump(model, tmp_path / "model.joblib")
    joblib.dump((X, Y, X.astype(np.float32)), tmp_path / "data.joblib")
    mapped = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    data, y, single = joblib.load(tmp_path / "data.joblib", mmap_mode="r")
    assert not mapped.coefs_[0].data.flags.writeable and not data.flags.writeable
    np.testing.assert_array_equal(mapped.predict(data), model.predict(X))
    np.testing.assert_array_equal(
        mapped.predict(scipy.sparse.csr_array(X)), model.predict(scipy.sparse.csr_array(X))
    )
    assert_same(cls(**PRUNING).fit(data, y), model)
    cls(**PRUNING).fit(single, y)
    mapped.partial_fit(data, y)  # works on a copy
    assert_same(mapped, model.partial_fit(X, Y))
    for sparse in (scipy.sparse.csr_array(X), scipy.sparse.csc_array(X)):
        for array in (sparse.data, sparse.indices, sparse.indptr):
            array.flags.writeable = False
        cls(**PRUNING).fit(sparse, y).predict(sparse)


@pytest.mark.parametrize(
    "layout",
    [np.asfortranarray, lambda a: np.repeat(a, 2, axis=1)[:, ::2], lambda a: a[::-1][::-1]],
)
def test_layout_of_x_does_not_matter(layout):
    model = SETClassifier(**SMALL).fit(X, Y)
    data = layout(X)
    assert_same(SETClassifier(**SMALL).fit(data, Y), model)
    np.testing.assert_array_equal(model.predict(data), model.predict(X))
    assert_same(SETClassifier(**SMALL).fit(X.tolist(), Y.tolist()), model)


@pytest.mark.parametrize("as_sparse", [False, True])
def test_the_users_arrays_are_not_changed(as_sparse):
    data = scipy.sparse.csr_array(X) if as_sparse else X.copy()
    y, weight = Y.copy(), np.ones(60)
    weight[0] = 0
    before = copy.deepcopy((data, y, weight))
    SETClassifier(**SMALL, class_weight="balanced").fit(data, y, weight).predict(data)
    after = (data.toarray(), y, weight) if as_sparse else (data, y, weight)
    before = (before[0].toarray(), *before[1:]) if as_sparse else before
    for a, b in zip(before, after):
        np.testing.assert_array_equal(a, b)


# ------------------------------------------------------------------ threads and processes


def wide_data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(150, 500)), rng.integers(0, 10, 150)


WIDE = {
    "hidden_layer_sizes": (800, 600), "epsilon": 15, "batch_size": 64, "max_iter": 3,
    "random_state": 0,
}  # fmt: skip


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_fork_after_fit():
    data, y = wide_data()
    model = SETClassifier(**WIDE, n_jobs=2).fit(data, y)  # starts OpenMP's threads
    expected = model.predict(data)
    twin = SETClassifier(**WIDE, n_jobs=2)

    def child():
        assert (model.predict(data) == expected).all()
        assert_same(twin.fit(data, y), model)
        assert effective_n_threads(2) == effective_n_threads(None) == effective_n_threads(-1) == 1

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(60)
    hangs = process.is_alive()
    if hangs:
        process.kill()
        process.join()
    assert not hangs, "the forked child hangs"
    assert process.exitcode == 0
    np.testing.assert_array_equal(model.predict(data), expected)  # the parent goes on
    assert effective_n_threads(2) == 2


def test_predictions_from_several_threads_at_once():
    data, y = wide_data()
    sparse = scipy.sparse.csr_array(data * (np.abs(data) > 1.5))
    fitted = SETClassifier(**WIDE, n_jobs=2).fit(data, y)
    expected = [fitted.decision_function(data), fitted.decision_function(sparse)]
    inputs = [data, sparse]
    for _ in range(5):
        model = pickle.loads(pickle.dumps(fitted))  # nothing is prepared yet
        start = threading.Barrier(4)

        def call(i, model=model, start=start):
            start.wait()
            return [model.decision_function(inputs[(i + k) % 2]) for k in range(4)]

        with ThreadPoolExecutor(4) as pool:
            for i, results in enumerate(pool.map(call, range(4))):
                for k, result in enumerate(results):
                    np.testing.assert_array_equal(result, expected[(i + k) % 2])


def test_fits_from_several_threads_at_once():
    data, y = wide_data()
    alone = SETClassifier(**WIDE).fit(data, y)
    with ThreadPoolExecutor(3) as pool:
        for model in pool.map(lambda n: SETClassifier(**WIDE, n_jobs=n).fit(data, y), [1, 2, None]):
            assert_same(model, alone)


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python has a GIL")
def test_the_gil_stays_off():
    """An extension module that does not declare otherwise would turn it on for the process."""
    code = "import sys, sklearn_set._native; print(sys._is_gil_enabled())"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={name: value for name, value in os.environ.items() if name != "PYTHON_GIL"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_threads_that_share_estimators():
    """Fits, further batches, predictions and copies at once: results of others stay whole."""
    data, y = wide_data()
    fitted = NPSETClassifier(**WIDE, alpha=0.1, beta=1, gamma=1).fit(data, y)
    expected = fitted.predict_proba(data)
    torn = SETClassifier(**SMALL).fit(X, Y)  # several threads train it, which nobody should

    def predict():
        np.testing.assert_array_equal(fitted.predict_proba(data), expected)

    def copy():
        np.testing.assert_array_equal(
            pickle.loads(pickle.dumps(fitted)).predict_proba(data), expected
        )

    def train():
        try:
            torn.fit(X, Y)
        except AttributeError as error:  # scikit-learn's own state of a running fit
            assert "_skl_callbacks" in str(error)
        torn.partial_fit(X, Y)
        torn.predict(X)

    with ThreadPoolExecutor(6) as pool:
        tasks = [pool.submit(task) for _ in range(10) for task in (predict, train, copy)]
        for task in tasks:
            task.result()
    assert np.isfinite(torn.predict_proba(X)).all()


def test_validation_of_another_kind_keeps_the_work_buffers(monkeypatch):
    """Dense samples to learn from and sparse ones to validate on share the core's network."""
    made, original = [], _network._native.NetworkF64

    def make(*arguments):
        made.append(arguments[1:])
        return original(*arguments)

    monkeypatch.setattr(_network._native, "NetworkF64", make)
    model = SETClassifier(**SMALL).fit(X, Y, X_val=scipy.sparse.csr_array(X), y_val=Y)
    assert made == [(False, True), (True, True)]
    assert_same(model, SETClassifier(**SMALL).fit(X, Y))


def test_binding_for_prediction_is_safe_between_threads(monkeypatch):
    """A thread that binds for dense samples must not hand its view to one with sparse ones."""
    model = SETClassifier(**SMALL).fit(X, Y)
    expected = model.decision_function(X)
    model = pickle.loads(pickle.dumps(model))
    network, native = model._network, _network._native
    sparse = scipy.sparse.csr_array(X)

    def store(self, name, value):
        object.__setattr__(self, name, value)
        if name == "_bound" and value is not None and value[0] == (True, False):
            # At this very moment another thread stores its own.
            object.__setattr__(
                self, name, ((False, False), native.NetworkF64(network.layers, False, False))
            )

    monkeypatch.setattr(_network.Network, "__setattr__", store, raising=False)
    np.testing.assert_allclose(model.decision_function(sparse), expected, atol=1e-9)
    assert network._bound[0] == (False, False)


def test_effective_n_threads():
    n_cpus = joblib.cpu_count()
    assert [effective_n_threads(n) for n in (1, 2, 7)] == [1, 2, 7]
    assert effective_n_threads(-1) == n_cpus
    assert effective_n_threads(-2) == max(1, n_cpus - 1)
    assert effective_n_threads(-1000) == 1
    assert 1 <= effective_n_threads(None) <= n_cpus or os.environ.get("OMP_NUM_THREADS")
    with threadpool_limits(1):
        assert effective_n_threads(None) == 1
        assert effective_n_threads(3) == 3  # an explicit number holds
    for backend in ("threading", "loky"):
        with joblib.parallel_config(backend, n_jobs=2):
            seen = joblib.Parallel()(joblib.delayed(effective_n_threads)(None) for _ in range(2))
        assert seen == [1, 1], backend


@pytest.mark.parametrize("n", [1, 3])
def test_omp_num_threads(n):
    code = "from sklearn_set._threads import effective_n_threads as e; print(e(None))"
    env = {**os.environ, "OMP_NUM_THREADS": str(n)}
    result = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert result.stdout.strip() == str(n), result.stderr


# ------------------------------------------------------------------ scikit-learn's tools


def test_data_frames():
    frame = pd.DataFrame(X, columns=[f"gene {i}" for i in range(7)])
    labels = pd.Series(np.array(["a", "b", "c"])[Y], name="kind")
    model = make_pipeline(StandardScaler(), NPSETClassifier(**PRUNING)).set_output(
        transform="pandas"
    )
    model.fit(frame, labels)
    assert list(model[-1].feature_names_in_) == list(frame)
    np.testing.assert_array_equal(model[-1].classes_, ["a", "b", "c"])
    assert set(model.predict(frame)) <= {"a", "b", "c"}
    scaled = StandardScaler().fit_transform(frame)
    assert_same(model[-1], NPSETClassifier(**PRUNING).fit(scaled, Y))
    with pytest.raises(ValueError, match="feature names"):
        model[-1].predict(frame[reversed(list(frame))])
    with pytest.warns(UserWarning, match="feature names"):
        model[-1].predict(X)
    regressor = NPSETRegressor(**PRUNING).fit(frame, pd.DataFrame({"u": Y, "v": -Y}))
    assert regressor.predict(frame).shape == (60, 2)


def test_column_y_warns():
    from sklearn.exceptions import DataConversionWarning

    for cls in (SETClassifier, SETRegressor):
        with pytest.warns(DataConversionWarning):
            model = cls(**SMALL).fit(X, Y[:, None])
        assert model.predict(X).shape == (60,)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.float32, object, str])
def test_labels_of_any_type(dtype):
    labels = (Y == 1).astype(dtype) if dtype is not object else np.array(["no", 1], dtype=object)
    if dtype is object:
        labels = np.array(["no", "yes"], dtype=object)[(Y == 1).astype(int)]
    model = SETClassifier(**SMALL).fit(X, labels)
    assert model.classes_.dtype == labels.dtype
    assert model.predict(X).dtype == labels.dtype
    assert model.score(X, labels) > 0.5


def test_metadata_routing_through_a_pipeline():
    with sklearn.config_context(enable_metadata_routing=True):
        model = NPSETClassifier(**PRUNING)
        model.set_fit_request(X_val=True, y_val=True, sample_weight=True)
        model.set_score_request(sample_weight=True)
        pipeline = sklearn.pipeline.Pipeline(
            [("scale", StandardScaler().set_fit_request(sample_weight=False)), ("net", model)],
            transform_input=["X_val"],
        )
        weight = np.ones(40)
        pipeline.fit(X[:40], Y[:40], X_val=X[40:], y_val=Y[40:], sample_weight=weight)
        fitted = pipeline[-1]
        assert len(fitted.validation_scores_) == 8
        # X_val went through the scaler.
        assert fitted.validation_scores_[-1] == pipeline.score(X[40:], Y[40:])

        # A scorer of its own: scikit-learn 1.7 has no request for Pipeline.score.
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=False)
        search = GridSearchCV(pipeline, {"net__zeta": [0.0, 0.3]}, cv=2, scoring=scorer)
        search.fit(X[:40], Y[:40], X_val=X[40:], y_val=Y[40:], sample_weight=weight)
        best = search.best_estimator_
        assert best[-1].validation_scores_[-1] == best.score(X[40:], Y[40:])


def test_a_search_slices_an_x_val_as_long_as_x(monkeypatch):
    """As documented: rows of X_val are taken for a fold's samples if they are as many."""
    seen = []
    original = SETClassifier.fit

    def spy(self, data, y, **held_out):
        seen.append((len(data), len(held_out["X_val"])))
        return original(self, data, y, **held_out)

    monkeypatch.setattr(SETClassifier, "fit", spy)
    with sklearn.config_context(enable_metadata_routing=True):
        model = SETClassifier(**SMALL).set_fit_request(X_val=True, y_val=True)
        for n in (60, 30):
            search = GridSearchCV(model, {"zeta": [0.3]}, cv=2)
            search.fit(X, Y, X_val=X[:n], y_val=Y[:n])
    assert seen == [(30, 30), (30, 30), (60, 60), (30, 30), (30, 30), (60, 30)]
    assert "slices an `X_val` that has as many rows as `X`" in " ".join(original.__doc__.split())


def test_a_search_over_all_letters_has_the_same_bits_for_any_n_jobs():
    data, y = load_digits(return_X_y=True)
    data, y = data[:150], y[:150]
    grid = {
        "npsetclassifier__epsilon": [2, 5],
        "npsetclassifier__zeta": [0.0, 0.3],
        "npsetclassifier__alpha": [0.0, 0.1],
        "npsetclassifier__beta": [1, 2],
        "npsetclassifier__gamma": [1],
    }
    searches = []
    for n_jobs in (1, 2, 2):
        model = make_pipeline(
            StandardScaler(), NPSETClassifier((60, 40), max_iter=5, random_state=0)
        )
        searches.append(GridSearchCV(model, grid, cv=2, n_jobs=n_jobs).fit(data, y))
    first = searches[0]
    for search in searches[1:]:
        for name, column in first.cv_results_.items():
            if "time" not in name:
                np.testing.assert_array_equal(column, search.cv_results_[name], err_msg=name)
        assert_same(search.best_estimator_[-1], first.best_estimator_[-1])
    assert len(set(first.cv_results_["mean_test_score"])) > 4  # the letters do something


def test_verbose_reports_each_epoch(capsys):
    NPSETClassifier(**PRUNING, verbose=1).fit(X, Y, X_val=X, y_val=Y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8 and all("loss" in line and "score" in line for line in lines)
    NPSETClassifier(**PRUNING, verbose=2).fit(X, Y)
    last = capsys.readouterr().out.splitlines()[-1]
    assert "connections" in last and re.search(r"\b16, 11\b", last)
    NPSETClassifier(**PRUNING).fit(X, Y)
    assert capsys.readouterr().out == ""


# ------------------------------------------------------------------ nobody dies


@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_no_neuron_dies_on_a_wide_dataset(weight_decay, activation):
    rng = np.random.default_rng(0)
    data = rng.normal(size=(60, 2000))
    y = (data[:, 0] > 0).astype(int)
    model = SETClassifier(
        (300, 300), activation, epsilon=2, weight_decay=weight_decay, max_iter=50,
        n_iter_no_change=50, random_state=0,
    ).fit(data, y)  # fmt: skip
    weights = np.concatenate([coef.data for coef in model.coefs_])
    assert model.n_iter_ == 50
    assert (weights == 0).mean() < 0.01
    assert model.history_["n_connections"][0] == model.n_connections_


@pytest.mark.parametrize("module", ["_base", "_rbm", "_feature_selection"])
def test_a_model_of_another_version_says_so(monkeypatch, module):
    make = {
        "_base": lambda: SETClassifier(**SMALL).fit(X, Y),
        "_rbm": lambda: SETBernoulliRBM(n_components=5, n_iter=2).fit(X > 0),
        "_feature_selection": lambda: SETFeatureSelector(3, max_iter=2).fit(X),
    }
    model = make[module]()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        copy.deepcopy(pickle.loads(pickle.dumps(model)))  # the same version: nothing to say
    monkeypatch.setattr("sklearn_set._version.__version__", "0.0.3")
    stored = pickle.dumps(model)
    monkeypatch.undo()
    with pytest.warns(UserWarning, match=r"stored with sklearn_set 0\.0\.3 and is loaded with"):
        loaded = pickle.loads(stored)
    assert not any("version" in name for name in vars(loaded))


def test_divergence_names_the_feature_that_looks_unscaled():
    frame = pd.DataFrame(X * [1, 1, 1, 1e7, 1, 1, 1], columns=[f"gene {i}" for i in range(7)])
    model = SETRegressor(**{**SMALL, "max_iter": 50}, solver="sgd")
    model.set_params(learning_rate_init=0.5)
    with pytest.raises(ValueError, match=r"feature 'gene 3' has absolute values up to .*e\+07"):
        model.fit(frame, Y)
    with pytest.raises(ValueError, match="feature number 3 has"):
        model.fit(scipy.sparse.csr_array(frame.to_numpy()), Y)
    with pytest.raises(ValueError, match="diverged") as raised:
        model.set_params(learning_rate_init=1e5).fit(X, Y)
    assert "unscaled" not in str(raised.value)
