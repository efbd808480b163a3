"""Pruning of neurons, and the numbers that its paper published."""

import itertools

import numpy as np
import pytest
import reference
import scipy.io
from helpers import REAL_DATA, fitted, random_network, used_network
from numpy.testing import assert_array_equal

from sklearn_set import NPSETClassifier, NPSETRegressor
from sklearn_set._amounts import new_weights_rule
from sklearn_set._evolution import Evolution
from sklearn_set._network import Layer, Network
from sklearn_set._pruning import NeuronPruning
from sklearn_set._topology import Connectivity
from sklearn_set.presets import PAPER_NPSET

# Tables 1 and 3 of Liu, Mocanu and Pechenizkiy (2019): features, classes, width of both
# hidden layers before and after, connections of SET and of NPSET.
# fmt: off
TABLE = {
    "Leukemia": (7070, 2, 7000, 1320, 294235, 40039),
    "PCMAC": (3289, 2, 3000, 573, 128432, 18622),
    "Lung-discrete": (325, 7, 300, 66, 13446, 2447),
    "gisette": (5000, 2, 5000, 946, 209556, 29884),
    "lung": (3312, 5, 3000, 573, 135689, 19776),
    "CLL-SUB-111": (11340, 3, 11000, 2074, 474738, 65421),
    "Carcinom": (9183, 11, 9000, 1699, 420592, 67726),
    "orlraws10P": (10304, 10, 10000, 1884, 465977, 72871),
    "TOX-171": (5748, 4, 5000, 946, 225416, 31815),
    "Prostate-GE": (5966, 2, 5000, 946, 219191, 30690),
    "arcene": (10000, 2, 10000, 1884, 419469, 57136),
    "madelon": (500, 2, 1000, 198, 36563, 5096),
    "Yale": (1024, 15, 1000, 198, 47222, 8576),
    "GLIOMA": (4434, 4, 4000, 761, 178678, 25228),
    "RELATHE": (4322, 2, 4000, 761, 170804, 24280),
}

# fmt: on
PAPER_PRUNING = NeuronPruning(0.04, 10, 40, (0, 1))


def paper_network(sizes, epsilon=10.0):
    return random_network(sizes, epsilon=epsilon, init="normal", dtype=np.float32)


# ------------------------------------------------------------------ widths


@pytest.mark.parametrize("name", TABLE)
def test_widths_of_table_3(name):
    """Without any training: the widths hang on nothing but alpha, beta and gamma."""
    n_features, n_classes, width, expected, *_ = TABLE[name]
    network = paper_network([n_features, width, width, n_classes], epsilon=0.5)
    evolution = Evolution(prune=PAPER_PRUNING)
    rng = np.random.default_rng(0)
    n_pruned = [evolution.start_epoch(e, network, rng).n_pruned for e in range(60)]
    assert network.hidden_layer_sizes == (expected, expected)
    assert all(n > 0 for n in n_pruned[10:51])
    assert not any(n_pruned[:10]) and not any(n_pruned[51:])
    assert sum(n_pruned) == 2 * (width - expected)


def test_sequence_of_widths():
    expected = [
        300, 288, 277, 266, 256, 246, 237, 228, 219, 211, 203, 195, 188, 181, 174, 168, 162, 156,
        150, 144, 139, 134, 129, 124, 120, 116, 112, 108, 104, 100, 96, 93, 90, 87, 84, 81, 78, 75,
        72, 70, 68, 66,
    ]  # fmt: skip
    network = paper_network([20, 300, 300, 2], epsilon=2)
    seen = [network.hidden_layer_sizes]
    for epoch in range(10, 51):
        Evolution(prune=PAPER_PRUNING).start_epoch(epoch, network, np.random.default_rng(0))
        seen.append(network.hidden_layer_sizes)
    assert seen == [(n, n) for n in expected]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"solver": "nesterov", "zeta": 0, "weight_decay": 0.1},
        {"zeta": 1, "new_weights": "zero", "evolve_output": True, "epsilon": 1},
        {"loss": "squared_error", "activation": "tanh", "dropout": 0.5, "epsilon": 200},
        {"learning_rate_init": 1.0, "batch_size": 3, "dtype": "float32", "early_stopping": True},
        PAPER_NPSET,
    ],
)
def test_widths_for_any_training(settings):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 12)), np.arange(30) % 2
    decay = {"weight_decay": 0.01, "decay_rule": "l2"}
    settings = {**decay, **settings, "max_iter": 52, "n_iter_no_change": 1, "tol": 10.0}
    model = NPSETClassifier((300, 300), **settings, random_state=0).fit(X, y)
    assert model.hidden_layer_sizes_ == (66, 66)
    assert model.history_["hidden_layer_size_0"][9:12] == [300, 288, 277]
    assert model.history_["n_pruned"][:12] == [0] * 10 + [24, 22]
    assert model.n_iter_ >= 51


@pytest.mark.parametrize("layers, expected", [((0,), (66, 300)), ((1,), (300, 66))])
def test_first_and_second_npset(layers, expected):
    network = paper_network([40, 300, 300, 3])
    before = [layer.nnz for layer in network.layers]
    evolution = Evolution(prune=NeuronPruning(0.04, 10, 40, layers))
    for epoch in range(60):
        evolution.start_epoch(epoch, network, np.random.default_rng(0))
    assert network.hidden_layer_sizes == expected
    changed = [layer.nnz < n for layer, n in zip(network.layers, before)]
    assert changed == ([True, True, False] if layers == (0,) else [False, True, True])

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 10)), rng.normal(size=20)
    model = NPSETRegressor(
        (50, 50, 50), prune_layers=layers, alpha=0.2, beta=1, gamma=1, max_iter=4
    ).fit(X, y)
    sizes = [32 if i in layers else 50 for i in range(3)]  # 50, 40, 32
    assert model.hidden_layer_sizes_ == tuple(sizes)


@pytest.mark.parametrize("prune_layers", [[1, 0, 1], np.array([0, 1]), "all"])
def test_prune_layers_is_a_set_of_layers(prune_layers):
    X, y = np.random.default_rng(0).normal(size=(20, 10)), np.arange(20) % 2
    model = NPSETClassifier(
        (20, 10), prune_layers=prune_layers, alpha=0.3, beta=1, gamma=0, max_iter=3
    ).fit(X, y)
    assert model.hidden_layer_sizes_ == (14, 7)


def test_alpha_is_the_decimal_that_was_written():
    network = paper_network([10, 100, 100, 2])
    NeuronPruning(0.29, 1, 0, (0, 1)).prune(network)
    assert network.hidden_layer_sizes == (71, 71)  # int(0.29 * 100) is 28


def test_pruning_stops_by_itself_below_one_neuron():
    network = paper_network([10, 30, 3, 2], epsilon=2)
    for _ in range(30):
        PAPER_PRUNING.prune(network)
    assert network.hidden_layer_sizes == (24, 3)
    network = paper_network([10, 30, 3, 2], epsilon=2)
    for _ in range(30):
        NeuronPruning(0.99, 1, 0, (0, 1)).prune(network)
    assert network.hidden_layer_sizes == (1, 1)  # never none


def test_the_paper_pruned_41_times(digits):
    assert NeuronPruning(0.04, 10, 40, (0,)).last_epoch == 50
    pruning = {"alpha": 0.2, "beta": 1, "gamma": 4, "prune_every": 2, "prune_by": "strength"}
    model = fitted(NPSETClassifier, digits, **pruning, max_iter=8)
    assert [n > 0 for n in model.history_["n_pruned"]] == [False, True] * 3 + [False] * 2
    assert model.hidden_layer_sizes_ == (32, 21)


# ------------------------------------------------------------------ which neurons


def layer_from(W):
    """A layer of W[destination, source]; NaN is no connection."""
    W = np.array(W, dtype=float)
    mask = ~np.isnan(W)
    indptr = np.concatenate(([0], np.cumsum(mask.sum(axis=1)))).astype(np.int32)
    connectivity = Connectivity(indptr, np.nonzero(mask)[1].astype(np.int32), W.shape[::-1])
    return Layer(connectivity, W[mask], np.arange(float(len(W))))


O = np.nan  # noqa: E741  no connection


@pytest.mark.parametrize(
    "outward, order",
    [
        # By degree first: a single strong connection leaves before two weak ones.
        ([[9, 0.1, 5, O], [O, 0.1, 5, O]], [3, 0, 1, 2]),
        # Then by strength, the sum of magnitudes.
        ([[3, -1, 2, 1], [-3, 1, 2, -6]], [1, 2, 0, 3]),
        # Then by index.
        ([[1, -1, 1, 1], [O, O, O, O]], [0, 1, 2, 3]),
        ([[0, 1, 0, O], [0, O, O, O]], [3, 2, 1, 0]),  # a weight of 0 is a connection
    ],
)
def test_who_leaves_first(outward, order):
    for n_leave in range(1, 4):
        network = Network([layer_from(np.arange(1.0, 13).reshape(4, 3)), layer_from(outward)])
        NeuronPruning(n_leave / 4, 1, 0, (0,)).prune(network)
        stay = sorted(set(range(4)) - set(order[:n_leave]))
        np.testing.assert_array_equal(network.layers[0].bias, stay)
        np.testing.assert_array_equal(
            network.layers[0].weights, np.arange(1.0, 13).reshape(4, 3)[stay].ravel()
        )
        kept = np.array(outward, dtype=float)[:, stay]
        np.testing.assert_array_equal(network.layers[1].weights, kept[~np.isnan(kept)])
        assert network.layers[1].connectivity.shape == (4 - n_leave, 2)


def test_neurons_leave_by_the_reference():
    network = paper_network([30, 60, 50, 4], epsilon=3)
    twin = reference.layers_of(network)
    for _ in range(5):
        NeuronPruning(0.1, 1, 0, (0, 1)).prune(network)
        reference.prune(twin, 0.1, (0, 1))
        for layer, theirs in zip(network.layers, twin, strict=True):
            np.testing.assert_array_equal(layer.weights, theirs.W[theirs.mask])


def test_the_second_layer_counts_what_the_first_left():
    """Neurons of layer 1 are judged by their own outputs, whatever layer 0 lost."""
    network = paper_network([30, 60, 50, 4], epsilon=3)
    alone = paper_network([30, 60, 50, 4], epsilon=3)
    NeuronPruning(0.5, 1, 0, (0, 1)).prune(network)
    NeuronPruning(0.5, 1, 0, (1,)).prune(alone)
    np.testing.assert_array_equal(network.layers[2].weights, alone.layers[2].weights)


def test_in_degree_does_not_matter():
    inward = np.full((4, 3), O)
    inward[0] = 1  # only neuron 0 has inputs, but it has the fewest outputs
    network = Network([layer_from(inward), layer_from([[O, 1, 1, 1], [1, 1, 1, 1]])])
    NeuronPruning(0.25, 1, 0, (0,)).prune(network)
    assert network.layers[0].nnz == 0 and network.layers[0].n_out == 3


def test_ties_are_broken_by_strength_or_by_index_alone():
    network = paper_network([30, 40, 2], epsilon=50)  # full: all degrees are equal
    strength = network.layers[1].connectivity.out_strength(network.layers[1].weights)
    by_strength = NeuronPruning(0.1, 1, 0, (0,)).order(network, 0)
    plain = NeuronPruning(0.1, 1, 0, (0,), by="plain_out_degree").order(network, 0)
    np.testing.assert_array_equal(by_strength, np.argsort(strength, kind="stable"))
    np.testing.assert_array_equal(plain, np.arange(40))


def test_pruning_by_strength_removes_the_weakest():
    network = used_network([9, 14, 12, 3], 0)
    layer = network.layers[0]
    strength = layer.connectivity.in_strength(layer.weights)
    bias = layer.bias.copy()
    pruning = NeuronPruning(0.3, 2, 5, (0,), by="strength", every=3)
    assert [epoch for epoch in range(12) if pruning.is_due(epoch)] == [2, 5]
    assert pruning.last_epoch == 5
    assert pruning.prune(network) == 4
    stay = np.sort(np.argsort(strength, kind="stable")[4:])
    assert_array_equal(network.layers[0].bias, bias[stay])


# ------------------------------------------------------------------ the budget


def test_the_budget_shrinks_and_is_not_regrown():
    network = paper_network([50, 200, 200, 3], epsilon=4)
    evolution = Evolution(
        fraction=0.3, new_weights=new_weights_rule("small", "normal"), prune=PAPER_PRUNING
    )
    rng = np.random.default_rng(0)
    previous = [layer.nnz for layer in network.layers]
    for epoch in range(1, 60):
        neurons = network.hidden_layer_sizes
        changes = evolution.start_epoch(epoch, network, rng)
        now = [layer.nnz for layer in network.layers]
        assert changes.n_dropped == changes.n_grown > 0
        if 10 <= epoch <= 50:
            assert all(a < b for a, b in zip(now, previous))
            assert network.hidden_layer_sizes < neurons
        else:
            assert now == previous
        previous = now
    assert sum(previous) < 0.3 * 4 * (250 + 400 + 203)


def test_arrays_shrink_with_the_network():
    X, y = np.random.default_rng(0).normal(size=(30, 40)), np.arange(30) % 3
    model = NPSETClassifier(
        (100, 80), alpha=0.5, beta=1, gamma=0, max_iter=3, warm_start=True, random_state=0
    ).fit(X, y)
    assert [c.shape for c in model.coefs_] == [(40, 50), (50, 40), (40, 3)]
    assert [len(b) for b in model.intercepts_] == [50, 40, 3]
    for layer in model._learner.network.layers:
        assert len(layer.first) == len(layer.second) == len(layer.weights) == layer.nnz
        assert len(layer.bias_first) == len(layer.bias_second) == layer.n_out
        assert len(layer.weights.base if layer.weights.base is not None else layer.weights) == (
            layer.nnz
        )


def test_a_budget_that_is_kept_grows_among_those_that_stay(digits):
    pruned = {"alpha": 0.2, "beta": 1, "gamma": 3, "max_iter": 8, "epsilon": 3}
    shrinks = fitted(NPSETClassifier, digits, **pruned)
    keeps = fitted(NPSETClassifier, digits, **pruned, budget="keep")
    assert shrinks.hidden_layer_sizes_ == keeps.hidden_layer_sizes_
    first = [model.history_["n_connections_0"] for model in (shrinks, keeps)]
    assert first[0][-1] < 0.7 * first[0][0] and first[1][-1] == first[1][0]
    assert sum(keeps.history_["n_dropped"]) >= sum(keeps.history_["n_grown"])


# ------------------------------------------------------------------ connections


@pytest.mark.parametrize("name", TABLE)
def test_connections_of_set_in_table_3(name):
    """The published code gives binary problems two outputs."""
    n_features, n_classes, width, _, n_set, _ = TABLE[name]
    network = paper_network([n_features, width, width, n_classes])
    assert abs(network.n_connections / n_set - 1) < (0.005 if n_set > 20_000 else 0.01)


def real(name):
    path = REAL_DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not at hand")
    file = scipy.io.loadmat(path)
    X, y = np.asarray(file["X"], dtype=np.float32), file["Y"].ravel()
    rows = np.random.RandomState(0).permutation(len(y))[: int(len(y) * 2 / 3)]
    X = X[rows]
    return (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-4), y[rows]


FILES = {"Lung-discrete": "lung_small", "Leukemia": "leukemia"}


@pytest.mark.parametrize(
    "name, recipe",
    [
        *itertools.product(["Lung-discrete", "Yale", "madelon"], ["preset", "default"]),
        *itertools.product(["Leukemia", "PCMAC"], ["default"]),
    ],
)
def test_connections_of_npset_in_table_3(name, recipe):
    """In madelon's long epochs of tiny batches connections cluster while they learn."""
    X, y = real(FILES.get(name, name) + ".mat")
    settings = PAPER_NPSET
    if recipe == "default":  # but for what looks at the table first
        settings = {"epsilon": 10, "conditioning": None, "weight_decay": 0.02, "shrinkage": 0}
    tolerance = 0.1 if recipe == "default" else 0.15 if name == "madelon" else 0.05
    _, _, width, final, n_set, n_npset = TABLE[name]
    counts = []
    for seed in range(3):
        model = NPSETClassifier((width, width), **settings, dtype="float32", random_state=seed)
        model.set_params(max_iter=51).fit(X, y)
        assert model.hidden_layer_sizes_ == (final, final)
        counts.append((model.history_["n_connections"][0], model.n_connections_))
    before, after = np.mean(counts, axis=0)
    assert abs(before / n_set - 1) < 0.03
    assert abs(after / n_npset - 1) < tolerance
