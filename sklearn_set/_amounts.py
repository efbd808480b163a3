"""How much: first weights of new connections, the course of a fraction, shares of layers.

Owns: these numbers. May not touch: which connections they are for (`rules`), and when.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from ._network import Layer, initial_weights

__all__ = ["SCHEDULES", "NewWeights", "in_proportion", "new_weights_rule", "small_weights"]

NewWeights = Callable[[Layer, int, np.random.Generator], np.ndarray]


def zero_weights(layer: Layer, n_new: int, rng: np.random.Generator) -> np.ndarray:
    """First weights of 0."""
    return np.zeros(n_new, dtype=layer.weights.dtype)


def small_weights(layer: Layer, n_new: int, rng: np.random.Generator) -> np.ndarray:
    """First weights of random sign and one size, a quarter of ``sqrt(6 / mean in-degree)``.

    Not zero, so that a neuron whose connections are all new still passes
    gradients; small, so that a connection that nobody trained yet disturbs the
    model little and has to grow to outlive the next rewirings.
    """
    size = 0.25 * math.sqrt(6 * layer.n_out / max(layer.nnz, 1))
    # Not np.where: branches on random signs are mispredicted half of the time.
    words = rng.integers(2**32, size=-(-n_new // 32), dtype=np.uint32).astype("<u4", copy=False)
    weights = np.unpackbits(words.view(np.uint8), count=n_new).astype(layer.weights.dtype)
    weights *= 2 * size
    weights -= size
    return weights


def weights_as_at_start(
    layer: Layer, n_new: int, rng: np.random.Generator, init: str
) -> np.ndarray:
    """First weights drawn as at the start of training, by the distribution `init`."""
    if init == "normal":  # one scale for all
        return (0.1 * rng.standard_normal(n_new)).astype(layer.weights.dtype, copy=False)
    # Drawn for a whole layer, so that the scale is that of the neurons entered.
    return rng.choice(initial_weights(layer.connectivity, init, layer.weights.dtype, rng), n_new)


def new_weights_rule(name: str, init: str) -> NewWeights:
    """The rule for first weights by its name: "small", "zero" or "init".

    "zero" is that of the SET reference with masks, "init", with ``init="normal"``, that of
    the sparse SET reference.
    """
    rules: dict[str, NewWeights] = {"small": small_weights, "zero": zero_weights}
    return rules.get(name) or partial(weights_as_at_start, init=init)


def constant(progress: float) -> float:
    return 1.0


def linear(progress: float) -> float:
    return 1.0 - progress


def cosine(progress: float) -> float:
    return float(0.5 * (1 + np.cos(np.pi * progress)))


#: Factor of the rewired fraction, by the share of the epochs that has passed.
SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": constant,
    "linear": linear,
    "cosine": cosine,
}


def in_proportion(n_kept: Sequence[int], n_free: Sequence[int], n_new: int) -> list[int]:
    """Share `n_new` connections among layers in proportion to those they kept.

    Shares are rounded by largest remainders (of equal ones the first layer is
    rounded up). What does not fit into a layer's free places is offered to the
    others again, in the same proportion.

    >>> in_proportion([30, 10], [100, 100], 8)
    [6, 2]
    >>> in_proportion([30, 10], [3, 100], 8)
    [3, 5]
    """
    if n_new > sum(n_free):
        raise ValueError(f"{n_new} connections do not fit into {sum(n_free)} free places.")
    quotas = [0] * len(n_kept)
    left = n_new
    while left:
        layers = [i for i, free in enumerate(n_free) if free > quotas[i]]
        weights = [n_kept[i] for i in layers]
        if not any(weights):
            weights = [n_free[i] - quotas[i] for i in layers]
        total = sum(weights)
        shares = [left * weight // total for weight in weights]
        remainders = [-(left * weight % total) for weight in weights]
        for i in np.argsort(remainders, kind="stable")[: left - sum(shares)]:
            shares[i] += 1
        for i, share in zip(layers, shares):
            taken = min(share, n_free[i] - quotas[i])
            quotas[i] += taken
            left -= taken
    return quotas
