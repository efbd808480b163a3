"""Equal to scikit-learn's MLP, to the reference, to itself: the tests of most worth."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
import reference
import scipy.sparse
from helpers import assert_same, random_network
from sklearn.datasets import make_classification, make_multilabel_classification
from sklearn.neural_network import MLPClassifier, MLPRegressor

from sklearn_set import NPSETClassifier, NPSETRegressor, SETClassifier, SETRegressor
from sklearn_set._amounts import new_weights_rule
from sklearn_set._data import Data
from sklearn_set._evolution import Evolution
from sklearn_set._losses import Loss
from sklearn_set._network import Network
from sklearn_set._optimizers import Optimizer
from sklearn_set._pruning import NeuronPruning
from sklearn_set._training import Generators, Learner, train

N = 60


def classes(n_classes, n=N, n_features=7, seed=0):
    return make_classification(
        n, n_features, n_informative=5, n_classes=n_classes, random_state=seed
    )


def target(kind, X, y):
    rng = np.random.default_rng(0)
    signal = X[:, 0] + np.sin(X[:, 1])
    match kind:
        case "squared_error":
            return signal + 0.1 * rng.normal(size=len(X))
        case "squared_error_2":
            return np.column_stack([signal, -2 * signal + X[:, 2]])
        case "poisson":
            return rng.poisson(np.exp(0.3 * signal)).astype(float)
        case "poisson_2":
            return rng.poisson(np.exp(0.3 * np.column_stack([signal, X[:, 2]]))).astype(float)
    return y


def problem(kind):
    """X, y, our class, scikit-learn's class, our extra parameters and theirs."""
    if kind == "multilabel":
        X, y = make_multilabel_classification(N, 7, n_classes=3, random_state=0)
        return X / X.std(), y, SETClassifier, MLPClassifier, {}
    X, y = classes(2 if kind == "binary" else 4)
    if kind in ("binary", "multiclass"):
        return X, y, SETClassifier, MLPClassifier, {}
    loss = {"scale_target": False}
    if kind.startswith("poisson"):
        loss["loss"] = "poisson"
    return X, target(kind, X, y), SETRegressor, MLPRegressor, loss


def same_model(a, b):
    """Assert that two fitted models are the same, and that they learned alike."""
    assert_same(a, b)
    assert a.loss_curve_ == b.loss_curve_


def different_model(a, b):
    return any(
        x.shape != y.shape or x.data.tobytes() != y.data.tobytes()
        for x, y in zip(a.coefs_, b.coefs_)
    )


# --------------------------------------------------- full density, zeta = 0: MLP

SOLVERS = {
    "adam": {"solver": "adam"},
    "adam_betas": {"solver": "adam", "betas": (0.8, 0.97)},
    "sgd": {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.05},
    "momentum": {"solver": "sgd", "learning_rate_init": 0.02},
    "nesterov": {"solver": "nesterov", "learning_rate_init": 0.02},
}


def as_mlp(ours, theirs, X, y, parameters, sample_weight, n_epochs):
    """Train scikit-learn's MLP from the first weights of our model."""
    parameters = {k: v for k, v in parameters.items() if k not in ("betas", "scale_target")}
    parameters["beta_1"], parameters["beta_2"] = ours.adam_betas
    if parameters["solver"] == "sgd":
        parameters["nesterovs_momentum"] = False
    elif parameters["solver"] == "nesterov":
        parameters["solver"] = "sgd"
    mlp = theirs(
        **parameters, alpha=0, shuffle=False, warm_start=True, max_iter=1,
        hidden_layer_sizes=ours.hidden_layer_sizes, activation=ours.activation,
        n_iter_no_change=1000, batch_size=ours.batch_size, random_state=0,
    )  # fmt: skip
    mlp.fit(X, y)
    # A step of 1e-300 leaves the first weights as they were drawn.
    still = type(ours)(**ours.get_params()).set_params(
        solver="adam", learning_rate_init=1e-300, max_iter=1
    )
    still.fit(X, y, sample_weight)
    for given, wanted in zip(mlp.coefs_, still.coefs_, strict=True):
        assert wanted.nnz == given.size
        given[...] = wanted.toarray()
    for given, wanted in zip(mlp.intercepts_, still.intercepts_, strict=True):
        given[...] = wanted
    mlp.loss_curve_, mlp.t_, mlp.best_loss_ = [], 0, np.inf
    mlp.set_params(max_iter=n_epochs)
    return mlp.fit(X, y, sample_weight)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("batch_size", [N, 12])
@pytest.mark.parametrize(
    "kind, solver, activation",
    [
        *itertools.product(
            ["binary", "multiclass", "multilabel", "squared_error", "poisson"],
            ["adam", "nesterov"],
            ["relu"],
        ),
        ("squared_error_2", "momentum", "tanh"),
        ("poisson_2", "adam", "tanh"),
        ("multiclass", "adam_betas", "logistic"),
        ("binary", "sgd", "identity"),
        ("multiclass", "momentum", "relu"),
        ("squared_error", "sgd", "logistic"),
    ],
)
def test_full_density_is_scikit_learns_mlp(kind, solver, activation, batch_size, weighted):
    X, y, ours, theirs, extra = problem(kind)
    sample_weight = None
    if weighted:
        # Of mean 1 in each batch: scikit-learn's curve counts batches by their rows,
        # ours by their weights.
        sample_weight = np.random.default_rng(1).uniform(0.1, 3, (N // batch_size, batch_size))
        sample_weight = (sample_weight / sample_weight.mean(axis=1, keepdims=True)).ravel()
    parameters = {"learning_rate_init": 0.01, **extra, **SOLVERS[solver]}
    mine = dict(parameters)
    mine.update(mixup=0, averaging=0, conditioning=None, shrinkage=0)
    if theirs is not MLPClassifier:
        mine["scale_target"] = False
    if betas := mine.pop("betas", None):
        mine["adam_betas"] = betas
    model = ours(
        **mine, hidden_layer_sizes=(11, 9), activation=activation, epsilon=1000, zeta=0,
        weight_decay=0, shuffle=False, batch_size=batch_size, tol=0, n_iter_no_change=1000,
        max_iter=15, random_state=0,
    )  # fmt: skip
    mlp = as_mlp(model, theirs, X, y, parameters, sample_weight, 15)
    model.fit(X, y, sample_weight)
    np.testing.assert_allclose(model.loss_curve_, mlp.loss_curve_, rtol=1e-9)
    assert len(model.loss_curve_) == 15 and np.ptp(model.loss_curve_) > 1e-3
    for mine, wanted in zip(model.coefs_, mlp.coefs_, strict=True):
        np.testing.assert_allclose(mine.toarray(), wanted, rtol=1e-8, atol=1e-10)
    for mine, wanted in zip(model.intercepts_, mlp.intercepts_, strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=1e-8, atol=1e-10)
    if theirs is MLPClassifier:
        np.testing.assert_array_equal(model.predict(X), mlp.predict(X))
        np.testing.assert_allclose(model.predict_proba(X), mlp.predict_proba(X), atol=1e-9)
    else:
        np.testing.assert_allclose(model.predict(X), mlp.predict(X), rtol=1e-8, atol=1e-10)


# --------------------------------------------------- zeta = 0, alpha = 0

SMALL = {
    "hidden_layer_sizes": (30, 25), "epsilon": 3, "max_iter": 8, "batch_size": 16,
    "learning_rate_init": 0.01, "random_state": 3, "mixup": 0, "averaging": 0, "conditioning": None,
    "weight_decay": 0.01, "decay_rule": "l2", "shrinkage": 0, "evolve_every": 1,
}  # fmt: skip
EVOLVED = {"dropout": 0.2, "activation": "all_relu", "evolve_output": True}


def untouched(network, n_epochs, X, y, loss, parameters, dropout=0.0):
    """Train a network with no slot of evolution filled."""
    rng = np.random.RandomState(3)
    generators = Generators.spawn(rng.randint(0, 2**31 - 1, size=4).tolist())
    network = network(generators.init)
    optimizer = Optimizer(**parameters)
    network.start_optimizer(optimizer)
    learner = Learner(network, optimizer, Evolution(), generators)
    train(learner, Data(X, network.dtype, loss, y), n_epochs=n_epochs, batch_size=16)
    return network, learner.progress


def test_zeta_0_is_the_static_network():
    X, y = classes(3)
    model = SETClassifier(**SMALL, zeta=0, dropout=0.1).fit(X, y)
    optimizer = {"rule": "adam", "learning_rate": 0.01, "weight_decay": 0.01}
    given = X, y.astype(np.int32), Loss("softmax_log_loss"), optimizer
    network, progress = untouched(
        lambda rng: random_network([7, 30, 25, 3], rng, epsilon=3, dropout=0.1), 8, *given
    )
    assert progress.history["loss"] == model.loss_curve_
    for layer, coef in zip(network.layers, model.coefs_, strict=True):
        np.testing.assert_array_equal(layer.indices, coef.indices)
        assert layer.weights.tobytes() == coef.data.tobytes()


def test_zeta_0_starts_and_shuffles_as_any_other_zeta():
    X, y = classes(3)
    models = [SETClassifier(**SMALL, zeta=zeta).fit(X, y) for zeta in (0, 0.3, 0.5)]
    first = {model.loss_curve_[0] for model in models}
    assert len(first) == 1  # nothing evolves before the second epoch
    assert len({model.loss_curve_[1] for model in models}) == 3
    one_epoch = [
        SETClassifier(**{**SMALL, "max_iter": 1}, zeta=zeta).fit(X, y) for zeta in (0, 0.3)
    ]
    same_model(*one_epoch)


def test_each_purpose_has_its_own_randomness(monkeypatch):
    """Shuffling and dropout go on alike whatever evolves beside them."""
    seen = []
    original = Network.train_batches

    def spy(self, data, order, *args, dropout_seed, **kwargs):
        seen[-1].append((order.tobytes(), dropout_seed))
        return original(self, data, order, *args, dropout_seed=dropout_seed, **kwargs)

    monkeypatch.setattr(Network, "train_batches", spy)
    X, y = classes(3)
    changes = [{"zeta": 0}, {"zeta": 0.3}, {"zeta": 0.5, "evolve_output": True}]
    changes += [{"hidden_layer_sizes": (9,)}, {"init": "normal", "epsilon": 1}]
    for change in changes:
        seen.append([])
        SETClassifier(**{**SMALL, **change}, dropout=0.1).fit(X, y)
    assert len(seen[0]) == 8 and len(set(seen[0])) == 8
    assert all(other == seen[0] for other in seen[1:])


@pytest.mark.parametrize("extra", [{}, EVOLVED, {"new_weights": "init", "solver": "nesterov"}])
@pytest.mark.parametrize(
    "npset, plain, kind",
    [
        (NPSETClassifier, SETClassifier, "multiclass"),
        (NPSETRegressor, SETRegressor, "squared_error_2"),
    ],
)
def test_alpha_0_is_set(npset, plain, kind, extra):
    X, y, *_ = problem(kind)
    same_model(
        npset(**SMALL, **extra, alpha=0, beta=1, gamma=3).fit(X, y),
        plain(**SMALL, **extra).fit(X, y),
    )


def test_npset_is_set_until_its_first_pruning():
    X, y = classes(3)
    plain = SETClassifier(**SMALL).fit(X, y)
    pruned = NPSETClassifier(**SMALL, alpha=0.2, beta=5, gamma=1).fit(X, y)
    assert plain.loss_curve_[:5] == pruned.loss_curve_[:5]
    assert plain.loss_curve_[5] != pruned.loss_curve_[5]
    assert pruned.history_["n_pruned"] == [0, 0, 0, 0, 0, 11, 8, 0]  # 6 + 5, then 4 + 4


# --------------------------------------------------- threads


def wide_problem(sparse, dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 500)) * (rng.random((150, 500)) < (0.1 if sparse else 1))
    X = X.astype(dtype)
    y = rng.integers(0, 10, 150)
    return (scipy.sparse.csr_array(X) if sparse else X), y


# 39,000 connections times 50 samples a batch: 2 million, almost five times
# MIN_WORK_PER_THREAD of network.cpp.
WIDE = {
    "hidden_layer_sizes": (800, 600), "epsilon": 15, "batch_size": 64, "max_iter": 4,
    "alpha": 0.05, "beta": 2, "gamma": 1, "conditioning": None, "shrinkage": 0, "random_state": 0,
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize(
    "extra",
    [
        {"evolve_output": True, "mixup_noise": 0.5},
        {
            "solver": "nesterov",
            "activation": "all_relu",
            "decay_rule": "per_step",
            "weight_decay": 0.02,
            "dropout": 0.2,
        },
    ],
    ids=["adam", "sgd"],
)
def test_threads_do_not_change_a_bit(dtype, sparse, extra):
    X, y = wide_problem(sparse, dtype)
    models = [NPSETClassifier(**WIDE, **extra, n_jobs=n).fit(X, y) for n in (1, 2, 3)]
    assert models[0].n_connections_ * 50 > 3 * 400_000
    assert models[0].coefs_[0].dtype == dtype
    raw = [model.decision_function(X).tobytes() for model in models]
    many = scipy.sparse.vstack([X] * 20).tocsr() if sparse else np.tile(X, (20, 1))
    for model, outputs in zip(models[1:], raw[1:]):
        same_model(model, models[0])
        assert outputs == raw[0]
        assert (
            model.decision_function(many).tobytes() == models[0].decision_function(many).tobytes()
        )


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted in /proc")
def test_threads_are_used_where_they_help():
    code = """
import os, sys, numpy as np
from sklearn_set import NPSETClassifier, SETClassifier
rng = np.random.default_rng(0)
X, y = rng.normal(size=(150, 500)), rng.integers(0, 10, 150)
def new_threads(model):
    before = len(os.listdir("/proc/self/task"))
    model.fit(X, y)
    return len(os.listdir("/proc/self/task")) - before
small = SETClassifier((20,), epsilon=2, max_iter=2, n_jobs=3, shrinkage=0)
wide = SETClassifier((800, 600), epsilon=15, batch_size=64, max_iter=2, n_jobs=3, shrinkage=0)
print(new_threads(small), new_threads(wide))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.split() == ["0", "2"], result.stderr


# --------------------------------------------------- native = reference

OPTIMIZERS = {
    "sgd": {"rule": "sgd", "momentum": 0.0},
    "momentum": {"rule": "sgd", "momentum": 0.9},
    "nesterov": {"rule": "nesterov", "momentum": 0.8},
    "adam": {"rule": "adam"},
}

TRAININGS = [
    # loss, activation, optimizer, decay rule, new weights, evolve_output, prune, weighted, sparse
    ("softmax_log_loss", "relu", "adam", "l2", "small", False, (0, 1), False, False),
    ("softmax_log_loss", "relu", "adam", "per_epoch", "small", False, (0, 1), True, True),
    ("binary_log_loss", "tanh", "nesterov", "per_epoch", "zero", True, (1,), True, False),
    ("multilabel_log_loss", "leaky_relu", "momentum", "l2", "normal", True, (0,), False, True),
    ("sigmoid_squared_error", "relu", "momentum", "per_step", "normal", True, (0, 1), False, False),
    ("sigmoid_squared_error", "logistic", "adam", "per_epoch", "small", False, (), True, True),
    ("squared_error", "all_relu", "adam", "per_step", "small", True, (0, 1), False, False),
    ("squared_error", "identity", "sgd", "per_epoch", "small", False, (0,), True, False),
    ("poisson", "all_relu", "sgd", "l2", "small", True, (1,), True, True),
    ("huber", "logistic", "nesterov", "per_step", "zero", False, (0, 1), True, False),
]


@pytest.mark.parametrize(
    "loss, activation, optimizer, decay_rule, new_weights, evolve_output, hidden, weighted, sparse",
    TRAININGS,
)
def test_native_training_is_the_reference(
    loss, activation, optimizer, decay_rule, new_weights, evolve_output, hidden, weighted, sparse,
    monkeypatch,
):  # fmt: skip
    rng = np.random.default_rng(4)
    n, n_features, n_outputs = 53, 12, 1 if loss == "binary_log_loss" else 3
    X = rng.normal(size=(n, n_features)) * (rng.random((n, n_features)) < 0.4)
    weight = rng.uniform(0.2, 2, n) if weighted else np.ones(n)
    labels = rng.integers(0, max(2, n_outputs), n).astype(np.int32)
    one_hot = labels[:, None].astype(float) if n_outputs == 1 else np.eye(n_outputs)[labels]
    if loss in ("squared_error", "huber"):
        values = 2 * rng.normal(size=(n, n_outputs))
    elif loss == "multilabel_log_loss":
        values = rng.integers(0, 2, (n, n_outputs)).astype(float)
    elif loss == "poisson":
        values = rng.poisson(1.5, (n, n_outputs)).astype(float)
    else:
        values = None
    init = "normal" if new_weights == "normal" else "he_uniform"
    sizes = [n_features, 20, 15, n_outputs]
    network = random_network(sizes, rng, activation=activation, init=init)
    twin = reference.layers_of(network)
    # Keeps roundings small where the second moment is tiny.
    monkeypatch.setattr("sklearn_set._optimizers._ADAM_EPSILON", 1e-3)
    settings = {"weight_decay": 0.01, "decay_rule": decay_rule, **OPTIMIZERS[optimizer]}
    native = Optimizer(learning_rate=0.02, **settings)
    network.start_optimizer(native)
    data = Data(
        scipy.sparse.csr_array(X) if sparse else X, np.float64, Loss(loss),
        labels if values is None else values, weight if weighted else None,
    )  # fmt: skip
    name = "init" if new_weights == "normal" else new_weights
    evolution = Evolution(
        fraction=0.3,
        new_weights=new_weights_rule(name, "normal"),
        evolve_output=evolve_output,
        prune=NeuronPruning(0.15, 2, 2, hidden) if hidden else None,
    )
    learner = Learner(network, native, evolution, Generators.spawn(9))
    train(learner, data, n_epochs=7, batch_size=16)

    generators = Generators.spawn(9)
    constants = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-3}
    curve = reference.train(
        twin, X, one_hot if values is None else values, weight=weight, activation=activation,
        loss=loss, optimizer={**constants, **settings, "rate": 0.02, "steps_per_epoch": 4},
        n_epochs=7, batch_size=16, zeta=0.3,
        new_weights=new_weights, evolve_output=evolve_output, alpha=0.15, beta=2, gamma=2,
        hidden=hidden, evolution_rng=generators.evolution, shuffle_rng=generators.shuffle,
    )  # fmt: skip
    history = learner.progress.history
    np.testing.assert_allclose(history["loss"], curve, rtol=1e-10)
    assert sum(history["n_dropped"]) > 100
    for layer, wanted in zip(network.layers, twin, strict=True):
        mask = np.zeros(wanted.mask.shape, dtype=bool)
        mask[layer.connectivity.destinations(), layer.indices] = True
        np.testing.assert_array_equal(mask, wanted.mask)
        np.testing.assert_allclose(layer.weights, wanted.W[wanted.mask], rtol=0, atol=1e-10)
        np.testing.assert_allclose(layer.bias, wanted.b, rtol=0, atol=1e-10)
        for state in ("first", "second"):
            if getattr(layer, state) is None:
                continue
            wanted_state = wanted.state[state][wanted.mask]
            np.testing.assert_allclose(getattr(layer, state), wanted_state, rtol=0, atol=1e-10)
            np.testing.assert_allclose(
                getattr(layer, f"bias_{state}"), wanted.state[f"bias_{state}"], rtol=0, atol=1e-10
            )
    expected = reference.forward(twin, X, activation)[0][-1]
    np.testing.assert_allclose(network.predict(data), expected, atol=1e-9)


# --------------------------------------------------- run to run

PRUNING = {**SMALL, "alpha": 0.2, "beta": 2, "gamma": 2}


def test_same_seed_same_bits():
    X, y = classes(3)
    a, b = (NPSETClassifier(**PRUNING, **EVOLVED).fit(X, y) for _ in range(2))
    same_model(a, b)
    other = NPSETClassifier(**{**PRUNING, "random_state": 4}, **EVOLVED).fit(X, y)
    assert different_model(a, other)
    a.fit(X, y)
    same_model(a, b)


@pytest.mark.parametrize("estimator", [NPSETClassifier, NPSETRegressor])
def test_held_out_samples_change_not_one_bit(estimator):
    X, y = classes(3)
    alone = estimator(**PRUNING).fit(X[:40], y[:40])
    watched = estimator(**PRUNING).fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])
    same_model(alone, watched)
    assert alone.validation_scores_ is None and len(watched.validation_scores_) == 8
    np.testing.assert_allclose(watched.validation_scores_[-1], watched.score(X[40:], y[40:]))


def test_partial_fit_is_fit_an_epoch_at_a_time():
    X, y = classes(3)
    whole = NPSETClassifier(**PRUNING, **EVOLVED).fit(X, y)
    steps = NPSETClassifier(**PRUNING, **EVOLVED)
    for _ in range(8):
        steps.partial_fit(X, y, classes=[0, 1, 2])
    same_model(whole, steps)


def test_warm_start_is_one_long_fit():
    X, y = classes(3)
    whole = NPSETClassifier(**PRUNING, **EVOLVED).fit(X, y)
    parts = NPSETClassifier(**{**PRUNING, "max_iter": 5}, **EVOLVED, warm_start=True).fit(X, y)
    parts.set_params(max_iter=3).fit(X, y)
    same_model(whole, parts)
    assert parts.n_iter_ == 8
    for name, column in whole.history_.items():
        assert name == "time" or column == parts.history_[name]


@pytest.mark.parametrize("format", ["csr", "csc", "coo"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [60, 61, 33])  # batches of 15, 15 and 16, 11
def test_sparse_samples_are_dense_samples(format, dtype, n):
    rng = np.random.default_rng(2)
    X = (rng.normal(size=(n, 40)) * (rng.random((n, 40)) < 0.1)).astype(dtype)
    X[:, 5] = 0  # a feature that never occurs
    X[3] = 0  # an empty sample
    y = rng.integers(0, 3, n)
    dense = NPSETClassifier(**PRUNING, activation="tanh").fit(X, y)
    sparse = NPSETClassifier(**PRUNING, activation="tanh").fit(
        scipy.sparse.coo_array(X).asformat(format), y
    )
    for a, b in zip(dense.coefs_, sparse.coefs_, strict=True):
        np.testing.assert_array_equal(a.indptr, b.indptr)
        np.testing.assert_array_equal(a.indices, b.indices)
    tolerance = 1e-10 if dtype == np.float64 else 1e-4
    test = scipy.sparse.csr_array(X)
    for model in (dense, sparse):
        np.testing.assert_allclose(
            model.decision_function(test), dense.decision_function(X), atol=tolerance
        )


def test_int64_indices_and_unsorted_or_repeated_entries_are_taken():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 10)) * (rng.random((50, 10)) < 0.5)
    y = rng.integers(0, 2, 50)
    wanted = SETClassifier(**SMALL).fit(X, y).decision_function(X)
    plain = scipy.sparse.csr_array(X)
    wide = plain.copy()
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    reverse, split = plain.copy(), plain.copy()
    for row in range(50):
        cut = slice(reverse.indptr[row], reverse.indptr[row + 1])
        reverse.indices[cut], reverse.data[cut] = (
            reverse.indices[cut][::-1].copy(),
            reverse.data[cut][::-1].copy(),
        )
    reverse.has_sorted_indices = False
    # Every entry in two halves.
    split = scipy.sparse.csr_array(
        (np.repeat(plain.data / 2, 2), np.repeat(plain.indices, 2), plain.indptr * 2),
        shape=plain.shape,
    )
    for X in (wide, reverse, split):
        model = SETClassifier(**SMALL).fit(X, y)
        np.testing.assert_allclose(model.decision_function(X), wanted, atol=1e-9)


def test_every_sample_counts_once_an_epoch():
    # A weight that is zero in all rows but one of each batch position would show a
    # dropped remainder: every row must move the model.
    X, y = classes(2, n=37)
    settings = {**SMALL, "zeta": 0, "shuffle": False, "max_iter": 1, "batch_size": 16}
    base = SETClassifier(**settings).fit(X, y)
    for row in (0, 15, 16, 31, 32, 36):
        moved = X.copy()
        moved[row] += 0.5
        assert different_model(base, SETClassifier(**settings).fit(moved, y)), row
    assert base.t_ == 37


def test_float32_and_float64_agree_at_first():
    X, y = classes(3)
    settings = {**SMALL, "max_iter": 1}
    double = SETClassifier(**settings).fit(X, y)
    single = SETClassifier(**settings, dtype="float32").fit(X, y)
    auto = SETClassifier(**settings).fit(X.astype(np.float32), y)
    same_model(single, auto)
    assert single.coefs_[0].dtype == np.float32
    np.testing.assert_array_equal(single.coefs_[0].indices, double.coefs_[0].indices)
    np.testing.assert_allclose(single.loss_, double.loss_, rtol=1e-5)


# --------------------------------------------------- the core's work buffers


@pytest.mark.parametrize("n_threads", [1, 2])
def test_buffers_kept_across_rewirings_change_nothing(n_threads):
    """A network that keeps its core through pruning, other batches and other inputs."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 400)) * (rng.random((90, 400)) < 0.2)
    inputs = [
        Data(kind(X), np.float64, Loss("softmax_log_loss"), rng.integers(0, 3, 90))
        for kind in (np.asarray, scipy.sparse.csr_array)
    ]

    def course(fresh_core):
        options = {"epsilon": 15, "activation": "all_relu", "dropout": 0.1}
        network = random_network([400, 500, 300, 3], 1, **options)
        optimizer = Optimizer("adam", 1e-3)
        network.start_optimizer(optimizer)
        evolution = Evolution(0.3, prune=NeuronPruning(0.2, 1, 9, (0, 1)), evolve_output=True)
        results, evolution_rng = [], np.random.default_rng(2)
        for epoch, batch in enumerate((45, 90, 30, 45, 30, 90)):
            evolution.start_epoch(epoch, network, evolution_rng)
            if fresh_core:
                network.__setstate__(network.__getstate__())
            for data in inputs:
                starts = np.arange(0, 91, batch)
                order = np.arange(90)
                results.append(
                    network.train_batches(
                        data, order, starts, optimizer, dropout_seed=epoch, n_threads=n_threads
                    )
                )
                results.append(network.predict(data, n_threads).tobytes())
        return results

    assert course(fresh_core=False) == course(fresh_core=True)


def test_a_core_without_layers_is_refused():
    network = random_network([4, 3, 2], init="normal")
    data = Data(np.ones((5, 4)), np.float64, Loss("softmax_log_loss"), np.zeros(5, dtype=int))
    native = network._native(data, train=True)
    native.unbind()
    with pytest.raises(ValueError, match="not bound"):
        native.predict(data.native, np.empty((5, 2)), 1)
    with pytest.raises(ValueError, match="not bound"):
        native.gradient(data.native, np.arange(5), [], [], 0, 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_samples_mixed_with_partners_are_dense_samples(dtype):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(40, 60)) * (rng.random((40, 60)) < 0.1)).astype(dtype)
    y, order, partners = rng.integers(0, 2, 40), rng.permutation(40), rng.integers(0, 40, (3, 40))
    shares = rng.normal(size=(4, 40)).astype(dtype)
    shares[0] = 1 - shares[1:].sum(axis=0)
    weights = []
    for samples in (X, scipy.sparse.csr_array(X)):
        network = random_network([60, 30, 2], 1, epsilon=5, activation="tanh", dtype=dtype)
        optimizer = Optimizer("sgd", 0.1)
        network.start_optimizer(optimizer)
        data = Data(samples, dtype, Loss("softmax_log_loss"), y)
        mixture = {"partners": partners, "shares": shares}
        network.train_batches(data, order, np.array([0, 15, 40]), optimizer, **mixture)
        weights.append(network.layers[0].weights)
    np.testing.assert_allclose(*weights, rtol=1e-10 if dtype == np.float64 else 1e-4, atol=1e-6)
