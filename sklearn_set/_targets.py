"""What the user's targets mean to a network, as values.

Owns: classes, units of targets, and the way there and back. May not touch: networks,
training, samples.

A kind of target has a `loss`, `n_outputs` and the methods of `Target`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike
from scipy import sparse
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, column_or_1d

from ._hints import text_in
from ._losses import Loss

__all__ = ["Classes", "Target", "Values"]


class Target:
    """A kind of target: what training and prediction ask of it."""

    loss: Loss

    @property
    def n_outputs(self) -> int:
        """Number of outputs that a network has."""
        raise NotImplementedError

    def encode(self, y, dtype: DTypeLike) -> np.ndarray:
        """Targets in the form of `Samples`: class indices (n,) or numbers (n, k)."""
        raise NotImplementedError

    def for_loss(self, target: np.ndarray, dtype: DTypeLike) -> np.ndarray:
        """Encoded targets as the loss reads them (see `Loss.value`)."""
        return target

    def as_numbers(self, target: np.ndarray) -> np.ndarray:
        """Encoded targets for squared errors: class indices, or numbers."""
        return target

    def decode(self, target: np.ndarray) -> np.ndarray:
        """Encoded targets, or a network's activated outputs, in the user's terms."""
        raise NotImplementedError

    def score(self, raw: np.ndarray, target: np.ndarray, weight: np.ndarray | None) -> float:
        """Default score of raw outputs on encoded targets."""
        raise NotImplementedError

    def constant(self, target: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        """Raw outputs (n_outputs,) of the best constant model of encoded targets."""
        raise NotImplementedError

    def loss_of_constant(self, target: np.ndarray, weight: np.ndarray | None) -> float:
        """Loss of that model."""
        raw = np.tile(self.constant(target, weight), (len(target), 1))
        return self.loss.value(raw, self.for_loss(target, np.float64), weight)

    def strata(self, target: np.ndarray) -> np.ndarray | None:
        """Labels by which a split of the samples is to be stratified, if there are."""
        return None

    def attributes(self) -> dict:
        """Public attributes that fitted estimators show of it."""
        return {}


@dataclass(frozen=True, eq=False)
class Classes(Target):
    """Class labels, one a sample or, if `multilabel`, any number as indicators."""

    labels: np.ndarray
    multilabel: bool
    loss: Loss

    @property
    def n_outputs(self) -> int:
        """One for each class or label, but one for two classes and ``loss="log_loss"``."""
        return 1 if self.loss.name == "binary_log_loss" else len(self.labels)

    @classmethod
    def of(cls, y, loss: str, classes=None) -> Classes:
        """The classes of some targets (or those given), learned with an estimator's `loss`."""
        kind = type_of_target(y, input_name="y")
        if kind not in ("binary", "multilabel-indicator"):  # it looks at the targets again
            check_classification_targets(y)
        if kind == "multiclass-multioutput":
            raise ValueError(
                f"y should be a 1d array, got {y.shape[1]} columns with classes in each. For a "
                "model of each column there is MultiOutputClassifier."
            )
        multilabel = kind == "multilabel-indicator"
        if classes is not None:
            labels = np.unique(np.asarray(classes))
        else:
            labels = np.arange(y.shape[1]) if multilabel else np.unique(column_or_1d(y))
        return cls.known(labels, multilabel, loss)

    @classmethod
    def known(cls, labels: np.ndarray, multilabel: bool, loss: str) -> Classes:
        """Classes of given labels, in ascending order."""
        name = "softmax_log_loss"
        if multilabel:
            name = "multilabel_log_loss"
        elif len(labels) < 2:
            raise ValueError(
                "A classifier needs samples of at least 2 classes in the data, but the data "
                f"contain only one class: {labels.tolist()[0]!r}."
            )
        elif len(labels) == 2:
            name = "binary_log_loss"
        if loss == "squared_error":
            name = "sigmoid_squared_error"
        return cls(labels, multilabel, Loss(name))

    def check_same(self, classes) -> None:
        """Check that classes given again are the same."""
        if classes is not None and not np.array_equal(np.unique(np.asarray(classes)), self.labels):
            raise ValueError(
                f"`classes={classes!r}` is not the same as on the last call to partial_fit, was: "
                f"{self.labels!r}"
            )

    def encode(self, y, dtype: DTypeLike) -> np.ndarray:
        """Class indices (n_samples,), or a 0/1 matrix if multilabel."""
        kind = type_of_target(y, input_name="y")
        if kind not in ("binary", "multiclass", "multilabel-indicator"):
            check_classification_targets(y)
        if (kind == "multilabel-indicator") != self.multilabel:
            raise ValueError(
                "The targets changed between a single label per sample and multilabel indicators: "
                f"y is of type {kind!r}. Give y as in the first call, or fit anew."
            )
        if self.multilabel:
            y = y.toarray() if sparse.issparse(y) else np.asarray(y)
            if y.shape[1] != self.n_outputs:
                raise ValueError(
                    f"y has {y.shape[1]} labels per sample, {self.n_outputs} were expected."
                )
            return y.astype(dtype)
        y = column_or_1d(y, warn=True)
        try:
            place = np.minimum(np.searchsorted(self.labels, y), len(self.labels) - 1)
        except TypeError:
            raise ValueError(
                f"y contains labels of another kind, such as {y[0]}, than the classes "
                f"{self.labels!r}. Give the labels of the first fit, or fit a new estimator."
            ) from None
        unknown = self.labels[place] != y
        if unknown.any():
            raise ValueError(
                f"y contains labels that are not among the classes {self.labels!r}: "
                f"{np.unique(np.asarray(y)[unknown])!r}."
            )
        return place.astype(np.int32)

    def decide(self, raw: np.ndarray) -> np.ndarray:
        """Class indices, or a 0/1 matrix, from raw outputs."""
        if self.multilabel:
            return (raw > 0).astype(int)
        return (raw[:, 0] > 0).astype(int) if raw.shape[1] == 1 else raw.argmax(axis=1)

    def decode(self, target: np.ndarray) -> np.ndarray:
        """Labels of class indices, or a 0/1 matrix."""
        return target.astype(int) if self.multilabel else self.labels[target]

    def probabilities(self, raw: np.ndarray) -> np.ndarray:
        """Probabilities of the classes from raw outputs, of shape (n_samples, n_classes)."""
        outputs = self.loss.activate(raw)
        if self.multilabel:
            return outputs
        if outputs.shape[1] == 1:
            return np.column_stack([1 - outputs[:, 0], outputs[:, 0]])
        if self.loss.out_activation == "softmax":
            return outputs
        return outputs / outputs.sum(axis=1, keepdims=True)

    def score(self, raw: np.ndarray, target: np.ndarray, weight: np.ndarray | None) -> float:
        """Accuracy."""
        right = target == self.decide(raw)
        return float(np.average(right.all(axis=1) if self.multilabel else right, weights=weight))

    def constant(self, target: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        """Logits of the classes' (weighted) frequencies, at least 1e-3 and at most 0.999."""
        if target.ndim == 1:
            target = target[:, None] == np.arange(len(self.labels))
        share = np.clip(np.average(target, axis=0, weights=weight), 1e-3, 0.999)
        if self.loss.out_activation == "softmax":
            return np.log(share)
        share = share[-self.n_outputs :]
        return np.log(share / (1 - share))

    def strata(self, target: np.ndarray) -> np.ndarray | None:
        """The classes themselves."""
        return None if self.multilabel else target

    def attributes(self) -> dict:
        """The classes."""
        return {"classes_": self.labels}


@dataclass(frozen=True, eq=False)
class Values(Target):
    """Numbers in a unit of the user's, which the network learns as (y - offset) / scale."""

    offset: np.ndarray
    scale: np.ndarray
    single: bool
    loss: Loss

    @classmethod
    def of(cls, y, loss: Loss, weight: np.ndarray | None, *, scaled: bool) -> Values:
        """The unit of some targets: mean and standard deviation, or 0 and 1.

        The Poisson loss, whose targets must stay >= 0, is scaled by the mean alone.
        """
        y, single = _matrix(y, loss)
        offset, scale = np.zeros(y.shape[1]), np.ones(y.shape[1])
        if scaled:
            if weight is not None:
                y, weight = y[weight > 0], weight[weight > 0]
            mean = np.average(y, axis=0, weights=weight)
            if loss.name == "poisson":
                scale = mean
            else:
                offset = mean
                with np.errstate(over="ignore"):
                    scale = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weight))
                if not np.isfinite(scale).all():
                    raise ValueError(
                        f"y reaches {np.abs(y).max():.3g}, too far for a standard deviation in "
                        "float64. Divide y by a constant."
                    )
            constant = scale <= 10 * np.finfo(np.float64).eps * np.abs(mean)
            scale = np.where(constant, 1.0, scale)
        return cls(offset, scale, single, loss)

    @property
    def n_outputs(self) -> int:
        """Number of values a sample."""
        return len(self.offset)

    def encode(self, y, dtype: DTypeLike) -> np.ndarray:
        """Scaled values of shape (n_samples, n_outputs)."""
        y, _ = _matrix(y, self.loss)
        if y.shape[1] != self.n_outputs:
            raise ValueError(
                f"y has {y.shape[1]} outputs per sample, {self.n_outputs} were expected."
            )
        return ((y - self.offset) / self.scale).astype(dtype)

    def decode(self, target: np.ndarray) -> np.ndarray:
        """Values in the user's unit and shape."""
        values = target * self.scale + self.offset
        return values[:, 0] if self.single else values

    def score(self, raw: np.ndarray, target: np.ndarray, weight: np.ndarray | None) -> float:
        """R², the mean over outputs; counted here since it is asked for after every epoch."""
        target = target.astype(np.float64)
        rest = np.average((target - self.loss.activate(raw)) ** 2, axis=0, weights=weight)
        mean = np.average(target, axis=0, weights=weight)
        spread = np.average((target - mean) ** 2, axis=0, weights=weight)
        share = np.divide(rest, spread, out=(rest > 0).astype(float), where=spread > 0)
        return float(np.mean(1 - share)) if len(target) > 1 else np.nan

    def constant(self, target: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        """The (weighted) mean, its logarithm for the Poisson loss."""
        mean = np.average(target.astype(np.float64), axis=0, weights=weight)
        return np.log(np.maximum(mean, 1e-300)) if self.loss.name == "poisson" else mean


def _matrix(y, loss: Loss) -> tuple[np.ndarray, bool]:
    """Values of shape (n_samples, n_outputs), and whether they were given as a vector."""
    if text := text_in(y):
        raise ValueError(
            f"y holds text, such as {text}, but a regressor needs numbers. For classes "
            "there are SETClassifier and NPSETClassifier."
        )
    y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    if loss.name == "poisson" and (y < 0).any():
        raise ValueError(
            f"loss='poisson' needs targets >= 0; the smallest value of y is {y.min():g}."
        )
    return y.reshape(len(y), -1), y.ndim == 1
