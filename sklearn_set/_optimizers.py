"""Optimizers as plain settings; the native core does the steps.

Owns: the rule of a step and the course of the decay. May not touch: weights, networks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from . import _native

__all__ = ["Optimizer"]

_ADAM_EPSILON = 1e-8


@dataclass
class Optimizer:
    """A first-order optimizer, by the settings of the estimators."""

    rule: str  # their solver
    learning_rate: float
    momentum: float = 0.9
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    decay_rule: str = "l2"
    l2_until: int = 0  # before this epoch "per_epoch" acts as "l2"
    # What training changes.
    n_steps: int = field(default=0, compare=False)
    steps_per_epoch: int = field(default=1, compare=False)
    epoch: int = field(default=0, compare=False)

    @property
    def n_slots(self) -> int:
        """Number of state arrays that a weight needs."""
        if self.rule == "adam":
            return 2
        return 1 if self.momentum else 0

    def settings(self) -> dict:
        """The arguments of the native step, but for the step count."""
        decay, decay_rule = self.weight_decay, self.decay_rule
        if decay_rule == "per_epoch" and self.epoch < self.l2_until:
            decay_rule = "l2"
        shrink = {"l2": 0.0, "per_epoch": decay / self.steps_per_epoch, "per_step": decay}
        return {
            "rule": _native.OPTIMIZERS[self.rule],
            "rate": self.learning_rate,
            "momentum": self.momentum if self.rule != "adam" else 0.0,
            "beta_1": self.betas[0],
            "beta_2": self.betas[1],
            "epsilon": _ADAM_EPSILON,
            "l2": decay if decay_rule == "l2" else 0.0,
            "shrink": shrink[decay_rule],
            "shrink_bias": decay_rule == "per_step",
        }
