"""Truly sparse neural networks that evolve while they learn, for scikit-learn."""

from typing import TYPE_CHECKING

try:
    from . import _native as _native
except ImportError as error:  # pragma: no cover - only without the extension
    raise ImportError(
        "sklearn_set's compiled extension is missing. Install the package with "
        "`pip install .` (a C++17 compiler with OpenMP is needed), and do not import it from "
        "the folder of its sources."
    ) from error

from ._conditioning import InputConditioner
from ._dsr import DSRClassifier, DSRRegressor
from ._multilayer_perceptron import (
    NPSETClassifier,
    NPSETRegressor,
    NPSETSurvivalAnalysis,
    SETClassifier,
    SETRegressor,
    SETSurvivalAnalysis,
)
from ._rbm import SETBernoulliRBM
from ._version import __version__ as __version__

if TYPE_CHECKING:
    from ._feature_selection import SETFeatureSelector
    from ._stability import StabilitySelector

__all__ = [
    "DSRClassifier",
    "DSRRegressor",
    "InputConditioner",
    "NPSETClassifier",
    "NPSETRegressor",
    "NPSETSurvivalAnalysis",
    "SETBernoulliRBM",
    "SETClassifier",
    "SETFeatureSelector",
    "SETRegressor",
    "SETSurvivalAnalysis",
    "StabilitySelector",
]


def __getattr__(name: str):
    # Loaded when asked for: they need sklearn.feature_selection, which alone doubles
    # the time that importing this package takes.
    if name == "SETFeatureSelector":
        from ._feature_selection import SETFeatureSelector

        return SETFeatureSelector
    if name == "StabilitySelector":
        from ._stability import StabilitySelector

        return StabilitySelector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
