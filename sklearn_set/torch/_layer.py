"""What all sparse layers share as modules of PyTorch.

Owns: weights and connections as parameters and buffers, their copies and files, what backward
passes keep for evolution. May not touch: products, when connections change, optimizers.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import torch
from scipy import sparse
from torch import nn

from .._network import initial_weights
from .._topology import Connectivity, erdos_renyi

__all__ = ["DTYPES", "SparseLayer", "numpy_generator", "require_supported"]

_INITS = ("he_uniform", "he_normal", "glorot_uniform", "normal")
_TRACKED = ("sensitivity", "gradient")
DTYPES = {torch.float32: np.float32, torch.float64: np.float64}


def _draw(shape: tuple[int, int], density, epsilon, rng: np.random.Generator) -> Connectivity:
    """Random connections of a layer, by `density` or `epsilon`, whichever is given."""
    if density is not None and epsilon is None:
        if not 0 < density <= 1:
            raise ValueError(f"density={density!r} must lie in (0, 1].")
        empty = Connectivity(np.zeros(shape[1] + 1, np.int32), np.empty(0, np.int32), shape)
        n_connections = max(1, round(density * shape[0] * shape[1]))
        return empty.grow(np.empty(0, np.uint8), n_connections, rng).after
    if epsilon is not None and density is None:
        if not epsilon > 0:
            raise ValueError(f"epsilon={epsilon!r} must be > 0.")
        return erdos_renyi(shape, epsilon, rng)
    raise ValueError(
        f"density={density!r} and epsilon={epsilon!r}: give exactly one of them, for "
        "example epsilon=20."
    )


class SparseLayer(nn.Module):
    """What sparse layers share: a weight for each connection.

    Its connections are those of a sparse matrix with a column for each output neuron (or
    channel) and a row for each input that one of these may read.
    """

    weight: nn.Parameter
    bias: nn.Parameter | None
    indptr: torch.Tensor
    indices: torch.Tensor

    def _set_up_at_random(
        self, density, epsilon, bias, init, evolves, track, generator, dtype
    ) -> None:
        """Set up with random connections and weights, by the arguments of constructors."""
        if init not in _INITS:
            raise ValueError(f"init={init!r} is not one of {_INITS}.")
        dtype = torch.get_default_dtype() if dtype is None else dtype
        require_supported(dtype)
        rng = numpy_generator(generator)
        connectivity = _draw(self.shape, density, epsilon, rng)
        weights = initial_weights(connectivity, init, DTYPES[dtype], rng)
        start = torch.zeros(self.shape[1], dtype=dtype) if bias else None
        self._set_up(connectivity, weights, start, evolves, track)

    def _set_up(
        self, connectivity: Connectivity, weights, bias, evolves: bool, track: Collection[str]
    ) -> None:
        unknown = set(track) - set(_TRACKED)
        if unknown:
            raise ValueError(f"track={track!r}: {sorted(unknown)} are not among {_TRACKED}.")
        self.evolves, self.track = bool(evolves), tuple(track)
        self.weight = nn.Parameter(torch.from_numpy(weights))
        self.register_parameter("bias", None if bias is None else nn.Parameter(bias))
        self.register_buffer("indptr", torch.from_numpy(connectivity.indptr))
        self.register_buffer("indices", torch.from_numpy(connectivity.indices))
        self._threshold: float | None = None  # of `evolve` with `redistribute`
        self._reset_tracking()

    def _reset_tracking(self) -> None:
        """Forget the last batches and the last rewiring."""
        self._known: tuple | None = None
        self._sensitivity: np.ndarray | None = None
        self._last_batch: tuple[torch.Tensor, torch.Tensor] | None = None
        self._newborn: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Inputs that an output may read, and outputs."""
        raise NotImplementedError

    @property
    def connectivity(self) -> Connectivity:
        """The buffers as the core's value, kept until they change."""
        buffers = (self.indptr, self.indices)
        state = [(id(buffer), buffer._version) for buffer in buffers]
        known = self._known  # holds the buffers, too, so that no others get their ids
        if known is None or known[0] != state:
            value = Connectivity(self.indptr.numpy(), self.indices.numpy(), self.shape)
            known = self._known = state, value, buffers
        return known[1]

    def to_scipy(self) -> sparse.csc_array:
        """The weights as a sparse array, a copy: a row for each input, a column for each output."""
        parts = (self.weight.detach().numpy(), self.indices.numpy(), self.indptr.numpy())
        return sparse.csc_array(parts, shape=self.shape, copy=True)

    def _check_input(self, x: torch.Tensor) -> None:
        """Raise TypeError if the layer cannot compute with `x`."""
        kind = type(self).__name__
        weight = self.weight
        for name, tensor in (("input", x), ("layer", weight)):
            if tensor.device.type != "cpu":
                raise TypeError(
                    f"{kind} runs on the CPU only; the {name} is on {tensor.device}. "
                    'Move it with .to("cpu").'
                )
        require_supported(weight.dtype)
        if x.dtype != weight.dtype or x.layout != torch.strided:
            raise TypeError(
                f"The input is a {x.layout} tensor of {x.dtype}; this layer needs a dense one of "
                f"{weight.dtype}. Convert the input, or the layer with .float() or .double()."
            )

    def _track_gradients(self, weight, gradient, a, delta) -> None:
        """Keep of a backward pass what `track` asks for."""
        if "sensitivity" in self.track:
            each = (weight.detach() * gradient).abs_().numpy()
            if self._sensitivity is None or len(self._sensitivity) != len(each):
                self._sensitivity = np.zeros_like(each)
            self._sensitivity += each
        if "gradient" in self.track:
            self._last_batch = (a, delta)

    def _gradients(self, a, delta, begin: int, end: int) -> torch.Tensor:
        """Gradients at all places of the outputs [begin, end), on the last batch."""
        raise NotImplementedError

    def _load_from_state_dict(self, state_dict, prefix, *args):
        # Another topology may have another number of connections.
        indices = state_dict.get(prefix + "indices")
        if indices is not None and indices.shape != self.indices.shape:
            self.indices = torch.empty_like(indices)
            self.weight.data = self.weight.data.new_empty(indices.shape)
        super()._load_from_state_dict(state_dict, prefix, *args)
        self._reset_tracking()
        errors = args[-1]
        if indices is not None and len(indices) and int(indices.max()) >= self.shape[0]:
            errors.append(
                f"{prefix}indices names input {int(indices.max())}, but an output of the layer "
                f"reads {self.shape[0]}."
            )

    def __getstate__(self):
        state = self.__dict__.copy()
        state["_known"] = state["_last_batch"] = None  # a cache, and large
        return state

    def _describe_connections(self) -> str:
        n_in, n_out = self.shape
        n = len(self.indices)
        return f"connections={n}, density={n / (n_in * n_out):.3g}, bias={self.bias is not None}"


def require_supported(dtype: torch.dtype) -> None:
    if dtype not in DTYPES:
        raise TypeError(
            f"Sparse layers compute in torch.float32 or torch.float64, not in {dtype}. "
            "Convert it with .float() or .double()."
        )


def numpy_generator(generator: torch.Generator | None) -> np.random.Generator:
    """A generator of the core's kind, seeded by torch's."""
    seed = torch.randint(2**63 - 1, (), generator=generator).item()
    return np.random.Generator(np.random.PCG64(int(seed)))
