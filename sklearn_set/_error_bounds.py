"""Bounds on the expected number of false selections of stability selection.

Owns: the mathematics of Shah and Samworth (J. R. Stat. Soc. B 75:55, 2013). May not touch:
selectors, data.

A selector takes `q` of `p` features on half of the samples, so that the mean chance of a
feature is theta = q / p. Of the features whose chance is at most theta, those that are taken
in a share of at least tau of the halves of B complementary pairs are false selections. Their
expected number is at most the bound, which is theta · q times a factor.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import partial

import numpy as np

__all__ = ["BOUNDS", "false_selections", "largest_number"]

#: Which assumption on how often a false feature is taken: none; that its distribution over
#: simultaneous selections has one mode; that it is r-concave.
BOUNDS = ("worst_case", "unimodal", "r_concave")


def false_selections(q: int, p: int, tau: float, n_pairs: int, bound: str) -> float:
    """The bound, p at most; p where it says nothing."""
    theta = q / p
    if bound == "worst_case":  # Theorem 1
        return min(p, theta * q / (2 * tau - 1)) if tau > 0.5 else p
    if bound == "unimodal":
        return min(p, _unimodal(theta, tau, n_pairs) * theta * q)
    half = _tail(theta**2, 2 * tau - 1, n_pairs, -0.5)
    single = _tail(theta, tau, 2 * n_pairs, -0.25)
    return p * min(1.0, half, single)  # Equation 8


def _unimodal(theta: float, tau: float, n_pairs: int) -> float:
    """The factor C(tau, B) of Theorem 2, infinite outside of its range."""
    step = 1 / (2 * n_pairs)
    lowest = 0.5 + min(theta**2, step + 0.75 * theta**2)
    if theta > 1 / np.sqrt(3) or tau <= lowest + 1e-12:
        return np.inf
    if tau <= 0.75 + 1e-12:
        return 1 / (2 * (2 * tau - 1 - step))
    return 4 * (1 - tau + step) / (1 + 2 * step)


def _tail(mean: float, share: float, n: int, r: float) -> float:
    """D(mean, share, n, r): the largest chance that X reaches `share`.

    Over all r-concave distributions on 0, 1/n, ..., 1 of this mean at most. The extreme ones
    have probabilities in proportion to ``(a + i) ** (1 / r)`` for i from 0 to some k, and at
    most that for k + 1 (Appendix A.4). For each k, `a` is between those with which 0 to k,
    and 0 to k + 1, have the mean.
    """
    goal, wanted = mean * n, int(np.ceil(share * n - 1e-9))
    if wanted <= 2 * goal + 1:
        return 1.0
    i, k = np.arange(n + 1), np.arange(wanted - 1, n + 1)
    inside = i <= k[:, None]
    low, high = np.full(len(k), -30.0), np.full(len(k), 30.0)  # logarithms of a
    for _ in range(60):
        middle = (low + high) / 2
        weights = (np.exp(middle)[:, None] + i) ** (1 / r) * inside
        less = weights @ i < goal * weights.sum(axis=1)
        low, high = np.where(less, middle, low), np.where(less, high, middle)
    between = np.linspace(low[1:], low[:-1], 9, axis=1)
    weights = (np.exp(between)[..., None] + i) ** (1 / r)
    next_one = np.take_along_axis(weights, (k[:-1, None] + 1)[..., None], axis=2)[..., 0]
    weights *= inside[:-1, None]
    total = weights.sum(axis=2)
    last = (goal * total - weights @ i) / (k[:-1, None] + 1 - goal)  # what the mean leaves
    last = np.clip(last, 0, next_one)
    return float(((weights[..., wanted:].sum(axis=2) + last) / (total + last)).max())


def largest_number(limit: float, p: int, tau: float, n_pairs: int, bound: str) -> int:
    """The largest q whose bound is at most `limit`; 0 if there is none."""
    bound_of = partial(false_selections, p=p, tau=tau, n_pairs=n_pairs, bound=bound)
    return bisect_right(range(1, p + 1), limit, key=bound_of)
