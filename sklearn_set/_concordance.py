"""How well risks order times of which some are censored.

Owns: Harrell's concordance. May not touch: targets, networks.
"""

from __future__ import annotations

import numpy as np

__all__ = ["concordance"]

_TIED = 1e-8  # risks no further apart than this are equal, as scikit-survival has it


def concordance(
    event: np.ndarray, time: np.ndarray, risk: np.ndarray, weight: np.ndarray | None = None
) -> float:
    """Share of the comparable pairs in which the higher risk has the earlier event.

    A pair is comparable if the earlier time is an event; of equal times, if exactly one is.
    Pairs of equal risks count half (Harrell et al., JAMA 247:2543, 1982). A pair weighs the
    product of its samples' weights. Takes O(n log² n) operations. Raises ValueError if no pair
    is comparable.
    """
    # By descending time, at equal times the censored before the events: an event is compared with
    # the samples at the head of this order, up to those that share its time and are events.
    order = np.lexsort((event, -time))
    event, time, risk = event[order], time[order], risk[order].astype(np.float64)
    weight = np.ones(len(event)) if weight is None else weight[order].astype(np.float64)
    starts = np.flatnonzero(np.r_[True, (time[1:] != time[:-1]) | (event[1:] != event[:-1])])
    head = np.repeat(starts, np.diff(np.r_[starts, len(event)]))[event]
    if not head.any():
        raise ValueError(
            f"The concordance of these {len(event)} samples is not defined: no event has a sample "
            "that lived longer. Score more samples."
        )
    asked, place = risk[event], np.argsort(np.argsort(risk, kind="stable"), kind="stable")
    ascending = np.sort(risk)
    below = _weight_of_lower(place, weight, head, np.searchsorted(ascending, asked - _TIED))
    below_or_tied = _weight_of_lower(
        place, weight, head, np.searchsorted(ascending, asked + _TIED, side="right")
    )
    compared = np.r_[0.0, np.cumsum(weight)][head]
    agreeing = weight[event] @ (below + below_or_tied) / 2
    return float(agreeing / (weight[event] @ compared))


def _weight_of_lower(place, weight, head, limit) -> np.ndarray:
    """The weight of the samples among the first `head` whose place is below `limit`.

    `head` samples are a block of each power of two in it, the largest first; within the
    blocks of a power, samples are sorted by their places.
    """
    n = len(place)
    total = np.zeros(len(head))
    size = 1
    while size <= n:
        block = np.arange(n) // size
        keys = block * n + place
        order = np.argsort(keys)
        before = np.r_[0.0, np.cumsum(weight[order])]
        used = np.flatnonzero(head & size)
        own = head[used] // size - 1
        end = np.searchsorted(keys[order], own * n + limit[used])
        total[used] += before[end] - before[own * size]
        size *= 2
    return total
