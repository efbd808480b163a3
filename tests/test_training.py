"""Averaging of weights while training ends."""

import numpy as np
from helpers import random_network
from numpy.testing import assert_allclose

from sklearn_set import NPSETClassifier, SETClassifier
from sklearn_set._data import Data
from sklearn_set._evolution import Evolution
from sklearn_set._losses import Loss
from sklearn_set._optimizers import Optimizer
from sklearn_set._training import Generators, Learner, train
from sklearn_set.callback import ValidationMonitor

SMALL = {"hidden_layer_sizes": (30, 20), "epsilon": 8, "max_iter": 12, "conditioning": None,
    "select_inputs": False, "shrinkage": 0, "evolve_every": 1, "random_state": 0,
}  # fmt: skip


def test_average_is_the_mean_over_the_last_epochs():
    rng = np.random.default_rng(0)
    X, target = rng.normal(size=(40, 4)), rng.integers(0, 3, 40).astype(np.int32)
    data = Data(X, np.float64, Loss("softmax_log_loss"), target)

    def trained(n_epochs, averaging):
        generators = Generators.spawn(0)
        network = random_network([4, 10, 3], generators.init, epsilon=5)
        optimizer = Optimizer("adam", 0.01)
        network.start_optimizer(optimizer)
        learner = Learner(network, optimizer, Evolution(), generators)
        train(learner, data, n_epochs=n_epochs, batch_size=10, averaging=averaging)
        return network

    ends = [trained(n, 0.0) for n in (8, 9, 10)]
    average = trained(10, 0.3)
    for number, layer in enumerate(average.layers):
        expected = np.mean([end.layers[number].weights for end in ends], axis=0)
        assert_allclose(layer.weights, expected, rtol=1e-12)


def test_the_least_share_is_the_last_epoch(samples):
    dropped = SETClassifier(**SMALL, averaging=0.001).fit(*samples).history_["n_dropped"]
    assert dropped[-2] > 0 and dropped[-1] == 0


def test_topology_rests_while_weights_are_averaged(samples):
    history = SETClassifier(**SMALL, averaging=0.5).fit(*samples).history_
    assert all(n > 0 for n in history["n_dropped"][1:6])
    assert history["n_dropped"][6:] == [0] * 6


def test_averaging_waits_for_the_last_pruning(samples):
    pruning = {"alpha": 0.1, "beta": 2, "gamma": 6}
    model = NPSETClassifier(**SMALL, **pruning, averaging=0.9).fit(*samples)
    last = NPSETClassifier(**SMALL, **pruning, averaging=0.0).fit(*samples)
    assert model.hidden_layer_sizes_ == last.hidden_layer_sizes_
    assert [n > 0 for n in model.history_["n_dropped"]] == [False] + [True] * 8 + [False] * 3


def test_callbacks_see_the_average_while_it_is_made(samples):
    """The network that the fit would end with, as `X_val` does, and not the one that learns."""
    monitor = ValidationMonitor(*samples, scoring="neg_log_loss")
    model = SETClassifier(**SMALL).set_callbacks(monitor)
    model.fit(*samples, X_val=samples[0], y_val=samples[1])
    losses = [-row["score"] for row in monitor.log]
    assert_allclose(losses, model.validation_loss_curve_, rtol=1e-6)


def test_held_out_scores_while_averaging_are_those_of_the_average(samples):
    X, y = samples
    model = SETClassifier(**SMALL).fit(X, y, X_val=X, y_val=y)
    assert model.validation_scores_[-1] == model.score(X, y)


def test_early_stopping_keeps_the_best_network_without_averaging(samples):
    X, y = samples
    parameters = {**SMALL, "early_stopping": True, "n_iter_no_change": 4, "averaging": 0}
    model = SETClassifier(**parameters).fit(X, y, X_val=X, y_val=y)
    assert model.score(X, y) == max(model.validation_scores_)


def test_warm_start_averages_over_each_fit(samples):
    model = SETClassifier(**SMALL, warm_start=True, averaging=0.25).fit(*samples).fit(*samples)
    rest = [n == 0 for n in model.history_["n_dropped"]]
    assert rest == [True] + [False] * 8 + [True] * 3 + [False] * 9 + [True] * 3
