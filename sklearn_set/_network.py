"""A network: its layers' connections, weights and optimizer state.

Owns: the arrays of the layers and every move of them when the topology
changes. May not touch: when to train or to evolve, and the user's parameters.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter, is_
from typing import Any, ClassVar, NamedTuple

import numpy as np
from scipy import sparse

from . import _native
from ._data import Data
from ._memory import check_memory
from ._optimizers import Optimizer
from ._topology import Connectivity, Rewiring, erdos_renyi

__all__ = ["ACTIVATIONS", "Layer", "Network", "hidden_activation", "initial_weights"]

# name -> (native name, slope); all_relu alternates the sign of its slope.
ACTIVATIONS = {name: (name, 0.0) for name in _native.ACTIVATIONS} | {
    "leaky_relu": ("leaky_relu", 0.01),
    "all_relu": ("leaky_relu", 0.6),
}
_NAMES = {code: name for name, code in _native.ACTIVATIONS.items()}


def hidden_activation(name: str, number: int) -> tuple[str, float]:
    """The core's name of an activation and its slope below zero, in hidden layer `number`."""
    kind, slope = ACTIVATIONS[name]
    return kind, -slope if name == "all_relu" and number % 2 == 0 else slope


def initial_weights(
    connectivity: Connectivity, init: str, dtype, rng: np.random.Generator
) -> np.ndarray:
    """Draw a weight for each connection, scaled by the real number of connections.

    "he_uniform" and "he_normal" have the variance 2 / in-degree of the neuron
    that the connection enters (He et al. 2015); "glorot_uniform" 2 / (mean
    in-degree + mean out-degree) (Glorot and Bengio 2010); "normal" has the
    standard deviation 0.1 of the SET reference.
    """
    nnz = connectivity.nnz
    if init == "normal":
        return (0.1 * rng.standard_normal(nnz)).astype(dtype, copy=False)
    if init == "glorot_uniform":
        n_in, n_out = connectivity.shape
        degree = nnz / max(n_in, 1) + nnz / max(n_out, 1)
        scale = np.sqrt(2 / degree) if nnz else 0.0
    else:
        in_degree = connectivity.in_degree()
        scale = np.repeat(np.sqrt(2 / np.maximum(in_degree, 1)), in_degree)
    if init == "he_normal":
        draws = rng.standard_normal(nnz)
    else:
        draws = rng.uniform(-np.sqrt(3), np.sqrt(3), nnz)
    return (scale * draws).astype(dtype, copy=False)


@dataclass(eq=False)
class Layer:
    """Connections, weights and optimizer state of one layer.

    The core reads these attributes by name; arrays with a value for each connection are
    aligned with ``connectivity.indices``.
    """

    #: The arrays, by what they have a value for; the first of each is always there.
    PER_CONNECTION: ClassVar = ("weights", "first", "second", "sensitivity")
    PER_NEURON: ClassVar = ("bias", "bias_first", "bias_second")

    connectivity: Connectivity
    weights: np.ndarray
    bias: np.ndarray
    activation: int = 0
    slope: float = 0.0
    dropout: float = 0.0
    first: np.ndarray | None = None
    second: np.ndarray | None = None
    bias_first: np.ndarray | None = None
    bias_second: np.ndarray | None = None
    sensitivity: np.ndarray | None = None
    # Connections grown at the last rewiring.
    newborn: np.ndarray | None = field(default=None, repr=False)

    indptr = property(lambda self: self.connectivity.indptr)
    indices = property(lambda self: self.connectivity.indices)
    n_in = property(lambda self: self.connectivity.shape[0])
    n_out = property(lambda self: self.connectivity.shape[1])
    nnz = property(lambda self: self.connectivity.nnz)
    by_source_indptr = property(lambda self: self.connectivity.transposed.indptr)
    by_source_positions = property(lambda self: self.connectivity.transposed.positions)
    by_source_indices = property(lambda self: self.connectivity.transposed.indices)

    def carry(self, rewiring: Rewiring, new_weights: np.ndarray | None = None) -> None:
        """Change the connections; all values per connection move along.

        The weights of new connections are given in their order (none: 0); their
        optimizer state is 0.
        """
        self.connectivity = rewiring.after
        for name in self.PER_CONNECTION:
            values = getattr(self, name)
            if values is not None:
                fresh = new_weights if name == "weights" else None
                setattr(self, name, rewiring.carry(values, fresh))

    def keep_neurons(self, keep: np.ndarray) -> None:
        """Remove neurons; all values per neuron follow."""
        for name in self.PER_NEURON:
            values = getattr(self, name)
            if values is not None:
                setattr(self, name, values[keep])

    def __copy__(self) -> Layer:
        """The same arrays in another layer; twenty times as fast as what `copy` does itself."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    def copy(self, *, state: bool) -> Layer:
        """A copy with arrays of its own, with or without all that training needs besides."""
        copied = copy.copy(self)
        values = vars(copied)
        for first, *others in (self.PER_CONNECTION, self.PER_NEURON):
            values[first] = values[first].copy()
            for name in others:
                there = state and values[name] is not None
                values[name] = values[name].copy() if there else None
        copied.newborn = self.newborn if state else None
        return copied


#: Everything that the core reads of a layer.
_read_by_core = attrgetter(
    "connectivity", *Layer.PER_CONNECTION, *Layer.PER_NEURON, "activation", "slope", "dropout"
)


class _Bound(NamedTuple):
    """The core's view of the arrays in `key`, and what it serves."""

    key: list
    sparse: bool
    train: bool
    native: Any


class Network:
    """A stack of sparse layers.

    Parameters
    ----------
    layers : list of Layer
    features : ndarray of int, optional
        The features that the first layer reads, ascending; None: all of them.
    """

    def __init__(self, layers: Iterable[Layer], features: np.ndarray | None = None):
        self.layers = list(layers)
        self.features = features
        self._bound: _Bound | None = None

    @classmethod
    def random(
        cls,
        sizes: list[int],
        *,
        epsilon: float,
        first_epsilon: float | None = None,
        init: str,
        activation: str,
        dropout: float,
        dtype,
        rng: np.random.Generator,
    ) -> Network:
        """Draw a network: Erdős–Rényi layers between ``sizes``, biases zero."""
        shapes = list(itertools.pairwise(sizes))
        epsilons = [first_epsilon or epsilon, *[epsilon] * (len(shapes) - 1)]
        check_memory(sizes, epsilons, np.dtype(dtype).itemsize)
        layers = []
        for shape, epsilon in zip(shapes, epsilons):
            connectivity = erdos_renyi(shape, epsilon, rng)
            weights = initial_weights(connectivity, init, dtype, rng)
            layers.append(Layer(connectivity, weights, np.zeros(shape[1], dtype=dtype)))
        network = cls(layers)
        network.set_activation(activation, dropout)
        return network

    def set_activation(self, activation: str, dropout: float) -> None:
        """Give the hidden layers an activation by its name, and dropout."""
        for number, layer in enumerate(self.layers[:-1]):
            kind, layer.slope = hidden_activation(activation, number)
            layer.activation, layer.dropout = _native.ACTIVATIONS[kind], dropout
        last = self.layers[-1]
        last.activation, last.slope, last.dropout = _native.ACTIVATIONS["identity"], 0.0, 0.0

    @property
    def activations(self) -> list[tuple[str, float]]:
        """The core's name of each hidden layer's activation, and its slope below zero."""
        return [(_NAMES[layer.activation], layer.slope) for layer in self.layers[:-1]]

    @property
    def dtype(self):
        return self.layers[0].weights.dtype

    @property
    def n_connections(self) -> int:
        return sum(layer.nnz for layer in self.layers)

    @property
    def hidden_layer_sizes(self) -> tuple[int, ...]:
        return tuple(layer.n_out for layer in self.layers[:-1])

    @property
    def n_outputs(self) -> int:
        return self.layers[-1].n_out

    @property
    def parameters(self) -> list[np.ndarray]:
        """The arrays of weights and biases, layer by layer."""
        return [values for layer in self.layers for values in (layer.weights, layer.bias)]

    # ------------------------------------------------------------ topology

    @contextmanager
    def whole_or_unchanged(self):
        """Undo the changes of topology made within if an exception interrupts them.

        They replace arrays and never write into them, so the old ones suffice.
        """
        layers = [copy.copy(layer) for layer in self.layers]
        features = self.features
        try:
            yield
        except BaseException:  # a KeyboardInterrupt, too
            self.layers, self.features = layers, features
            raise

    def rewire(self, number: int, rewiring: Rewiring, new_weights: np.ndarray | None) -> None:
        """Give layer `number` new connections; `new_weights` are for the new ones, in order."""
        layer = self.layers[number]
        layer.carry(rewiring, new_weights)
        layer.newborn = rewiring.source < 0

    def prune_hidden(self, number: int, keep: np.ndarray) -> None:
        """Remove the neurons of hidden layer `number` that `keep` does not mark."""
        inward, outward = self.layers[number], self.layers[number + 1]
        _shrink(inward, keep_out=keep)
        _shrink(outward, keep_in=keep)
        inward.keep_neurons(keep)

    def prune_inputs(self, keep: np.ndarray) -> None:
        """Stop reading the features that `keep`, over those still read, does not mark."""
        _shrink(self.layers[0], keep_in=keep)
        self.features = np.flatnonzero(keep) if self.features is None else self.features[keep]

    # ------------------------------------------------------------ numbers

    def start_optimizer(self, optimizer: Optimizer) -> None:
        """Give every layer fresh optimizer state (zeros), as many arrays as needed."""
        for layer in self.layers:
            for values, *state in (("weights", "first", "second"), Layer.PER_NEURON):
                for n, name in enumerate(state):
                    like = getattr(layer, values)
                    setattr(layer, name, np.zeros_like(like) if n < optimizer.n_slots else None)

    def measure_sensitivity(self) -> None:
        """Let training sum |w * dL/dw| in every layer."""
        for layer in self.layers:
            if layer.sensitivity is None:
                layer.sensitivity = np.zeros_like(layer.weights)

    def drop_optimizer(self) -> None:
        """Drop all that prediction does not need."""
        for layer in self.layers:
            for name in (*Layer.PER_CONNECTION[1:], *Layer.PER_NEURON[1:], "newborn"):
                setattr(layer, name, None)
        self._bound = None  # it would keep the arrays alive

    def copy(self, *, state: bool = False) -> Network:
        """A copy with arrays of its own, with or without optimizer state."""
        return Network((layer.copy(state=state) for layer in self.layers), self.features)

    def with_shrunk_outputs(self, shrinkage: float, towards: np.ndarray | float) -> Network:
        """The network with raw outputs shrunk towards constant ones; below 0, stretched.

        It shares all arrays but the last layer's weights and biases.
        """
        last = copy.copy(self.layers[-1])
        last.weights = ((1 - shrinkage) * last.weights).astype(self.dtype)
        last.bias = ((1 - shrinkage) * last.bias + shrinkage * towards).astype(self.dtype)
        return Network([*self.layers[:-1], last], self.features)

    def restore(self, kept: Network) -> None:
        """Go back to a copy. Optimizer state, where connections differ, starts afresh."""
        self.features = kept.features
        for layer, before in zip(self.layers, kept.layers):
            moved = layer.connectivity is not before.connectivity
            layer.connectivity, layer.newborn = before.connectivity, None
            for values, *state in (Layer.PER_CONNECTION, Layer.PER_NEURON):
                setattr(layer, values, getattr(before, values).copy())
                for name in state:
                    if getattr(layer, name) is not None and moved:
                        setattr(layer, name, np.zeros_like(getattr(before, values)))

    def set_parameters(self, source: Network) -> None:
        """Take the weights and biases of a network of the same topology."""
        for values, new in zip(self.parameters, source.parameters):
            values[:] = new

    def _native(self, data: Data, *, train: bool = False):
        """The core's view of the arrays, bound anew when one of them was replaced.

        Sparse samples need the first layer indexed by source neuron, training the
        others (and writable arrays).
        """
        key = [array for layer in self.layers for array in _read_by_core(layer)]
        is_sparse = sparse.issparse(data.X)
        bound = self._bound  # another thread may bind and store its own at any time
        same = bound is not None and len(key) == len(bound.key) and all(map(is_, key, bound.key))
        if bound is None or not same or bound.sparse < is_sparse or bound.train < train:
            # Serves what was asked for before, too: validation and training alternate.
            serves_sparse = is_sparse or (bound is not None and bound.sparse)
            serves_training = train or (same and bound is not None and bound.train)
            if train and bound is not None and bound.train:  # no other thread uses it
                native, self._bound = bound.native, None  # with its work buffers
                native.bind(self.layers, serves_sparse, serves_training)
            else:
                kind = _native.NetworkF32 if self.dtype == np.float32 else _native.NetworkF64
                native = kind(self.layers, serves_sparse, serves_training)
            bound = self._bound = _Bound(key, serves_sparse, serves_training, native)
        return bound.native

    def __getstate__(self):
        return {"layers": self.layers, "features": self.features}

    def __setstate__(self, state):
        self._bound = None
        self.__dict__.update(state)

    def train_batches(
        self,
        data: Data,
        order: np.ndarray,
        starts: np.ndarray,
        optimizer: Optimizer,
        *,
        dropout_seed: int = 0,
        n_threads: int = 1,
        partners: np.ndarray | None = None,
        shares: np.ndarray | None = None,
    ) -> tuple[float, float]:
        """One optimizer step for each batch ``order[starts[i]:starts[i + 1]]``.

        With `partners` (m, n) sample i is ``shares[0, i] * X[order[i]]`` plus the sum
        of ``shares[k + 1, i] * X[partners[k, i]]``, where its shares sum to 1; its target
        is mixed of those of ``order[i]`` and, for the rest of ``shares[0, i]``,
        ``partners[0, i]``.

        Returns the weighted sum of the losses and the sum of the weights. Stops
        early, after the batch in question, if a loss is not finite.
        """
        loss, weight, n_done, exception = self._native(data, train=True).train(
            data.native,
            order,
            starts,
            partners,
            shares,
            first_step=optimizer.n_steps + 1,
            dropout_seed=dropout_seed,
            n_threads=n_threads,
            **optimizer.settings(),
        )
        optimizer.n_steps += n_done  # those before an interrupt, too
        if exception is not None:
            raise exception
        return loss, weight

    def steepest_places(
        self,
        data: Data,
        rows: np.ndarray,
        wanted: dict[int, tuple[np.ndarray, int]],
        n_threads: int = 1,
    ) -> dict[int, np.ndarray]:
        """The free places with the largest absolute loss gradient on the samples `rows`.

        `wanted` holds, for the number of a layer, which connections it keeps and
        how many places are asked for. Places are flat keys destination * n_in +
        source, ascending; those with a gradient of zero are never among them.
        The gradient of all places is formed row by row and never stored.
        """
        found = self._native(data, train=True).steepest_places(
            data.native,
            rows,
            list(wanted),
            [keep for keep, _ in wanted.values()],
            [count for _, count in wanted.values()],
            0,  # the seed of dropout
            n_threads,
        )
        return dict(zip(wanted, found))

    def predict(self, data: Data, n_threads: int = 1) -> np.ndarray:
        """Raw outputs of shape (n_samples, n_outputs), from samples with all features."""
        data = data.of_features(self.features)
        out = np.empty((data.n_samples, self.n_outputs), dtype=self.dtype)
        self._native(data).predict(data.native, out, n_threads)
        return out

    def is_finite(self) -> bool:
        """Whether all weights and biases are."""
        return all(map(_native.all_finite, self.parameters))


def _shrink(layer: Layer, **kept: np.ndarray) -> None:
    """Remove neurons on one side of a layer with all their connections."""
    rewiring = layer.connectivity.without_neurons(**kept)
    layer.carry(rewiring)
    if layer.newborn is not None:
        layer.newborn = layer.newborn[rewiring.source]
