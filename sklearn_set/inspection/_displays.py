"""Displays in scikit-learn's convention.

Owns: drawing. May not touch: training; it reads public fitted attributes only.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.stats import binom

from ._validation import check_has

__all__ = [
    "DegreeDistributionDisplay",
    "InputConnectivityDisplay",
    "LearningCurveDisplay",
    "SparsityPatternDisplay",
    "TopologyHistoryDisplay",
]


class _Display:
    """What the displays share: a subclass holds the data and draws them in `_draw`."""

    _draw: Callable[..., None]
    ax_: Any
    figure_: Any
    #: Of the figure that is made if no axes are given.
    _subplots: ClassVar[dict] = {}
    #: numpydoc section of the class; a subclass with further attributes has its own.
    _attributes: ClassVar[str] = """
        Attributes
        ----------
        ax_ : matplotlib Axes
            Axes with the drawing.
        figure_ : matplotlib Figure
            Figure of the axes.
    """

    def __init_subclass__(cls):
        sections = (cls.__doc__ or "", cls._attributes)
        cls.__doc__ = "\n\n".join(map(inspect.cleandoc, sections))

    def plot(self, ax=None, **style):
        """Draw the data.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of them, default=None
            As in `from_estimator`; None makes new ones.
        **style : dict
            As in `from_estimator`.

        Returns
        -------
        display : object
            The display itself.
        """
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError(
                'Displays need matplotlib. Install it with `pip install "sklearn-set[plot]"`.'
            ) from error
        if ax is None:
            _, ax = plt.subplots(layout="constrained", **self._subplots)
        self._draw(ax, **style)
        panels = np.ravel(ax)
        for panel in panels:
            panel.spines[["top", "right"]].set_visible(False)
        self.ax_, self.figure_ = panels[0], panels[0].figure
        return self


def _check_layer(estimator, layer: int) -> int:
    check_has(estimator, "coefs_")
    n_layers = len(estimator.coefs_)
    if not -n_layers <= layer < n_layers:
        raise ValueError(
            f"layer={layer} does not exist: the network has layers 0 to {n_layers - 1}."
        )
    return layer % n_layers


@dataclass(kw_only=True, eq=False, repr=False)
class LearningCurveDisplay(_Display):
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
    name: str | None = None

    @classmethod
    def from_estimator(cls, estimator, *, name=None, ax=None, **line_kw):
        """Draw the curves of a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator of this package
            Fit it with `X_val` and `y_val`, or with `early_stopping`, for two curves.
        name : str, default=None
            Name for the legend; by default that of the class.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.
        **line_kw : dict
            Passed to ``ax.plot``.

        Returns
        -------
        display : LearningCurveDisplay
        """
        check_has(estimator, "history_")
        history = estimator.history_
        return cls(
            loss=history["loss"],
            training_loss=history.get("training_loss"),
            validation_loss=history.get("validation_loss"),
            name=type(estimator).__name__ if name is None else name,
        ).plot(ax=ax, **line_kw)

    def _draw(self, ax, **line_kw):
        epochs = np.arange(1, len(self.loss) + 1)
        prefix = f"{self.name}, " if self.name else ""
        compared = self.validation_loss is not None
        curve, label = self.loss, "what it learns from"
        if compared:
            curve, label = self.training_loss, "training samples"
        (self.line_,) = ax.plot(epochs, curve, label=f"{prefix}{label}", **line_kw)
        if compared:
            color = self.line_.get_color()
            style = {**line_kw, "color": color, "linestyle": "--"}
            label = f"{prefix}held-out samples"
            ax.plot(epochs, self.validation_loss, label=label, **style)
            ax.fill_between(epochs, curve, self.validation_loss, color=color, alpha=0.1, lw=0)
        ax.set(xlabel="Epoch", ylabel="Loss", ylim=(0, None))
        ax.legend(frameon=False)


@dataclass(kw_only=True, eq=False, repr=False)
class TopologyHistoryDisplay(_Display):
    """Connections, hidden neurons and rewired connections over the epochs.

    Parameters
    ----------
    history : dict
        ``history_`` of an estimator.
    """

    history: dict

    _subplots = {"ncols": 3, "figsize": (12, 3.4)}
    _attributes = """
        Attributes
        ----------
        axes_ : ndarray of matplotlib Axes of shape (3,)
            Connections by layer, living hidden neurons, connections grown at each
            epoch and how many of them outlived the next rewiring.
        ax_ : matplotlib Axes
            The first of them.
        figure_ : matplotlib Figure
            Figure of the axes.
    """

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Draw the history of a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator of this package
        ax : array-like of 3 matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        display : TopologyHistoryDisplay
        """
        check_has(estimator, "history_")
        return cls(history=estimator.history_).plot(ax=ax)

    def _draw(self, ax):
        axes = self.axes_ = np.ravel(ax)
        if len(axes) != 3:
            raise ValueError(f"ax must hold 3 axes, got {len(axes)}.")
        history = self.history
        epochs = np.arange(1, len(history["loss"]) + 1)

        def columns(prefix):
            names = [name for name in history if name.startswith(prefix)]
            return {name.removeprefix(prefix): history[name] for name in names}

        layers = columns("n_connections_")
        labels = [f"layer {number}" for number in layers]
        axes[0].stackplot(epochs, *layers.values(), labels=labels, alpha=0.85)
        for number, sizes in columns("hidden_layer_size_").items():
            style = "-" if int(number) % 2 == 0 else "--"  # equal sizes stay visible
            axes[1].step(epochs, sizes, style, where="mid", label=f"hidden layer {number}")
        axes[2].plot(epochs, history["n_grown"], label="grown at the epoch's start")
        label = "of those grown before, survived"
        axes[2].plot(epochs, history["n_survived"], label=label, ls="--")
        for panel, label in zip(axes, ("Connections", "Hidden neurons", "Connections")):
            panel.set(xlabel="Epoch", ylabel=label, ylim=(0, None))
            if panel.get_legend_handles_labels()[0]:
                panel.legend(frameon=False, fontsize="small")


@dataclass(kw_only=True, eq=False, repr=False)
class DegreeDistributionDisplay(_Display):
    """How many neurons have how many connections, against a random graph.

    The axes are logarithmic.

    Parameters
    ----------
    degrees : ndarray of shape (n_neurons,)
        Number of connections of each neuron.
    n_places, density : int, float
        Places per neuron and the chance of each in a random graph of the same
        number of connections.
    side : {"in", "out"}
        Which degrees these are.
    """

    degrees: np.ndarray
    n_places: int
    density: float
    side: str

    @classmethod
    def from_estimator(cls, estimator, layer=0, *, side="out", ax=None, **scatter_kw):
        """Draw the degrees of one layer of a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator of this package
        layer : int, default=0
            Layer of connections, counted from the input.
        side : {"out", "in"}, default="out"
            Degrees of the neurons that the connections leave, or enter.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.
        **scatter_kw : dict
            Passed to ``ax.scatter``.

        Returns
        -------
        display : DegreeDistributionDisplay
        """
        layer = _check_layer(estimator, layer)
        if side not in ("out", "in"):
            raise ValueError(f"side={side!r} is unknown; use 'out' or 'in'.")
        coef = estimator.coefs_[layer]
        n_in, n_out = coef.shape
        if side == "in":
            degrees, n_places = np.diff(coef.indptr), n_in
        else:
            degrees, n_places = np.bincount(coef.indices, minlength=n_in), n_out
        density = coef.nnz / (n_in * n_out)
        display = cls(degrees=degrees, n_places=n_places, density=density, side=side)
        return display.plot(ax=ax, **scatter_kw)

    def _draw(self, ax, **scatter_kw):
        from matplotlib.ticker import LogLocator, NullLocator

        counts = np.bincount(self.degrees)
        seen = np.flatnonzero(counts)
        shares = counts[seen] / len(self.degrees)
        self.scatter_ = ax.scatter(seen + 1, shares, s=16, label="network", **scatter_kw)
        expected = binom.pmf(np.arange(len(counts) + 1), self.n_places, self.density)
        visible = np.flatnonzero(expected > 0.5 / len(self.degrees))
        ax.plot(visible + 1, expected[visible], color="0.5", label="random")
        ax.set(xscale="log", yscale="log", ylabel="Share of neurons")
        ax.set_xlabel(f"{self.side.capitalize()}-degree + 1")
        for axis in (ax.xaxis, ax.yaxis):  # degrees often span less than a decade
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_locator(NullLocator())
        ax.legend(frameon=False)


@dataclass(kw_only=True, eq=False, repr=False)
class InputConnectivityDisplay(_Display):
    """How strongly each input is wired into the network.

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
        estimator : fitted estimator of this package
        image_shape : tuple of int, default=None
            Height and width: draws an image. None draws ranked bars.
        feature_names : array-like of str, default=None
            Names; by default ``feature_names_in_``, or numbers.
        n_features : int, default=20
            Number of bars.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        display : InputConnectivityDisplay
        """
        check_has(estimator, "feature_importances_")
        if feature_names is None:
            feature_names = getattr(estimator, "feature_names_in_", None)
        return cls(
            strengths=estimator.feature_importances_,
            image_shape=image_shape,
            feature_names=feature_names,
            n_features=n_features,
        ).plot(ax=ax)

    def __post_init__(self):
        shape, n = self.image_shape, len(self.strengths)
        if shape is not None and np.prod(shape) != n:
            raise ValueError(
                f"image_shape={shape} has {np.prod(shape)} pixels, the network {n} features."
            )

    def _draw(self, ax):
        strengths = np.asarray(self.strengths)
        if self.image_shape is not None:
            self.image_ = ax.imshow(strengths.reshape(self.image_shape), cmap="viridis")
            ax.figure.colorbar(self.image_, ax=ax, label="Share of the input strength")
            ax.set(xticks=[], yticks=[])
            return
        top = np.argsort(-strengths, kind="stable")[: self.n_features][::-1]
        names = top if self.feature_names is None else np.asarray(self.feature_names)[top]
        self.bars_ = ax.barh(np.arange(len(top)), strengths[top])
        ax.axvline(1 / len(strengths), color="0.5", ls="--", lw=1, label="equal shares")
        ax.set_yticks(np.arange(len(top)), [str(name) for name in names])
        ax.set_xlabel("Share of the input strength")
        ax.legend(frameon=False, loc="lower right")


@dataclass(kw_only=True, eq=False, repr=False)
class SparsityPatternDisplay(_Display):
    """The weights of one layer where they are, blue if negative and red if positive.

    Parameters
    ----------
    coef : scipy.sparse.csc_array of shape (fan_in, fan_out)
        Weights.
    layer : int
        Number of the layer.
    """

    coef: Any
    layer: int

    @classmethod
    def from_estimator(cls, estimator, layer=0, *, ax=None, **scatter_kw):
        """Draw one layer of a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator of this package
        layer : int, default=0
            Layer of connections, counted from the input.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.
        **scatter_kw : dict
            Passed to ``ax.scatter``.

        Returns
        -------
        display : SparsityPatternDisplay
        """
        layer = _check_layer(estimator, layer)
        return cls(coef=estimator.coefs_[layer], layer=layer).plot(ax=ax, **scatter_kw)

    def _draw(self, ax, **scatter_kw):
        coo = self.coef.tocoo()
        n_in, n_out = coo.shape
        limit = np.quantile(np.abs(coo.data), 0.95) if coo.nnz else 1.0
        size = min(20.0, max(0.3, 3e4 / max(coo.nnz, 1)))
        style = {"s": size, "cmap": "coolwarm", "lw": 0, **scatter_kw}
        self.scatter_ = ax.scatter(coo.col, coo.row, c=coo.data, vmin=-limit, vmax=limit, **style)
        ax.set(
            xlim=(-0.5, n_out - 0.5),
            ylim=(n_in - 0.5, -0.5),
            xlabel="Neuron entered",
            ylabel="Input" if self.layer == 0 else "Neuron left",
            title=f"Layer {self.layer}: {coo.nnz:,} of {n_in * n_out:,} places",
        )
        ax.figure.colorbar(self.scatter_, ax=ax, label="Weight")
