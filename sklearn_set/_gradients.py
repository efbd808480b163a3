"""How much the function that kernels find varies with each feature.

Owns: gradients of kernel ridge regression, elimination by them, the number of features
that predicts best. May not touch: networks, what users ask for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ._columns import blocks, row_digests, spread_rows
from ._kernel import KernelRidge, arc_cosine, arc_cosine_kernel

__all__ = ["Evidence", "errors_by_number", "merged", "ranked"]

_ROWS = 400  # samples of a kernel, at most
_POINTS = 100  # samples at which gradients are taken, at most
_STAY = 0.7  # share of the groups that stays at each step of an elimination
_SHARE = (5, 8)  # of so many neighbouring samples, a subsample has
_FOLDS = 5


def merged(X, Y: np.ndarray, weight: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the distinct samples, and their weights; of equal samples the sum.

    Samples of weight 0 are left out. Samples of like targets are neighbours, and the order
    depends on values alone.
    """
    weight = np.ones(len(Y)) if weight is None else weight
    digests = row_digests(X)
    used = np.flatnonzero(weight)
    order = used[np.lexsort((digests[used], *Y[used].T[::-1]))]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (np.diff(digests[order]) != 0) | (np.diff(Y[order], axis=0) != 0).any(axis=1)
    return order[new], np.bincount(np.cumsum(new) - 1, weight[order])


@dataclass
class Evidence:
    """Conditioned samples, neighbours with like targets."""

    X: np.ndarray | sparse.sparray
    Y: np.ndarray  # (n_samples, n_targets)
    weight: np.ndarray  # > 0
    group: np.ndarray  # of each feature, from 0 on

    def __post_init__(self):
        self.size = np.bincount(self.group)

    @classmethod
    def of(cls, X, Y: np.ndarray, weight: np.ndarray, group: np.ndarray) -> Evidence:
        """Evidence with targets in fewer columns where some depend on others, as classes do."""
        Y = Y - weight @ Y / weight.sum()
        _, size, directions = np.linalg.svd(Y, full_matrices=False)
        return cls(X, Y @ directions[size > 1e-9 * size[0]].T, weight, group)

    def subsamples(self, number: int, rng: np.random.Generator) -> list[np.ndarray]:
        """Numbers of the samples in each of some subsamples, spread over the targets.

        A single one has all samples, or as many as are allowed.
        """
        n = len(self.Y)
        if number == 1:
            return [np.arange(n) if n <= _ROWS else _drawn(n, 1, -(-n // _ROWS), rng)]
        some, of = _SHARE
        return [_drawn(n, some, max(of, -(-some * n // _ROWS)), rng) for _ in range(number)]

    def take(self, rows: np.ndarray) -> Evidence:
        """Some of the samples, their weights of mean 1."""
        weight = self.weight[rows] / self.weight[rows].mean()
        return Evidence(self.X[rows], self.Y[rows], weight, self.group)

    def eliminate(self, subsamples: list[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The groups that are left at each step, the best first, and their shares.

        At each step those leave whose features have the smallest gradients, all subsamples
        together.
        """
        alive, left = np.arange(len(self.size)), self
        while True:
            parts = (left.take(rows) for rows in subsamples)
            by_column = sum(_gradient_shares(part.X, part.Y, part.weight) for part in parts)
            total = np.bincount(left.group, by_column, len(self.size))[alive]
            by_group = total / (self.size[alive] * len(subsamples))
            order = np.argsort(-by_group, kind="stable")
            yield alive[order], by_group[order]
            if len(alive) == 1:
                return
            alive = np.sort(alive[order[: max(1, int(_STAY * len(alive)))]])
            stay = np.flatnonzero(np.isin(left.group, alive))
            left = Evidence(left.X[:, stay], self.Y, self.weight, left.group[stay])


def ranked(evidence: Evidence, subsamples: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the groups, the best first, and their scores.

    A score is the share in the gradient at the step at which a group leaves, or that of the
    best of those behind it.
    """
    order, score = np.empty(len(evidence.size), dtype=int), np.empty(len(evidence.size))
    for alive, shares in evidence.eliminate(subsamples):
        order[: len(alive)], score[: len(alive)] = alive, shares
    return order, np.maximum.accumulate(score[::-1])[::-1]


def errors_by_number(evidence: Evidence) -> tuple[dict[int, float], int]:
    """Errors out of sample by the number of groups, and the number to choose.

    In each of five folds, groups are eliminated on the training rows alone, and kernel
    ridge regression with those that are left predicts the others. Errors are relative to
    that of the mean. The number is the smallest whose error is within one standard error of
    the smallest error. Of fewer than ten samples there are no errors.
    """
    if len(evidence.Y) < 2 * _FOLDS:
        return {}, 0
    found: dict[int, list[float]] = {}
    fold = np.arange(len(evidence.Y)) % _FOLDS
    for number in range(_FOLDS):
        learn, judge = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        learn, judge = learn[spread_rows(len(learn), _ROWS)], judge[spread_rows(len(judge), _ROWS)]
        known, asked = evidence.take(learn), evidence.take(judge)
        mean = known.weight @ known.Y / known.weight.sum()
        total = float(asked.weight @ np.square(asked.Y - mean).sum(axis=1))
        for alive, _ in evidence.eliminate([learn]):
            columns = np.flatnonzero(np.isin(evidence.group, alive))
            X, Z = (_dense(each.X[:, columns]) for each in (known, asked))
            kernel = KernelRidge(arc_cosine_kernel(X), known.Y, known.weight)
            missed = kernel.predict(arc_cosine_kernel(Z, X)) - asked.Y
            error = float(asked.weight @ np.square(missed).sum(axis=1))
            found.setdefault(len(alive), []).append(error / max(total, 1e-300))
    errors = {size: float(np.mean(each)) for size, each in found.items()}
    best = min(errors, key=lambda size: errors[size])
    margin = np.std(found[best]) / np.sqrt(_FOLDS - 1)
    return errors, min(size for size, error in errors.items() if error <= errors[best] + margin)


def _drawn(n: int, some: int, of: int, rng: np.random.Generator) -> np.ndarray:
    """`some` of each `of` successive numbers below n, at random."""
    order = np.argsort(np.arange(n) // of + rng.random(n))
    return np.sort(order[np.arange(n) % of < some])


def _gradient_shares(X, Y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Share of each column in the squared gradient of two fits, the mean of both.

    The fits are ridge regressions, linear and with the arc-cosine kernel of two layers; of
    the latter, the mean over samples.
    """
    n, p = X.shape
    product = sum(block @ block.T for _, block in _blocks(X)) / p
    linear = KernelRidge(product, Y, weight)
    points = spread_rows(n, _POINTS)
    K, slope, radial = _slopes(product, points)
    network = KernelRidge(K, Y, weight)
    maps = [slope * coef for coef in network.coef.T]
    for each, coef in zip(maps, network.coef.T):
        each[np.arange(len(points)), points] += radial @ coef
    shares = np.zeros((2, p))
    for part, block in _blocks(X):
        shares[0, part] = np.square(linear.coef.T @ block).sum(axis=0)
        for each in maps:
            shares[1, part] += weight[points] @ np.square(each @ block)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
    return shares.mean(axis=0)


def _blocks(X) -> Iterator[tuple[slice, np.ndarray]]:
    """Dense columns of X, some at a time."""
    X = sparse.csc_array(X) if sparse.issparse(X) else X
    for part in blocks(X.shape[1], X.shape[0]):
        yield part, _dense(X[:, part])


def _dense(X) -> np.ndarray:
    return X.toarray() if sparse.issparse(X) else X


def _slopes(product: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, ...]:
    """The arc-cosine kernel of two layers, and its gradient at some of the samples.

    From ``x @ z / n_features`` of all samples. The gradient of k(x, z) at a point x is
    ``(slope * z + radial * x) / n_features``, with slope and radial of shape
    (n_points, n_samples).
    """
    size = np.sqrt(np.maximum(np.diag(product), 1e-300))
    norm = np.outer(size, size)
    cosine = np.clip(product / norm, -1, 1)
    first = np.clip(arc_cosine(cosine) / np.pi, -1, 1)
    second = arc_cosine(first) / np.pi
    slope = (1 - np.arccos(first[points]) / np.pi) * (1 - np.arccos(cosine[points]) / np.pi)
    radial = (second[points] - slope * cosine[points]) * size / size[points, None]
    return norm * second, slope, radial
