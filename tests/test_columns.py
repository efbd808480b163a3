"""The arithmetic of columns: its inverse and its derivative."""

import numpy as np
import pytest
from scipy import sparse

from sklearn_set._columns import (
    AsTheyAre,
    Components,
    Decorrelated,
    Scaled,
    Scaling,
    Weighed,
    blocks,
)

GAIN = np.array([0.5, 2.0, 1.0, 3.0, 0.25])


@pytest.fixture
def X():
    """Normal columns of several scales, but the second, of heavy tails, and a constant last one."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5)) * [1, 1, 30, 0.1, 0] + 4
    X[:, 1] = 5 * rng.standard_cauchy(60) - 2
    return X


@pytest.fixture(params=["as they are", "scaled", "weighed", "decorrelated"])
def columns(request, X):
    scaling = Scaling(X, None)
    assert list(scaling.heavy) == [1]
    return {
        "as they are": lambda: AsTheyAre(5),
        "scaled": lambda: Scaled(scaling),
        "weighed": lambda: Weighed(scaling, GAIN),
        "decorrelated": lambda: Decorrelated(
            scaling, Components(scaling.standardise(X), None), strength=0.01
        ),
    }[request.param]()


def test_inverse(columns, X):
    np.testing.assert_allclose(columns.invert(columns.apply(X)), X, rtol=1e-7)


def test_derivatives(columns, X):
    rows, step = X[:6], 1e-5
    gradient = np.random.default_rng(1).normal(size=(6, columns.n_outputs))
    found = columns.pull_back(rows, gradient)
    for j in range(4):  # the constant column has none
        more, less = rows.copy(), rows.copy()
        more[:, j] += step
        less[:, j] -= step
        change = (columns.apply(more) - columns.apply(less)) / (2 * step)
        np.testing.assert_allclose(found[:, j], (gradient * change).sum(axis=1), rtol=1e-5)


def test_gradients_times_inputs(columns, X):
    gradient = np.random.default_rng(1).normal(size=(60, columns.n_outputs))
    found = columns.gradient_times_input(X, gradient)
    if isinstance(columns, Decorrelated):  # of standardised columns
        expected = columns.pull_back(X, gradient) * (X - X.mean(axis=0))
    else:
        expected = gradient * columns.apply(X)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_weights_of_columns(columns, X):
    """What a column's deviation adds to a linear model of the conditioned inputs, unclipped."""
    coef = sparse.csc_array(np.random.default_rng(1).normal(size=(columns.n_outputs, 2)))
    found = columns.in_columns(coef)
    found = found.toarray() if sparse.issparse(found) else found
    gain = {Weighed: GAIN[:, np.newaxis]}.get(type(columns), 1)
    if isinstance(columns, Decorrelated):
        gain = columns.components.basis * columns.gain
        np.testing.assert_allclose(found, gain @ coef.toarray())
    else:
        np.testing.assert_allclose(found, gain * coef.toarray())


def test_sparse_columns_stay_sparse_and_come_back(X):
    X = sparse.csr_array(np.maximum(X - 4, 0))
    scaling = Scaling(X, None)
    scaled, weighed = Scaled(scaling).apply(X), Weighed(scaling, GAIN).apply(X)
    assert sparse.issparse(weighed) and weighed.nnz == X.nnz
    np.testing.assert_allclose(weighed.toarray(), scaled.toarray() * GAIN)
    np.testing.assert_allclose(Scaled(scaling).invert(scaled).toarray(), X.toarray())
    np.testing.assert_allclose(Weighed(scaling, GAIN).invert(weighed), X.toarray(), atol=1e-12)


def test_blocks_are_whole_and_never_empty():
    for n, size in ((7, 1), (7, 2**21), (3, 2**30), (0, 5)):
        parts = [range(n)[part] for part in blocks(n, size)]
        assert [i for part in parts for i in part] == list(range(n))
        assert all(len(part) == 1 or len(part) * size <= 2**22 for part in parts)
