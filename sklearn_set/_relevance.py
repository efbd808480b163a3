"""How many features have anything to do with the target, and whether to leave the others out.

Owns: the test of each feature, the estimate from all tests, and the evidence for a
selection. May not touch: networks; it sees samples and targets only.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.special import fdtrc

from ._columns import blocks, distinct_rows, spread_rows
from ._kernel import KernelRidge, arc_cosine_kernel, target_matrix

__all__ = ["best_number", "null_fraction", "selection_errors"]

_NUMBERS = (12, 25, 50, 100, 200)  # of features that may be selected
_ROWS = 400  # samples that the evidence is taken from
_FOLDS = 3
_FEWEST = 100  # samples: of fewer, chance selects too often
_LARGEST = 1e15  # inputs, whose squares float32 can add up
_GAIN = 0.92  # relative error below which a selection pays


def null_fraction(X, target: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Estimate the share of features that are irrelevant one by one.

    Each feature is tested against the hypothesis that a linear model of the
    targets (for classes: their means) explains nothing of it. Under that
    hypothesis p-values are uniform, so that those above one half count half of
    the irrelevant features (Storey, J. R. Stat. Soc. B 64:479, 2002, with lambda = 1/2).
    Constant features do not count. Of too few samples for a test the share is 0.
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
    for part in blocks(X.shape[1], n_samples):
        block = X[:, part].astype(np.float64)
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


def best_number(X: np.ndarray, target: np.ndarray) -> tuple[int | None, dict[str | int, float]]:
    """How many features to select, by errors out of sample; None: all of them.

    Features are left out if the first of them predict with at most 0.92 of the error of all of
    them, and of that of the mean. Returns the number and the errors of `selection_errors`.
    """
    candidates = [n for n in _NUMBERS if n < X.shape[1] / 2]
    if not candidates or len(distinct_rows(X)) < _FEWEST:
        return None, {}
    errors = selection_errors(X, target, candidates)
    best = min(candidates, key=lambda n: errors.get(n, np.inf))
    if not errors or errors[best] > _GAIN * min(1.0, errors["all"]):
        return None, errors
    return best, errors


def selection_errors(
    X: np.ndarray, target: np.ndarray, numbers: list[int]
) -> dict[str | int, float]:
    """Errors out of sample with all features ("all") and with the first of them only.

    In each of three folds the features are ranked by their squared correlation with the
    targets, on the training rows of the fold alone; kernel ridge regression (see
    `_kernel.py`) with the first of them predicts the others. Kernels see 400 samples at
    most. Errors are relative to that of the mean. There are none where inputs are too
    large, or samples too few, for a kernel.
    """
    rows = distinct_rows(X)
    X, Y = X[rows], target_matrix(target[rows])
    if len(X) < 2 * _FOLDS or not np.abs(X).max(initial=0.0) < _LARGEST:
        return {}
    fold = np.empty(len(X), dtype=int)
    fold[np.lexsort(Y.T)] = np.arange(len(X)) % _FOLDS  # the targets are spread over the folds
    errors: dict[str | int, float] = dict.fromkeys(["all", *numbers], 0.0)
    total = 0.0
    for number in range(_FOLDS):
        learn, judge = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        order = np.argsort(-_explained(X[learn], Y[learn]), kind="stable")
        learn = learn[spread_rows(len(learn), _ROWS * 2 // 3)]
        judge = judge[spread_rows(len(judge), _ROWS // 3)]
        for name in errors:
            chosen = order if name == "all" else order[: int(name)]
            known, asked = X[np.ix_(learn, chosen)], X[np.ix_(judge, chosen)]
            kernel = KernelRidge(arc_cosine_kernel(known), Y[learn])
            found = kernel.predict(arc_cosine_kernel(asked, known))
            errors[name] += float(np.square(found - Y[judge]).sum())
        total += float(np.square(Y[judge] - Y[learn].mean(axis=0)).sum())
    return {name: error / max(total, 1e-300) for name, error in errors.items()}


def _explained(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Share of each column's variance that a linear model of the targets explains."""
    basis = np.linalg.svd(Y - Y.mean(axis=0), full_matrices=False)[0]
    X = X - X.mean(axis=0)
    total = np.square(X).sum(axis=0)
    return np.square(basis.T @ X).sum(axis=0) / np.maximum(total, np.finfo(total.dtype).tiny)
