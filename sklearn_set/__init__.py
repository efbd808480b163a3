"""Truly sparse neural networks that evolve while they learn, for scikit-learn."""

from ._multilayer_perceptron import (
    NPSETClassifier,
    NPSETRegressor,
    SETClassifier,
    SETRegressor,
    SparseMLPClassifier,
    SparseMLPRegressor,
)

__version__ = "0.1.0"

__all__ = [
    "NPSETClassifier",
    "NPSETRegressor",
    "SETClassifier",
    "SETRegressor",
    "SparseMLPClassifier",
    "SparseMLPRegressor",
]
