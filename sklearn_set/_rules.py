"""Rules beside SET's own: which connections go, where new ones come, how many a layer gets.

Owns: the choices for the slots of `Evolution`. May not touch: weights, when a
rule is applied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from . import _native
from ._network import Layer, Network
from ._topology import Rewiring, decimal_floor

__all__ = [
    "SCHEDULES",
    "AdaptiveThreshold",
    "drop_by_path",
    "drop_by_sensitivity",
    "grow_elsewhere",
    "grow_random",
    "grow_steepest",
    "in_proportion",
    "path_scores",
]


# ---------------------------------------------------------------- schedules

#: Factor of the rewired fraction, by the share of the epochs that has passed.
SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda progress: 1.0,
    "linear": lambda progress: 1.0 - progress,
    "cosine": lambda progress: float(0.5 * (1 + np.cos(np.pi * progress))),
}


# ---------------------------------------------------------------- drop


def drop_by_sensitivity(network: Network, number: int, fraction: float) -> np.ndarray:
    """Mark what stays when the connections of the smallest sensitivity are dropped.

    The sensitivity is |w * dL/dw|, summed over the batches since the last
    rewiring: to first order, by how much the losses would change without the
    connection. A layer where nothing was measured keeps all connections.
    """
    layer = network.layers[number]
    if layer.sensitivity is None or not layer.sensitivity.any():
        return np.ones(layer.nnz, dtype=np.uint8)
    return _native.drop_smallest(layer.sensitivity, decimal_floor(fraction, layer.nnz))


def drop_by_path(network: Network, number: int, fraction: float) -> np.ndarray:
    """Mark what stays when the connections on the weakest paths are dropped."""
    scores = path_scores(network, number)
    return _native.drop_smallest(scores, decimal_floor(fraction, len(scores)))


def path_scores(network: Network, number: int) -> np.ndarray:
    """Strength of the paths through each connection of a layer, up to a common factor.

    ``u[i] * |w[i, j]| * v[j]``: u sums, over all paths from an input to neuron i,
    the products of the absolute weights, and v does so from j to the outputs.
    """
    layer = network.layers[number]
    paths_in = np.ones(network.layers[0].n_in)
    for before in network.layers[:number]:
        weights = np.abs(before.weights) * paths_in[before.indices]
        paths_in = _normalised(before.connectivity.in_strength(weights))
    paths_out = np.ones(network.layers[-1].n_out)
    for after in reversed(network.layers[number + 1 :]):
        weights = np.abs(after.weights) * paths_out[after.connectivity.destinations()]
        paths_out = _normalised(after.connectivity.out_strength(weights))
    scores = np.abs(layer.weights) * paths_in[layer.indices]
    return scores * paths_out[layer.connectivity.destinations()]


def _normalised(strengths: np.ndarray) -> np.ndarray:
    """Scaled to a maximum of 1, so that deep networks do not overflow."""
    largest = strengths.max(initial=0.0)
    return strengths / largest if largest > 0 else strengths


@dataclass
class AdaptiveThreshold:
    """DSR's drop: all weights nearer to zero than one threshold for all layers.

    After a rewiring the threshold doubles if less than the wanted fraction of all
    connections went, and halves if more did, with a tolerance of a tenth
    (Mostafa and Wang 2019).

    Parameters
    ----------
    value : float
        The threshold, which changes.
    tolerance : float
        Relative deviation from the fraction that changes nothing.
    """

    value: float
    tolerance: float = 0.1

    def __call__(self, network: Network, number: int, fraction: float) -> np.ndarray:
        """Mark what stays; a layer keeps at least its largest weight."""
        size = np.abs(network.layers[number].weights)
        keep = size >= self.value
        if size.size and not keep.any():
            keep[size.argmax()] = True
        return keep.astype(np.uint8)

    def adapt(self, n_dropped: int, n_connections: int, fraction: float) -> None:
        wanted = fraction * n_connections
        if n_dropped < (1 - self.tolerance) * wanted:
            self.value *= 2
        elif n_dropped > (1 + self.tolerance) * wanted:
            self.value /= 2


# ---------------------------------------------------------------- redistribute


def in_proportion(n_kept: Sequence[int], n_free: Sequence[int], n_new: int) -> list[int]:
    """Share `n_new` connections among layers in proportion to those they kept.

    Shares are rounded by largest remainders (of equal ones the first layer is
    rounded up). What does not fit into a layer's free places is offered to the
    others again, in the same proportion.

    >>> in_proportion([30, 10], [100, 100], 8)
    [6, 2]
    >>> in_proportion([30, 10], [3, 100], 8)
    [3, 5]
    """
    if n_new > sum(n_free):
        raise ValueError(f"{n_new} connections do not fit into {sum(n_free)} free places.")
    quotas = [0] * len(n_kept)
    left = n_new
    while left:
        layers = [i for i, free in enumerate(n_free) if free > quotas[i]]
        weights = [n_kept[i] for i in layers]
        if not any(weights):
            weights = [n_free[i] - quotas[i] for i in layers]
        total = sum(weights)
        shares = [left * weight // total for weight in weights]
        remainders = [-(left * weight % total) for weight in weights]
        for i in np.argsort(remainders, kind="stable")[: left - sum(shares)]:
            shares[i] += 1
        for i, share in zip(layers, shares):
            taken = min(share, n_free[i] - quotas[i])
            quotas[i] += taken
            left -= taken
    return quotas


# ---------------------------------------------------------------- grow


def grow_random(layer: Layer, keep: np.ndarray, n_new: int, rng, places=None) -> Rewiring:
    """At free places drawn uniformly, those of dropped connections included."""
    return layer.connectivity.grow(keep, n_new, rng)


def grow_elsewhere(layer: Layer, keep: np.ndarray, n_new: int, rng, places=None) -> Rewiring:
    """At free places drawn uniformly, but not where a connection was dropped just now.

    Unless the layer is so full that there are too few others.
    """
    n_places = layer.n_in * layer.n_out
    return layer.connectivity.grow(keep, n_new, rng, n_new > n_places - layer.nnz)


def grow_steepest(layer: Layer, keep: np.ndarray, n_new: int, rng, places=None) -> Rewiring:
    """At the given places, those of the largest |dL/dw| (RigL), the rest at random.

    A place whose gradient is zero is as good as any other such place.
    """
    places = np.empty(0, dtype=np.int64) if places is None else places
    steepest = layer.connectivity.grow_at(keep, places)
    n_missing = n_new - len(places)
    if n_missing <= 0:
        return steepest
    everything = np.ones(steepest.after.nnz, dtype=np.uint8)
    more = steepest.after.grow(everything, n_missing, rng)
    # The entry behind the last one serves the new connections, whose source is -1.
    source = np.append(steepest.source, np.int32(-1))[more.source]
    return Rewiring(more.after, source)
