"""The sparse linear layer.

Owns: the meeting of torch's tensors and autograd with the core's products. May not touch: when
a layer's connections change, optimizers, estimators.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import torch
from scipy import sparse
from torch import nn
from torch.autograd.function import once_differentiable

from .. import _native
from .._threads import effective_n_threads
from .._topology import Connectivity
from ._layer import DTYPES, SparseLayer

__all__ = ["SparseLinear"]


def _stride(batch: int, itemsize: int) -> int:
    """Values in a row of the core's layout: 16, 32 or a multiple of 64 bytes."""
    n_bytes = batch * itemsize
    padded = 16 if n_bytes <= 16 else 32 if n_bytes <= 32 else -(-n_bytes // 64) * 64
    return padded // itemsize


def _by_neuron(x: torch.Tensor) -> torch.Tensor:
    """A row for each neuron, as the kernels read it; lanes after the batch are zero.

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
            ctx.layer._track_gradients(weight, of_weights, a, delta)
        return below, of_weights, of_bias if ctx.needs_input_grad[2] else None, None


class SparseLinear(SparseLayer):
    """A linear layer whose weights exist only at its connections.

    It computes what ``torch.nn.Linear`` does, ``y = x @ W + b``, with a random sparse W, on
    the kernels of this package: forward, and the gradients at the input, at the connections
    and at the bias. Nothing of the size of a dense W is ever made. As many threads work as
    ``torch.get_num_threads()`` allows; the result does not depend on their number.

    Parameters
    ----------
    in_features, out_features : int
        Number of input and of output neurons.
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
        What the backward passes keep for `evolve`: the sum of ``|w * dL/dw|`` over
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
        super().__init__()
        self.shape = int(in_features), int(out_features)
        self._set_up_at_random(density, epsilon, bias, init, evolves, track, generator, dtype)

    @property
    def shape(self) -> tuple[int, int]:
        return self.in_features, self.out_features

    @shape.setter
    def shape(self, shape: tuple[int, int]) -> None:
        self.in_features, self.out_features = shape

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
        if coef.dtype not in DTYPES.values():
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
        nn.Module.__init__(layer)
        layer.shape = connectivity.shape
        layer._set_up(connectivity, coef.data, bias, evolves, track)
        return layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map an input of shape (..., in_features) to (..., out_features)."""
        self._check_input(x)
        if x.ndim < 1 or x.shape[-1] != self.in_features:
            raise ValueError(
                f"The input has shape {tuple(x.shape)}; its last dimension must be in_features="
                f"{self.in_features}."
            )
        rows = x.reshape(-1, self.in_features)
        out = _Product.apply(rows, self.weight, self.bias, self)
        return out.reshape(*x.shape[:-1], self.out_features)

    def _gradients(self, a, delta, begin: int, end: int) -> torch.Tensor:
        return delta[begin:end] @ a.T

    def extra_repr(self) -> str:
        sizes = f"in_features={self.in_features}, out_features={self.out_features}"
        return f"{sizes}, {self._describe_connections()}"
