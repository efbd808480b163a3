"""A network: its layers' connections, weights and optimizer state.

Owns: the arrays of the layers and every move of them when the topology
changes. May not touch: when to train or to evolve, and the user's parameters.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from . import _native
from ._memory import check_memory
from ._optimizers import Optimizer
from ._topology import Connectivity, Rewiring, erdos_renyi

__all__ = ["ACTIVATIONS", "Data", "Layer", "Network", "initial_weights"]

# name -> (native code, slope); all_relu alternates the sign of its slope.
ACTIVATIONS = {
    "identity": (0, 0.0),
    "relu": (1, 0.0),
    "leaky_relu": (2, 0.01),
    "all_relu": (2, 0.6),
    "tanh": (3, 0.0),
    "logistic": (4, 0.0),
}

_STATE = ("first", "second", "bias_first", "bias_second")


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


def _readable(values, dtype) -> np.ndarray:
    """The values as the core takes them: of this type, in C order and aligned."""
    return np.require(values, dtype, ["C_CONTIGUOUS", "ALIGNED"])


class Data:
    """Samples with their targets in the form that the core reads.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_samples, n_features)
        Of the network's dtype, C-contiguous.
    target : ndarray or None
        Class indices (n_samples,) or values (n_samples, n_outputs).
    """

    def __init__(self, X, dtype, loss=None, target=None, sample_weight=None):
        self.X = X
        self.dtype = np.dtype(dtype)
        self.loss, self.target, self.sample_weight = loss, target, sample_weight
        native = _native.DataF32 if self.dtype == np.float32 else _native.DataF64
        if sparse.issparse(X):
            if X.indices.dtype != np.int32 and X.indices.size and X.indices.max() >= X.shape[1]:
                raise ValueError(  # the core checks the rest, but 2**32 would become 0 on the way
                    f"The sparse matrix X is malformed: it has {X.shape[1]} columns and a column "
                    f"index {X.indices.max()}. Build it anew from its entries."
                )
            self.native = native(
                None,
                _readable(X.data, self.dtype),
                _readable(X.indices, np.int32),
                _readable(X.indptr, np.int64),
                X.shape[1],
            )
        else:
            X = _readable(X, self.dtype)
            self.native = native(X, None, None, None, X.shape[1])
        if target is not None:
            labels = _readable(target, np.int32) if target.ndim == 1 else None
            values = _readable(target, self.dtype) if target.ndim == 2 else None
            weights = None if sample_weight is None else _readable(sample_weight, self.dtype)
            self.native.set_targets(loss.code, labels, values, weights, loss.huber_delta)

    @property
    def n_samples(self) -> int:
        return self.X.shape[0]

    def of_features(self, features: np.ndarray | None) -> Data:
        """The same samples, but these features only."""
        if features is None:
            return self
        X = self.X[:, features]
        return Data(X, self.dtype, self.loss, self.target, self.sample_weight)


@dataclass(eq=False)
class Layer:
    """Connections, weights and optimizer state of one layer.

    The core reads these attributes by name; arrays of a connection each are
    aligned with ``connectivity.indices``.
    """

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
        """Take on new connections: everything that is kept per connection moves along.

        The weights of new connections are given in their order (none: 0); their
        optimizer state is 0.
        """
        self.connectivity = rewiring.after
        self.weights = rewiring.carry(self.weights, new_weights)
        for name in ("first", "second", "sensitivity"):
            values = getattr(self, name)
            if values is not None:
                setattr(self, name, rewiring.carry(values))

    def keep_outputs(self, keep: np.ndarray) -> None:
        for name in ("bias", "bias_first", "bias_second"):
            values = getattr(self, name)
            if values is not None:
                setattr(self, name, values[keep])


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
        self.input_strength: np.ndarray | None = None  # of those read, a sum over epochs
        self._bound: tuple[tuple[bool, bool], _native.NetworkF32] | None = None
        self._unbound: _native.NetworkF32 | None = None  # with work buffers for the next one
        self._meets_sparse = False

    @classmethod
    def random(
        cls,
        sizes: list[int],
        *,
        epsilon: float,
        init: str,
        activation: str,
        dropout: float,
        dtype,
        rng: np.random.Generator,
    ) -> Network:
        """Draw a network: Erdős–Rényi layers between ``sizes``, biases zero."""
        check_memory(sizes, epsilon, np.dtype(dtype).itemsize)
        layers = []
        for shape in itertools.pairwise(sizes):
            connectivity = erdos_renyi(shape, epsilon, rng)
            weights = initial_weights(connectivity, init, dtype, rng)
            layers.append(Layer(connectivity, weights, np.zeros(shape[1], dtype=dtype)))
        network = cls(layers)
        network.set_activation(activation, dropout)
        return network

    def set_activation(self, activation: str, dropout: float) -> None:
        code, slope = ACTIVATIONS[activation]
        for number, layer in enumerate(self.layers[:-1]):
            layer.activation, layer.slope, layer.dropout = code, slope, dropout
            if activation == "all_relu" and number % 2 == 0:
                layer.slope = -slope
        last = self.layers[-1]
        last.activation, last.slope, last.dropout = 0, 0.0, 0.0
        self._unbind()

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

    # ------------------------------------------------------------ topology

    @contextmanager
    def whole_or_unchanged(self):
        """Undo the changes of topology made within if they do not come to their end.

        They replace arrays and never write into them, so the old ones suffice.
        """
        layers = [copy.copy(layer) for layer in self.layers]
        features, strength = self.features, self.input_strength
        try:
            yield
        except BaseException:  # a KeyboardInterrupt, too
            self.layers, self.features, self.input_strength = layers, features, strength
            self._bound = None
            raise

    def rewire(self, number: int, rewiring: Rewiring, new_weights: np.ndarray | None) -> None:
        """Give layer `number` new connections; `new_weights` are for the new ones, in order."""
        layer = self.layers[number]
        layer.carry(rewiring, new_weights)
        layer.newborn = rewiring.source < 0
        self._unbind()

    def prune_hidden(self, number: int, keep: np.ndarray) -> None:
        """Remove the neurons of hidden layer `number` that `keep` does not mark."""
        inward, outward = self.layers[number], self.layers[number + 1]
        for layer, kept in ((inward, {"keep_out": keep}), (outward, {"keep_in": keep})):
            rewiring = layer.connectivity.without_neurons(**kept)
            layer.carry(rewiring)
            if layer.newborn is not None:
                layer.newborn = layer.newborn[rewiring.source]
        inward.keep_outputs(keep)
        self._unbind()

    def prune_inputs(self, keep: np.ndarray) -> None:
        """Stop reading the features that `keep`, over those still read, does not mark."""
        layer = self.layers[0]
        rewiring = layer.connectivity.without_neurons(keep_in=keep)
        layer.carry(rewiring)
        if layer.newborn is not None:
            layer.newborn = layer.newborn[rewiring.source]
        self.features = np.flatnonzero(keep) if self.features is None else self.features[keep]
        if self.input_strength is not None:
            self.input_strength = self.input_strength[keep]
        self._unbind()

    def add_input_strength(self) -> None:
        """Add the output strength that every input has now to `input_strength`."""
        first = self.layers[0]
        strength = first.connectivity.out_strength(first.weights)
        before = self.input_strength
        self.input_strength = strength if before is None else before + strength

    # ------------------------------------------------------------ numbers

    def start_optimizer(self, optimizer: Optimizer) -> None:
        """Give every layer fresh optimizer state (zeros), as many arrays as needed."""
        for layer in self.layers:
            n = optimizer.n_slots
            layer.first = np.zeros_like(layer.weights) if n > 0 else None
            layer.second = np.zeros_like(layer.weights) if n > 1 else None
            layer.bias_first = np.zeros_like(layer.bias) if n > 0 else None
            layer.bias_second = np.zeros_like(layer.bias) if n > 1 else None
        self._unbind()

    def measure_sensitivity(self) -> None:
        """Let training sum |w * dL/dw| in every layer, from zero where it does not yet."""
        for layer in self.layers:
            if layer.sensitivity is None:
                layer.sensitivity = np.zeros_like(layer.weights)
                self._unbind()

    def drop_optimizer(self) -> None:
        for layer in self.layers:
            for name in (*_STATE, "sensitivity", "newborn"):
                setattr(layer, name, None)
        self._bound = self._unbound = self.input_strength = None

    def snapshot(self):
        """What `restore` needs: features read, connections, weights and biases."""
        layers = [(la.connectivity, la.weights.copy(), la.bias.copy()) for la in self.layers]
        return self.features, layers

    def copy_for_prediction(self) -> Network:
        """A copy without optimizer state."""
        layers = (
            Layer(
                layer.connectivity,
                layer.weights.copy(),
                layer.bias.copy(),
                layer.activation,
                layer.slope,
                layer.dropout,
            )
            for layer in self.layers
        )
        return Network(layers, self.features)

    def restore(self, snapshot) -> None:
        """Go back to a snapshot. Optimizer state, where there is any, starts afresh."""
        self.features, layers = snapshot
        self.input_strength = None
        for layer, (connectivity, weights, bias) in zip(self.layers, layers):
            moved = layer.connectivity is not connectivity
            layer.connectivity, layer.newborn = connectivity, None
            layer.weights, layer.bias = weights.copy(), bias.copy()
            for name in _STATE:
                if getattr(layer, name) is not None and moved:
                    like = bias if name.startswith("bias") else weights
                    setattr(layer, name, np.zeros_like(like))
            if layer.sensitivity is not None and moved:
                layer.sensitivity = np.zeros_like(weights)
        self._unbind()

    def _native(self, data: Data, *, train: bool = False):
        """The core's view of the arrays.

        Sparse samples need the first layer indexed by source neuron, training the
        others (and writable arrays).
        """
        is_sparse = sparse.issparse(data.X)
        bound = self._bound  # another thread may bind and store its own at any time
        if bound is None or bound[0][0] < is_sparse or bound[0][1] < train:
            # For all that was asked for before, too: validation alternates with training.
            self._meets_sparse = self._meets_sparse or is_sparse
            served = self._meets_sparse, train or (bound is not None and bound[0][1])
            native = self._unbound if train else None  # no thread predicts with it
            if native is not None:
                native.bind(self.layers, *served)
            else:
                kind = _native.NetworkF32 if self.dtype == np.float32 else _native.NetworkF64
                native = kind(self.layers, *served)
            bound = served, native
            self._bound = bound
        return bound[1]

    def _unbind(self) -> None:
        """Forget the core's view, since arrays changed; keep the buffers that training uses."""
        if self._bound is not None and self._bound[0][1]:
            self._unbound = self._bound[1]
            self._unbound.unbind()
        self._bound = None

    def __getstate__(self):
        names = ("layers", "features", "input_strength")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state):
        self._bound = self._unbound = self.input_strength = None
        self._meets_sparse = False
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
        of ``shares[k + 1, i] * X[partners[k, i]]``; its target is mixed of those of
        ``order[i]`` and, for the rest of ``shares[0, i]``, ``partners[0, i]``.

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

    def loss_gradient(
        self, data: Data, n_threads: int = 1
    ) -> tuple[float, list[np.ndarray], list[np.ndarray]]:
        """Mean loss over all samples and its gradients at weights and biases."""
        weights = [np.empty_like(layer.weights) for layer in self.layers]
        biases = [np.empty_like(layer.bias) for layer in self.layers]
        order = np.arange(data.n_samples)
        native = self._native(data, train=True)
        loss = native.gradient(data.native, order, weights, biases, 0, n_threads)
        return loss, weights, biases

    def steepest_places(
        self,
        data: Data,
        rows: np.ndarray,
        wanted: dict[int, tuple[np.ndarray, int]],
        *,
        dropout_seed: int = 0,
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
            dropout_seed,
            n_threads,
        )
        return dict(zip(wanted, found))

    def predict(self, data: Data, n_threads: int = 1) -> np.ndarray:
        """Raw outputs of shape (n_samples, n_outputs), from samples with all features."""
        data = data.of_features(self.features)
        out = np.empty((data.n_samples, self.n_outputs), dtype=self.dtype)
        self._native(data).predict(data.native, out, n_threads)
        return out

    def numbers(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Copies of the weights and biases, for `set_numbers` of the same topology."""
        return [(layer.weights.copy(), layer.bias.copy()) for layer in self.layers]

    def set_numbers(self, numbers) -> None:
        for layer, (weights, bias) in zip(self.layers, numbers):
            layer.weights[:], layer.bias[:] = weights, bias

    def is_finite(self) -> bool:
        """Whether all weights and biases are."""
        with np.errstate(over="ignore", invalid="ignore"):
            return all(
                math.isfinite(np.add.reduce(a)) or np.isfinite(a).all()  # a sum takes no memory
                for layer in self.layers
                for a in (layer.weights, layer.bias)
            )
