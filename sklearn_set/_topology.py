"""Connections of a layer, and changes of them, as values.

Owns: which places of a layer are connected, and where each connection's data
went when the topology changed. May not touch: weights, training, estimators.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from . import _native

__all__ = ["Connectivity", "Rewiring", "Transposed", "decimal_floor", "draw_seed", "erdos_renyi"]


class Transposed(NamedTuple):
    """The index of a layer by source neuron."""

    indptr: np.ndarray
    positions: np.ndarray
    indices: np.ndarray


@dataclass(frozen=True, eq=False)
class Connectivity:
    """The connections of one layer, stored by destination neuron.

    Parameters
    ----------
    indptr : ndarray of shape (n_out + 1,), dtype int32
        Connections ``indptr[d]:indptr[d + 1]`` end in neuron ``d``.
    indices : ndarray of shape (nnz,), dtype int32
        Source neurons, ascending within a destination.
    shape : tuple of int
        ``(n_in, n_out)``.
    """

    indptr: np.ndarray
    indices: np.ndarray
    shape: tuple[int, int]

    def __getstate__(self):  # the cached index by source is not worth storing
        return {"indptr": self.indptr, "indices": self.indices, "shape": self.shape}

    @property
    def nnz(self) -> int:
        return len(self.indices)

    @property
    def index(self) -> tuple[np.ndarray, np.ndarray]:
        return self.indptr, self.indices

    @property
    def density(self) -> float:
        places = self.shape[0] * self.shape[1]
        return self.nnz / places if places else 0.0

    @cached_property
    def transposed(self) -> Transposed:
        return Transposed(*_native.transpose(*self.index, self.shape[0]))

    def in_degree(self) -> np.ndarray:
        """Number of connections into each destination neuron."""
        return np.diff(self.indptr)

    def out_degree(self) -> np.ndarray:
        """Number of connections out of each source neuron."""
        return np.bincount(self.indices, minlength=self.shape[0])

    def destinations(self) -> np.ndarray:
        """Destination neuron of each connection."""
        return np.repeat(np.arange(self.shape[1], dtype=np.int32), self.in_degree())

    def out_strength(self, weights: np.ndarray) -> np.ndarray:
        """Sum of |w| over the connections out of each source neuron."""
        return np.bincount(self.indices, weights=np.abs(weights), minlength=self.shape[0])

    def in_strength(self, weights: np.ndarray) -> np.ndarray:
        """Sum of |w| over the connections into each destination neuron."""
        sums = np.concatenate(([0.0], np.cumsum(np.abs(weights), dtype=np.float64)))
        return sums[self.indptr[1:]] - sums[self.indptr[:-1]]

    def grow(
        self, keep: np.ndarray, n_new: int, rng: np.random.Generator, regrow_dropped: bool = True
    ) -> Rewiring:
        """Keep the connections marked in `keep` and add `n_new` at random free places.

        Every set of free places is equally likely; the places of connections
        that are not kept are free, unless `regrow_dropped` is False.
        """
        indptr, indices, source = _native.grow_random(
            *self.index, self.shape[0], keep, n_new, regrow_dropped, draw_seed(rng)
        )
        return Rewiring(Connectivity(indptr, indices, self.shape), source)

    def grow_at(self, keep: np.ndarray, places: np.ndarray) -> Rewiring:
        """Keep the connections marked in `keep` and add those at the free `places`.

        Places are flat keys, destination * n_in + source, ascending.
        """
        indptr, indices, source = _native.grow_at(*self.index, self.shape[0], keep, places)
        return Rewiring(Connectivity(indptr, indices, self.shape), source)

    def without_neurons(
        self, keep_in: np.ndarray | None = None, keep_out: np.ndarray | None = None
    ) -> Rewiring:
        """Remove source and destination neurons with all their connections."""

        def as_mask(keep):
            return None if keep is None else np.ascontiguousarray(keep, dtype=np.uint8)

        indptr, indices, source = _native.remove_neurons(
            *self.index, self.shape[0], as_mask(keep_in), as_mask(keep_out)
        )
        n_in = self.shape[0] if keep_in is None else int(np.count_nonzero(keep_in))
        return Rewiring(Connectivity(indptr, indices, (n_in, len(indptr) - 1)), source)


class Rewiring(NamedTuple):
    """A change of topology: the new connections and where each was stored before.

    `source` holds, for each connection of `after`, its position before the
    change, or -1 if it is new.
    """

    after: Connectivity
    source: np.ndarray

    def carry(self, values: np.ndarray, new_values: np.ndarray | None = None) -> np.ndarray:
        """Move one value per connection along; new ones get `new_values` in order, or 0."""
        return _native.carry(values, self.source, new_values)


def draw_seed(rng: np.random.Generator) -> int:
    return rng.bit_generator.random_raw()  # 64 bits of PCG64


def decimal_floor(fraction: float, n: int) -> int:
    """The floor of ``fraction * n``, the fraction taken as the decimal that was written.

    >>> int(0.29 * 100), decimal_floor(0.29, 100)
    (28, 29)
    """
    exact = _as_written(fraction)
    return exact.numerator * int(n) // exact.denominator


@lru_cache
def _as_written(fraction: float) -> Fraction:
    return Fraction(str(fraction))


def erdos_renyi(shape: tuple[int, int], epsilon: float, rng: np.random.Generator) -> Connectivity:
    """Draw a random layer: ``epsilon * (n_in + n_out)`` places with replacement.

    Places drawn twice collapse into one connection, as in the code of the
    published tables; a layer with fewer places than draws ends up nearly full.
    """
    n_in, n_out = shape
    # The core fills a layer from 50 draws a place on.
    draws = min(round(_as_written(epsilon) * (n_in + n_out)), 50 * n_in * n_out)
    indptr, indices = _native.erdos_renyi(n_in, n_out, draws, draw_seed(rng))
    return Connectivity(indptr, indices, (n_in, n_out))
