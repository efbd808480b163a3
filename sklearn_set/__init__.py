"""Truly sparse neural networks that evolve while they learn, for scikit-learn."""

from importlib import import_module
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


# Loaded when asked for: they need sklearn.feature_selection, which alone doubles the time that
# importing this package takes.
_LAZY = {"SETFeatureSelector": "._feature_selection", "StabilitySelector": "._stability"}


def __getattr__(name: str):
    if name in _LAZY:
        return getattr(import_module(_LAZY[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
