"""How often features are selected, drawn.

Owns: drawing. May not touch: selection; it reads public fitted attributes only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._display import Display, label_bars, log_axis

__all__ = ["StabilityDisplay"]

_IN_GREY = 30  # paths of features that are not selected, at most


@dataclass(kw_only=True, eq=False, repr=False)
class StabilityDisplay(Display):
    """How often features are taken on halves of the samples, and those that are selected.

    Left: the frequency of each feature against the number taken on each half. Selected
    features are coloured, the best of the others grey; the lines are at the number and the
    threshold that were used. Right: the frequencies of the features of the first places.

    Parameters
    ----------
    places : ndarray of shape (n_halves, n_features)
        `places_` of a `StabilitySelector`.
    ranking : ndarray of shape (n_features,)
        Place of each feature, 1 the best.
    support : ndarray of bool of shape (n_features,)
        Which features are selected.
    number : int
        How many features are taken on each half.
    threshold : float
        The frequency from which on a feature is selected.
    feature_names : array-like of str or None
        Names of the features; None: their numbers.
    n_features : int
        Number of bars.
    """

    places: np.ndarray
    ranking: np.ndarray
    support: np.ndarray
    number: int
    threshold: float
    feature_names: Any = None
    n_features: int = 20

    def _subplots(self):
        return {"ncols": 2, "figsize": (11, 4.4), "width_ratios": (1.3, 1)}

    @classmethod
    def from_estimator(cls, estimator, *, feature_names=None, n_features=20, ax=None):
        """Draw what a fitted selector found.

        Parameters
        ----------
        estimator : fitted StabilitySelector
        feature_names : array-like of str, default=None
            Names; by default ``feature_names_in_``, or numbers.
        n_features : int, default=20
            Number of bars.
        ax : array-like of 2 matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        display : StabilityDisplay
        """
        check_is_fitted(estimator)
        if not hasattr(estimator, "places_"):
            raise TypeError(
                f"{type(estimator).__name__} has no places_; pass a fitted StabilitySelector."
            )
        if feature_names is None:
            feature_names = getattr(estimator, "feature_names_in_", None)
        return cls(
            places=estimator.places_,
            ranking=estimator.ranking_,
            support=estimator.support_,
            number=estimator.n_features_per_fit_,
            threshold=estimator.threshold_,
            feature_names=feature_names,
            n_features=n_features,
        ).plot(ax=ax)

    def _draw(self, left, right):
        order = np.argsort(self.ranking, kind="stable")
        self._draw_paths(left, order)
        top = order[: self.n_features][::-1]
        frequency = (self.places[:, top] < self.number).mean(axis=0)
        colors = np.where(self.support[top], "C0", "0.75")
        self.bars_ = right.barh(np.arange(len(top)), frequency, color=colors)
        right.axvline(self.threshold, color="0.3", ls="--", lw=1)
        label_bars(right, top, self.feature_names)
        right.set(xlim=(0, 1), xlabel=f"Share of halves that take it among {self.number}")

    def _draw_paths(self, ax, order):
        n_features = self.places.shape[1]
        most = min(n_features, max(10, 8 * self.number))
        numbers = np.unique(np.geomspace(1, most, 60).astype(int))
        others = order[~self.support[order]][:_IN_GREY]
        for features, style in (
            (others, {"color": "0.8", "lw": 0.8}),
            (order[self.support[order]], {"color": "C0", "lw": 1.3}),
        ):
            paths = (self.places[:, features, None] < numbers).mean(axis=0)
            ax.plot(numbers, paths.T, **style)
        ax.axhline(self.threshold, color="0.3", ls="--", lw=1)
        ax.axvline(self.number, color="0.3", ls=":", lw=1)
        ax.set(xscale="log", xlim=(1, most), ylim=(0, 1.02))
        log_axis(ax.xaxis)
        ax.set(xlabel="Number of features taken on each half", ylabel="Share of halves")
        n_selected = int(self.support.sum())
        ax.set_title(f"{n_selected} of {n_features:,} features selected", fontsize="medium")
