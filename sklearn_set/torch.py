"""Sparse layers for PyTorch, on the processor (``pip install "sklearn-set[torch]"``).

`SparseLinear` stands where a ``torch.nn.Linear`` would; `evolve` rewires such layers
between two steps of any optimizer; `to_torch` and `from_torch` take a fitted network there
and back.

Owns: the meeting of torch's tensors, modules and optimizers with the core. May not touch:
the rules of evolution, which are those of the estimators.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from . import _native
from ._base import BaseSparseMLP, _Learner
from ._classification import BaseSparseMLPClassifier
from ._evolution import DROPS, GROWS, NeuronPruning, new_weights_rule
from ._losses import Loss
from ._network import ACTIVATIONS, Layer, Network, initial_weights
from ._threads import effective_n_threads
from ._topology import Connectivity, Rewiring, erdos_renyi
from ._training import Course, Streams

try:
    import torch
    from torch import nn
    from torch.autograd.function import once_differentiable
except ImportError as error:
    raise ImportError(
        'sklearn_set.torch needs PyTorch. Install it with `pip install "sklearn-set[torch]"`.'
    ) from error

__all__ = ["SparseLinear", "evolve", "from_torch", "to_torch"]

_INITS = ("he_uniform", "he_normal", "glorot_uniform", "normal")
_TRACKED = ("sensitivity", "gradient")
# Modules without parameters that treat every neuron alike and alone.
_ELEMENTWISE = (
    nn.Identity, nn.Dropout, nn.ReLU, nn.LeakyReLU, nn.Tanh, nn.Sigmoid, nn.ELU, nn.GELU,
    nn.SiLU, nn.Softplus, nn.ReLU6, nn.Hardtanh, nn.Hardswish,
)  # fmt: skip


# ---------------------------------------------------------------- the layer


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
        _native.product(
            connectivity.indptr,
            connectivity.indices,
            weight.detach().numpy(),
            start.numpy(),
            a.numpy(),
            out.numpy(),
            n_threads=effective_n_threads(torch.get_num_threads()),
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
            by_source = connectivity.transposed
            _native.transposed_product(
                by_source.indptr,
                by_source.positions,
                by_source.indices,
                weights,
                delta.numpy(),
                out.numpy(),
                n_threads=n_threads,
            )
            below = _by_sample(out, len(gradient))
        if ctx.needs_input_grad[1] or ctx.needs_input_grad[2]:
            of_weights, of_bias = torch.empty_like(weight), weight.new_empty(connectivity.shape[1])
            _native.gradient(
                connectivity.indptr,
                connectivity.indices,
                a.detach().numpy(),
                delta.numpy(),
                of_weights.numpy(),
                of_bias.numpy(),
                n_threads=n_threads,
            )
            ctx.layer._observe(weight, of_weights, a, delta)
        return below, of_weights, of_bias if ctx.needs_input_grad[2] else None, None


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
        replacement (Mocanu et al. 2018 [1]_, eq. 1); a narrow layer ends up nearly full.
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

    References
    ----------
    .. [1] Mocanu, D.C., Mocanu, E., Stone, P., Nguyen, P.H., Gibescu, M., Liotta, A.,
       "Scalable training of artificial neural networks with adaptive sparse
       connectivity inspired by network science", Nature Communications 9:2383, 2018.

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
        if (density is None) == (epsilon is None):
            raise ValueError(
                f"density={density!r} and epsilon={epsilon!r}: give exactly one of them, for "
                "example epsilon=20."
            )
        if init not in _INITS:
            raise ValueError(f"init={init!r} is not one of {_INITS}.")
        dtype = torch.get_default_dtype() if dtype is None else dtype
        _require_supported(dtype)
        rng = _rng(generator)
        shape = (int(in_features), int(out_features))
        if density is not None:
            if not 0 < density <= 1:
                raise ValueError(f"density={density!r} must lie in (0, 1].")
            empty = Connectivity(np.zeros(shape[1] + 1, np.int32), np.empty(0, np.int32), shape)
            n_connections = max(1, round(density * shape[0] * shape[1]))
            connectivity = empty.grow(np.empty(0, np.uint8), n_connections, rng).after
        else:
            if epsilon is None or not epsilon > 0:
                raise ValueError(f"epsilon={epsilon!r} must be > 0.")
            connectivity = erdos_renyi(shape, epsilon, rng)
        weights = initial_weights(connectivity, init, _numpy_dtype(dtype), rng)
        start = torch.zeros(shape[1], dtype=dtype) if bias else None
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
        evolves : bool, default=True
            Whether `evolve` rewires this layer.
        track : collection of {"sensitivity", "gradient"}, default=()
            As in the constructor.

        Returns
        -------
        layer : SparseLinear

        Examples
        --------
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
        if coef.dtype not in (np.float32, np.float64):
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
        data = self.weight.detach().numpy().copy()
        parts = (data, self.indices.numpy().copy(), self.indptr.numpy().copy())
        return sparse.csc_array(parts, shape=(self.in_features, self.out_features))

    @property
    def connectivity(self) -> Connectivity:
        """The buffers as the core's value, kept until they change."""
        buffers = (self.indptr, self.indices)
        versions = tuple(buffer._version for buffer in buffers)
        known = self._known
        if (
            known is None
            or known[1] != versions
            or any(a is not b for a, b in zip(known[0], buffers))
        ):
            shape = (self.in_features, self.out_features)
            value = Connectivity(self.indptr.numpy(), self.indices.numpy(), shape)
            known = self._known = buffers, versions, value
        return known[2]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map an input of shape (..., in_features) to (..., out_features)."""
        weight = self.weight
        for name, tensor in (("input", x), ("layer", weight)):
            if tensor.device.type != "cpu":
                raise TypeError(
                    f"SparseLinear runs on the CPU only; the {name} is on {tensor.device}. "
                    'Move it with .to("cpu").'
                )
        _require_supported(weight.dtype)
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
            self._last_batch = (a.detach(), delta)

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


def _require_supported(dtype: torch.dtype) -> None:
    if dtype not in (torch.float32, torch.float64):
        raise TypeError(
            f"SparseLinear computes in torch.float32 or torch.float64, not in {dtype}. "
            "Convert it with .float() or .double()."
        )


def _numpy_dtype(dtype: torch.dtype):
    return np.float32 if dtype == torch.float32 else np.float64


def _rng(generator: torch.Generator | None) -> np.random.Generator:
    """A generator of the core's kind, seeded by torch's."""
    seed = torch.randint(2**63 - 1, (), generator=generator).item()
    return np.random.Generator(np.random.PCG64(int(seed)))


# ---------------------------------------------------------------- evolution


@dataclass
class _Slot:
    """A tensor of one value per weight (or bias): where it is kept, and its value for new ones."""

    home: Any
    name: str
    values: np.ndarray
    fresh: float

    def store(self) -> None:
        tensor = torch.from_numpy(np.ascontiguousarray(self.values))
        if isinstance(self.home, dict):
            self.home[self.name] = tensor
        else:
            setattr(self.home, self.name, tensor)


@dataclass(eq=False)
class _ModuleLayer(Layer):
    """A module's connections and weights; optimizer state of any kind moves along with them."""

    of_weights: list[_Slot] = field(default_factory=list)
    of_bias: list[_Slot] = field(default_factory=list)

    def carry(self, rewiring: Rewiring, new_weights: np.ndarray | None = None) -> None:
        super().carry(rewiring, new_weights)
        n_new = int(np.count_nonzero(rewiring.source < 0))
        for slot in self.of_weights:
            fresh = np.full(n_new, slot.fresh, slot.values.dtype)
            slot.values = rewiring.carry(slot.values, fresh)

    def keep_outputs(self, keep: np.ndarray) -> None:
        super().keep_outputs(keep)
        for slot in self.of_bias:
            slot.values = slot.values[keep]


class _State:
    """What an optimizer keeps for a parameter."""

    def __init__(self, optimizer: torch.optim.Optimizer | None):
        self.optimizer = optimizer
        groups = optimizer.param_groups if optimizer is not None else []
        self.group = {id(p): group for group in groups for p in group["params"]}

    def slots(self, parameter: nn.Parameter | None, name: str) -> list[_Slot]:
        if parameter is None:
            return []
        found = []
        if parameter.grad is not None:
            found.append(_Slot(parameter, "grad", parameter.grad.numpy(), 0.0))
        if self.optimizer is None:
            return found
        group = self.group.get(id(parameter))
        if group is None:
            raise ValueError(
                f"The optimizer does not hold the {name} of a SparseLinear that is to evolve. "
                "Make the optimizer from the parameters of this very model."
            )
        # What torch's own optimizers begin with, where it is not 0.
        fresh = {"step_size": group.get("lr"), "sum": group.get("initial_accumulator_value", 0.0)}
        for key, value in self.optimizer.state.get(parameter, {}).items():
            if not isinstance(value, torch.Tensor):
                alone = not isinstance(value, list | tuple | dict)
            elif value.shape == parameter.shape:
                values = value.detach().numpy()
                found.append(
                    _Slot(self.optimizer.state[parameter], key, values, fresh.get(key, 0.0))
                )
                continue
            else:
                alone = value.numel() == 1
            if not alone:
                raise ValueError(
                    f"{type(self.optimizer).__name__} keeps {key!r}, which has no value per "
                    "weight, so that it cannot follow a change of connections. Use an optimizer "
                    "such as SGD or Adam, or make a new one after evolve(model, None)."
                )
        return found


def _runs(module: nn.Module) -> list[list[SparseLinear]]:
    """The SparseLinear of a model, those in one list where each feeds the next alone."""
    if isinstance(module, SparseLinear):
        return [[module]]
    runs: list[list[SparseLinear]] = []
    goes_on = False
    for child in _flat(module):
        if isinstance(child, SparseLinear):
            if goes_on:
                runs[-1].append(child)
            else:
                runs.append([child])
            goes_on = isinstance(module, nn.Sequential)
        elif not isinstance(child, _ELEMENTWISE):
            runs += _runs(child)
            goes_on = False
    layers = list(itertools.chain(*runs))
    distinct = {id(layer): layer for layer in layers}
    if len(distinct) < len(layers):  # used twice: it does not feed one other alone
        return [[layer] for layer in distinct.values()]
    return runs


def _flat(module: nn.Module):
    """The children of a module, those of Sequentials in a Sequential in their place."""
    for child in module.children():
        if isinstance(module, nn.Sequential) and type(child) is nn.Sequential:
            yield from _flat(child)
        else:
            yield child


def evolve(
    module: nn.Module,
    optimizer: torch.optim.Optimizer | None,
    *,
    zeta: float = 0.3,
    alpha: float = 0.0,
    drop: str = "magnitude",
    grow: str = "random",
    new_weights: str = "small",
    generator: torch.Generator | None = None,
) -> dict[str, int]:
    """Rewire the `SparseLinear` layers of a model once, and perhaps prune neurons.

    Call it between two steps of the optimizer, as a rule once an epoch. Weights, their
    gradients and the optimizer's state move with the connections that stay; a new connection
    starts as for a fresh optimizer, with state 0. Parameters stay the same objects.

    Parameters
    ----------
    module : torch.nn.Module
        A SparseLinear or a model with such layers. Those with ``evolves=False`` are not
        rewired (but may lose neurons).
    optimizer : torch.optim.Optimizer or None
        The one that trains `module`. Any that keeps its state per weight: SGD, Adam, AdamW,
        RMSprop, Adagrad and most others, but not LBFGS.
    zeta : float, default=0.3
        Fraction of a layer's connections that is dropped and grown anew, in [0, 1].
    alpha : float, default=0.0
        NPSET: fraction of the neurons between two such layers that is pruned afterwards, in
        [0, 1), with their connections: those with the fewest output connections. Only where
        both layers stand in one ``torch.nn.Sequential`` with nothing but activations and
        dropout between them.
    drop : {"magnitude", "sensitivity", "path"}, default="magnitude"
        Which connections go: of either sign those nearest to zero (SET); those with the
        smallest sum of ``|w * dL/dw|`` (the layers must track "sensitivity"); those on the
        weakest paths through layers that feed each other.
    grow : {"random", "gradient"}, default="random"
        Where new ones come: anywhere (SET), or where the gradient of the last batch is
        largest (RigL; the layers must track "gradient"; it is formed in blocks of rows).
    new_weights : {"small", "zero", "init"}, default="small"
        Their first weights, as in the estimators: of random sign and a quarter of the He
        limit; 0; or drawn at He scale as at the start.
    generator : torch.Generator, default=None
        Source of randomness; torch's default one if None.

    Returns
    -------
    counts : dict
        "n_dropped" and "n_grown" connections, "n_survived" of those grown the last time,
        "n_pruned" neurons.

    Raises
    ------
    ValueError
        If a parameter is out of its range, the optimizer does not hold a layer's weights or
        keeps state that cannot follow, or what a rule needs was not tracked. Nothing is
        changed then.

    Examples
    --------
    >>> import torch
    >>> from sklearn_set.torch import SparseLinear, evolve
    >>> _ = torch.manual_seed(0)
    >>> layer = SparseLinear(50, 40, density=0.2)
    >>> optimizer = torch.optim.Adam(layer.parameters())
    >>> layer(torch.randn(16, 50)).square().sum().backward()
    >>> optimizer.step()
    >>> evolve(layer, optimizer, zeta=0.25)
    {'n_dropped': 99, 'n_grown': 99, 'n_survived': 0, 'n_pruned': 0}
    """
    if not 0 <= zeta <= 1:
        raise ValueError(f"zeta={zeta!r} must lie in [0, 1].")
    if not 0 <= alpha < 1:
        raise ValueError(f"alpha={alpha!r} must lie in [0, 1).")
    for name, value, choices in (
        ("drop", drop, tuple(DROPS)),
        ("grow", grow, tuple(GROWS)),
        ("new_weights", new_weights, ("small", "zero", "init")),
    ):
        if value not in choices:
            raise ValueError(f"{name}={value!r} is not one of {choices}.")
    runs = _runs(module)
    if not runs:
        raise ValueError(f"There is no SparseLinear in this {type(module).__name__}.")
    if alpha > 0 and all(len(run) == 1 for run in runs):
        raise ValueError(
            f"alpha={alpha!r} prunes neurons between two SparseLinear that follow each other in "
            "a torch.nn.Sequential, but there are none. Set alpha=0 or put them into one."
        )
    for layer in itertools.chain(*runs):
        _require_supported(layer.weight.dtype)
        for rule, used, what in (("drop", drop, "sensitivity"), ("grow", grow, "gradient")):
            seen = layer._sensitivity if what == "sensitivity" else layer._last_batch
            if used == what and zeta > 0 and layer.evolves and seen is None:
                raise ValueError(
                    f"{rule}={what!r} needs a backward pass of layers that watch it; this one has "
                    f'track={layer.track!r}. Make it with track=("{what}",).'
                )
    state, rng = _State(optimizer), _rng(generator)
    counts = dict.fromkeys(("n_dropped", "n_grown", "n_survived", "n_pruned"), 0)
    first_weights = new_weights_rule(new_weights, "he_uniform")
    networks = [
        Network([_as_layer(layer, state, zeta > 0, alpha > 0) for layer in run]) for run in runs
    ]
    for run, network in zip(runs, networks):
        numbers = [n for n, layer in enumerate(run) if layer.evolves and zeta > 0]
        keeps = [DROPS[drop](network, n, zeta) for n in numbers]
        for n, keep in zip(numbers, keeps):
            inner = network.layers[n]
            n_new = inner.nnz - int(np.count_nonzero(keep))
            places = _steepest(run[n], keep, n_new) if grow == "gradient" else None
            if inner.newborn is not None:
                counts["n_survived"] += int(np.count_nonzero(inner.newborn & (keep != 0)))
            weights = first_weights(inner, keep, n_new, rng)
            network.rewire(n, GROWS[grow](inner, keep, n_new, rng, places), weights)
            counts["n_dropped"] += n_new
            counts["n_grown"] += n_new
        if alpha > 0:
            pruning = NeuronPruning(alpha, 0, 0, tuple(range(len(run) - 1)))
            counts["n_pruned"] += pruning.prune_hidden(network)
    for run, network in zip(runs, networks):
        for layer, inner in zip(run, network.layers):
            _take_over(layer, inner)
    return counts


def _as_layer(layer: SparseLinear, state: _State, rewire: bool, prune: bool) -> _ModuleLayer:
    bias = layer.weight.new_zeros(layer.out_features) if layer.bias is None else layer.bias
    return _ModuleLayer(
        layer.connectivity,
        layer.weight.detach().numpy(),
        bias.detach().numpy(),
        sensitivity=layer._sensitivity,
        newborn=layer._newborn,
        of_weights=state.slots(layer.weight, "weight")
        if prune or (rewire and layer.evolves)
        else [],
        of_bias=state.slots(layer.bias, "bias") if prune else [],
    )


def _take_over(layer: SparseLinear, inner: Layer) -> None:
    """Give a module the connections, weights and state of a layer that changed."""
    assert isinstance(inner, _ModuleLayer)
    if inner.connectivity is layer.connectivity:
        return
    layer.in_features, layer.out_features = inner.connectivity.shape
    layer.indptr = torch.from_numpy(inner.indptr)
    layer.indices = torch.from_numpy(inner.indices)
    layer._forget()
    layer._newborn = inner.newborn
    pairs = [(layer.weight, inner.weights, inner.of_weights)]
    if layer.bias is not None and len(layer.bias) != len(inner.bias):
        pairs.append((layer.bias, inner.bias, inner.of_bias))
    for parameter, values, slots in pairs:
        parameter.grad = None
        with torch.no_grad():  # in place, so that a graph made before is known to be stale
            if len(parameter) != len(values):
                parameter.data = parameter.data.new_empty(len(values))
            parameter.copy_(torch.from_numpy(values))
        for slot in slots:
            slot.store()


def _steepest(layer: SparseLinear, keep: np.ndarray, n_new: int) -> np.ndarray:
    """Free places with the largest absolute gradient on the last batch, as `grow_at` wants them.

    Those whose gradient is 0 are not among them, so that there may be fewer.
    """
    assert layer._last_batch is not None
    a, delta = layer._last_batch
    connectivity = layer.connectivity
    n_in, n_out = connectivity.shape
    kept = torch.from_numpy(np.flatnonzero(keep))
    sources = layer.indices[kept].long()
    targets = torch.from_numpy(connectivity.destinations())[kept].long()
    sizes, places = a.new_empty(0), torch.empty(0, dtype=torch.int64)
    block = max(1, 2**22 // n_in)
    for begin in range(0, n_out, block):
        gradient = (delta[begin : begin + block] @ a.T).abs_()
        inside = (targets >= begin) & (targets < begin + block)
        gradient[targets[inside] - begin, sources[inside]] = 0
        flat = gradient.flatten()
        size, place = flat.topk(min(n_new, len(flat)))
        sizes, places = torch.cat([sizes, size]), torch.cat([places, place + begin * n_in])
        best = sizes.topk(min(n_new, len(sizes))).indices
        sizes, places = sizes[best], places[best]
    return np.sort(places[sizes > 0].numpy())


# ---------------------------------------------------------------- estimators


def to_torch(estimator: BaseSparseMLP) -> nn.Sequential:
    """A fitted network as a ``torch.nn.Sequential`` of `SparseLinear` layers.

    Parameters
    ----------
    estimator : fitted SETClassifier, NPSETRegressor, SparseMLPClassifier, ...
        Any of the SET*, NPSET*, SparseMLP* and DSR* estimators. It is copied.

    Returns
    -------
    module : torch.nn.Sequential
        In evaluation mode, of the estimator's dtype. It maps samples of shape
        (n_samples, n_features) to what torch's losses want: a classifier to raw outputs
        (one logit per sample for two classes, otherwise one per class or label), a regressor
        to its predictions, of shape (n_samples, n_outputs), with ``loss="poisson"`` to their
        logarithm. Features that the network stopped reading have no connection. Layers that
        the estimator does not rewire (the last one, by default) have ``evolves=False``.

    Raises
    ------
    TypeError
        If `estimator` is none of these.
    sklearn.exceptions.NotFittedError
        If it is not fitted.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_set import SETClassifier
    >>> from sklearn_set.torch import to_torch
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SETClassifier((20,), max_iter=5, random_state=0).fit(X, y)
    >>> with torch.no_grad():
    ...     probabilities = to_torch(model)(torch.from_numpy(X)).softmax(dim=1)
    >>> np.allclose(probabilities, model.predict_proba(X), atol=1e-6)
    True
    """
    if not isinstance(estimator, BaseSparseMLP):
        raise TypeError(
            f"to_torch takes a SET*, NPSET*, SparseMLP* or DSR* estimator, not "
            f"{type(estimator).__name__}."
        )
    check_is_fitted(estimator)
    coefs, biases = estimator.coefs_, [bias.copy() for bias in estimator.intercepts_]
    if not isinstance(estimator, BaseSparseMLPClassifier):
        scale, offset = estimator._target_scale, estimator._target_offset
        if estimator.out_activation_ == "exp":
            biases[-1] = biases[-1] + np.log(scale)
        else:
            last = coefs[-1]
            scaled = last.data * np.repeat(scale, np.diff(last.indptr)).astype(last.dtype)
            coefs[-1] = sparse.csc_array((scaled, last.indices, last.indptr), shape=last.shape)
            biases[-1] = biases[-1] * scale + offset
    evolution, network = estimator._make_evolution(), estimator._network
    evolving = evolution.evolving(network) if evolution.fraction > 0 else ()
    module = nn.Sequential()
    for number, (coef, bias) in enumerate(zip(coefs, biases)):
        module.append(SparseLinear.from_scipy(coef, bias, evolves=number in evolving))
        if number < len(coefs) - 1:
            module.append(_activation_module(estimator.activation, number))
            if estimator.dropout > 0:
                module.append(nn.Dropout(estimator.dropout))
    return module.eval()


_MODULES = {"identity": nn.Identity, "relu": nn.ReLU, "tanh": nn.Tanh, "logistic": nn.Sigmoid}


def _activation_module(name: str, number: int) -> nn.Module:
    """The activation of hidden layer `number`, counted from 0."""
    if name in _MODULES:
        return _MODULES[name]()
    slope = ACTIVATIONS[name][1]
    return nn.LeakyReLU(-slope if name == "all_relu" and number % 2 == 0 else slope)


def from_torch(module: nn.Sequential, estimator: BaseSparseMLP, *, classes=None) -> BaseSparseMLP:
    """An estimator whose network is that of a ``torch.nn.Sequential``.

    Parameters
    ----------
    module : torch.nn.Sequential
        Of SparseLinear (or Linear) layers with the same activation behind all but the last
        one, each followed by Dropout or not, as `to_torch` makes it. It is copied. Its outputs
        mean what those of `to_torch` do.
    estimator : SET*, NPSET* or SparseMLP* estimator
        Gives the class and the parameters of the result; `hidden_layer_sizes`, `activation`
        and `dropout` become those of `module`. If it is fitted, the result keeps its classes.
    classes : array-like of shape (n_classes,), default=None
        Class labels in ascending order, for a classifier that is not fitted.

    Returns
    -------
    estimator : object
        A new, fitted estimator, which predicts what `module` does. Its history is empty.

    Raises
    ------
    TypeError
        If `estimator` is none of these, or `module` no Sequential.
    ValueError
        If `module` has another form, or its outputs do not fit the classes.

    Examples
    --------
    >>> import torch
    >>> from sklearn_set import SETClassifier
    >>> from sklearn_set.torch import SparseLinear, from_torch
    >>> _ = torch.manual_seed(0)
    >>> module = torch.nn.Sequential(
    ...     SparseLinear(4, 10, epsilon=2), torch.nn.ReLU(), SparseLinear(10, 3, epsilon=2)
    ... )
    >>> model = from_torch(module, SETClassifier(), classes=["a", "b", "c"])
    >>> model.predict([[0.0, 1.0, 2.0, 3.0]]).shape, model.hidden_layer_sizes_
    ((1,), (10,))
    """
    if not isinstance(estimator, BaseSparseMLP):
        raise TypeError(
            f"from_torch takes a SET*, NPSET*, SparseMLP* or DSR* estimator, not "
            f"{type(estimator).__name__}."
        )
    if not isinstance(module, nn.Sequential):
        raise TypeError(f"from_torch takes a torch.nn.Sequential, not {type(module).__name__}.")
    layers, activation, dropout = _parse(module)
    network = Network(layers)
    result = clone(estimator).set_params(
        hidden_layer_sizes=network.hidden_layer_sizes, activation=activation, dropout=dropout
    )
    network.set_activation(activation, dropout)
    result.n_features_in_ = layers[0].n_in
    if hasattr(estimator, "feature_names_in_"):
        result.feature_names_in_ = estimator.feature_names_in_
    if isinstance(result, BaseSparseMLPClassifier):
        multilabel = getattr(estimator, "_multilabel", False)
        classes = getattr(estimator, "classes_", None) if classes is None else classes
        if classes is None:
            raise ValueError(
                "classes is missing: give the class labels, or an estimator that is fitted."
            )
        classes = np.unique(np.asarray(classes))
        result._set_classes(np.empty((0, len(classes))), multilabel, classes)
        if result.n_outputs_ != network.n_outputs:
            raise ValueError(
                f"The module has {network.n_outputs} outputs, but {len(classes)} classes need "
                f"{result.n_outputs_}."
            )
    else:
        result.n_outputs_ = network.n_outputs
        result._single_output = network.n_outputs == 1
        result._loss = Loss(result.loss, result.huber_delta)
        result._target_offset = np.zeros(network.n_outputs)
        result._target_scale = np.ones(network.n_outputs)
    learner = _Learner(network, result._make_optimizer(), Streams.spawn(0), Course())
    result._take_over(learner, keep_state=False)
    return result


def _parse(module: nn.Sequential) -> tuple[list[Layer], str, float]:
    """The layers of a Sequential, the name of its activation and its dropout."""
    layers: list[Layer] = []
    between: list[list[nn.Module]] = []  # behind each layer
    for child in _flat(module):
        if isinstance(child, SparseLinear | nn.Linear):
            layers.append(_layer_of(child))
            between.append([])
        elif layers and isinstance(child, _ELEMENTWISE):
            between[-1].append(child)
        else:
            raise ValueError(
                f"from_torch cannot read {child}: only SparseLinear or Linear, activations and "
                "Dropout may follow each other."
            )
    if not layers:
        raise ValueError(f"{module} has no layer; it needs a SparseLinear or a Linear.")
    for before, after in itertools.pairwise(layers):
        if before.n_out != after.n_in:
            raise ValueError(f"A layer of {before.n_out} outputs feeds one of {after.n_in} inputs.")
        if before.weights.dtype != after.weights.dtype:
            raise ValueError(
                f"The layers are of different dtypes, {before.weights.dtype} and "
                f"{after.weights.dtype}; convert the module to one."
            )
    if any(not isinstance(child, nn.Identity) for child in between[-1]):
        raise ValueError(
            f"The module ends with {between[-1][-1]}; its outputs must be raw ones (logits)."
        )
    dropouts = {
        sum(child.p for child in children if isinstance(child, nn.Dropout))
        for children in between[:-1]
    } or {0.0}
    found = [
        [c for c in children if not isinstance(c, nn.Dropout | nn.Identity)]
        for children in between[:-1]
    ]
    for name in ACTIVATIONS:
        if all(_is_activation(name, n, children) for n, children in enumerate(found)):
            if len(dropouts) > 1:
                raise ValueError(f"Different dropouts {sorted(dropouts)}: an estimator has one.")
            return layers, name, dropouts.pop()
    raise ValueError(
        "The hidden layers' activations "
        f"{[' '.join(map(str, children)) or 'none' for children in found]} are not one of "
        f"{sorted(ACTIVATIONS)} for all of them."
    )


def _is_activation(name: str, number: int, children: list[nn.Module]) -> bool:
    if name == "identity":
        return not children
    wanted = _activation_module(name, number)
    if len(children) != 1 or type(children[0]) is not type(wanted):
        return False
    return getattr(children[0], "negative_slope", None) == getattr(wanted, "negative_slope", None)


def _layer_of(child: SparseLinear | nn.Linear) -> Layer:
    _require_supported(child.weight.dtype)
    if isinstance(child, SparseLinear):
        coef = child.to_scipy()
        connectivity = Connectivity(coef.indptr, coef.indices, coef.shape)
        weights = coef.data
    else:
        n_out, n_in = child.weight.shape
        indptr = np.arange(n_out + 1, dtype=np.int32) * np.int32(n_in)
        indices = np.tile(np.arange(n_in, dtype=np.int32), n_out)
        connectivity = Connectivity(indptr, indices, (n_in, n_out))
        weights = child.weight.detach().numpy().ravel().copy()
    if child.bias is None:
        bias = np.zeros(connectivity.shape[1], weights.dtype)
    else:
        bias = child.bias.detach().numpy().copy()
    return Layer(connectivity, weights, bias)
