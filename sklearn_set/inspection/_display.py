"""What the displays share, in scikit-learn's convention.

Owns: axes and figures. May not touch: what is drawn.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import ClassVar

import numpy as np

__all__ = ["Display", "bars_figure", "label_bars", "log_axis", "whole_numbers"]

_LONGEST = 36  # characters of a name
_SMALLEST = 5.0  # points that can be read
_ATTRIBUTES = """\
axes_ : ndarray of matplotlib Axes
    Axes with the drawing.
ax_ : matplotlib Axes
    The first of them.
figure_ : matplotlib Figure
    Figure of the axes."""


class Display:
    """What the displays share: a subclass holds the data and draws them in `_draw`."""

    _draw: Callable[..., None]
    #: numpydoc entries of the attributes that a class has besides those of all displays.
    _attributes: ClassVar[str] = ""

    def __init_subclass__(cls):
        doc, own = inspect.cleandoc(cls.__doc__ or ""), inspect.cleandoc(cls._attributes)
        own = f"{own}\n" if own else ""
        cls.__doc__ = f"{doc}\n\nAttributes\n----------\n{own}{_ATTRIBUTES}"

    def _subplots(self) -> dict:
        """Options of the figure that is made if no axes are given."""
        return {}

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
        subplots = self._subplots()
        if ax is None:
            _, ax = plt.subplots(layout="constrained", **subplots)
        self.axes_, n_axes = np.ravel(ax), subplots.get("ncols", 1)
        if len(self.axes_) != n_axes:
            raise ValueError(f"ax must hold {n_axes} axes, got {len(self.axes_)}.")
        self._draw(*self.axes_, **style)
        for panel in self.axes_:
            panel.spines[["top", "right"]].set_visible(False)
        self.ax_ = self.axes_[0]
        self.figure_ = self.ax_.figure
        return self


def log_axis(axis) -> None:
    """Give a logarithmic axis of a finished drawing a few ticks with plain numbers."""
    axis.set_ticks(_ticks(*axis.get_view_interval()))
    axis.set_ticks([], minor=True)
    axis.set_major_formatter("{x:,g}")


def _ticks(low: float, high: float) -> np.ndarray:
    """Round numbers, four to eight where that is possible, however short the logarithmic axis."""
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)))
    few = [np.array(digits) for digits in ([1.0], [1.0, 3], [1.0, 2, 5], [1.0, 2, 3, 5, 7])]
    for digits in few + [np.arange(1, 10, step) for step in (1, 0.5, 0.2, 0.1, 0.05)]:
        ticks = np.outer(decades, digits).ravel()
        ticks = ticks[(low <= ticks) & (ticks <= high)]
        if len(ticks) >= 4:
            break
    return ticks


def whole_numbers(axis) -> None:
    """Keep the ticks of an axis of counts at whole numbers."""
    from matplotlib.ticker import MaxNLocator

    if isinstance(axis.get_major_locator(), MaxNLocator):  # not ticks that the user has set
        axis.get_major_locator().set_params(integer=True, min_n_ticks=1)


def bars_figure(n_bars: int) -> dict:
    """Options of a figure that is high enough for horizontal bars with names."""
    return {"figsize": (7.2, max(2.4, 0.9 + 0.21 * n_bars))}


def label_bars(ax, features: np.ndarray, names) -> float:
    """Name horizontal bars, the first at the bottom; returns the font size.

    Features without names have their numbers. Long names are shortened, and where there is no
    room for all, every second, third, … bar from the top has one.
    """
    names = features if names is None else np.asarray(names)[features]
    height = ax.get_window_extent().height * 72 / ax.figure.dpi  # points
    size = min(10.0, 0.8 * height / len(names))
    step = int(np.ceil(_SMALLEST / size))
    size = max(size, _SMALLEST)
    places = np.arange(len(names))[::-step]
    labels = [_shortened(str(names[place])) for place in places]
    ax.set_yticks(places, labels, fontsize=size)
    ax.set_ylim(-0.6, len(names) - 0.4)
    return size


def _shortened(name: str) -> str:
    """The beginning and the end of a long name."""
    if len(name) <= _LONGEST:
        return name
    half = _LONGEST // 2
    return f"{name[:half]}…{name[1 - half :]}"
