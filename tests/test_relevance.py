"""Which features look irrelevant."""

import tracemalloc

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import make_classification, make_regression
from sklearn.feature_selection import f_classif, f_regression

from sklearn_set._relevance import null_fraction, selection_errors


@pytest.mark.parametrize("kind", ["classes", "regression"])
def test_null_fraction_counts_what_scikit_learns_tests_find(kind):
    if kind == "classes":
        X, y = make_classification(
            200, 400, n_informative=8, n_redundant=100, n_classes=3, shuffle=False, random_state=0
        )
        p, target = f_classif(X, y)[1], y
    else:
        X, y = make_regression(200, 400, n_informative=100, random_state=0)
        p, target = f_regression(X, y)[1], y[:, None]
    wanted = min(1, 2 * (p > 0.5).mean())
    assert 0.4 < wanted < 1
    X[:, 7] = 3.0  # a constant feature does not count
    wanted = min(1, 2 * (np.delete(p, 7) > 0.5).mean())
    assert null_fraction(X, target) == pytest.approx(wanted)
    shifted = (100 + X[:, ::-1]).astype(np.float32)
    assert null_fraction(shifted, target) == pytest.approx(wanted, abs=0.02)
    for sparse_type in (sparse.csr_array, sparse.csr_matrix):
        assert null_fraction(sparse_type(X), target) == pytest.approx(wanted)
    weight = np.random.default_rng(0).integers(1, 4, 200)
    assert null_fraction(X, target, weight) == null_fraction(X, target, 1e-6 * weight)


def test_null_fraction_takes_no_dense_copy():
    """Blocks of dense samples, and nothing of the shape of sparse ones; limits in MiB."""
    spikes = sparse.csr_array(sparse.eye(5000, 20_000))  # 800 MB if it were dense
    for X, limit in ((spikes, 5), (np.zeros((100_000, 100), dtype=np.float32), 120)):
        tracemalloc.start()
        null_fraction(X, np.arange(X.shape[0]) % 2)
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        assert peak < limit


def test_null_fraction_where_nothing_can_be_tested():
    X = np.random.default_rng(0).normal(size=(4, 50))
    assert null_fraction(X, np.arange(4)) == 0.0  # a class for each sample
    assert null_fraction(np.ones((9, 5)), np.arange(9) % 2) == 0.0
    assert null_fraction(X, np.zeros((4, 1))) == 0.0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_constant_features_are_ranked_last(dtype):
    """In float32 the smallest divisors of float64 are 0."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 20)).astype(dtype), rng.normal(size=60)
    X[:, ::2] = 3
    with np.errstate(all="raise"):
        errors = selection_errors(X, y, [10])
    without = selection_errors(X[:, 1::2], y, [10])
    np.testing.assert_allclose(errors[10], without[10], rtol=1e-5 if dtype == "float32" else 1e-7)
