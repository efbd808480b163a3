"""The core's view of a network follows its arrays: nothing stale is used."""

import copy
import gc
import itertools
import pickle
import weakref

import numpy as np
import pytest
import scipy.sparse
from helpers import keys_of, random_data, random_network, used_network
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_set import _native
from sklearn_set._data import Data
from sklearn_set._losses import Loss
from sklearn_set._network import Layer
from sklearn_set._optimizers import Optimizer

SIZES = [9, 14, 12, 3]
X = np.random.default_rng(0).normal(size=(20, 9))


def forward(network, X):
    """Raw outputs of a network of ReLU layers, in NumPy."""
    for number, layer in enumerate(network.layers):
        W = np.zeros(layer.n_in * layer.n_out)
        W[keys_of(layer.connectivity)] = layer.weights
        X = X @ W.reshape(layer.n_out, layer.n_in).T + layer.bias
        if number < len(network.layers) - 1:
            X = np.maximum(X, 0)
    return X


def predicted(network):
    dense = network.predict(Data(X, np.float64))
    assert_allclose(network.predict(Data(scipy.sparse.csr_array(X), np.float64)), dense)
    return dense


def test_a_network_is_bound_once():
    network = used_network(SIZES, 0)
    data = random_data(network, 20, 0)
    assert network._bound is None
    first = network._native(data)
    assert network._native(data) is first
    training = network._native(data, train=True)
    assert network._native(data) is network._native(data, train=True) is training
    for layer in network.layers:  # writing into an array is no other array
        layer.weights *= 2
        layer.bias += 1
    assert network._native(data) is training
    assert_allclose(predicted(network), forward(network, X))


@pytest.mark.parametrize("name", [*Layer.PER_CONNECTION, *Layer.PER_NEURON])
@pytest.mark.parametrize("number", range(3))
def test_another_array_binds_anew(name, number):
    network = used_network(SIZES, 0)
    data = random_data(network, 20, 0)
    optimizer = Optimizer("adam", 0.01)
    predicted(network)
    network.train_batches(data, np.arange(20), np.array([0, 20]), optimizer)
    twin = network.copy(state=True)
    layer = network.layers[number]
    new = 2 * getattr(layer, name)
    setattr(layer, name, new)
    setattr(twin.layers[number], name, new.copy())
    bound = network._bound
    assert_allclose(predicted(network), forward(network, X))
    assert network._bound is not bound
    assert any(array is new for array in network._bound.key)
    # Training reads and writes the new array, as in a network that was never bound before.
    counts = [optimizer, copy.copy(optimizer)]
    for changed, counting in zip((network, twin), counts):
        changed.train_batches(data, np.arange(20), np.array([0, 20]), counting)
    for ours, theirs in zip(network.layers, twin.layers):
        for each in (*Layer.PER_CONNECTION, *Layer.PER_NEURON):
            assert_array_equal(getattr(ours, each), getattr(theirs, each))
    assert getattr(layer, name) is new


@pytest.mark.parametrize("setting", [("tanh", 0.0), ("relu", 0.5), ("leaky_relu", 0.0)])
def test_another_activation_or_dropout_binds_anew(setting):
    network = used_network(SIZES, 0)
    data = random_data(network, 20, 0)
    fresh = network.copy(state=True)
    network.train_batches(data, np.arange(20), np.array([0, 20]), Optimizer("adam", 0.0))
    for changed in (network, fresh):
        changed.set_activation(*setting)
    assert_array_equal(predicted(network), predicted(fresh))
    results = [
        changed.train_batches(
            data,
            np.arange(20),
            np.array([0, 20]),
            Optimizer("sgd", 0.0, momentum=0),
            dropout_seed=3,
        )
        for changed in (network, fresh)
    ]
    assert results[0] == results[1]


def test_arrays_that_are_replaced_over_and_over():
    """New arrays may lie where old ones lay: the binding holds on to what it was made of."""
    network = random_network(SIZES, epsilon=3)
    rng = np.random.default_rng(1)
    for _ in range(50):
        layer = network.layers[rng.integers(3)]
        layer.weights = rng.normal(size=layer.nnz)
        layer.bias = rng.normal(size=layer.n_out)
        assert_allclose(predicted(network), forward(network, X), atol=1e-12)


def test_rewiring_pruning_and_going_back_bind_anew():
    network = used_network(SIZES, 0)
    data = random_data(network, 20, 0)
    kept, outputs = network.copy(), predicted(network)
    layer = network.layers[1]
    keep = (np.arange(layer.nnz) % 2 == 0).astype(np.uint8)
    grown = layer.connectivity.grow(keep, 3, np.random.default_rng(0))
    network.rewire(1, grown, np.ones(3))
    assert_allclose(predicted(network), forward(network, X))
    network.prune_hidden(0, np.arange(14) % 3 > 0)
    assert_allclose(predicted(network), forward(network, X))
    network.train_batches(data, np.arange(20), np.array([0, 20]), Optimizer("adam", 0.01))
    assert_allclose(predicted(network), forward(network, X))
    network.prune_inputs(np.arange(9) % 2 == 0)
    assert_allclose(network.predict(Data(X, np.float64)), forward(network, X[:, ::2]))
    network.restore(kept)
    assert_array_equal(predicted(network), outputs)
    # The copy is not part of it.
    network.layers[0].weights[:] = 0
    assert_array_equal(predicted(kept), outputs)
    network.set_parameters(kept)
    assert_array_equal(predicted(network), outputs)


def test_copies_share_no_arrays():
    network = used_network(SIZES, 0)
    predicted(network)
    for state in (False, True):
        copied = network.copy(state=state)
        assert copied._bound is None
        for ours, theirs in zip(network.layers, copied.layers):
            assert ours.connectivity is theirs.connectivity  # it never changes
            for name in (*Layer.PER_CONNECTION, *Layer.PER_NEURON):
                there = state or name in ("weights", "bias")
                assert (getattr(theirs, name) is not None) == there
                if there:
                    assert_array_equal(getattr(ours, name), getattr(theirs, name))
                    assert not np.shares_memory(getattr(ours, name), getattr(theirs, name))
        assert_array_equal(predicted(copied), predicted(network))
    for other in (pickle.loads(pickle.dumps(network)), copy.deepcopy(network)):
        assert other._bound is None
        assert_array_equal(predicted(other), predicted(network))


def test_what_is_dropped_is_not_kept_alive():
    network = used_network(SIZES, 0)
    data = random_data(network, 20, 0)
    network.train_batches(data, np.arange(20), np.array([0, 20]), Optimizer("adam", 0.01))
    gone = [weakref.ref(layer.second) for layer in network.layers]
    network.drop_optimizer()
    gc.collect()
    assert [ref() for ref in gone] == [None] * 3
    assert_allclose(predicted(network), forward(network, X))


def test_a_core_of_another_precision_is_none_of_this_network():
    network = used_network(SIZES, 0)
    assert isinstance(network._native(Data(X, np.float64)), _native.NetworkF64)
    for layer in network.layers:
        layer.weights, layer.bias = layer.weights.astype(np.float32), layer.bias.astype(np.float32)
    network.drop_optimizer()
    for layer in network.layers:
        layer.sensitivity = None
    data = Data(X, np.float32)
    assert isinstance(network._native(data), _native.NetworkF32)
    assert_allclose(network.predict(data), forward(network, X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rule, n_threads", [("adam", 1), ("adam", 2), ("nesterov", 1)])
def test_many_batches_of_sparse_samples_are_what_each_of_them_does(dtype, rule, n_threads):
    """To the bit: with many, the first layer is stored in another order meanwhile."""
    rng = np.random.default_rng(0)
    counts = np.where(rng.random((600, 700)) < 0.95, 0, rng.random((600, 700))).astype(dtype)
    counts = scipy.sparse.csr_array(counts)
    data = Data(counts, dtype, Loss("squared_error"), rng.normal(size=(600, 3)).astype(dtype))
    starts = np.arange(0, 601, 50)
    trained = []
    for calls in ([starts], list(itertools.pairwise(starts))):
        network = random_network([700, 400, 3], 0, epsilon=20.0, dtype=dtype)
        optimizer = Optimizer(rule, 0.01, weight_decay=1e-3)
        network.start_optimizer(optimizer)
        network.measure_sensitivity()
        for part in calls:
            order = np.arange(600)
            network.train_batches(data, order, np.array(part), optimizer, n_threads=n_threads)
        trained.append(network)
    for one, other in zip(*(network.layers for network in trained)):
        for name in (*Layer.PER_CONNECTION, *Layer.PER_NEURON):
            values, same = getattr(one, name), getattr(other, name)
            assert values is same is None or values.tobytes() == same.tobytes(), name
