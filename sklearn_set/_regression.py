"""What the regressors share: targets, their scale, prediction.

Owns: the unit of targets. May not touch: the network, training.
"""

from __future__ import annotations

from numbers import Real

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_array, column_or_1d

from ._base import BaseSparseMLP, Samples
from ._losses import Loss
from ._sklearn_compat import Interval, StrOptions

__all__ = ["BaseSparseMLPRegressor"]


class BaseSparseMLPRegressor(RegressorMixin, BaseSparseMLP):
    """Targets, prediction and scores of regressors."""

    _parameter_constraints: dict = {
        **BaseSparseMLP._parameter_constraints,
        "loss": [StrOptions({"squared_error", "poisson", "huber"})],
        "huber_delta": [Interval(Real, 0, None, closed="neither")],
        "scale_target": ["boolean"],
    }

    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch on the given samples.

        One call is one epoch on the clock that `zeta` and the pruning of
        neurons follow: the second call and each later one begin with a
        rewiring. For a stream of small chunks set ``zeta=0`` (and ``alpha=0``),
        or pass larger chunks.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        self : object
            The estimator after the epoch.
        """
        self._validate_params()
        return self._partial_fit(X, y, sample_weight)

    def _validate_samples(self, X, y, sample_weight, *, reset, **kwargs) -> Samples:
        samples = super()._validate_samples(X, y, sample_weight, reset=reset, **kwargs)
        if reset:
            self._set_target_scale(samples)
        samples.target = self._scaled(samples.target, samples.X.dtype)
        return samples

    def _validate_held_out(self, X_val, y_val, sample_weight_val) -> Samples | None:
        held_out = super()._validate_held_out(X_val, y_val, sample_weight_val)
        if held_out is not None:
            held_out.target = self._scaled(held_out.target, held_out.X.dtype)
        return held_out

    def _set_target_scale(self, samples: Samples) -> None:
        """Remember the mean and standard deviation of the targets, or 0 and 1.

        The Poisson loss, whose targets must stay >= 0, is scaled by the mean alone.
        """
        n_outputs = samples.target.shape[1]
        self._target_offset, self._target_scale = np.zeros(n_outputs), np.ones(n_outputs)
        if not self.scale_target:
            return
        mean = np.average(samples.target, axis=0, weights=samples.weight)
        if self.loss == "poisson":
            scale = mean
        else:
            self._target_offset = mean
            scale = np.sqrt(
                np.average((samples.target - mean) ** 2, axis=0, weights=samples.weight)
            )
        constant = scale <= 10 * np.finfo(np.float64).eps * np.abs(mean)
        self._target_scale = np.where(constant, 1.0, scale)

    def _scaled(self, target: np.ndarray, dtype) -> np.ndarray:
        return ((target - self._target_offset) / self._target_scale).astype(dtype)

    def _decode_target(self, target: np.ndarray) -> np.ndarray:
        target = target * self._target_scale + self._target_offset
        return target[:, 0] if self._single_output else target

    def _encode_target(self, y, dtype, *, reset) -> np.ndarray:
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        single = y.ndim == 1
        y = y.reshape(len(y), -1)
        if reset:
            self._single_output = single
            self.n_outputs_ = y.shape[1]
            self._loss = Loss(self.loss, self.huber_delta)
        elif y.shape[1] != self.n_outputs_:
            raise ValueError(
                f"y has {y.shape[1]} outputs per sample, {self.n_outputs_} were expected."
            )
        if self.loss == "poisson" and (y < 0).any():
            raise ValueError(
                f"loss='poisson' needs targets >= 0; the smallest value of y is {y.min():g}."
            )
        return y

    def _score_raw(self, raw, target, weight) -> float:
        return r2_score(target, self._loss.activate(raw), sample_weight=weight)

    def predict(self, X):
        """Predict targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predicted targets.
        """
        outputs = self._outputs(X)
        return self._decode_target(outputs).astype(outputs.dtype)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
