"""How strong weight decay, shrinkage and temperature are to be, by the signal in the samples.

Owns: the signal, as kernel ridge regression with the infinitely wide network finds it, and what
follows from it. May not touch: training, networks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import minimize_scalar

from ._columns import equal_rows, few_rows
from ._kernel import CLEAR, KernelRidge, arc_cosine_kernel, numbers_of_rows, target_matrix
from ._losses import Loss
from ._network import Network
from ._samples import Samples
from ._threads import one_blas_thread

__all__ = ["Signal", "shrinkage_for"]

_MIN_ROWS = 10  # samples: with fewer there is no signal
_NO_SHRINKAGE_BELOW = 0.75  # relative error below which outputs are not shrunk
_LEAVE_ONE_OUT_SIZE = 0.85  # size of outputs on new samples, relative to leave-one-out ones
_MAX_FACTOR = 4.0  # by which outputs are multiplied
_N_SMOOTHED = 2  # samples' worth of label smoothing
_SHARE_OF_NOISE = 0.5  # of what the kernel takes for noise in values, is taken away


def shrinkage_for(error: float) -> float:
    """Shrinkage of the outputs by the relative error out of sample."""
    return float(np.clip((error - _NO_SHRINKAGE_BELOW) / (1 - _NO_SHRINKAGE_BELOW), 0, 1))


@dataclass(frozen=True)
class Signal:
    """What kernel ridge regression with the infinitely wide network finds in samples.

    Attributes
    ----------
    noise : float
        Relative squared leave-one-out error, times the root of the best ridge.
    shrinkage : float
        How far outputs are to be shrunk to those of the constant model.
    kernel : KernelRidge or None
    rows : ndarray of int
        The samples that the kernel has seen.
    gain : float
        The sum of weights into a neuron that decay must allow, see `decay`.
    """

    noise: float = 0.0
    shrinkage: float = 0.0
    kernel: KernelRidge | None = None
    rows: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=int))
    gain: float = 2.0

    @classmethod
    def of(cls, samples: Samples) -> Signal:
        """The signal in samples as a network reads them."""
        for number in numbers_of_rows(samples.target):
            rows = few_rows(samples.X, number)
            if len(rows) < _MIN_ROWS:
                return cls()
            with one_blas_thread():
                with np.errstate(over="ignore", invalid="ignore"):
                    K = arc_cosine_kernel(samples.X[rows].astype(np.float64))
                if not np.isfinite(K).all():
                    return cls()  # training will say what is wrong with these inputs
                kernel = KernelRidge(K, target_matrix(samples.target[rows]))
            if kernel.error < CLEAR or len(rows) < number:
                break
        return cls.found(rows, kernel)

    @classmethod
    def found(cls, rows: np.ndarray, kernel: KernelRidge) -> Signal:
        """The signal that a kernel ridge regression has found in some rows."""
        noise = kernel.error * kernel.ridge**0.5
        return cls(noise, shrinkage_for(kernel.error), kernel, rows)

    def temperature(self, raw: np.ndarray, samples: Samples, loss: Loss) -> float:
        """What a classifier's raw outputs are to be divided by, at most 1.

        From mixtures a network learns smaller outputs than fit its samples. Each output is
        predicted from those of all other samples, by kernel ridge regression; divided by the
        temperature (Guo et al., ICML 2017), these fit the targets best. Labels are smoothed, as
        in Platt's scaling, so that separable classes do not ask for infinite outputs.

        Parameters
        ----------
        raw : ndarray of shape (n_rows, n_outputs)
            Outputs for the samples that the kernel has seen.
        samples : Samples
            All samples.
        loss : Loss
        """
        if self.kernel is None or self.shrinkage > 0:
            return 1.0
        samples = samples.take(self.rows)
        with one_blas_thread():
            raw = raw - self.kernel.residuals(raw.astype(np.float64))[1]
        values, weight = loss.values(samples.target, raw.shape[1]), samples.weight
        smoothing = min(1.0, _N_SMOOTHED / len(raw))
        values = (1 - smoothing) * values + smoothing * np.average(values, axis=0, weights=weight)
        found = minimize_scalar(
            lambda log: loss.value(np.exp(-log) * raw, values, weight),
            bounds=(-np.log(_MAX_FACTOR), 0),
            method="bounded",
        )
        return float(min(1.0, np.exp(found.x) / _LEAVE_ONE_OUT_SIZE))

    def smoothed(self, samples: Samples) -> np.ndarray:
        """Values (n_samples, n_outputs) to learn from, half way to those that the kernel finds.

        What it finds is between its fit, where the signal is strong, and what it predicts of
        each sample from the others, by its relative error. Samples that it has not seen keep
        their values; copies of those that it has seen are treated like these, so that a
        repeated sample is the same as a weighted one.
        """
        if self.kernel is None:
            return samples.target
        values = samples.target.copy()
        seen = values[self.rows].astype(np.float64)
        with one_blas_thread():
            fitted, left_out = self.kernel.residuals(seen)
        error = min(self.kernel.error, 1.0)
        residual = (1 - error) * fitted + error * left_out
        equal, place = equal_rows(samples.X, self.rows)
        values[equal] -= _SHARE_OF_NOISE * (residual[place] + (values[equal] - seen[place]))
        return values

    def decay(
        self, network: Network, reach: float, factor: float, least: float, most: float
    ) -> float:
        """The share of a weight that an epoch is to take away, ``factor * noise``.

        An epoch moves a weight by `reach` (the learning rate times the number of batches) at
        most, so that a decay of ``reach * in-degree / gain`` lets the weights into a neuron sum
        to the gain: more would keep small networks and those of few batches from learning.
        """
        in_degree = min(layer.nnz / layer.n_out for layer in network.layers)
        most = max(least, min(most, reach * in_degree / self.gain))
        return float(np.clip(factor * self.noise, least, most))
