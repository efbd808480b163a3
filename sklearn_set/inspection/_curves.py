"""Curves over the epochs, and scores against sizes.

Owns: drawing. May not touch: training; it reads public fitted attributes only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.metrics import check_scoring

from ._display import Display, log_axis, whole_numbers
from ._validation import fitted_network_in, network_in

__all__ = ["LearningCurveDisplay", "ScoreConnectionsDisplay", "ScoreCurveDisplay"]


@dataclass(kw_only=True, eq=False, repr=False)
class _EpochsDisplay(Display):
    """What curves over the epochs share."""

    name: str | None = None

    #: An attribute that a network must have.
    _needed: ClassVar[str] = "history_"

    @staticmethod
    def _read(network) -> dict:
        """The data of a fitted network."""
        raise NotImplementedError

    @classmethod
    def from_estimator(cls, estimator, *, name=None, ax=None, **line_kw):
        """Draw the curves of a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator of this package, or Pipeline that ends in one
            Fit it with `X_val` and `y_val`, or with `early_stopping`, for held-out samples.
        name : str, default=None
            Name for the legend; by default that of the class.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.
        **line_kw : dict
            Passed to ``ax.plot``.

        Returns
        -------
        display : object
        """
        network = fitted_network_in(estimator, cls._needed)
        name = type(network).__name__ if name is None else name
        return cls(**cls._read(network), name=name).plot(ax=ax, **line_kw)


@dataclass(kw_only=True, eq=False, repr=False)
class LearningCurveDisplay(_EpochsDisplay):
    """Loss of each epoch, on training and on held-out samples.

    With held-out samples, both curves are the loss of the network as it is after the epoch, on
    samples as they are (see `history_`). The area between them is the generalisation gap.
    Without, the one curve is the loss while the network learns; with `mixup` it learns from
    mixtures, whose loss says little about the samples themselves.

    Parameters
    ----------
    loss : array-like of shape (n_epochs,)
        Loss while the network learns.
    training_loss : array-like of shape (n_epochs,), default=None
        Loss on training samples.
    validation_loss : array-like of shape (n_epochs,), default=None
        Loss on held-out samples.
    name : str, default=None
        Name of the estimator for the legend.
    """

    loss: Any
    training_loss: Any = None
    validation_loss: Any = None

    @staticmethod
    def _read(network):
        names = ("loss", "training_loss", "validation_loss")
        return {name: network.history_.get(name) for name in names}

    def _draw(self, ax, **line_kw):
        epochs = np.arange(1, len(self.loss) + 1)
        prefix = f"{self.name}, " if self.name else ""
        compared = self.validation_loss is not None
        curve, label = self.loss, "what it learns from"
        if compared:
            curve, label = self.training_loss, "training samples"
        if len(epochs) == 1:  # a line through one point is not seen
            line_kw = {"marker": "o", **line_kw}
        (self.line_,) = ax.plot(epochs, curve, label=f"{prefix}{label}", **line_kw)
        if compared:
            color = self.line_.get_color()
            style = {**line_kw, "color": color, "linestyle": "--"}
            label = f"{prefix}held-out samples"
            ax.plot(epochs, self.validation_loss, label=label, **style)
            ax.fill_between(epochs, curve, self.validation_loss, color=color, alpha=0.1, lw=0)
        ax.set(xlabel="Epoch", ylabel="Loss", ylim=(0, None))
        whole_numbers(ax.xaxis)
        ax.legend(frameon=False)


@dataclass(kw_only=True, eq=False, repr=False)
class ScoreCurveDisplay(_EpochsDisplay):
    """Score on held-out samples after each epoch, and the epoch of the best one.

    The best score is luck in part: the more epochs it was chosen from, the more it flatters.

    Parameters
    ----------
    scores : array-like of shape (n_epochs,)
        Scores on held-out samples, the higher the better.
    losses : array-like of shape (n_epochs,), default=None
        Losses on them: of equal scores the one of the smallest loss is the best.
    name : str, default=None
        Name of the estimator for the legend.
    """

    scores: Any
    losses: Any = None

    _needed = "validation_scores_"
    _attributes = """
        best_epoch_ : int
            Number of the best epoch, counted from 1.
    """

    @staticmethod
    def _read(network):
        if network.validation_scores_ is None:
            raise ValueError(
                f"This {type(network).__name__} has no validation_scores_: fit it with X_val and "
                "y_val, or with early_stopping=True."
            )
        return {"scores": network.validation_scores_, "losses": network.validation_loss_curve_}

    def _draw(self, ax, **line_kw):
        scores = np.asarray(self.scores, dtype=float)
        losses = np.zeros(len(scores)) if self.losses is None else np.asarray(self.losses)
        order = np.lexsort((-losses, np.where(np.isnan(scores), -np.inf, scores)))
        self.best_epoch_ = int(order[-1]) + 1
        best = scores[self.best_epoch_ - 1]
        (self.line_,) = ax.plot(
            np.arange(1, len(scores) + 1), scores, **{"label": self.name, "lw": 1, **line_kw}
        )
        label = f"best: {best:.3g} in epoch {self.best_epoch_}"
        ax.plot(self.best_epoch_, best, "o", color=self.line_.get_color(), label=label)
        ax.set(xlabel="Epoch", ylabel="Score on held-out samples")
        whole_numbers(ax.xaxis)
        ax.legend(frameon=False)


@dataclass(kw_only=True, eq=False, repr=False)
class ScoreConnectionsDisplay(Display):
    """Scores of models against their numbers of connections.

    Parameters
    ----------
    scores : dict of str to array-like
        For each name the scores of its models, which may differ in their seeds.
    n_connections : dict of str to array-like
        Their numbers of weights.
    """

    scores: dict[str, Any]
    n_connections: dict[str, Any]

    @classmethod
    def from_estimators(cls, estimators, X, y, *, scoring=None, ax=None, **marker_kw):
        """Score fitted estimators and draw them.

        Parameters
        ----------
        estimators : dict of str to fitted estimator or list of them
            Names and models; those of a list, such as one for each seed, become their mean with
            standard deviations. Besides estimators of this package, perceptrons and linear
            models of scikit-learn, and Pipelines and searches of all of these.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples that no model learned from.
        y : array-like
            Their targets.
        scoring : str, callable or None, default=None
            As in `cross_val_score`; None uses the estimators' ``score``.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.
        **marker_kw : dict
            Passed to ``ax.errorbar``.

        Returns
        -------
        display : ScoreConnectionsDisplay

        Raises
        ------
        TypeError
            If an estimator has no weights that could be counted.
        """
        scores, sizes = {}, {}
        for name, given in estimators.items():
            models = given if isinstance(given, list | tuple) else [given]
            scores[name] = [check_scoring(each, scoring)(each, X, y) for each in models]
            sizes[name] = [_n_connections(each) for each in models]
        return cls(scores=scores, n_connections=sizes).plot(ax=ax, **marker_kw)

    def _draw(self, ax, **marker_kw):
        markers = "osD^vP*X<"  # nine, so that ten colours do not always meet the same one
        self.containers_ = []
        for i, (name, scores) in enumerate(self.scores.items()):
            x, y = np.asarray(self.n_connections[name], dtype=float), np.asarray(scores)
            style = {"fmt": markers[i % len(markers)], "capsize": 2, "label": name, **marker_kw}
            spread = {}
            if len(y) > 1:
                spread = {"xerr": x.std(ddof=1), "yerr": y.std(ddof=1)}
            self.containers_.append(ax.errorbar(x.mean(), y.mean(), **spread, **style))
        ax.set(xscale="log", xlabel="Connections", ylabel="Score")
        log_axis(ax.xaxis)
        ax.grid(alpha=0.3)
        beside = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)} if len(self.scores) > 5 else {}
        ax.legend(frameon=False, fontsize="small", **beside)


def _n_connections(estimator) -> int:
    """Number of weights of a network or a linear model, without biases."""
    network = network_in(estimator)
    if hasattr(network, "n_connections_"):
        return network.n_connections_
    coefs = getattr(network, "coefs_", None)
    coefs = [network.coef_] if coefs is None and hasattr(network, "coef_") else coefs
    if coefs is None:
        raise TypeError(
            f"{type(network).__name__} has no weights to count: neither n_connections_ nor coefs_ "
            "nor coef_."
        )
    return sum(int(np.count_nonzero(coef)) for coef in coefs)
