"""Mixup, and noise from within classes."""

from itertools import pairwise

import numpy as np
import pytest
from helpers import random_network
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.stats import chisquare

from sklearn_set import SETClassifier
from sklearn_set._data import Data
from sklearn_set._losses import Loss
from sklearn_set._mixtures import Mixtures, noise_for
from sklearn_set._optimizers import Optimizer
from sklearn_set._training import Generators, batch_starts

SMALL = {"hidden_layer_sizes": (30, 20), "epsilon": 8, "max_iter": 12, "conditioning": None,
    "select_inputs": False, "shrinkage": 0, "random_state": 0,
}  # fmt: skip


def generators(seed):
    streams = Generators.spawn(seed)
    return streams.mixup, streams.noise


def draw(mixtures, seed, n_batches=1):
    """Partners, shares, and the batches as parts of an order."""
    order = np.random.default_rng(seed).permutation(mixtures.n)
    starts = batch_starts(mixtures.n, -(-mixtures.n // n_batches))
    partners, shares = mixtures.draw(order, starts, *generators(seed))
    return partners, shares, order, starts


WITHIN_BATCHES = pytest.mark.parametrize("as_sparse", [False, True])


def samples(n, as_sparse, *labels):
    X = np.zeros((n, 2))
    return Data(sparse.csr_array(X) if as_sparse else X, np.float64, *labels)


@WITHIN_BATCHES
def test_mixup_draws_each_partner_once_without_weights(as_sparse):
    mixtures = Mixtures(samples(48, as_sparse), 0.5)
    drawn = []
    for seed in range(200):
        (partners,), (mix, rest), order, starts = draw(mixtures, seed, 4)
        assert_array_equal(starts, [0, 12, 24, 36, 48])
        for begin, end in pairwise(starts if as_sparse else [0, 48]):
            assert_array_equal(np.sort(partners[begin:end]), np.sort(order[begin:end]))
        drawn.append(np.argmax(order == partners[0]))
        assert ((mix >= 0) & (mix <= 1)).all() and mix.std() > 0.2
        assert_array_equal(rest, 1 - mix)
    assert chisquare(np.bincount(drawn, minlength=12 if as_sparse else 48)).pvalue > 0.001


@WITHIN_BATCHES
def test_mixup_draws_partners_in_proportion_to_weights(as_sparse):
    weight = np.array([0.0, 1.0, 3.0] * 2000)
    data = samples(6000, as_sparse, Loss("squared_error"), np.zeros((6000, 1)), weight)
    (partners,), _, order, starts = draw(Mixtures(data, 1.0), 0, 300)
    counts = np.bincount(np.arange(6000)[partners] % 3, minlength=3) / 6000
    assert_allclose(counts, [0, 0.25, 0.75], atol=0.03)
    inside = [
        np.isin(partners[begin:end], order[begin:end]).all() for begin, end in pairwise(starts)
    ]
    assert all(inside) is as_sparse


def test_a_batch_of_one_sample_or_without_weight_is_drawn():
    for weight in (None, np.array([1.0, 0.0, 0.0])):
        data = samples(3, True, Loss("squared_error"), np.zeros((3, 1)), weight)
        (partners,), _, order, _ = draw(Mixtures(data, 1.0), 0, 3)
        assert_array_equal(partners, order)


@pytest.mark.parametrize("as_sparse", [False, True])
@pytest.mark.parametrize("kind", ["labels", "values"])
def test_mixed_samples_train_as_the_mixtures_themselves(kind, as_sparse):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 5)) * (rng.random((12, 5)) < 0.6)
    values = np.eye(3)[rng.integers(0, 3, 12)]
    weight = rng.uniform(0.5, 2, 12)
    partners, mix = rng.integers(0, 12, (3, 12)), rng.random((12, 1))
    noise = rng.normal(size=(12, 1))
    mixed_X = mix * X + (1 - mix) * X[partners[0]] + noise * (X[partners[1]] - X[partners[2]])
    mixed_values = mix * values + (1 - mix) * values[partners[0]]
    shares = np.hstack([mix, 1 - mix, noise, -noise]).T.copy()
    name = "softmax_log_loss" if kind == "labels" else "squared_error"
    target = values.argmax(axis=1) if kind == "labels" else values

    def trained(X, target, **mixture):
        network = random_network([5, 8, 3], 1, epsilon=4, activation="tanh")
        optimizer = Optimizer("sgd", 0.1)
        network.start_optimizer(optimizer)
        X = sparse.csr_array(X) if as_sparse else X
        data = Data(X, np.float64, Loss(name), target, weight)
        starts = np.array([0, 12])
        network.train_batches(data, np.arange(12), starts, optimizer, **mixture)
        return network

    mixed = trained(X, target, partners=partners, shares=shares)
    # A mixture of labels is a target of values, which the softmax head takes too.
    expected = trained(mixed_X, mixed_values)
    for a, b in zip(mixed.layers, expected.layers):
        assert_allclose(a.weights, b.weights, rtol=1e-10)
        assert_allclose(a.bias, b.bias, rtol=1e-10, atol=1e-14)


def test_mixup_has_its_own_stream():
    five = [np.random.Generator(np.random.PCG64(s)) for s in np.random.SeedSequence(5).spawn(5)]
    streams = Generators.spawn(5)
    names = ("init", "shuffle", "evolution", "dropout", "mixup")
    assert [getattr(streams, n).random() for n in names] == [g.random() for g in five]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("multilabel", [False, True])
def test_noise_is_the_difference_of_two_samples_of_a_class(multilabel, weighted):
    rng = np.random.default_rng(0)
    label = rng.choice(5, size=4000, p=[0.5, 0.3, 0.1, 0.0995, 0.0005])
    names = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0], [1, 1, 1], [0, 0, 0]], float)
    target = names[label] if multilabel else label.astype(np.int32)
    weight = rng.choice([0.0, 1.0, 3.0], size=4000) if weighted else None
    loss = Loss("multilabel_log_loss" if multilabel else "softmax_log_loss")
    mixtures = Mixtures(Data(np.zeros((4000, 1)), np.float64, loss, target, weight), 1.0, 0.5)
    drawn = [draw(mixtures, seed) for seed in range(20)]
    partners, shares = (np.stack([d[i] for d in drawn]) for i in (0, 1))
    one, other = partners[:, 1].ravel(), partners[:, 2].ravel()
    assert_array_equal(label[one], label[other])
    given = np.ones(4000) if weight is None else weight
    by_class = np.bincount(label, given, minlength=5) / given.sum()
    for drawn_rows in (one, other):
        assert_allclose(np.bincount(label[drawn_rows], minlength=5) / 80000, by_class, atol=0.01)
        counts = np.bincount(drawn_rows, minlength=4000)
        assert_array_equal(counts > 0, given > 0)
        if weighted:
            assert counts[given == 3].mean() == pytest.approx(
                3 * counts[given == 1].mean(), rel=0.05
            )
    assert abs(np.corrcoef(one[label[one] == 0], other[label[one] == 0])[0, 1]) < 0.02
    assert_allclose(shares[:, 0] + shares[:, 1], 1)
    length = shares[:, 2]
    assert_array_equal(shares[:, 3], -length)
    assert length.mean() == pytest.approx(0, abs=0.01)
    assert length.std() == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("as_sparse", [False, True])
def test_automatic_noise_follows_classes_and_distinct_samples(as_sparse):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 3)) * (rng.random((12, 3)) < 0.6)
    X[:2] = [[0, 1, 0], [1, 0, 0]]
    y, weight = (np.arange(12) % 4).astype(np.int32), np.array([1, 2, 3, 0] * 3)

    def noise(X, y, weight=None):
        X = sparse.csr_array(X) if as_sparse else X
        return noise_for(Data(X, np.float64, Loss("softmax_log_loss"), y, weight))

    distinct = np.unique(X, axis=0)
    assert noise(X, y) == pytest.approx(np.sqrt(6 / (6 + len(distinct))))
    assert noise(X.repeat(3, axis=0), y.repeat(3)) == noise(X, y)
    # Without weight neither a sample nor its class is there.
    weighted = noise(X, y, weight.astype(float))
    assert weighted == noise(X.repeat(weight, axis=0), y.repeat(weight)) < noise(X, y)
    assert noise(X, y % 2) == 0
    many = rng.normal(size=(700, 3))
    assert noise(many, np.arange(700, dtype=np.int32) % 4) == 0  # 0.09
    assert noise(many[:500], np.arange(500, dtype=np.int32) % 4) > 0.1
    several = Data(X, np.float64, Loss("multilabel_log_loss"), np.eye(4)[y])
    assert noise_for(several) == 0


def test_two_classes_need_no_look_at_the_rows(monkeypatch):
    """To tell equal rows takes longer than all else that is done before training."""
    monkeypatch.setattr("sklearn_set._mixtures.distinct_rows", None)
    y = np.arange(6, dtype=np.int32) % 2
    assert noise_for(Data(np.ones((6, 2)), np.float64, Loss("binary_log_loss"), y)) == 0


def test_automatic_noise_is_for_fit(samples, monkeypatch):
    used = []

    class Watched(Mixtures):
        def __init__(self, data, mixup, noise):
            used.append(noise)
            super().__init__(data, mixup, noise)

    monkeypatch.setattr("sklearn_set._classification.Mixtures", Watched)
    model = SETClassifier(**SMALL).fit(*samples)
    model.partial_fit(*samples)
    SETClassifier(**SMALL, mixup_noise=0.7).fit(*samples).partial_fit(*samples)
    assert used == [np.sqrt(2 / (2 + 90)), 0.0, 0.7, 0.7]


def test_noise_without_a_second_sample_of_a_class_is_none():
    target = np.arange(6, dtype=np.int32)
    data = Data(np.zeros((6, 1)), np.float64, Loss("softmax_log_loss"), target)
    (_, one, other), *_ = draw(Mixtures(data, 1.0, 1.0), 0)
    assert_array_equal(one, other)


def test_noise_teaches_indifference_to_differences_within_classes():
    """Few rows, a weak effect on all features and strong ones that have nothing to do with y."""
    rng = np.random.default_rng(0)
    effects, others = 0.4 * rng.choice([-1, 1], (3, 200)), 4 * rng.normal(size=(5, 200))

    def table(n):
        y = np.arange(n) % 3
        X = rng.normal(size=(n, 200)) + effects[y]
        return X + rng.normal(size=(n, 5)) @ others, y

    train, test = table(40), table(400)

    def score(noise):
        parameters = {
            "epsilon": 10,
            "max_iter": 60,
            "mixup_noise": noise,
            "conditioning": None,
            "shrinkage": 0,
            "weight_decay": 0.02,
        }
        models = [SETClassifier((30,), **parameters, random_state=seed) for seed in range(5)]
        return np.mean([model.fit(*train).score(*test) for model in models])

    assert score(1.0) > score(0.0) + 0.02


def test_mixup_changes_the_model_and_keeps_the_topology_of_the_start(samples):
    with_mixup = SETClassifier(**SMALL, zeta=0.0).fit(*samples)
    without = SETClassifier(**SMALL, zeta=0.0, mixup=0).fit(*samples)
    assert_array_equal(with_mixup.coefs_[0].indices, without.coefs_[0].indices)
    assert not np.array_equal(with_mixup.coefs_[0].data, without.coefs_[0].data)


@pytest.mark.parametrize("n_classes", [2, 3])  # without and with noise from within classes
def test_weighted_and_repeated_samples_give_the_same_distribution_of_models(n_classes):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(15, 6)), np.arange(15) % n_classes
    weight = rng.integers(0, 4, 15)
    X_repeated, y_repeated = X.repeat(weight, axis=0), y.repeat(weight)
    parameters = {**SMALL, "batch_size": 64, "max_iter": 30}

    def probabilities(X_fit, y_fit, weight=None):
        return np.array(
            [
                SETClassifier(**{**parameters, "random_state": seed})
                .fit(X_fit, y_fit, sample_weight=weight)
                .predict_proba(X)[:, 1]
                for seed in range(60)
            ]
        )

    weighted, repeated = probabilities(X, y, weight), probabilities(X_repeated, y_repeated)
    unweighted = probabilities(X, y)
    error = np.sqrt((weighted.var(axis=0) + repeated.var(axis=0)) / 60)
    assert (np.abs(weighted.mean(axis=0) - repeated.mean(axis=0)) < 4.5 * error).all()
    assert (np.abs(weighted.mean(axis=0) - unweighted.mean(axis=0)) > 4.5 * error).any()


def test_mixup_learns_multilabel_targets_and_balanced_classes(samples):
    X, y = samples
    labels = np.column_stack([y == 0, y == 1]).astype(int)
    assert SETClassifier(**SMALL).fit(X, labels).predict_proba(X).shape == (90, 2)
    SETClassifier(**SMALL, class_weight="balanced").fit(X, y)
