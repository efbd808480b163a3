"""Leave-one-out errors of the infinitely wide network, in closed form.

Owns: the arc-cosine kernel and ridge regression with it. May not touch: networks, how
inputs are conditioned.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

__all__ = [
    "CLEAR",
    "RIDGES",
    "KernelRidge",
    "arc_cosine",
    "arc_cosine_kernel",
    "numbers_of_rows",
    "target_matrix",
]

#: A relative error below which more samples than the first ones are not asked.
CLEAR = 0.5

_BLOCK_ROWS = 32  # rows of a kernel that are computed at a time, in the processor's caches

#: Candidates for the ridge, for kernels of mean diagonal 1. A smaller one would let the
#: kernel do what a network that is trained with noise cannot.
RIDGES = 10.0 ** np.arange(-2, 1.51, 0.5)


def arc_cosine(cosine: np.ndarray) -> np.ndarray:
    """Cosine of two samples' outputs of a wide ReLU layer, by that of the samples; times pi."""
    return np.sqrt(1 - cosine**2) + (np.pi - np.arccos(cosine)) * cosine


def arc_cosine_kernel(X, Z: np.ndarray | None = None) -> np.ndarray:
    """Kernel of two infinitely wide ReLU layers, of the rows of X with those of Z or X.

    The kernel of degree 1 of Cho and Saul (NeurIPS 2009), scaled so that it keeps its
    diagonal, ``|x|² / n_features``. X alone may be sparse.
    """
    K = X @ (X if Z is None else Z).T / X.shape[1]
    K = K.toarray() if sparse.issparse(K) else K
    if Z is None:
        size = other = np.sqrt(np.diag(K))
    else:
        size, other = (np.sqrt(np.square(rows).mean(axis=1)) for rows in (X, Z))
    for start in range(0, len(K), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        columns = slice(None, None if Z is not None else rows.stop)  # the rest by symmetry
        norm = np.maximum(np.outer(size[rows], other[columns]), 1e-300)
        cosine = K[rows, columns] / norm
        for _ in range(2):
            cosine = arc_cosine(np.clip(cosine, -1, 1)) / np.pi
        K[rows, columns] = norm * cosine
        if Z is None:
            K[columns, rows] = K[rows, columns].T
    return K


def numbers_of_rows(target: np.ndarray) -> tuple[int, ...]:
    """How many samples choices are made on, at most; more of them if the signal is weak.

    For classes. Values are smoothed for the samples that are seen only.
    """
    return (200, 400) if _are_classes(target) else (400,)


def _are_classes(target: np.ndarray) -> bool:
    return target.ndim == 1 and target.dtype.kind in "iu"


def target_matrix(target: np.ndarray) -> np.ndarray:
    """Targets as columns of numbers: class indices (n,) one-hot, values as they are."""
    if _are_classes(target):
        return (target[:, None] == np.unique(target)).astype(np.float64)
    return target.reshape(len(target), -1).astype(np.float64)


class KernelRidge:
    """Kernel ridge regression with a free intercept, by its leave-one-out residuals.

    K holds the kernel between the samples and Y their targets, of shape (n_samples, n_outputs);
    weights are > 0 and of mean 1.

    Attributes
    ----------
    error : float
        Squared leave-one-out error with the best ridge, relative to that of the mean of
        the other samples' targets.
    ridge : float
        The best of `RIDGES`, for the kernel scaled to a mean diagonal of 1: the first minimum
        on the way from `start`, upwards or else downwards. Errors have one minimum, but for one
        kernel in two hundred.
    coef : ndarray of shape (n_samples, n_outputs)
    """

    def __init__(
        self,
        K: np.ndarray,
        Y: np.ndarray,
        weight: np.ndarray | None = None,
        *,
        start: float = RIDGES[0],
    ):
        n = len(K)
        self.scale = max(np.trace(K) / n, 1e-300)
        K = K / self.scale
        self._share: float | np.ndarray
        if weight is None:
            self._share, self.mean, self.offset = 1 / n, K.mean(axis=1), Y.mean(axis=0)
            between = self.mean.mean()
        else:
            self._share = weight / n
            self.mean, self.offset = K @ self._share, self._share @ Y
            between = self._share @ self.mean
        K -= self.mean[:, None]
        K -= self.mean - between
        Y = Y - self.offset
        if weight is not None:  # the square root of each sample's weight stands beside it
            root = np.sqrt(weight)
            K, Y = K * np.outer(root, root), root[:, None] * Y
        error = self._descend(K, Y, int(np.searchsorted(RIDGES, start)))
        self.coef = self._residuals(Y)[0] / self.ridge
        if weight is not None:
            self.coef *= root[:, None]
            Y = Y * ((n - 1) / (n - weight))[:, None]
        total = float(np.square(Y).sum()) * (n / (n - 1)) ** 2
        self.error = error / total if 0 < total < np.inf else 1.0

    def _descend(self, K: np.ndarray, Y: np.ndarray, place: int) -> float:
        """Find the best ridge, and its error, from a place in `RIDGES` on."""

        def error_at(place: int):
            """The error, and what `_residuals` needs."""
            if not 0 <= place < len(RIDGES):
                return np.inf, None
            self.ridge = float(RIDGES[place])
            self._factor = _inverse_factor(K, self.ridge)
            error = float(np.square(self._residuals(Y)[1]).sum())
            return error, (self.ridge, self._factor)

        best, kept = error_at(place)
        if not best < np.inf:  # it overflows
            error_at(len(RIDGES) - 1)
            return np.inf
        for step in (1, -1):
            start = place
            while (found := error_at(place + step))[0] < best:
                (best, kept), place = found, place + step
            if place != start:
                break
        self.ridge, self._factor = kept
        return best

    def predict(self, K: np.ndarray) -> np.ndarray:
        """Targets of other samples, from their kernel with those that were learned from."""
        K = K / self.scale
        K = K - K.mean(axis=1, keepdims=True) - self.mean + self.mean.mean()
        return self.offset + K @ self.coef

    def residuals(self, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Residuals (n, k) of other values of the same samples: of the fit, and left out.

        With the ridge that was best for the targets; for samples without weights.
        """
        return self._residuals(Y - Y.mean(axis=0))

    def _residuals(self, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same for centred targets, with weights if there are."""
        residual = self.ridge * (self._factor.T @ (self._factor @ Y))
        # The centred kernel does not see the intercept, which takes each sample's share.
        left = self.ridge * np.square(self._factor).sum(axis=0) - self._share
        return residual, residual / left[:, None]


def _inverse_factor(K: np.ndarray, ridge: float) -> np.ndarray:
    """The triangular matrix F with ``F.T @ F`` the inverse of ``K + ridge * I``."""
    system = K.copy().T  # in LAPACK's order
    np.fill_diagonal(system, system.diagonal() + ridge)
    factor, _ = lapack.dpotrf(system, lower=1, overwrite_a=1)
    return lapack.dtrtri(factor, lower=1, overwrite_c=1)[0]
