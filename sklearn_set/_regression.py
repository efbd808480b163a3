"""What the regressors share: targets and prediction.

Owns: what users ask of a regressor. May not touch: the network, training, the unit of
targets (`_targets.py`).
"""

from __future__ import annotations

import numpy as np
from sklearn.base import RegressorMixin

from ._base import BaseSparseMLP
from ._losses import Loss
from ._targets import Values
from ._training_parameters import Regression

__all__ = ["BaseSparseMLPRegressor"]


class _Fitted:
    """Types of what a fit sets."""

    _targets: Values


class BaseSparseMLPRegressor(_Fitted, RegressorMixin, Regression, BaseSparseMLP):
    """Targets, prediction and scores of regressors."""

    max_iter = 200
    _DECAY_BY_SIGNAL = (0.3, 0.005, 0.15)
    _NOISE_SELECTED = 0.2

    def _make_targets(self, y, weight: np.ndarray | None, **given) -> Values:
        return Values.of(y, self._loss_of(None), weight, scaled=self.scale_target)

    def _loss_of(self, targets: Values | None) -> Loss:
        return Loss(self.loss, self.huber_delta)

    def predict(self, X):
        """Predict targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predicted targets.
        """
        raw = self._raw_predict(X)
        outputs = self._targets.loss.activate(raw)
        return self._targets.decode(outputs).astype(outputs.dtype)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
