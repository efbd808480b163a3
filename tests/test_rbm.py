"""The restricted Boltzmann machine."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.neural_network import BernoulliRBM

from sklearn_set import SETBernoulliRBM


def exact_pseudo_likelihood(model, X):
    W, b, c = model.components_.toarray(), model.intercept_hidden_, model.intercept_visible_

    def free_energy(v):
        return -v @ c - np.logaddexp(0, v @ W.T + b).sum(axis=1)

    total = np.zeros(len(X))
    for i in range(X.shape[1]):
        flipped = X.copy()
        flipped[:, i] = 1 - flipped[:, i]
        total += -np.logaddexp(0, -(free_energy(flipped) - free_energy(X)))
    return total


@pytest.fixture(scope="module")
def machine(digits):
    return SETBernoulliRBM(100, n_iter=15, random_state=0).fit(digits[0][:1000])


def test_rbm_learns_and_is_no_worse_than_the_dense_one(digits, machine):
    X, _ = digits
    errors = machine.history_["reconstruction_error"]
    assert errors[-1] < 0.6 * errors[0]
    start = SETBernoulliRBM(100, n_iter=1, random_state=0).fit(X[:1000])
    assert machine.score_samples(X[1000:]).mean() > start.score_samples(X[1000:]).mean() + 1
    dense = BernoulliRBM(100, n_iter=15, learning_rate=0.1, random_state=0).fit(X[:1000])
    theirs = np.mean([dense.score_samples(X[1000:]).mean() for _ in range(5)])
    assert machine.score_samples(X[1000:]).mean() > theirs - 1
    assert machine.n_connections_ < dense.components_.size / 3


def test_rbm_score_is_the_exact_pseudo_likelihood(digits, machine):
    X = (digits[0][:300] > 0.5).astype(float)
    assert_allclose(machine.score_samples(X), exact_pseudo_likelihood(machine, X), rtol=1e-9)
    assert_allclose(
        machine.score_samples(sparse.csr_array(X)), machine.score_samples(X), rtol=1e-12
    )


def test_rbm_probabilities(digits, machine):
    X = digits[0][:300]
    sums = X @ machine.components_.T.toarray() + machine.intercept_hidden_
    assert_allclose(machine.transform(X), 1 / (1 + np.exp(-sums)), rtol=1e-10)
    v = machine.gibbs(X)
    assert v.shape == X.shape and v.dtype == bool
    assert np.mean((v - X) ** 2) < np.mean((X.mean() - X) ** 2)


def test_rbm_topology(digits):
    X = digits[0][:300]
    options = {"n_components": 50, "n_iter": 4, "random_state": 0, "epsilon": 4}
    model = SETBernoulliRBM(**options).fit(X)
    history = model.history_
    assert len(set(history["n_connections"])) == 1
    assert history["n_dropped"][0] == 0 and min(history["n_dropped"][1:]) > 0
    removed = SETBernoulliRBM(**options, final_removal=True).fit(X)
    assert_allclose(removed.n_connections_ / model.n_connections_, 0.7, atol=0.02)
    static = SETBernoulliRBM(**options, zeta=0).fit(X)
    assert sum(static.history_["n_dropped"]) == 0
    partial = SETBernoulliRBM(**options)
    for _ in range(4):
        partial.partial_fit(X)
    assert_array_equal(partial.components_.toarray(), model.components_.toarray())


def test_rbm_that_diverges_says_so(digits):
    with (
        np.errstate(all="ignore"),
        pytest.raises(ValueError, match=r"training diverged.*learning_rate"),
    ):
        SETBernoulliRBM(20, learning_rate=1e300, n_iter=3).fit(1e6 * digits[0][:50])


def test_failed_epoch_leaves_the_machine_as_it_was(digits):
    X = digits[0][:50]
    model = SETBernoulliRBM(20, random_state=0).partial_fit(X)
    before, history = model.transform(X), list(model.history_["n_dropped"])
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="training diverged"):
        model.set_params(learning_rate=1e300).partial_fit(1e6 * X)
    assert_array_equal(model.transform(X), before)
    assert model.history_["n_dropped"] == history and model.n_iter_ == 1


def test_components_share_memory_with_the_machine(digits):
    model = SETBernoulliRBM(20, n_iter=1, random_state=0).fit(digits[0][:50])
    for each in (model, pickle.loads(pickle.dumps(model))):
        before = each.transform(digits[0][:5])
        each.components_.data[:] = 0
        assert not np.array_equal(each.transform(digits[0][:5]), before)


def test_attributes_before_fit():
    with pytest.raises(AttributeError, match="not fitted yet"):
        _ = SETBernoulliRBM().components_
