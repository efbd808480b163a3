"""Validated samples: weights, held-out ones, and what looks wrong with them.

Owns: samples with their encoded targets and weights. May not touch: what targets mean,
estimators, networks.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import joblib
import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import _check_sample_weight, validate_data

from ._hints import text_in

__all__ = ["Samples", "bounded_weight", "check_weight", "has_held_out", "validated"]


@dataclass
class Samples:
    """Validated samples: X, targets as the loss reads them, weights or None."""

    X: Any
    target: np.ndarray
    weight: np.ndarray | None

    @cached_property
    def key(self) -> str:
        """A hash of all of it, with SHA-1, for which processors have instructions."""
        return joblib.hash((self.X, self.target, self.weight), hash_name="sha1")

    def with_target(self, target: np.ndarray) -> Samples:
        """The samples with other targets."""
        return self if target is self.target else replace(self, target=target)

    def take(self, rows) -> Samples:
        """Some of the samples."""
        weight = None if self.weight is None else self.weight[rows]
        return Samples(self.X[rows], self.target[rows], weight)

    def without_zero_weights(self) -> Samples:
        """The samples of weights above 0; others count as absent."""
        if self.weight is None or self.weight.all():
            return self
        return self.take(np.flatnonzero(self.weight))

    def split(self, fraction: float, strata: np.ndarray | None, rng) -> tuple[Samples, Samples]:
        """Hold out a fraction of the samples, stratified if that is possible."""
        n_samples = self.X.shape[0]
        if strata is not None:
            counts = np.bincount(strata)
            counts = counts[counts > 0]
            n_held_out = int(np.ceil(fraction * n_samples))
            if counts.min() < 2 or min(n_held_out, n_samples - n_held_out) < len(counts):
                warnings.warn(
                    "The validation split of early_stopping cannot be stratified: the rarest "
                    f"class has {counts.min()} sample(s), {len(counts)} classes share "
                    f"{n_held_out} validation samples. It is drawn at random.",
                    UserWarning,
                    stacklevel=4,
                )
                strata = None
        seed = rng.randint(np.iinfo(np.int32).max)
        try:
            learned, held_out = train_test_split(
                np.arange(n_samples), stratify=strata, test_size=fraction, random_state=seed
            )
        except ValueError as error:
            raise ValueError(
                f"early_stopping=True cannot hold out validation_fraction={fraction} of "
                f"{n_samples} samples: {error} Use more samples, another fraction, or give X_val "
                "and y_val."
            ) from error
        return self.take(learned), self.take(held_out)


def validated(estimator, X, y="no_validation", **options) -> Any:
    """As scikit-learn's ``validate_data``, but errors name text, dates and gaps in data frames."""
    try:
        return validate_data(estimator, X, y, **options)
    except (TypeError, ValueError) as error:
        for name in getattr(X, "columns", ()):
            values = np.asarray(X[name])
            text = text_in(values)
            if text or values.dtype.kind in "mM":
                held = f"text, such as {text}" if text else "dates"
                raise ValueError(
                    f"Column {name!r} of X holds {held}; {type(estimator).__name__} needs numbers. "
                    "Make columns of categories with OneHotEncoder in a ColumnTransformer, and "
                    "numbers of dates."
                ) from error
        if "inhomogeneous" in str(error) and isinstance(y, list):
            raise ValueError(
                f"The rows of X or of y ({y[0]!r}, …) have different lengths. Several labels a "
                "sample are given as indicators, a column for each: see MultiLabelBinarizer."
            ) from error
        gaps = {name: _n_missing(X[name]) for name in getattr(X, "columns", ())}
        gaps = {name: number for name, number in gaps.items() if number}
        if gaps and "NaN" in str(error):
            raise ValueError(
                f"X has {sum(gaps.values())} missing values (NaN), in {len(gaps)} of its columns "
                f"such as {next(iter(gaps))!r}; {type(estimator).__name__} needs numbers in all "
                "places. Fill them in, as SimpleImputer does in a Pipeline."
            ) from error
        raise


def _n_missing(column) -> int:
    """How many values of a column of pandas or polars are missing."""
    test = column.isna if hasattr(column, "isna") else column.is_null
    return int(np.asarray(test()).sum())


def has_held_out(X_val, y_val, sample_weight_val) -> bool:
    """Whether there are held-out samples, which come with their targets or not at all."""
    if X_val is None and y_val is None:
        if sample_weight_val is not None:
            raise ValueError("sample_weight_val was given without X_val and y_val.")
        return False
    if X_val is None or y_val is None:
        given, missing = ("X_val", "y_val") if y_val is None else ("y_val", "X_val")
        raise ValueError(f"{given} was given without {missing}; pass both or neither.")
    return True


def check_weight(sample_weight, X, name: str) -> np.ndarray | None:
    """Weights of samples, float64, >= 0 and not all 0; None if none are given."""
    if sample_weight is None:
        return None
    weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
    if (weight < 0).any():
        raise ValueError(f"{name} must not be negative; the smallest value is {weight.min():g}.")
    if not weight.any():
        raise ValueError(f"All entries of {name} are zero: no sample is left to learn from.")
    return weight


def bounded_weight(weight: np.ndarray | None) -> np.ndarray | None:
    """Weights scaled into the range of float32; only their ratios count."""
    if weight is None or 1e-20 < weight.max() < 1e20:
        return weight
    return weight / weight.max()
