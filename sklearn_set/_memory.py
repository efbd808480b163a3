"""Whether a network fits into this machine's memory.

Owns: the estimate of a network's size before it is drawn. May not touch: networks.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise

__all__ = ["check_memory", "machine_memory"]

_CONTAINER = "/sys/fs/cgroup/memory.max"  # the limit of a container under Linux


def machine_memory() -> float:
    """Bytes of memory that this process may use at most; infinity if the system does not say."""
    limits = [math.inf]
    with suppress(AttributeError, ValueError, OSError):  # systems that do not say
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with suppress(OSError, ValueError), open(_CONTAINER, encoding="ascii") as file:
        limits.append(float(file.read().replace("max", "inf")))
    return min(limits)


def expected_connections(shape: tuple[int, int], epsilon: float) -> float:
    """Mean number of connections of a layer drawn by `erdos_renyi`."""
    places, draws = shape[0] * shape[1], epsilon * sum(shape)
    return -places * math.expm1(-draws / places) if places else 0.0


def check_memory(sizes: Sequence[int], epsilons: Sequence[float], itemsize: int) -> None:
    """Raise MemoryError if layers between `sizes` can certainly not be trained here.

    Counted is the least that training needs of a connection: its place in three indices of
    4 bytes and its weight. `epsilons` has one value a layer.
    """
    n = sum(map(expected_connections, pairwise(sizes), epsilons))
    wanted, there = n * (12 + itemsize), machine_memory()
    if wanted > there:
        raise MemoryError(
            f"Layers of {list(sizes)} neurons (hidden_layer_sizes between the inputs and the "
            f"outputs) and epsilon={max(epsilons):g} make {n:.3g} connections, which take at least "
            f"{wanted / 2**30:.3g} GiB; this machine has {there / 2**30:.3g} GiB. Lower epsilon "
            "(each layer has about epsilon * (n_in + n_out) connections) or the sizes."
        )
