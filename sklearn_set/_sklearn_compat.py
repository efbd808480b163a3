"""The parts of scikit-learn that are not public, or differ between 1.7 and 1.9.

Owns: every such import, so that a change there is mended here.
"""

from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, InvalidParameterError, StrOptions

__all__ = ["Interval", "InvalidParameterError", "StrOptions", "fit_context"]

fit_context = _fit_context(prefer_skip_nested_validation=True)
