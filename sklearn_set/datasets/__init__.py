"""Loaders for the real datasets that the literature on sparse networks uses."""

from ._asu import fetch_asu, list_asu

__all__ = ["fetch_asu", "list_asu"]
