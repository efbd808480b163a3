"""Sparse convolutions.

Owns: their windows, and the meeting of torch's tensors and autograd with the core's convolutions.
May not touch: when a layer's connections change, optimizers, estimators.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Collection

import numpy as np
import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn.grad import conv2d_weight

from .. import _native
from .._threads import effective_n_threads
from ._layer import SparseLayer

__all__ = ["SparseConv1d", "SparseConv2d"]

Sizes = int | tuple[int, ...]

_COMMON = """\
It computes what ``torch.nn.{name}`` with ``groups=1`` does, with a weight tensor that is zero
but at random places: a connection is an output channel, an input channel and a place in the
window. See `SparseLinear` for the kernels, threads and `track`.

Parameters
----------
in_channels, out_channels : int
    Number of channels of the input and of the output.
kernel_size, stride, dilation : {sizes}
    As in ``torch.nn.{name}``.
padding : {sizes}, "same" or "valid", default=0
    Zeros around an input; "same": as many as keep its size (with ``stride=1`` only).
density : float, default=None
    Share of the possible connections that exist, in (0, 1]; their number is rounded.
epsilon : float, default=None
    Instead of `density`: ``epsilon * (in_channels * {window} + out_channels)``
    places are drawn with replacement.
bias, init, evolves, track, generator, dtype
    As in `SparseLinear`.

Attributes
----------
weight, bias, indptr
    As in `SparseLinear`, with output channels as output neurons.
indices : Tensor of shape (n_connections,), dtype int32
    What each connection reads of a window, ``{place}``;
    ascending within an output channel. A buffer.

Raises
------
ValueError
    If not exactly one of `density` and `epsilon` is given, or a parameter is out of its
    range; in a call, if the input has another shape, or is smaller than the window.
TypeError
    In a call, if the input or the weights are not on the CPU, or are of another dtype."""


class _Convolution(torch.autograd.Function):
    """The convolution of images (N, channels, height, width)."""

    @staticmethod
    def forward(ctx, images, weight, bias, layer, size):
        connectivity, window = layer.connectivity, layer._window
        indptr, indices = connectivity.index
        out = images.new_empty(len(images), connectivity.shape[1], *size)
        start = images.new_zeros(connectivity.shape[1]) if bias is None else bias.detach()
        _native.convolve(
            indptr,
            indices,
            weight.detach().numpy(),
            start.numpy(),
            window,
            images.detach().contiguous().numpy(),
            out.numpy(),
            n_threads=effective_n_threads(torch.get_num_threads()),
        )
        ctx.save_for_backward(images, weight)
        ctx.layer, ctx.connectivity, ctx.window = layer, connectivity, window
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        images, weight = ctx.saved_tensors
        images, delta = images.detach().contiguous(), gradient.contiguous()
        connectivity, window = ctx.connectivity, ctx.window
        indptr, indices = connectivity.index
        n_threads = effective_n_threads(torch.get_num_threads())
        below = of_weights = of_bias = None
        if ctx.needs_input_grad[0]:
            below, by_place = torch.empty_like(images), connectivity.transposed
            _native.convolution_input_gradient(
                indptr,
                indices,
                by_place.indptr,
                by_place.positions,
                by_place.indices,
                weight.detach().numpy(),
                window,
                delta.numpy(),
                below.numpy(),
                n_threads=n_threads,
            )
        if ctx.needs_input_grad[1] or ctx.needs_input_grad[2]:
            of_weights, of_bias = torch.empty_like(weight), weight.new_empty(delta.shape[1])
            _native.convolution_gradient(
                indptr,
                indices,
                window,
                images.numpy(),
                delta.numpy(),
                of_weights.numpy(),
                of_bias.numpy(),
                n_threads=n_threads,
            )
            ctx.layer._track_gradients(weight, of_weights, images, delta)
        return below, of_weights, of_bias if ctx.needs_input_grad[2] else None, None, None


class _SparseConv(SparseLayer):
    """What convolutions along one and two axes share."""

    n_axes: int

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
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
        super().__init__()
        (self.in_channels,) = _sizes("in_channels", in_channels, 1, 1)
        (self.out_channels,) = _sizes("out_channels", out_channels, 1, 1)
        self.kernel_size = _sizes("kernel_size", kernel_size, self.n_axes, 1)
        self.stride = _sizes("stride", stride, self.n_axes, 1)
        self.dilation = _sizes("dilation", dilation, self.n_axes, 1)
        if padding == "same" and max(self.stride) > 1:
            raise ValueError(
                f"padding='same' needs stride=1, but stride={stride!r}. Give a number of pixels."
            )
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"padding={padding!r} is neither a size, 'same' nor 'valid'.")
            self.padding: tuple[int, ...] | str = padding
        else:
            self.padding = _sizes("padding", padding, self.n_axes, 0)
        self._set_up_at_random(density, epsilon, bias, init, evolves, track, generator, dtype)

    @property
    def shape(self) -> tuple[int, int]:
        return self.in_channels * math.prod(self.kernel_size), self.out_channels

    @property
    def _margins(self) -> list[tuple[int, int]]:
        """Zeros before and after each axis of an image."""
        if not isinstance(self.padding, str):
            return [(p, p) for p in self.padding]
        if self.padding == "valid":
            return [(0, 0)] * self.n_axes
        spans = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size)]
        return [(span // 2, span - span // 2) for span in spans]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images (N, in_channels, ...), or one without N, to (N, out_channels, ...)."""
        self._check_input(x)
        n_axes = self.n_axes
        if x.ndim not in (n_axes + 1, n_axes + 2) or x.shape[-n_axes - 1] != self.in_channels:
            raise ValueError(
                f"The input has shape {tuple(x.shape)}; it must be (N, {self.in_channels}, "
                f"{', '.join('HW'[-n_axes:])}), or that without N, for in_channels="
                f"{self.in_channels}."
            )
        margins, sizes = self._margins, x.shape[-n_axes:]
        spans = [d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel_size)]
        room = [size + sum(margin) - span for size, margin, span in zip(sizes, margins, spans)]
        if min(room) < 0:
            raise ValueError(
                f"The input has shape {tuple(x.shape)}; with its padding it is smaller than the "
                f"kernel, which spans {tuple(spans)}."
            )
        out = [r // stride + 1 for r, stride in zip(room, self.stride)]
        # One axis is the horizontal one of images that are one pixel high.
        images = x.reshape(-1, self.in_channels, *[1] * (2 - n_axes), *sizes)
        found = _Convolution.apply(images, self.weight, self.bias, self, [1] * (2 - n_axes) + out)
        return found.reshape(*x.shape[: -n_axes - 1], self.out_channels, *out)

    @property
    def _window(self) -> np.ndarray:
        """The window as the core takes it: pairs, the vertical axis first."""
        of_axes = (self.kernel_size, self.stride, [p for p, _ in self._margins], self.dilation)
        pairs = [(fill,) * (2 - self.n_axes) + tuple(v) for fill, v in zip((1, 1, 0, 1), of_axes)]
        return np.array(pairs, np.int32).ravel()

    def _gradients(self, images, delta, begin: int, end: int) -> torch.Tensor:
        margins = [0, 0] * (2 - self.n_axes)
        for margin in self._margins:
            margins = [*margin, *margins]
        kernel, stride, _, dilation = self._window.reshape(4, 2).tolist()
        padded = nn.functional.pad(images, margins)
        size = (end - begin, self.in_channels, *kernel)
        return conv2d_weight(
            padded, size, delta[:, begin:end].contiguous(), stride, 0, dilation
        ).flatten(1)

    def extra_repr(self) -> str:
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"]
        for name, default in (("stride", 1), ("padding", 0), ("dilation", 1)):
            value = getattr(self, name)
            if value != (default,) * self.n_axes:
                parts.append(f"{name}={value!r}")
        return ", ".join([*parts, self._describe_connections()])


def _documented(sizes: str, window: str, place: str):
    """Fill in what the documentation of all convolutions shares."""

    def decorate(cls):
        name = cls.__name__.removeprefix("Sparse")
        common = _COMMON.format(name=name, sizes=sizes, window=window, place=place)
        cls.__doc__ = inspect.cleandoc(cls.__doc__ or "").replace("{common}", common)
        return cls

    return decorate


@_documented("int", window="kernel_size", place="channel * kernel_size + offset")
class SparseConv1d(_SparseConv):
    """A convolution along one axis whose weights exist only at its connections.

    {common}

    Examples
    --------
    >>> import torch
    >>> from sklearn_set.torch import SparseConv1d
    >>> _ = torch.manual_seed(0)
    >>> layer = SparseConv1d(16, 32, 3, padding=1, density=0.05)
    >>> layer.weight.shape
    torch.Size([77])
    >>> layer(torch.randn(8, 16, 20)).shape
    torch.Size([8, 32, 20])

    The weight tensor that ``torch.nn.Conv1d`` would have:

    >>> torch.from_numpy(layer.to_scipy().toarray().T).reshape(32, 16, 3).shape
    torch.Size([32, 16, 3])
    """

    __module__ = "sklearn_set.torch"
    n_axes = 1


@_documented(
    "int or tuple of two",
    window="kernel_height * kernel_width",
    place="(channel * kernel_height + row) * kernel_width + column",
)
class SparseConv2d(_SparseConv):
    """A convolution of images whose weights exist only at its connections.

    {common}

    Examples
    --------
    >>> import torch
    >>> from sklearn_set.torch import SparseConv2d
    >>> _ = torch.manual_seed(0)
    >>> layer = SparseConv2d(16, 32, 3, padding=1, density=0.05)
    >>> layer.weight.shape
    torch.Size([230])
    >>> layer(torch.randn(8, 16, 20, 20)).shape
    torch.Size([8, 32, 20, 20])

    The weight tensor that ``torch.nn.Conv2d`` would have:

    >>> torch.from_numpy(layer.to_scipy().toarray().T).reshape(32, 16, 3, 3).shape
    torch.Size([32, 16, 3, 3])
    """

    __module__ = "sklearn_set.torch"
    n_axes = 2


def _sizes(name: str, value: Sizes, n: int, least: int) -> tuple[int, ...]:
    """`n` whole numbers, given as such or as one for all."""
    values = tuple(value) if isinstance(value, tuple | list) else (value,) * n
    whole = all(isinstance(v, int | np.integer) and v >= least for v in values)
    if len(values) != n or not whole:
        kind = "a whole number" if n == 1 else f"a whole number, or {n} of them,"
        raise ValueError(f"{name}={value!r} must be {kind} >= {least}.")
    return tuple(int(v) for v in values)
