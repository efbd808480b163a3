"""How strongly a network is to be held back, told before training.

Owns: the strength by the signal that the infinitely wide network finds. May not touch:
training, the network.
"""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from ._columns import few_rows
from ._kernel import N_JUDGED, KernelRidge, arc_cosine_kernel, target_matrix
from ._network import Network
from ._samples import Samples

__all__ = ["decay_by_signal"]

_FEWEST = 10  # samples that tell anything
_GAIN = 2.0  # that the weights into a neuron must be able to reach together


def decay_by_signal(
    samples: Samples, network: Network, reach: float, factor: float, least: float, most: float
) -> float:
    """The share of a weight that an epoch takes away.

    ``factor * error * sqrt(ridge)`` of kernel ridge regression (see `_kernel.py`) on the
    samples: its relative leave-one-out error and its best ridge grow with the noise of the
    targets. An epoch moves a weight by `reach` (the learning rate times the number of
    batches) at most, so that a decay of ``reach * in-degree / 2`` lets the weights into a
    neuron sum to 2: more would keep small networks and those of few batches from learning.

    Parameters
    ----------
    samples : Samples
        As the network reads them.
    network : Network
        Its layers' in-degrees count.
    reach, factor : float
    least, most : float
        Bounds of the decay.
    """
    rows = few_rows(samples.X, N_JUDGED)
    if len(rows) < _FEWEST:
        return least
    with threadpool_limits(1, "blas"):  # the same bits on any number of threads
        kernel = KernelRidge(
            arc_cosine_kernel(samples.X[rows].astype(np.float64)),
            target_matrix(samples.target[rows]),
        )
    in_degree = min(layer.nnz / layer.n_out for layer in network.layers)
    most = max(least, min(most, reach * in_degree / _GAIN))
    return float(np.clip(factor * kernel.error * np.sqrt(kernel.ridge), least, most))
