"""DSR: dropping below a threshold, sharing among the layers."""

import numpy as np
from helpers import SHORT, fitted, used_network
from numpy.testing import assert_array_equal

from sklearn_set import DSRClassifier, SETClassifier
from sklearn_set.rules import AdaptiveThreshold


def test_dsr_keeps_the_total_and_moves_the_layers(digits):
    options = {"rewire_every": 5, "target_fraction": 0.03}
    model = fitted(DSRClassifier, digits, max_iter=40, **options)
    history = model.history_
    assert len(set(history["n_connections"])) == 1
    assert model.n_connections_ == history["n_connections"][0]
    moved = [history[f"n_connections_{i}"][-1] - history[f"n_connections_{i}"][0] for i in range(3)]
    assert max(np.abs(moved)) > 10
    threshold = np.array(history["threshold"])
    assert len(threshold) == 40 and (threshold > 0).all()
    assert_array_equal(np.log2(threshold / 0.001) % 1, 0)  # doubled and halved
    # 13 steps an epoch, a rewiring at each multiple of 5; it settles near the target.
    n_rewirings = (40 * 13 - 1) // 5
    dropped = sum(history["n_dropped"]) / n_rewirings / model.n_connections_
    assert 0.01 < dropped < 0.06
    X, y = digits
    assert model.score(X[400:], y[400:]) > 0.8


def test_dsr_rewires_after_the_steps_it_was_told(digits):
    X, y = digits
    model = DSRClassifier(
        **SHORT, max_iter=3, batch_size=100, rewire_every=5, initial_threshold=10.0
    ).fit(X[:400], y[:400])
    # Steps 0-3, 4-7, 8-11: before step 5 and before step 10; all but one a layer go.
    n_dropped = model.history_["n_dropped"]
    assert n_dropped == [0, model.n_connections_ - 3, model.n_connections_ - 3]
    assert model.history_["threshold"] == [10, 5, 2.5]


def test_dsr_without_a_target_is_static(digits):
    model = fitted(DSRClassifier, digits, target_fraction=0, rewire_every=2)
    static = fitted(SETClassifier, digits, zeta=0)
    assert_array_equal(model.coefs_[0].data, static.coefs_[0].data)


def test_threshold_adapts():
    drop = AdaptiveThreshold(1.0)
    for n_dropped, expected in ((9, 1.0), (11, 1.0), (8, 2.0), (0, 4.0), (12, 2.0), (100, 1.0)):
        drop.after(n_dropped, 1000, 0.01)
        assert drop.threshold_ == expected
        assert drop.columns() == {"threshold": expected}
    assert drop.initial == 1.0


def test_dsr_keeps_one_connection_a_layer():
    network = used_network([9, 14, 12, 3], 0)
    for number, layer in enumerate(network.layers):
        keep = AdaptiveThreshold(1e9).keep(network, number, 0.1)
        assert_array_equal(np.flatnonzero(keep), [np.abs(layer.weights).argmax()])
