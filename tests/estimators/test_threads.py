"""Threads and processes that share estimators."""

import multiprocessing
import os
import pickle
import subprocess
import sys
import sysconfig
import threading
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
import scipy.sparse
from estimators.common import SMALL, X, Y
from helpers import assert_same
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_set import NPSETClassifier, SETClassifier, _network
from sklearn_set._threads import effective_n_threads, one_blas_thread

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def wide_data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(150, 500)), rng.integers(0, 10, 150)


WIDE = {
    "hidden_layer_sizes": (800, 600), "epsilon": 15, "batch_size": 64, "max_iter": 3,
    "conditioning": None, "shrinkage": 0, "random_state": 0,
}  # fmt: skip


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_fork_after_fit():
    data, y = wide_data()
    model = SETClassifier(**WIDE, n_jobs=2).fit(data, y)  # starts OpenMP's threads
    expected = model.predict(data)
    twin = SETClassifier(**WIDE, n_jobs=2)

    def child():
        assert (model.predict(data) == expected).all()
        assert_same(twin.fit(data, y), model)
        assert effective_n_threads(2) == effective_n_threads(None) == effective_n_threads(-1) == 1

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(60)
    hangs = process.is_alive()
    if hangs:
        process.kill()
        process.join()
    assert not hangs, "the forked child hangs"
    assert process.exitcode == 0
    np.testing.assert_array_equal(model.predict(data), expected)  # the parent goes on
    assert effective_n_threads(2) == 2


def test_predictions_from_several_threads_at_once():
    data, y = wide_data()
    sparse = scipy.sparse.csr_array(data * (np.abs(data) > 1.5))
    fitted = SETClassifier(**WIDE, n_jobs=2).fit(data, y)
    expected = [fitted.decision_function(data), fitted.decision_function(sparse)]
    inputs = [data, sparse]
    for _ in range(5):
        model = pickle.loads(pickle.dumps(fitted))  # nothing is prepared yet
        start = threading.Barrier(4)

        def call(i, model=model, start=start):
            start.wait()
            return [model.decision_function(inputs[(i + k) % 2]) for k in range(4)]

        with ThreadPoolExecutor(4) as pool:
            for i, results in enumerate(pool.map(call, range(4))):
                for k, result in enumerate(results):
                    np.testing.assert_array_equal(result, expected[(i + k) % 2])


def test_fits_from_several_threads_at_once():
    for (data, y), settings in ((wide_data(), WIDE), (collinear_data(), COLLINEAR)):
        alone = SETClassifier(**settings).fit(data, y)

        def fit(n_jobs, data=data, y=y, settings=settings):
            return SETClassifier(**settings, n_jobs=n_jobs).fit(data, y)

        with ThreadPoolExecutor(3) as pool:
            for model in pool.map(fit, [1, 2, None] * 3):
                assert_same(model, alone)


def collinear_data():
    """Products with their components have other bits on two threads of BLAS than on one."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(105, 30))
    return hidden @ rng.normal(size=(30, 300)), hidden[:, 12] > 0


COLLINEAR = {
    "hidden_layer_sizes": (20,), "max_iter": 5, "conditioning": 0.001, "random_state": 0,
}  # fmt: skip


def test_threads_of_blas_change_no_bits():
    data, y = collinear_data()
    models = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads, "blas"):
            model = SETClassifier(**COLLINEAR).fit(data, y)
            models.append((model, model.decision_function(data)))
    (one, values), (two, others) = models
    assert_same(one, two)
    np.testing.assert_array_equal(values, others)


def blas_threads():
    libraries = threadpool_info()
    return {library["num_threads"] for library in libraries if library["user_api"] == "blas"}


def test_a_thread_does_not_lift_the_limit_of_another():
    """Threads of Python share the limit of BLAS, which is the process's."""
    entered, left = threading.Event(), threading.Event()

    def other():
        with one_blas_thread():
            entered.set()
            left.wait(60)
            return blas_threads()

    with threadpool_limits(2, "blas"):
        before = blas_threads()
        with ThreadPoolExecutor(1) as pool:
            with one_blas_thread():
                seen = pool.submit(other)
                entered.wait(60)
            left.set()
            assert seen.result() == {1}
        assert blas_threads() == before == {2}


def test_growth_by_gradient_on_several_threads():
    data, y = wide_data()
    one, two = (SETClassifier(**WIDE, grow="gradient", n_jobs=n).fit(data, y) for n in (1, 2))
    assert_same(one, two)


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python has a GIL")
def test_the_gil_stays_off():
    """An extension module that does not declare otherwise would turn it on for the process."""
    code = "import sys, sklearn_set._native; print(sys._is_gil_enabled())"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={name: value for name, value in os.environ.items() if name != "PYTHON_GIL"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_threads_that_share_estimators():
    """Fits, further batches, predictions and copies at once: results of others stay whole."""
    data, y = wide_data()
    fitted = NPSETClassifier(**WIDE, alpha=0.1, beta=1, gamma=1).fit(data, y)
    expected = fitted.predict_proba(data)
    torn = SETClassifier(**SMALL).fit(X, Y)  # several threads train it, which nobody should

    def predict():
        np.testing.assert_array_equal(fitted.predict_proba(data), expected)

    def copy():
        np.testing.assert_array_equal(
            pickle.loads(pickle.dumps(fitted)).predict_proba(data), expected
        )

    def train():
        try:
            torn.fit(X, Y)
        except AttributeError as error:  # scikit-learn's own state of a running fit
            assert "_skl_callbacks" in str(error)
        torn.partial_fit(X, Y)
        torn.predict(X)

    with ThreadPoolExecutor(6) as pool:
        tasks = [pool.submit(task) for _ in range(10) for task in (predict, train, copy)]
        for task in tasks:
            task.result()
    assert np.isfinite(torn.predict_proba(X)).all()


def test_validation_of_another_kind_keeps_the_work_buffers(monkeypatch):
    """Dense samples to learn from and sparse ones to validate on share the core's network."""
    made, original = [], _network._native.NetworkF64

    def make(*arguments):
        made.append(arguments[1:])
        return original(*arguments)

    monkeypatch.setattr(_network._native, "NetworkF64", make)
    model = SETClassifier(**SMALL).fit(X, Y, X_val=scipy.sparse.csr_array(X), y_val=Y)
    assert made == [(False, True), (True, True)]
    assert_same(model, SETClassifier(**SMALL).fit(X, Y))


def test_binding_for_prediction_is_safe_between_threads(monkeypatch):
    """A thread that binds for dense samples must not hand its view to one with sparse ones."""
    model = SETClassifier(**SMALL).fit(X, Y)
    expected = model.decision_function(X)
    model = pickle.loads(pickle.dumps(model))
    network, native = model._network, _network._native
    sparse = scipy.sparse.csr_array(X)

    def store(self, name, value):
        object.__setattr__(self, name, value)
        if name == "_bound" and value is not None and value[1:3] == (True, False):
            # At this very moment another thread stores its own.
            dense = native.NetworkF64(network.layers, False, False)
            object.__setattr__(self, name, value._replace(sparse=False, native=dense))

    monkeypatch.setattr(_network.Network, "__setattr__", store, raising=False)
    np.testing.assert_allclose(model.decision_function(sparse), expected, atol=1e-9)
    assert network._bound[1:3] == (False, False)


def test_effective_n_threads():
    n_cpus = joblib.cpu_count()
    assert [effective_n_threads(n) for n in (1, 2, 7)] == [1, 2, 7]
    assert effective_n_threads(-1) == n_cpus
    assert effective_n_threads(-2) == max(1, n_cpus - 1)
    assert effective_n_threads(-1000) == 1
    assert 1 <= effective_n_threads(None) <= n_cpus or os.environ.get("OMP_NUM_THREADS")
    with threadpool_limits(1):
        assert effective_n_threads(None) == 1
        assert effective_n_threads(3) == 3  # an explicit number holds
    for backend in ("threading", "loky"):
        with joblib.parallel_config(backend, n_jobs=2):
            seen = joblib.Parallel()(joblib.delayed(effective_n_threads)(None) for _ in range(2))
        assert seen == [1, 1], backend


@pytest.mark.parametrize("n", [1, 3])
def test_omp_num_threads(n):
    code = "from sklearn_set._threads import effective_n_threads as e; print(e(None))"
    env = {**os.environ, "OMP_NUM_THREADS": str(n)}
    result = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert result.stdout.strip() == str(n), result.stderr


def test_a_model_in_a_thread_when_python_ends_is_no_alarm():
    """Neither are services with such threads, nor notebooks."""
    code = (
        "import threading, time, numpy as np\n"
        "from sklearn_set import SETRegressor\n"
        "X = np.eye(6)\n"
        "model = SETRegressor((5,), max_iter=1).fit(X, X[:, 0])\n"
        "threading.Thread(target=lambda model: time.sleep(60), args=(model,), daemon=True).start()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
