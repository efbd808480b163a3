"""Callbacks: scikit-learn's and our own."""

import numpy as np
import pytest
import sklearn
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from sklearn_set import SETClassifier
from sklearn_set.callback import TimeBudget, ValidationMonitor

X, y = load_iris(return_X_y=True)
PATIENT = {"hidden_layer_sizes": (20,), "n_iter_no_change": np.inf, "random_state": 0}
needs_sklearn_callbacks = pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.9"), reason="scikit-learn >= 1.9"
)


class Recorder:
    """Writes down which hooks were called."""

    def __init__(self, stop_after=np.inf):
        self.calls = []
        self.stop_after = stop_after

    def setup(self, estimator, context):
        self.calls.append("setup")

    def on_fit_task_begin(self, estimator, context):
        self.calls.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context):
        self.calls.append(("end", context.task_name, context.task_id))
        return context.task_name == "epoch" and context.task_id + 1 >= self.stop_after

    def teardown(self, estimator, context):
        self.calls.append("teardown")


def test_hooks_come_in_order():
    recorder = Recorder()
    SETClassifier(**PATIENT, max_iter=2).set_callbacks(recorder).fit(X, y)
    assert recorder.calls == [
        "setup",
        ("begin", "fit", 0),
        ("begin", "epoch", 0),
        ("end", "epoch", 0),
        ("begin", "epoch", 1),
        ("end", "epoch", 1),
        ("end", "fit", 0),
        "teardown",
    ]


def test_a_callback_can_stop_the_fit():
    model = SETClassifier(**PATIENT, max_iter=50).set_callbacks(Recorder(stop_after=3)).fit(X, y)
    assert model.n_iter_ == 3


def test_teardown_after_a_failed_fit():
    recorder = Recorder()
    model = SETClassifier(**PATIENT, learning_rate_init=1e300, solver="sgd")
    with pytest.raises(ValueError, match="diverged"):
        model.set_callbacks(recorder).fit(X, y)
    assert recorder.calls[-1] == "teardown"


def test_callbacks_change_nothing():
    watched = SETClassifier(**PATIENT, max_iter=5).set_callbacks(ValidationMonitor(X, y))
    plain = SETClassifier(**PATIENT, max_iter=5)
    np.testing.assert_array_equal(
        watched.fit(X, y).decision_function(X), plain.fit(X, y).decision_function(X)
    )


def test_time_budget():
    model = SETClassifier(**PATIENT, max_iter=10**7).set_callbacks(TimeBudget(0.1)).fit(X, y)
    assert 1 <= model.n_iter_ < 10**5
    with pytest.raises(ValueError, match="seconds=0"):
        TimeBudget(0)


def test_validation_monitor_scores_the_model_of_each_epoch():
    X_train, X_val, y_train, y_val = train_test_split(X, y, random_state=0)
    monitor = ValidationMonitor(X_val, y_val)
    model = SETClassifier(**PATIENT, max_iter=6).set_callbacks(monitor)
    model.fit(X_train, y_train, X_val=X_val, y_val=y_val)
    assert [row["score"] for row in monitor.log] == model.validation_scores_
    model.fit(X_train, y_train)
    assert [row["fit"] for row in monitor.log] == [1] * 6 + [2] * 6


def test_only_callbacks_are_taken():
    with pytest.raises(TypeError, match="callbacks must be instances"):
        SETClassifier().set_callbacks(TimeBudget)


@needs_sklearn_callbacks
def test_scoring_monitor_in_a_search_over_processes():
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring="accuracy")
    network = SETClassifier(**PATIENT, max_iter=4).set_callbacks(monitor)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), network),
        {"setclassifier__zeta": [0, 0.3]},
        cv=2,
        n_jobs=2,
        refit=False,
    )
    search.fit(X, y)
    logs = monitor.get_logs(select="all")
    rows = sum(len(log.data) for log in logs)
    assert rows >= 2 * 2 * 4
