"""Optimizers as plain settings; the native core does the steps.

Owns: the rule of a step and the course of the learning rate. May not touch:
weights, networks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Optimizer"]

_COURSE = ("rate", "n_steps", "steps_per_epoch", "epoch")  # what training changes
_RULES = {"sgd": 0, "nesterov": 1, "adam": 2}


@dataclass
class Optimizer:
    """A first-order optimizer.

    Parameters
    ----------
    rule : {"sgd", "nesterov", "adam"}
    learning_rate_init : float
        The rate of the first epoch.
    schedule : {"constant", "invscaling", "adaptive"}
        Course of the rate over epochs, as in scikit-learn's MLP.
    weight_decay : float
        Strength of the decay.
    decay_rule : {"l2", "decoupled", "per_epoch", "per_step"}
        "l2": ``weight_decay * w`` joins the gradient. "decoupled": each step
        subtracts ``rate * weight_decay * w`` (AdamW). "per_epoch": each of an
        epoch's n steps subtracts ``weight_decay / n * w``, in proportion to
        the rate where that has a course. "per_step": each step subtracts
        ``weight_decay * w``, biases included (the SET reference).
    later_decay : tuple of int and str, optional
        An epoch and the rule that replaces `decay_rule` from then on.
    """

    rule: str
    learning_rate_init: float
    schedule: str = "constant"
    power_t: float = 0.5
    momentum: float = 0.9
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    decay_rule: str = "l2"
    later_decay: tuple[int, str] | None = None
    n_steps: int = 0
    steps_per_epoch: int = 1
    epoch: int = 0
    rate: float = field(init=False)

    def __post_init__(self):
        self.rate = self.learning_rate_init

    def given(self) -> dict:
        """The settings as they were given, without what training changed."""
        return {k: v for k, v in vars(self).items() if k not in _COURSE}

    @property
    def n_slots(self) -> int:
        """Number of state arrays that a weight needs."""
        if self.rule == "adam":
            return 2
        return 1 if self.momentum else 0

    def settings(self) -> dict:
        """The arguments of the native step, but for the step count."""
        decay, decay_rule = self.weight_decay, self.decay_rule
        if self.later_decay is not None and self.epoch >= self.later_decay[0]:
            decay_rule = self.later_decay[1]
        shrink = {
            "l2": 0.0,
            "decoupled": self.rate * decay,
            "per_epoch": self.rate / self.learning_rate_init * decay / self.steps_per_epoch,
            "per_step": decay,
        }
        return {
            "rule": _RULES[self.rule],
            "rate": self.rate,
            "momentum": self.momentum if self.rule != "adam" else 0.0,
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "l2": decay if decay_rule == "l2" else 0.0,
            "shrink": shrink[decay_rule],
            "shrink_bias": decay_rule == "per_step",
        }

    def end_epoch(self, n_samples_seen: int) -> None:
        if self.schedule == "invscaling":
            self.rate = self.learning_rate_init / (n_samples_seen + 1) ** self.power_t

    def on_plateau(self) -> bool:
        """Lower the rate of the adaptive schedule; False if training should stop."""
        if self.schedule != "adaptive" or self.rate <= 1e-6:
            return False
        self.rate /= 5
        return True
