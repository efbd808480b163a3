"""Weights of the columns, by a sparse linear model before training.

Owns: the elastic net of hazards, and the evidence for it out of sample. May not touch:
networks, the conditioning of columns.
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ._columns import spread_rows
from ._concordance import concordance
from ._gradients import merged
from ._kernel import KernelRidge, arc_cosine_kernel
from ._times import Times

__all__ = ["column_weights"]

_FEWEST = 100  # samples: of fewer, chance decides too often
_ROWS = 1000  # samples at most
_FOLDS = 5
_L1_RATIO = 0.7
_STRENGTHS = np.geomspace(1, 0.1, 15)  # relative to the one that leaves no column
_LEAST = 0.02  # expected events of a sample: its weight in a Newton step stays above 0


def column_weights(
    X: np.ndarray, times: Times, target: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray | None, dict[str | int, float]]:
    """Weights of the columns, or None: read all of them alike.

    The weights are the absolute coefficients of elastic nets for a hazard that is constant
    on the clock, averaged over the strengths whose concordance, the mean of five folds, is
    within one standard error of the best. Columns are weighed where there are more of them
    than samples, and the best concordance is by more than one standard error above that of
    kernel ridge regression (see `_kernel.py`) with all columns alike.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Scaled samples.
    times : Times
    target : ndarray of shape (n_samples, 2)
        Events and times.
    weight : ndarray of shape (n_samples,), optional

    Returns
    -------
    weights : ndarray of shape (n_features,) or None
        The mean square of those that are not 0 is 1.
    errors : dict
        One minus the concordance out of sample, with all columns ("all") and with the number of
        those that are left. Empty where columns are not to be weighed at all.
    """
    rows, weight = merged(X, target, weight)
    if not _FEWEST <= len(rows) < X.shape[1]:
        return None, {}
    rows, weight = (given[spread_rows(len(rows), _ROWS)] for given in (rows, weight))
    event, time = target[rows].T
    if event.sum() < 2 * _FOLDS:
        return None, {}
    fold = np.arange(len(rows)) % _FOLDS  # neighbours have like targets
    if any(time[(fold == i) & (event > 0)].min() >= time[fold == i].max() for i in range(_FOLDS)):
        return None, {}
    X, exposure = X[rows].astype(np.float64), event - times.as_numbers(target[rows])[:, 0]
    coefs, unit = _path(X, event, exposure, weight)
    K = arc_cosine_kernel(X)
    scores = np.empty((_FOLDS, 1 + len(_STRENGTHS)))
    for number in range(_FOLDS):
        learn, judge = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        share = np.maximum(exposure[learn], _LEAST)
        response, share = (event[learn] - exposure[learn]) / share, share * weight[learn]
        kernel = KernelRidge(K[np.ix_(learn, learn)], response[:, None], share / share.mean())
        coef, _ = _path(X[learn], event[learn], exposure[learn], weight[learn], unit)
        risks = np.hstack([kernel.predict(K[np.ix_(judge, learn)]), X[judge] @ coef])
        judged = event[judge] > 0, time[judge]
        scores[number] = [concordance(*judged, risk, weight[judge]) for risk in risks.T]
    mean = scores.mean(axis=0)
    best = 1 + int(mean[1:].argmax())
    near = np.flatnonzero(mean[1:] >= mean[best] - _standard_error(scores[:, best]))
    weights = np.abs(coefs[:, near].mean(axis=1))
    errors: dict[str | int, float] = {"all": 1 - float(mean[0])}
    errors[int(np.count_nonzero(weights))] = 1 - float(mean[best])
    gain = scores[:, best] - scores[:, 0]
    if not weights.any() or gain.mean() <= _standard_error(gain):
        return None, errors
    return weights / np.sqrt(np.square(weights[weights > 0]).mean()), errors


def _standard_error(scores: np.ndarray) -> float:
    """Standard error of the mean over folds."""
    return float(np.std(scores) / np.sqrt(_FOLDS - 1))


def _path(X, event, exposure, weight, unit: float = 0.0) -> tuple[np.ndarray, float]:
    """Coefficients of elastic nets, of shape (n_features, n_strengths), and the unit of strength.

    The unit is the smallest strength that leaves no column, unless it is given. The likelihood
    is that of `Times` with one interval. From one strength to the next goes a Newton step, on
    the columns that the sequential strong rule leaves (Tibshirani et al., J. R. Stat. Soc. B
    74:245, 2012).
    """
    from sklearn.linear_model import enet_path  # here: it is slow to import

    n, n_features = X.shape
    total = weight @ event
    coefs = np.zeros((n_features, len(_STRENGTHS)))
    z, coef = np.zeros(n), np.zeros(n_features)
    last = 1.0
    for number, strength in enumerate(_STRENGTHS):
        expected = exposure * np.exp(np.clip(z, -10, 10))
        share = np.maximum(expected, _LEAST) * weight / total
        mean = share @ X / share.sum()
        slope = weight * (event - expected) / total
        gradient = np.abs(slope @ X - slope.sum() * mean)
        unit = unit or gradient.max() / _L1_RATIO
        used = (coef != 0) | (gradient >= _L1_RATIO * unit * (2 * strength - last))
        if not used.any():
            continue
        response = z + slope / share
        offset = share @ response / share.sum()
        root, centred = np.sqrt(n * share), X[:, used] - mean[used]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # near enough is enough
            _, found, _ = enet_path(
                np.asfortranarray(centred * root[:, None]),
                (response - offset) * root,
                l1_ratio=_L1_RATIO,
                alphas=[unit * strength],
                coef_init=coef[used],
            )
        coef[used] = found[:, 0]
        z, last = offset + centred @ coef[used], strength
        coefs[:, number] = coef
    return coefs, unit
