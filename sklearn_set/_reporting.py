"""What a training says: lines while it goes on, warnings and hints after it.

Owns: these texts. May not touch: the training.
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from ._columns import spread_rows
from ._samples import Samples
from ._training import Learner

__all__ = [
    "kept_hint",
    "report",
    "unscaled_hint",
    "warn_of_absurd_loss",
    "warn_of_incomplete_training",
    "warn_of_other_scale",
    "warn_of_range",
]

_ABSURD = 10.0  # times the loss of a constant prediction
_FAR = 3.0  # deviations between the means of columns
_LARGE = 10.0  # times the values of columns
_LOOKED_AT = 1000  # rows


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


def warn_of_incomplete_training(learner: Learner) -> None:
    """Warn of a training that was interrupted or too short for its prunings."""
    epoch, last = learner.progress.epoch, learner.evolution.last_pruning_epoch
    if learner.progress.interrupted:
        warnings.warn(
            f"Training was interrupted in epoch {epoch}; the model keeps what it learned until "
            "then.",
            stacklevel=3,
        )
    scores = learner.progress.history.get("validation_score", [])
    if scores and np.isnan(scores[-1]):
        warnings.warn(
            "The score on the held-out samples is not a number. Some scores need samples of all "
            'classes: hold out more, give X_val with all of them, or set scoring="loss".',
            UserWarning,
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


def warn_of_absurd_loss(learner: Learner, constant: float, samples: Samples, estimator) -> None:
    """Warn of a training that ended far above the loss of a constant prediction.

    If the network learns the target in the unit of the user, and this is far from 1, no better
    than a constant is suspicious enough.
    """
    unscaled = None if getattr(estimator, "scale_target", True) else samples.target
    losses, most = learner.progress.history.get("loss"), _ABSURD
    if not losses:  # interrupted in the first epoch
        return
    loss = losses[-1]
    if unscaled is not None and not 0.01 < unscaled.std() < 100:
        most = 0.9
    if not loss > most * constant > 0:
        return
    advice = (
        f"Lower learning_rate_init (now {learner.optimizer.learning_rate:g}), or train longer "
        f"than {learner.progress.epoch} epochs."
    )
    if unscaled is not None:
        advice = (
            f"The target has the mean {unscaled.mean():.3g} and the deviation "
            f"{unscaled.std():.3g}, which the outputs have to reach: set scale_target=True."
        )
    warnings.warn(
        f"The network learned nothing: the loss of the last epoch, {loss:.3g}, is "
        f"{loss / constant:.3g} times that of the best constant prediction. {advice}"
        f"{unscaled_hint(samples.X, estimator)}",
        ConvergenceWarning,
        stacklevel=3,
    )


def warn_of_other_scale(X, X_val) -> None:
    """Warn of held-out samples that were not transformed as the training samples were."""
    (mean, deviation, size), (mean_val, _, size_val) = _moments(X), _moments(X_val)
    varies, met = deviation > 0, (size > 0) & (size_val > 0)
    far = np.median(abs(mean_val - mean)[varies] / deviation[varies]) if varies.any() else 0.0
    ratio = abs(np.log(size_val[met] / size[met]))  # some columns grow where others shrink
    large = np.exp(np.median(ratio)) if met.any() else 1.0
    if far <= _FAR and (X_val.shape[0] < 10 or large < _LARGE):
        return
    warnings.warn(
        f"X_val looks as if it was not transformed as X was: in the median over the columns, its "
        f"mean is {far:.3g} deviations away, and its values are {large:.3g} times as large or as "
        'small. A Pipeline passes "STEP__X_val" on as it is: use metadata routing with '
        'transform_input=["X_val"], or leave scalers out, the network scales its inputs.',
        UserWarning,
        stacklevel=3,
    )


def warn_of_range(X) -> None:
    """Warn of samples of a machine that are not between 0 and 1."""
    low, high = float(X.min()), float(X.max())
    if low < 0 or high > 1:
        warnings.warn(
            f"X has values from {low:.3g} to {high:.3g}; the units of the machine are on or off, "
            "so that it learns from values in [0, 1]. Put a MinMaxScaler before it.",
            UserWarning,
            stacklevel=3,
        )


def _moments(X) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and deviation of the columns and the mean size of what is not 0; of some rows."""
    X = X[spread_rows(X.shape[0], _LOOKED_AT)].astype(np.float64)
    present = np.maximum(np.ravel((X != 0).sum(axis=0)), 1)
    mean, size = np.ravel(X.mean(axis=0)), np.ravel(abs(X).sum(axis=0)) / present
    square = X.multiply(X) if sparse.issparse(X) else X * X
    return mean, np.sqrt(np.maximum(np.ravel(square.mean(axis=0)) - mean**2, 0)), size


def kept_hint(learner: Learner, fitted: bool) -> str:
    """A sentence on what stays of a training that diverged, or nothing."""
    if fitted:
        return " The model that was fitted before stays as it was."
    epoch = learner.progress.epoch
    return f" What was learned until epoch {epoch} is kept." if epoch > 0 else ""


def unscaled_hint(X, estimator) -> str:
    """A sentence on inputs that look unscaled, or nothing."""
    largest = abs(X).max(axis=0)
    largest = largest.toarray().ravel() if sparse.issparse(largest) else largest
    worst = int(largest.argmax())
    if largest[worst] < 100:
        return ""
    names = getattr(estimator, "feature_names_in_", None)
    name = f"number {worst}" if names is None else repr(names[worst])
    return (
        f" The inputs look unscaled: feature {name} has absolute values up to "
        f"{largest[worst]:g}, half of the features stay below {np.median(largest):g}."
    )
