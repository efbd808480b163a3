"""The sparse layer as a module of PyTorch.

Owns: the meeting of torch's tensors and autograd with the core's kernels. May not touch:
when a layer's connections change, optimizers, estimators.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import torch
from scipy import sparse
from torch import nn
from torch.autograd.function import once_differentiable

from .. import _native
from .._network import initial_weights
from .._threads import effective_n_threads
from .._topology import Connectivity, erdos_renyi

__all__ = ["SparseLinear", "numpy_generator", "require_supported"]

_INITS = ("he_uniform", "he_normal", "glorot_uniform", "normal")
_TRACKED = ("sensitivity", "gradient")
_DTYPES = {torch.float32: np.float32, torch.float64: np.float64}


def _stride(batch: int, itemsize: int) -> int:
    """Values in a row of the core's layout: 16, 32 or a multiple of 64 bytes."""
    n_bytes = batch * itemsize
    padded = 16 if n_bytes <= 16 else 32 if n_bytes <= 32 else -(-n_bytes // 64) * 64
    return padded // itemsize


def _by_neuron(x: torch.Tensor) -> torch.Tensor:
    """A row for each neuron, as the kernels read it; lanes behind the batch are zero.

    Without a copy where `x` lies like that already, as the layers' own outputs do.
    """
    x = x.detach()
    batch, n = x.shape
    stride = _stride(batch, x.element_size())
    rows = x.T
    if stride == batch and rows.is_contiguous() and rows.data_ptr() % 64 == 0:
        return rows
    a = torch.empty((n, stride), dtype=x.dtype)  # torch aligns to 64 bytes
    if batch and x.is_contiguous():
        _native.gather_rows(x.numpy(), np.arange(batch), None, None, a.numpy())
    else:
        a[:, :batch], a[:, batch:] = rows, 0
    return a


def _by_sample(rows: torch.Tensor, batch: int) -> torch.Tensor:
    """The transposed view of the lanes that count; for autograd a tensor of its own."""
    return torch.from_numpy(rows.numpy()[:, :batch].T)


class _Product(torch.autograd.Function):
    """x @ W + b over the connections of a layer."""

    @staticmethod
    def forward(ctx, x, weight, bias, layer):
        connectivity = layer.connectivity
        a = _by_neuron(x)
        out = torch.empty((connectivity.shape[1], a.shape[1]), dtype=x.dtype)
        start = x.new_zeros(connectivity.shape[1]) if bias is None else bias.detach()
        indptr, indices = connectivity.index
        weights, n_threads = weight.detach().numpy(), effective_n_threads(torch.get_num_threads())
        _native.product(
            indptr, indices, weights, start.numpy(), a.numpy(), out.numpy(), n_threads=n_threads
        )
        ctx.save_for_backward(a, weight)
        ctx.layer, ctx.connectivity = layer, connectivity
        return _by_sample(out, len(x))

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        a, weight = ctx.saved_tensors
        connectivity, weights = ctx.connectivity, weight.detach().numpy()
        n_threads = effective_n_threads(torch.get_num_threads())
        delta = _by_neuron(gradient)
        below = of_weights = of_bias = None
        if ctx.needs_input_grad[0]:
            out = torch.empty((connectivity.shape[0], a.shape[1]), dtype=a.dtype)
            indptr, positions, indices = connectivity.transposed
            _native.transposed_product(
                indptr, positions, indices, weights, delta.numpy(), out.numpy(), n_threads=n_threads
            )
            below = _by_sample(out, len(gradient))
        if ctx.needs_input_grad[1] or ctx.needs_input_grad[2]:
            of_weights, of_bias = torch.empty_like(weight), weight.new_empty(connectivity.shape[1])
            indptr, indices = connectivity.index
            found = of_weights.numpy(), of_bias.numpy()
            _native.gradient(indptr, indices, a.numpy(), delta.numpy(), *found, n_threads=n_threads)
            ctx.layer._observe(weight, of_weights, a, delta)
        return below, of_weights, of_bias if ctx.needs_input_grad[2] else None, None


def _draw(shape: tuple[int, int], density, epsilon, rng: np.random.Generator) -> Connectivity:
    """Random connections of a layer, as many as the one that is given of two asks for."""
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


class SparseLinear(nn.Module):
    """A linear layer whose weights exist only at its connections.

    It computes what ``torch.nn.Linear`` does, ``y = x @ W + b``, with a random sparse W, on
    the kernels of this package: forward, and the gradients at the input, at the connections
    and at the bias. Nothing of the size of a dense W is ever made. As many threads work as
    ``torch.get_num_threads()`` allows; the result does not depend on their number.

    Parameters
    ----------
    in_features, out_features : int
        Number of neurons before and behind the layer.
    density : float, default=None
        Share of the possible connections that exist, in (0, 1]; their number is rounded.
    epsilon : float, default=None
        Instead of `density`: ``epsilon * (in_features + out_features)`` places are drawn with
        replacement (Mocanu et al. 2018, eq. 1); a narrow layer ends up nearly full.
    bias : bool, default=True
        Whether a bias is learned.
    init : {"he_uniform", "he_normal", "glorot_uniform", "normal"}, default="he_uniform"
        Scale of the first weights, by the real number of connections of a neuron, as in the
        estimators. Biases start at 0.
    evolves : bool, default=True
        Whether `evolve` rewires this layer.
    track : collection of {"sensitivity", "gradient"}, default=()
        What the backward passes leave behind for `evolve`: the sum of ``|w * dL/dw|`` over
        the batches since the last rewiring (for ``drop="sensitivity"``), the inputs and output
        gradients of the last batch (for ``grow="gradient"``).
    generator : torch.Generator, default=None
        Source of the random connections and weights; torch's default one if None.
    dtype : torch.dtype, default=None
        ``torch.float32`` or ``torch.float64``; torch's default one if None.

    Attributes
    ----------
    weight : torch.nn.Parameter of shape (n_connections,)
        A weight for each connection, in the order of `indices`.
    bias : torch.nn.Parameter of shape (out_features,) or None
    indptr : Tensor of shape (out_features + 1,), dtype int32
        Connections ``indptr[j]:indptr[j + 1]`` end in output neuron j. A buffer.
    indices : Tensor of shape (n_connections,), dtype int32
        Input neuron of each connection, ascending within an output neuron. A buffer.

    Raises
    ------
    ValueError
        If not exactly one of `density` and `epsilon` is given or one is out of its range;
        in a call, if the input has other features.
    TypeError
        In a call, if the input or the weights are not on the CPU, or are of another dtype.

    Examples
    --------
    >>> import torch
    >>> from sklearn_set.torch import SparseLinear
    >>> _ = torch.manual_seed(0)
    >>> model = torch.nn.Sequential(
    ...     SparseLinear(100, 50, density=0.1), torch.nn.ReLU(), torch.nn.Linear(50, 3)
    ... )
    >>> model[0]
    SparseLinear(in_features=100, out_features=50, connections=500, density=0.1, bias=True)
    >>> model(torch.randn(8, 100)).shape
    torch.Size([8, 3])
    """

    __module__ = "sklearn_set.torch"  # for users and in pickles, whatever file holds it

    weight: nn.Parameter
    bias: nn.Parameter | None
    indptr: torch.Tensor
    indices: torch.Tensor

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        density: float | None = None,
        epsilon: float | None = None,
        bias: bool = True,
        init: str = "he_uniform",
        evolves: bool = True,
        track: Collection[str] = (),
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
    ):
        for name, size in (("in_features", in_features), ("out_features", out_features)):
            if not isinstance(size, int | np.integer) or size < 1:
                raise ValueError(f"{name}={size!r} must be a whole number >= 1.")
        if init not in _INITS:
            raise ValueError(f"init={init!r} is not one of {_INITS}.")
        dtype = torch.get_default_dtype() if dtype is None else dtype
        require_supported(dtype)
        rng = numpy_generator(generator)
        connectivity = _draw((int(in_features), int(out_features)), density, epsilon, rng)
        weights = initial_weights(connectivity, init, _DTYPES[dtype], rng)
        start = torch.zeros(connectivity.shape[1], dtype=dtype) if bias else None
        self._set_up(connectivity, weights, start, evolves, track)

    def _set_up(self, connectivity, weights, bias, evolves, track) -> None:
        super().__init__()
        unknown = set(track) - set(_TRACKED)
        if unknown:
            raise ValueError(f"track={track!r}: {sorted(unknown)} are not among {_TRACKED}.")
        self.in_features, self.out_features = connectivity.shape
        self.evolves, self.track = bool(evolves), tuple(track)
        self.weight = nn.Parameter(torch.from_numpy(weights))
        self.register_parameter("bias", None if bias is None else nn.Parameter(bias))
        self.register_buffer("indptr", torch.from_numpy(connectivity.indptr))
        self.register_buffer("indices", torch.from_numpy(connectivity.indices))
        self._forget()

    def _forget(self) -> None:
        """Nothing is known about the last batches or the last rewiring."""
        self._known: tuple | None = None
        self._sensitivity: np.ndarray | None = None
        self._last_batch: tuple[torch.Tensor, torch.Tensor] | None = None
        self._newborn: np.ndarray | None = None

    @classmethod
    def from_scipy(cls, coef, bias=None, *, evolves: bool = True, track=()) -> SparseLinear:
        """Make a layer of given connections and weights.

        Parameters
        ----------
        coef : sparse array of shape (in_features, out_features)
            As in the estimators' `coefs_`; copied. Every stored value is a connection,
            a stored zero too. float32 or float64.
        bias : array-like of shape (out_features,), default=None
            None: the layer has no bias.
        evolves, track : bool, collection of str
            As in the constructor.

        Returns
        -------
        layer : SparseLinear

        Examples
        --------
        >>> import torch
        >>> from scipy import sparse
        >>> from sklearn_set.torch import SparseLinear
        >>> layer = SparseLinear.from_scipy(sparse.csc_array([[1.0, 0.0], [2.0, 3.0]]))
        >>> layer(torch.ones(1, 2, dtype=torch.float64)).tolist()
        [[3.0, 3.0]]
        """
        coef = sparse.csc_array(coef, copy=True)
        coef.sum_duplicates()
        connectivity = Connectivity(
            coef.indptr.astype(np.int32), coef.indices.astype(np.int32), coef.shape
        )
        if coef.dtype not in _DTYPES.values():
            raise TypeError(f"coef has dtype {coef.dtype}; float32 or float64 is needed.")
        if bias is not None:
            bias = np.array(bias, dtype=coef.dtype)
            if bias.shape != coef.shape[1:]:
                raise ValueError(
                    f"bias has shape {bias.shape}, coef of shape {coef.shape} needs "
                    f"({coef.shape[1]},)."
                )
            bias = torch.from_numpy(bias)
        layer = cls.__new__(cls)
        layer._set_up(connectivity, coef.data, bias, evolves, track)
        return layer

    def to_scipy(self) -> sparse.csc_array:
        """The weights as a sparse array of shape (in_features, out_features), a copy."""
        parts = (self.weight.detach().numpy(), self.indices.numpy(), self.indptr.numpy())
        return sparse.csc_array(parts, shape=(self.in_features, self.out_features), copy=True)

    @property
    def connectivity(self) -> Connectivity:
        """The buffers as the core's value, kept until they change."""
        buffers = (self.indptr, self.indices)
        state = [(id(buffer), buffer._version) for buffer in buffers]
        known = self._known  # holds the buffers, too, so that no others get their ids
        if known is None or known[0] != state:
            shape = (self.in_features, self.out_features)
            value = Connectivity(self.indptr.numpy(), self.indices.numpy(), shape)
            known = self._known = state, value, buffers
        return known[1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map an input of shape (..., in_features) to (..., out_features)."""
        weight = self.weight
        for name, tensor in (("input", x), ("layer", weight)):
            if tensor.device.type != "cpu":
                raise TypeError(
                    f"SparseLinear runs on the CPU only; the {name} is on {tensor.device}. "
                    'Move it with .to("cpu").'
                )
        require_supported(weight.dtype)
        if x.dtype != weight.dtype or x.layout != torch.strided:
            raise TypeError(
                f"The input is a {x.layout} tensor of {x.dtype}; this layer needs a dense one of "
                f"{weight.dtype}. Convert the input, or the layer with .float() or .double()."
            )
        if x.ndim < 1 or x.shape[-1] != self.in_features:
            raise ValueError(
                f"The input has shape {tuple(x.shape)}; its last dimension must be in_features="
                f"{self.in_features}."
            )
        rows = x.reshape(-1, self.in_features)
        return _Product.apply(rows, weight, self.bias, self).reshape(
            *x.shape[:-1], self.out_features
        )

    def _observe(self, weight, gradient, a, delta) -> None:
        """Keep of a backward pass what `track` asks for."""
        if "sensitivity" in self.track:
            each = (weight.detach() * gradient).abs_().numpy()
            if self._sensitivity is None or len(self._sensitivity) != len(each):
                self._sensitivity = np.zeros_like(each)
            self._sensitivity += each
        if "gradient" in self.track:
            self._last_batch = (a, delta)

    def _load_from_state_dict(self, state_dict, prefix, *args):
        # Another topology may have another number of connections.
        indices = state_dict.get(prefix + "indices")
        if indices is not None and indices.shape != self.indices.shape:
            self.indices = torch.empty_like(indices)
            self.weight.data = self.weight.data.new_empty(indices.shape)
        super()._load_from_state_dict(state_dict, prefix, *args)
        self._forget()
        errors = args[-1]
        if indices is not None and len(indices) and int(indices.max()) >= self.in_features:
            errors.append(
                f"{prefix}indices names input {int(indices.max())}, but the layer has "
                f"in_features={self.in_features}."
            )

    def __getstate__(self):
        state = self.__dict__.copy()
        state["_known"] = state["_last_batch"] = None  # a cache, and large
        return state

    def extra_repr(self) -> str:
        n = len(self.indices)
        density = n / (self.in_features * self.out_features)
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, connections={n}, "
            f"density={density:.3g}, bias={self.bias is not None}"
        )


def require_supported(dtype: torch.dtype) -> None:
    if dtype not in _DTYPES:
        raise TypeError(
            f"SparseLinear computes in torch.float32 or torch.float64, not in {dtype}. "
            "Convert it with .float() or .double()."
        )


def numpy_generator(generator: torch.Generator | None) -> np.random.Generator:
    """A generator of the core's kind, seeded by torch's."""
    seed = torch.randint(2**63 - 1, (), generator=generator).item()
    return np.random.Generator(np.random.PCG64(int(seed)))
