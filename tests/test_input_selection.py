"""Pruning of inputs, and when it is done."""

import pickle

import numpy as np
import pytest
from helpers import assert_same
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_classification, make_friedman1

from sklearn_set import NPSETClassifier, SETClassifier, SparseMLPClassifier, SparseMLPRegressor
from sklearn_set._relevance import null_fraction

SMALL = {"hidden_layer_sizes": (30, 20), "epsilon": 8, "max_iter": 12, "random_state": 0}
INPUTS = {"alpha": 0.2, "beta": 2, "gamma": 4, "prune_layers": ("input",)}


def test_pruned_inputs_have_no_connections_and_the_budget_is_kept(samples):
    X, y = samples
    model = SparseMLPClassifier(**SMALL, **INPUTS).fit(X, y)
    n_left = 60
    for _ in range(5):
        n_left -= int(0.2 * n_left)
    selected = model.selected_features_
    assert len(selected) == n_left and (np.diff(selected) > 0).all()
    first = model.coefs_[0]
    assert first.shape == (60, 30) and model.n_features_in_ == 60
    used = np.flatnonzero(np.diff(first.tocsr().indptr))
    assert np.isin(used, selected).all()
    assert_array_equal(model.feature_importances_[np.setdiff1d(np.arange(60), selected)], 0)
    assert model.feature_importances_.sum() == pytest.approx(1)
    connections = model.history_["n_connections_0"]
    assert connections[-1] == min(connections[0], n_left * 30)
    assert sum(model.history_["n_pruned"]) == 60 - n_left


def test_prediction_is_the_forward_pass_over_coefs(samples):
    X, y = samples
    model = SparseMLPClassifier(**SMALL, **INPUTS).fit(X, y)
    raw = X
    for number, (coef, bias) in enumerate(zip(model.coefs_, model.intercepts_)):
        raw = raw @ coef + bias
        if number < 2:
            raw = np.maximum(raw, 0)
    assert_allclose(model.decision_function(X), raw, rtol=1e-8, atol=1e-10)


def test_input_pruning_on_sparse_samples(samples):
    X, y = samples
    X = X * (np.abs(X) > 0.5)
    dense = SparseMLPClassifier(**SMALL, **INPUTS).fit(X, y)
    csr = SparseMLPClassifier(**SMALL, **INPUTS).fit(sparse.csr_array(X), y)
    assert_array_equal(dense.selected_features_, csr.selected_features_)
    assert_allclose(dense.predict_proba(X), csr.predict_proba(sparse.csr_array(X)), rtol=1e-5)


@pytest.mark.parametrize("zeta", [0.0, 0.3])
def test_input_pruning_finds_the_informative_features(zeta):
    X, y = make_friedman1(300, 100, noise=0.1, random_state=0)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    model = SparseMLPRegressor(zeta=zeta, random_state=0, max_iter=120, hidden_layer_sizes=100)
    kept = model.fit(X.astype(np.float32), y).selected_features_
    assert len(kept) < 30 and np.isin([0, 1, 3, 4], kept).all()


def test_input_pruning_survives_pickle_partial_fit_and_warm_start(samples):
    X, y = samples
    model = SparseMLPClassifier(**SMALL, **INPUTS, warm_start=True).fit(X, y)
    selected = model.selected_features_
    copy = pickle.loads(pickle.dumps(model))
    assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
    assert_array_equal(model.fit(X, y).selected_features_, selected)
    model.partial_fit(X, y)
    assert_array_equal(model.selected_features_, selected)


def test_same_bits_with_any_number_of_threads(samples):
    X, y = samples
    one = SparseMLPClassifier(**SMALL, **INPUTS, n_jobs=1).fit(X, y)
    two = SparseMLPClassifier(**SMALL, **INPUTS, n_jobs=2).fit(X, y)
    assert_same(one, two)


def test_early_stopping_restores_the_inputs_too(samples):
    X, y = samples
    parameters = {**SMALL, **INPUTS, "early_stopping": True}
    model = SparseMLPClassifier(**parameters).fit(X, y)
    assert model.coefs_[0].shape == (60, 30)
    assert len(model.selected_features_) < 60


def test_inputs_leave_by_their_strength_summed_over_the_epochs(samples):
    X, y = samples
    seen = []

    class Spy(SparseMLPClassifier):
        def _end_epoch(self, learner, *args):
            first = learner.network.layers[0]
            strength = np.zeros(60)
            read = learner.network.features
            read = np.arange(60) if read is None else read
            strength[read] = first.connectivity.out_strength(first.weights)
            seen.append((read, strength))
            return super()._end_epoch(learner, *args)

    Spy(**{**SMALL, **INPUTS, "averaging": 0}).fit(X, y)
    for epoch in range(1, 12):
        before, after = seen[epoch - 1][0], seen[epoch][0]
        total = np.sum([strength for _, strength in seen[:epoch]], axis=0)
        n_left = len(before) - (int(0.2 * len(before)) if 2 <= epoch <= 6 else 0)
        assert_array_equal(after, np.sort(before[np.argsort(total[before])][-n_left:]))


def test_l2_gives_way_to_decay_by_epoch_after_the_last_pruning():
    noisy = make_classification(200, 100, n_informative=3, n_redundant=0, random_state=0)
    settings = {**SMALL, "max_iter": 20, "beta": 2, "gamma": 5, "averaging": 0}
    model = SparseMLPClassifier(**settings).fit(*noisy)
    settings.update(max_iter=7, prune_layers=["input"], decay_rule="l2", warm_start=True)
    by_hand = SparseMLPClassifier(**settings).fit(*noisy)
    by_hand.set_params(max_iter=13, decay_rule="per_epoch").fit(*noisy)
    assert_same(model, by_hand)
    # Without a pruning there is nothing to wait for.
    kept = {**SMALL, "max_iter": 20, "alpha": 0}
    model = SparseMLPClassifier(**kept).fit(*noisy)
    assert_same(model, SparseMLPClassifier(**kept, decay_rule="l2").fit(*noisy))


def test_the_tests_of_features_do_not_see_what_early_stopping_holds_out(monkeypatch):
    X, y = make_classification(250, 40, random_state=0)
    seen = []

    def spy(X, target, weight=None):
        seen.append(X)
        return null_fraction(X, target, weight)

    monkeypatch.setattr("sklearn_set._base.null_fraction", spy)
    SparseMLPClassifier(**SMALL, early_stopping=True, validation_fraction=0.2).fit(X, y)
    SparseMLPClassifier(**SMALL, early_stopping=True).fit(
        X[:200], y[:200], X_val=X[200:], y_val=y[200:]
    )
    assert [len(rows) for rows in seen] == [200, 200]


def test_inputs_that_are_certainly_relevant_stay():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    X = rng.normal(size=(300, 1000))
    X[:, :160] += 1.5 * y[:, None]
    settings = {**SMALL, "alpha": 0.5, "beta": 2, "gamma": 8}
    model = SparseMLPClassifier(**settings).fit(X, y)
    assert model.null_fraction_ > 0.8
    certain = int((1 - model.null_fraction_ - 2 / np.sqrt(1000)) * 1000)
    assert len(model.selected_features_) == certain > 50
    named = SparseMLPClassifier(**settings, prune_layers=["input"]).fit(X, y)
    assert len(named.selected_features_) < 5


def test_inputs_are_pruned_only_where_most_are_noise():
    noisy = make_classification(200, 100, n_informative=3, n_redundant=0, random_state=0)
    full = make_classification(200, 30, n_informative=20, n_redundant=10, random_state=0)
    settings = {**SMALL, "max_iter": 30, "beta": 2, "gamma": 5}
    pruned = SparseMLPClassifier(**settings).fit(*noisy)
    assert pruned.null_fraction_ > 0.8 and len(pruned.selected_features_) < 90
    few = SparseMLPClassifier(**settings).fit(noisy[0][:199], noisy[1][:199])
    assert few.null_fraction_ > 0.8 and len(few.selected_features_) == 100
    plain = SparseMLPClassifier(**settings).fit(*full)
    assert plain.null_fraction_ < 0.5 and len(plain.selected_features_) == 30
    assert_same(plain, SETClassifier(**{**SMALL, "max_iter": 30}).fit(*full))
    # What was found on the first samples holds for those that follow.
    stream = clone(pruned).partial_fit(*noisy, classes=[0, 1])
    found = stream.null_fraction_
    for _ in range(4):
        stream.partial_fit(full[0][:, :1].repeat(100, axis=1), full[1])
    assert stream.null_fraction_ == found and len(stream.selected_features_) < 100
    regressor = SparseMLPRegressor(**settings).fit(noisy[0], noisy[0][:, 0])
    assert len(regressor.selected_features_) < 90


def test_named_methods_are_special_cases(samples):
    common = {**SMALL, "weight_decay": 0.02, "decay_rule": "per_epoch", "mixup": 0.3}
    pruning = {"alpha": 0.1, "beta": 2, "gamma": 4}
    composed = SparseMLPClassifier(**common, alpha=0).fit(*samples)
    assert_same(composed, SETClassifier(**SMALL).fit(*samples))
    assert_same(composed, NPSETClassifier(**SMALL, alpha=0).fit(*samples))
    composed = SparseMLPClassifier(**common, **pruning, prune_layers="all", budget="shrink")
    assert_same(composed.fit(*samples), NPSETClassifier(**SMALL, **pruning).fit(*samples))


@pytest.mark.parametrize("layers", [("output",), (2,), (-1,), ("input", -2)])
def test_unknown_layers_are_refused(samples, layers):
    with pytest.raises(ValueError, match="prune_layers="):
        SparseMLPClassifier(**SMALL, prune_layers=layers).fit(*samples)


def test_npset_has_no_input_pruning(samples):
    with pytest.raises(ValueError, match="no hidden layer"):
        NPSETClassifier(**SMALL, prune_layers=("input",)).fit(*samples)
