"""Pictures of the topology.

Owns: drawing. May not touch: training; it reads public fitted attributes only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binom

from ._display import Display, log_axis, whole_numbers
from ._validation import fitted_network_in

__all__ = ["DegreeDistributionDisplay", "SparsityPatternDisplay", "TopologyHistoryDisplay"]

# A layer with more neurons on a side, or more connections, is drawn in cells.
_MOST_NEURONS, _MOST_CONNECTIONS = 500, 20_000
_CELLS = (100, 75)  # at most


def _layer_of(estimator, layer: int) -> tuple[Any, int]:
    """The weights of a layer and its number, counted from the input."""
    coefs = fitted_network_in(estimator, "coefs_").coefs_
    if not -len(coefs) <= layer < len(coefs):
        raise ValueError(
            f"layer={layer} does not exist: the network has layers 0 to {len(coefs) - 1}."
        )
    return coefs[layer], layer % len(coefs)


@dataclass(kw_only=True, eq=False, repr=False)
class TopologyHistoryDisplay(Display):
    """Connections, hidden neurons and rewired connections over the epochs.

    Left and middle: connections and living hidden neurons, the layers stacked. Right: connections
    grown at the start of each epoch, and how many of those grown before outlived the rewiring.

    Parameters
    ----------
    history : dict
        ``history_`` of an estimator.
    """

    history: dict

    def _subplots(self):
        return {"ncols": 3, "figsize": (13, 3.2)}

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Draw the history of a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator of this package, or Pipeline that ends in one
        ax : array-like of 3 matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        display : TopologyHistoryDisplay
        """
        return cls(history=fitted_network_in(estimator, "history_").history_).plot(ax=ax)

    def _draw(self, *axes):
        history = self.history
        # A single epoch has a width, or nothing would be seen of it.
        n_epochs = len(history["loss"])
        epochs = np.arange(1, n_epochs + 1) if n_epochs > 1 else np.array([0.5, 1.5])

        def course(name):
            return history[name] if n_epochs > 1 else np.repeat(history[name], 2)

        for panel, prefix, unit in (
            (axes[0], "n_connections_", "layer"),
            (axes[1], "hidden_layer_size_", "hidden layer"),
        ):
            names = [name for name in history if name.startswith(prefix)]
            if names:
                labels = [f"{unit} {name.removeprefix(prefix)}" for name in names]
                columns, colors = [course(name) for name in names], _colors(len(names))
                panel.stackplot(epochs, *columns, labels=labels, colors=colors)
        axes[2].plot(epochs, course("n_grown"), label="grown")
        axes[2].plot(epochs, course("n_survived"), label="survived", ls="--")
        titles = ("Connections", "Hidden neurons", "Connections grown, and those that survived")
        for panel, title in zip(axes, titles):
            panel.set(xlabel="Epoch", ylim=(0, None))
            whole_numbers(panel.xaxis)
            panel.set_title(title, fontsize="medium", loc="left")
            handles, labels = panel.get_legend_handles_labels()
            if len(handles) > 8:  # the first and the last few tell the order
                handles, labels = handles[:4] + handles[-4:], labels[:4] + labels[-4:]
            if handles:
                panel.legend(
                    handles[::-1],
                    labels[::-1],
                    frameon=False,
                    fontsize="small",
                    loc="upper left",
                    bbox_to_anchor=(1.0, 1.0),
                )


def _colors(n: int) -> list:
    """Colours of layers, from the first to the last."""
    from matplotlib import colormaps

    return [colormaps["viridis"](x) for x in np.linspace(0.15, 0.9, n)]


@dataclass(kw_only=True, eq=False, repr=False)
class DegreeDistributionDisplay(Display):
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
        estimator : fitted estimator of this package, or Pipeline that ends in one
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
        coef, _ = _layer_of(estimator, layer)
        if side not in ("out", "in"):
            raise ValueError(f"side={side!r} is unknown; use 'out' or 'in'.")
        n_in, n_out = coef.shape
        if side == "in":
            degrees, n_places = np.diff(coef.indptr), n_in
        else:
            degrees, n_places = np.bincount(coef.indices, minlength=n_in), n_out
        density = coef.nnz / (n_in * n_out)
        display = cls(degrees=degrees, n_places=n_places, density=density, side=side)
        return display.plot(ax=ax, **scatter_kw)

    def _draw(self, ax, **scatter_kw):
        counts = np.bincount(self.degrees)
        seen = np.flatnonzero(counts)
        shares = counts[seen] / len(self.degrees)
        self.scatter_ = ax.scatter(seen + 1, shares, s=16, label="network", **scatter_kw)
        expected = binom.pmf(np.arange(len(counts) + 1), self.n_places, self.density)
        visible = np.flatnonzero(expected > 0.5 / len(self.degrees))
        ax.plot(visible + 1, expected[visible], color="0.5", label="random")
        ax.set(xscale="log", yscale="log", ylabel="Share of neurons")
        ax.set_xlabel(f"{self.side.capitalize()}-degree + 1")
        log_axis(ax.xaxis)
        log_axis(ax.yaxis)
        ax.legend(frameon=False)


@dataclass(kw_only=True, eq=False, repr=False)
class SparsityPatternDisplay(Display):
    """The connections of one layer where they are.

    Few are drawn one by one, blue if their weight is negative and red if it is positive. Of large
    layers (more than 500 neurons on a side, or 20,000 connections) cells are drawn: which share
    of the places in them is connected.

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
    def from_estimator(cls, estimator, layer=0, *, ax=None, **style):
        """Draw one layer of a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator of this package, or Pipeline that ends in one
        layer : int, default=0
            Layer of connections, counted from the input.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.
        **style : dict
            Passed to ``ax.scatter``, for large layers to ``ax.imshow``.

        Returns
        -------
        display : SparsityPatternDisplay
        """
        coef, number = _layer_of(estimator, layer)
        return cls(coef=coef, layer=number).plot(ax=ax, **style)

    def _draw(self, ax, **style):
        coo = self.coef.tocoo()
        n_in, n_out = coo.shape
        if max(n_in, n_out) > _MOST_NEURONS or coo.nnz > _MOST_CONNECTIONS:
            style = {"aspect": "auto", "interpolation": "nearest", "vmin": 0, **style}
            extent = (-0.5, n_out - 0.5, n_in - 0.5, -0.5)
            drawn = self.image_ = ax.imshow(self._shares(coo), extent=extent, **style)
            meaning = "Connected"
        else:
            limit = np.quantile(np.abs(coo.data), 0.95) if coo.nnz else 1.0
            size = min(20.0, max(0.3, 3e4 / max(coo.nnz, 1)))
            style = {"s": size, "cmap": "coolwarm", "lw": 0, **style}
            drawn = self.scatter_ = ax.scatter(
                coo.col, coo.row, c=coo.data, vmin=-limit, vmax=limit, **style
            )
            meaning = "Weight"
        ax.set(
            xlim=(-0.5, n_out - 0.5),
            ylim=(n_in - 0.5, -0.5),
            xlabel=f"Destination neuron ({coo.nnz:,} of {n_in * n_out:,} places)",
            ylabel=f"Layer {self.layer}: {'input' if self.layer == 0 else 'source neuron'}",
        )
        whole_numbers(ax.xaxis)
        whole_numbers(ax.yaxis)
        ax.figure.colorbar(drawn, ax=ax).ax.set_title(meaning, fontsize="small")

    @staticmethod
    def _shares(coo) -> np.ndarray:
        """Which share of the places in each cell is connected."""
        edges = [
            np.linspace(0, n, min(n, most) + 1).round() - 0.5 for n, most in zip(coo.shape, _CELLS)
        ]
        counts, *_ = np.histogram2d(coo.row, coo.col, bins=edges)
        return counts / np.outer(*(np.diff(edge) for edge in edges))
