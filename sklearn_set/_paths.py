"""Paths along connections: sums over all of them, and the draw of one of length three.

Owns: the arithmetic of paths. May not touch: what they are good for (`rules`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ._topology import Connectivity

__all__ = ["at_ends", "draw_ends_of_three", "normalised", "path_sums"]


def normalised(strengths: np.ndarray) -> np.ndarray:
    """Scaled to a maximum of 1, so that deep networks do not overflow."""
    largest = strengths.max(initial=0.0)
    return strengths / largest if largest > 0 else strengths


def path_sums(
    connectivities: Sequence[Connectivity],
    sizes: Sequence[np.ndarray],
    number: int,
    scaled: Callable[[np.ndarray], np.ndarray] = normalised,
) -> tuple[np.ndarray, np.ndarray]:
    """Sums over the paths from the inputs to a layer's sources, and from its targets out.

    A path counts as the product of the `sizes` >= 0 of its connections. The sums of each
    layer passed are `scaled`: `numpy.sign` tells only where there is a path.
    """
    layers = list(zip(connectivities, sizes))
    into = np.ones(connectivities[0].shape[0])
    for connectivity, size in layers[:number]:
        into = scaled(connectivity.in_strength(size * into[connectivity.indices]))
    out = np.ones(connectivities[-1].shape[1])
    for connectivity, size in layers[:number:-1]:
        out = scaled(connectivity.out_strength(size * out[connectivity.destinations()]))
    return into, out


def at_ends(
    connectivity: Connectivity, sizes: np.ndarray, of_sources: np.ndarray, of_targets: np.ndarray
) -> np.ndarray:
    """For each connection the product of its size and the values at its ends."""
    return sizes * of_sources[connectivity.indices] * of_targets[connectivity.destinations()]


def draw_ends_of_three(connectivity: Connectivity, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw paths source - z1 - z2 - target of three connections: the places between their ends.

    A path's probability is in proportion to ``1 / sqrt((d1 - 1) * (d2 - 1))``, d being the
    degrees of z1, a target, and z2, a source. Its middle, of which there are (d1 - 1) * (d2 - 1)
    paths, is drawn first, and at each of its ends another neighbour. Empty if there is no path.
    """
    z1, z2 = connectivity.destinations(), connectivity.indices
    d1, d2 = connectivity.in_degree()[z1], connectivity.out_degree()[z2]
    weights = np.sqrt((d1 - 1.0) * (d2 - 1.0))
    if not weights.any():
        return np.empty(0, dtype=np.int64)
    middle = rng.choice(len(weights), n, p=weights / weights.sum())
    by_source = connectivity.transposed
    position = np.empty(connectivity.nnz, dtype=np.int64)
    position[by_source.positions] = np.arange(connectivity.nnz)
    u = connectivity.indices[_other(middle, connectivity.indptr, z1[middle], rng)]
    v = by_source.indices[_other(position[middle], by_source.indptr, z2[middle], rng)]
    return v.astype(np.int64) * connectivity.shape[0] + u


def _other(
    position: np.ndarray, indptr: np.ndarray, neuron: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """For connections of neurons, the position of another one, drawn uniformly."""
    begin, degree = indptr[neuron], indptr[neuron + 1] - indptr[neuron]
    return begin + (position - begin + rng.integers(1, degree)) % degree
