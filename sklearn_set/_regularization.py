"""How strongly a network is to be held back, and how sure of itself it may be.

Owns: both by the signal that the infinitely wide network finds. May not touch: training,
networks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import minimize_scalar

from ._columns import few_rows
from ._kernel import N_JUDGED, KernelRidge, arc_cosine_kernel, target_matrix
from ._losses import Loss
from ._network import Network
from ._samples import Samples
from ._threads import one_blas_thread

__all__ = ["Signal", "shrinkage_for"]

_FEWEST = 10  # samples that tell anything
_STRONG = 0.75  # relative error below which outputs are not shrunk
_SIZE_LEFT_OUT = 0.85  # of outputs for new samples, if those left out are taken for 1
_HOTTEST = 4.0  # factor of outputs
_N_DOUBTED = 2  # samples whose classes are taken for random


def shrinkage_for(error: float) -> float:
    """How far outputs are to be shrunk at a relative error out of sample."""
    return float(np.clip((error - _STRONG) / (1 - _STRONG), 0, 1))


@dataclass(frozen=True)
class Signal:
    """What the infinitely wide network finds in samples, out of sample."""

    noise: float = 0.0  # its relative squared leave-one-out error times the root of its best ridge
    shrinkage: float = 0.0  # how far outputs are to be pulled to those of the constant model
    kernel: KernelRidge | None = None
    rows: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=int))  # that it has seen
    gain: float = 2.0  # that the weights into a neuron must be able to reach together

    @classmethod
    def of(cls, samples: Samples) -> Signal:
        """The signal in samples as a network reads them."""
        rows = few_rows(samples.X, N_JUDGED)
        if len(rows) < _FEWEST:
            return cls()
        with one_blas_thread():
            with np.errstate(over="ignore", invalid="ignore"):
                K = arc_cosine_kernel(samples.X[rows].astype(np.float64))
            if not np.isfinite(K).all():
                return cls()  # training will say what is wrong with these inputs
            kernel = KernelRidge(K, target_matrix(samples.target[rows]))
        noise = kernel.error * kernel.ridge**0.5
        return cls(noise, shrinkage_for(kernel.error), kernel, rows)

    def temperature(self, raw: np.ndarray, samples: Samples, loss: Loss) -> float:
        """What a classifier's raw outputs are to be divided by, at most 1.

        From mixtures a network learns smaller outputs than fit its samples. Each output is
        predicted from those of all other samples, by the infinitely wide network; divided by
        the temperature (Guo et al., ICML 2017), these fit the targets best. As in Platt's
        scaling a few samples are doubted, so that separable classes do not ask for infinite
        outputs.

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
            raw = self.kernel.left_out(raw.astype(np.float64))
        values, weight = loss.values(samples.target, raw.shape[1]), samples.weight
        doubt = min(1.0, _N_DOUBTED / len(raw))
        values = (1 - doubt) * values + doubt * np.average(values, axis=0, weights=weight)
        found = minimize_scalar(
            lambda log: loss.value(np.exp(-log) * raw, values, weight),
            bounds=(-np.log(_HOTTEST), 0),
            method="bounded",
        )
        return float(min(1.0, np.exp(found.x) / _SIZE_LEFT_OUT))

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
