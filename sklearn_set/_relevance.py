"""How many features have anything to do with the target, one by one.

Owns: the test of each feature and the estimate from all tests. May not touch:
networks; it sees samples and targets only.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.special import fdtrc

__all__ = ["null_fraction"]

_BLOCK = 2**22  # values at a time


def null_fraction(X, target: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Estimate the share of features that are irrelevant one by one.

    Each feature is tested against the hypothesis that a linear model of the
    targets (for classes: their means) explains nothing of it. Under that
    hypothesis p-values are uniform, so that those above one half count half of
    the irrelevant features (Storey, J. R. Stat. Soc. B 64:479, 2002, with lambda = 1/2).

    Parameters
    ----------
    X : ndarray or csr matrix of shape (n_samples, n_features)
    target : ndarray of shape (n_samples,) of class indices, or (n_samples, n_outputs)
    weight : ndarray of shape (n_samples,), optional

    Returns
    -------
    float
        Between 0 and 1; 0 where there are too few samples for a test. Constant
        features do not count.
    """
    n_samples = X.shape[0]
    weight = np.ones(n_samples) if weight is None else weight * (n_samples / weight.sum())
    root = np.sqrt(weight)[:, None]
    if target.ndim == 1:
        target = target[:, None] == np.unique(target)
    design = root * (target - np.average(target, axis=0, weights=weight))
    basis, size, _ = np.linalg.svd(design, full_matrices=False)
    basis = basis[:, size > 1e-10 * max(size.max(initial=0.0), 1e-300)]
    n_explaining = basis.shape[1]
    n_left = n_samples - 1 - n_explaining
    if n_left < 1 or n_explaining == 0:
        return 0.0
    n_tested, n_large = 0, 0
    X = sparse.csc_array(X) if sparse.issparse(X) else X
    n_columns = max(1, _BLOCK // n_samples)
    for start in range(0, X.shape[1], n_columns):
        block = X[:, start : start + n_columns].astype(np.float64)
        mean = weight @ block / n_samples
        if sparse.issparse(block):  # not centred, which the basis does not notice
            block.data *= root[block.indices, 0]
            total = block.multiply(block).sum(axis=0) - n_samples * mean**2
        else:
            block = root * (block - mean)
            total = (block**2).sum(axis=0)
        tested = total > 1e-12 * n_samples * mean**2 + 1e-20 * n_samples
        explained = ((basis.T @ block) ** 2).sum(axis=0)[tested]
        rest = np.maximum(total[tested] - explained, 1e-300)
        p = fdtrc(n_explaining, n_left, explained / n_explaining / (rest / n_left))
        n_tested += len(p)
        n_large += int((p > 0.5).sum())
    return min(1.0, 2 * n_large / n_tested) if n_tested else 0.0
