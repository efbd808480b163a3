"""Sparse layers for PyTorch, on the processor (``pip install "sklearn-set[torch]"``).

`SparseLinear` stands where a ``torch.nn.Linear`` would, `SparseConv1d` and `SparseConv2d` where a
convolution would; `evolve` rewires such layers between two steps of any optimizer; `to_torch` and
`from_torch` take a fitted network there and back.
"""

try:
    import torch  # noqa: F401
except ImportError as error:
    raise ImportError(
        'sklearn_set.torch needs PyTorch. Install it with `pip install "sklearn-set[torch]"`.'
    ) from error

from ._conversion import from_torch, to_torch
from ._convolution import SparseConv1d, SparseConv2d
from ._evolution import evolve
from ._linear import SparseLinear

__all__ = ["SparseConv1d", "SparseConv2d", "SparseLinear", "evolve", "from_torch", "to_torch"]
