"""The rules of rewiring: which connections are dropped, where new ones grow, how many."""

import itertools
import pickle

import numpy as np
import pytest
from helpers import (
    SHORT,
    check,
    fitted,
    keys_of,
    loss_gradient,
    random_data,
    random_network,
    used_network,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse, stats

from sklearn_set import DSRClassifier, SETClassifier
from sklearn_set._amounts import SCHEDULES, in_proportion
from sklearn_set._evolution import Evolution
from sklearn_set._optimizers import Optimizer
from sklearn_set._paths import draw_ends_of_three
from sklearn_set._topology import Connectivity, erdos_renyi
from sklearn_set._training import Generators, Learner, train
from sklearn_set.rules import (
    DROPS,
    GROWS,
    DropDeadEnds,
    DropMagnitude,
    DropRelativeSensitivity,
    DropSensitivity,
    DropWeakestPaths,
    DropWeakInputs,
    GrowCannistraciHebb,
    GrowSteepest,
    GrowStrongestPaths,
    Site,
)

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
        scores = DropWeakestPaths().scores(network, number)
        if expected.max(initial=0) > 0:
            assert_allclose(scores / scores.max(), expected / expected.max(), atol=1e-12)
        keep = DropWeakestPaths().keep(network, number, 0.3)
        n_drop = 3 * layer.nnz // 10
        assert (keep == 0).sum() == n_drop
        if n_drop > 0:
            assert scores[keep == 0].max() <= scores[keep != 0].min()


def test_path_scores_do_not_overflow():
    network = used_network([5] * 12, 0, epsilon=1000)
    for layer in network.layers:
        layer.weights[:] = 1e30
    assert np.isfinite(DropWeakestPaths().scores(network, 5)).all()


def test_sensitivity_is_summed_over_the_batches():
    network = used_network([6, 8, 3], 0)
    data = random_data(network, 30, 0)
    for layer in network.layers:
        layer.sensitivity = None
    evolution = Evolution(fraction=0.3, drop=DropSensitivity())
    evolution.begin(network, n_batches=1)
    _, gradients, _ = loss_gradient(network, data)
    expected = [np.abs(la.weights * g) for la, g in zip(network.layers, gradients)]
    network.start_optimizer(optimizer := Optimizer("sgd", 0.01))
    network.train_batches(data, np.arange(30), np.array([0, 30]), optimizer)
    for layer, values in zip(network.layers, expected):
        assert_allclose(layer.sensitivity, values, rtol=1e-10, atol=1e-15)
    keep = DropSensitivity().keep(network, 0, 0.3)
    assert (keep == 0).sum() == 3 * network.layers[0].nnz // 10
    assert expected[0][keep == 0].max() <= expected[0][keep != 0].min()


def test_nothing_measured_nothing_dropped():
    network = used_network([6, 8, 3], 0)
    for values in (None, np.zeros_like(network.layers[0].weights)):
        network.layers[0].sensitivity = values
        assert DropSensitivity().keep(network, 0, 0.5).all()


@pytest.mark.parametrize("drop, fraction", itertools.product(DROPS, [0.0, 0.3]))
def test_sensitivity_is_measured_only_where_it_decides(drop, fraction):
    network = used_network([13, 17, 11, 4], 0)
    for layer in network.layers:
        layer.sensitivity = None
    Evolution(fraction=fraction, drop=DROPS[drop]()).begin(network, n_batches=1)
    measured = [layer.sensitivity is not None for layer in network.layers]
    assert measured == [drop.endswith("sensitivity") and fraction > 0] * 3


def test_relative_sensitivity():
    network = used_network([6, 8, 3], 0)
    layer = network.layers[0]
    layer.weights[:] += np.sign(layer.weights) + 0.1
    layer.weights[:3] = [0, -2, 1e-200]
    layer.sensitivity = np.random.default_rng(0).random(layer.nnz).astype(layer.weights.dtype)
    layer.sensitivity[1] = 1e-3
    with np.errstate(all="raise", under="ignore"):
        scores = DropRelativeSensitivity().scores(network, 0)
    gradients = layer.sensitivity[3:] / np.abs(layer.weights[3:])
    assert_allclose(scores[3:], gradients / np.abs(layer.weights[3:]), rtol=1e-6)
    assert_array_equal(scores[[0, 2]], np.inf)
    assert DropRelativeSensitivity().keep(network, 0, 1.5 / layer.nnz).argmin() == 1


@given(st.integers(0, 1000))
def test_dead_ends_are_what_removal_in_turn_leaves(seed):
    """Neurons without inputs or outputs leave until there are none."""
    network = used_network([4, 9, 8, 3], seed, epsilon=1)
    for number in range(3):
        keeps = [DropMagnitude().keep(network, n, 0.3 if n in (0, 1, number) else 0) != 0
                 for n in range(3)]  # fmt: skip
        masks = []
        for layer, keep in zip(network.layers, keeps):
            mask = np.zeros(layer.n_in * layer.n_out, dtype=bool)
            mask[keys_of(layer.connectivity)[keep]] = True
            masks.append(mask.reshape(layer.n_out, layer.n_in))
        while True:
            before = [mask.sum() for mask in masks]
            for into, out in itertools.pairwise(masks):
                dead = ~into.any(axis=1) | ~out.any(axis=0)
                into[dead], out[:, dead] = False, False
            if before == [mask.sum() for mask in masks]:
                break
        keep = DropDeadEnds().keep(network, number, 0.3)
        expected = masks[number].ravel()[keys_of(network.layers[number].connectivity)]
        assert_array_equal(keep, expected)


@given(st.integers(0, 1000))
def test_the_weakest_inputs_lose_all_connections(seed):
    network = used_network([12, 9, 3], seed, epsilon=1)
    layer = network.layers[0]
    read = set(layer.indices.tolist())
    by_strength = sorted(read, key=lambda i: np.abs(layer.weights[layer.indices == i]).sum())
    weakest = by_strength[: 3 * len(read) // 10]
    expected = DropMagnitude().keep(network, 0, 0.3) * ~np.isin(layer.indices, weakest)
    assert_array_equal(DropWeakInputs().keep(network, 0, 0.3), expected)
    assert_array_equal(
        DropWeakInputs().keep(network, 1, 0.3), DropMagnitude().keep(network, 1, 0.3)
    )


# ------------------------------------------------------------------ growth by gradient


def dense_gradients(network, data):
    """The loss gradient at all places, from a network in which all are connected."""
    sizes = [network.layers[0].n_in, *(la.n_out for la in network.layers)]
    full = random_network(sizes, epsilon=1e6, dtype=network.dtype)
    for theirs, layer in zip(full.layers, network.layers):
        theirs.weights[:] = 0
        theirs.weights[keys_of(layer.connectivity)] = layer.weights
        theirs.bias[:] = layer.bias
    return loss_gradient(full, data)[1]


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
    keeps = [DropMagnitude().keep(network, number, 0.3) for number in range(2)]
    wanted = {number: (keep, int((keep == 0).sum())) for number, keep in enumerate(keeps)}
    # Of many samples a batch, but not less than 128, is looked at.
    rows = np.arange(24) if n_samples == 24 else np.random.default_rng(5).permutation(200)[:128]
    expected = network.steepest_places(data, rows, wanted)
    for batch_size in (3, 128):
        twin = network.copy()
        optimizer = Optimizer("sgd", 1e-300, momentum=0)  # steps that change nothing
        twin.start_optimizer(optimizer)
        generators = Generators.spawn(0)
        generators.evolution = np.random.default_rng(5)
        learner = Learner(twin, optimizer, Evolution(0.3, grow=GrowSteepest()), generators)
        learner.progress.epoch = 1
        train(learner, data, n_epochs=1, batch_size=batch_size)
        for number in wanted:
            new = keys_of(twin.layers[number].connectivity)[twin.layers[number].newborn]
            assert len(new) == wanted[number][1]
            assert np.isin(expected[number], new).all()


def test_places_without_gradient_are_filled_at_random():
    network = used_network([6, 8, 3], 0)
    layer = network.layers[0]
    keep = np.ones(layer.nnz, dtype=np.uint8)
    keep[:4] = 0
    taken = keys_of(layer.connectivity)[keep != 0]
    places = np.setdiff1d(np.arange(48), taken)[:2]
    site = Site(network, 0, keep, 7, np.random.default_rng(0), places)
    rewiring = GrowSteepest().rewiring(site)
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


def test_steepest_growth_where_nothing_was_kept():
    network = used_network([5, 4, 3], 0)
    layer = network.layers[0]
    nothing = np.zeros(layer.nnz, dtype=np.uint8)
    rng = np.random.default_rng(0)
    site = Site(network, 0, nothing, 7, rng, np.empty(0, dtype=np.int64))
    rewiring = GrowSteepest().rewiring(site)
    assert rewiring.after.nnz == 7
    assert_array_equal(rewiring.source, np.full(7, -1))


# ------------------------------------------------------------------ growth along paths


def site_of(network, number, n_new=1, seed=0):
    keep = DropMagnitude().keep(network, number, 0.2)
    return Site(network, number, keep, n_new, np.random.default_rng(seed))


def mask_of(connectivity):
    """True where there is a connection, of shape (n_in, n_out)."""
    n_in, n_out = connectivity.shape
    mask = np.zeros(n_in * n_out, dtype=bool)
    mask[keys_of(connectivity)] = True
    return mask.reshape(n_out, n_in).T


def test_paths_are_drawn_in_proportion_to_their_strength():
    network = used_network([4, 5, 6, 2], 3, epsilon=1)
    before, layer, after = (np.zeros((la.n_in, la.n_out)) for la in network.layers)
    for W, la in zip((before, layer, after), network.layers):
        W[la.indices, la.connectivity.destinations()] = np.abs(la.weights)
    site = site_of(network, 1)
    expected = np.outer(before.sum(axis=0), after.sum(axis=1)).T.ravel()
    expected[~site.free(np.arange(30))] = 0
    expected /= expected.sum()
    assert 0 < (expected > 0).sum() < 30
    n = 4000
    drawn = np.concatenate([GrowStrongestPaths().places(site) for _ in range(n)])
    shares = np.bincount(drawn, minlength=30) / n
    assert_array_equal(shares[expected == 0], 0)
    assert (np.abs(shares - expected) <= 4 * np.sqrt(expected / n)).all()


def ch3_l3(mask):
    """The CH3-L3 score of each place, by its definition."""
    scores = np.zeros(mask.shape)
    degree_1, degree_2 = mask.sum(axis=0), mask.sum(axis=1)
    for u, v in itertools.product(*map(range, mask.shape)):
        paths = [
            (z1, z2)
            for z1, z2 in np.argwhere(mask.T)
            if mask[u, z1] and mask[z2, v] and z1 != v and z2 != u
        ]
        some_1, some_2 = (list(set(ends)) for ends in zip(*paths)) if paths else ([], [])
        for z1, z2 in paths:
            external_1 = degree_1[z1] - 1 - mask[some_2, z1].sum()  # u is a neighbour
            external_2 = degree_2[z2] - 1 - mask[z2, some_1].sum()
            scores[u, v] += 1 / np.sqrt((1 + external_1) * (1 + external_2))
    return scores


def shares_of_draws(connectivity, n):
    drawn = draw_ends_of_three(connectivity, n, np.random.default_rng(0))
    n_in, n_out = connectivity.shape
    return np.bincount(drawn, minlength=n_in * n_out).reshape(n_out, n_in).T / n


def test_cannistraci_hebb_is_exact_where_paths_share_nothing():
    tree = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 3), (2, 3), (3, 3), (4, 2), (4, 4), (4, 5)]
    source, target = np.array(sorted(tree, key=lambda link: link[::-1])).T
    indptr = np.concatenate(([0], np.bincount(target).cumsum()))
    connectivity = Connectivity(indptr.astype(np.int32), source.astype(np.int32), (5, 6))
    expected = ch3_l3(mask_of(connectivity))
    expected /= expected.sum()
    n = 100_000
    shares = shares_of_draws(connectivity, n)
    assert_array_equal(shares[expected == 0], 0)
    assert (np.abs(shares - expected) <= 4 * np.sqrt(expected / n)).all()


@pytest.mark.parametrize("seed", range(3))
def test_cannistraci_hebb_ranks_as_the_exact_scores(seed):
    connectivity = erdos_renyi((25, 20), 2.5, np.random.default_rng(seed))
    mask = mask_of(connectivity)
    exact = ch3_l3(mask)
    shares = shares_of_draws(connectivity, 400_000)
    assert stats.spearmanr(shares[~mask], exact[~mask]).statistic > 0.97


@pytest.mark.parametrize("rule", [GrowStrongestPaths, GrowCannistraciHebb])
def test_grown_paths_are_free_and_distinct(rule):
    network = used_network([30, 40, 20, 3], 0, epsilon=2)
    site = site_of(network, 1, n_new=60)
    places = rule().places(site)
    assert len(places) == len(np.unique(places)) == 60 and site.free(places).all()
    rewiring = rule().rewiring(site)
    check(rewiring.after)
    assert (rewiring.source < 0).sum() == 60


@pytest.mark.parametrize("rule", [GrowStrongestPaths, GrowCannistraciHebb])
def test_where_no_path_leads_growth_is_random(rule):
    network = used_network([6, 8, 4, 3], 0)
    for layer in network.layers:
        layer.weights[:] = 0
    nothing = np.zeros(network.layers[1].nnz, dtype=np.uint8)
    site = Site(network, 1, nothing, 7, np.random.default_rng(0))
    assert len(rule().places(site)) == 0
    assert rule().rewiring(site).after.nnz == 7


# ------------------------------------------------------------------ shares and schedules


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


def test_schedules():
    for name, middle in (("constant", 1.0), ("linear", 0.5), ("cosine", 0.5)):
        schedule = SCHEDULES[name]
        assert schedule(0.0) == 1.0
        assert schedule(0.5) == pytest.approx(middle)
        assert schedule(1.0) == pytest.approx(0.0 if name != "constant" else 1.0)
    evolution = Evolution(fraction=0.4, schedule=SCHEDULES["linear"], n_epochs=10, every=2)
    expected = [0, 0, 0.32, 0, 0.24, 0, 0.16, 0, 0.08, 0, 0, 0, 0]
    assert_allclose([evolution.fraction_at(e) for e in range(13)], expected, atol=1e-15)


# ------------------------------------------------------------------ rules in estimators


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
    if cls is SETClassifier:
        options = {"drop": "sensitivity", "grow": "gradient"}
    else:
        options = {"rewire_every": 7, "target_fraction": 0.05}
    whole = fitted(cls, digits, **options, max_iter=8)
    parts = cls(**SHORT, **options, max_iter=4, warm_start=True)
    for _ in range(2):
        parts.fit(X[:400], y[:400])
    assert_array_equal(whole.predict_proba(X), parts.predict_proba(X))
    assert whole.history_["n_dropped"] == parts.history_["n_dropped"]


def test_early_stopping_with_sensitivity(digits):
    patience = {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 40}
    model = fitted(SETClassifier, digits, drop="sensitivity", **patience)
    assert model.n_iter_ < 40


def test_sparse_samples_grow_the_same_connections(digits):
    X, y = digits
    dense = fitted(SETClassifier, digits, grow="gradient", dtype="float64")
    model = SETClassifier(**SHORT, max_iter=6, grow="gradient", dtype="float64")
    model.fit(sparse.csr_array(X[:400]), y[:400])
    for a, b in zip(dense.coefs_, model.coefs_):
        assert_array_equal(a.indices, b.indices)
        assert_allclose(a.data, b.data, rtol=1e-9)
