"""Selection of features."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.datasets import make_classification
from sklearn.feature_selection import SelectFromModel

from sklearn_set import DSRClassifier, SETClassifier, SETFeatureSelector


def informative(n_features=80, n_informative=12):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, n_features))
    X[:, :n_informative] = rng.normal(size=(400, 3)) @ rng.normal(size=(3, n_informative))
    return X


def test_selector_finds_the_features_that_know_of_one_another():
    X = informative()
    selector = SETFeatureSelector(12, batch_size=20, random_state=0).fit(X)
    assert len(set(selector.get_support(indices=True)) & set(range(12))) >= 11
    assert selector.transform(X).shape == (400, 12)
    assert_array_equal(selector.transform(X), X[:, selector.support_])
    names = selector.get_feature_names_out()
    assert names[0] == f"x{selector.get_support(indices=True)[0]}"
    again = SETFeatureSelector(12, batch_size=20, random_state=0).fit(
        sparse.csr_array(X * np.linspace(1, 1000, 80) + 5)  # units do not matter
    )
    assert_array_equal(again.support_, selector.support_)


@pytest.mark.parametrize("wanted, expected", [(None, 10), (0.29, 5), (3, 3), (0.01, 1)])
def test_number_of_features(wanted, expected):
    X = informative(20, 5)
    selector = SETFeatureSelector(wanted, hidden_layer_size=20, max_iter=2).fit(X)
    assert selector.support_.sum() == selector.n_features_to_select_ == expected


def test_too_many_features():
    with pytest.raises(ValueError, match="n_features_to_select=21 is more than the 20 features"):
        SETFeatureSelector(21).fit(informative(20, 5))


def test_constant_features_come_last():
    X = informative(20, 12)
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
