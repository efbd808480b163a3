"""The methods beside SET and NPSET: their estimators, and the laws of their rules."""

import copy
import itertools
import pickle

import numpy as np
import pytest
from helpers import SHORT, check, fitted, keys_of, random_data, random_network, used_network
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import make_classification
from sklearn.feature_selection import SelectFromModel
from sklearn.neural_network import BernoulliRBM
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_set import (
    DSRClassifier,
    DSRRegressor,
    NPSETClassifier,
    SETBernoulliRBM,
    SETClassifier,
    SETFeatureSelector,
    SETRegressor,
)
from sklearn_set._evolution import (
    DROPS,
    GROWS,
    INPUT,
    Evolution,
    NeuronPruning,
    drop_magnitude,
    new_weights_rule,
)
from sklearn_set._optimizers import Optimizer
from sklearn_set._rules import (
    SCHEDULES,
    AdaptiveThreshold,
    drop_by_path,
    drop_by_sensitivity,
    grow_elsewhere,
    grow_random,
    grow_steepest,
    in_proportion,
    path_scores,
)

SMALL = {"hidden_layer_sizes": (50, 40), "mixup": 0, "random_state": 0}
ESTIMATORS = [
    DSRClassifier(**SMALL),
    DSRRegressor(**SMALL),
    # Rewired every other batch, with little room.
    DSRClassifier(**SMALL, target_fraction=0.1, rewire_every=2, initial_threshold=0.1),
    DSRRegressor(**SMALL, target_fraction=0.1, rewire_every=2, initial_threshold=0.1),
    SETClassifier(**SMALL, drop="sensitivity", grow="gradient", zeta_schedule="cosine"),
    SETRegressor(**SMALL, drop="path", grow="gradient", evolve_every=2),
    NPSETClassifier(**SMALL, alpha=0.3, beta=1, gamma=2, prune_by="strength", prune_every=2),
    SETBernoulliRBM(random_state=0),
    SETBernoulliRBM(n_components=40, epsilon=2, n_gibbs_steps=2, final_removal=True),
    SETFeatureSelector(hidden_layer_size=50, random_state=0),
]


@parametrize_with_checks(ESTIMATORS)
def test_sklearn_check(estimator, check):
    check(estimator)


# ------------------------------------------------------------------ laws of rewiring


def drop_rule(name):
    return AdaptiveThreshold(0.3) if name == "threshold" else DROPS[name]


@given(
    drop=st.sampled_from([*DROPS, "threshold"]),
    grow=st.sampled_from([grow_random, grow_elsewhere, grow_steepest]),
    redistribute=st.sampled_from([None, in_proportion]),
    new_weights=st.sampled_from(["small", "zero", "init"]),
    prune_by=st.sampled_from([None, "out_degree", "strength"]),
    prune_inputs=st.booleans(),
    schedule=st.sampled_from(list(SCHEDULES)),
    evolve_output=st.booleans(),
    zeta=st.sampled_from([0.1, 0.3, 1]),
    epsilon=st.sampled_from([0.4, 2.0, 6.0, 1000.0]),
    dtype=st.sampled_from([np.float32, np.float64]),
    budget=st.sampled_from(["shrink", "keep"]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=250)
def test_every_product_of_the_slots(
    drop, grow, redistribute, new_weights, prune_by, prune_inputs, schedule, evolve_output, zeta,
    epsilon, dtype, budget, seed,
):  # fmt: skip
    network = used_network([9, 14, 12, 3], seed, dtype=dtype, epsilon=epsilon)
    before = copy.deepcopy(network)
    layers = (INPUT, 0, 1) if prune_inputs else (0, 1)
    prune = prune_by and NeuronPruning(0.29, 1, 0, layers, by=prune_by, budget=budget)
    evolution = Evolution(
        fraction=zeta, drop=drop_rule(drop), grow=grow, redistribute=redistribute,
        new_weights=new_weights_rule(new_weights, "he_uniform"), prune=prune,
        evolve_output=evolve_output, schedule=SCHEDULES[schedule], n_epochs=10,
    )  # fmt: skip
    data = random_data(network, 20, seed)
    tracked = copy.deepcopy(evolution)
    rng = np.random.default_rng(seed)
    counts = evolution.start_epoch(1, network, rng, data, 8)

    if not prune or budget == "shrink":
        assert counts["n_dropped"] == counts["n_grown"]
    elif redistribute is None:  # a layer that has become full cannot grow them all
        places = [la.n_in * la.n_out for la in network.layers]
        kept = [min(la.nnz, free) for la, free in zip(before.layers, places)]
        assert [la.nnz for la in network.layers] == kept
    if not prune:
        assert network.n_connections == before.n_connections
        if redistribute is None:
            assert [la.nnz for la in network.layers] == [la.nnz for la in before.layers]
    else:
        assert counts["n_pruned"] == 4 + 3 + 2 * prune_inputs
        assert network.layers[0].n_in == 9 - 2 * prune_inputs
        assert network.hidden_layer_sizes == (10, 9)
    fraction = tracked.fraction_at(1)
    n_evolving = 3 if evolve_output else 2
    for number, (layer, old) in enumerate(zip(network.layers, before.layers, strict=True)):
        check(layer.connectivity)
        for name in ("weights", "first", "second", "sensitivity"):
            assert len(getattr(layer, name)) == layer.nnz
            assert getattr(layer, name).dtype == dtype
        if number >= n_evolving:
            regrown = prune and budget == "keep" and old.nnz > 0
            assert layer.newborn is None or regrown
            continue
        new = layer.newborn
        assert len(new) == layer.nnz
        assert (layer.first[new] == 0).all() and (layer.second[new] == 0).all()
        assert (layer.first[~new] > 0).all() and (layer.second[~new] > 0).all()
        if new_weights == "zero":
            assert (layer.weights[new] == 0).all()
        if drop == "sensitivity":
            assert not layer.sensitivity.any()  # a new count begins
        if prune:
            continue
        # Survivors are those that the rule marks, bit for bit; only others are new.
        keep = tracked.drop(before, number, fraction) != 0
        old_keys, keys = keys_of(old.connectivity), keys_of(layer.connectivity)
        assert_array_equal(keys[~new], old_keys[keep])
        for name in ("weights", "first", "second"):
            assert_array_equal(getattr(layer, name)[~new], getattr(old, name)[keep])
        n_free = old.n_in * old.n_out - old.nnz
        if grow is grow_elsewhere and new.sum() <= n_free:
            assert not np.isin(keys[new], old_keys).any()


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 40)), min_size=1, max_size=5),
    st.data(),
)
@settings(max_examples=200)
def test_shares_in_proportion(layers, data):
    n_kept, n_free = zip(*layers)
    n_new = data.draw(st.integers(0, sum(n_free)))
    quotas = in_proportion(n_kept, n_free, n_new)
    assert sum(quotas) == n_new
    assert all(0 <= quota <= free for quota, free in zip(quotas, n_free))
    if sum(n_kept) and all(free >= n_new for free in n_free):  # nothing overflows
        for quota, kept in zip(quotas, n_kept):
            assert abs(quota - n_new * kept / sum(n_kept)) < 1


def test_shares_that_do_not_fit():
    with pytest.raises(ValueError, match="3 connections do not fit into 2 free places"):
        in_proportion([1, 1], [1, 1], 3)


# ------------------------------------------------------------------ growth by gradient


def dense_gradients(network, data):
    """The loss gradient at all places, from a network in which all are connected."""
    sizes = [network.layers[0].n_in, *(la.n_out for la in network.layers)]
    full = random_network(sizes, epsilon=1e6, dtype=network.dtype)
    for theirs, layer in zip(full.layers, network.layers):
        theirs.weights[:] = 0
        theirs.weights[keys_of(layer.connectivity)] = layer.weights
        theirs.bias[:] = layer.bias
    return full.loss_gradient(data)[1]


@pytest.mark.parametrize("sparse_input", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(4))
def test_steepest_places_are_the_largest_of_the_dense_gradient(seed, dtype, sparse_input):
    network = used_network([13, 17, 11, 4], seed, dtype=dtype)
    data = random_data(network, 24, seed, sparse_input)
    rng = np.random.default_rng(seed)
    wanted = {}
    for number, layer in enumerate(network.layers):
        keep = (rng.random(layer.nnz) < 0.7).astype(np.uint8)
        wanted[number] = keep, int(rng.integers(1, 30))
    found = network.steepest_places(data, np.arange(24), wanted)
    for number, gradient in enumerate(dense_gradients(network, data)):
        keep, count = wanted[number]
        size = np.abs(gradient)
        size[keys_of(network.layers[number].connectivity)[keep != 0]] = -1  # not free
        order = np.lexsort((np.arange(len(size)), -size))[:count]
        expected = np.sort(order[size[order] > 0])
        # Rounding may swap places only where gradients are equal but for it.
        assert len(found[number]) == len(expected)
        assert_allclose(np.sort(size[found[number]]), np.sort(size[expected]), rtol=1e-4, atol=1e-7)
        if dtype == np.float64:
            assert_array_equal(found[number], expected)


def test_steepest_places_do_not_depend_on_threads_or_blocks():
    network = used_network([300, 400, 300, 4], 0, dtype=np.float32, epsilon=5)
    data = random_data(network, 128, 0)
    wanted = {i: (np.ones(la.nnz, dtype=np.uint8), 500) for i, la in enumerate(network.layers)}
    one, two = (network.steepest_places(data, np.arange(128), wanted, n_threads=n) for n in (1, 2))
    for number in wanted:
        assert_array_equal(one[number], two[number])


@pytest.mark.parametrize("n_samples", [24, 200])
def test_an_evolution_by_gradient_grows_the_steepest_places(n_samples):
    network = used_network([13, 17, 11, 4], 0)
    data = random_data(network, n_samples, 0)
    keeps = [drop_magnitude(network, number, 0.3) for number in range(2)]
    wanted = {number: (keep, int((keep == 0).sum())) for number, keep in enumerate(keeps)}
    # Of many samples a batch, but not less than 128, is looked at.
    rows = np.arange(24) if n_samples == 24 else np.random.default_rng(5).permutation(200)[:128]
    expected = network.steepest_places(data, rows, wanted)
    for batch_size in (3, 128):
        twin = copy.deepcopy(network)
        Evolution(fraction=0.3, grow=grow_steepest).start_epoch(
            1, twin, np.random.default_rng(5), data, batch_size
        )
        for number in wanted:
            new = keys_of(twin.layers[number].connectivity)[twin.layers[number].newborn]
            assert len(new) == wanted[number][1]
            assert np.isin(expected[number], new).all()


@pytest.mark.parametrize("drop, fraction", itertools.product(DROPS, [0.0, 0.3]))
def test_sensitivity_is_measured_only_where_it_decides(drop, fraction):
    network = used_network([13, 17, 11, 4], 0)
    for layer in network.layers:
        layer.sensitivity = None
    Evolution(fraction=fraction, drop=DROPS[drop]).begin(network, {})
    measured = [layer.sensitivity is not None for layer in network.layers]
    assert measured == [drop == "sensitivity" and fraction > 0] * 3


def test_places_without_gradient_are_filled_at_random():
    network = used_network([6, 8, 3], 0)
    layer = network.layers[0]
    keep = np.ones(layer.nnz, dtype=np.uint8)
    keep[:4] = 0
    taken = keys_of(layer.connectivity)[keep != 0]
    places = np.setdiff1d(np.arange(48), taken)[:2]
    rewiring = grow_steepest(layer, keep, 7, np.random.default_rng(0), places)
    check(rewiring.after)
    keys = keys_of(rewiring.after)
    assert_array_equal(keys[rewiring.source >= 0], taken)
    new = keys[rewiring.source < 0]
    assert len(new) == 7 and np.isin(places, new).all()
    assert_array_equal(np.flatnonzero(keep), np.sort(rewiring.source[rewiring.source >= 0]))


def test_steepest_places_check_what_they_are_given():
    network = used_network([6, 8, 3], 0)
    data = random_data(network, 5, 0)
    keep = np.ones(network.layers[0].nnz, dtype=np.uint8)
    with pytest.raises(ValueError, match="There is no layer 2"):
        network.steepest_places(data, np.arange(5), {2: (keep, 1)})
    with pytest.raises(ValueError, match="keep has"):
        network.steepest_places(data, np.arange(5), {0: (keep[1:], 1)})
    with pytest.raises(ValueError, match="order is empty"):
        network.steepest_places(data, np.arange(0), {0: (keep, 1)})


# ------------------------------------------------------------------ drop rules


@given(st.integers(0, 1000))
def test_path_scores_sum_over_all_paths(seed):
    network = used_network([4, 5, 6, 2], seed)
    matrices = []
    for layer in network.layers:
        W = np.zeros(layer.n_in * layer.n_out)
        W[keys_of(layer.connectivity)] = np.abs(layer.weights)
        matrices.append(W.reshape(layer.n_out, layer.n_in))
    for number, layer in enumerate(network.layers):
        expected = np.zeros(matrices[number].shape)
        neurons = [range(4), range(5), range(6), range(2)]
        for path in itertools.product(*neurons):
            strength = np.prod([matrices[i][path[i + 1], path[i]] for i in range(3)])
            expected[path[number + 1], path[number]] += strength
        expected = expected.ravel()[keys_of(layer.connectivity)]
        scores = path_scores(network, number)
        if expected.max(initial=0) > 0:
            assert_allclose(scores / scores.max(), expected / expected.max(), atol=1e-12)
        keep = drop_by_path(network, number, 0.3)
        n_drop = 3 * layer.nnz // 10
        assert (keep == 0).sum() == n_drop
        if n_drop > 0:
            assert scores[keep == 0].max() <= scores[keep != 0].min()


def test_path_scores_do_not_overflow():
    network = used_network([5] * 12, 0, epsilon=1000)
    for layer in network.layers:
        layer.weights[:] = 1e30
    assert np.isfinite(path_scores(network, 5)).all()


def test_sensitivity_is_summed_over_the_batches():
    network = used_network([6, 8, 3], 0)
    data = random_data(network, 30, 0)
    for layer in network.layers:
        layer.sensitivity = None
    evolution = Evolution(fraction=0.3, drop=drop_by_sensitivity)
    evolution.begin(network, {})
    _, gradients, _ = network.loss_gradient(data)
    expected = [np.abs(la.weights * g) for la, g in zip(network.layers, gradients)]
    network.start_optimizer(optimizer := Optimizer("sgd", 0.01))
    network.train_batches(data, np.arange(30), np.array([0, 30]), optimizer)
    for layer, values in zip(network.layers, expected):
        assert_allclose(layer.sensitivity, values, rtol=1e-10, atol=1e-15)
    keep = drop_by_sensitivity(network, 0, 0.3)
    assert (keep == 0).sum() == 3 * network.layers[0].nnz // 10
    assert expected[0][keep == 0].max() <= expected[0][keep != 0].min()


def test_nothing_measured_nothing_dropped():
    network = used_network([6, 8, 3], 0)
    for values in (None, np.zeros_like(network.layers[0].weights)):
        network.layers[0].sensitivity = values
        assert drop_by_sensitivity(network, 0, 0.5).all()


# ------------------------------------------------------------------ schedules and pruning


def test_schedules():
    for name, middle in (("constant", 1.0), ("linear", 0.5), ("cosine", 0.5)):
        schedule = SCHEDULES[name]
        assert schedule(0.0) == 1.0
        assert schedule(0.5) == pytest.approx(middle)
        assert schedule(1.0) == pytest.approx(0.0 if name != "constant" else 1.0)
    evolution = Evolution(fraction=0.4, schedule=SCHEDULES["linear"], n_epochs=10, every=2)
    expected = [0, 0, 0.32, 0, 0.24, 0, 0.16, 0, 0.08, 0, 0, 0, 0]
    assert_allclose([evolution.fraction_at(e) for e in range(13)], expected, atol=1e-15)


def test_intervals_and_schedules_reach_the_history(digits):
    n_dropped = fitted(SETClassifier, digits, evolve_every=2).history_["n_dropped"]
    assert [n > 0 for n in n_dropped] == [False, False, True, False, True, False]
    n_dropped = fitted(SETClassifier, digits, zeta_schedule="linear").history_["n_dropped"]
    assert n_dropped[0] == 0 and (np.diff(n_dropped[1:]) < 0).all()


@pytest.mark.parametrize(
    "options",
    [{"drop": "path"}, {"drop": "sensitivity"}, {"grow": "gradient"}, {"zeta_schedule": "cosine"}],
    ids=str,
)
def test_zeta_0_is_static_whatever_the_rules(digits, options):
    static = fitted(SETClassifier, digits, zeta=0)
    other = fitted(SETClassifier, digits, zeta=0, **options)
    for a, b in zip(static.coefs_, other.coefs_):
        assert_array_equal(a.indices, b.indices)
        assert_array_equal(a.data, b.data)


@pytest.mark.parametrize("drop, grow", list(itertools.product(DROPS, GROWS)))
def test_drop_and_grow_of_the_estimators(digits, drop, grow):
    X, y = digits
    model = fitted(SETClassifier, digits, drop=drop, grow=grow, max_iter=20)
    assert model.score(X[400:], y[400:]) > 0.6
    assert len(set(model.history_["n_connections"])) == 1
    assert model._network.layers[0].sensitivity is None  # a fitted model is small
    again = fitted(SETClassifier, digits, drop=drop, grow=grow, max_iter=20, n_jobs=2)
    assert_array_equal(model.predict_proba(X[400:]), again.predict_proba(X[400:]))
    assert_array_equal(
        pickle.loads(pickle.dumps(model)).predict_proba(X[400:]), model.predict_proba(X[400:])
    )


@pytest.mark.parametrize("cls", [SETClassifier, DSRClassifier])
def test_continued_fits_are_one_fit(digits, cls):
    X, y = digits
    options = {"tol": 0.0}
    if cls is SETClassifier:
        options |= {"drop": "sensitivity", "grow": "gradient"}
    else:
        options |= {"rewire_every": 7, "target_fraction": 0.05}
    whole = fitted(cls, digits, **options, max_iter=8)
    parts = cls(**SHORT, **options, max_iter=4, warm_start=True)
    for _ in range(2):
        parts.fit(X[:400], y[:400])
    assert_array_equal(whole.predict_proba(X), parts.predict_proba(X))
    assert whole.history_["n_dropped"] == parts.history_["n_dropped"]


def test_early_stopping_with_sensitivity(digits):
    model = fitted(
        SETClassifier, digits, drop="sensitivity", early_stopping=True, n_iter_no_change=2,
        max_iter=40,
    )  # fmt: skip
    assert model.n_iter_ < 40


def test_sparse_samples_grow_the_same_connections(digits):
    X, y = digits
    dense = fitted(SETClassifier, digits, grow="gradient", dtype="float64")
    model = SETClassifier(**SHORT, max_iter=6, grow="gradient", dtype="float64")
    model.fit(sparse.csr_array(X[:400]), y[:400])
    for a, b in zip(dense.coefs_, model.coefs_):
        assert_array_equal(a.indices, b.indices)
        assert_allclose(a.data, b.data, rtol=1e-9)


def test_pruning_by_strength_removes_the_weakest():
    network = used_network([9, 14, 12, 3], 0)
    layer = network.layers[0]
    strength = layer.connectivity.in_strength(layer.weights)
    bias = layer.bias.copy()
    pruning = NeuronPruning(0.3, 2, 5, (0,), by="strength", every=3)
    assert [epoch for epoch in range(12) if pruning.is_due(epoch)] == [2, 5]
    assert pruning.last_epoch == 5
    assert pruning.prune_hidden(network) == 4
    stay = np.sort(np.argsort(strength, kind="stable")[4:])
    assert_array_equal(network.layers[0].bias, bias[stay])


def test_a_budget_that_is_kept_grows_among_those_that_stay(digits):
    pruned = {"alpha": 0.2, "beta": 1, "gamma": 3, "max_iter": 8, "epsilon": 3}
    shrinks = fitted(NPSETClassifier, digits, **pruned)
    keeps = fitted(NPSETClassifier, digits, **pruned, budget="keep")
    assert shrinks.hidden_layer_sizes_ == keeps.hidden_layer_sizes_
    first = [model.history_["n_connections_0"] for model in (shrinks, keeps)]
    assert first[0][-1] < 0.7 * first[0][0] and first[1][-1] == first[1][0]
    assert sum(keeps.history_["n_dropped"]) >= sum(keeps.history_["n_grown"])


def test_the_paper_pruned_41_times(digits):
    assert NeuronPruning(0.04, 10, 40, (0,)).last_epoch == 50
    model = fitted(
        NPSETClassifier, digits, alpha=0.2, beta=1, gamma=4, prune_every=2, prune_by="strength",
        max_iter=8,
    )  # fmt: skip
    assert [n > 0 for n in model.history_["n_pruned"]] == [False, True] * 3 + [False] * 2
    assert model.hidden_layer_sizes_ == (32, 21)


# ------------------------------------------------------------------ DSR


def test_dsr_keeps_the_total_and_moves_the_layers(digits):
    model = fitted(
        DSRClassifier, digits, max_iter=40, rewire_every=5, target_fraction=0.03,
        n_iter_no_change=np.inf,
    )  # fmt: skip
    history = model.history_
    assert len(set(history["n_connections"])) == 1
    assert model.n_connections_ == history["n_connections"][0]
    moved = [history[f"n_connections_{i}"][-1] - history[f"n_connections_{i}"][0] for i in range(3)]
    assert max(np.abs(moved)) > 20
    threshold = np.array(history["threshold"])
    assert len(threshold) == 40 and (threshold > 0).all()
    assert_array_equal(np.log2(threshold / 0.001) % 1, 0)  # doubled and halved
    # 13 steps an epoch, a rewiring at each multiple of 5; it settles near the target.
    n_rewirings = (40 * 13 - 1) // 5
    dropped = sum(history["n_dropped"]) / n_rewirings / model.n_connections_
    assert 0.01 < dropped < 0.06
    X, y = digits
    assert model.score(X[400:], y[400:]) > 0.8


def test_dsr_rewires_after_the_steps_it_was_told(digits):
    X, y = digits
    model = DSRClassifier(
        **SHORT, max_iter=3, batch_size=100, rewire_every=5, initial_threshold=10.0
    ).fit(X[:400], y[:400])
    # Steps 0-3, 4-7, 8-11: before step 5 and before step 10; all but one a layer go.
    n_dropped = model.history_["n_dropped"]
    assert n_dropped == [0, model.n_connections_ - 3, model.n_connections_ - 3]
    assert model.history_["threshold"] == [10, 5, 2.5]


def test_dsr_without_a_target_is_static(digits):
    model = fitted(DSRClassifier, digits, target_fraction=0, rewire_every=2)
    same = {name: getattr(model, name) for name in ("weight_decay", "decay_rule", "mixup")}
    static = fitted(SETClassifier, digits, zeta=0, **same)
    assert_array_equal(model.coefs_[0].data, static.coefs_[0].data)


def test_threshold_adapts():
    drop = AdaptiveThreshold(1.0)
    for n_dropped, expected in ((9, 1.0), (11, 1.0), (8, 2.0), (0, 4.0), (12, 2.0), (100, 1.0)):
        drop.adapt(n_dropped, 1000, 0.01)
        assert drop.value == expected


def test_dsr_keeps_one_connection_a_layer():
    network = used_network([9, 14, 12, 3], 0)
    for number, layer in enumerate(network.layers):
        keep = AdaptiveThreshold(1e9)(network, number, 0.1)
        assert_array_equal(np.flatnonzero(keep), [np.abs(layer.weights).argmax()])


# ------------------------------------------------------------------ SET-RBM


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


def test_attributes_before_fit():
    with pytest.raises(AttributeError, match="not fitted yet"):
        _ = SETBernoulliRBM().components_


# ------------------------------------------------------------------ feature selection


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


def test_steepest_growth_where_nothing_was_kept():
    network = used_network([5, 4, 3], 0)
    layer = network.layers[0]
    nothing = np.zeros(layer.nnz, dtype=np.uint8)
    rng = np.random.default_rng(0)
    rewiring = grow_steepest(layer, nothing, 7, rng, np.empty(0, dtype=np.int64))
    assert rewiring.after.nnz == 7
    assert_array_equal(rewiring.source, np.full(7, -1))
