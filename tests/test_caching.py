"""What fits to the same samples share in `memory`."""

import itertools
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers import assert_same
from joblib import parallel_config
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV

from sklearn_set import (
    DSRRegressor,
    NPSETClassifier,
    NPSETRegressor,
    NPSETSurvivalAnalysis,
    SETClassifier,
    SETRegressor,
    _caching,
    _kernel,
)
from sklearn_set._network import Network

FEW = {
    "hidden_layer_sizes": (30, 20),
    "epsilon": 4,
    "max_iter": 14,
    "alpha": 0.2,
    "beta": 3,
    "gamma": 4,
    "random_state": 0,
}
LETTERS = {"alpha": [0.1, 0.2], "beta": [2, 5], "gamma": [1, 4], "epsilon": [2, 4]}


@pytest.fixture
def epochs(monkeypatch):
    """A list that grows with each epoch that is trained."""
    done = []
    train = Network.train_batches
    monkeypatch.setattr(
        Network, "train_batches", lambda *a, **given: (done.append(1), train(*a, **given))[1]
    )
    return done


def networks(folder):
    return set(folder.rglob("network-*.pickle"))


def assert_resumed(model, X, y, epochs, **fit):
    """A fit with memory trains fewer epochs than one without, to the same bits."""
    alone = clone(model).set_params(memory=None).fit(X, y, **fit)
    n_alone = len(epochs)
    epochs.clear()
    model = clone(model).fit(X, y, **fit)
    assert len(epochs) < n_alone
    assert_same(model, alone)
    for name in model.history_.keys() - {"time"}:
        assert model.history_[name] == alone.history_[name]


@pytest.mark.parametrize("backend", ["sequential", "loky", "threading", "multiprocessing"])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_search_has_the_same_scores(samples, tmp_path, backend):
    X, y = samples
    model = NPSETClassifier(**FEW)
    without = GridSearchCV(model, LETTERS, cv=2).fit(X, y)
    model.set_params(memory=tmp_path)
    with parallel_config(backend, n_jobs=2):
        search = GridSearchCV(model, LETTERS, cv=2).fit(X, y)
    for name in ("split0_test_score", "split1_test_score"):
        np.testing.assert_array_equal(search.cv_results_[name], without.cv_results_[name])
    assert_same(search.best_estimator_, without.best_estimator_)


def test_a_search_trains_each_part_once(samples, tmp_path, epochs):
    letters = {"alpha": [0.1, 0.2], "beta": [2, 5], "gamma": [1, 4]}
    model = NPSETClassifier(**FEW, memory=tmp_path)
    GridSearchCV(model, letters, cv=2, refit=False).fit(*samples)
    until_pruning = 5  # of the longest beta, and the way to the shorter one is on it
    pruning = 2 * (2 + 2)  # for each alpha and beta, gamma + 1 epochs of the shorter gamma
    rest = 2 * sum(14 - (beta + 1 + 1) for beta in (2, 5) for _ in (1, 4))
    assert len(epochs) == 2 * (until_pruning + pruning + rest)


OTHERS = {
    "alpha": {"alpha": 0.3},
    "beta": {"beta": 6},
    "gamma": {"gamma": 7},
    "shorter pruning": {"gamma": 1},
    "longer": {"max_iter": 20},
    "shorter": {"max_iter": 9},
    "ends with the pruning": {"max_iter": 8},
    "ends while it prunes": {"max_iter": 6},
    "averaging": {"averaging": 0.1},
    "layers": {"prune_layers": (1,)},
    "strength": {"prune_by": "strength"},
    "budget": {"budget": "keep"},
    "every": {"prune_every": 2},
}


@pytest.mark.parametrize("name", OTHERS)
def test_goes_on_to_the_same_network(samples, tmp_path, epochs, name):
    model = NPSETClassifier(**FEW, memory=tmp_path).fit(*samples)
    epochs.clear()
    assert_resumed(model.set_params(**OTHERS[name]), *samples, epochs)


@pytest.mark.parametrize(
    "settings",
    [
        {"grow": "gradient", "drop": "sensitivity"},
        {"solver": "nesterov", "weight_decay": 0.1},
        {"beta": 0, "dropout": 0.2, "n_jobs": 2},
        {"zeta_schedule": "cosine", "class_weight": "balanced"},
        {"conditioning": 0.1, "dtype": "float32"},
    ],
)
def test_whatever_else_is_set(samples, tmp_path, epochs, settings):
    model = NPSETClassifier(**FEW | settings, memory=tmp_path).fit(*samples)
    epochs.clear()
    assert_resumed(model.set_params(gamma=6), *samples, epochs)


def test_other_targets_weights_and_sparse_samples(samples, tmp_path, epochs):
    X, y = samples
    times = np.column_stack([y > 0, 1 + np.arange(len(y))])
    weight = {"sample_weight": 1.0 + np.arange(len(y)) % 3}
    for cls, inputs, targets, fit in (
        (NPSETRegressor, X, y, weight),
        (NPSETSurvivalAnalysis, X, times, {}),
        (NPSETClassifier, sparse.csr_array(X), y, {}),
    ):
        model = cls(**FEW, memory=tmp_path).fit(inputs, targets, **fit)
        epochs.clear()
        assert_resumed(model.set_params(alpha=0.1), inputs, targets, epochs, **fit)


def test_nothing_is_shared_by_fits_that_differ_from_the_start(samples, tmp_path, epochs):
    X, y = samples
    weight = np.r_[2.0, np.ones(len(y) - 1)]
    given = NPSETClassifier(**FEW, memory=tmp_path)
    given.fit(X, y)
    for changed, *fit in (
        ({}, X + 1e-3, y),
        ({}, X, np.roll(y, 1)),
        ({}, X, y, weight),
        ({}, X.astype(np.float32), y),
        ({"random_state": 1}, X, y),
        ({"zeta": 0.2}, X, y),
        ({"shrinkage": 0.1}, X, y),
        ({"hidden_layer_sizes": (30, 21)}, X, y),
        ({"zeta_schedule": "linear"}, X, y),
    ):
        epochs.clear()
        model = NPSETClassifier(**FEW | changed, memory=tmp_path).fit(*fit)
        assert len(epochs) == FEW["max_iter"]
        assert_same(model, NPSETClassifier(**FEW | changed).fit(*fit))


@pytest.mark.parametrize(
    "settings",
    [{"random_state": None}, {"alpha": 0}, {"select_inputs": 20}, {"early_stopping": True}],
)
def test_not_used_where_nothing_can_be_shared(samples, tmp_path, settings):
    NPSETClassifier(**FEW | settings, memory=tmp_path).fit(*samples)
    assert not networks(tmp_path)


def test_not_used_with_held_out_samples_nor_in_continued_fits(samples, tmp_path):
    X, y = samples
    NPSETClassifier(**FEW, memory=tmp_path).fit(X, y, X_val=X, y_val=y)
    NPSETClassifier(**FEW, memory=tmp_path).partial_fit(X, y, classes=np.unique(y))
    assert not networks(tmp_path)
    model = NPSETClassifier(**FEW, warm_start=True, memory=tmp_path).fit(X, y)
    kept = networks(tmp_path)
    assert len(kept) == 2
    model.fit(X, y)
    assert networks(tmp_path) == kept and model.n_iter_ == 2 * FEW["max_iter"]


def test_a_file_for_each_point(samples, tmp_path):
    """None is left over of writing, and the folder is made where there is none."""
    folder = tmp_path / "a" / "b"
    for alpha, gamma in itertools.product((0.1, 0.2), (1, 4)):
        NPSETClassifier(**FEW | {"alpha": alpha, "gamma": gamma}, memory=str(folder)).fit(*samples)
    assert len(networks(folder)) == 1 + 4
    assert not list(folder.rglob("*.unfinished"))


def test_a_file_that_fails_leaves_nothing(samples, tmp_path, monkeypatch):
    def full(value, file, protocol):
        file.write(b"half of it")
        raise OSError("No space left on device")

    monkeypatch.setattr(_caching.pickle, "dump", full)
    with pytest.raises(OSError, match="No space"):
        NPSETClassifier(**FEW, memory=tmp_path).fit(*samples)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_file_that_another_process_reads_stays(tmp_path, monkeypatch):
    """On Windows it can be neither replaced meanwhile nor read while it is replaced."""
    folder = _caching._Folder(tmp_path)

    def refuse(*_):
        raise PermissionError("The process cannot access the file")

    with monkeypatch.context() as patch:
        patch.setattr(_caching.os, "replace", refuse)
        with pytest.raises(PermissionError):
            folder.write("value", 1)
    folder.write("value", 1)
    with monkeypatch.context() as patch:
        patch.setattr(_caching.os, "replace", refuse)
        folder.write("value", 1)
        patch.setattr(_caching.Path, "read_bytes", refuse)
        assert folder.read("value") is None
    assert folder.read("value") == (1,)
    assert not list(tmp_path.rglob("*.unfinished"))


def test_files_that_are_not_whole_are_made_again(samples, tmp_path):
    model = NPSETClassifier(**FEW, memory=tmp_path).fit(*samples)
    whole = {path: path.read_bytes() for path in tmp_path.rglob("*.pickle")}
    for size in (0, 1, 1000, -1):
        for path, content in whole.items():
            path.write_bytes(content[:size])
        assert_same(clone(model).fit(*samples), model)
        assert all(len(path.read_bytes()) >= len(whole[path]) - 100 for path in whole)


def test_what_a_killed_process_leaves_is_not_read_and_goes(samples, tmp_path):
    code = (
        "import os, sys, numpy as np\n"
        "from sklearn_set import NPSETClassifier, _caching\n"
        "def die(value, file, protocol):\n"
        "    file.write(b'half of it')\n"
        "    file.flush()\n"
        "    os._exit(9)\n"
        "_caching.pickle.dump = die\n"
        "X = np.arange(80.0).reshape(20, 4) % 7\n"
        "NPSETClassifier((9,), random_state=0, memory=sys.argv[1]).fit(X, X[:, 0] > 3)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == 9
    (left,) = tmp_path.rglob("*.unfinished")
    model = NPSETClassifier(**FEW, memory=tmp_path).fit(*samples)
    assert left.exists()  # it could be another process's, which goes on to write it
    assert_same(model, NPSETClassifier(**FEW).fit(*samples))
    os.utime(left, (0, 0))
    _caching._remove_abandoned.cache_clear()  # as in another process
    NPSETClassifier(**FEW | {"random_state": 1}, memory=tmp_path).fit(*samples)
    assert not left.exists()


def test_threads_wait_for_a_value_that_one_of_them_makes(tmp_path):
    made = []

    def slow(number):
        made.append(number)
        time.sleep(0.2)
        return number + 1

    with ThreadPoolExecutor(4) as pool:
        values = list(pool.map(_caching.cached(slow, tmp_path), [1, 1, 2, 1]))
    assert values == [2, 2, 3, 2]
    assert sorted(made) == [1, 2]


@pytest.mark.parametrize("cls", [SETClassifier, SETRegressor, DSRRegressor])
def test_what_is_found_before_training_is_found_once(tmp_path, monkeypatch, cls):
    X, y = make_classification(150, 120, n_informative=3, shuffle=False, random_state=0)
    model = cls(20, epsilon=3, max_iter=3, random_state=0)
    alone = [clone(model).set_params(epsilon=epsilon).fit(X, y) for epsilon in (2, 4)]
    found = []
    ridge = _kernel.KernelRidge.__init__

    def counted(*given, **start):
        found.append(1)
        ridge(*given, **start)

    monkeypatch.setattr(_kernel.KernelRidge, "__init__", counted)
    model.set_params(memory=tmp_path)
    for epsilon, other in zip((2, 4), alone):
        found.clear()
        fitted = clone(model).set_params(epsilon=epsilon).fit(X, y)
        assert bool(found) == (epsilon == 2)
        assert_same(fitted, other)
        for name in ("weight_decay_", "shrinkage_", "null_fraction_", "selection_errors_"):
            assert getattr(fitted, name, None) == getattr(other, name, None)
        assert fitted.conditioner_.errors_ == other.conditioner_.errors_


def test_chunks_of_streams_and_inputs_as_they_are_are_not_kept(samples, tmp_path):
    X, y = samples
    stream = SETRegressor(5, random_state=0, memory=tmp_path)
    for part in (X[:40], X[40:]):
        stream.partial_fit(part, part[:, 0])
    SETClassifier(5, conditioning=None, max_iter=2, random_state=0, memory=tmp_path).fit(X, y)
    assert not list(tmp_path.rglob("condition-*"))
    SETClassifier(5, max_iter=2, random_state=0, memory=tmp_path).fit(X, y)
    assert len(list(tmp_path.rglob("condition-*"))) == 1
