"""Calls of the native core that no estimator makes: what fuzzing found and its like."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from sklearn_set import SETClassifier, SETRegressor, _native
from sklearn_set._data import Data
from sklearn_set._losses import Loss
from sklearn_set._network import Network
from sklearn_set._optimizers import Optimizer

INT = np.int32
ISAS = _native.runnable_isas()


def misaligned(values):
    """The same values one byte off."""
    values = np.asarray(values)
    result = np.zeros(values.nbytes + 1, np.uint8)[1:].view(values.dtype).reshape(values.shape)
    result[...] = values
    assert not result.flags.aligned
    return result


def test_misaligned_arrays_are_refused():
    ok = np.array([0, 1, 2], INT)
    with pytest.raises(TypeError):
        _native.transpose(misaligned(ok), np.array([0, 1], INT), 2)
    with pytest.raises(TypeError):
        _native.count_signs(misaligned(np.ones(3)))
    with pytest.raises(TypeError):
        _native.DataF64(misaligned(np.ones((2, 3))), None, None, None, 3)


@pytest.mark.parametrize("as_sparse", [False, True])
def test_misaligned_samples_are_copied(as_sparse):
    X = np.random.default_rng(0).standard_normal((50, 4))
    y, weight = misaligned(np.where(X[:, 0] > 0, 1.0, 0.0)), misaligned(np.arange(1.0, 51))
    odd = misaligned(X)
    if as_sparse:
        odd = sparse.csr_array(X)
        odd.data, odd.indices = misaligned(odd.data), misaligned(odd.indices)
        odd.indptr = misaligned(odd.indptr)
    for cls in (SETClassifier, SETRegressor):
        models = [
            cls((8,), epsilon=3, max_iter=3, random_state=0).fit(data, *targets)
            for data, targets in ((odd, (y, weight)), (odd.copy(), (y.copy(), weight.copy())))
        ]
        np.testing.assert_array_equal(models[0].predict(odd), models[1].predict(odd.copy()))


def test_sparse_batches_of_too_many_values_are_refused():
    """Their places would not fit into 32 bits."""
    n_values, n_rows = 2**16, 2**15  # 2**31 in all, of one sample over and over
    network = Network.random(
        [n_values, 2], epsilon=0.01, init="he_uniform", activation="relu", dropout=0,
        dtype=np.float32, rng=np.random.default_rng(0),
    )  # fmt: skip
    optimizer = Optimizer("sgd", 0.1, momentum=0.0)
    network.start_optimizer(optimizer)
    X = sparse.csr_array(np.ones((1, n_values), np.float32))
    data = Data(X, np.float32, Loss("softmax_log_loss"), np.zeros(1, INT))
    order, starts = np.zeros(n_rows, np.int64), np.array([0, n_rows])
    with pytest.raises(ValueError, match=r"2147483648 values in all is too large\. Lower batch_"):
        network.train_batches(data, order, starts, optimizer)


@pytest.mark.parametrize("index", [4, 2**31, 2**32, 2**32 + 1])
def test_a_64_bit_column_index_does_not_wrap(index):
    """As int32, 2**32 would be column 0."""
    X = sparse.csr_array(np.eye(4))
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    X.indices[2] = index
    with pytest.raises(ValueError, match=f"4 columns and a column index {index}"):
        Data(X, np.float64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nans_next_to_infinity_are_neither_dropped_nor_compared(dtype):
    """They share the bucket in which the largest weights are selected."""
    rng = np.random.default_rng(0)
    nan = (np.full(500, np.inf, dtype).view(f"u{np.dtype(dtype).itemsize}") + 1).view(dtype)
    weights = rng.permutation(np.concatenate([nan, -nan, np.full(300, np.inf, dtype)]))
    weights = np.concatenate([weights, -np.full(200, np.inf, dtype)])
    keep = _native.drop_nearest_zero(weights, 150, 299)
    dropped = weights[keep == 0]
    assert np.count_nonzero(dropped == np.inf) == 299
    assert np.count_nonzero(dropped == -np.inf) == 150


def test_the_largest_label_is_no_overflow():
    data = _native.DataF64(np.ones((1, 2)), None, None, None, 2)
    data.set_targets(1, np.array([2**31 - 1], INT), None, None, 1.0)
    layer = Network.random(
        [2, 2], epsilon=9, init="normal", activation="relu", dropout=0, dtype=np.float64,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    with pytest.raises(ValueError, match="label lies outside"):
        layer._native(Data(np.ones((1, 2)), np.float64), train=True).gradient(
            data, np.arange(1), [np.zeros(4)], [np.zeros(2)], 0, 1
        )  # fmt: skip


@pytest.mark.parametrize("sizes", [[0, 0], [0, 3, 2], [3, 0, 2], [3, 2, 0], [0, 0, 0]])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("as_sparse", [False, True])
def test_networks_without_neurons(sizes, dtype, as_sparse):
    """Their outputs are what is left: the biases."""
    network = Network.random(
        sizes, epsilon=3, init="he_uniform", activation="relu", dropout=0.2, dtype=dtype,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    X = np.ones((5, sizes[0]), dtype)
    values = np.full((5, sizes[-1]), 2.0, dtype)
    data = Data(sparse.csr_array(X) if as_sparse else X, dtype, Loss("squared_error"), values)
    optimizer = Optimizer("adam", 0.1)
    network.start_optimizer(optimizer)
    loss, weight = network.train_batches(data, np.arange(5), np.array([0, 3, 5]), optimizer)
    assert weight == 5 and np.isfinite(loss)
    out = network.predict(data)
    assert out.shape == values.shape
    if 0 in sizes[:-1]:
        np.testing.assert_array_equal(out, np.tile(network.layers[-1].bias, (5, 1)))


def test_draws_that_no_index_holds_are_refused():
    """At once: 3e9 draws are less than what fills 100 million places without drawing."""
    with pytest.raises(ValueError, match="may exceed 2\\*\\*31 - 1 connections"):
        _native.erdos_renyi(10_000, 10_000, 3_000_000_000, 0)
    with pytest.raises(ValueError, match="exceeds"):
        _native.sample_without_replacement(2**40, 2**32, 0)


@pytest.mark.parametrize("dropout", [-0.1, 1.0, 2.0, np.inf, np.nan])
def test_impossible_dropout(dropout):
    network = Network.random(
        [2, 2, 1], epsilon=9, init="normal", activation="relu", dropout=dropout, dtype=np.float64,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    with pytest.raises(ValueError, match="dropout must lie in"):
        network._native(Data(np.ones((1, 2)), np.float64), train=True)


def test_fields_of_a_layer_have_types():
    network = Network.random(
        [2, 2], epsilon=9, init="normal", activation="relu", dropout=0, dtype=np.float64,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    network.layers[0].slope = "steep"
    with pytest.raises(TypeError, match="slope is not a number"):
        network._native(Data(np.ones((1, 2)), np.float64))


class Stop(Exception):
    pass


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("exception", [KeyboardInterrupt, Stop])
def test_a_signal_is_answered_between_two_batches(exception, n_threads):
    """Long before the epoch's end; the steps done are counted, for Adam's correction of bias."""

    def handler(signum, frame):
        raise exception

    n, width = 2_000_000, 200
    rng = np.random.default_rng(0)
    network = Network.random(
        [50, width, 1], epsilon=20, init="he_uniform", activation="relu", dropout=0,
        dtype=np.float32, rng=rng,
    )  # fmt: skip
    X = rng.standard_normal((1000, 50)).astype(np.float32)
    data = Data(X, np.float32, Loss("squared_error"), X[:, :1].copy())
    optimizer = Optimizer("adam", 1e-4)
    network.start_optimizer(optimizer)
    order, starts = rng.integers(0, 1000, n), np.arange(0, n + 1, 50)
    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(exception):
            network.train_batches(data, order, starts, optimizer, n_threads=n_threads)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert 0 < optimizer.n_steps < len(starts) - 1
    assert network.layers[0].first.any()


def test_the_fuzzer_knows_every_entry():
    """For a second, without sanitizers (tests/tools/sanitize.sh has them)."""
    fuzzer = Path(__file__).parent / "tools" / "fuzz.py"
    done = subprocess.run(
        [sys.executable, "-P", str(fuzzer), "--seconds", "1"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "none out of bounds" in done.stdout


def test_convolutions_check_their_arrays():
    """A layer of 2 channels to 1 by a window of 3 x 1, one connection."""
    indptr, indices, window = np.array([0, 1], INT), np.array([5], INT), [3, 1, 1, 1, 1, 0, 1, 1]
    weights, bias = np.ones(1), np.zeros(1)
    images, out = np.ones((4, 2, 5, 6)), np.empty((4, 1, 5, 6))

    def convolve(window=window, indices=indices, weights=weights, out=out, n_threads=1):
        window = np.array(window, INT)
        _native.convolve(indptr, indices, weights, bias, window, images, out, n_threads=n_threads)

    convolve()
    assert out[:, :, :4].min() == 1 and out[:, :, 4].max() == 0
    for n_threads in (2, 64):
        convolve(n_threads=n_threads)
    for arguments, message in (
        ({"window": [3, 1, 1, 1, 1, 0, 1]}, "window has 7 entries"),
        ({"window": [3, 1, 0, 1, 1, 0, 1, 1]}, "must be >= 1"),
        ({"window": [3, 1, 1, 1, -1, 0, 1, 1]}, "padding >= 0"),
        ({"window": [3, 1, 1, 1, 1 << 20, 0, 1, 1]}, "1048576 pixels along an axis"),
        ({"window": [1 << 13, 1, 1, 1, 1, 0, 1 << 13, 1]}, "too large an image or window"),
        ({"window": [3, 1, 1, 1, 1 << 19, 1 << 19, 1, 1]}, "images are too large"),
        ({"indices": np.array([6], INT)}, r"outside of \[0, 6\)"),
        ({"weights": np.ones(2)}, "weights has 2 entries"),
        ({"out": np.empty((4, 2, 5, 6))}, "results has 2 entries"),
        ({"out": np.empty((3, 1, 5, 6))}, "results has 3 entries"),
    ):
        with pytest.raises(ValueError, match=message):
            convolve(**arguments)
    with pytest.raises(TypeError):
        convolve(out=out.astype(np.float32))
    window = np.array(window, INT)
    positions, by_place = np.array([1], INT), np.array([0, 0, 0, 0, 0, 0, 1], INT)
    with pytest.raises(ValueError, match="by_place_positions: an index lies outside"):
        _native.convolution_input_gradient(
            indptr, indices, by_place, positions, np.array([0], INT), weights, window, out, images
        )
    with pytest.raises(ValueError, match="gradient has 2 entries"):
        _native.convolution_gradient(indptr, indices, window, images, out, np.ones(2), bias)
