"""Callbacks for ``set_callbacks``: watch a fit on held-out samples, or limit its time.

They follow the callback protocol of scikit-learn 1.9 and work with this package's
estimators on scikit-learn 1.7 and 1.8 too. scikit-learn's own ``ProgressBar`` and
``ScoringMonitor`` (from 1.9) work as well.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sklearn.metrics import check_scoring

__all__ = ["TimeBudget", "ValidationMonitor"]


class _EpochCallback:
    """A callback that acts at the end of epochs only."""

    def setup(self, estimator, context):
        """Called once before a fit."""

    def on_fit_task_begin(self, estimator, context):
        """Called at the beginning of a fit and of each epoch."""

    def teardown(self, estimator, context):
        """Called once after a fit, also if it fails."""


class TimeBudget(_EpochCallback):
    """Stop a fit after the epoch in which its time is used up.

    Parameters
    ----------
    seconds : float
        Time for one fit, > 0; at least one epoch is trained.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_set import SETClassifier
    >>> from sklearn_set.callback import TimeBudget
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SETClassifier(max_iter=1_000_000)
    >>> bool(model.set_callbacks(TimeBudget(0.2)).fit(X, y).n_iter_ < 100_000)
    True
    """

    def __init__(self, seconds):
        if not isinstance(seconds, int | float) or not seconds > 0:
            raise ValueError(f"seconds={seconds!r} must be a number > 0.")
        self.seconds = seconds

    def on_fit_task_end(self, estimator, context):
        """Ask to stop when the time is over."""
        if context.task_name != "epoch":
            return False
        elapsed = datetime.now(UTC) - context.parent.init_time
        return elapsed.total_seconds() >= self.seconds


class ValidationMonitor(_EpochCallback):
    """Score the model on held-out samples after every epoch.

    Unlike `X_val` in ``fit`` it holds its samples itself, so that a search cannot slice
    them. In a Pipeline, give transformed samples. In worker processes the log stays there.

    Parameters
    ----------
    X_val, y_val : array-like
        Held-out samples and their targets.
    scoring : str, callable or None, default=None
        As in `cross_val_score`; None uses the estimator's ``score``.

    Attributes
    ----------
    log : list of dict
        One entry an epoch: "fit" (a number for each fit), "epoch", "score".

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_set import SETClassifier
    >>> from sklearn_set.callback import ValidationMonitor
    >>> X, X_val, y, y_val = train_test_split(*load_iris(return_X_y=True), random_state=0)
    >>> monitor = ValidationMonitor(X_val, y_val, scoring="neg_log_loss")
    >>> model = SETClassifier((20,), max_iter=5).set_callbacks(monitor).fit(X, y)
    >>> [row["epoch"] for row in monitor.log]
    [1, 2, 3, 4, 5]
    """

    def __init__(self, X_val, y_val, *, scoring=None):
        self.X_val, self.y_val, self.scoring = X_val, y_val, scoring
        self.log: list[dict] = []
        self._n_fits = 0

    def setup(self, estimator, context):
        """Start a new fit in the log."""
        self._n_fits += 1

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        """Score the model as it is after this epoch."""
        if context.task_name == "epoch":
            scorer = check_scoring(fitted_estimator, self.scoring)
            score = float(scorer(fitted_estimator, self.X_val, self.y_val))
            self.log.append({"fit": self._n_fits, "epoch": context.task_id + 1, "score": score})
        return False
