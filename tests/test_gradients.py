"""Analytic gradients against central differences, and losses against their definitions."""

import numpy as np
import pytest
import reference
import scipy.sparse
from helpers import loss_gradient, random_network
from scipy.special import xlogy
from sklearn import metrics

from sklearn_set import _native
from sklearn_set._data import Data
from sklearn_set._losses import Loss
from sklearn_set._network import ACTIVATIONS

N, N_FEATURES = 9, 8
DELTA = 0.7  # of huber; some residuals lie on either side


def targets(loss, rng):
    """What `Data` takes, and the same as values (n, k)."""
    if loss in ("binary_log_loss", "softmax_log_loss", "sigmoid_squared_error"):
        k = 1 if loss == "binary_log_loss" else 3
        labels = rng.integers(0, max(k, 2), N).astype(np.int32)
        return labels, labels[:, None].astype(float) if k == 1 else np.eye(k)[labels]
    if loss == "multilabel_log_loss":
        values = rng.integers(0, 2, (N, 3)).astype(float)
    elif loss == "poisson":
        values = rng.poisson(1, (N, 3)).astype(float)
    elif loss == "hazard":  # of three intervals; some samples leave before the last
        last = rng.integers(0, 3, N)
        events = (last[:, None] == np.arange(3)) & (rng.random((N, 1)) < 0.6)
        exposure = rng.uniform(0.1, 1, (N, 3)) * (np.arange(3) <= last[:, None])
        values = np.hstack([events, exposure])
    else:
        values = rng.normal(size=(N, 3))
    return values, values


def n_outputs(loss, values):
    return values.shape[1] // 2 if loss == "hazard" else values.shape[1]


def problem(loss, activation, sparse, weighted, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, N_FEATURES)) * (rng.random((N, N_FEATURES)) < 0.5)
    given, values = targets(loss, rng)
    weight = rng.uniform(0.1, 3, N) if weighted else None
    sizes = [N_FEATURES, 7, 6, n_outputs(loss, values)]
    network = random_network(sizes, rng, epsilon=1.5, activation=activation)
    for layer in network.layers:
        layer.bias[:] = 0.3 * rng.normal(size=layer.n_out)
        layer.weights *= 0.6  # or else exp() of the outputs drowns differences in roundings
    data = Data(
        scipy.sparse.csr_array(X) if sparse else X, np.float64, Loss(loss, DELTA), given, weight
    )
    return network, data, X, values, weight


def numeric(network, data, array, step=1e-6):
    """Central differences of the loss of the network's own predictions."""
    result = np.empty_like(array)
    for i, value in enumerate(array):
        losses = []
        for moved in (value + step, value - step):
            array[i] = moved
            raw = network.predict(data)
            losses.append(data.loss.value(raw, data.target, data.sample_weight))
        array[i] = value
        result[i] = (losses[0] - losses[1]) / (2 * step)
    return result


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    "loss", [name for name in _native.LOSSES if name != "sigmoid_squared_error"]
)
def test_central_differences(loss, activation, sparse, weighted):
    network, data, _, values, _ = problem(loss, activation, sparse, weighted)
    value, weight_gradients, bias_gradients = loss_gradient(network, data)
    raw = network.predict(data)
    assert value == pytest.approx(data.loss.value(raw, data.target, data.sample_weight), rel=1e-12)
    # The loss is averaged over outputs where scikit-learn's MLP does so, and like there
    # the gradient is that of the sum.
    k = values.shape[1] if loss in ("squared_error", "huber") else 1
    for layer, weights, biases in zip(network.layers, weight_gradients, bias_gradients):
        assert np.abs(weights).max() > 1e-3
        np.testing.assert_allclose(
            weights, k * numeric(network, data, layer.weights), rtol=1e-5, atol=2e-8
        )
        np.testing.assert_allclose(
            biases, k * numeric(network, data, layer.bias), rtol=1e-5, atol=2e-8
        )


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", _native.LOSSES)
def test_reference(loss, activation, sparse, weighted):
    """The published squared error's gradient is no derivative: its rule is in the reference."""
    network, data, X, values, weight = problem(loss, activation, sparse, weighted, seed=1)
    value, weight_gradients, bias_gradients = loss_gradient(network, data)
    layers = reference.layers_of(network)
    wanted = reference.gradient(
        layers, X, values, np.ones(N) if weight is None else weight, activation, loss, DELTA
    )
    assert value == pytest.approx(wanted[0], rel=1e-12)
    for layer, mine, theirs in zip(layers, weight_gradients, wanted[1], strict=True):
        np.testing.assert_allclose(mine, theirs[layer.mask], rtol=1e-9, atol=1e-13)
    for mine, theirs in zip(bias_gradients, wanted[2], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("loss", _native.LOSSES)
def test_float32_gradients(loss):
    network, data, X, values, _ = problem(loss, "tanh", False, False)
    sizes = [N_FEATURES, 7, 6, n_outputs(loss, values)]
    single = random_network(sizes, epsilon=1.5, activation="tanh", dtype=np.float32)
    for mine, theirs in zip(single.layers, network.layers):
        mine.connectivity, mine.weights = theirs.connectivity, theirs.weights.astype(np.float32)
        mine.bias = theirs.bias.astype(np.float32)
    data32 = Data(X.astype(np.float32), np.float32, data.loss, data.target)
    wanted, given = loss_gradient(network, data), loss_gradient(single, data32)
    assert given[0] == pytest.approx(wanted[0], rel=1e-5)
    for mine, theirs in zip(given[1] + given[2], wanted[1] + wanted[2]):
        assert mine.dtype == np.float32
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("loss", _native.LOSSES)
@pytest.mark.parametrize("scale", [1e-3, 30.0, 600.0])
def test_extreme_outputs_stay_finite(loss, scale):
    """No overflow where the loss itself is a number."""
    network, data, *_ = problem(loss, "identity", False, False)
    last = network.layers[-1]
    last.bias[:] = scale * np.where(np.arange(last.n_out) % 2, -1, 1)
    value, weights, biases = loss_gradient(network, data)
    with np.errstate(over="ignore"):
        wanted = data.loss.value(network.predict(data), data.target, None)
    if np.isfinite(wanted):
        assert value == pytest.approx(wanted, rel=1e-9)
    for gradient in (*weights, *biases):
        assert np.isfinite(gradient).all()


def test_losses_are_what_they_are_called():
    """Loss.value, the yardstick above, against scikit-learn's metrics."""
    rng = np.random.default_rng(0)
    raw, weight = rng.normal(size=(20, 3)), rng.uniform(0.5, 2, 20)
    labels, values = rng.integers(0, 3, 20), rng.poisson(2, (20, 3)).astype(float)

    def value(name, target, raw=raw):
        return Loss(name, DELTA).value(raw, target, weight)

    def outputs(name, raw=raw):
        return Loss(name).activate(raw)

    assert value("softmax_log_loss", labels) == pytest.approx(
        metrics.log_loss(labels, outputs("softmax_log_loss"), sample_weight=weight)
    )
    binary = outputs("binary_log_loss", raw[:, :1])[:, 0]
    assert value("binary_log_loss", (labels > 0).astype(int), raw[:, :1]) == pytest.approx(
        metrics.log_loss(labels > 0, binary, sample_weight=weight)
    )
    bits = (values > 1).astype(float)
    assert value("multilabel_log_loss", bits) == pytest.approx(
        sum(
            metrics.log_loss(bits[:, j], outputs("multilabel_log_loss")[:, j], sample_weight=weight)
            for j in range(3)
        )
    )
    assert value("squared_error", values) == pytest.approx(
        metrics.mean_squared_error(values, raw, sample_weight=weight) / 2
    )
    assert value("sigmoid_squared_error", labels) == pytest.approx(
        metrics.mean_squared_error(
            np.eye(3)[labels], outputs("sigmoid_squared_error"), sample_weight=weight
        )
    )
    assert value("poisson", values) == pytest.approx(
        sum(
            metrics.mean_poisson_deviance(
                values[:, j], outputs("poisson")[:, j], sample_weight=weight
            )
            / 2
            for j in range(3)
        )
    )
    r = np.abs(values - raw)
    share = rng.dirichlet(np.ones(3), 20)  # a Poisson process with this exposure in each interval
    assert value("hazard", np.hstack([values, share])) == pytest.approx(
        value("poisson", values, raw + np.log(share))
        - np.average(
            (xlogy(values, values) - values - values * np.log(share)).sum(axis=1), weights=weight
        )
    )
    huber = np.where(r <= DELTA, r**2 / 2, DELTA * (r - DELTA / 2)).mean(axis=1)
    assert value("huber", values) == pytest.approx(np.average(huber, weights=weight))


def test_gradients_of_many_threads_and_none():
    network, data, *_ = problem("softmax_log_loss", "relu", False, False)
    one, three = loss_gradient(network, data, 1), loss_gradient(network, data, 3)
    for a, b in zip(one[1] + one[2], three[1] + three[2]):
        assert a.tobytes() == b.tobytes()
