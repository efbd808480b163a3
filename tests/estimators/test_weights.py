"""Weights of samples and of classes."""

import numpy as np
import pytest
import scipy.sparse
from estimators.common import BOTH, PRUNING, SMALL, X, Y, blobs
from helpers import assert_same
from sklearn.datasets import make_multilabel_classification
from sklearn.metrics import recall_score
from sklearn.utils.class_weight import compute_sample_weight

from sklearn_set import SETClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@BOTH
def test_rows_of_weight_zero_are_absent(cls):
    weight = np.random.default_rng(0).uniform(0.5, 2, 60)
    weight[::4] = 0
    present = weight > 0
    a = cls(**PRUNING).fit(X, Y, weight)
    b = cls(**PRUNING).fit(X[present], Y[present], weight[present])
    assert_same(a, b)
    assert a.t_ == 45 * 8
    wild = X.copy()
    wild[::4] = 1e6
    assert_same(a, cls(**PRUNING).fit(wild, Y, weight))
    sparse = scipy.sparse.csr_array(X)
    np.testing.assert_allclose(
        cls(**PRUNING).fit(sparse, Y, weight).predict(X), a.predict(X), atol=1e-8
    )


def test_class_weight_is_a_sample_weight():
    weight = np.random.default_rng(0).uniform(0.5, 2, 60)
    classes = {0: 2.0, 1: 0.5, 2: 1.0}
    by_class = np.array([2.0, 0.5, 1.0])[Y]
    assert_same(
        SETClassifier(**SMALL, class_weight=classes).fit(X, Y),
        SETClassifier(**SMALL).fit(X, Y, by_class),
    )
    assert_same(
        SETClassifier(**SMALL, class_weight=classes).fit(X, Y, weight),
        SETClassifier(**SMALL).fit(X, Y, weight * by_class),
    )
    y = np.repeat([0, 1, 2], [40, 15, 5])
    balanced = SETClassifier(**SMALL, class_weight="balanced").fit(X, y)
    other = SETClassifier(**SMALL).fit(X, y, compute_sample_weight("balanced", y))
    np.testing.assert_allclose(balanced.decision_function(X), other.decision_function(X))
    # Balanced after weighting: each class weighs the same in the end.
    totals = np.bincount(y, weights=weight)
    expected = weight * (weight.sum() / (3 * totals))[y]
    both = SETClassifier(**SMALL, class_weight="balanced").fit(X, y, weight)
    other = SETClassifier(**SMALL).fit(X, y, expected)
    np.testing.assert_allclose(both.decision_function(X), other.decision_function(X), atol=1e-8)


def test_class_weight_of_multilabel_targets():
    data, y = make_multilabel_classification(60, 7, n_classes=3, random_state=0)
    weights = [{0: 1.0, 1: 5.0}] * 3
    assert_same(
        SETClassifier(**SMALL, class_weight=weights).fit(data, y),
        SETClassifier(**SMALL).fit(data, y, compute_sample_weight(weights, y)),
    )


def test_balanced_class_weight_raises_the_minoritys_recall():
    data, y = blobs(2, 400, weights=[0.93], class_sep=0.5, flip_y=0.05)
    settings = {**SMALL, "max_iter": 15}
    plain = SETClassifier(**settings).fit(data, y)
    balanced = SETClassifier(**settings, class_weight="balanced").fit(data, y)
    recalls = [recall_score(y, m.predict(data)) for m in (plain, balanced)]
    assert recalls[1] > recalls[0] + 0.2, recalls
