"""Divergence, errors and interrupts: what is left of the model."""

import copy
import os
import re
import signal
import threading
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from estimators.common import ALL, BOTH, NAN, PRUNING, SMALL, X, Y, assert_consistent
from helpers import assert_same
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError

from sklearn_set import NPSETClassifier, SETClassifier, SETRegressor, _network
from sklearn_set._data import Data
from sklearn_set._fitted import Model
from sklearn_set._network import Network
from sklearn_set._training import NonFiniteLossError, Progress

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# ------------------------------------------------------------------ divergence


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
        assert re.search(r"training diverged.*learning_rate_init.*scale the inputs", str(error))
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
    endless = {"max_iter": 10**6, "n_iter_no_change": np.inf, "early_stopping": early_stopping}
    model = SETClassifier((300, 300), **endless, n_jobs=n_jobs, random_state=0)
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    original = Progress.record

    def record(self, **columns):
        original(self, **columns)
        if self.epoch == 5:  # counted from 0
            timer.start()

    monkeypatch.setattr(Progress, "record", record)
    with pytest.warns(UserWarning, match=r"interrupted in epoch \d+; the model keeps what it"):
        model.fit(data, y)
    timer.join()
    assert 5 <= model.n_iter_ < 10**6
    assert_consistent(model)
    assert model.score(data, y) > 0.5


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to itself")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_long_prediction_can_be_interrupted(n_jobs):
    plain = {"conditioning": None, "select_inputs": False}
    model = SETClassifier((2000, 2000), max_iter=1, **plain, random_state=0)
    network = model.fit(X, Y)._network
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
    original = Progress.record

    def record(self, **columns):
        if self.epoch != 4:
            return original(self, **columns)
        names = {"before": 0, "within": 3, "after": len(columns)}[where]
        for name in list(columns)[:names]:
            self.history[name].append(columns[name])
        raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "record", record)
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


@pytest.mark.parametrize("fitted_before", [False, True])
def test_interrupt_after_the_last_epoch(monkeypatch, fitted_before):
    """While the temperature is found: the estimator is what it was before."""
    model = SETClassifier(**SMALL)
    if fitted_before:
        model.fit(X[:, :3], Y)
    before = vars(model).copy()

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(Model, "calibrate", interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.set_params(shrinkage="auto").fit(X, Y)
    assert vars(model) == {**before, "shrinkage": "auto"}
    if fitted_before:
        assert model.predict(X[:, :3]).shape == Y.shape
