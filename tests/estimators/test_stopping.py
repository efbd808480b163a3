"""When a fit ends: patience, early stopping, and what is held out for it."""

import warnings

import numpy as np
import pandas as pd
import pytest
from estimators.common import BOTH, PRUNING, SMALL, X, Y
from helpers import assert_same
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer, log_loss

from sklearn_set import NPSETClassifier, SETClassifier, SETRegressor
from sklearn_set._base import BaseSparseMLP
from sklearn_set._training import Patience

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_patience_begins_after_the_last_pruning():
    lazy = {"tol": 10.0, "n_iter_no_change": 2, "max_iter": 50, "early_stopping": True}
    plain = SETClassifier(**{**SMALL, **lazy}).fit(X, Y)
    assert plain.n_iter_ == 1 + 3  # the first epoch improves on nothing, three do not
    pruned = NPSETClassifier(**{**PRUNING, **lazy}).fit(X, Y)
    assert pruned.n_iter_ == 5 + 3
    assert pruned.hidden_layer_sizes_ == (16, 11)
    off = NPSETClassifier(**{**PRUNING, **lazy, "alpha": 0}).fit(X, Y)
    assert off.n_iter_ == 4
    no_layer = NPSETClassifier(**{**PRUNING, **lazy}, prune_layers=()).fit(X, Y)
    assert no_layer.n_iter_ == 4
    selecting = SETClassifier(**{**SMALL, **lazy, "max_iter": 12}, select_inputs=3).fit(X, Y)
    assert selecting.n_iter_ == 12  # the last input leaves at the start of epoch 8
    assert len(selecting.selected_features_) == 3


def test_early_stopping_stops_by_itself_and_averages():
    """At the defaults: 120 of 120 epochs, and a network without averaging, were no use."""
    rng = np.random.default_rng(0)
    data = rng.normal(size=(200, 20))
    y = (data[:, 0] + rng.normal(size=200) > 0).astype(int)
    model = SETClassifier((50,), early_stopping=True, random_state=0).fit(data, y)
    best = int(np.argmax(model.validation_scores_))
    assert model.n_iter_ < 100
    resting = [n == 0 for n in model.history_["n_dropped"]]
    n_resting = resting[::-1].index(False)
    averaged = round(0.4 * model.n_iter_)  # the share that `averaging` says
    assert n_resting - averaged in (0, 1)  # of two epochs before it one evolves
    learned = model.n_iter_ - averaged
    scores = model.validation_scores_[:learned]
    assert learned >= 31 + best and max(scores[-31:]) < max(scores) + model.tol
    assert model.best_validation_score_ == model.validation_scores_[-1]


def test_early_stopping_that_never_stops_is_a_fit_of_the_other_rows():
    """So that it loses the held-out rows and nothing else, averaging least of all."""
    X_val, y_val = X[40:], Y[40:]
    settings = {**SMALL, "averaging": 0.4, "n_iter_no_change": np.inf}
    endless = SETClassifier(**settings, early_stopping=True)
    endless.fit(X[:40], Y[:40], X_val=X_val, y_val=y_val)
    assert_same(endless, SETClassifier(**settings).fit(X[:40], Y[:40]))
    assert endless.best_validation_score_ == endless.score(X_val, y_val)


def test_as_many_epochs_on_all_rows_follow_the_same_schedule():
    """What the user guide advises: all rows, for as long as early stopping found to be enough."""
    lazy = {**SMALL, "averaging": 0.4, "max_iter": 100, "n_iter_no_change": 9}
    stopped = SETClassifier(**lazy, tol=10, early_stopping=True)
    stopped.fit(X, Y, X_val=X[:10], y_val=Y[:10])
    assert stopped.n_iter_ == 18  # 11 until patience ends, and 7 averaged
    assert_same(stopped, SETClassifier(**{**lazy, "max_iter": 18}).fit(X, Y))


def test_averaging_all_epochs_leaves_none_to_stop_after():
    with pytest.raises(ValueError, match="averaging=1 averages from the first epoch on"):
        SETClassifier(averaging=1, early_stopping=True).fit(X, Y)


def test_patience_counts_from_the_best():
    patient = {**SMALL, "max_iter": 400, "n_iter_no_change": 5, "early_stopping": True}
    model = SETClassifier(**patient, scoring="loss", tol=1e-3).fit(X, Y)
    best, stale, wanted = np.inf, 0, None
    for epoch, loss in enumerate(model.validation_loss_curve_):
        stale = 0 if loss <= best - 1e-3 else stale + 1
        best = min(best, loss)
        if stale > 5:
            wanted = epoch + 1
            break
    assert model.n_iter_ == wanted < 400
    endless = {**patient, "max_iter": 60, "n_iter_no_change": np.inf}
    assert SETClassifier(**endless, tol=10.0).fit(X, Y).n_iter_ == 60


def test_without_early_stopping_nobody_is_impatient():
    lazy = {**SMALL, "tol": 10.0, "n_iter_no_change": 1, "max_iter": 20}
    assert SETClassifier(**lazy).fit(X, Y).n_iter_ == 20
    watched = SETClassifier(**lazy).fit(X, Y, X_val=X, y_val=Y)
    assert watched.n_iter_ == 20 and watched.best_validation_score_ is None


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

    def spy(self, model, samples, held_out, *args, **kwargs):
        seen.update(train=samples, val=held_out)
        return original(self, model, samples, held_out, *args, **kwargs)

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


def test_an_improvement_of_exactly_tol_counts():
    """As in scikit-learn's perceptrons; with ``tol=0`` a plateau is no end."""
    network = SETClassifier(**SMALL).fit(X, Y)._network
    stale = []
    for tol, values in ((0.0, [0.5] * 3), (0.25, [0.25, 0.5, 0.75, 0.875])):
        patience = Patience(tol, 0)
        for value in values:
            patience.update(network, {"validation_score": value, "validation_loss": -value})
            stale.append(patience.n_stale)
            assert patience.is_over == (patience.n_stale > 0)
    assert stale == [0, 0, 0, 0, 0, 0, 1]
