"""Memory: the formula of doc/reliability.md, requests that cannot fit, no leaks."""

import math
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from sklearn_set import SETBernoulliRBM, SETClassifier, _memory, _native
from sklearn_set._data import Data
from sklearn_set._losses import Loss
from sklearn_set._memory import check_memory, expected_connections, machine_memory
from sklearn_set._mixtures import Mixtures, noise_for
from sklearn_set._topology import erdos_renyi
from sklearn_set._training import Generators

MEASURE = """
import re, sys
import numpy as np
from sklearn_set import SETRegressor

def peak():  # getrusage would count what the parent had before this program began
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])

width, epsilon, batch, dtype = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
settings = dict(
    mixup=0, averaging=0, max_iter=3, batch_size=batch, evolve_output=True, n_jobs=1,
    random_state=0, drop=sys.argv[5],
)
X = np.random.default_rng(0).standard_normal((batch, 20)).astype(dtype)
SETRegressor((10,), epsilon=3, **settings).fit(X, X[:, 0])  # whatever is loaded only once
before = peak()
model = SETRegressor((width, width), epsilon=epsilon, **settings).fit(X, X[:, 0])
print(peak() - before, model.n_connections_)
"""


def formula(n_connections, n_neurons, batch, itemsize, n_states):
    """Upper bound of the bytes that `fit` takes beyond X, as the documentation gives it.

    n_states: arrays of optimizer state per weight, one more with drop="sensitivity".
    """
    per_connection = 2 * (5 + itemsize * (1 + n_states)) + 32
    per_neuron = 2 * itemsize * max(batch, 16) + 100
    return per_connection * n_connections + per_neuron * n_neurons


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "width, epsilon, batch, dtype, drop",
    [
        (15_000, 50, 8, "float32", "magnitude"),
        (30_000, 50, 64, "float64", "magnitude"),
        (20_000, 50, 8, "float32", "sensitivity"),
        (200_000, 2, 32, "float32", "magnitude"),  # 5 GB if there were a bit for every place
    ],
)
def test_peak_memory_of_fit(width, epsilon, batch, dtype, drop):
    """Adam, with two rewirings; neither above the formula nor far below it."""
    arguments = map(str, (width, epsilon, batch, dtype, drop))
    result = subprocess.run(
        [sys.executable, "-P", "-c", MEASURE, *arguments], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    peak, n_connections = map(int, result.stdout.split())
    n_states = 2 + (drop == "sensitivity")
    bound = formula(n_connections, 2 * width, batch, np.dtype(dtype).itemsize, n_states)
    assert 0.4 * bound < peak <= bound


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
def test_memory_of_mixtures(dtype, weighted):
    n, rng = 50_000, np.random.default_rng(0)
    X, y = rng.normal(size=(n, 3)).astype(dtype), rng.integers(0, 9, n).astype(np.int32)
    weight = rng.uniform(1, 2, n).astype(dtype) if weighted else None
    data, streams = Data(X, dtype, Loss("softmax_log_loss"), y, weight), Generators.spawn(0)
    order, starts = np.arange(n), np.arange(0, n + 1, 20)
    for noise, bound in ((0.5, 150), (0.0, 60)):
        tracemalloc.start()
        if noise:
            noise_for(data)
        Mixtures(data, 0.3, noise).draw(order, starts, streams.mixup, streams.noise)
        peak = tracemalloc.get_traced_memory()[1] / n
        tracemalloc.stop()
        assert 0.4 * bound < peak <= bound


def test_the_documentation_has_this_formula():
    page = Path(__file__).parents[1] / "doc" / "reliability.md"
    assert "2 (5 + s (1 + k)) + 32" in page.read_text(encoding="utf-8")
    assert "2 s max(b, 16) + 100" in page.read_text(encoding="utf-8")
    assert "Mixtures take\n150 bytes for each row, 60 without noise" in page.read_text("utf-8")


# ------------------------------------------------------------------ requests that cannot fit


@pytest.mark.parametrize("shape, epsilon", [((30, 50), 1), ((300, 200), 20), ((7, 5), 40)])
def test_expected_connections(shape, epsilon):
    rng = np.random.default_rng(0)
    mean = np.mean([erdos_renyi(shape, epsilon, rng).nnz for _ in range(200)])
    assert mean == pytest.approx(expected_connections(shape, epsilon), rel=0.02)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
def test_layers_without_neurons_take_nothing(shape):
    assert expected_connections(shape, 5) == 0


def test_the_memory_of_this_machine_is_known():
    assert 2**28 < machine_memory() < 2**50


def test_a_containers_limit_counts(monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(_memory, "_CONTAINER", str(limit))
    unlimited = machine_memory()
    limit.write_text("max\n")
    assert machine_memory() == unlimited
    limit.write_text("1048576\n")
    assert machine_memory() == 2**20


def test_a_system_that_says_nothing(monkeypatch):
    monkeypatch.setattr(_memory, "_CONTAINER", "/nowhere")
    monkeypatch.setattr(_memory.os, "sysconf", None)
    monkeypatch.delattr(_memory.os, "sysconf")
    assert machine_memory() == math.inf
    check_memory([10**9, 10**9], [1e9], 8)


def test_the_least_that_training_needs_is_asked_for(monkeypatch):
    n = expected_connections((100, 50), 2) + expected_connections((50, 3), 2)
    monkeypatch.setattr(_memory, "machine_memory", lambda: n * 20)
    check_memory([100, 50, 3], [2, 2], 8)
    monkeypatch.setattr(_memory, "machine_memory", lambda: n * 20 - 1)
    with pytest.raises(MemoryError):
        check_memory([100, 50, 3], [2, 2], 8)
    check_memory([100, 50, 3], [2, 2], 4)


def test_a_network_that_cannot_fit_fails_at_once():
    """With its size and the parameters, before anything of it is drawn."""
    X, y = np.random.default_rng(0).standard_normal((20, 4)), np.arange(20) % 2
    fitted = SETClassifier((5,), max_iter=1, random_state=0).fit(X, y)
    before = fitted.predict_proba(X)
    fitted.set_params(hidden_layer_sizes=(10_000_000, 10_000_000), epsilon=1000)
    tracemalloc.start()
    with pytest.raises(MemoryError) as raised:
        fitted.fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    for part in (
        "[4, 10000000, 10000000, 1]",
        "hidden_layer_sizes",
        "epsilon=1000",
        "GiB",
        "Lower",
    ):
        assert part in str(raised.value)
    assert peak < 2**20
    np.testing.assert_array_equal(fitted.predict_proba(X), before)
    with pytest.raises(MemoryError, match="epsilon=1e"):
        SETBernoulliRBM(n_components=2_000_000_000, epsilon=1e7).fit(X > 0)


# ------------------------------------------------------------------ leaks


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_fits_leave_no_memory_behind():
    """300 fits here; tests/tools/leaks.py makes 1,000."""
    script = Path(__file__).parent / "tools" / "leaks.py"
    result = subprocess.run(
        [sys.executable, "-P", str(script), "--fits", "300"], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "300 fits" in result.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_failing_calls_of_the_core_leave_no_memory_behind():
    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    indptr, indices = np.array([0, 1], np.int32), np.zeros(1, np.int32)
    big = np.zeros(2**20)  # 8 MiB

    def fail():
        with pytest.raises(ValueError):
            _native.carry(big, np.array([2**20], np.int32))
        with pytest.raises(ValueError):
            _native.transpose(indptr, indices, 0)
        with pytest.raises(ValueError):
            _native.drop_smallest(big, 2**21)

    fail()
    before = resident()
    for _ in range(50):
        fail()
    assert resident() - before < 8 * 2**20
