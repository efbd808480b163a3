"""What the classifiers share: classes and their weights, prediction, probabilities.

Owns: the meaning of classes and of raw outputs. May not touch: the network,
training.
"""

from __future__ import annotations

import warnings
from numbers import Real

import numpy as np
from scipy import sparse
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

from ._base import BaseSparseMLP
from ._losses import Loss
from ._mixtures import Mixtures, noise_for
from ._network import Data
from ._sklearn_compat import Interval, StrOptions

__all__ = ["BaseSparseMLPClassifier"]


class BaseSparseMLPClassifier(ClassifierMixin, BaseSparseMLP):
    """Targets, prediction and scores of classifiers."""

    _parameter_constraints: dict = {
        **BaseSparseMLP._parameter_constraints,
        "loss": [StrOptions({"log_loss", "squared_error"})],
        "mixup_noise": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
    }

    def partial_fit(self, X, y, sample_weight=None, classes=None):
        """Train for one epoch on the given samples.

        One call is one epoch on the clock that `zeta` and the pruning of
        neurons follow: the second call and each later one begin with a
        rewiring. For a stream of small chunks set ``zeta=0`` (and ``alpha=0``),
        or pass larger chunks.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.
        classes : array-like of shape (n_classes,), default=None
            All classes that will ever occur; needed on the first call.

        Returns
        -------
        self : object
            The estimator after the epoch.
        """
        self._validate_params()
        if not self.__sklearn_is_fitted__() and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return self._partial_fit(X, y, sample_weight, classes=classes)

    def _mixtures(self, data: Data, *, is_all: bool) -> Mixtures:
        noise = self.mixup_noise
        if noise == "auto":
            noise = noise_for(data) if is_all else 0.0
        return Mixtures(data, self.mixup, noise)

    def _encode_target(self, y, dtype, *, reset, classes=None) -> np.ndarray:
        """Class indices (n_samples,), or a 0/1 matrix if y is multilabel."""
        check_classification_targets(y)
        multilabel = type_of_target(y) == "multilabel-indicator"
        if not multilabel:
            y = column_or_1d(y, warn=True)
        if classes is not None:
            classes = np.unique(np.asarray(classes))
        if reset:
            self._set_classes(y, multilabel, classes)
        elif multilabel != self._multilabel:
            raise ValueError(
                "The targets changed between a single label per sample and multilabel indicators: "
                f"y is of type {type_of_target(y)!r}. Give y as in the first call, or fit anew."
            )
        elif classes is not None and not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"`classes={classes!r}` is not the same as on the last call to partial_fit, was: "
                f"{self.classes_!r}"
            )
        if multilabel:
            y = y.toarray() if sparse.issparse(y) else np.asarray(y)
            if y.shape[1] != self.n_outputs_:
                raise ValueError(
                    f"y has {y.shape[1]} labels per sample, {self.n_outputs_} were expected."
                )
            return y.astype(dtype)
        place = np.searchsorted(self.classes_, y)
        place = np.minimum(place, len(self.classes_) - 1)
        unknown = self.classes_[place] != y
        if unknown.any():
            raise ValueError(
                f"y contains labels that are not among the classes {self.classes_!r}: "
                f"{np.unique(np.asarray(y)[unknown])!r}."
            )
        return place.astype(np.int32)

    def _decode_target(self, target: np.ndarray) -> np.ndarray:
        return target.astype(int) if self._multilabel else self.classes_[target]

    def _set_classes(self, y, multilabel: bool, classes) -> None:
        self._multilabel = multilabel
        if multilabel:
            n_labels = y.shape[1]
            self.classes_ = np.arange(n_labels) if classes is None else classes
            self.n_outputs_ = n_labels
            name = "multilabel_log_loss"
        else:
            self.classes_ = np.unique(y) if classes is None else classes
            n_classes = len(self.classes_)
            if n_classes < 2:
                raise ValueError(
                    f"{type(self).__name__} needs samples of at least 2 classes in the data, but "
                    f"the data contain only one class: {self.classes_[0]!r}."
                )
            binary = n_classes == 2 and self.loss == "log_loss"
            self.n_outputs_ = 1 if binary else n_classes
            name = "binary_log_loss" if binary else "softmax_log_loss"
        self._loss = Loss("sigmoid_squared_error" if self.loss == "squared_error" else name)

    def _weigh_classes(self, y, target, weight):
        if self.class_weight is None:
            return weight
        if weight is None:
            weight = np.ones(len(target))
        if target.ndim == 2:
            weight = weight * compute_sample_weight(self.class_weight, target)
        else:
            y = column_or_1d(y)
            per_class = compute_class_weight(
                self.class_weight, classes=self.classes_, y=y, sample_weight=weight
            )
            weight = weight * per_class[target]
        if not (np.isfinite(weight) & (weight >= 0)).all():
            raise ValueError(
                f"class_weight must hold finite numbers >= 0, got {self.class_weight!r}."
            )
        if not weight.any():
            raise ValueError("class_weight and sample_weight leave no sample with a weight.")
        return weight

    def _strata(self, target, n_samples):
        if target.ndim == 2:
            return None
        rarest = np.bincount(target)
        rarest = rarest[rarest > 0].min()
        n_classes = len(np.unique(target))
        n_val = int(np.ceil(self.validation_fraction * n_samples))
        if rarest < 2 or min(n_val, n_samples - n_val) < n_classes:
            warnings.warn(
                f"The validation split of early_stopping cannot be stratified: the rarest class "
                f"has {rarest} sample(s), {n_classes} classes share {n_val} validation samples. "
                "It is drawn at random.",
                UserWarning,
                stacklevel=5,
            )
            return None
        return target

    def _decide(self, raw: np.ndarray) -> np.ndarray:
        """Class indices, or a 0/1 matrix, from raw outputs."""
        if self._multilabel:
            return (raw > 0).astype(int)
        if raw.shape[1] == 1:
            return (raw[:, 0] > 0).astype(int)
        return raw.argmax(axis=1)

    def _score_raw(self, raw, target, weight) -> float:
        return accuracy_score(target, self._decide(raw), sample_weight=weight)

    def predict(self, X):
        """Predict class labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Class labels; a 0/1 matrix for multilabel models.
        """
        decided = self._decide(self._raw_predict(X))
        return decided if self._multilabel else self.classes_[decided]

    def decision_function(self, X):
        """Raw outputs of the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        scores : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            For two classes one logit per sample, positive for
            ``classes_[1]``; otherwise one column per class or label.
        """
        raw = self._raw_predict(X)
        if self._multilabel or len(self.classes_) > 2:
            return raw
        if raw.shape[1] == 1:
            return raw[:, 0]
        log_proba = np.log(self._loss.activate(raw))
        return log_proba[:, 1] - log_proba[:, 0]

    def predict_proba(self, X):
        """Probability estimates.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`. With ``loss="squared_error"`` the
            outputs are divided by their sum. For multilabel models the
            probability of each label.
        """
        outputs = self._outputs(X)
        if self._multilabel:
            return outputs
        if outputs.shape[1] == 1:
            return np.column_stack([1 - outputs[:, 0], outputs[:, 0]])
        if self._loss.out_activation == "softmax":
            return outputs
        return outputs / outputs.sum(axis=1, keepdims=True)

    def predict_log_proba(self, X):
        """Logarithm of the probability estimates.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            As `predict_proba`.
        """
        return np.log(self.predict_proba(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
