"""Selection of features."""

import re

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import make_classification
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from sklearn_set import DSRClassifier, SETClassifier, SETFeatureSelector
from sklearn_set._gradients import Evidence, _diagonal, _fit, _slopes, merged
from sklearn_set._kernel import KernelRidge, arc_cosine_kernel
from sklearn_set.inspection import attributions


def related(n_features=80, n_related=12):
    """Features of which the first know of one another."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, n_features))
    X[:, :n_related] = rng.normal(size=(400, 3)) @ rng.normal(size=(3, n_related))
    return X


def informative(n_samples=80, n_features=500, seed=0):
    """Numbers that depend on features 0, 1 and 2."""
    X = np.random.default_rng(seed).normal(size=(n_samples, n_features))
    return X, X[:, 0] - X[:, 1] + X[:, 2]


def selected(X, y, *given, **parameters):
    return SETFeatureSelector(*given, random_state=0, **parameters).fit(X, y).get_support(True)


# ---------------------------------------------------------------- with targets


@pytest.mark.parametrize("kind", ["numbers", "classes", "names", "three", "columns", "indicators"])
def test_relevant_features_are_found(kind):
    X, y = informative(150)
    y = {
        "numbers": y,
        "classes": (y > 0).astype(int),
        "names": np.where(y > 0, "ill", "well"),
        "three": np.digitize(y, [-1, 1]),
        "columns": np.column_stack([y, X[:, 0]]),
        "indicators": (X[:, :3] > 0).astype(int),
    }[kind]
    for method in ("consensus", "gradient", "relevance"):
        assert_array_equal(selected(X, y, 3, method=method), [0, 1, 2])


def test_what_no_linear_model_sees_is_found():
    X = np.random.default_rng(0).normal(size=(400, 20))
    for method in ("consensus", "gradient", "relevance"):
        assert_array_equal(selected(X, X[:, 4] * X[:, 7], 2, method=method), [4, 7])


def test_relevance():
    X, y = informative()
    X[:, 9] = 4.5
    selector = SETFeatureSelector(method="relevance", random_state=0).fit(X, y)
    assert selector.method_ == "relevance" and selector.errors_[3] < 0.1
    assert selector.scores_[9] == 0 and selector.scores_.sum() == pytest.approx(1)
    assert_array_equal(np.argsort(-selector.scores_)[:3], np.argsort(selector.ranking_)[:3])
    groups = np.arange(500) % 100
    grouped = SETFeatureSelector(3, method="relevance", groups=groups, random_state=0).fit(X, y)
    assert_array_equal(np.unique(groups[grouped.support_]), [0, 1, 2])
    assert_array_equal(grouped.scores_[:100], grouped.scores_[100:200])
    assert grouped.scores_.sum() == pytest.approx(1)
    weight = np.where(np.arange(80) % 2, 2, 1)
    rows = np.repeat(np.arange(80), weight)
    weighted, several = (
        SETFeatureSelector(3, method="relevance", n_subsamples=1).fit(*given)
        for given in ((X, y, weight), (X[rows], y[rows]))
    )
    assert_allclose(weighted.scores_, several.scores_, rtol=1e-6, atol=1e-12)
    with pytest.raises(ValueError, match='method="relevance" needs targets, but y is None'):
        SETFeatureSelector(method="relevance").fit(X)


def test_auto_takes_as_many_as_predict_best():
    X, y = informative()
    selector = SETFeatureSelector(random_state=0).fit(X, y)
    assert_array_equal(selector.get_support(True), [0, 1, 2])
    assert selector.errors_[3] < 0.1 < selector.errors_[2]
    assert selector.errors_[500] > 0.5
    assert SETFeatureSelector(3).fit(X, y).errors_ == {}
    few = SETFeatureSelector().fit(X[:2], y[:2])
    assert few.errors_ == {} and few.n_features_to_select_ == 250


def test_scores_and_ranking_agree():
    X, y = informative()
    X[:, 9] = 4.5
    selector = SETFeatureSelector(0.02, random_state=0).fit(X, y)
    assert selector.n_features_to_select_ == selector.support_.sum() == 10
    assert_array_equal(np.sort(selector.ranking_), np.arange(1, 501))
    assert (np.diff(selector.scores_[np.argsort(selector.ranking_)]) <= 0).all()
    assert selector.scores_.max() == 1
    assert_array_equal(selector.support_, selector.ranking_ <= 10)
    alone = SETFeatureSelector(method="gradient", random_state=0).fit(X, y)
    assert 0 == alone.scores_.min() == alone.scores_[9] < alone.scores_.max() == 1


def test_a_consensus_of_places():
    X, y = informative()
    both, *parts = (
        SETFeatureSelector(1, method=method, random_state=0).fit(X, y)
        for method in ("consensus", "gradient", "relevance")
    )
    assert SETFeatureSelector().fit(X, y).method_ == both.method_ == "consensus"
    first, second = (3 / (2 + part.ranking_) for part in parts)
    assert_allclose(both.scores_, np.sqrt(first * second))


def test_whole_numbers_may_be_values():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 100))
    age = np.round(50 + 10 * X[:, 6]).astype(int)
    assert_array_equal(selected(X, age, 1, task="regression"), [6])
    with pytest.raises(ValueError, match="Unknown label type"):
        selected(X, age + 0.5, 1, task="classification")


def test_sparse_features_are_found_and_stay_sparse():
    X, y = informative(200)
    X = sparse.csr_array(np.where(X > 0.5, X, 0))
    y = X[:, [0, 1, 2]].sum(axis=1) > 1
    selector = SETFeatureSelector(3, random_state=0).fit(X, y)
    assert_array_equal(selector.get_support(True), [0, 1, 2])
    assert sparse.issparse(selector.transform(X))


def test_groups_stay_together():
    X, y = informative(100, 60)  # features 0 to 2, of groups 0, 1 and 2
    groups = np.array([f"gene {i}" for i in range(20)] * 3)
    selector = SETFeatureSelector(3, groups=groups, random_state=0).fit(X, y)
    assert_array_equal(selector.get_support(True), [0, 1, 2, 20, 21, 22, 40, 41, 42])
    assert selector.n_features_to_select_ == 3
    assert_array_equal(selector.ranking_[:20], selector.ranking_[40:])
    assert len(set(selector.ranking_)) == 20 == selector.ranking_.max()
    singles = SETFeatureSelector(5, groups=np.arange(60) * 7, random_state=0).fit(X, y)
    assert_array_equal(singles.support_, SETFeatureSelector(5, random_state=0).fit(X, y).support_)


@pytest.mark.parametrize("groups, shape", [([1, 1, 2, 2], "(4,)"), ([], "(0,)")])
def test_groups_of_another_number_of_features(groups, shape):
    message = re.escape(f"groups has the shape {shape}, but X has 500 features")
    with pytest.raises(ValueError, match=message):
        SETFeatureSelector(groups=groups).fit(*informative())


def test_a_weighted_sample_is_one_that_comes_more_often():
    X, y = informative(40, 100)
    weight = np.random.default_rng(0).integers(0, 3, size=40)
    repeated = np.repeat(np.arange(40), weight)
    weighted = SETFeatureSelector(random_state=0).fit(X, y, sample_weight=weight)
    several = SETFeatureSelector(random_state=0).fit(X[repeated], y[repeated])
    assert_array_equal(weighted.ranking_, several.ranking_)
    assert weighted.n_features_to_select_ == several.n_features_to_select_
    shuffled = np.random.default_rng(1).permutation(40)
    again = SETFeatureSelector(random_state=0).fit(X[shuffled], y[shuffled], weight[shuffled])
    assert_array_equal(again.ranking_, weighted.ranking_)


def test_the_number_of_threads_does_not_matter():
    X, y = informative(300, 2000)
    found = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads, "blas"):
            found.append(SETFeatureSelector(random_state=0).fit(X, y).scores_)
    assert_array_equal(*found)


def test_units_do_not_matter():
    X, y = informative()
    other = SETFeatureSelector(10, random_state=0).fit(X * np.geomspace(1e-3, 1e3, 500) + 7, y)
    assert set(other.get_support(True)[:3]) == {0, 1, 2}


def test_targets_that_say_nothing():
    X, _ = informative(20, 10)
    with pytest.raises(ValueError, match="The targets of all 20 samples are the same"):
        SETFeatureSelector().fit(X, np.ones(20))
    with pytest.raises(ValueError, match='method="gradient" needs targets, but y is None'):
        SETFeatureSelector(method="gradient").fit(X)


def test_in_a_pipeline_and_a_search():
    X, y = informative(60, 300)
    table = pd.DataFrame(X, columns=[f"gene {i}" for i in range(300)])
    model = make_pipeline(SETFeatureSelector(random_state=0), LogisticRegression())
    grid = {"setfeatureselector__n_features_to_select": [3, 300]}
    search = GridSearchCV(model.set_output(transform="pandas"), grid).fit(table, y > 0)
    assert search.best_params_ == {"setfeatureselector__n_features_to_select": 3}
    best = search.best_estimator_
    assert list(best[-1].feature_names_in_) == ["gene 0", "gene 1", "gene 2"]
    assert list(best[0].get_feature_names_out()) == ["gene 0", "gene 1", "gene 2"]


def test_gradients_are_derivatives():
    rng = np.random.default_rng(0)
    X, coef = rng.normal(size=(12, 5)), rng.normal(size=12)
    K, slope = _slopes(X @ X.T)
    assert_allclose(K, 5 * arc_cosine_kernel(X), atol=1e-13)
    step = 1e-6 * rng.normal(size=5)
    step -= step @ X[3] * X[3] / np.square(X[3]).sum()  # the radial part is not counted

    def value(x):
        return 5 * arc_cosine_kernel(x[None], X)[0] @ coef

    change = value(X[3] + step) - value(X[3] - step)
    assert_allclose(change, 2 * (slope[3] * coef) @ X @ step, rtol=1e-5)


def test_a_fit_by_hand():
    rng = np.random.default_rng(0)
    X, y, weight = rng.normal(size=(12, 5)), rng.normal(size=12), rng.uniform(1, 2, 12)
    weight /= weight.mean()
    evidence = Evidence.of(X, y[:, None], weight, np.arange(5))
    y = evidence.Y[:, 0]
    assert_allclose([weight @ y, weight @ y**2], [0, 12], atol=1e-12)
    scale = rng.uniform(size=5)
    pairs, coef, precision = _fit(evidence, scale)
    centred = (X - weight @ X / 12) * np.sqrt(scale)
    K, slope = _slopes(centred @ centred.T)
    covariance = (centred @ centred.T + K) / 2 + np.diag(1 / weight)
    system = np.block([[covariance, np.ones((12, 1))], [np.ones(12), 0]])
    assert_allclose(coef[:, 0], np.linalg.solve(system, np.r_[y, 0])[:12], atol=1e-10)
    assert_allclose(precision, np.linalg.inv(system)[:12, :12], atol=1e-10)
    slope[np.diag_indices(12)] = 0
    inner = weight @ np.square(slope * coef[:, 0] @ X) / 12
    mean = weight @ np.square(slope @ np.ones(12)) / 12 / 144
    expected = np.square(coef[:, 0] @ X) + inner / mean
    assert_allclose(_diagonal(X, pairs * (coef @ coef.T)), expected, rtol=1e-10)
    chance = _diagonal(X, pairs * precision)
    draws = rng.multivariate_normal(np.zeros(12), covariance, size=4000)
    squares = [_diagonal(X, pairs * np.outer(*[precision @ draw] * 2)) for draw in draws]
    assert_allclose(np.mean(squares, axis=0), chance, rtol=0.1)


def test_attributions_mean_the_same_by_importance():
    """The mean square of a network's gradients is the share that the selector looks at."""
    X, y = informative(200, 20)
    network = SETClassifier((50,), max_iter=60, random_state=0).fit(X, y > 0)
    gradient = attributions(network, X, method="gradient") * X.std(axis=0)
    squares = np.square(gradient).mean(axis=0)
    rows, weight = merged(X, (y > 0)[:, None].astype(float), None)
    evidence = Evidence.of(X[rows], np.sign(y)[rows, None], weight, np.arange(20))
    pairs, coef, _ = _fit(evidence, np.full(20, 1 / 20))
    shares = _diagonal(evidence.X, pairs * (coef @ coef.T))
    assert set(np.argsort(-squares)[:3]) == set(np.argsort(-shares)[:3]) == {0, 1, 2}
    assert np.corrcoef(squares, shares)[0, 1] > 0.9


def test_weights_in_kernel_ridge_regression():
    rng = np.random.default_rng(0)
    X, Y, times = rng.normal(size=(10, 4)), rng.normal(size=(10, 1)), rng.integers(1, 4, 10)
    weighted = KernelRidge(arc_cosine_kernel(X), Y, times / times.mean())
    rows = np.repeat(np.arange(10), times)
    K, penalty = arc_cosine_kernel(X), weighted.ridge * weighted.scale * times.mean()
    system = np.block([[K[rows][:, rows] + penalty * np.eye(len(rows)), np.ones((len(rows), 1))],
                       [np.ones((1, len(rows))), np.zeros((1, 1))]])  # fmt: skip
    solution = np.linalg.solve(system, np.r_[Y[rows], np.zeros((1, 1))])
    assert_allclose(weighted.predict(K), K[:, rows] @ solution[:-1] + solution[-1], atol=1e-10)


def test_subsamples_know_of_all_classes():
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(6), 12)
    X, Y = rng.normal(size=(72, 3)), np.eye(6)[y]
    rows, weight = merged(X, Y, None)
    evidence = Evidence.of(X[rows], Y[rows], weight, np.arange(3))
    assert evidence.Y.shape[1] == 5
    drawn = evidence.subsamples(20, rng)
    assert all(len(each) == 45 and np.bincount(y[rows][each]).min() >= 5 for each in drawn)
    assert len({tuple(each) for each in drawn}) == 20
    assert_array_equal(evidence.subsamples(1, rng), [np.arange(72)])


# ---------------------------------------------------------------- without


def test_selector_finds_the_features_that_know_of_one_another():
    X = related()
    selector = SETFeatureSelector(12, batch_size=20, random_state=0).fit(X)
    assert selector.method_ == "autoencoder"
    assert len(set(selector.get_support(indices=True)) & set(range(12))) >= 11
    assert selector.transform(X).shape == (400, 12)
    assert_array_equal(selector.transform(X), X[:, selector.support_])
    names = selector.get_feature_names_out()
    assert names[0] == f"x{selector.get_support(indices=True)[0]}"
    again = SETFeatureSelector(12, method="autoencoder", batch_size=20, random_state=0).fit(
        sparse.csr_array(X * np.linspace(1, 1000, 80) + 5),  # units do not matter
        np.arange(400),  # nor targets
    )
    assert_array_equal(again.support_, selector.support_)
    pairs = SETFeatureSelector(6, groups=np.arange(80) // 2, batch_size=20, random_state=0).fit(X)
    assert_array_equal(pairs.support_[::2], pairs.support_[1::2])
    assert pairs.support_[:12].sum() >= 10


@pytest.mark.parametrize("wanted, expected", [("auto", 10), (0.29, 5), (3, 3), (0.01, 1)])
def test_number_of_features(wanted, expected):
    X = related(20, 5)
    selector = SETFeatureSelector(wanted, hidden_layer_size=20, max_iter=2).fit(X)
    assert selector.support_.sum() == selector.n_features_to_select_ == expected


def test_too_many_features():
    with pytest.raises(ValueError, match="n_features_to_select=21 is more than the 20 features"):
        SETFeatureSelector(21).fit(related(20, 5))
    with pytest.raises(ValueError, match="n_features_to_select=11 is more than the 10 groups"):
        SETFeatureSelector(11, groups=np.arange(20) % 10).fit(related(20, 5))


def test_constant_features_come_last():
    X = related(20, 12)
    X[:, 7] = 3.3
    selector = SETFeatureSelector(19, batch_size=20, random_state=0).fit(X)
    assert np.isfinite(selector.scores_).all()
    assert selector.scores_[7] < np.median(selector.scores_[:12])


@pytest.mark.parametrize("cls", [SETClassifier, DSRClassifier])
def test_select_from_model(cls):
    X, y = make_classification(
        600, 40, n_informative=6, n_redundant=4, shuffle=False, random_state=0
    )
    selector = SelectFromModel(
        cls((100, 100), max_iter=80, random_state=0), max_features=10, threshold=-np.inf
    ).fit((X - X.mean(axis=0)) / X.std(axis=0), y)
    assert selector.get_support()[:10].sum() >= 7
