"""Stability selection: bounds, halves, what is selected."""

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_info

from sklearn_set import SETFeatureSelector, StabilitySelector
from sklearn_set._error_bounds import BOUNDS, _tail, false_selections, largest_number
from sklearn_set.inspection import StabilityDisplay


def blocks(n_samples, n_features, relevant, seed, block=20, strength=1.0):
    """Classes that depend on one feature of each of the first blocks; blocks are correlated."""
    rng = np.random.default_rng(seed)
    shared = np.repeat(rng.normal(size=(n_samples, n_features // block)), block, axis=1)
    X = 0.7 * shared + 0.7 * rng.normal(size=(n_samples, n_features))
    signal = strength * X[:, : relevant * block : block].sum(axis=1)
    return X, (signal + rng.logistic(size=n_samples) > 0).astype(int)


# ---------------------------------------------------------------- bounds


def test_bounds_of_the_paper():
    # p = 1000, q = 50, B = 50: Theorems 1 and 2 by hand.
    assert false_selections(50, 1000, 0.9, 50, "worst_case") == pytest.approx(2.5 / 0.8)
    assert false_selections(50, 1000, 0.7, 50, "unimodal") == pytest.approx(2.5 / (2 * 0.39))
    expected = 4 * (0.1 + 0.01) / 1.02 * 2.5
    assert false_selections(50, 1000, 0.9, 50, "unimodal") == pytest.approx(expected)
    assert false_selections(50, 1000, 0.5, 50, "worst_case") == 1000
    assert false_selections(900, 1000, 0.9, 50, "unimodal") == 1000


@pytest.mark.parametrize("tau", [0.6, 0.75, 0.9, 1.0])
def test_more_assumptions_give_smaller_bounds(tau):
    worst, mode, concave = (false_selections(20, 500, tau, 50, bound) for bound in BOUNDS)
    assert 0 < concave < mode < worst


@pytest.mark.parametrize("n, share, mean, r", [(30, 0.5, 0.05, -0.5), (40, 0.7, 0.1, -0.25)])
def test_no_r_concave_distribution_exceeds_the_bound(n, share, mean, r):
    bound = _tail(mean, share, n, r)
    rng = np.random.default_rng(0)
    reached = []
    i = np.arange(n + 1)
    for _ in range(3000):
        slopes = np.sort(rng.choice([0.01, 1, 10]) * rng.exponential(size=n))
        root = rng.choice([1e-3, 0.1, 1]) + np.concatenate([[0], np.cumsum(slopes)])
        # f ** r is convex; what is too much in the mean goes to 0, which is still r-concave.
        f = np.where(i <= rng.integers(1, n + 1), root ** (1 / r), 0)
        f /= f.sum()
        if f @ i <= mean * n:
            reached.append(f[int(np.ceil(share * n)) :].sum())
    assert len(reached) > 100 and 0 < max(reached) <= bound
    # The extreme distribution itself: linear roots, the mean met exactly.
    low, high = 1e-9, 1e9
    for _ in range(200):
        a = np.sqrt(low * high)
        f = (a + i) ** (1 / r)
        low, high = (a, high) if f @ i < mean * n * f.sum() else (low, a)
    tail = f[int(np.ceil(share * n)) :].sum() / f.sum()
    assert 0.3 * bound < tail <= bound * (1 + 1e-6)


def test_largest_number():
    for bound in BOUNDS:
        q = largest_number(1.0, 2000, 0.75, 50, bound)
        assert false_selections(q, 2000, 0.75, 50, bound) <= 1
        assert false_selections(q + 1, 2000, 0.75, 50, bound) > 1
    assert largest_number(1e-9, 2000, 0.75, 50, "unimodal") == 0


@pytest.mark.parametrize("p, max_false", [(300, 1.0), (2000, 1.0), (2000, 10.0)])
def test_the_default_bound_holds_for_normal_scores(p, max_false):
    """Features whose scores on all samples are normal; those on a half have a part of their own."""
    tau, bound = (StabilitySelector().get_params()[name] for name in ("threshold", "bound"))
    q = largest_number(max_false, p, tau, 50, bound)
    rng = np.random.default_rng(0)
    false = []
    for _ in range(60 if max_false < 2 else 10):
        score, own = rng.normal(size=p), rng.normal(size=(50, p))
        halves = np.abs(np.concatenate([score + own, score - own]))
        cut = np.partition(halves, p - q, axis=1)[:, p - q, None]
        false.append(((halves >= cut).mean(axis=0) >= tau - 1e-12).sum())
    assert 0.4 * max_false < np.mean(false) < max_false + np.std(false) / np.sqrt(len(false))


# ---------------------------------------------------------------- the selector


def test_the_bound_holds_and_relevant_blocks_are_found():
    false, found = [], []
    for seed in range(6):
        X, y = blocks(150, 600, relevant=3, seed=seed, strength=2.0)
        selector = StabilitySelector(n_pairs=20, random_state=seed).fit(X, y)
        chosen = selector.get_support(indices=True)
        false.append((chosen >= 60).sum())
        found.append(len(set(chosen) & {0, 20, 40}))
        assert selector.expected_false_ <= 1
    assert np.mean(false) <= 1
    assert np.mean(found) > 1.5


def test_attributes_agree():
    X, y = blocks(80, 100, relevant=2, seed=0)
    selector = StabilitySelector(n_pairs=10, random_state=0).fit(X, y)
    assert selector.places_.shape == (20, 100)
    assert_array_equal(np.sort(selector.places_, axis=1), np.tile(np.arange(100), (20, 1)))
    frequencies = (selector.places_ < selector.n_features_per_fit_).mean(axis=0)
    assert_allclose(selector.frequencies_, frequencies)
    assert_array_equal(selector.support_, selector.frequencies_ >= selector.threshold_)
    assert (np.diff(selector.frequencies_[np.argsort(selector.ranking_)]) <= 0).all()
    assert selector.frequencies_.sum() == pytest.approx(selector.n_features_per_fit_)


def test_the_number_of_processes_does_not_matter(capsys):
    X, y = blocks(60, 200, relevant=2, seed=0)
    one = StabilitySelector(n_pairs=10, random_state=0).fit(X, y)
    two = StabilitySelector(n_pairs=10, random_state=0, n_jobs=2, verbose=1).fit(X, y)
    assert_array_equal(one.places_, two.places_)
    assert "[StabilitySelector] 20 of 20 halves" in capsys.readouterr().out


def test_processes_have_one_blas_thread_each():
    class CountsThreads(BaseEstimator):
        def fit(self, X, y):
            blas = [each for each in threadpool_info() if each["user_api"] == "blas"]
            self.scores_ = np.zeros(X.shape[1])
            self.scores_[max(each["num_threads"] for each in blas) - 1] = 1
            return self

    X, y = blocks(40, 60, relevant=2, seed=0)
    with parallel_config("loky", inner_max_num_threads=2):
        selector = StabilitySelector(CountsThreads(), n_pairs=2, n_jobs=2, random_state=0)
        selector.fit(X, y)
    assert_array_equal(selector.places_[:, 0], 0)


def test_the_threshold_rises_with_the_number_per_fit():
    X, y = blocks(60, 200, relevant=2, seed=0)
    few, more = (
        StabilitySelector(
            n_pairs=10, n_features_per_fit=number, bound="unimodal", random_state=0
        ).fit(X, y)
        for number in (5, 20)
    )
    assert few.threshold_ == 0.8 < more.threshold_
    assert few.n_features_per_fit_ == 5 and more.n_features_per_fit_ == 20
    assert few.expected_false_ <= 1 and more.expected_false_ <= 1
    with pytest.raises(ValueError, match="n_features_per_fit=150 of 200 features does not keep"):
        StabilitySelector(n_features_per_fit=150).fit(X, y)
    with pytest.raises(ValueError, match="n_features_per_fit=201 is more than the 200 features"):
        StabilitySelector(n_features_per_fit=201).fit(X, y)
    with pytest.raises(ValueError, match="Not even one of 200 features"):
        StabilitySelector(max_false=1e-6).fit(X, y)


def test_groups_are_taken_together():
    X, _ = blocks(120, 100, relevant=1, seed=1)
    y = X[:, :20].mean(axis=1) > 0
    groups = np.arange(100) // 20
    for estimator in (None, LogisticRegression()):
        selector = StabilitySelector(
            estimator, groups=groups, n_features_per_fit=1, n_pairs=20, random_state=0
        ).fit(X, y)
        assert_array_equal(selector.get_support(indices=True), np.arange(20))
        assert selector.n_features_per_fit_ == 1 and set(selector.ranking_) == set(range(1, 6))


@pytest.mark.parametrize(
    "estimator",
    [
        SETFeatureSelector(1),
        LogisticRegression(),
        DecisionTreeClassifier(max_depth=1),
        SelectKBest(),
    ],
    ids=lambda e: type(e).__name__,
)
def test_any_estimator_that_ranks(estimator):
    X, y = blocks(100, 60, relevant=1, seed=0, strength=5.0)
    selector = StabilitySelector(estimator, n_pairs=10, n_features_per_fit=2, random_state=0)
    selector.fit(X, y)
    assert selector.support_[0]
    if isinstance(estimator, DecisionTreeClassifier):  # uses one feature, takes no other
        assert selector.frequencies_.sum() == 1
        assert (selector.places_ == 60).sum() == 20 * 59


def test_an_estimator_that_says_nothing():
    from sklearn.neighbors import KNeighborsClassifier

    with pytest.raises(TypeError, match="KNeighborsClassifier says nothing about features"):
        StabilitySelector(KNeighborsClassifier()).fit(*blocks(30, 40, 1, 0))


def test_numbers_sparse_input_weights_and_no_targets():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 100))
    y = X[:, 4] - X[:, 7]
    weight = np.where(np.arange(120) < 60, 1.0, 0.5)
    found = StabilitySelector(n_pairs=10, random_state=0).fit(X, y, sample_weight=weight)
    assert_array_equal(found.get_support(indices=True), [4, 7])
    words = sparse.csr_array(np.where(X > 1, X, 0))
    found = StabilitySelector(n_pairs=10, random_state=0).fit(words, words[:, [4]].toarray() > 0)
    assert found.support_[4] and sparse.issparse(found.transform(words))
    encoder = SETFeatureSelector(hidden_layer_size=20, max_iter=2)
    alone = StabilitySelector(encoder, n_pairs=2, max_false=5, random_state=0).fit(X)
    assert alone.places_.shape == (4, 100)


def test_in_a_pipeline_with_names():
    X, y = blocks(100, 60, relevant=1, seed=0, strength=5.0)
    table = pd.DataFrame(X, columns=[f"gene {i}" for i in range(60)])
    selector = StabilitySelector(n_pairs=10, random_state=0)
    model = make_pipeline(selector, LogisticRegression()).set_output(transform="pandas")
    model.fit(table, y)
    assert "gene 0" in model[-1].feature_names_in_
    assert model.score(table, y) > 0.7


def test_display():
    pytest.importorskip("matplotlib").use("Agg")
    X, y = blocks(100, 60, relevant=1, seed=0, strength=5.0)
    selector = StabilitySelector(n_pairs=10, random_state=0).fit(X, y)
    names = [f"gene {i}" for i in range(60)]
    display = StabilityDisplay.from_estimator(selector, feature_names=names, n_features=7)
    assert len(display.bars_) == 7 and len(display.axes_) == 2
    labels = [label.get_text() for label in display.axes_[1].get_yticklabels()]
    assert labels[0] == "gene 0"
    assert display.bars_[-1].get_width() == selector.frequencies_.max()
    colored = [line for line in display.ax_.get_lines() if line.get_color() == "C0"]
    assert len(colored) == selector.support_.sum()
    at = np.searchsorted(colored[0].get_xdata(), selector.n_features_per_fit_)
    first = np.argmin(selector.ranking_)
    expected = (selector.places_[:, first] < colored[0].get_xdata()[at]).mean()
    assert colored[0].get_ydata()[at] == expected
    with pytest.raises(ValueError, match="ax must hold 2 axes, got 1"):
        display.plot(display.ax_)
    with pytest.raises(TypeError, match="SETFeatureSelector has no places_"):
        StabilityDisplay.from_estimator(SETFeatureSelector().fit(X, y))
