"""What the classifiers share: classes and their weights, prediction, probabilities.

Owns: what users ask of a classifier. May not touch: the network, training, the meaning
of classes (`_targets.py`).
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.validation import column_or_1d

from ._base import BaseSparseMLP
from ._data import Data
from ._losses import Loss
from ._mixtures import Mixtures, noise_for
from ._targets import Classes
from ._training_parameters import Classification

__all__ = ["BaseSparseMLPClassifier"]


class _Fitted:
    """Types of what a fit sets."""

    _targets: Classes
    classes_: np.ndarray


class BaseSparseMLPClassifier(_Fitted, ClassifierMixin, Classification, BaseSparseMLP):
    """Targets, prediction and scores of classifiers."""

    def partial_fit(self, X, y, sample_weight=None, classes=None) -> Self:
        """Train for one epoch on the given samples.

        One call is one epoch on the clock that `zeta` and the pruning of neurons follow: the
        second call and each later one begin with a rewiring. For a stream of small chunks set
        ``zeta=0`` (and ``alpha=0``), or pass larger chunks.

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
        self._validate_params()  # before what follows complains
        if self.__sklearn_is_fitted__():
            self._targets.check_same(classes)
        elif classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return self._partial_fit(X, y, sample_weight, classes=classes)

    def _mixtures(self, data: Data, *, whole_data: bool) -> Mixtures:
        noise = self.mixup_noise
        if noise == "auto":
            noise = noise_for(data) if whole_data else 0.0
        return Mixtures(data, self.mixup, noise)

    def _make_targets(self, y, weight: np.ndarray | None, **given) -> Classes:
        return Classes.of(y, self.loss, given.get("classes"))

    def _loss_of(self, targets: Classes) -> Loss:
        return Classes.known(targets.labels, targets.multilabel, self.loss).loss

    def _weigh_classes(
        self, y, target: np.ndarray, weight: np.ndarray | None, targets: Any
    ) -> np.ndarray | None:
        if self.class_weight is None:
            return weight
        if weight is None:
            weight = np.ones(len(target))
        if target.ndim == 2:
            weight = weight * compute_sample_weight(self.class_weight, target)
        else:
            per_class = compute_class_weight(
                self.class_weight, classes=targets.labels, y=column_or_1d(y), sample_weight=weight
            )
            weight = weight * per_class[target]
        if not (np.isfinite(weight) & (weight >= 0)).all():
            raise ValueError(
                f"class_weight must hold finite numbers >= 0, got {self.class_weight!r}."
            )
        if not weight.any():
            raise ValueError("class_weight and sample_weight leave no sample with a weight.")
        return weight

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
        raw = self._raw_predict(X)
        return self._targets.decode(self._targets.decide(raw))

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
        if self._targets.multilabel or len(self.classes_) > 2:
            return raw
        if raw.shape[1] == 1:
            return raw[:, 0]
        log_proba = np.log(self._targets.loss.activate(raw))
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
        raw = self._raw_predict(X)
        return self._targets.probabilities(raw)

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
