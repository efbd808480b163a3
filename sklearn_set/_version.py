"""The version of the package, and its stamp in stored estimators.

Owns: the number and what happens when a stored estimator bears another one.
May not touch: anything else.
"""

from __future__ import annotations

import warnings

from sklearn.base import BaseEstimator

__all__ = ["StampedEstimator", "__version__"]

__version__ = "0.1.0"
_STAMP = "_sklearn_set_version"


class StampedEstimator(BaseEstimator):
    """Stores the package's version with an estimator and compares it when it is loaded."""

    def __getstate__(self):
        return {**super().__getstate__(), _STAMP: __version__}

    def __setstate__(self, state):
        state = dict(state)
        stored = state.pop(_STAMP, "an unknown version")
        if stored != __version__:
            warnings.warn(
                f"This {type(self).__name__} was stored with sklearn_set {stored} and is loaded "
                f"with {__version__}. It may not work or predict otherwise: compare some "
                f"predictions, or load it with sklearn_set {stored}, or fit it anew.",
                UserWarning,
                stacklevel=2,
            )
        super().__setstate__(state)
