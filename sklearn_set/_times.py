"""Times to an event, some of them censored, as targets of a network.

Owns: their form and their checks, the population's clock, and the way back from a
network's outputs to hazards. May not touch: networks, training, samples.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import DTypeLike
from scipy.special import logsumexp
from sklearn.utils.validation import check_array

from ._concordance import concordance
from ._hints import text_in
from ._losses import Loss
from ._targets import Target

__all__ = ["StepFunction", "Times", "columns_of"]

_TIMES_PER_INTERVAL = 20  # of events
_MOST_INTERVALS = 10


@dataclass(frozen=True)
class StepFunction:
    """A right-continuous step function, as survival curves are.

    Parameters
    ----------
    x : ndarray of shape (n_steps,)
        Where it steps, ascending.
    y : ndarray of shape (n_steps,)
        Its values from each step to the next.
    start : float
        Its value before the first step.
    domain : tuple of float
        The smallest and the largest number that it is known for.
    """

    x: np.ndarray
    y: np.ndarray
    start: float
    domain: tuple[float, float]

    def __call__(self, x):
        """Values at `x`, a number or an array."""
        x = np.asarray(x, dtype=np.float64)
        low, high = self.domain
        if not ((x >= low) & (x <= high)).all():
            raise ValueError(
                f"The step function is known from {low:g} to {high:g}, the time of the last "
                f"sample it was learned from; it was asked for {x.min():g} to {x.max():g}."
            )
        values = np.r_[self.start, self.y][np.searchsorted(self.x, x, side="right")]
        return values if values.ndim else values.item()


@dataclass(frozen=True, eq=False)
class Times(Target):
    """Times with censoring, measured by the population's cumulative hazard as a clock.

    The clock is the Nelson-Aalen estimate of the cumulative hazard. On it the population's
    hazard is 1, a sample's exposure is what the clock showed when the sample left, and a
    network's outputs are the logarithms of the hazards in each interval relative to the
    population's.

    Parameters
    ----------
    steps : ndarray of shape (n_steps,)
        The distinct times of events, ascending.
    clock : ndarray of shape (n_steps,)
        What the clock shows from each of them on.
    ends : ndarray of shape (n_outputs,)
        What it shows when each interval ends; the last ends never.
    last : float
        The largest time, of an event or not.
    """

    steps: np.ndarray
    clock: np.ndarray
    ends: np.ndarray
    last: float
    loss: Loss = field(default_factory=lambda: Loss("hazard"))

    @classmethod
    def of(cls, y, weight: np.ndarray | None, n_intervals: int | str) -> Times:
        """The clock of some targets, cut into intervals of about equally many events."""
        target = columns_of(y)
        weight = np.ones(len(target)) if weight is None else weight
        event, time = target[weight > 0, 0] > 0, target[weight > 0, 1]
        weight = weight[weight > 0]
        _check_informative(event, time)
        order = np.argsort(time, kind="stable")
        event, time, weight = event[order], time[order], weight[order]
        steps, first = np.unique(time, return_index=True)
        at_risk = np.cumsum(weight[::-1])[::-1][first]
        died = np.add.reduceat(weight * event, first)
        steps, rate = steps[died > 0], (died / at_risk)[died > 0]
        clock = np.cumsum(rate)
        if n_intervals == "auto":  # distinct times, so that a sample given twice counts once
            n_intervals = np.clip(len(steps) // _TIMES_PER_INTERVAL, 1, _MOST_INTERVALS)
        share = np.cumsum(died[died > 0]) / died.sum()
        wanted = np.arange(1, n_intervals) / n_intervals
        places = np.unique(np.searchsorted(share, wanted * (1 - 1e-12)))
        ends = np.r_[clock[places[places < len(clock) - 1]], np.inf]
        return cls(steps, clock, ends, float(time[-1]))

    @property
    def n_outputs(self) -> int:
        """Number of intervals."""
        return len(self.ends)

    def encode(self, y, dtype: DTypeLike) -> np.ndarray:
        """Event (0 or 1) and time, float64 of shape (n_samples, 2), whatever the network's."""
        return columns_of(y)

    def decode(self, target: np.ndarray) -> np.ndarray:
        """A structured array, as scikit-survival's metrics take it."""
        y = np.empty(len(target), dtype=[("event", bool), ("time", np.float64)])
        y["event"], y["time"] = target[:, 0] > 0, target[:, 1]
        return y

    def for_loss(self, target: np.ndarray, dtype: DTypeLike) -> np.ndarray:
        """Events in each interval, then exposures, of shape (n_samples, 2 * n_outputs)."""
        event, shown = target[:, 0], self._clock_at(target[:, 1])
        own = np.searchsorted(self.ends, shown)
        events = event[:, None] * (own[:, None] == np.arange(self.n_outputs))
        return np.hstack([events, self._exposure(shown)]).astype(dtype)

    def as_numbers(self, target: np.ndarray) -> np.ndarray:
        """Martingale residuals of the population's hazard, of shape (n_samples, 1).

        The covariance of a column with them is the score of Cox's partial likelihood at 0.
        """
        return target[:, :1] - self._clock_at(target[:, 1])[:, None]

    def _clock_at(self, time: np.ndarray) -> np.ndarray:
        """The clock at some times."""
        return np.r_[0.0, self.clock][np.searchsorted(self.steps, time, side="right")]

    def _exposure(self, shown: np.ndarray) -> np.ndarray:
        """How far the clock went in each interval, of shape (len(shown), n_outputs)."""
        begins = np.r_[0.0, self.ends[:-1]]
        return np.clip(shown[:, None] - begins, 0, self.ends - begins)

    def risk(self, raw: np.ndarray) -> np.ndarray:
        """Logarithm of the cumulative hazard relative to the population's.

        Both are averaged over the times of the events.
        """
        if self.n_outputs == 1:
            return raw[:, 0]
        return logsumexp(raw, axis=1, b=self.shares)

    @property
    def shares(self) -> np.ndarray:
        """Share of each interval in the cumulative hazard that is averaged."""
        exposure = self._exposure(self.clock).mean(axis=0)
        return exposure / exposure.sum()

    def cumulative_hazard(self, raw: np.ndarray) -> np.ndarray:
        """Cumulative hazards at `steps`, of shape (n_samples, n_steps)."""
        return np.exp(raw.astype(np.float64)) @ self._exposure(self.clock).T

    def score(self, raw: np.ndarray, target: np.ndarray, weight: np.ndarray | None) -> float:
        """Harrell's concordance."""
        return concordance(target[:, 0] > 0, target[:, 1], self.risk(raw), weight)

    def constant(self, target: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        """The population's hazard."""
        return np.zeros(self.n_outputs)

    def strata(self, target: np.ndarray) -> np.ndarray:
        """Whether there was an event."""
        return target[:, 0].astype(int)

    def attributes(self) -> dict:
        """The times at which curves step."""
        return {"unique_times_": self.steps}


def columns_of(y) -> np.ndarray:
    """Targets as float64 of shape (n_samples, 2): event (0 or 1), time.

    Parameters
    ----------
    y : structured array of a Boolean and a number, or array-like of shape (n_samples, 2)
    """
    fields = getattr(getattr(y, "dtype", None), "names", None)
    if fields is not None:
        if len(fields) != 2:
            raise ValueError(
                f"y has the fields {fields}; times with censoring have two, event and time."
            )
        y = np.column_stack([y[name] for name in fields])
    if text := text_in(y):
        raise ValueError(
            f"y holds text, such as {text}: the event is True or 1, or False or 0 where the "
            "time is censored, and the time is a number."
        )
    y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
    if y.ndim != 2 or y.shape[1] != 2:
        raise ValueError(
            f"y has the shape {y.shape}, but times with censoring are a structured array of event "
            "and time, or two columns: the event (1, or 0 where the time is censored) and the time."
        )
    event, time = y.T
    wrong = (event != 0) & (event != 1)
    if wrong.any():
        raise ValueError(
            "The first column of y says whether there was an event, 1 or 0 (True or False), but "
            f"holds {event[wrong][0]:g}. The time is the second column."
        )
    if (time <= 0).any():
        raise ValueError(
            f"Times must be positive; {(time <= 0).sum()} of {len(time)} are not, the smallest is "
            f"{time.min():g}. A sample of time 0 was never observed: leave it out, or give it half "
            "of the smallest unit."
        )
    return y


def _check_informative(event: np.ndarray, time: np.ndarray) -> None:
    """Check that some event has a sample that lived longer."""
    if not event.any():
        raise ValueError(
            f"y has no event: all of its n_samples = {len(event)} times are censored. There is "
            "nothing to learn a hazard from."
        )
    first = time[event].min()
    if not ((time > first) | (~event & (time == first))).any():
        raise ValueError(
            f"No event of y (n_samples = {len(time)}) has a sample that lived longer: before the "
            f"first event, at {first:g}, all others are censored. Which samples have a high risk "
            "cannot be told."
        )
