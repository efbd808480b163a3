"""What a network learns from in place of the samples: random mixtures of them.

Owns: which samples make up a mixture, and their shares. May not touch:
networks, the course of training; the core does the mixing.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ._columns import distinct_rows
from ._data import Data

__all__ = ["Mixtures", "noise_for"]

_LEAST_NOISE = 0.1  # less gains no more than chance does and costs time (decision 8)


def noise_for(data: Data) -> float:
    """The strength of the noise in mixtures that few samples of many classes call for.

    To tell two of K classes apart, the noise brings in how samples of the other
    K - 2 vary. It is sqrt(k / (k + n)) with k = (K - 1) * (K - 2) and n the number
    of distinct samples (as they are stored, byte for byte), so that a sample given
    twice is one of weight two; 0 if that is below 0.1, for two classes, and for
    several labels a sample.
    """
    X, target, weight = data.X, data.target, data.sample_weight
    if target.ndim == 2:
        return 0.0
    used = np.arange(len(target)) if weight is None else np.flatnonzero(weight)
    n_classes = len(np.unique(target[used]))
    k = (n_classes - 1) * (n_classes - 2)
    if k == 0:
        return 0.0
    n = len(distinct_rows(X if weight is None else X[used]))
    noise = float(np.sqrt(k / (k + n)))
    return noise if noise >= _LEAST_NOISE else 0.0


class Mixtures:
    """Random mixtures of samples to learn from in their place.

    Each is a mixture of two samples (mixup, Zhang et al. 2018), moved along the
    difference of two samples of one class, any class. A linear model that learns
    from such moved samples pays for its response to the covariance within the
    classes, as in linear discriminant analysis. The share of a mixture's first sample is drawn
    from Beta(mixup, mixup); the differences are multiplied by normal numbers of the standard
    deviation `noise`. Sparse samples without noise are mixed with others of their batch, so that
    the core forms a sample's sums over many words only once; others with any sample, which varies
    batches less and learns a little better.
    """

    def __init__(self, data: Data, mixup: float, noise: float = 0.0):
        self.mixup, self.noise = mixup, noise
        self.n, self.dtype, self.weight = data.n_samples, data.dtype, data.sample_weight
        self.within_batches = sparse.issparse(data.X) and noise == 0
        if noise == 0:
            return
        labels = data.target
        if labels.ndim == 2:
            labels = np.unique(labels, axis=0, return_inverse=True)[1].ravel()
        # Samples by class; where the class at each place begins and ends.
        self.by_class = np.argsort(labels, kind="stable")
        labels = labels[self.by_class]
        self.first, self.end = (np.searchsorted(labels, labels, side) for side in ("left", "right"))
        self.weight_before = None
        if self.weight is not None:
            self.weight_before = _summed(self.weight[self.by_class])

    def draw(
        self,
        order: np.ndarray,
        starts: np.ndarray,
        rng: np.random.Generator,
        noise_rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The other samples of each mixture, and all samples' shares of it.

        The first samples are those of `order`, whose batches begin at `starts`; the last start
        is the end. Partners are a permutation of the samples, or of the batch, or drawn from them
        in proportion to their weights. Returns partners of shape (m, n_samples) and shares of shape
        (m + 1, n_samples), those of the first sample at the front, in that order.
        """
        n = self.n
        partners = order[self._partners(order, starts, rng)]
        n_partners = 1 if self.noise == 0 else 3
        shares = np.empty((n_partners + 1, n), dtype=self.dtype)
        shares[0] = rng.beta(self.mixup, self.mixup, n)
        np.subtract(1, shares[0], out=shares[1])
        if self.noise == 0:
            return partners[None], shares
        drawn = noise_rng.random((2, n))
        one = _between(0, n, self.weight_before, drawn[0])
        other = _between(self.first[one], self.end[one], self.weight_before, drawn[1])
        shares[2] = self.noise * noise_rng.standard_normal(n)
        np.negative(shares[2], out=shares[3])
        return np.array([partners, self.by_class[one], self.by_class[other]]), shares

    def _partners(self, order: np.ndarray, starts: np.ndarray, rng) -> np.ndarray:
        """The partners' places in the order."""
        if not self.within_batches:
            starts = np.array([0, self.n])
            if self.weight is None:
                return rng.permutation(self.n)
        size = np.diff(starts)
        if self.weight is None:
            return np.argsort(np.repeat(np.arange(len(size)), size) + rng.random(self.n))
        first, end = (np.repeat(cuts, size) for cuts in (starts[:-1], starts[1:]))
        return _between(first, end, _summed(self.weight[order]), rng.random(self.n))


def _summed(weight: np.ndarray) -> np.ndarray:
    """The sums of the weights before each place, and that of all."""
    return np.r_[0.0, np.cumsum(weight, dtype=float)]


def _between(start, end, weight_before: np.ndarray | None, drawn: np.ndarray) -> np.ndarray:
    """Places from `start` to before `end` in proportion to the weights, `drawn` from 0 to 1."""
    if weight_before is None:
        return start + (drawn * (end - start)).astype(np.int64)
    low = weight_before[start]
    drawn = low + drawn * (weight_before[end] - low)
    places = np.searchsorted(weight_before, drawn, side="right")
    return np.minimum(places, end, out=places) - 1
