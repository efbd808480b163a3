"""Callbacks: scikit-learn's and our own."""

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version
from sklearn.utils.validation import check_is_fitted

from sklearn_set import DSRRegressor, NPSETClassifier, SETClassifier, SETRegressor
from sklearn_set.callback import TimeBudget, ValidationMonitor
from sklearn_set.inspection import LearningCurveDisplay, attributions

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
    model = SETClassifier(**PATIENT, max_iter=6, averaging=0).set_callbacks(monitor)
    model.fit(X_train, y_train, X_val=X_val, y_val=y_val)
    assert [row["score"] for row in monitor.log] == model.validation_scores_
    model.fit(X_train, y_train)
    assert [row["fit"] for row in monitor.log] == [1] * 6 + [2] * 6


class Keeper(Recorder):
    """Keeps the estimators that it is shown."""

    def __init__(self):
        super().__init__()
        self.shown = []

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        if context.task_name == "epoch":
            self.shown.append((fitted_estimator, fitted_estimator.predict(X)))
        return False


def public(model):
    return {name for name in dir(model) if name.endswith("_") and not name.startswith("_")}


@pytest.mark.parametrize("held_out", [{}, {"X_val": X, "y_val": y}], ids=["alone", "held_out"])
@pytest.mark.parametrize(
    "model",
    [
        SETClassifier(**PATIENT, max_iter=4),
        SETRegressor(**PATIENT, max_iter=4, select_inputs=2),
        DSRRegressor(**PATIENT, max_iter=4, target_fraction=0.1, rewire_every=2),
        NPSETClassifier(**PATIENT, max_iter=4, alpha=0.2, beta=1, gamma=1, early_stopping=True),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_callback_is_shown_a_whole_estimator(model, held_out):
    pytest.importorskip("matplotlib").use("Agg")
    keeper = Keeper()
    model = clone(model).set_callbacks(keeper).fit(X, y, **held_out)
    assert len(keeper.shown) == model.n_iter_ == 4
    for number, (shown, predicted) in enumerate(keeper.shown, 1):
        check_is_fitted(shown)
        assert public(shown) == public(model)
        for name in public(model):
            getattr(shown, name)
        assert shown.n_iter_ == number and shown.t_ == number * model.t_ / 4
        assert shown.loss_curve_ == model.loss_curve_[:number]
        assert shown.loss_ == shown.loss_curve_[-1]
        if not model.early_stopping:
            assert shown.best_loss_ == min(shown.loss_curve_)
        assert {len(column) for column in shown.history_.values()} == {number}
        assert attributions(shown, X[:5], output=0).shape == (5, 4)
        line = LearningCurveDisplay.from_estimator(shown).ax_.get_lines()[0]
        drawn = shown.history_.get("training_loss", shown.loss_curve_)
        np.testing.assert_array_equal(line.get_ydata(), drawn)
        # And it stays what it was when it was shown.
        np.testing.assert_array_equal(shown.predict(X), predicted)
        assert shown.n_connections_ == model.history_["n_connections"][number - 1]


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
