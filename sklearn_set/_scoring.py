"""Loss and score of a network after an epoch, on held-out and on training samples.

Owns: both, and which training samples. May not touch: the network, training, when it stops.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from sklearn.metrics import check_scoring

from ._columns import spread_rows
from ._data import Data
from ._fitted import Model
from ._network import Network
from ._samples import Samples

__all__ = ["make_validator"]

_TRAINING_ROWS = (100, 1000)  # least and most that are compared with the held-out ones


def make_validator(
    estimator, model: Model, training: Samples, held_out: Samples, n_threads: int
) -> Callable[[Network], dict[str, float]]:
    """A function from a network to its columns of the history: losses and the score.

    Training samples are conditioned already, held-out ones are not. As many of the former are
    used as there are of the latter, but a hundred at least and a thousand at most; the same in
    each epoch.
    """
    targets, dtype = model.targets, model.network.dtype
    n_rows = int(np.clip(len(held_out.target), *_TRAINING_ROWS))
    training = training.take(spread_rows(len(training.target), n_rows))
    both = (training, replace(held_out, X=model.conditioner._apply(held_out.X)))
    prepared = [(Data(part.X, dtype), targets.for_loss(part.target, np.float64)) for part in both]
    score_of = _score_of(estimator, model, held_out)

    def columns(network: Network) -> dict[str, float]:
        network = model.calibrated(network)
        losses = []
        for part, (data, target) in zip(both, prepared):
            raw = network.predict(data, n_threads)
            losses.append(targets.loss.value(raw, target, part.weight))
        return {
            "training_loss": losses[0],
            "validation_loss": losses[1],
            "validation_score": score_of(network, raw, losses[1]),
        }

    return columns


def _score_of(estimator, model: Model, held_out: Samples):
    """A function from a network, its outputs and its loss to the score by `scoring`."""
    targets, weight = model.targets, held_out.weight
    if estimator.scoring == "loss":
        return lambda network, raw, loss: -loss
    if estimator.scoring is None:
        return lambda network, raw, loss: targets.score(raw, held_out.target, weight)
    probe = copy.copy(estimator)  # shows the scorer the current network
    probe.__dict__.pop("feature_names_in_", None)
    scorer = check_scoring(probe, estimator.scoring)
    y = targets.decode(held_out.target)
    weighted = {} if weight is None else {"sample_weight": weight}

    def score(network: Network, raw: np.ndarray, loss: float) -> float:
        probe.__dict__.update(model.attributes(network))
        return scorer(probe, held_out.X, y, **weighted)

    return score
