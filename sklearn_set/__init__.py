"""Truly sparse neural networks that evolve while they learn, for scikit-learn."""

__version__ = "0.1.0"
