"""The conditioning of inputs as a module.

Owns: the arithmetic of `_columns.py` in tensors. May not touch: what is done with which column.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from .._columns import BOUND
from .._conditioning import InputConditioner

__all__ = ["ConditionedInputs"]


class ConditionedInputs(nn.Module):
    """A fitted `InputConditioner` as the first module of a network.

    Parameters
    ----------
    conditioner : InputConditioner
        A fitted one.
    dtype : torch.dtype
        That of the samples.
    """

    mean: torch.Tensor
    scale: torch.Tensor
    heavy: torch.Tensor
    median: torch.Tensor
    size: torch.Tensor
    heavy_mean: torch.Tensor
    heavy_deviation: torch.Tensor
    basis: torch.Tensor
    gain: torch.Tensor

    def __init__(self, conditioner: InputConditioner, dtype: torch.dtype):
        super().__init__()
        self.conditioner = conditioner
        scaling = conditioner._columns.scaling
        tensors = {
            "mean": scaling.mean,
            "scale": 1 / scaling.deviation,
            "median": scaling.median,
            "size": scaling.size,
            "heavy_mean": scaling.heavy_mean,
            "heavy_deviation": scaling.heavy_deviation,
        }
        if conditioner.method_ == "decorrelate":
            columns = conditioner._columns
            tensors |= {"basis": columns.components.basis, "gain": columns.gain}
        if conditioner.method_ == "weigh":
            tensors["gain"] = conditioner._columns.gain
        for name, values in tensors.items():
            self.register_buffer(name, torch.from_numpy(np.asarray(values)).to(dtype))
        self.register_buffer("heavy", torch.from_numpy(scaling.heavy))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Condition samples of shape (..., n_features)."""
        z = (x - self.mean) * self.scale
        if self.conditioner.method_ == "decorrelate":
            return _smooth_clip(z.clamp(-1e6, 1e6) @ self.basis) * self.gain
        if len(self.heavy):
            values = torch.asinh((x[..., self.heavy] - self.median) / self.size)
            values = (values - self.heavy_mean) / self.heavy_deviation
            z = z.index_copy(-1, self.heavy, values)
        z = _smooth_clip(z)
        return z * self.gain if self.conditioner.method_ == "weigh" else z

    def extra_repr(self) -> str:
        return repr(self.conditioner)


def _smooth_clip(z: torch.Tensor) -> torch.Tensor:
    z = z.clamp(-1e6, 1e6)
    return z / torch.sqrt(1 + (z / BOUND) ** 2)
