"""When a topology evolves, and in which order: drop and grow, inputs and neurons that leave.

Owns: the schedule and the composition of the rules. May not touch: the rules
themselves, gradients, the optimizer's steps, when an epoch begins.

A method is an `Evolution` with its slots filled: SET drops near zero and grows
at random, NPSET also prunes hidden neurons, a static network fills none.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from ._amounts import NewWeights, constant, small_weights
from ._network import Network
from ._pruning import InputSelection, NeuronPruning
from .rules import DropMagnitude, DropRule, GrowRandom, GrowthRule, Rule, Site

__all__ = ["Changes", "Evolution", "Steepest"]

#: For the numbers of layers what each keeps and how many places it wants: the places.
Steepest = Callable[[dict[int, tuple[np.ndarray, int]]], dict[int, np.ndarray]]


@dataclass
class Changes:
    """What an evolution changed: numbers of connections and neurons."""

    n_dropped: int = 0
    n_grown: int = 0
    n_survived: int = 0  # of those grown at the rewiring before
    n_pruned: int = 0

    def __add__(self, other: Changes) -> Changes:
        return Changes(*(a + b for a, b in zip(vars(self).values(), vars(other).values())))


@dataclass
class Evolution:
    """What happens to the topology at the start of an epoch, or between batches.

    A rewiring takes `fraction` of a layer's connections, 0 keeps the topology. `schedule` gives
    a factor of it by the share of `n_epochs` that has passed. It takes place at the start of
    every `every`-th epoch, after `least_batches` at least, or, if `every_steps` is given,
    between two batches, after that number of steps. `redistribute` says how many of all new
    connections each layer gets (see `_amounts.in_proportion`); without it, as many as it lost.
    """

    fraction: float = 0.0
    drop: DropRule = field(default_factory=DropMagnitude)
    grow: GrowthRule = field(default_factory=GrowRandom)
    new_weights: NewWeights = small_weights
    prune: NeuronPruning | None = None
    select: InputSelection | None = None
    evolve_output: bool = False
    redistribute: Callable[..., list[int]] | None = None
    schedule: Callable[[float], float] = constant
    n_epochs: int = 1
    every: int = 1
    least_batches: int = 1
    every_steps: int | None = None

    @property
    def rules(self) -> tuple[Rule, Rule]:
        """The rules that may have state."""
        return self.drop, self.grow

    @property
    def needs(self) -> frozenset[str]:
        """What the rules read besides connections and weights, if anything is rewired."""
        return self.drop.needs | self.grow.needs if self.fraction > 0 else frozenset()

    @property
    def last_pruning_epoch(self) -> int:
        """Epoch from which on the number of neurons stays."""
        return max((part.last_epoch for part in (self.prune, self.select) if part), default=0)

    def resume(self, before: Evolution) -> None:
        """Take over the state of an evolution that is continued."""
        for rule, old in zip(self.rules, before.rules):
            rule.resume(old)
        if self.select is not None and before.select is not None:
            self.select.strength_ = before.select.strength_

    def begin(self, network: Network, n_batches: int) -> None:
        """Prepare a network for training with that number of batches an epoch."""
        self.every = max(self.every, -(-self.least_batches // n_batches))
        if "sensitivity" in self.needs:
            network.measure_sensitivity()

    def columns(self) -> dict[str, float]:
        """What the rules add to the history."""
        return {name: v for rule in self.rules for name, v in rule.columns().items()}

    def fraction_at(self, epoch: int) -> float:
        """Share of the connections rewired at the start of `epoch`; 0: it is not due."""
        if epoch == 0 or self.every_steps is not None or epoch % self.every:
            return 0.0
        return self.fraction * self.schedule(min(1.0, epoch / self.n_epochs))

    def is_due(self, epoch: int) -> bool:
        """Whether anything may change at the start of `epoch`."""
        if epoch == 0:  # what has not been trained yet cannot be judged
            return False
        prunes = self.prune is not None and self.prune.is_due(epoch)
        return prunes or self.select is not None or self.fraction_at(epoch) > 0

    def start_epoch(
        self,
        epoch: int,
        network: Network,
        rng: np.random.Generator,
        steepest: Steepest | None = None,
    ) -> Changes:
        """Change the topology at the start of `epoch`.

        In this order: inputs leave; hidden neurons leave, if the layers keep
        their budget; connections are dropped and others grown, those of the
        inputs and neurons that left too; hidden neurons leave, if the budget shrinks.
        `steepest` gives the places for growth by gradient.
        """
        changes = Changes()
        if not self.is_due(epoch):
            return changes
        pruning = self.prune if self.prune is not None and self.prune.is_due(epoch) else None
        before = [layer.nnz for layer in network.layers]
        if self.select is not None:
            changes.n_pruned += self.select.prune(network, epoch)
        if pruning and pruning.budget == "keep":
            changes.n_pruned += pruning.prune(network)
        lost = {
            number: n - layer.nnz
            for number, (n, layer) in enumerate(zip(before, network.layers))
            if n > layer.nnz
        }
        fraction = self.fraction_at(epoch)
        if fraction > 0 or lost:
            numbers = self.evolving(network) if fraction > 0 else ()
            changes += self.rewire(network, rng, fraction, numbers, steepest, lost)
        if pruning and pruning.budget == "shrink":
            changes.n_pruned += pruning.prune(network)
        return changes

    def parts(self, starts: np.ndarray, n_steps: int) -> list[np.ndarray]:
        """Cut an epoch's batches where a rewiring is due; `n_steps` were made before."""
        if self.every_steps is None:
            return [starts]
        n_batches = len(starts) - 1
        first = -n_steps % self.every_steps or self.every_steps
        cuts = [0, *range(first, n_batches, self.every_steps), n_batches]
        return [starts[a : b + 1] for a, b in itertools.pairwise(cuts)]

    def between_batches(
        self, n_steps: int, network: Network, rng, steepest: Steepest | None = None
    ) -> Changes:
        """Change the topology before a batch if that is due after `n_steps` steps."""
        if not self.every_steps or n_steps == 0 or n_steps % self.every_steps or not self.fraction:
            return Changes()
        return self.rewire(network, rng, self.fraction, self.evolving(network), steepest)

    # ------------------------------------------------------------ one rewiring

    def evolving(self, network: Network) -> range:
        """Numbers of the layers whose connections change."""
        return range(len(network.layers) - (not self.evolve_output))

    def rewire(
        self,
        network: Network,
        rng: np.random.Generator,
        fraction: float,
        numbers: Iterable[int],
        steepest: Steepest | None = None,
        lost: dict[int, int] | None = None,
    ) -> Changes:
        """Drop and grow once in the layers `numbers`, all judged before the first one changes.

        `lost` counts, for the number of a layer, connections that are gone
        already and grow anew as far as there are free places.
        """
        lost = lost or {}
        keeps = {number: self._keep(network, number, fraction) for number in numbers}
        n_kept = {n: int(np.count_nonzero(keep.view(bool))) for n, keep in keeps.items()}
        n_new = dict(zip(keeps, self._quotas(network, n_kept)))
        for number, n_lost in lost.items():
            layer = network.layers[number]
            keeps.setdefault(number, np.ones(layer.nnz, dtype=np.uint8))
            n_grown = n_new.get(number, 0)
            n_free = layer.n_in * layer.n_out - n_kept.setdefault(number, layer.nnz) - n_grown
            n_new[number] = n_grown + min(n_lost, n_free)
        places: dict[int, np.ndarray] = {}
        if "gradient" in self.grow.needs and steepest is not None:
            places = steepest({number: (keep, n_new[number]) for number, keep in keeps.items()})
        n_connections = sum(network.layers[number].nnz for number in keeps)
        changes = Changes(n_dropped=sum(lost.values()), n_grown=sum(n_new.values()))
        for number, keep in keeps.items():
            layer = network.layers[number]
            changes.n_dropped += layer.nnz - n_kept[number]
            if layer.newborn is not None:
                changes.n_survived += int(np.count_nonzero(layer.newborn & keep.view(bool)))
            weights = self.new_weights(layer, n_new[number], rng)
            site = Site(network, number, keep, n_new[number], rng, places.get(number))
            network.rewire(number, self.grow.rewiring(site), weights)
            if layer.sensitivity is not None:
                layer.sensitivity[:] = 0  # a new count until the next rewiring
        for rule in self.rules:
            rule.after(changes.n_dropped, n_connections, fraction)
        return changes

    def remove(self, network: Network, fraction: float) -> None:
        """Drop without growing anything, as the SET paper does after the last epoch."""
        keeps = {n: self._keep(network, n, fraction) for n in self.evolving(network)}
        for number, keep in keeps.items():
            nothing = np.empty(0, dtype=np.int64)
            network.rewire(number, network.layers[number].connectivity.grow_at(keep, nothing), None)

    def _keep(self, network: Network, number: int, fraction: float) -> np.ndarray:
        """What the drop rule keeps of a layer, as the core takes it."""
        keep = np.asarray(self.drop.keep(network, number, fraction))
        if keep.shape != (network.layers[number].nnz,):
            raise ValueError(
                f"{type(self.drop).__name__} marked an array of shape {keep.shape} for layer "
                f"{number}, which has {network.layers[number].nnz} connections. Give a value for "
                "each."
            )
        is_uint8 = keep.dtype == np.uint8  # the core's rules: one pass, no copies
        if not (keep.max(initial=0) <= 1 if is_uint8 else ((keep == 0) | (keep == 1)).all()):
            raise ValueError(
                f"{type(self.drop).__name__} marked connections of layer {number} with other "
                "values than 0 and 1 (or False and True)."
            )
        return np.ascontiguousarray(keep, dtype=np.uint8)

    def _quotas(self, network: Network, n_kept: dict[int, int]) -> list[int]:
        """How many connections each evolving layer grows, by the numbers of those that stay."""
        layers = [network.layers[number] for number in n_kept]
        n_dropped = [layer.nnz - kept for layer, kept in zip(layers, n_kept.values())]
        if self.redistribute is None:
            return n_dropped
        n_free = [layer.n_in * layer.n_out - layer.nnz for layer in layers]
        if sum(n_dropped) > sum(n_free):  # too full to spare the places just dropped
            n_free = [free + dropped for free, dropped in zip(n_free, n_dropped)]
        return self.redistribute(list(n_kept.values()), n_free, sum(n_dropped))
