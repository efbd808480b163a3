"""Losses: their native code, their outputs, and their value on given raw outputs.

Owns: what a network's raw outputs mean. May not touch: networks, estimators.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_expit, softmax, xlogy

from . import _native

__all__ = ["Loss"]

_OUT_ACTIVATIONS = {
    "binary_log_loss": "logistic",
    "softmax_log_loss": "softmax",
    "multilabel_log_loss": "logistic",
    "sigmoid_squared_error": "logistic",
    "squared_error": "identity",
    "poisson": "exp",
    "huber": "identity",
    "hazard": "exp",
}


@dataclass(frozen=True)
class Loss:
    """A loss with its output activation.

    `name` is one of ``_native.LOSSES``: what the estimator's ``loss`` becomes once the
    kind of target is known.
    """

    name: str
    huber_delta: float = 1.0

    def __str__(self) -> str:
        delta = f" (huber_delta={self.huber_delta:g})" if self.name == "huber" else ""
        return f"{self.name}{delta}"

    @property
    def code(self) -> int:
        return _native.LOSSES[self.name]

    @property
    def is_log_loss(self) -> bool:
        """Whether it judges probabilities of classes."""
        return self.name.endswith("log_loss")

    @property
    def out_activation(self) -> str:
        return _OUT_ACTIVATIONS[self.name]

    def activate(self, raw: np.ndarray) -> np.ndarray:
        """Apply the output activation to raw outputs of shape (n_samples, n_outputs)."""
        match self.out_activation:
            case "logistic":
                return expit(raw)
            case "softmax":
                return softmax(raw, axis=1)
            case "exp":
                return np.exp(raw)
        return raw

    @staticmethod
    def values(target: np.ndarray, n_outputs: int) -> np.ndarray:
        """Targets as numbers of shape (n_samples, n_outputs), class indices one-hot."""
        if target.ndim == 2:
            return target.astype(np.float64, copy=False)
        if n_outputs == 1:
            return target[:, np.newaxis].astype(np.float64)
        values = np.zeros((len(target), n_outputs))
        values[np.arange(len(target)), target] = 1
        return values

    def value(self, raw: np.ndarray, target: np.ndarray, weight: np.ndarray | None) -> float:
        """Mean loss, as the native core computes it while training.

        `target` holds class indices of shape (n_samples,) or values of shape
        (n_samples, n_outputs); for "hazard" (n_samples, 2 * n_outputs), the events in each
        interval followed by the exposures.
        """
        raw = raw.astype(np.float64, copy=False)
        k = raw.shape[1]
        values = self.values(target, k)
        match self.name:
            case "binary_log_loss" | "multilabel_log_loss":
                each = -(values * log_expit(raw) + (1 - values) * log_expit(-raw)).sum(axis=1)
            case "softmax_log_loss":
                # A fifth of the time of SciPy's logsumexp; the targets of a sample have the sum 1.
                below = raw - raw.max(axis=1, keepdims=True)
                each = np.log(np.exp(below).sum(axis=1)) - (values * below).sum(axis=1)
            case "sigmoid_squared_error":
                each = ((expit(raw) - values) ** 2).mean(axis=1)
            case "squared_error":
                each = ((raw - values) ** 2).mean(axis=1) / 2
            case "poisson":
                each = (xlogy(values, values) - values * raw - values + np.exp(raw)).sum(axis=1)
            case "hazard":
                events, exposure = values[:, :k], values[:, k:]
                expected = np.where(exposure > 0, exposure * np.exp(raw), 0.0)
                each = (expected - events * raw).sum(axis=1)
            case _:
                residual, delta = np.abs(raw - values), self.huber_delta
                each = np.where(
                    residual <= delta, residual**2 / 2, delta * (residual - delta / 2)
                ).mean(axis=1)
        return float(np.average(each, weights=weight))
