"""How much the function that kernels find varies with each feature.

Owns: gradients of kernel ridge regression, elimination and scales by them, the number of
features that predicts best. May not touch: networks, what users ask for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

from ._columns import blocks, row_digests, spread_rows
from ._kernel import KernelRidge, arc_cosine, arc_cosine_kernel

__all__ = ["Evidence", "errors_by_number", "merged", "ranked"]

_ROWS = 400  # samples of a kernel, at most
_STAY = 0.7  # share of the groups that stays at each step of an elimination
_ROUNDS = 5  # of new scales
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
        """Evidence with targets of mean 0, whose columns have a mean variance of 1.

        There are fewer columns where some depend on others, as classes do.
        """
        Y = Y - weight @ Y / weight.sum()
        _, size, directions = np.linalg.svd(Y, full_matrices=False)
        Y = Y @ directions[size > 1e-9 * size[0]].T
        variance = weight @ np.square(Y).mean(axis=1) / weight.sum()
        return cls(X, Y / np.sqrt(variance), weight, group)

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
            n = len(left.group)
            by_column, scale = np.zeros(n), np.full(n, 1 / n)
            for part in map(left.take, subsamples):
                pairs, coef, _ = _fit(part, scale)
                squares = _diagonal(part.X, pairs * (coef @ coef.T))
                by_column += squares / max(squares.sum(), 1e-300)
            total = np.bincount(left.group, by_column, len(self.size))[alive]
            by_group = total / (self.size[alive] * len(subsamples))
            order = np.argsort(-by_group, kind="stable")
            yield alive[order], by_group[order]
            if len(alive) == 1:
                return
            alive = np.sort(alive[order[: _fewer(len(alive))]])
            stay = np.flatnonzero(np.isin(left.group, alive))
            left = Evidence(left.X[:, stay], self.Y, self.weight, left.group[stay])

    def relevances(self, subsamples: list[np.ndarray]) -> np.ndarray:
        """The scale of each group's features at which their gradients are those of chance.

        Scales sum up to 1 over the features; means over the subsamples.
        """
        total = np.zeros(len(self.group))
        for part in map(self.take, subsamples):
            scale = np.full(len(total), 1 / len(total))
            for _ in range(_ROUNDS):
                pairs, coef, precision = _fit(part, scale)
                squares, chance = (
                    np.bincount(self.group, _diagonal(part.X, pairs * matrix))
                    for matrix in (coef @ coef.T, coef.shape[1] * precision)
                )
                # A constant feature has no chance either.
                scale = scale * np.sqrt(squares / (chance + 1e-8 * self.size))[self.group]
                scale /= max(scale.sum(), 1e-300)
            total += scale / len(subsamples)
        return np.bincount(self.group, total) / self.size


def ranked(
    evidence: Evidence, subsamples: list[np.ndarray], method: str
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the groups, the best first, and their scores.

    With "relevance" the scores are relevances. With "gradient" groups are eliminated: a
    score is the share in the gradient at the step at which a group leaves, or that of the
    best of those behind it. With "consensus", ``3 / (2 + place)``, the geometric mean of both.
    """
    if method == "consensus":
        product = np.ones(len(evidence.size))
        for each in ("gradient", "relevance"):
            order, _ = ranked(evidence, subsamples, each)
            product[order] *= 3 / (3 + np.arange(len(order)))
        order = np.argsort(-product, kind="stable")
        return order, np.sqrt(product[order])
    if method == "relevance":
        score = evidence.relevances(subsamples)
        order = np.argsort(-score, kind="stable")
        return order, score[order]
    order, score = np.empty(len(evidence.size), dtype=int), np.empty(len(evidence.size))
    for alive, shares in evidence.eliminate(subsamples):
        order[: len(alive)], score[: len(alive)] = alive, shares
    return order, np.maximum.accumulate(score[::-1])[::-1]


def errors_by_number(evidence: Evidence, method: str) -> tuple[dict[int, float], int]:
    """Errors out of sample by the number of groups, and the number to choose.

    In each of five folds, groups are ranked on the training rows alone, and kernel ridge
    regression with the best predicts the others. Errors are relative to that of the mean.
    The number is the smallest whose error is within one standard error of the smallest
    error. Of fewer than ten samples there are no errors.
    """
    if len(evidence.Y) < 2 * _FOLDS:
        return {}, 0
    found: dict[int, list[float]] = {}
    fold = np.arange(len(evidence.Y)) % _FOLDS
    for number in range(_FOLDS):
        known, asked = (
            evidence.take(rows[spread_rows(len(rows), _ROWS)])
            for rows in (np.flatnonzero(fold != number), np.flatnonzero(fold == number))
        )
        order, _ = ranked(known, [np.arange(len(known.Y))], method)
        mean = known.weight @ known.Y / known.weight.sum()
        total = float(asked.weight @ np.square(asked.Y - mean).sum(axis=1))
        size = len(order)
        while size:
            columns = np.flatnonzero(np.isin(evidence.group, order[:size]))
            X, Z = (_dense(each.X[:, columns]) for each in (known, asked))
            kernel = KernelRidge(arc_cosine_kernel(X), known.Y, known.weight)
            missed = kernel.predict(arc_cosine_kernel(Z, X)) - asked.Y
            error = float(asked.weight @ np.square(missed).sum(axis=1))
            found.setdefault(size, []).append(error / max(total, 1e-300))
            size = _fewer(size) if size > 1 else 0
    errors = {size: float(np.mean(each)) for size, each in found.items()}
    best = min(errors, key=lambda size: errors[size])
    margin = np.std(found[best]) / np.sqrt(_FOLDS - 1)
    return errors, min(size for size, error in errors.items() if error <= errors[best] + margin)


def _fewer(size: int) -> int:
    return max(1, int(_STAY * size))


def _drawn(n: int, some: int, of: int, rng: np.random.Generator) -> np.ndarray:
    """`some` of each `of` successive numbers below n, at random."""
    order = np.argsort(np.arange(n) // of + rng.random(n))
    return np.sort(order[np.arange(n) % of < some])


def _fit(part: Evidence, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A kernel ridge regression, and what its gradients are made of.

    The kernel is the mean of the linear one and the arc-cosine kernel of two layers, of the
    columns times the roots of `scale`; the noise has variance 1, the intercept is free. The
    mean square of the gradient with respect to a column x is ``x @ (pairs * (coef @ coef.T))
    @ x`` and, were the targets drawn from the Gaussian process that is fitted, ``x @ (pairs *
    precision) @ x`` is to be expected, for each output. At a sample, what the others bring is
    counted, of either kernel in relation to its mean.
    """
    share, root = part.weight / part.weight.sum(), np.sqrt(part.weight)
    scaled = (block * np.sqrt(scale[columns]) for columns, block in _blocks(part.X))
    product = sum(block @ block.T for block in scaled)
    mean = product @ share
    product = product - mean[:, None] - mean + share @ mean
    K, slope = _slopes(product)
    np.fill_diagonal(slope, 0)
    pairs = slope.T @ (share[:, None] * slope)
    pairs = 1 + pairs / max(pairs.mean(), 1e-300)
    precision = np.outer(root, root) * (product + K) / 2
    precision.flat[:: len(K) + 1] += 1
    precision = np.outer(root, root) * linalg.inv(precision)
    total = precision.sum(axis=0)
    precision -= np.outer(total, total) / total.sum()
    return pairs, precision @ part.Y, precision


def _diagonal(X, matrix: np.ndarray) -> np.ndarray:
    """``x @ matrix @ x`` of each column x."""
    return np.concatenate(
        [np.maximum(np.einsum("ij,ij->j", each, matrix @ each), 0) for _, each in _blocks(X)]
    )


def _blocks(X) -> Iterator[tuple[slice, np.ndarray]]:
    """Dense columns of X, some at a time."""
    X = sparse.csc_array(X) if sparse.issparse(X) else X
    for part in blocks(X.shape[1], X.shape[0]):
        yield part, _dense(X[:, part])


def _dense(X) -> np.ndarray:
    return X.toarray() if sparse.issparse(X) else X


def _slopes(product: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The arc-cosine kernel of two layers, from ``x @ z``, and its slope.

    The gradient of k(x, z) at x is ``slope * z``, and a multiple of x beside it.
    """
    size = np.sqrt(np.maximum(np.diag(product), 1e-300))
    norm = np.outer(size, size)
    cosine = np.clip(product / norm, -1, 1)
    first = np.clip(arc_cosine(cosine) / np.pi, -1, 1)
    slope = (1 - np.arccos(first) / np.pi) * (1 - np.arccos(cosine) / np.pi)
    return norm * arc_cosine(first) / np.pi, slope
