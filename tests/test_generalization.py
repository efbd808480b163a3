"""Mixup, weight averaging, pruning of inputs, and scaling of regression targets."""

import pickle
import tracemalloc

import numpy as np
import pytest
from helpers import assert_same, random_network
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_classification, make_friedman1, make_regression
from sklearn.feature_selection import f_classif, f_regression

from sklearn_set import (
    NPSETClassifier,
    SETClassifier,
    SETRegressor,
    SparseMLPClassifier,
    SparseMLPRegressor,
)
from sklearn_set._evolution import Evolution
from sklearn_set._losses import Loss
from sklearn_set._mixtures import Mixtures, noise_for
from sklearn_set._network import Data
from sklearn_set._optimizers import Optimizer
from sklearn_set._relevance import null_fraction
from sklearn_set._training import Course, Streams, train
from sklearn_set.presets import PAPER_NPSET, PAPER_SET

SMALL = {"hidden_layer_sizes": (30, 20), "epsilon": 8, "max_iter": 12, "random_state": 0}


# ---------------------------------------------------------------- mixup


def generators(seed):
    streams = Streams.spawn(seed)
    return streams.mixup, streams.noise


def test_mixup_draws_each_partner_once_without_weights():
    data = Data(np.zeros((50, 2)), np.float64)
    (partners,), (mix, rest) = Mixtures(data, 0.5).draw(*generators(0))
    assert_array_equal(np.sort(partners), np.arange(50))
    assert ((mix >= 0) & (mix <= 1)).all() and mix.std() > 0.2
    assert_array_equal(rest, 1 - mix)


def test_mixup_draws_partners_in_proportion_to_weights():
    weight = np.array([0.0, 1.0, 3.0] * 2000)
    loss = Loss("squared_error")
    data = Data(np.zeros((6000, 2)), np.float64, loss, np.zeros((6000, 1)), weight)
    (partners,), _ = Mixtures(data, 1.0).draw(*generators(0))
    counts = np.bincount(np.arange(6000)[partners] % 3, minlength=3) / 6000
    assert_allclose(counts, [0, 0.25, 0.75], atol=0.03)


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
    streams = Streams.spawn(5)
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
    drawn = [mixtures.draw(*generators(seed)) for seed in range(20)]
    partners = np.stack([partners for partners, _ in drawn])
    shares = np.stack([shares for _, shares in drawn])
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
    (_, one, other), _ = Mixtures(data, 1.0, 1.0).draw(*generators(0))
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
        parameters = {"epsilon": 10, "max_iter": 60, "mixup_noise": noise}
        models = [SETClassifier((30,), **parameters, random_state=seed) for seed in range(5)]
        return np.mean([model.fit(*train).score(*test) for model in models])

    assert score(1.0) > score(0.0) + 0.03


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


# ---------------------------------------------------------------- averaging


def test_average_is_the_mean_over_the_last_epochs():
    rng = np.random.default_rng(0)
    X, target = rng.normal(size=(40, 4)), rng.integers(0, 3, 40).astype(np.int32)
    data = Data(X, np.float64, Loss("softmax_log_loss"), target)

    def trained(n_epochs, averaging):
        streams = Streams.spawn(0)
        network = random_network([4, 10, 3], streams.init, epsilon=5)
        optimizer = Optimizer("adam", 0.01)
        network.start_optimizer(optimizer)
        course = Course()
        arguments = (network, data, optimizer, Evolution(), streams, course)
        train(*arguments, n_epochs=n_epochs, batch_size=10, averaging=averaging)
        return network

    ends = [trained(n, 0.0) for n in (8, 9, 10)]
    average = trained(10, 0.3)
    for number, layer in enumerate(average.layers):
        expected = np.mean([end.layers[number].weights for end in ends], axis=0)
        assert_allclose(layer.weights, expected, rtol=1e-12)


def test_the_least_share_is_the_last_epoch(samples):
    dropped = SETClassifier(**SMALL, averaging=0.001).fit(*samples).history_["n_dropped"]
    assert dropped[-2] > 0 and dropped[-1] == 0


def test_topology_rests_while_weights_are_averaged(samples):
    history = SETClassifier(**SMALL, averaging=0.5).fit(*samples).history_
    assert all(n > 0 for n in history["n_dropped"][1:6])
    assert history["n_dropped"][6:] == [0] * 6


def test_averaging_waits_for_the_last_pruning(samples):
    pruning = {"alpha": 0.1, "beta": 2, "gamma": 6}
    model = NPSETClassifier(**SMALL, **pruning, averaging=0.9).fit(*samples)
    last = NPSETClassifier(**SMALL, **pruning, averaging=0.0).fit(*samples)
    assert model.hidden_layer_sizes_ == last.hidden_layer_sizes_
    assert [n > 0 for n in model.history_["n_dropped"]] == [False] + [True] * 8 + [False] * 3


def test_held_out_scores_while_averaging_are_those_of_the_average(samples):
    X, y = samples
    model = SETClassifier(**SMALL).fit(X, y, X_val=X, y_val=y)
    assert model.validation_scores_[-1] == model.score(X, y)


def test_early_stopping_keeps_the_best_network_without_averaging(samples):
    X, y = samples
    parameters = {**SMALL, "early_stopping": True, "n_iter_no_change": 4}
    model = SETClassifier(**parameters).fit(X, y, X_val=X, y_val=y)
    assert model.score(X, y) == max(model.validation_scores_)


def test_warm_start_averages_over_each_fit(samples):
    model = SETClassifier(**SMALL, warm_start=True, averaging=0.25).fit(*samples).fit(*samples)
    rest = [n == 0 for n in model.history_["n_dropped"]]
    assert rest == [True] + [False] * 8 + [True] * 3 + [False] * 9 + [True] * 3


# ------------------------------------------------------- pruning of inputs

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


# ------------------------------------------------- which features look irrelevant


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


# -------------------------------------------------------- targets of regression


def test_the_unit_of_the_target_does_not_matter():
    X, y = make_regression(80, 10, random_state=0)
    a = SETRegressor(**SMALL).fit(X, y).predict(X)
    b = SETRegressor(**SMALL).fit(X, 1000 * y + 5).predict(X)
    assert_allclose(b, 1000 * a + 5, rtol=1e-6, atol=1e-6 * 1000 * y.std())


def test_poisson_scales_by_the_mean_and_stays_positive():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 5))
    y = 500 * np.exp(X[:, 0])
    model = SETRegressor(**{**SMALL, "max_iter": 60}, loss="poisson").fit(X, y)
    predicted = model.predict(X)
    assert (predicted > 0).all() and np.corrcoef(predicted, y)[0, 1] > 0.8


def test_constant_and_several_targets():
    X, y = make_regression(60, 8, n_targets=3, random_state=0)
    y[:, 1] = 7.0
    predicted = SETRegressor(**{**SMALL, "max_iter": 80}).fit(X, y).predict(X)
    assert predicted.shape == (60, 3)
    assert_allclose(predicted[:, 1], 7.0, atol=1.5)


def test_sample_weights_enter_the_scale():
    X, y = make_regression(40, 5, random_state=0)
    weight = np.arange(40) % 3
    weighted = SETRegressor(**SMALL, mixup=0).fit(X, y, sample_weight=weight)
    repeated = SETRegressor(**SMALL, mixup=0).fit(X.repeat(weight, axis=0), y.repeat(weight))
    assert_allclose(weighted._target_offset, repeated._target_offset)
    assert_allclose(weighted._target_scale, repeated._target_scale)


def test_later_chunks_keep_the_scale_of_the_first():
    X, y = make_regression(60, 5, random_state=0)
    model = SETRegressor(**SMALL).partial_fit(X[:30], y[:30])
    scale = model._target_scale
    assert_array_equal(model.partial_fit(X[30:], 10 * y[30:])._target_scale, scale)


def test_scale_target_can_be_switched_off():
    X, y = make_regression(60, 5, random_state=0)
    model = SETRegressor(**SMALL, scale_target=False).fit(X, y)
    assert model._target_offset == 0 and model._target_scale == 1


# ------------------------------------------------------------------ presets


@pytest.mark.parametrize("preset", [PAPER_SET, PAPER_NPSET])
def test_presets_switch_the_new_mechanisms_off(preset):
    assert preset["mixup"] == 0 and preset["averaging"] == 0


def test_a_good_share_of_newborn_connections_outlives_the_next_rewiring_by_default(samples):
    X, y = samples
    history = SETClassifier(random_state=0, n_jobs=1).fit(X.astype(np.float32), y).history_
    grown, survived = np.array(history["n_grown"]), np.array(history["n_survived"])
    assert survived.sum() > 0.1 * grown[:-1].sum()
