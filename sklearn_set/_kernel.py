"""Leave-one-out errors of the infinitely wide network, in closed form.

Owns: the arc-cosine kernel and ridge regression with it. May not touch: networks, how
inputs are conditioned.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg, sparse

__all__ = [
    "MAX_KERNEL_ROWS",
    "RIDGES",
    "KernelRidge",
    "arc_cosine",
    "arc_cosine_kernel",
    "target_matrix",
]

#: Number of samples that choices are made on, at most.
MAX_KERNEL_ROWS = 400

_BLOCK_ROWS = 32  # rows of a kernel that are computed at a time, in the processor's caches

#: Candidates for the ridge, for kernels of mean diagonal 1. A smaller one would let the
#: kernel do what a network that is trained with noise cannot.
RIDGES = 10.0 ** np.arange(-2, 1.51, 0.25)


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
        norm = np.maximum(np.outer(size[rows], other), 1e-300)
        for _ in range(2):
            K[rows] = norm / np.pi * arc_cosine(np.clip(K[rows] / norm, -1, 1))
    return K


def target_matrix(target: np.ndarray) -> np.ndarray:
    """Targets as columns of numbers: class indices (n,) one-hot, values as they are."""
    if target.ndim == 1 and target.dtype.kind in "iu":
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
        The best of `RIDGES`, for the kernel scaled to a mean diagonal of 1.
    size, basis : ndarray
        Eigenvalues and eigenvectors of the centred and scaled kernel.
    """

    def __init__(self, K: np.ndarray, Y: np.ndarray, weight: np.ndarray | None = None):
        n = len(K)
        self.scale = max(np.trace(K) / n, 1e-300)
        K = K / self.scale
        share: float | np.ndarray
        if weight is None:
            share, self.mean, self.offset = 1 / n, K.mean(axis=1), Y.mean(axis=0)
            between = self.mean.mean()
        else:
            share = weight / n
            self.mean, self.offset = K @ share, share @ Y
            between = share @ self.mean
        K = K - self.mean[:, None] - self.mean + between
        Y = Y - self.offset
        if weight is not None:  # the square root of each sample's weight stands beside it
            root = np.sqrt(weight)
            K, Y = K * np.outer(root, root), root[:, None] * Y
        size, basis = linalg.eigh(K, driver="evd")
        self.size, self.basis = size, basis = np.maximum(size, 0), basis
        projected, squared = basis.T @ Y, basis**2
        best, self.ridge = np.inf, float(RIDGES[-1])  # if all errors overflow
        for ridge in RIDGES:
            _, left_out = self._residuals(ridge, projected, squared, share)
            error = float(np.square(left_out).sum())
            if error < best:
                best, self.ridge = error, float(ridge)
        self.coef = basis @ (projected / (size + self.ridge)[:, None])
        if weight is not None:
            self.coef *= root[:, None]
            Y = Y * ((n - 1) / (n - weight))[:, None]
        total = float(np.square(Y).sum()) * (n / (n - 1)) ** 2
        self.error = best / total if 0 < total < np.inf else 1.0

    def predict(self, K: np.ndarray) -> np.ndarray:
        """Targets of other samples, from their kernel with those that were learned from."""
        K = K / self.scale
        K = K - K.mean(axis=1, keepdims=True) - self.mean + self.mean.mean()
        return self.offset + K @ self.coef

    def residuals(self, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Residuals (n, k) of other values of the same samples: of the fit, and left out.

        With the ridge that was best for the targets; for samples without weights.
        """
        projected = self.basis.T @ (Y - Y.mean(axis=0))
        return self._residuals(self.ridge, projected, self.basis**2, 1 / len(Y))

    def _residuals(self, ridge, projected, squared, share) -> tuple[np.ndarray, np.ndarray]:
        """The same for projected targets and `basis` squared."""
        factor = ridge / (self.size + ridge)
        # The centred kernel does not see the intercept, which takes each sample's share.
        left = squared @ factor - share
        residual = self.basis @ (factor[:, None] * projected)
        return residual, residual / left[:, None]
