"""What several test files share: networks, fits, and what "the same" means.

Owns: helpers without tests of their own; fixtures are in `conftest.py`, the oracle in NumPy in
`reference.py`.
"""

from pathlib import Path

import numpy as np
from scipy import sparse

from sklearn_set._data import Data
from sklearn_set._losses import Loss
from sklearn_set._network import Network
from sklearn_set._optimizers import Optimizer
from sklearn_set._topology import Connectivity

REAL_DATA = Path(__file__).parents[1].parent / "shared" / "data" / "asu"
SHORT = {
    "hidden_layer_sizes": (60, 40),
    "epsilon": 6,
    "mixup": 0,
    "averaging": 0,
    "conditioning": None,
    "shrinkage": 0,
    "random_state": 0,
    "n_jobs": 1,
}


def fitted(cls, digits, **options):
    """A short fit of the first 400 digits."""
    X, y = digits
    return cls(**{**SHORT, "max_iter": 6, **options}).fit(X[:400], y[:400])


def assert_same(a, b):
    """Two fitted models have the same network, bit for bit."""
    assert a.hidden_layer_sizes_ == b.hidden_layer_sizes_
    for ours, theirs in zip(a.coefs_, b.coefs_, strict=True):
        np.testing.assert_array_equal(ours.indptr, theirs.indptr)
        np.testing.assert_array_equal(ours.indices, theirs.indices)
        assert ours.data.dtype == theirs.data.dtype
        assert ours.data.tobytes() == theirs.data.tobytes()
    for ours, theirs in zip(a.intercepts_, b.intercepts_, strict=True):
        assert ours.dtype == theirs.dtype and ours.tobytes() == theirs.tobytes()


def check(connectivity):
    """Assert what holds for every Connectivity."""
    n_in, n_out = connectivity.shape
    indptr, indices = connectivity.indptr, connectivity.indices
    assert indptr.dtype == indices.dtype == np.int32
    assert len(indptr) == n_out + 1
    assert indptr[0] == 0 and indptr[-1] == len(indices) == connectivity.nnz
    assert (np.diff(indptr) >= 0).all()
    assert ((indices >= 0) & (indices < n_in)).all()
    assert (np.diff(keys_of(connectivity)) > 0).all()  # sorted within rows, and unique


def keys_of(connectivity):
    """Flat places, destination * n_in + source, in storage order."""
    return connectivity.destinations().astype(np.int64) * connectivity.shape[0] + (
        connectivity.indices
    )


def mask_of(connectivity):
    mask = np.zeros(connectivity.shape[::-1], dtype=bool)
    mask[connectivity.destinations(), connectivity.indices] = True
    return mask


def from_mask(mask):
    n_out, n_in = mask.shape
    indptr = np.concatenate(([0], np.cumsum(mask.sum(axis=1)))).astype(np.int32)
    return Connectivity(indptr, np.nonzero(mask)[1].astype(np.int32), (n_in, n_out))


def random_network(sizes, seed=0, *, epsilon=2.0, dtype=np.float64, **options):
    """A new network; `seed` may be a generator."""
    defaults = {"init": "he_uniform", "activation": "relu", "dropout": 0.0}
    rng = np.random.default_rng(seed)
    return Network.random(sizes, epsilon=epsilon, dtype=dtype, rng=rng, **{**defaults, **options})


def used_network(sizes, seed, **options):
    """A network with biases and with the optimizer's state, as after some training."""
    network = random_network(sizes, seed, **options)
    network.start_optimizer(Optimizer("adam", 0.01))
    rng = np.random.default_rng(seed + 1)
    for layer in network.layers:
        layer.first[:] = rng.random(layer.nnz) + 0.1
        layer.second[:] = rng.random(layer.nnz) + 0.1
        layer.bias[:] = rng.normal(size=layer.n_out)
        layer.bias_first[:] = rng.normal(size=layer.n_out)
        layer.bias_second[:] = rng.random(layer.n_out) + 0.1
        layer.sensitivity = rng.random(layer.nnz).astype(layer.weights.dtype) + 0.1
        layer.weights[rng.random(layer.nnz) < 0.1] = 0
    return network


def random_data(network, n_samples, seed, sparse_input=False):
    """Samples with labels for a network."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, network.layers[0].n_in)).astype(network.dtype)
    if sparse_input:
        X = sparse.csr_array(np.where(rng.random(X.shape) < 0.6, 0, X))
    target = rng.integers(0, network.n_outputs, n_samples).astype(np.int32)
    return Data(X, network.dtype, Loss("softmax_log_loss"), target)


def loss_gradient(network, data, n_threads=1):
    """Mean loss over all samples and its gradients at weights and biases."""
    weights = [np.empty_like(layer.weights) for layer in network.layers]
    biases = [np.empty_like(layer.bias) for layer in network.layers]
    native, order = network._native(data, train=True), np.arange(data.n_samples)
    loss = native.gradient(data.native, order, weights, biases, 0, n_threads)
    return loss, weights, biases
