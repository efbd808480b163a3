"""Rules of evolution: which connections go, where new ones grow.

Owns: every such choice, the users' own included (`DropRule`, `GrowthRule`). May not
touch: weights, when a rule is applied.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from . import _native
from ._network import Layer, Network
from ._paths import at_ends, draw_ends_of_three, path_sums
from ._topology import Rewiring, decimal_floor

__all__ = [
    "AdaptiveThreshold",
    "DropDeadEnds",
    "DropMagnitude",
    "DropRelativeSensitivity",
    "DropRule",
    "DropSensitivity",
    "DropWeakInputs",
    "DropWeakestPaths",
    "GrowCannistraciHebb",
    "GrowElsewhere",
    "GrowRandom",
    "GrowSteepest",
    "GrowStrongestPaths",
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
    #: ``|w * dL/dw|`` since the last rewiring, as ``layer.sensitivity``) or "gradient" (the
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


class DropDeadEnds(DropMagnitude):
    """SET's, and all connections of hidden neurons without inputs or without outputs go too.

    What stays lies on a path from an input to an output, counting what `DropMagnitude`
    leaves of this layer and of all but the last; so neurons may die out. This is the
    percolation of Cannistraci-Hebb training (Zhang et al. 2024).
    """

    def keep(self, network, number, fraction):
        last = len(network.layers) - 1
        keeps = [
            DropMagnitude.keep(self, network, n, fraction if n in (number, *range(last)) else 0.0)
            for n in range(last + 1)
        ]
        connectivities = [layer.connectivity for layer in network.layers]
        ends = path_sums(connectivities, keeps, number, np.sign)
        return at_ends(connectivities[number], keeps[number], *ends) > 0


class DropWeakInputs(DropMagnitude):
    """SET's, and the weakest inputs of the network lose all their connections.

    Of n inputs that have any, the ``floor(fraction * n)`` of the smallest strength, the sum of
    absolute weights, do; of equal ones those of the lower index. An input returns where a new
    connection grows at it. After NeuroFS (Atashgahi et al. 2023), which grows by gradient and
    lets the number of inputs fall besides.
    """

    def keep(self, network, number, fraction):
        keep = super().keep(network, number, fraction)
        if number == 0:
            layer = network.layers[0]
            read = np.flatnonzero(layer.connectivity.out_degree())
            strength = layer.connectivity.out_strength(layer.weights)[read]
            weakest = np.argsort(strength, kind="stable")[: decimal_floor(fraction, len(read))]
            keep[np.isin(layer.indices, read[weakest])] = 0
        return keep


class DropSensitivity(DropRule):
    """The connections of the smallest sensitivity go.

    The sensitivity is ``|w * dL/dw|``, summed over the batches since the last
    rewiring: to first order, by how much the losses would change without the
    connection. (A definition of our own.) A layer where nothing was measured keeps all connections.
    """

    needs = frozenset({"sensitivity"})

    def keep(self, network, number, fraction):
        layer = network.layers[number]
        if layer.sensitivity is None or not layer.sensitivity.any():
            return np.ones(layer.nnz, dtype=np.uint8)
        return super().keep(network, number, fraction)

    def scores(self, network, number):
        return network.layers[number].sensitivity


class DropRelativeSensitivity(DropSensitivity):
    """The connections of the smallest relative sensitivity go: ``|dL/dw| / |w|``.

    The sum of `DropSensitivity`, divided by the square of the weight; a weight of exactly
    zero stays. So large weights go first, unless the loss depends on them. Public code
    ("Fantastic Weights", Yin et al. 2023) ascribes this rule to Naji et al. (2021), which is not
    confirmed: we could not read their paper in full.
    """

    def scores(self, network, number):
        layer = network.layers[number]
        squares = layer.weights.astype(np.float64) ** 2
        scores = np.full(layer.nnz, np.inf)
        known = squares > 0
        scores[known] = layer.sensitivity[known] / squares[known]
        return scores


class DropWeakestPaths(DropRule):
    """The connections on the weakest paths go.

    A connection's score is ``u[i] * |w[i, j]| * v[j]``: u sums, over all paths from an
    input to neuron i, the products of the absolute weights, and v does so from j to the
    outputs. (A definition of our own.) Scores of a layer hold up to a common factor.
    """

    def scores(self, network, number):
        layer = network.layers[number]
        ends = _path_strengths(network, number)
        return at_ends(layer.connectivity, np.abs(layer.weights), *ends)


def _path_strengths(network: Network, number: int) -> tuple[np.ndarray, np.ndarray]:
    """The sums u and v of a layer, up to a common factor."""
    connectivities = [layer.connectivity for layer in network.layers]
    return path_sums(connectivities, [np.abs(layer.weights) for layer in network.layers], number)


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
        If the rule needs "gradient": the free places with the largest ``|dL/dw|``, at most
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
        taken += layer.indices[kept]  # ascending
        following = np.searchsorted(taken, places)
        return np.append(taken, -1)[following] != places


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
        # Index -1, the source of new connections, finds the entry that is appended.
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
    """At the free places of the largest ``|dL/dw|`` (RigL, Evci et al. 2020).

    A place whose gradient is zero is as good as any other such place.
    """

    needs = frozenset({"gradient"})

    def places(self, site):
        return np.empty(0, dtype=np.int64) if site.steepest is None else site.steepest


class GrowStrongestPaths(GrowthRule):
    """At free places drawn in proportion to the strength of the paths through them.

    The strength of a place is ``u[i] * v[j]`` with the sums of `DropWeakestPaths`: the
    paths that a new connection from i to j would join (after PWMPR, arXiv:2509.25665, whose
    score is this product too, but which only grows).
    """

    def places(self, site):
        ends = _path_strengths(site.network, site.number)
        if not all(sums.any() for sums in ends):
            return np.empty(0, dtype=np.int64)

        def draw(n: int) -> np.ndarray:
            source, target = (site.rng.choice(len(p), n, p=p / p.sum()) for p in ends)
            return target * site.layer.n_in + source

        return _first_free(site, draw)


class GrowCannistraciHebb(GrowthRule):
    """At free places drawn in proportion to their CH3-L3 score (Zhang et al. 2024).

    The score of a place (u, v) is the sum, over all paths u - z1 - z2 - v of three
    connections that stay, of ``1 / sqrt((1 + e1) * (1 + e2))``, where e is the number of
    external links of z1 and z2. These are counted as degree - 2, which is exact where u and v
    share no other path; then a place can be drawn without a table of scores. A connection
    between z2 and z1 is drawn in proportion to ``sqrt((d1 - 1) * (d2 - 1))``, d being
    degrees, and at each of its ends another neighbour, uniformly.
    """

    def places(self, site):
        nothing = np.empty(0, dtype=np.int64)
        kept = site.layer.connectivity.grow_at(site.keep, nothing).after
        return _first_free(site, lambda n: draw_ends_of_three(kept, n, site.rng))


def _first_free(site: Site, draw: Callable[[int], np.ndarray], n_rounds: int = 8) -> np.ndarray:
    """The first distinct free places that `draw` gives, within some rounds."""
    places = np.empty(0, dtype=np.int64)
    for _ in range(n_rounds):
        drawn = draw(site.n_new)
        drawn = np.concatenate([places, drawn[site.free(drawn)]])
        _, first = np.unique(drawn, return_index=True)
        places = drawn[np.sort(first)[: site.n_new]]
        if len(places) == site.n_new:
            break
    return places


#: The rules by the names that estimators use.
DROPS: dict[str, type[DropRule]] = {
    "magnitude": DropMagnitude,
    "dead_ends": DropDeadEnds,
    "weak_inputs": DropWeakInputs,
    "sensitivity": DropSensitivity,
    "relative_sensitivity": DropRelativeSensitivity,
    "path": DropWeakestPaths,
}
GROWS: dict[str, type[GrowthRule]] = {
    "random": GrowRandom,
    "gradient": GrowSteepest,
    "path": GrowStrongestPaths,
    "ch3": GrowCannistraciHebb,
}
