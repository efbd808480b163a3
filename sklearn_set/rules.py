"""Rules of evolution: which connections go, where new ones grow, with which weights.

Owns: every such choice, the users' own included (`DropRule`, `GrowthRule`). May not
touch: weights, when a rule is applied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from . import _native
from ._network import Layer, Network, initial_weights
from ._topology import Rewiring, decimal_floor

__all__ = [
    "AdaptiveThreshold",
    "DropMagnitude",
    "DropRule",
    "DropSensitivity",
    "DropWeakestPaths",
    "GrowElsewhere",
    "GrowRandom",
    "GrowSteepest",
    "GrowthRule",
    "Site",
]


class Rule:
    """What drop and growth rules share.

    A fit works on a copy of the rule that it is given. What a rule learns while training
    is kept in attributes whose names end with an underscore; they are taken over when a
    fit is continued.
    """

    #: What the rule reads besides connections and weights: "sensitivity" (the sum of
    #: |w * dL/dw| since the last rewiring, as ``layer.sensitivity``) or "gradient" (the
    #: free places of the steepest loss, as ``site.steepest``).
    needs: ClassVar[frozenset[str]] = frozenset()

    def resume(self, before: Rule) -> None:
        """Take over what a rule of the same kind learned in the fit that is continued."""
        if type(before) is type(self):
            learned = {name: v for name, v in vars(before).items() if name.endswith("_")}
            vars(self).update(learned)

    def after(self, n_dropped: int, n_connections: int, fraction: float) -> None:
        """Called after each rewiring of a network, with the counts of all its layers."""

    def columns(self) -> dict[str, float]:
        """Columns that the rule adds to ``history_``."""
        return {}


class DropRule(Rule):
    """Base class of the rules that decide which connections of a layer are dropped.

    A subclass defines `scores`, or `keep` if it does not drop by rank. The `layers` of a
    `network` have `weights`, `indices` (source neurons), `indptr`, `connectivity` and, if the
    rule needs it, `sensitivity`; `number` is the layer in question, counted from 0.
    """

    def scores(self, network: Network, number: int) -> np.ndarray:
        """How much each connection is worth, >= 0, of shape (nnz,); the smallest leave."""
        raise NotImplementedError(f"{type(self).__name__} must define scores or keep.")

    def keep(self, network: Network, number: int, fraction: float) -> np.ndarray:
        """Mark in shape (nnz,) what stays: all but the ``floor(fraction * n)`` lowest scores."""
        scores = np.ascontiguousarray(self.scores(network, number))
        if scores.dtype not in (np.float32, np.float64):
            scores = scores.astype(np.float64)
        name, nnz = type(self).__name__, network.layers[number].nnz
        if scores.shape != (nnz,):
            raise ValueError(
                f"{name} gave scores of shape {scores.shape} for layer {number}, which has {nnz} "
                "connections. Give a score for each."
            )
        if not (scores >= 0).all():
            raise ValueError(
                f"{name} gave the score {scores[~(scores >= 0)][0]} to a connection of layer "
                f"{number}; scores must be numbers >= 0."
            )
        return _native.drop_smallest(scores, decimal_floor(fraction, len(scores)))


class DropMagnitude(DropRule):
    """SET's: of the weights of either sign a fraction, nearest to zero, goes.

    Of n₊ positive and n₋ negative weights, ``floor(fraction * n₊)`` and
    ``floor(fraction * n₋)`` go (Mocanu et al. 2018, "SET method"), and every
    exact zero besides, which has no sign and would otherwise stay for ever.
    Of equal weights the one at the lower (destination, source) goes first.
    """

    def keep(self, network, number, fraction):
        weights = network.layers[number].weights
        negative, _, positive = _native.count_signs(weights)
        return _native.drop_nearest_zero(
            weights, decimal_floor(fraction, negative), decimal_floor(fraction, positive)
        )


class DropSensitivity(DropRule):
    """The connections of the smallest sensitivity go.

    The sensitivity is |w * dL/dw|, summed over the batches since the last
    rewiring: to first order, by how much the losses would change without the
    connection. A layer where nothing was measured keeps all connections.
    """

    needs = frozenset({"sensitivity"})

    def keep(self, network, number, fraction):
        layer = network.layers[number]
        if layer.sensitivity is None or not layer.sensitivity.any():
            return np.ones(layer.nnz, dtype=np.uint8)
        return _native.drop_smallest(layer.sensitivity, decimal_floor(fraction, layer.nnz))


class DropWeakestPaths(DropRule):
    """The connections on the weakest paths go.

    A connection's score is ``u[i] * |w[i, j]| * v[j]``: u sums, over all paths from an
    input to neuron i, the products of the absolute weights, and v does so from j to the
    outputs. Scores of a layer hold up to a common factor.
    """

    def scores(self, network, number):
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


class AdaptiveThreshold(DropRule):
    """DSR's: all weights nearer to zero than one threshold for all layers go.

    After a rewiring the threshold doubles if less than the wanted fraction of all
    connections went, and halves if more did, with a tolerance of a tenth
    (Mostafa and Wang 2019). A layer keeps at least its largest weight.

    Parameters
    ----------
    initial : float
        The first threshold; `threshold_` is the current one.
    tolerance : float
        Relative deviation from the fraction that changes nothing.
    """

    def __init__(self, initial: float, tolerance: float = 0.1):
        self.initial, self.tolerance = initial, tolerance
        self.threshold_ = initial

    def keep(self, network, number, fraction):
        size = np.abs(network.layers[number].weights)
        keep = size >= self.threshold_
        if size.size and not keep.any():
            keep[size.argmax()] = True
        return keep

    def after(self, n_dropped, n_connections, fraction):
        wanted = fraction * n_connections
        if n_dropped < (1 - self.tolerance) * wanted:
            self.threshold_ *= 2
        elif n_dropped > (1 + self.tolerance) * wanted:
            self.threshold_ /= 2

    def columns(self):
        return {"threshold": self.threshold_}


@dataclass(frozen=True)
class Site:
    """Where connections are to grow: one layer during a rewiring.

    Parameters
    ----------
    network : Network
    number : int
        The layer, counted from 0.
    keep : ndarray of uint8 of shape (nnz,)
        1 for the connections that stay; the places of the others are free.
    n_new : int
        Number of connections to grow.
    rng : numpy.random.Generator
        The only source of randomness that a rule may use.
    steepest : ndarray of int or None
        If the rule needs "gradient": the free places with the largest |dL/dw|, at most
        `n_new`, none of them with a gradient of zero.
    """

    network: Network
    number: int
    keep: np.ndarray
    n_new: int
    rng: np.random.Generator
    steepest: np.ndarray | None = None

    @property
    def layer(self) -> Layer:
        """The layer."""
        return self.network.layers[self.number]

    def free(self, places: np.ndarray) -> np.ndarray:
        """Mark the places that no connection that stays takes."""
        layer = self.layer
        kept = np.flatnonzero(self.keep)
        taken = layer.connectivity.destinations()[kept].astype(np.int64) * layer.n_in
        return ~np.isin(places, taken + layer.indices[kept])


class GrowthRule(Rule):
    """Base class of the rules that decide where new connections grow.

    A subclass defines `places`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_set import SETClassifier
    >>> from sklearn_set.rules import GrowthRule
    >>> class GrowFromHubs(GrowthRule):
    ...     def places(self, site):
    ...         degree = site.layer.connectivity.out_degree() + 1
    ...         source = site.rng.choice(len(degree), site.n_new, p=degree / degree.sum())
    ...         target = site.rng.integers(site.layer.n_out, size=site.n_new)
    ...         places = np.unique(target * site.layer.n_in + source)
    ...         return places[site.free(places)]
    >>> SETClassifier(grow=GrowFromHubs()).grow.needs
    frozenset()
    """

    def places(self, site: Site) -> np.ndarray:
        """At most ``site.n_new`` distinct free places, as ``destination * n_in + source``.

        Those missing are drawn at random.
        """
        raise NotImplementedError(f"{type(self).__name__} must define places.")

    def rewiring(self, site: Site) -> Rewiring:
        """The layer's connections without those dropped and with the new ones."""
        places = np.sort(np.asarray(self.places(site)))
        name = f"{type(self).__name__}.places gave"
        n_places = site.layer.n_in * site.layer.n_out
        n_missing = site.n_new - len(places)
        if n_missing < 0:
            raise ValueError(
                f"{name} {len(places)} places for layer {site.number}, where {site.n_new} "
                "connections are to grow. Give no more."
            )
        if len(places) and not np.issubdtype(places.dtype, np.integer):
            raise ValueError(f"{name} {places.dtype} numbers; places are integers.")
        places = places.astype(np.int64)
        if len(places) and (places[0] < 0 or places[-1] >= n_places):
            raise ValueError(
                f"{name} {places[0]} to {places[-1]} for layer {site.number}; its places are 0 to "
                f"{n_places - 1}."
            )
        if (np.diff(places) == 0).any() or not site.free(places).all():
            raise ValueError(
                f"{name} a place of layer {site.number} that is taken, or one twice. Places must "
                "be free (site.free tells) and distinct."
            )
        grown = site.layer.connectivity.grow_at(site.keep, places)
        if n_missing == 0:
            return grown
        everything = np.ones(grown.after.nnz, dtype=np.uint8)
        more = grown.after.grow(everything, n_missing, site.rng)
        # The entry behind the last one serves the new connections, whose source is -1.
        source = np.append(grown.source, np.int32(-1))[more.source]
        return Rewiring(more.after, source)


class GrowRandom(GrowthRule):
    """At free places drawn uniformly, those of dropped connections included (SET)."""

    def rewiring(self, site):
        return site.layer.connectivity.grow(site.keep, site.n_new, site.rng)


class GrowElsewhere(GrowthRule):
    """At free places drawn uniformly, but not where a connection was dropped just now.

    Unless the layer is so full that there are too few others (DSR).
    """

    def rewiring(self, site):
        layer = site.layer
        too_few = site.n_new > layer.n_in * layer.n_out - layer.nnz
        return layer.connectivity.grow(site.keep, site.n_new, site.rng, regrow_dropped=too_few)


class GrowSteepest(GrowthRule):
    """At the free places of the largest |dL/dw| (RigL, Evci et al. 2020).

    A place whose gradient is zero is as good as any other such place.
    """

    needs = frozenset({"gradient"})

    def places(self, site):
        return np.empty(0, dtype=np.int64) if site.steepest is None else site.steepest


#: The rules by the names that estimators use.
DROPS: dict[str, type[DropRule]] = {
    "magnitude": DropMagnitude,
    "sensitivity": DropSensitivity,
    "path": DropWeakestPaths,
}
GROWS: dict[str, type[GrowthRule]] = {"random": GrowRandom, "gradient": GrowSteepest}


NewWeights = Callable[[Layer, int, np.random.Generator], np.ndarray]


def zero_weights(layer: Layer, n_new: int, rng: np.random.Generator) -> np.ndarray:
    """First weights of 0."""
    return np.zeros(n_new, dtype=layer.weights.dtype)


def small_weights(layer: Layer, n_new: int, rng: np.random.Generator) -> np.ndarray:
    """Of random sign and one size: a quarter of the He limit, ``sqrt(6 / mean in-degree)``.

    Not zero, so that a neuron whose connections are all new still passes
    gradients; small, so that a connection that nobody trained yet disturbs the
    model little and has to grow to outlive the next rewirings.
    """
    size = 0.25 * np.sqrt(6 * layer.n_out / max(layer.nnz, 1))
    # Arithmetic: np.where guesses at a branch for each of the random signs.
    bits = np.frombuffer(rng.bytes(-(-n_new // 8)), dtype=np.uint8)
    weights = np.unpackbits(bits, count=n_new).astype(layer.weights.dtype)
    weights *= 2 * size
    weights -= size
    return weights


def weights_as_at_start(
    layer: Layer, n_new: int, rng: np.random.Generator, init: str
) -> np.ndarray:
    """Drawn as at the start of training, by the distribution `init`."""
    if init == "normal":  # one scale for all
        return (0.1 * rng.standard_normal(n_new)).astype(layer.weights.dtype, copy=False)
    # Drawn for a whole layer, so that the scale is that of the neurons entered.
    return rng.choice(initial_weights(layer.connectivity, init, layer.weights.dtype, rng), n_new)


def new_weights_rule(name: str, init: str) -> NewWeights:
    """The rule for first weights by its name: "small", "zero" or "init".

    "zero" is that of the SET reference with masks, "init", with ``init="normal"``, that of
    the sparse SET reference.
    """
    rules: dict[str, NewWeights] = {"small": small_weights, "zero": zero_weights}
    return rules.get(name) or partial(weights_as_at_start, init=init)


def constant(progress: float) -> float:
    return 1.0


def linear(progress: float) -> float:
    return 1.0 - progress


def cosine(progress: float) -> float:
    return float(0.5 * (1 + np.cos(np.pi * progress)))


#: Factor of the rewired fraction, by the share of the epochs that has passed.
SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": constant,
    "linear": linear,
    "cosine": cosine,
}


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
