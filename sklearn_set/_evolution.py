"""How a topology evolves: which connections go, which come, which neurons leave.

Owns: the rules (drop, grow, new weights, prune) and their composition. May not
touch: gradients, the optimizer's steps, when an epoch begins.

A method is an `Evolution` with its slots filled: SET drops near zero and grows
at random, NPSET also prunes hidden neurons, a static network fills none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import _native
from ._network import Layer, Network, initial_weights
from ._topology import decimal_floor

__all__ = ["Evolution", "NeuronPruning", "drop_nearest_zero", "new_weights_rule"]

Drop = Callable[[Layer, float], np.ndarray]
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
    """Removal of hidden neurons at the start of epochs (Liu et al. 2019, §3).

    Parameters
    ----------
    fraction : float
        ``floor(fraction * n)`` of a layer's current n neurons leave at a time.
    start, n_epochs : int
        At the start of the epochs ``start`` to ``start + n_epochs``, both
        included (epochs count from 0): the widths in Table 3 of the paper come
        out with 41 prunings for 40 epochs.
    layers : tuple of int
        Hidden layers to prune, counted from 0.
    """

    fraction: float
    start: int
    n_epochs: int
    layers: tuple[int, ...]

    @property
    def last_epoch(self) -> int:
        return self.start + self.n_epochs

    def is_due(self, epoch: int) -> bool:
        return self.start <= epoch <= self.last_epoch

    def __call__(self, network: Network) -> int:
        """Prune once; returns the number of neurons removed.

        Those with the fewest output connections go, of equals those with the
        smallest output strength, then the lower index.
        """
        n_pruned = 0
        for number in self.layers:
            outward = network.layers[number + 1]
            n_neurons = outward.n_in
            n_leave = decimal_floor(self.fraction, n_neurons)
            if n_leave == 0:
                continue
            degree = outward.connectivity.out_degree()
            strength = outward.connectivity.out_strength(outward.weights)
            order = np.lexsort((strength, degree))  # stable: index decides last
            keep = np.ones(n_neurons, dtype=bool)
            keep[order[:n_leave]] = False
            network.prune_hidden(number, keep)
            n_pruned += n_leave
        return n_pruned


@dataclass(frozen=True)
class Evolution:
    """What happens to the topology at the start of an epoch.

    Parameters
    ----------
    fraction : float
        Share of a layer's connections that is rewired; 0 keeps the topology.
    drop, new_weights : callable
        Rules of this module.
    prune : NeuronPruning or None
    evolve_output : bool
        Whether the output layer's connections are rewired too.
    """

    fraction: float = 0.0
    drop: Drop = drop_nearest_zero
    new_weights: NewWeights = _small_weights
    prune: NeuronPruning | None = None
    evolve_output: bool = False

    @property
    def last_pruning_epoch(self) -> int:
        """Epoch from which on the number of neurons stays."""
        return self.prune.last_epoch if self.prune and self.prune.fraction > 0 else 0

    def start_epoch(self, epoch: int, network: Network, rng: np.random.Generator) -> dict[str, int]:
        """Change the topology at the start of `epoch`: drop, grow, then prune.

        Nothing happens at the start of epoch 0: what has not been trained yet
        cannot be judged. Returns the counts for the history.
        """
        counts = {"n_dropped": 0, "n_grown": 0, "n_survived": 0, "n_pruned": 0}
        if epoch > 0 and self.fraction > 0:
            n_evolving = len(network.layers) - (not self.evolve_output)
            for number in range(n_evolving):
                self._rewire(number, network, rng, counts)
        if self.prune is not None and epoch > 0 and self.prune.is_due(epoch):
            counts["n_pruned"] = self.prune(network)
        return counts

    def _rewire(self, number: int, network: Network, rng, counts: dict[str, int]) -> None:
        layer = network.layers[number]
        keep = self.drop(layer, self.fraction)
        n_new = layer.nnz - int(np.count_nonzero(keep))
        if layer.newborn is not None:
            counts["n_survived"] += int(np.count_nonzero(layer.newborn & (keep != 0)))
        weights = self.new_weights(layer, keep, n_new, rng)
        network.rewire(number, layer.connectivity.grow(keep, n_new, rng), weights)
        counts["n_dropped"] += n_new
        counts["n_grown"] += n_new
