"""How a topology evolves: which connections go, which come, which neurons leave.

Owns: the rules (drop, grow, new weights, prune) and their composition. May not
touch: gradients, the optimizer's steps, when an epoch begins.

A method is an `Evolution` with its slots filled: SET drops near zero and grows
at random, NPSET also prunes hidden neurons, a static network fills none.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import _native
from ._network import Data, Layer, Network, initial_weights
from ._rules import (
    SCHEDULES,
    AdaptiveThreshold,
    drop_by_path,
    drop_by_sensitivity,
    grow_random,
    grow_steepest,
)
from ._topology import Rewiring, decimal_floor

__all__ = [
    "DROPS",
    "GROWS",
    "INPUT",
    "Evolution",
    "NeuronPruning",
    "drop_magnitude",
    "drop_nearest_zero",
    "new_weights_rule",
]

#: Number of the input layer among the layers that can be pruned.
INPUT = -1

Drop = Callable[[Network, int, float], np.ndarray]
Grow = Callable[..., Rewiring]
NewWeights = Callable[[Layer, np.ndarray, int, np.random.Generator], np.ndarray]


def drop_nearest_zero(layer: Layer, fraction: float) -> np.ndarray:
    """Mark what stays when a fraction of each sign, nearest to zero, is dropped.

    Of n₊ positive and n₋ negative weights, ``floor(fraction * n₊)`` and
    ``floor(fraction * n₋)`` go (Mocanu et al. 2018, "SET method"), and every
    exact zero besides, which has no sign and would otherwise stay for ever.
    Of equal weights the one at the lower (destination, source) goes first.
    """
    negative, _, positive = _native.count_signs(layer.weights)
    return _native.drop_nearest_zero(
        layer.weights, decimal_floor(fraction, negative), decimal_floor(fraction, positive)
    )


def drop_magnitude(network: Network, number: int, fraction: float) -> np.ndarray:
    """`drop_nearest_zero` for a layer of a network."""
    return drop_nearest_zero(network.layers[number], fraction)


#: The rules by the names that estimators use.
DROPS: dict[str, Drop] = {
    "magnitude": drop_magnitude,
    "sensitivity": drop_by_sensitivity,
    "path": drop_by_path,
}
GROWS: dict[str, Grow] = {"random": grow_random, "gradient": grow_steepest}

# A gradient that decides over places is taken on so many samples at least.
_MIN_GRADIENT_BATCH = 128


def _zero_weights(layer: Layer, keep: np.ndarray, n_new: int, rng) -> np.ndarray:
    return np.zeros(n_new, dtype=layer.weights.dtype)


def _small_weights(layer: Layer, keep: np.ndarray, n_new: int, rng) -> np.ndarray:
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


def new_weights_rule(name: str, init: str) -> NewWeights:
    """Rule for the first weight of a grown connection.

    "small": see `_small_weights`; "zero": 0 (the SET reference with masks);
    "init": drawn as at the start of training (the sparse SET reference, with
    ``init="normal"``).
    """
    if name == "zero":
        return _zero_weights
    if name == "small":
        return _small_weights

    def as_at_start(layer: Layer, keep: np.ndarray, n_new: int, rng) -> np.ndarray:
        if init == "normal":  # one scale for all
            return (0.1 * rng.standard_normal(n_new)).astype(layer.weights.dtype, copy=False)
        # Drawn for a whole layer, so that the scale is that of the neurons entered.
        weights = initial_weights(layer.connectivity, init, layer.weights.dtype, rng)
        return rng.choice(weights, n_new)

    return as_at_start


@dataclass(frozen=True)
class NeuronPruning:
    """Removal of neurons at the start of epochs (Liu et al. 2019, §3).

    A hidden layer loses the neurons with the fewest output connections. The
    inputs, a layer that the paper does not prune, lose those whose output
    strength, summed over the epochs so far, is smallest: the strength of the
    moment also shows what the network has just learned by heart.

    Parameters
    ----------
    fraction : float
        ``floor(fraction * n)`` of a layer's current n neurons leave at a time.
    start, n_epochs : int
        At the start of the epochs ``start`` to ``start + n_epochs``, both
        included (epochs count from 0): the widths in Table 3 of the paper come
        out with 41 prunings for 40 epochs.
    layers : tuple of int
        Layers to prune: hidden ones, counted from 0, and INPUT.
    by : {"out_degree", "plain_out_degree", "strength"}
        Who leaves: the neurons with the fewest output connections (of equals
        those with the smallest output strength, or, if "plain", just the first),
        or those with the smallest sum of absolute input weights (Curci et al. 2021).
    every : int
        Of these epochs, the first and every so many-th one after it prune.
    budget : {"shrink", "keep"}
        Whether the connections of neurons that leave are gone for good, or grow
        anew in their layers, among the neurons that stay.
    min_inputs : int
        So many inputs stay.
    """

    fraction: float
    start: int
    n_epochs: int
    layers: tuple[int, ...]
    by: str = "out_degree"
    every: int = 1
    budget: str = "shrink"
    min_inputs: int = 0

    @property
    def last_epoch(self) -> int:
        return self.start + self.n_epochs - self.n_epochs % self.every

    def is_due(self, epoch: int) -> bool:
        due = self.start <= epoch <= self.last_epoch
        return due and (epoch - self.start) % self.every == 0

    def judges_inputs(self, epoch: int) -> bool:
        """Whether the strength of the inputs at the start of `epoch` counts."""
        return INPUT in self.layers and self.fraction > 0 and epoch <= self.last_epoch

    def order(self, network: Network, number: int) -> np.ndarray:
        """The neurons of a hidden layer, those that leave first in front.

        The index decides between those that are equal in all that counts.
        """
        inward, outward = network.layers[number], network.layers[number + 1]
        if self.by == "strength":
            strength = inward.connectivity.in_strength(inward.weights)
            return np.argsort(strength, kind="stable")
        degree = outward.connectivity.out_degree()
        if self.by == "plain_out_degree":
            return np.argsort(degree, kind="stable")
        strength = outward.connectivity.out_strength(outward.weights)
        return np.lexsort((strength, degree))  # stable: index decides last

    def prune_inputs(self, network: Network) -> int:
        """Prune the inputs once; returns the number of inputs removed.

        Those of the smallest strength go, of equals those with the lower index.
        """
        n_inputs = network.layers[0].n_in
        n_leave = min(decimal_floor(self.fraction, n_inputs), n_inputs - self.min_inputs)
        if INPUT not in self.layers or n_leave <= 0:
            return 0
        strength = network.input_strength
        assert strength is not None  # judges_inputs
        keep = np.ones(n_inputs, dtype=bool)
        keep[np.argsort(strength, kind="stable")[:n_leave]] = False
        network.prune_inputs(keep)
        return n_leave

    def prune_hidden(self, network: Network) -> int:
        """Prune the hidden layers once; returns the number of neurons removed."""
        n_pruned = 0
        for number in self.layers:
            if number == INPUT:
                continue
            outward = network.layers[number + 1]
            n_neurons = outward.n_in
            n_leave = decimal_floor(self.fraction, n_neurons)
            if n_leave == 0:
                continue
            keep = np.ones(n_neurons, dtype=bool)
            keep[self.order(network, number)[:n_leave]] = False
            network.prune_hidden(number, keep)
            n_pruned += n_leave
        return n_pruned


@dataclass(frozen=True)
class Evolution:
    """What happens to the topology at the start of an epoch, or between batches.

    Parameters
    ----------
    fraction : float
        Share of a layer's connections that is rewired; 0 keeps the topology.
    drop, new_weights : callable
        Rules of this module.
    prune : NeuronPruning or None
    evolve_output : bool
        Whether the output layer's connections are rewired too.
    grow : callable
        Where new connections come, a rule of `_rules`.
    redistribute : callable or None
        How many of all new connections each layer gets (`_rules.in_proportion`);
        None: as many as it lost.
    schedule : callable
        Factor of `fraction` by the share of `n_epochs` that has passed.
    n_epochs : int
        Length of the schedule.
    every : int
        Rewire at the start of every so many-th epoch.
    every_steps : int or None
        If given, rewire instead between two batches, after every so many steps.
    """

    fraction: float = 0.0
    drop: Drop = drop_magnitude
    new_weights: NewWeights = _small_weights
    prune: NeuronPruning | None = None
    evolve_output: bool = False
    grow: Grow = grow_random
    redistribute: Callable[..., list[int]] | None = None
    schedule: Callable[[float], float] = SCHEDULES["constant"]
    n_epochs: int = 1
    every: int = 1
    every_steps: int | None = None

    @property
    def last_pruning_epoch(self) -> int:
        """Epoch from which on the number of neurons stays."""
        prunes = self.prune and self.prune.fraction > 0 and self.prune.layers
        return self.prune.last_epoch if self.prune and prunes else 0

    def no_changes(self) -> dict[str, float]:
        """Counts for the history of an epoch in which the topology rests."""
        counts: dict[str, float] = dict.fromkeys(
            ("n_dropped", "n_grown", "n_survived", "n_pruned"), 0
        )
        if isinstance(self.drop, AdaptiveThreshold):
            counts["threshold"] = self.drop.value
        return counts

    def fraction_at(self, epoch: int) -> float:
        """Share of the connections rewired at the start of `epoch`; 0: it is not due."""
        if epoch == 0 or self.every_steps is not None or epoch % self.every:
            return 0.0
        return self.fraction * self.schedule(min(1.0, epoch / self.n_epochs))

    def begin(self, network: Network, history: dict[str, list]) -> None:
        """Make ready for training, which `history` may show to be continued."""
        if self.drop is drop_by_sensitivity and self.fraction > 0:
            network.measure_sensitivity()
        if isinstance(self.drop, AdaptiveThreshold) and history.get("threshold"):
            self.drop.value = history["threshold"][-1]

    def start_epoch(
        self,
        epoch: int,
        network: Network,
        rng: np.random.Generator,
        data: Data | None = None,
        batch_size: int = 1,
    ) -> dict[str, float]:
        """Change the topology at the start of `epoch`.

        In this order: inputs leave; hidden neurons leave, if the layers keep
        their budget; connections are dropped and others grown, those of the
        neurons that left too; hidden neurons leave, if the budget shrinks.
        Nothing happens at the start of epoch 0: what has not been trained yet
        cannot be judged. `data` (with all features) and
        `batch_size` are those of training, which growth by gradient looks at.
        Returns the counts for the history.
        """
        counts = self.no_changes()
        if epoch == 0:
            return counts
        if self.prune is not None and self.prune.judges_inputs(epoch):
            network.add_input_strength()
        pruning = self.prune if self.prune is not None and self.prune.is_due(epoch) else None
        keeps_budget = pruning is not None and pruning.budget == "keep"
        before = [layer.nnz for layer in network.layers]
        n_pruned = pruning.prune_inputs(network) if pruning else 0
        if pruning and keeps_budget:
            n_pruned += pruning.prune_hidden(network)
        lost = {}
        if keeps_budget:
            lost = {
                number: n - layer.nnz
                for number, (n, layer) in enumerate(zip(before, network.layers))
                if n > layer.nnz
            }
        fraction = self.fraction_at(epoch)
        if data is not None and self.grow is grow_steepest:
            data = data.of_features(network.features)
        if fraction > 0 or lost:
            self.rewire(network, rng, counts, fraction, data, batch_size, lost)
        if pruning and not keeps_budget:
            n_pruned += pruning.prune_hidden(network)
        counts["n_pruned"] = n_pruned
        return counts

    def parts(self, starts: np.ndarray, n_steps: int) -> list[np.ndarray]:
        """Cut an epoch's batches where a rewiring is due; `n_steps` were made before."""
        if self.every_steps is None:
            return [starts]
        n_batches = len(starts) - 1
        first = -n_steps % self.every_steps or self.every_steps
        cuts = [0, *range(first, n_batches, self.every_steps), n_batches]
        return [starts[a : b + 1] for a, b in itertools.pairwise(cuts)]

    def between_batches(
        self, n_steps: int, network: Network, rng, counts: dict, data: Data, batch_size: int
    ) -> None:
        """Change the topology before a batch if that is due after `n_steps` steps."""
        if self.every_steps is None:
            return
        if n_steps > 0 and n_steps % self.every_steps == 0 and self.fraction > 0:
            self.rewire(network, rng, counts, self.fraction, data, batch_size)
        if isinstance(self.drop, AdaptiveThreshold):
            counts["threshold"] = self.drop.value

    # ------------------------------------------------------------ one rewiring

    def evolving(self, network: Network) -> range:
        """Numbers of the layers whose connections change."""
        return range(len(network.layers) - (not self.evolve_output))

    def rewire(
        self,
        network: Network,
        rng,
        counts: dict,
        fraction: float,
        data=None,
        batch_size: int = 1,
        lost: dict[int, int] | None = None,
    ) -> None:
        """Drop and grow once in every evolving layer.

        `lost` counts, for the number of a layer, connections that are gone
        already and grow anew as far as there are free places.
        """
        lost = lost or {}
        evolving = self.evolving(network) if fraction > 0 else range(0)
        keeps = {number: self.drop(network, number, fraction) for number in evolving}
        n_new = dict(zip(evolving, self._quotas(network, keeps)))
        for number, n_lost in lost.items():
            layer = network.layers[number]
            keep = keeps.setdefault(number, np.ones(layer.nnz, dtype=np.uint8))
            n_grown = n_new.get(number, 0)
            n_free = layer.n_in * layer.n_out - int(np.count_nonzero(keep)) - n_grown
            n_new[number] = n_grown + min(n_lost, n_free)
        places: dict[int, np.ndarray] = {}
        if self.grow is grow_steepest and data is not None:
            rows = np.arange(data.n_samples)
            n_rows = max(batch_size, _MIN_GRADIENT_BATCH)
            if n_rows < len(rows):  # all of few samples: repeated ones count as weighted ones
                rows = rng.permutation(rows)[:n_rows]
            wanted = {number: (keep, n_new[number]) for number, keep in keeps.items()}
            places = network.steepest_places(data, rows, wanted)
        n_connections = sum(network.layers[number].nnz for number in keeps)
        n_dropped = sum(lost.values())
        for number, keep in keeps.items():
            n_dropped += network.layers[number].nnz - int(np.count_nonzero(keep))
            at = places.get(number)
            self.rewire_layer(number, network, rng, counts, keep, n_new[number], at)
        counts["n_dropped"] += n_dropped
        if isinstance(self.drop, AdaptiveThreshold):
            self.drop.adapt(n_dropped, n_connections, fraction)

    def remove(self, network: Network, fraction: float) -> None:
        """Drop without growing anything, as the SET paper does after the last epoch."""
        numbers = self.evolving(network)
        keeps = [self.drop(network, number, fraction) for number in numbers]
        for number, keep in zip(numbers, keeps):
            nothing = np.empty(0, dtype=np.int64)
            network.rewire(number, network.layers[number].connectivity.grow_at(keep, nothing), None)

    def _quotas(self, network: Network, keeps: dict[int, np.ndarray]) -> list[int]:
        """How many connections each evolving layer grows."""
        layers = [network.layers[number] for number in keeps]
        n_kept = [int(np.count_nonzero(keep)) for keep in keeps.values()]
        n_dropped = [layer.nnz - kept for layer, kept in zip(layers, n_kept)]
        if self.redistribute is None:
            return n_dropped
        n_free = [layer.n_in * layer.n_out - layer.nnz for layer in layers]
        if sum(n_dropped) > sum(n_free):  # too full to spare the places just dropped
            n_free = [free + dropped for free, dropped in zip(n_free, n_dropped)]
        return self.redistribute(n_kept, n_free, sum(n_dropped))

    def rewire_layer(
        self, number: int, network: Network, rng, counts: dict, keep, n_new: int, places=None
    ) -> None:
        """Keep what `keep` marks of one layer and grow `n_new` connections, in `places` if given.

        Counts those that survived and those that grew.
        """
        layer = network.layers[number]
        if layer.newborn is not None:
            counts["n_survived"] += int(np.count_nonzero(layer.newborn & (keep != 0)))
        weights = self.new_weights(layer, keep, n_new, rng)
        network.rewire(number, self.grow(layer, keep, n_new, rng, places), weights)
        counts["n_grown"] += n_new
        if self.drop is drop_by_sensitivity and layer.sensitivity is not None:
            layer.sensitivity[:] = 0  # a new count until the next rewiring
