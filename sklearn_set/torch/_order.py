"""What follows what in a model.

Owns: which modules stand next to each other, and which are element-wise.
May not touch: the modules.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from torch import nn

from ._layer import SparseLayer
from ._linear import SparseLinear

__all__ = ["ELEMENTWISE", "flat_children", "sparse_runs"]

# Parameter-free element-wise modules.
ELEMENTWISE = (
    nn.Identity, nn.Dropout, nn.ReLU, nn.LeakyReLU, nn.Tanh, nn.Sigmoid, nn.ELU, nn.GELU,
    nn.SiLU, nn.Softplus, nn.ReLU6, nn.Hardtanh, nn.Hardswish,
)  # fmt: skip


def flat_children(module: nn.Module) -> Iterator[nn.Module]:
    """The children of a module, those of Sequentials in a Sequential in their place."""
    for child in module.children():
        if isinstance(module, nn.Sequential) and type(child) is nn.Sequential:
            yield from flat_children(child)
        else:
            yield child


def sparse_runs(module: nn.Module) -> list[list[SparseLayer]]:
    """The sparse layers of a model, the linear ones in one list where each feeds the next alone."""
    if isinstance(module, SparseLayer):
        return [[module]]
    runs: list[list[SparseLayer]] = []
    goes_on = False
    for child in flat_children(module):
        if goes_on and isinstance(child, SparseLinear):
            runs[-1].append(child)
        elif not isinstance(child, ELEMENTWISE):
            runs += sparse_runs(child)
            goes_on = isinstance(child, SparseLinear) and isinstance(module, nn.Sequential)
    layers = list(itertools.chain(*runs))
    distinct = {id(layer): layer for layer in layers}
    if len(distinct) < len(layers):  # used twice: it does not feed one other alone
        return [[layer] for layer in distinct.values()]
    return runs
