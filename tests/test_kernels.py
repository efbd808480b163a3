"""Each native kernel against its definition in kernels.h, for every type and instruction set."""

import itertools
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import reference
import scipy.sparse
from helpers import loss_gradient
from scipy.special import expit
from sklearn.datasets import load_iris

from sklearn_set import SETClassifier, _native
from sklearn_set._data import Data
from sklearn_set._losses import Loss
from sklearn_set._network import ACTIVATIONS, Network
from sklearn_set._optimizers import Optimizer

ISAS = _native.runnable_isas()
IDENTITY, RELU, LEAKY_RELU, TANH, LOGISTIC, GELU = (
    _native.ACTIVATIONS[name]
    for name in ("identity", "relu", "leaky_relu", "tanh", "logistic", "gelu")
)
NAMES = {code: name for name, code in _native.ACTIVATIONS.items()}
KINDS = [
    (IDENTITY, 0.0), (RELU, 0.0), (LEAKY_RELU, 0.01), (LEAKY_RELU, -0.6), (TANH, 0.0),
    (LOGISTIC, 0.0), (GELU, 0.0),
]  # fmt: skip

per_isa = pytest.mark.parametrize("isa", ISAS)
per_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
per_stride = pytest.mark.parametrize("row_bytes", [16, 32, 64, 128, 192, 512, 1088])
per_layer = pytest.mark.parametrize("kind_of_layer", ["sparse", "empty", "full", "wide"])


def kernel(name, dtype):
    return getattr(_native, name)


def rows(values):
    """Copy into memory that is aligned to 64 bytes, as the kernels want."""
    values = np.asarray(values)
    raw = np.empty(values.nbytes + 64, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    result = raw[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    result[...] = values
    return result


def a_layer(kind, dtype, seed=0):
    """Dense weights under a mask, and the arrays of the core. Some destinations are empty."""
    rng = np.random.default_rng(seed)
    shape = (9, 1700) if kind == "wide" else (23, 17)  # more than a chunk of 512 connections
    density = {"sparse": 0.2, "empty": 0.0, "full": 1.0, "wide": 0.7}[kind]
    mask = rng.random(shape) < density
    if kind in ("sparse", "wide"):
        mask[[0, 3, 4, -1]] = False
        mask[:, [2, -1]] = False
    W = np.where(mask, rng.normal(size=shape), 0)
    W = W.astype(dtype)
    indptr = np.concatenate(([0], np.cumsum(mask.sum(axis=1)))).astype(np.int32)
    indices = np.nonzero(mask)[1].astype(np.int32)
    return mask, W, indptr, indices, rng


def tolerance(dtype, terms=20):
    return {"rtol": 1e-11, "atol": 1e-12} if dtype == np.float64 else {
        "rtol": 2e-5, "atol": 2e-7 * terms
    }  # fmt: skip


def activation(z, kind, slope):
    z = z.astype(np.float64)
    match NAMES[kind]:
        case "identity":
            return z, np.ones_like(z)
        case "relu" | "leaky_relu":
            return reference.leaky(z, slope)
        case "tanh":
            return np.tanh(z), 1 - np.tanh(z) ** 2
        case "logistic":
            return expit(z), expit(z) * (1 - expit(z))
        case "gelu":  # 0.5 z (1 + tanh(u)) without its cancellation below 0
            u, slope_of_u = gelu_argument(z)
            share = expit(2 * u)
            return z * share, share + 2 * z * share * expit(-2 * u) * slope_of_u
    raise AssertionError(f"no reference for {NAMES[kind]}")


def gelu_argument(z):
    """What tanh is taken of in the tanh form of GELU, and its derivative."""
    c = np.sqrt(2 / np.pi)
    return c * (z + 0.044715 * z**3), c * (1 + 3 * 0.044715 * z**2)


# Smaller values of the logistic function are this at least: nothing subnormal is computed.
FLOOR = {np.float32: 2e-35, np.float64: 1e-304}
GELU_FLOOR = {np.float32: 1e-33, np.float64: 1e-299}  # what is smaller is 0

# ------------------------------------------------------------------ products


@per_isa
@per_dtype
@per_stride
@per_layer
def test_product(isa, dtype, row_bytes, kind_of_layer):
    mask, W, indptr, indices, rng = a_layer(kind_of_layer, dtype)
    stride = row_bytes // np.dtype(dtype).itemsize
    a = rows(rng.normal(size=(W.shape[1], stride)).astype(dtype))
    bias = rng.normal(size=len(W)).astype(dtype)
    z = W.astype(np.float64) @ a + bias[:, None].astype(np.float64)
    for kind, slope in KINDS:
        out, derivative = (
            rows(np.full(z.shape, np.nan, dtype)),
            rows(np.full(z.shape, np.nan, dtype)),
        )
        for given in ({}, {"derivative": derivative}):
            _native.product(
                indptr,
                indices,
                W[mask],
                bias,
                a,
                out,
                activation=kind,
                slope=slope,
                isa=isa,
                **given,
            )
            wanted = activation(z, kind, slope)
            # A sum near 0 may fall on either side of the kink; none does here.
            np.testing.assert_allclose(out, wanted[0], **tolerance(dtype, W.shape[1]))
        np.testing.assert_allclose(derivative, wanted[1], **tolerance(dtype, W.shape[1]))


@per_dtype
@pytest.mark.parametrize("density", [0.0, 0.02, 0.5])
def test_several_threads_compute_the_same_bits(dtype, density):
    """Rows of very different length, 128 lanes: enough work for several threads."""
    rng = np.random.default_rng(0)
    mask = rng.random((300, 200)) < density * 2 * rng.random((300, 1))
    W = scipy.sparse.csr_array(mask)
    indptr, indices = W.indptr.astype(np.int32), W.indices.astype(np.int32)
    by_source = _native.transpose(indptr, indices, 200)
    weights = rng.normal(size=W.nnz).astype(dtype)
    a, delta = (rows(rng.normal(size=(n, 128)).astype(dtype)) for n in (200, 300))
    found = []
    for n_threads in (1, 2, 5):
        z, back = rows(np.full_like(delta, np.nan)), rows(np.full_like(a, np.nan))
        gradient, bias_gradient = np.full(W.nnz, np.nan, dtype), np.full(300, np.nan, dtype)
        bias = np.ones(300, dtype)
        _native.product(indptr, indices, weights, bias, a, z, n_threads=n_threads)
        _native.transposed_product(*by_source, weights, delta, back, n_threads=n_threads)
        _native.gradient(indptr, indices, a, delta, gradient, bias_gradient, n_threads=n_threads)
        found.append((z, back, gradient, bias_gradient))
    for several in found[1:]:
        for one, other in zip(found[0], several):
            np.testing.assert_array_equal(one, other)
            assert not np.isnan(other).any()


@per_isa
@per_dtype
@pytest.mark.parametrize("kind, slope", KINDS)
def test_activations_over_their_whole_range(isa, dtype, kind, slope):
    rng = np.random.default_rng(0)
    tiny = np.finfo(dtype).tiny
    special = [0.0, -0.0, 1e-30, -1e-30, tiny, -tiny, 88, -88, 103, -104, 709, -709, 745, -746,
               1e4, -1e4, 1e30, -1e30, 0.5, -0.5, 17, -17, 20, -20]  # fmt: skip
    x = np.concatenate([special, rng.normal(size=500) * 3, rng.normal(size=500) * 30,
                        10 ** rng.uniform(-12, 0, 500) * rng.choice([-1, 1], 500)])  # fmt: skip
    x = x[: len(x) // 16 * 16].astype(dtype)
    a = rows(x[None])
    out, derivative = rows(np.zeros_like(a)), rows(np.zeros_like(a))
    one = np.array([0, 1], dtype=np.int32), np.zeros(1, np.int32), np.ones(1, dtype)
    _native.product(
        *one, np.zeros(1, dtype), a, out, activation=kind, slope=slope, derivative=derivative,
        isa=isa,
    )  # fmt: skip
    with np.errstate(over="ignore", under="ignore"):
        wanted = activation(x, kind, slope)
    eps = np.finfo(dtype).eps
    # The results are correct to a few units in the last place, tiny ones to their size.
    if kind == GELU:  # relative to the argument of the exponential, too
        double = x.astype(np.float64)
        size = np.clip(2 * np.abs(gelu_argument(double)[0]), 1, 700)
        error = np.abs(out[0] - wanted[0])
        assert (error <= 8 * eps * size * np.abs(wanted[0]) + GELU_FLOOR[dtype]).all()
        tanh_form = 0.5 * double * (1 + np.tanh(gelu_argument(double)[0]))
        np.testing.assert_allclose(out[0], tanh_form, rtol=8 * eps, atol=8 * eps)
    else:
        np.testing.assert_allclose(out[0], wanted[0], rtol=8 * eps, atol=FLOOR[dtype])
    np.testing.assert_allclose(derivative[0], wanted[1], rtol=1e-4, atol=4 * eps)
    if kind in (TANH, LOGISTIC):
        assert np.abs(out).max() <= 1 and (kind == TANH or out.min() >= 0)
        order = np.argsort(x)
        assert (np.diff(out[0][order]) >= -2 * eps).all()


@per_isa
@per_dtype
@pytest.mark.parametrize("kind, slope", KINDS)
def test_what_is_no_number_stays_none(isa, dtype, kind, slope):
    values = np.array([np.nan, np.inf, -np.inf, 1.0] * 4, dtype=dtype)
    a = rows(values[None])
    out = rows(np.zeros_like(a))
    one = np.array([0, 1], dtype=np.int32), np.zeros(1, np.int32), np.ones(1, dtype)
    _native.product(*one, np.zeros(1, dtype), a, out, activation=kind, slope=slope, isa=isa)
    assert np.isnan(out[0, ::4]).all()
    limits = {
        IDENTITY: (np.inf, -np.inf), RELU: (np.inf, 0), LEAKY_RELU: (np.inf, slope * -np.inf),
        TANH: (1, -1), LOGISTIC: (1, 0), GELU: (np.inf, 0),
    }[kind]  # fmt: skip
    assert (out[0, 1::4] == limits[0]).all()
    if kind == LOGISTIC:
        assert (out[0, 2::4] <= FLOOR[dtype]).all()
    else:
        assert (out[0, 2::4] == limits[1]).all()


@per_isa
@per_dtype
@per_stride
@per_layer
def test_transposed_product(isa, dtype, row_bytes, kind_of_layer):
    mask, W, indptr, indices, rng = a_layer(kind_of_layer, dtype)
    stride = row_bytes // np.dtype(dtype).itemsize
    n_out, n_in = W.shape
    by_source = _native.transpose(indptr, indices, n_in)
    delta = rows(rng.normal(size=(n_out, stride)).astype(dtype))
    propagated = W.T.astype(np.float64) @ delta
    z = rng.normal(size=(n_in, stride))
    for kind, slope in KINDS:
        f, derivative = (rows(v.astype(dtype)) for v in activation(z, kind, slope))
        stored = propagated * derivative
        out = rows(np.full((n_in, stride), np.nan, dtype))
        if slope < 0 or kind == GELU:
            with pytest.raises(ValueError, match="Give derivative"):
                _native.transposed_product(
                    *by_source, W[mask], delta, out, activation=kind, slope=slope, a=f, isa=isa
                )
        else:  # computed from the activation
            _native.transposed_product(
                *by_source, W[mask], delta, out, activation=kind, slope=slope, a=f, isa=isa
            )
            np.testing.assert_allclose(out, stored, **tolerance(dtype, 100))
        _native.transposed_product(
            *by_source, W[mask], delta, out, activation=kind, slope=slope, derivative=derivative,
            isa=isa,
        )  # fmt: skip
        np.testing.assert_allclose(out, stored, **tolerance(dtype, 100))
        # In place: the derivative lies in the rows that are written.
        _native.transposed_product(
            *by_source, W[mask], delta, derivative, activation=kind, slope=slope,
            derivative=derivative, isa=isa,
        )  # fmt: skip
        assert derivative.tobytes() == out.tobytes()


@per_isa
@per_dtype
@per_stride
@per_layer
def test_gradient(isa, dtype, row_bytes, kind_of_layer):
    mask, W, indptr, indices, rng = a_layer(kind_of_layer, dtype)
    stride = row_bytes // np.dtype(dtype).itemsize
    a = rows(rng.normal(size=(W.shape[1], stride)).astype(dtype))
    delta = rng.normal(size=(len(W), stride)).astype(dtype)
    batch = stride - stride // 3
    delta[:, batch:] = 0  # behind the batch
    delta = rows(delta)
    gradient = np.full(mask.sum(), np.nan, dtype)
    bias_gradient = np.full(len(W), np.nan, dtype)
    _native.gradient(indptr, indices, a, delta, gradient, bias_gradient, isa=isa)
    wanted = delta[:, :batch].astype(np.float64) @ a[:, :batch].T.astype(np.float64)
    np.testing.assert_allclose(gradient, wanted[mask], **tolerance(dtype, stride))
    np.testing.assert_allclose(
        bias_gradient, delta.sum(axis=1, dtype=np.float64), **tolerance(dtype, stride)
    )


@per_isa
@per_dtype
@pytest.mark.parametrize("row_bytes", [16, 32, 64, 128, 192])
def test_gradients_of_many_destinations_have_the_bits_of_few(isa, dtype, row_bytes):
    """2000 destinations and more are computed in another way than 700 at a time."""
    rng = np.random.default_rng(0)
    stride, n = row_bytes // np.dtype(dtype).itemsize, 2300
    mask = rng.random((n, 90)) < rng.choice([0, 0.1, 0.5], size=(n, 1))
    W = scipy.sparse.csr_array(mask)
    indptr, indices = W.indptr.astype(np.int32), W.indices.astype(np.int32)
    a, delta = (rows(rng.normal(size=(m, stride)).astype(dtype)) for m in (90, n))
    given, wanted = np.full((2, W.nnz), np.nan, dtype)
    biases = np.empty(n, dtype)
    _native.gradient(indptr, indices, a, delta, given, biases, isa=isa)
    for d in range(0, n, 700):
        part = slice(indptr[d], indptr[min(d + 700, n)])
        _native.gradient(
            indptr[d : d + 701] - indptr[d], indices[part], a, rows(delta[d : d + 700]),
            wanted[part], biases[d : d + 700], isa=isa,
        )  # fmt: skip
    np.testing.assert_array_equal(given, wanted)


# ------------------------------------------------------------------ dropout


@per_isa
@per_dtype
@pytest.mark.parametrize("kind, slope", KINDS)
@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_dropout(isa, dtype, kind, slope, probability):
    n, stride, seed = 60, 192, 123456789
    rng = np.random.default_rng(0)
    bias = (np.abs(rng.normal(size=n)) + 0.5).astype(dtype)
    indptr, indices = np.zeros(n + 1, np.int32), np.zeros(0, np.int32)
    a = rows(np.zeros((1, stride), dtype))
    out, derivative = rows(np.zeros((n, stride), dtype)), rows(np.zeros((n, stride), dtype))
    call = dict(activation=kind, slope=slope, derivative=derivative, isa=isa)
    empty = indptr, indices, np.zeros(0, dtype), bias, a, out
    _native.product(*empty, **call, dropout=probability, dropout_seed=seed)
    kept = reference.dropout_mask(seed, n, stride, probability)
    f, f_prime = (v[:, None] / (1 - probability) for v in activation(bias, kind, slope))
    np.testing.assert_allclose(out, kept * f, **tolerance(dtype))
    np.testing.assert_allclose(derivative, kept * f_prime, **tolerance(dtype))
    # As many as wished, neither neurons nor samples apart.
    sd = np.sqrt(probability * (1 - probability))
    assert abs(kept.mean() - (1 - probability)) < 4 * sd / np.sqrt(kept.size)
    for axis in (0, 1):
        spread = kept.mean(axis=axis).std() / (sd / np.sqrt(kept.shape[axis]))
        assert 0.7 < spread < 1.4
    _native.product(*empty, **call, dropout=probability, dropout_seed=seed + 1)
    other = np.asarray(out) != 0
    agreement = (other == kept).mean()
    expected = probability**2 + (1 - probability) ** 2
    assert abs(agreement - expected) < 0.03


def test_dropout_of_batches_and_layers_is_independent():
    """Masks of neighbouring seeds, neurons and samples do not correlate."""
    masks = np.array([reference.dropout_mask(s, 64, 64, 0.5) for s in range(8)]) - 0.5
    for shift in itertools.product([0, 1], repeat=3):
        if any(shift):
            moved = np.roll(masks, shift, axis=(0, 1, 2))
            assert abs((masks * moved).mean() * 4) < 4 / np.sqrt(masks.size)


# ------------------------------------------------------------------ descend

RULES = _native.OPTIMIZERS


@per_isa
@per_dtype
@per_layer
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("with_sensitivity", [False, True])
def test_descend(isa, dtype, kind_of_layer, rule, with_sensitivity):
    mask, W, indptr, indices, rng = a_layer(kind_of_layer, dtype)
    row_bytes = 64
    stride = row_bytes // np.dtype(dtype).itemsize
    a = rows(rng.normal(size=(W.shape[1], stride)).astype(dtype))
    delta = rows(rng.normal(size=(len(W), stride)).astype(dtype))
    settings = {
        "rate": 0.05, "momentum": 0.8, "beta_1": 0.85, "beta_2": 0.98, "epsilon": 1e-3,
        "l2": 0.07, "shrink": 0.03,
    }  # fmt: skip
    wanted_gradient = (delta.astype(np.float64) @ a.T.astype(np.float64))[mask]
    wanted_bias_gradient = delta.sum(axis=1, dtype=np.float64)
    o = {**settings, "rule": rule}
    # The native rate of Adam holds the bias correction already.
    scale = np.sqrt(1 - 0.98**3) / (1 - 0.85**3) if rule == "adam" else 1.0
    for shrink_bias in (False, True):
        w, first = W[mask], rng.normal(size=mask.sum()).astype(dtype)
        second = rng.random(mask.sum()).astype(dtype)
        bias, bias_first = (rng.normal(size=len(W)).astype(dtype) for _ in range(2))
        bias_second = rng.random(len(W)).astype(dtype)
        sensitivity = rng.random(mask.sum()).astype(dtype)
        old = [v.copy() for v in (w, first, second, bias, bias_first, bias_second, sensitivity)]
        _native.descend(
            indptr, indices, a, delta, w, first, second, bias, bias_first, bias_second,
            sensitivity if with_sensitivity else None, rule=RULES[rule],
            **{**settings, "rate": 0.05 * scale}, shrink_bias=shrink_bias, isa=isa,
        )  # fmt: skip
        double = [v.astype(np.float64) for v in old]
        wanted = reference.step(double[0], wanted_gradient, *double[1:3], o, 3, 0.07, 0.03)
        close = tolerance(dtype, 60)
        np.testing.assert_allclose(w, wanted[0], **close)
        np.testing.assert_allclose(first, wanted[1], **close)
        if rule == "adam":
            np.testing.assert_allclose(second, wanted[2], **close)
        wanted = reference.step(
            double[3], wanted_bias_gradient, *double[4:6], o, 3, 0.0, 0.03 * shrink_bias
        )
        np.testing.assert_allclose(bias, wanted[0], **close)
        np.testing.assert_allclose(bias_first, wanted[1], **close)
        if rule == "adam":
            np.testing.assert_allclose(bias_second, wanted[2], **close)
        # |w * g| of the raw gradient and the weight before the step.
        added = np.abs(double[0] * wanted_gradient) if with_sensitivity else 0
        np.testing.assert_allclose(sensitivity, double[6] + added, **close)


@per_isa
@per_dtype
@per_stride
def test_descend_is_the_gradient_then_a_step(isa, dtype, row_bytes):
    """To the bit: a step of rate 1 from 0 is the negative gradient."""
    mask, W, indptr, indices, rng = a_layer("wide", dtype)
    stride = row_bytes // np.dtype(dtype).itemsize
    a = rows(rng.normal(size=(W.shape[1], stride)).astype(dtype))
    delta = rows(rng.normal(size=(len(W), stride)).astype(dtype))
    gradient, bias_gradient = np.zeros(mask.sum(), dtype), np.zeros(len(W), dtype)
    _native.gradient(indptr, indices, a, delta, gradient, bias_gradient, isa=isa)
    w, b = np.zeros_like(gradient), np.zeros_like(bias_gradient)
    states = [np.zeros_like(v) for v in (w, w, b, b)]
    _native.descend(
        indptr, indices, a, delta, w, *states[:2], b, *states[2:], None, rule=0, rate=1.0, isa=isa
    )
    np.testing.assert_array_equal(w, -gradient)
    np.testing.assert_array_equal(b, -bias_gradient)


# ------------------------------------------------------------------ gather_rows


@per_isa
@per_dtype
@per_stride
@pytest.mark.parametrize("n_features", [1, 7, 16, 33])
@pytest.mark.parametrize("n_partners", [0, 1, 3])
def test_gather_rows(isa, dtype, row_bytes, n_features, n_partners):
    rng = np.random.default_rng(0)
    stride = row_bytes // np.dtype(dtype).itemsize
    x = rng.normal(size=(50, n_features)).astype(dtype)
    for n in {1, stride // 2, stride - 1, stride} - {0}:
        picked, partners = rng.integers(0, 50, n), rng.integers(0, 50, (n_partners, n))
        shares = rng.normal(size=(n_partners + 1, n)).astype(dtype)
        out = rows(np.full((n_features, stride), np.nan, dtype))
        mixture = (partners, shares) if n_partners else (None, None)
        _native.gather_rows(x, picked, *mixture, out, isa=isa)
        if n_partners:
            wanted = (shares[..., None] * x[np.vstack([picked, partners])]).sum(axis=0).T
            np.testing.assert_allclose(out[:, :n], wanted, **tolerance(dtype))
        else:
            np.testing.assert_array_equal(out[:, :n], x[picked].T)
        assert (out[:, n:] == 0).all()


# ------------------------------------------------------------------ mixed samples


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("loss", ["squared_error", "softmax_log_loss"])
@pytest.mark.parametrize("n_partners", [1, 3])
def test_a_batch_of_mixed_samples(loss, sparse, n_partners):
    """Targets are mixed with the first partner's; a mixture weighs what its first sample does."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 6)) * (rng.random((12, 6)) < 0.6)
    labels = rng.integers(0, 3, 12).astype(np.int32)
    given = labels if loss == "softmax_log_loss" else rng.normal(size=(12, 3))
    values = np.eye(3)[labels] if given.ndim == 1 else given
    weight = rng.uniform(0.5, 2, 12)
    network = Network.random(
        [6, 8, 3], epsilon=2, init="normal", activation="tanh", dropout=0.0, dtype=np.float64,
        rng=rng,
    )  # fmt: skip
    layers = reference.layers_of(network)
    optimizer = Optimizer("sgd", 0.1, momentum=0.0)
    network.start_optimizer(optimizer)
    data = Data(scipy.sparse.csr_array(X) if sparse else X, np.float64, Loss(loss), given, weight)
    order, partners = rng.permutation(12), rng.integers(0, 12, (n_partners, 12))
    mix = rng.random(12)
    shares = np.vstack([mix, 1 - mix, rng.normal(size=(n_partners - 1, 12))])
    network.train_batches(
        data, order, np.array([0, 12]), optimizer, partners=partners, shares=shares
    )
    parts = np.vstack([order, partners])
    inputs = (shares[..., None] * X[parts]).sum(axis=0)
    targets = (shares[:2, :, None] * values[parts[:2]]).sum(axis=0)
    _, gradients, bias_gradients = reference.gradient(
        layers, inputs, targets, weight[order], "tanh", loss
    )
    for layer, theirs, g, b in zip(network.layers, layers, gradients, bias_gradients):
        wanted = (theirs.W - 0.1 * g)[theirs.mask]
        np.testing.assert_allclose(layer.weights, wanted, atol=1e-12)
        np.testing.assert_allclose(layer.bias, theirs.b - 0.1 * b, atol=1e-12)


# ------------------------------------------------------------------ instruction sets

TRAIN = """
import numpy as np, scipy.sparse
from sklearn_set import NPSETClassifier, _native
rng = np.random.default_rng(0)
X = rng.normal(size=(70, 40)) * (rng.random((70, 40)) < 0.3)
y = rng.integers(0, 3, 70)
out = {"isa": _native.isa()}
for name, data in (("dense", X), ("sparse", scipy.sparse.csr_array(X))):
    model = NPSETClassifier((30, 20), activation="tanh", epsilon=3, alpha=0.2, beta=1, gamma=1,
                            dropout=0.1, max_iter=6, random_state=0).fit(data, y)
    out[name] = model.decision_function(data)
    out[name + "_indices"] = np.concatenate([c.indices for c in model.coefs_])
"""


def run(code, isa):
    env = {**os.environ, "SKLEARN_SET_ISA": isa}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)


@per_isa
def test_the_environment_chooses_the_instruction_set(isa, tmp_path):
    result = run(TRAIN + f"np.savez({str(tmp_path / 'out.npz')!r}, **out)", isa)
    assert result.returncode == 0, result.stderr
    here = {}
    exec(TRAIN, here)
    with np.load(tmp_path / "out.npz") as there:
        assert str(there["isa"]) == isa
        for name in ("dense", "sparse"):
            # Bits are promised for each instruction set; between them they differ little.
            np.testing.assert_allclose(there[name], here["out"][name], atol=1e-9)
            np.testing.assert_array_equal(there[f"{name}_indices"], here["out"][f"{name}_indices"])


def test_the_best_instruction_set_is_the_default():
    assert run("from sklearn_set import _native; print(_native.isa())", "").stdout.split() == [
        ISAS[0]
    ]
    assert ISAS[-1] == "baseline"


def test_an_unknown_instruction_set_is_a_clear_error():
    fit = "from sklearn_set import SETClassifier as C; C((5,)).fit([[0.], [1.]] * 4, [0, 1] * 4)"
    result = run(fit, "mmx")
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert "SKLEARN_SET_ISA=mmx names no instruction set" in last
    assert all(isa in last for isa in ISAS) and "unset" in last


def test_every_table_is_reached():
    with pytest.raises(ValueError, match="isa=mmx is not runnable here"):
        _native.gather_rows(
            np.zeros((1, 1)), np.zeros(1, np.int64), None, None, rows(np.zeros((1, 2))), isa="mmx"
        )


# ------------------------------------------------------------------ malformed arrays

INT = np.int32
SQUARE = (np.array([0, 1, 2], INT), np.array([0, 1], INT))  # 2 x 2, diagonal


@pytest.mark.parametrize(
    "indptr, indices, n_in, message",
    [
        ([0, 1, 2], [0, 2], 2, "index lies outside"),
        ([0, 1, 2], [0, -1], 2, "index lies outside"),
        ([0, 2, 1], [0, 1], 2, "indptr must not decrease"),
        ([0, 1, 3], [0, 1], 2, "indptr ends with 3 but there are 2 indices"),
        ([0, 1, 1], [0, 1], 2, "indptr ends with 1 but there are 2 indices"),
        ([1, 1, 2], [0, 1], 2, "indptr must start with 0"),
        ([], [], 2, "indptr is empty"),
        ([0, 1, 2], [0, 1], -1, "n_in=-1"),
        ([0, 1, 2], [0, 1], 2**31, "n_in=2147483648"),
    ],
)
def test_malformed_connections(indptr, indices, n_in, message):
    indptr, indices = np.array(indptr, INT), np.array(indices, INT)
    keep = np.ones(len(indices), np.uint8)
    for call in (
        lambda: _native.transpose(indptr, indices, n_in),
        lambda: _native.grow_random(indptr, indices, n_in, keep, 0, True, 0),
        lambda: _native.grow_at(indptr, indices, n_in, keep, np.zeros(0, np.int64)),
        lambda: _native.remove_neurons(indptr, indices, n_in, None, None),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_wrong_types_are_refused_not_converted():
    indptr, indices = SQUARE
    for bad in (indptr.astype(np.int64), indptr.astype(float), indptr[None], None, [0, 1, 2],
                np.array([0, 9, 1, 9, 2, 9], INT)[::2]):  # fmt: skip
        with pytest.raises(TypeError):
            _native.transpose(bad, indices, 2)
    with pytest.raises(TypeError):
        _native.drop_nearest_zero(np.zeros(3, np.float16), 0, 0)
    with pytest.raises(TypeError):
        _native.grow_random(indptr, indices, 2, np.ones(2, bool).astype(float), 0, True, 0)
    ok = rows(np.zeros((2, 8)))
    out = np.zeros(2), np.zeros(2)
    with pytest.raises(TypeError):
        _native.gradient(indptr, indices, ok, ok, *(o.astype(np.float32) for o in out))
    frozen = np.zeros(2)
    frozen.flags.writeable = False
    with pytest.raises(TypeError):
        _native.gradient(indptr, indices, ok, ok, frozen, np.zeros(2))


def test_wrong_shapes_are_refused():
    indptr, indices = SQUARE
    good = {
        "weights": np.zeros(2), "bias": np.zeros(2), "a": rows(np.zeros((2, 8))),
        "z": rows(np.zeros((2, 8))),
    }  # fmt: skip
    _native.product(indptr, indices, *good.values())
    bad = {
        "weights": np.zeros(3), "bias": np.zeros(1), "z": rows(np.zeros((3, 8))),
        "a": rows(np.zeros((1, 8))),
    }  # fmt: skip
    for name, value in bad.items():
        with pytest.raises(ValueError):
            _native.product(indptr, indices, *{**good, name: value}.values())
    with pytest.raises(ValueError, match="z has 16 entries, 8 are needed"):
        _native.product(indptr, indices, *{**good, "z": rows(np.zeros((2, 16)))}.values())
    for stride in (1, 3, 5, 12):
        odd = rows(np.zeros((2, stride)))
        with pytest.raises(ValueError, match="neither 16, 32 nor a multiple of 64"):
            _native.product(indptr, indices, np.zeros(2), np.zeros(2), odd, odd)
    shifted = rows(np.zeros(33))[1:33].reshape(2, 16)
    with pytest.raises(ValueError, match="aligned to 64 bytes"):
        _native.product(indptr, indices, np.zeros(2), np.zeros(2), shifted, shifted)
    x, out = np.zeros((4, 3)), rows(np.zeros((3, 8)))
    for picked, message in (([4], "outside"), ([-1], "outside"), (range(9), "fewer lanes")):
        with pytest.raises(ValueError, match=message):
            _native.gather_rows(x, np.array(picked, np.int64), None, None, out)
    with pytest.raises(ValueError, match="partners and shares"):
        _native.gather_rows(x, np.zeros(1, np.int64), np.zeros((1, 1), np.int64), None, out)
    with pytest.raises(ValueError, match="partners holds a row outside"):
        _native.gather_rows(x, np.zeros(1, np.int64), np.full((1, 1), 4), np.zeros((2, 1)), out)


@pytest.mark.parametrize(
    "data, indices, indptr, message",
    [
        ([1.0, 2], [0, 3], [0, 1, 2], "index lies outside"),
        ([1.0, 2], [0, -1], [0, 1, 2], "index lies outside"),
        ([1.0, 2], [0, 1], [0, 2, 1], "decrease"),
        ([1.0, 2], [0, 1], [0, 1, 3], "ends with 3"),
        ([1.0, 2], [0, 1], [1, 1, 2], "start with 0"),
        ([1.0], [0, 1], [0, 1, 2], "data has 1 entries, 2 are needed"),
        ([1.0, 2], [0, 1], [], "Give x, or"),
    ],
)
def test_malformed_csr_samples(data, indices, indptr, message):
    with pytest.raises(ValueError, match=message):
        _native.DataF64(None, np.array(data), np.array(indices, INT), np.array(indptr, np.int64), 3)


def test_malformed_samples_through_the_estimator():
    from sklearn_set import SETClassifier

    X = scipy.sparse.csr_array(np.eye(6))
    model = SETClassifier((5,), max_iter=2, random_state=0).fit(X, [0, 1] * 3)
    broken = X.copy()
    broken.indices[2] = 100
    with pytest.raises(ValueError):
        model.predict(broken)
    with pytest.raises(ValueError):
        SETClassifier((5,)).fit(broken, [0, 1] * 3)


def test_malformed_targets():
    X = np.zeros((3, 2))

    def data(*targets):
        result = _native.DataF64(X, None, None, None, 2)
        result.set_targets(*targets)
        return result

    labels, values = np.zeros(3, INT), np.zeros((3, 1))
    with pytest.raises(ValueError, match="a row of x has 2 entries, 3 are needed"):
        _native.DataF64(X, None, None, None, 3)
    for targets, message in (
        ((len(_native.LOSSES), labels, None, None, 1.0), "unknown loss"),
        ((-1, labels, None, None, 1.0), "unknown loss"),
        ((0, labels, values, None, 1.0), "labels or values"),
        ((0, None, None, None, 1.0), "labels or values"),
        ((0, labels[:2], None, None, 1.0), "labels has 2 entries, 3"),
        ((0, labels - 1, None, None, 1.0), "labels must be >= 0"),
        ((4, None, values[:2], None, 1.0), "values has 2 entries, 3"),
        ((0, labels, None, np.ones(2), 1.0), "weights has 2 entries, 3"),
    ):
        with pytest.raises(ValueError, match=message):
            data(*targets)
    with pytest.raises(TypeError):
        data(0, labels.astype(np.int64), None, None, 1.0)

    network, _, call = bound()
    for targets, message in (
        ((1, np.full(3, 2, INT), None, None, 1.0), "label lies outside"),
        ((4, None, np.zeros((3, 3)), None, 1.0), "a row of values has 3 entries, 2"),
    ):
        with pytest.raises(ValueError, match=message):
            network.train(data(*targets), **call)
    with pytest.raises(ValueError, match="no targets"):
        network.train(_native.DataF64(X, None, None, None, 2), **call)


def bound(change=None, sparse=True, trainable=True):
    """A network of one 2 x 2 layer, its layer, and the arguments of train()."""
    by_source = _native.transpose(*SQUARE, 2)
    layer = SimpleNamespace(
        indptr=SQUARE[0], indices=SQUARE[1], n_in=2, n_out=2, by_source_indptr=by_source[0],
        by_source_positions=by_source[1], by_source_indices=by_source[2], weights=np.ones(2),
        bias=np.zeros(2), first=None, second=None, bias_first=None, bias_second=None,
        sensitivity=None, activation=0, slope=0.0, dropout=0.0,
    )  # fmt: skip
    vars(layer).update(change or {})
    call = dict(
        order=np.arange(3), starts=np.array([0, 2, 3]), partners=None, shares=None, rule=0,
        rate=0.1, momentum=0.0, beta_1=0.9, beta_2=0.9, epsilon=1e-8, l2=0.0, shrink=0.0,
        shrink_bias=False, first_step=1, dropout_seed=0, n_threads=1,
    )  # fmt: skip
    return _native.NetworkF64([layer], sparse, trainable), layer, call


@pytest.mark.parametrize(
    "change, message",
    [
        ({"weights": np.ones(3)}, "weights has 3 entries, 2"),
        ({"bias": np.ones(3)}, "bias has 3 entries, 2"),
        ({"weights": None}, "needs weights and bias"),
        ({"first": np.ones(1)}, "first has 1 entries"),
        ({"by_source_indices": np.array([0, 2], INT)}, "index lies outside"),
        ({"by_source_positions": np.array([0, 2], INT)}, "index lies outside"),
        ({"by_source_indptr": np.array([0, 2], INT)}, "by_source_indptr has 2 entries, 3"),
        ({"n_in": 1}, "index lies outside"),
        ({"activation": len(_native.ACTIVATIONS)}, "unknown activation"),
        ({"activation": -1}, "unknown activation"),
        ({"weights": np.ones(2, np.float32)}, "weights is not an array of the right type"),
        ({"weights": np.ones((2, 1))}, "weights is not an array of the right type"),
        ({"weights": np.ones(4)[::2]}, "weights is not an array of the right type"),
        ({"indices": np.array([0, 1])}, "indices is not an array of the right type"),
        ({"indices": None}, "indices is not an array of the right type"),
    ],
)
def test_malformed_layers(change, message):
    with pytest.raises((ValueError, TypeError), match=message):
        bound(change)


def test_read_only_weights_are_for_prediction():
    weights = np.ones(2)
    weights.flags.writeable = False
    network, *_ = bound({"weights": weights}, trainable=False)
    out = np.zeros((3, 2))
    network.predict(_native.DataF64(np.arange(6.0).reshape(3, 2), None, None, None, 2), out, 1)
    np.testing.assert_array_equal(out, np.arange(6.0).reshape(3, 2))
    with pytest.raises(TypeError, match=r"weights .* is read-only"):
        bound({"weights": weights}, trainable=True)


def test_a_call_of_train_is_checked():
    data = _native.DataF64(np.ones((3, 2)), None, None, None, 2)
    data.set_targets(1, np.array([0, 1, 0], INT), None, None, 1.0)
    network, layer, call = bound()
    _, weight, *done = network.train(data, **call)
    assert (weight, done) == (3, [2, None]) and (layer.weights != 1).all()
    for change, message in (
        ({"order": np.array([0, 3, 1])}, "order holds a row outside"),
        ({"order": np.array([0, -1, 1])}, "order holds a row outside"),
        ({"starts": np.array([0, 4])}, "starts must increase"),
        ({"starts": np.array([-1, 2])}, "starts must increase"),
        ({"starts": np.array([2, 1])}, "starts must increase"),
        ({"partners": np.arange(3)[None]}, "partners and shares"),
        ({"partners": np.zeros((0, 3), int), "shares": np.ones((1, 3))}, "partners has no row"),
        ({"partners": np.zeros((1, 2), int), "shares": np.ones((2, 3))}, "partners has 2 entries"),
        ({"partners": np.zeros((1, 3), int), "shares": np.ones((2, 4))}, "shares has 4 entries"),
        ({"partners": np.zeros((1, 3), int), "shares": np.ones((1, 3))}, "shares has 1 entries"),
        ({"partners": np.arange(1, 4)[None], "shares": np.ones((2, 3))}, "holds a row outside"),
        ({"rule": len(_native.OPTIMIZERS)}, "unknown optimizer"),
        ({"first_step": 0}, "first_step counts from 1"),
        ({"first_step": 2**63 - 1}, "first_step counts from 1"),
        ({"rule": 2}, "state is missing"),
        ({"momentum": 0.9}, "state is missing"),
    ):
        with pytest.raises(ValueError, match=message):
            network.train(data, **{**call, **change})
    narrow = _native.DataF64(np.ones((3, 1)), None, None, None, 1)
    with pytest.raises(ValueError, match="samples have 1 features, the network takes 2"):
        network.train(narrow, **call)
    with pytest.raises(ValueError, match="samples have 1 features, the network takes 2"):
        network.predict(narrow, np.zeros((3, 2)), 1)
    for out in (np.zeros((2, 2)), np.zeros((3, 1))):
        with pytest.raises(ValueError, match="out has"):
            network.predict(data, out, 1)
    with pytest.raises(ValueError, match="bound for prediction only"):
        bound(trainable=False)[0].train(data, **call)
    bound(sparse=False)[0].train(data, **call)
    sparse = _native.DataF64(
        None, np.ones(1), np.zeros(1, INT), np.array([0, 1, 1, 1], np.int64), 2
    )
    sparse.set_targets(1, np.array([0, 1, 0], INT), None, None, 1.0)
    for use in (
        lambda network: network.train(sparse, **call),
        lambda network: network.gradient(sparse, np.arange(3), [np.zeros(2)], [np.zeros(2)], 0, 1),
        lambda network: network.steepest_places(sparse, np.arange(3), [], [], [], 0, 1),
        lambda network: network.predict(sparse, np.zeros((3, 2)), 1),
    ):
        use(bound()[0])
        with pytest.raises(ValueError, match="first layer indexed by source"):
            use(bound(sparse=False)[0])
    with pytest.raises(ValueError, match="needs a layer"):
        _native.NetworkF64([], False, False)
    with pytest.raises(TypeError, match="incompatible function arguments"):
        _native.NetworkF64([layer], 1, True)
    grads = [np.zeros(2)], [np.zeros(2)]
    with pytest.raises(ValueError, match="outside"):
        network.gradient(data, np.array([5]), *grads, 0, 1)
    with pytest.raises(ValueError, match="a weight gradient has 3"):
        network.gradient(data, np.arange(3), [np.zeros(3)], grads[1], 0, 1)
    with pytest.raises(ValueError, match="weight_gradients has 2"):
        network.gradient(data, np.arange(3), grads[0] * 2, grads[1], 0, 1)


def test_layers_that_do_not_fit_together():
    first = bound()[1]
    second = bound({"n_in": 3, "by_source_indptr": np.array([0, 1, 2, 2], INT)})[1]
    with pytest.raises(ValueError, match="the next layer's inputs has 3 entries, 2 are needed"):
        _native.NetworkF64([first, second], True, True)


# ------------------------------------------------------------------ batches


@per_dtype
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 16, 17, 31, 33, 64, 300])
def test_predictions_do_not_depend_on_their_company(dtype, sparse, n):
    rng = np.random.default_rng(0)
    network = Network.random(
        [9, 30, 20, 3], epsilon=3, init="he_uniform", activation="logistic", dropout=0.3,
        dtype=dtype, rng=rng,
    )  # fmt: skip
    X = (rng.normal(size=(300, 9)) * (rng.random((300, 9)) < 0.5)).astype(dtype)
    whole = network.predict(Data(X, dtype))
    wanted = reference.forward(reference.layers_of(network), X, "logistic")[0][-1]
    np.testing.assert_allclose(whole, wanted, **tolerance(dtype, 5))
    part = network.predict(Data(scipy.sparse.csr_array(X[:n]) if sparse else X[:n], dtype))
    assert part.shape == (n, 3)
    np.testing.assert_array_equal(part, whole[:n])


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@per_dtype
def test_gradients_of_any_batch_size(dtype, sparse):
    rng = np.random.default_rng(0)
    network = Network.random(
        [9, 30, 20, 3], epsilon=3, init="he_uniform", activation="all_relu", dropout=0.0,
        dtype=dtype, rng=rng,
    )  # fmt: skip
    layers = reference.layers_of(network)
    X = (rng.normal(size=(70, 9)) * (rng.random((70, 9)) < 0.5)).astype(dtype)
    y = rng.integers(0, 3, 70).astype(INT)
    for n in (1, 2, 3, 4, 5, 8, 9, 15, 17, 32, 33, 49, 64, 65, 70):
        data = Data(
            scipy.sparse.csr_array(X[:n]) if sparse else X[:n], dtype, Loss("softmax_log_loss"),
            y[:n],
        )  # fmt: skip
        loss, *given = loss_gradient(network, data)
        wanted = reference.gradient(
            layers, X[:n], np.eye(3)[y[:n]], np.ones(n), "all_relu", "softmax_log_loss"
        )
        assert loss == pytest.approx(wanted[0], rel=1e-5 if dtype == np.float32 else 1e-12)
        for layer, g, w, gb, wb in zip(layers, given[0], wanted[1], given[1], wanted[2]):
            np.testing.assert_allclose(g, w[layer.mask], **tolerance(dtype, 5))
            np.testing.assert_allclose(gb, wb, **tolerance(dtype, 5))


@per_dtype
@pytest.mark.parametrize("kind", [RELU, GELU])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_dropout_while_training(dtype, kind, sparse):
    """The mask is that of dropout_seed, the gradient that of the masked network."""
    rng = np.random.default_rng(0)
    network = Network.random(
        [9, 30, 3], epsilon=3, init="he_uniform", activation="relu", dropout=0.4, dtype=dtype,
        rng=rng,
    )  # fmt: skip
    network.layers[0].activation = kind
    X, y = rng.normal(size=(20, 9)).astype(dtype), rng.integers(0, 3, 20).astype(INT)
    layers = reference.layers_of(network)
    optimizer = Optimizer("sgd", 0.1, momentum=0.0)
    network.start_optimizer(optimizer)
    data = Data(scipy.sparse.csr_array(X) if sparse else X, dtype, Loss("softmax_log_loss"), y)
    network.train_batches(data, np.arange(20), np.array([0, 20]), optimizer, dropout_seed=77)
    seed = reference.splitmix64(77, 0) % 2**32
    kept = reference.dropout_mask(seed, 30, 20, 0.4).T / 0.6
    f, f_prime = activation(X @ layers[0].W.T + layers[0].b, kind, 0.0)
    hidden = f * kept
    raw = hidden @ layers[1].W.T + layers[1].b
    delta = reference.head("softmax_log_loss", raw, np.eye(3)[y])[1] / 20
    np.testing.assert_allclose(
        network.layers[1].weights,
        (layers[1].W - 0.1 * delta.T @ hidden)[layers[1].mask],
        **tolerance(dtype),
    )
    below = delta @ layers[1].W * kept * f_prime
    np.testing.assert_allclose(
        network.layers[0].weights, (layers[0].W - 0.1 * below.T @ X)[layers[0].mask],
        **tolerance(dtype),
    )  # fmt: skip


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("kind", NAMES)
def test_gradients_of_a_deep_network_are_central_differences(kind, sparse):
    rng = np.random.default_rng(0)
    network = Network.random(
        [7, 9, 8, 6, 3], epsilon=3, init="he_normal", activation="relu", dropout=0.0,
        dtype=np.float64, rng=rng,
    )  # fmt: skip
    for layer in network.layers[:-1]:
        layer.activation, layer.slope = kind, 0.3
    for layer in network.layers:
        layer.bias[:] = rng.normal(size=layer.n_out)
    X = rng.normal(size=(10, 7)) * (rng.random((10, 7)) < 0.7)
    data = Data(
        scipy.sparse.csr_array(X) if sparse else X, np.float64, Loss("softmax_log_loss"),
        rng.integers(0, 3, 10).astype(INT),
    )  # fmt: skip
    _, weight_gradients, bias_gradients = loss_gradient(network, data)
    for layer, given in zip(network.layers, zip(weight_gradients, bias_gradients)):
        for values, gradient in zip((layer.weights, layer.bias), given):
            for i in range(0, len(values), 7):
                kept, losses = values[i], []
                for values[i] in (kept + 1e-6, kept - 1e-6):
                    losses.append(data.loss.value(network.predict(data), data.target, None))
                values[i] = kept
                assert (losses[0] - losses[1]) / 2e-6 == pytest.approx(
                    gradient[i], rel=1e-5, abs=1e-8
                )


@per_dtype
@pytest.mark.parametrize("probability", [1e-9, 0.49 / 2**24])
def test_dropout_that_rounds_to_none_is_none(dtype, probability):
    """Probabilities are multiples of 2**-24. To the bit, for every activation."""
    X, y = load_iris(return_X_y=True)
    X = X.astype(dtype)
    for activation in ACTIVATIONS:
        fitted = [
            SETClassifier(
                (12, 8), activation, epsilon=3, dropout=dropout, max_iter=3, random_state=0
            ).fit(X, y)
            for dropout in (0.0, probability)
        ]
        for one, other in zip(*(model.coefs_ + model.intercepts_ for model in fitted)):
            assert (one != other).sum() == 0
        np.testing.assert_array_equal(*(model.predict_proba(X) for model in fitted))


@per_isa
@per_dtype
@pytest.mark.parametrize("n", [0, 1, 15, 16, 40, 700])
def test_carry(isa, dtype, n):
    """Values keep their order, or do not; many in a row are new, or gone."""
    rng = np.random.default_rng(n)
    values = rng.standard_normal(n).astype(dtype)
    values[::3] = np.nan
    for share in (0.0, 0.3, 0.9, 1.0):
        kept = np.flatnonzero(rng.random(n) >= share)
        kept = kept[(kept < 100) | (kept > 200)]  # a gap
        new = np.sort(rng.integers(0, len(kept) + 1, round(share * n)))
        for source in (np.insert(kept, new, -1), np.r_[np.insert(kept, new, -1), kept[::-1]]):
            is_new = source < 0
            fresh = rng.standard_normal(is_new.sum()).astype(dtype)
            for given in (fresh, None):
                wanted = np.zeros(len(source), dtype)
                wanted[~is_new] = values[source[~is_new]]
                wanted[is_new] = fresh if given is not None else 0
                moved = _native.carry(values, source.astype(np.int32), given, isa=isa)
                assert moved.tobytes() == wanted.tobytes()
