"""What a training says: lines while it goes on, warnings and hints after it.

Owns: these texts. May not touch: the training.
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from ._training import Learner

__all__ = ["report", "unscaled_hint", "warn_about"]


def report(learner: Learner, verbose: int) -> None:
    """Print a line for the last epoch if wanted; with 2 it tells of the topology too."""
    if not verbose:
        return
    last = learner.progress.last()
    line = f"Epoch {learner.progress.epoch}, loss {last['loss']:.6f}"
    if "validation_score" in last:
        line += f", validation score {last['validation_score']:.4f}"
    if verbose > 1:
        sizes = [n for name, n in last.items() if name.startswith("hidden_layer_size_")]
        line += (
            f", {last['n_connections']} connections ({last['n_dropped']} rewired), "
            f"hidden neurons {sizes}"
        )
    print(line)


def warn_about(learner: Learner) -> None:
    """Warn of a training that was interrupted or too short for its prunings."""
    epoch, last = learner.progress.epoch, learner.evolution.last_pruning_epoch
    if learner.progress.interrupted:
        warnings.warn(
            f"Training was interrupted in epoch {epoch}; the model keeps what it learned until "
            "then.",
            stacklevel=3,
        )
    if epoch <= last != 0:
        network = learner.network
        warnings.warn(
            f"Training ended after {epoch} epochs, before the last scheduled pruning at the start "
            f"of epoch {last}: hidden layers of {network.hidden_layer_sizes} neurons and "
            f"{network.layers[0].n_in} inputs were reached. Raise max_iter above beta + gamma, or "
            "lower beta or gamma.",
            ConvergenceWarning,
            stacklevel=3,
        )


def unscaled_hint(X, names: np.ndarray | None) -> str:
    """A sentence on inputs that look unscaled, or nothing."""
    largest = abs(X).max(axis=0)
    largest = largest.toarray().ravel() if sparse.issparse(largest) else largest
    worst = int(largest.argmax())
    if largest[worst] < 100:
        return ""
    name = f"number {worst}" if names is None else repr(names[worst])
    return (
        f" The inputs look unscaled: feature {name} has absolute values up to "
        f"{largest[worst]:g}, half of the features stay below {np.median(largest):g}."
    )
