"""Which inputs matter, and how surely: the spread over seeds.

Owns: importances of one fit and of several, and their pictures. May not touch: training; it
fits clones, and reads public fitted attributes only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.utils import Bunch, check_random_state

from .._feature_selection import groups_of
from ._display import Display, bars_figure, label_bars
from ._validation import fitted_network_in, names_of_inputs, network_in, without_search

__all__ = ["ImportancesDisplay", "InputConnectivityDisplay", "seed_importances"]

_SHARE = "Share of the input strength (dashed: equal shares)"


def seed_importances(
    estimator,
    X,
    y,
    *,
    n_seeds=10,
    n_top=20,
    groups=None,
    random_state=None,
    n_jobs=None,
    **fit_params,
):
    """Importances of the inputs over fits that differ in their seeds only.

    Which of many correlated inputs a network is wired to is partly chance: the most important
    ones of two fits may share half of their names. Trust those that most fits agree on.

    Parameters
    ----------
    estimator : estimator of this package, or Pipeline that ends in one
        Clones of it are fitted; it stays as it is.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Training samples.
    y : array-like
        Targets.
    n_seeds : int, default=10
        Number of fits.
    n_top : int, default=20
        How many inputs of a fit count as its most important ones.
    groups : array-like of shape (n_inputs,), default=None
        A label for each input (in a Pipeline, for each column that the network reads). The
        importances of inputs of the same label are added up, and labels take the inputs' place
        in what is returned, in the order in which they first come.
    random_state : int, RandomState instance or None, default=None
        Source of the seeds.
    n_jobs : int or None, default=None
        Number of fits at a time, as in joblib. It does not change the result.
    **fit_params : dict
        Passed to ``fit``.

    Returns
    -------
    result : Bunch
        - `importances` : ndarray of shape (n_inputs, n_seeds), the ``feature_importances_`` of
          each fit,
        - `importances_mean`, `importances_std` : ndarray of shape (n_inputs,),
        - `share_on_top` : ndarray of shape (n_inputs,), the share of the fits in which an input
          is among the `n_top` most important ones,
        - `n_top` : int,
        - `feature_names` : ndarray of str or None, names of the inputs: in a Pipeline those of
          the columns that the network reads,
        - `estimators` : list of the fitted clones.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn_set import SETClassifier
    >>> from sklearn_set.inspection import seed_importances
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> model = SETClassifier((50,), max_iter=30)
    >>> found = seed_importances(model, X, y, n_seeds=3, n_top=5, random_state=0)
    >>> found.importances.shape
    (13, 3)
    """
    if n_seeds < 2:
        raise ValueError(f"n_seeds={n_seeds} tells of no spread; fit at least 2.")
    rng = check_random_state(random_state)
    estimator = without_search(estimator)
    clones = []
    for seed in rng.randint(np.iinfo(np.int32).max, size=n_seeds):
        clones.append(clone(estimator))
        network_in(clones[-1]).set_params(random_state=int(seed))
    fitted = Parallel(n_jobs)(delayed(each.fit)(X, y, **fit_params) for each in clones)
    networks = [fitted_network_in(each, "feature_importances_") for each in fitted]
    importances = np.column_stack([network.feature_importances_ for network in networks])
    names = names_of_inputs(fitted[0])
    if groups is not None:
        group = groups_of(groups, len(importances))
        first = np.unique(group, return_index=True)[1]
        names = np.asarray(groups)[first].astype(str).astype(object)
        importances = np.column_stack([np.bincount(group, each) for each in importances.T])
    places = np.argsort(np.argsort(-importances, axis=0, kind="stable"), axis=0)
    return Bunch(
        importances=importances,
        importances_mean=importances.mean(axis=1),
        importances_std=importances.std(axis=1, ddof=1),
        share_on_top=((places < n_top) & (importances > 0)).mean(axis=1),
        n_top=n_top,
        feature_names=names,
        estimators=fitted,
    )


@dataclass(kw_only=True, eq=False, repr=False)
class ImportancesDisplay(Display):
    """The most important inputs with the spread of their importances over seeds.

    A point is the mean over the fits, a bar their standard deviation. The numbers on the right say
    in how many of the fits an input is among the most important ones.

    Parameters
    ----------
    importances : ndarray of shape (n_inputs, n_seeds)
        Importances of each fit.
    share_on_top : ndarray of shape (n_inputs,)
        Share of the fits in which an input is among the `n_top` most important ones.
    n_top : int
        How many count as the most important ones.
    feature_names : array-like of str or None
        Names of the inputs.
    n_features : int
        Number of inputs that are drawn.
    """

    importances: np.ndarray
    share_on_top: np.ndarray
    n_top: int
    feature_names: Any = None
    n_features: int = 20

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        n_seeds=10,
        n_top=20,
        n_features=20,
        groups=None,
        feature_names=None,
        random_state=None,
        n_jobs=None,
        ax=None,
        **marker_kw,
    ):
        """Fit clones of an estimator with several seeds and draw their importances.

        Parameters
        ----------
        estimator : estimator of this package, or Pipeline that ends in one
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training samples.
        y : array-like
            Targets.
        n_seeds, n_top : int
            See `seed_importances`.
        n_features : int, default=20
            Number of inputs (or groups) that are drawn.
        groups : array-like of shape (n_inputs,), default=None
            See `seed_importances`.
        feature_names : array-like of str, default=None
            Names; by default those of the columns that the network reads, or numbers.
        random_state, n_jobs : object
            See `seed_importances`.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.
        **marker_kw : dict
            Passed to ``ax.errorbar``.

        Returns
        -------
        display : ImportancesDisplay
        """
        found = seed_importances(
            estimator,
            X,
            y,
            n_seeds=n_seeds,
            n_top=n_top,
            groups=groups,
            random_state=random_state,
            n_jobs=n_jobs,
        )
        display = cls.from_importances(found, feature_names=feature_names, n_features=n_features)
        return display.plot(ax=ax, **marker_kw)

    @classmethod
    def from_importances(cls, found, *, n_features=20, feature_names=None):
        """A display of what `seed_importances` found, not yet drawn.

        Parameters
        ----------
        found : Bunch
            What `seed_importances` returned.
        n_features : int, default=20
            Number of inputs that are drawn.
        feature_names : array-like of str, default=None
            Names in place of those in `found`.

        Returns
        -------
        display : ImportancesDisplay
            Call its `plot`.
        """
        return cls(
            importances=found.importances,
            share_on_top=found.share_on_top,
            n_top=found.n_top,
            feature_names=found.feature_names if feature_names is None else feature_names,
            n_features=n_features,
        )

    def _subplots(self):
        return bars_figure(min(self.n_features, len(self.importances)))

    def _draw(self, ax, **marker_kw):
        mean, spread = self.importances.mean(axis=1), self.importances.std(axis=1, ddof=1)
        top = np.argsort(-mean, kind="stable")[: self.n_features][::-1]
        places, n_seeds = np.arange(len(top)), self.importances.shape[1]
        style = {"fmt": "o", "ms": 4, "capsize": 2, **marker_kw}
        self.container_ = ax.errorbar(mean[top], places, xerr=spread[top], **style)
        size = label_bars(ax, top, self.feature_names)
        for place, share in zip(places, self.share_on_top[top]):
            ax.annotate(
                f"{round(share * n_seeds)} of {n_seeds}",
                (1.01, place),
                xycoords=ax.get_yaxis_transform(),
                va="center",
                color="0.4",
                fontsize=0.9 * size,
            )
        ax.axvline(1 / len(mean), color="0.5", ls="--", lw=1)
        ax.set(xlim=(0, None), xlabel=_SHARE)
        ax.set_title(f"among the top {self.n_top}", loc="right", fontsize="small", color="0.4")


@dataclass(kw_only=True, eq=False, repr=False)
class InputConnectivityDisplay(Display):
    """How strongly each input is wired into the network.

    The strengths are those of one fit; `ImportancesDisplay` shows their spread over several.

    Parameters
    ----------
    strengths : ndarray of shape (n_features,)
        ``feature_importances_``.
    image_shape : tuple of int or None
        Height and width, for pixels: draws an image. None draws ranked bars.
    feature_names : array-like of str or None
        Names of the features.
    n_features : int
        Number of bars, without `image_shape`.
    """

    strengths: np.ndarray
    image_shape: tuple[int, int] | None = None
    feature_names: Any = None
    n_features: int = 20

    @classmethod
    def from_estimator(
        cls, estimator, *, image_shape=None, feature_names=None, n_features=20, ax=None
    ):
        """Draw the input strengths of a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator of this package, or Pipeline that ends in one
            Of a Pipeline, the columns that its last step reads are drawn.
        image_shape : tuple of int, default=None
            Height and width: draws an image. None draws ranked bars.
        feature_names : array-like of str, default=None
            Names; by default those of the columns that the network reads, or numbers.
        n_features : int, default=20
            Number of bars.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        display : InputConnectivityDisplay
        """
        network = fitted_network_in(estimator, "feature_importances_")
        return cls(
            strengths=network.feature_importances_,
            image_shape=image_shape,
            feature_names=names_of_inputs(estimator) if feature_names is None else feature_names,
            n_features=n_features,
        ).plot(ax=ax)

    def __post_init__(self):
        shape, n = self.image_shape, len(self.strengths)
        if shape is not None and np.prod(shape) != n:
            raise ValueError(
                f"image_shape={shape} has {np.prod(shape)} pixels, the network {n} features."
            )

    def _subplots(self):
        if self.image_shape is not None:
            return {}
        return bars_figure(min(self.n_features, len(self.strengths)))

    def _draw(self, ax):
        strengths = np.asarray(self.strengths)
        if self.image_shape is not None:
            self.image_ = ax.imshow(strengths.reshape(self.image_shape), cmap="viridis")
            ax.figure.colorbar(self.image_, ax=ax, label="Share of the input strength")
            ax.set(xticks=[], yticks=[])
            return
        top = np.argsort(-strengths, kind="stable")[: self.n_features][::-1]
        self.bars_ = ax.barh(np.arange(len(top)), strengths[top])
        label_bars(ax, top, self.feature_names)
        ax.axvline(1 / len(strengths), color="0.5", ls="--", lw=1)
        ax.set_xlabel(_SHARE)
