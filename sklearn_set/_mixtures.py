"""What a network learns from in place of the samples: random mixtures of them.

Owns: which samples make up a mixture, and their shares. May not touch:
networks, the course of training; the core does the mixing.
"""

from __future__ import annotations

import numpy as np

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
    deviation `noise`.
    """

    def __init__(self, data: Data, mixup: float, noise: float = 0.0):
        self.mixup, self.noise = mixup, noise
        self.n, self.dtype, self.weight = data.n_samples, data.dtype, data.sample_weight
        if noise == 0:
            return
        labels = data.target
        if labels.ndim == 2:
            labels = np.unique(labels, axis=0, return_inverse=True)[1].ravel()
        # Samples by class, each place's class, where the classes begin and the last ends.
        self.by_class = np.argsort(labels, kind="stable")
        labels = labels[self.by_class]
        self.cuts = np.flatnonzero(np.r_[True, labels[1:] != labels[:-1], True])
        self.class_at = np.repeat(np.arange(len(self.cuts) - 1), np.diff(self.cuts))
        self.weight_before = None
        if self.weight is not None:
            self.weight_before = np.r_[0.0, np.cumsum(self.weight[self.by_class], dtype=float)]

    def draw(
        self, rng: np.random.Generator, noise_rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """The other samples of each mixture, and all samples' shares of it.

        Samples are drawn in proportion to their weights. Returns partners of shape
        (m, n_samples) and shares of shape (m + 1, n_samples), those of the first
        sample at the front, in the order in which an epoch goes through the samples.
        """
        n = self.n
        if self.weight is None:
            partners = rng.permutation(n)
        else:
            partners = rng.choice(n, size=n, p=self.weight / self.weight.sum())
        n_partners = 1 if self.noise == 0 else 3
        shares = np.empty((n_partners + 1, n), dtype=self.dtype)
        shares[0] = rng.beta(self.mixup, self.mixup, n)
        np.subtract(1, shares[0], out=shares[1])
        if self.noise == 0:
            return partners[None], shares
        one = self._between(0, n, noise_rng)
        label = self.class_at[one]
        other = self._between(self.cuts[label], self.cuts[label + 1], noise_rng)
        shares[2] = self.noise * noise_rng.standard_normal(n)
        np.negative(shares[2], out=shares[3])
        return np.array([partners, self.by_class[one], self.by_class[other]]), shares

    def _between(self, start, end, rng: np.random.Generator) -> np.ndarray:
        """Places in `by_class`, from `start` to before `end`, in proportion to the weights."""
        drawn = rng.random(self.n)
        if self.weight_before is None:
            return start + (drawn * (end - start)).astype(np.int64)
        low, high = self.weight_before[start], self.weight_before[end]
        places = np.searchsorted(self.weight_before, low + drawn * (high - low), side="right")
        return np.minimum(places, end) - 1
