"""Searches and streams on the engines of others: joblib, Dask, Ray, dask-ml."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_set import NPSETClassifier, SETClassifier, SETRegressor
from sklearn_set.callback import TimeBudget

COUNTING = sys.platform.startswith("linux")  # threads, in /proc


def send_functions_whole(cloudpickle):
    """Workers cannot import this module, whose name pytest makes up.

    Dask asks cloudpickle only for what pickle refuses, a lambda for example.
    """
    cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes of one thread each."""
    distributed = pytest.importorskip("distributed", reason="Dask is missing (extra distributed)")
    send_functions_whole(pytest.importorskip("cloudpickle"))
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as c,
        distributed.Client(c) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def ray():
    ray = pytest.importorskip("ray", reason="Ray is missing (extra ray)")
    from ray.util.joblib import register_ray

    send_functions_whole(ray.cloudpickle)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    register_ray()
    yield ray
    ray.shutdown()


def searches():
    """name -> search of a Pipeline, made anew for each run."""
    model = make_pipeline(
        StandardScaler(), SETClassifier((30,), max_iter=5, batch_size=100, random_state=0)
    )
    # Pruning that a short budget does not reach.
    pruned = make_pipeline(
        StandardScaler(), NPSETClassifier((30,), beta=2, gamma=4, batch_size=100, random_state=0)
    )
    grid = {"setclassifier__epsilon": [2, 10], "setclassifier__zeta": [0.1, 0.4]}
    return {
        "grid": GridSearchCV(model, grid, cv=2),
        "random": RandomizedSearchCV(model, grid, n_iter=3, cv=2, random_state=0),
        "halving": HalvingRandomSearchCV(
            pruned,
            {"npsetclassifier__epsilon": [2, 5, 10, 20]},
            resource="npsetclassifier__max_iter",
            n_candidates=4,
            min_resources=2,
            max_resources=8,
            factor=2,
            cv=2,
            random_state=0,
        ),
    }


def run(name, digits):
    search = searches()[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the pruning that is not reached
        return search.fit(*digits)


def assert_same_as_serial(name, digits, backend, **settings):
    serial = run(name, digits)
    with parallel_config(backend, **settings):
        there = run(name, digits)
    for key, column in serial.cv_results_.items():
        if "time" not in key:
            np.testing.assert_array_equal(there.cv_results_[key], column, err_msg=key)
    assert there.best_params_ == serial.best_params_
    np.testing.assert_array_equal(there.predict_proba(digits[0]), serial.predict_proba(digits[0]))


def threads_of_a_fit():
    """How many more threads this process has after a fit that is worth several, by the kernel."""
    import os

    import numpy as np

    from sklearn_set import SETClassifier

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(256, 1000)), np.arange(256) % 2
    before = len(os.listdir("/proc/self/task"))
    SETClassifier((1000,), batch_size=256, max_iter=1).fit(X, y)
    return os.getpid(), len(os.listdir("/proc/self/task")) - before


# ------------------------------------------------------------------ searches


@pytest.mark.parametrize("name", ["grid", "random", "halving"])
@pytest.mark.parametrize("backend", ["loky", "dask"])
def test_a_search_scores_as_serial(name, backend, few_digits, request):
    if backend == "dask":
        request.getfixturevalue("cluster")
    assert_same_as_serial(name, few_digits, backend, n_jobs=2)


@pytest.mark.parametrize("name", ["grid", "random", "halving"])
def test_a_search_on_ray_scores_as_serial(name, ray, few_digits):
    assert_same_as_serial(name, few_digits, "ray", n_jobs=2)


def test_halving_warns_of_pruning_beyond_the_budget(few_digits):
    with pytest.warns(UserWarning, match=r"Raise max_iter above beta \+ gamma"):
        search = searches()["halving"].fit(*few_digits)
    assert list(search.n_resources_) == [2, 4, 8]
    # The last rung reaches past beta + gamma.
    assert search.best_estimator_[-1].hidden_layer_sizes_[0] < 30


@pytest.mark.skipif(not COUNTING, reason="threads are counted in /proc")
def test_workers_are_not_oversubscribed(cluster):
    workers = cluster.scheduler_info()["workers"]
    tasks = [cluster.submit(lambda: threads_of_a_fit(), pure=False, workers=[w]) for w in workers]
    grown = dict(task.result(timeout=120) for task in tasks)
    assert len(grown) == 2 and os.getpid() not in grown
    assert set(grown.values()) == {0}


@pytest.mark.skipif(not COUNTING, reason="threads are counted in /proc")
def test_ray_workers_are_not_oversubscribed(ray):
    pid, grown = ray.get(ray.remote(threads_of_a_fit).remote())
    assert pid != os.getpid() and grown == 0


@pytest.mark.skipif(not COUNTING, reason="threads are counted in /proc")
@pytest.mark.parametrize("nanny_threads", [None, "2"])
def test_workers_in_one_process_are_not_oversubscribed(nanny_threads):
    """Without a nanny nobody sets OMP_NUM_THREADS; without Dask the same fit takes two."""
    pytest.importorskip("distributed", reason="Dask is missing (extra distributed)")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_distributed import threads_of_a_fit\n"
        "from distributed import Client, LocalCluster\n"
        "from sklearn_set import _native\n"
        "options = dict(n_workers=2, threads_per_worker=1, processes=False)\n"
        "with LocalCluster(dashboard_address=None, **options) as c, Client(c) as client:\n"
        "    there = client.submit(threads_of_a_fit).result()[1]\n"
        "    print(there, threads_of_a_fit()[1], min(2, _native.max_threads()) - 1)\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    if nanny_threads:
        environment["OMP_NUM_THREADS"] = nanny_threads
    result = subprocess.run(
        [sys.executable, "-c", code, os.path.dirname(__file__)],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert result.returncode == 0, result.stderr
    in_task, outside, possible = map(int, result.stdout.split())
    if nanny_threads is None:
        assert (in_task, outside) == (0, possible)
    else:
        assert in_task == 1  # as asked for


def test_a_search_outlives_a_killed_worker(cluster, few_digits, tmp_path):
    from distributed import Client

    class ReplicatingClient(Client):  # as in doc/clusters.md
        def scatter(self, data, broadcast=True, **options):
            return super().scatter(data, broadcast=broadcast, **options)

    seconds = 3  # more than Dask waits before it takes copies back, if it may
    marker = tmp_path / "killed"

    def kill_once(X):
        """Kill the worker that comes here first."""
        import os
        import signal
        import time

        try:
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return X
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGKILL)

    model = make_pipeline(
        FunctionTransformer(kill_once),
        SETClassifier((20,), max_iter=3, batch_size=100, random_state=0),
    )
    # One fit at a time: the first one goes to the worker that holds the data.
    grid = {"setclassifier__epsilon": [2, 5, 10]}
    search = GridSearchCV(model, grid, cv=2, pre_dispatch=1)
    pids = set(cluster.run(os.getpid).values())
    with ReplicatingClient(cluster.cluster, set_as_default=False) as client:
        client.amm.stop()
        with parallel_config("dask", client=client):
            search.fit(*few_digits)
        client.amm.start()
        client.wait_for_workers(2, timeout=60)
        assert set(client.run(os.getpid).values()) != pids
    assert marker.exists()
    survived = search.cv_results_["mean_test_score"]
    serial = search.fit(*few_digits)  # does not kill any more
    np.testing.assert_array_equal(survived, serial.cv_results_["mean_test_score"])


def test_callbacks_act_in_workers(cluster, few_digits):
    X, y = few_digits
    model = SETClassifier((20,), max_iter=1_000_000, random_state=0)
    model.set_callbacks(TimeBudget(0.05))
    with parallel_config("dask"):
        search = GridSearchCV(model, {"epsilon": [2, 5]}, cv=2, refit=False).fit(X, y)
    assert (search.cv_results_["mean_fit_time"] < 5).all()


def test_progress_is_shown_from_workers(cluster, few_digits, capsys):
    pytest.importorskip("rich", reason="scikit-learn's ProgressBar needs it")
    ProgressBar = pytest.importorskip("sklearn.callback").ProgressBar
    X, y = few_digits
    model = SETClassifier((20,), max_iter=3, random_state=0)
    search = GridSearchCV(model, {"epsilon": [2, 5]}, cv=2).set_callbacks(ProgressBar())
    with parallel_config("dask"):
        search.fit(X, y)
    assert "SETClassifier - fit" in capsys.readouterr().out


# ------------------------------------------------------------------ streams


@pytest.mark.parametrize("cls", [SETClassifier, SETRegressor])
def test_incremental_is_the_loop_over_chunks(cls, few_digits):
    wrappers = pytest.importorskip(
        "dask_ml.wrappers", reason="dask-ml is missing (extra distributed)"
    )
    import dask.array as da

    X, y = few_digits
    classes = {"classes": range(10)} if cls is SETClassifier else {}
    settings = {"evolve_every": 4, "random_state": 0}
    loop = cls((30,), **settings)
    for start in range(0, 400, 100):
        loop.partial_fit(X[start : start + 100], y[start : start + 100], **classes)
    chunks = da.from_array(X, chunks=(100, -1)), da.from_array(y, chunks=100)
    stream = wrappers.Incremental(cls((30,), **settings), shuffle_blocks=False)
    stream.fit(*chunks, **classes)
    assert stream.estimator_.n_iter_ == 4
    np.testing.assert_array_equal(stream.predict(chunks[0]).compute(), loop.predict(X))
    # A second pass starts with the one rewiring that is due after four chunks.
    stream.partial_fit(*chunks, **classes)
    assert np.count_nonzero(stream.estimator_.history_["n_grown"]) == 1


def test_parallel_post_fit(few_digits):
    wrappers = pytest.importorskip(
        "dask_ml.wrappers", reason="dask-ml is missing (extra distributed)"
    )
    import dask.array as da

    X, y = few_digits
    model = SETClassifier((30,), max_iter=4, random_state=0)
    there = wrappers.ParallelPostFit(model).fit(X, y)
    chunked = da.from_array(X, chunks=(90, -1))
    np.testing.assert_array_equal(there.predict(chunked).compute(), there.estimator.predict(X))
    np.testing.assert_array_equal(
        there.predict_proba(chunked).compute(), there.estimator.predict_proba(X)
    )
