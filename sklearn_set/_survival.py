"""What the estimators for times with censoring share: targets and prediction.

Owns: what users ask of a survival analysis. May not touch: the network, training, the
clock of the targets (`_times.py`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_consistent_length

from ._base import BaseSparseMLP
from ._caching import cached
from ._column_weights import column_weights
from ._conditioning import InputConditioner
from ._regularization import Signal
from ._samples import Samples, check_weight
from ._threads import one_blas_thread
from ._times import StepFunction, Times, columns_of
from ._training_parameters import Survival

__all__ = ["BaseSparseMLPSurvival"]

# Martingale residuals are noisy even where the hazard is known: of what they say about
# shrinkage, this much had the best Brier scores.
_SHARE_OF_SHRINKAGE = 0.5
# Networks whose columns are weighed need much decay, which keeps the weights' proportions.
_WEIGHED = Signal(noise=0.3, gain=0.75)


class _Fitted:
    """Types of what a fit sets."""

    _targets: Times
    unique_times_: np.ndarray


class BaseSparseMLPSurvival(_Fitted, Survival, BaseSparseMLP):
    """Targets, prediction and scores of survival analyses."""

    _NOISE_SELECTED = 0.08  # 0.1 and more can leave nothing of a network of few inputs
    _SHRINKAGE_SELECTED = _SHARE_OF_SHRINKAGE
    # As good as two layers on clinical tables, and better on wide ones, where inputs are selected.
    hidden_layer_sizes = (300,)

    def _make_targets(self, y, weight: np.ndarray | None, **given) -> Times:
        return Times.of(y, weight, self.n_intervals)

    def _validate_samples(self, X, y, sample_weight, **given):
        y = None if y is None else columns_of(y)  # structured arrays cannot be validated with X
        return super()._validate_samples(X, y, sample_weight, **given)

    def _validate_held_out(self, targets, X_val, y_val, sample_weight_val):
        y_val = None if y_val is None else columns_of(y_val)
        return super()._validate_held_out(targets, X_val, y_val, sample_weight_val)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    def _fit_conditioner(self, samples, targets) -> tuple[InputConditioner, Signal | None]:
        conditioner, signal = super()._fit_conditioner(samples, targets)
        chooses = self.select_inputs == "auto" and conditioner.method_ == "scale"
        if chooses and not sparse.issparse(samples.X):
            weigh = cached(column_weights, self.memory)
            X = conditioner._apply(samples.X)
            with one_blas_thread():
                found = weigh(X, targets, samples.target, samples.weight)
            weights, self.selection_errors_ = found
            if weights is not None:
                conditioner._weigh(weights)
        return conditioner, signal

    def _find_signal(self, samples: Samples, select, conditioner, known: Signal | None) -> Signal:
        if conditioner.method_ == "weigh":
            return _WEIGHED
        signal = super()._find_signal(samples, select, conditioner, known)
        return replace(signal, shrinkage=_SHARE_OF_SHRINKAGE * signal.shrinkage)

    def predict(self, X):
        """Predict risks.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        risk : ndarray of shape (n_samples,)
            The higher, the earlier the event: the logarithm of the cumulative hazard relative
            to that of the training samples as a whole, both averaged over the times of
            events. With ``n_intervals=1`` this is the logarithm of a hazard ratio.
        """
        raw = self._raw_predict(X)
        return self._targets.risk(raw)

    def predict_cumulative_hazard_function(self, X, return_array=False):
        """Predict cumulative hazards.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        return_array : bool, default=False
            Whether to return numbers instead of functions.

        Returns
        -------
        hazards : ndarray of shape (n_samples,) or (n_samples, n_times)
            A step function for each sample: it is called with times, and has the steps `x`,
            the values `y` and a `domain`, as those of scikit-survival have. With
            `return_array`, its values at `unique_times_`.
        """
        values = self._cumulative_hazard(X)
        return values if return_array else self._functions(values, 0.0)

    def predict_survival_function(self, X, return_array=False):
        """Predict probabilities of no event up to a time.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        return_array : bool, default=False
            Whether to return numbers instead of functions.

        Returns
        -------
        survival : ndarray of shape (n_samples,) or (n_samples, n_times)
            A step function for each sample, or its values at `unique_times_`; see
            `predict_cumulative_hazard_function`.
        """
        values = np.exp(-self._cumulative_hazard(X))
        return values if return_array else self._functions(values, 1.0)

    def _cumulative_hazard(self, X) -> np.ndarray:
        raw = self._raw_predict(X)
        return self._targets.cumulative_hazard(raw)

    def _functions(self, values: np.ndarray, start: float) -> np.ndarray:
        functions = np.empty(len(values), dtype=object)
        domain = (0.0, self._targets.last)
        for i, y in enumerate(values):
            functions[i] = StepFunction(self._targets.steps, y, start, domain)
        return functions

    def score(self, X, y, sample_weight=None):
        """Harrell's concordance of the predicted risks.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : structured array of event and time, or array-like of shape (n_samples, 2)
            Times with censoring, as in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples; a pair of them weighs the product.

        Returns
        -------
        score : float
            Share of the comparable pairs in which the higher risk has the earlier event;
            pairs of equal risks count half.
        """
        raw = self._raw_predict(X)
        target = columns_of(y)
        check_consistent_length(raw, target, sample_weight)
        weight = check_weight(sample_weight, raw, "sample_weight")
        return self._targets.score(raw, target, weight)
