"""Truly sparse neural networks that evolve while they learn, for scikit-learn."""

from ._dsr import DSRClassifier, DSRRegressor
from ._feature_selection import SETFeatureSelector
from ._multilayer_perceptron import (
    NPSETClassifier,
    NPSETRegressor,
    SETClassifier,
    SETRegressor,
)
from ._rbm import SETBernoulliRBM

__version__ = "0.1.0"

__all__ = [
    "DSRClassifier",
    "DSRRegressor",
    "NPSETClassifier",
    "NPSETRegressor",
    "SETBernoulliRBM",
    "SETClassifier",
    "SETFeatureSelector",
    "SETRegressor",
]
