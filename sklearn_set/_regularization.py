"""How strongly a network is to be held back, told before training.

Owns: the strength by the signal that the infinitely wide network finds. May not touch:
training, networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._columns import few_rows
from ._kernel import N_JUDGED, KernelRidge, arc_cosine_kernel, target_matrix
from ._network import Network
from ._samples import Samples
from ._threads import one_blas_thread

__all__ = ["Signal", "shrinkage_for"]

_FEWEST = 10  # samples that tell anything
_GAIN = 2.0  # that the weights into a neuron must be able to reach together
_STRONG = 0.75  # relative error below which outputs are taken as they are


def shrinkage_for(error: float) -> float:
    """How far outputs are to be shrunk at a relative error out of sample."""
    return float(np.clip((error - _STRONG) / (1 - _STRONG), 0, 1))


@dataclass(frozen=True)
class Signal:
    """What the infinitely wide network finds in samples, out of sample."""

    noise: float = 0.0  # its relative squared leave-one-out error times the root of its best ridge
    shrinkage: float = 0.0  # how far outputs are to be pulled to those of the constant model

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
        return cls(kernel.error * kernel.ridge**0.5, shrinkage_for(kernel.error))

    def decay(
        self, network: Network, reach: float, factor: float, least: float, most: float
    ) -> float:
        """The share of a weight that an epoch is to take away, ``factor * noise``.

        An epoch moves a weight by `reach` (the learning rate times the number of batches) at
        most, so that a decay of ``reach * in-degree / 2`` lets the weights into a neuron sum
        to 2: more would keep small networks and those of few batches from learning.
        """
        in_degree = min(layer.nnz / layer.n_out for layer in network.layers)
        most = max(least, min(most, reach * in_degree / _GAIN))
        return float(np.clip(factor * self.noise, least, most))
