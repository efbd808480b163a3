"""Who leaves a network for good: hidden neurons, inputs.

Owns: the choice of the neurons and inputs that leave, and when. May not touch: what
happens to their connections.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ._network import Network
from ._topology import decimal_floor

__all__ = ["InputSelection", "NeuronPruning"]


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
    by, every, budget
        As `prune_by`, `prune_every` and `budget` of the estimators.
    """

    fraction: float
    start: int
    n_epochs: int
    layers: tuple[int, ...]
    by: str = "out_degree"
    every: int = 1
    budget: str = "shrink"

    @property
    def last_epoch(self) -> int:
        """The epoch that starts with the last pruning; 0 if there is none."""
        if self.fraction == 0 or not self.layers:
            return 0
        return self.start + self.n_epochs - self.n_epochs % self.every

    def is_due(self, epoch: int) -> bool:
        """Whether `epoch` starts with a pruning."""
        return self.start <= epoch <= self.last_epoch and (epoch - self.start) % self.every == 0

    def order(self, network: Network, number: int) -> np.ndarray:
        """The neurons of a hidden layer in the order in which they leave.

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

    def prune(self, network: Network) -> int:
        """Prune the hidden layers once; returns the number of neurons removed."""
        n_pruned = 0
        for number in self.layers:
            n_neurons = network.layers[number].n_out
            n_leave = decimal_floor(self.fraction, n_neurons)
            if n_leave == 0:
                continue
            keep = np.ones(n_neurons, dtype=bool)
            keep[self.order(network, number)[:n_leave]] = False
            network.prune_hidden(number, keep)
            n_pruned += n_leave
        return n_pruned


@dataclass
class InputSelection:
    """Removal of inputs at the start of epochs, until a given number stays.

    The inputs of the smallest output strength, summed over the epochs so far, leave:
    the current strength alone also shows what the network has just memorised. Their
    number falls geometrically.

    Parameters
    ----------
    n_selected : int
        Number of inputs that stay.
    start, last_epoch : int
        The epochs that start with the first and with the last removal.
    strength_ : ndarray or None
        The summed strength of the inputs that are still read.
    """

    n_selected: int
    start: int
    last_epoch: int
    strength_: np.ndarray | None = field(default=None, repr=False)

    @classmethod
    def over(cls, n_selected: int, n_epochs: int) -> InputSelection:
        """A selection from a twelfth to two thirds of a training of `n_epochs`."""
        start = max(1, n_epochs // 12)
        return cls(n_selected, start, max(start, 2 * n_epochs // 3))

    def prune(self, network: Network, epoch: int) -> int:
        """Add to the strength sums and, if due, remove inputs; returns how many left.

        Of inputs of equal strength the one with the lower index leaves first.
        """
        if epoch > self.last_epoch:
            return 0
        first = network.layers[0]
        strength = first.connectivity.out_strength(first.weights)
        if self.strength_ is not None and len(self.strength_) == len(strength):
            strength = strength + self.strength_
        n_leave = self._n_leave(first.n_in, epoch)
        if n_leave > 0:
            keep = np.ones(first.n_in, dtype=bool)
            keep[np.argsort(strength, kind="stable")[:n_leave]] = False
            network.prune_inputs(keep)
            strength = strength[keep]
        self.strength_ = strength
        return n_leave

    def _n_leave(self, n_inputs: int, epoch: int) -> int:
        """How many inputs leave now, if each removal that is left takes an equal share."""
        n_left = self.last_epoch - epoch + 1
        if epoch < self.start or n_inputs <= self.n_selected:
            return 0
        stay = n_inputs * (self.n_selected / n_inputs) ** (1 / n_left)
        return n_inputs - max(self.n_selected, round(stay))
