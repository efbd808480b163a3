"""Columns as they are, on a robust scale, or decorrelated.

Owns: this arithmetic, its derivative and its inverse. May not touch: which of it is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
from scipy import linalg, sparse

__all__ = [
    "BOUND",
    "AsTheyAre",
    "Components",
    "Decorrelated",
    "Scaled",
    "Scaling",
    "Weighed",
    "blocks",
    "component_gain",
    "distinct_rows",
    "equal_rows",
    "few_rows",
    "own_components",
    "row_digests",
    "smooth_clip",
    "spread_rows",
]

BOUND = 3.0  # standard deviations to which values are clipped smoothly
_HEAVY_TAILED = 0.5  # a column has heavy tails if its IQR tells of less than this of its deviation
_ROWS = 400  # samples that tell of heavy tails
_BLOCK_VALUES = 2**22  # values


def smooth_clip(Z: np.ndarray) -> np.ndarray:
    """Clip values smoothly to the bound, in place: z / sqrt(1 + (z / bound)²)."""
    np.minimum(np.maximum(Z, -1e6, out=Z), 1e6, out=Z)  # squares of what is larger could overflow
    size = Z / BOUND
    size *= size
    size += 1
    Z /= np.sqrt(size, out=size)
    return Z


def _quartiles(X: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """The smallest values that a quarter, half and three quarters of a column reach."""
    shares = np.array([0.25, 0.5, 0.75])
    if weight is None:
        places = np.ceil(shares * len(X)).astype(int) - 1
        return np.sort(X, axis=0)[places]  # faster than a partition
    order = np.argsort(X, axis=0, kind="stable")
    below = np.cumsum(weight[order], axis=0)
    places = (below < shares[:, None, None] * weight.sum() * (1 - 1e-12)).sum(axis=1)
    return np.take_along_axis(X, np.take_along_axis(order, places, axis=0), axis=0)


def blocks(n: int, size: int) -> Iterator[slice]:
    """Cut n rows or columns of `size` values each into parts of which memory holds several."""
    step = max(1, _BLOCK_VALUES // max(size, 1))
    return (slice(start, start + step) for start in range(0, n, step))


def spread_rows(n_rows: int, n_wanted: int) -> np.ndarray:
    """Numbers of some rows, from the first to the last at equal distances."""
    return np.unique(np.linspace(0, n_rows - 1, min(n_rows, n_wanted)).astype(int))


def row_digests(X) -> np.ndarray:
    """A number for each row that depends on its bytes alone."""
    if sparse.issparse(X):
        ends = zip(X.indptr, X.indptr[1:])
        rows = (X.indices[a:b].tobytes() + X.data[a:b].tobytes() for a, b in ends)
    else:
        rows = (row.tobytes() for row in X)
    digests = (int.from_bytes(blake2b(row, digest_size=8).digest(), "big") for row in rows)
    return np.fromiter(digests, np.uint64, X.shape[0])


def distinct_rows(X) -> np.ndarray:
    """Numbers of the rows that are not the same as one before, byte for byte.

    In an order that depends on the rows' values alone: choices made on them do not change
    when samples are given in another order or repeated.
    """
    return np.unique(row_digests(X), return_index=True)[1]


def few_rows(X, n_wanted: int) -> np.ndarray:
    """Numbers of at most `n_wanted` distinct rows."""
    rows = spread_rows(X.shape[0], 2 * n_wanted)
    rows = rows[distinct_rows(X[rows])]
    return rows[spread_rows(len(rows), n_wanted)]


def equal_rows(X, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the rows that equal one of some distinct `rows`, and that one's place in them."""
    digests = row_digests(X)
    order = np.argsort(digests[rows])
    after = np.searchsorted(digests[rows], digests, sorter=order)
    place = order[np.minimum(after, len(rows) - 1)]
    equal = np.flatnonzero(digests[rows[place]] == digests)
    return equal, place[equal]


class Scaling:
    """A robust scale for each column; see the notes of `InputConditioner`."""

    def __init__(self, X, weight: np.ndarray | None):
        n_rows, n_columns = X.shape
        share = np.full(n_rows, 1 / n_rows) if weight is None else weight / weight.sum()
        rounding = n_rows * np.finfo(X.dtype).eps
        self.mean, self.deviation = np.zeros(n_columns), np.zeros(n_columns)
        self.heavy = np.empty(0, dtype=int)  # columns with heavy tails, and their numbers
        self.median = self.size = self.heavy_mean = self.heavy_deviation = np.empty(0)
        if sparse.issparse(X):
            mean = share @ X.astype(np.float64)
            variance = share @ X.astype(np.float64).power(2) - mean**2
            self.deviation = _deviation(variance, mean, rounding)
            return
        found: list[tuple] = []
        for part in blocks(n_columns, n_rows):
            block = X[:, part].astype(np.float64)
            mean = self.mean[part] = share @ block
            variance = share @ np.square(block - mean)
            deviation = self.deviation[part] = _deviation(variance, mean, rounding)
            found.append((part.start, *_heavy_tails(block, deviation, share, weight)))
        self.heavy = np.concatenate([start + columns for start, columns, *_ in found])
        self.median, self.size, self.heavy_mean, self.heavy_deviation = (
            np.concatenate(values) for values in list(zip(*found))[2:]
        )

    @property
    def finite_deviation(self) -> np.ndarray:
        """Deviations, 0 for constant columns."""
        return np.where(np.isfinite(self.deviation), self.deviation, 0)

    def standardise(self, X: np.ndarray) -> np.ndarray:
        """Columns of mean 0 and deviation 1, heavy tails as they are."""
        with np.errstate(over="ignore"):
            return (X - self.mean) / self.deviation

    def apply(self, X: np.ndarray) -> np.ndarray:
        """Scaled columns, not yet clipped."""
        with np.errstate(over="ignore"):
            Z = X - self.mean
            Z /= self.deviation
            if len(self.heavy):
                values = np.arcsinh((X.take(self.heavy, axis=1) - self.median) / self.size)
                Z[:, self.heavy] = (values - self.heavy_mean) / self.heavy_deviation
        return Z

    def slopes(self, X: np.ndarray) -> np.ndarray:
        """The derivative of each value of `apply`."""
        slopes = np.tile(1 / self.deviation, (len(X), 1))
        size = self.size * np.hypot(1, (X[:, self.heavy] - self.median) / self.size)
        slopes[:, self.heavy] = 1 / (size * self.heavy_deviation)
        return slopes

    def invert(self, Z: np.ndarray) -> np.ndarray:
        """The columns of which `apply` makes these values."""
        X = self.mean + Z * self.finite_deviation
        values = np.sinh(Z[:, self.heavy] * self.heavy_deviation + self.heavy_mean)
        X[:, self.heavy] = self.median + self.size * values
        return X


def _deviation(variance, mean, rounding: float) -> np.ndarray:
    """Standard deviations, infinite where there is none but from rounding."""
    constant = variance <= rounding * variance + np.square(rounding * mean)
    return np.where(constant, np.inf, np.sqrt(np.maximum(variance, 0)))


def _heavy_tails(block, deviation, share, weight) -> tuple[np.ndarray, ...]:
    """The columns with heavy tails; median and size; mean and deviation of their asinh."""
    rows = spread_rows(len(block), _ROWS)
    low, middle, high = _quartiles(block[rows], None if weight is None else weight[rows])
    size = (high - low) / 1.349
    relative = size / deviation
    heavy = np.flatnonzero((relative < _HEAVY_TAILED) & (relative > 1e-3))
    values = np.arcsinh((block[:, heavy] - middle[heavy]) / size[heavy])
    mean = share @ values
    return heavy, middle[heavy], size[heavy], mean, np.sqrt(share @ np.square(values - mean))


class Components:
    """Principal components of standardised columns, each of unit variance."""

    def __init__(self, Z: np.ndarray, weight: np.ndarray | None):
        n_rows, n_columns = Z.shape
        root = np.ones(n_rows) if weight is None else np.sqrt(weight * (n_rows / weight.sum()))
        rows = root[:, None] * Z
        if n_columns <= n_rows:
            size, basis = linalg.eigh(rows.T @ rows, driver="evd")
        else:
            size, left = linalg.eigh(rows @ rows.T, driver="evd")
            basis = rows.T @ (left / np.sqrt(np.maximum(size, 1e-300)))
        kept = _kept(size)
        self.variance = size[kept] / n_rows
        basis = basis[:, kept] / np.sqrt(self.variance)
        largest = np.abs(basis).argmax(axis=0)  # rounding must not choose the signs
        self.basis = basis * np.sign(basis[largest, np.arange(len(kept))])


def _kept(size: np.ndarray) -> np.ndarray:
    """Which components there are but for rounding, the largest first, of ascending sizes."""
    return np.flatnonzero(size > 1e-10 * max(size[-1], 1e-300))[::-1]


def own_components(Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values of the components of standardised samples for these, and the variances before.

    They are those of `Components` but for their signs. With more columns than samples, the
    columns are not needed for them.
    """
    if Z.shape[1] <= len(Z):
        components = Components(Z, None)
        return Z @ components.basis, components.variance
    size, left = linalg.eigh(Z @ Z.T, driver="evd")
    kept = _kept(size)
    return left[:, kept] * np.sqrt(len(Z)), size[kept] / len(Z)


def component_gain(variance: np.ndarray, strength: float) -> np.ndarray:
    """Deviations that components are given by their variances: all 1 for a strength of 0."""
    return np.sqrt(variance / (variance + strength * variance[:1]))


def smooth_clip_slope(Z: np.ndarray) -> np.ndarray:
    """The derivative of `smooth_clip`."""
    return (1 + np.square(np.clip(Z, -1e6, 1e6) / BOUND)) ** -1.5


def invert_smooth_clip(Z: np.ndarray) -> np.ndarray:
    """The values that `smooth_clip` makes into these."""
    Z = np.clip(Z.astype(np.float64), -BOUND * (1 - 1e-12), BOUND * (1 - 1e-12))
    return Z / np.sqrt(1 - np.square(Z / BOUND))


class AsTheyAre:
    """Inputs without conditioning."""

    def __init__(self, n_columns: int):
        self.n_outputs = n_columns

    def apply(self, X):
        """Conditioned samples, float64; sparse ones stay sparse."""
        return X

    def pull_back(self, X: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Gradients at dense samples X from those at their conditioned values."""
        return gradient

    def gradient_times_input(self, X: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Gradients at conditioned values, times these values, by column."""
        return gradient * self.apply(X)

    def invert(self, Z):
        """Samples of which `apply` makes these values."""
        return Z

    def in_columns(self, coef: sparse.csc_array):
        """Weights of conditioned inputs as weights of (standardised) columns."""
        return coef


class Scaled(AsTheyAre):
    """Columns on a robust scale, clipped smoothly."""

    def __init__(self, scaling: Scaling):
        super().__init__(len(scaling.mean))
        self.scaling = scaling

    def apply(self, X):
        if not sparse.issparse(X):
            return smooth_clip(self.scaling.apply(X))
        if self.scaling.mean.any():
            raise ValueError(
                f"X of shape {X.shape} is sparse, but the columns of the dense samples that were "
                "fitted are centred, which would make X dense. Use X.toarray(), or fit to sparse "
                "samples."
            )
        data = smooth_clip(X.data.astype(np.float64) / self.scaling.deviation[X.indices])
        return type(X)((data, X.indices, X.indptr), shape=X.shape)

    def pull_back(self, X, gradient):
        return gradient * smooth_clip_slope(self.scaling.apply(X)) * self.scaling.slopes(X)

    def invert(self, Z):
        if not sparse.issparse(Z):
            return self.scaling.invert(invert_smooth_clip(Z))
        data = invert_smooth_clip(Z.data) * self.scaling.finite_deviation[Z.indices]
        return type(Z)((data, Z.indices, Z.indptr), shape=Z.shape)


class Weighed(Scaled):
    """Columns on a robust scale, clipped smoothly, each times its own number >= 0."""

    def __init__(self, scaling: Scaling, gain: np.ndarray):
        super().__init__(scaling)
        self.gain = gain

    def apply(self, X):
        Z = super().apply(X)
        if not sparse.issparse(Z):
            return Z * self.gain
        Z.data *= self.gain[Z.indices]
        return Z

    def pull_back(self, X, gradient):
        return super().pull_back(X, gradient * self.gain)

    def invert(self, Z):
        if sparse.issparse(Z):
            return self.invert(Z.toarray())
        return super().invert(np.divide(Z, self.gain, out=np.zeros(Z.shape), where=self.gain > 0))

    def in_columns(self, coef):
        return self.gain[:, None] * coef


class Decorrelated(AsTheyAre):
    """Principal components of standardised columns, clipped smoothly, brought nearer in size."""

    def __init__(self, scaling: Scaling, components: Components, strength: float):
        super().__init__(len(components.variance))
        self.scaling, self.components = scaling, components
        self.gain = component_gain(components.variance, strength)

    def apply(self, X):
        if sparse.issparse(X):
            raise ValueError(
                f"X of shape {X.shape} is sparse, but its columns are to be decorrelated, which "
                "makes them dense. "
                'Use X.toarray(), or conditioning="scale".'
            )
        Z = np.clip(self.scaling.standardise(X), -1e6, 1e6)
        return smooth_clip(Z @ self.components.basis) * self.gain

    def _inner(self, X, gradient):
        unit = self.scaling.standardise(X) @ self.components.basis
        return (gradient * smooth_clip_slope(unit) * self.gain) @ self.components.basis.T

    def pull_back(self, X, gradient):
        return self._inner(X, gradient) / self.scaling.deviation

    def gradient_times_input(self, X, gradient):
        return self._inner(X, gradient) * self.scaling.standardise(X)

    def invert(self, Z):
        spread = self.components.basis * self.components.variance
        columns = invert_smooth_clip(Z / self.gain) @ spread.T
        return self.scaling.mean + columns * self.scaling.finite_deviation

    def in_columns(self, coef):
        return (self.components.basis * self.gain) @ coef
