"""The restricted Boltzmann machine whose connections evolve (SET-RBM).

Owns: contrastive divergence on sparse connections, and the estimator around it.
May not touch: rules of evolution, how connections are stored.
"""

from __future__ import annotations

import copy
from time import perf_counter
from typing import Any, Self

import numpy as np
from scipy import sparse
from scipy.special import log_expit
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state, gen_even_slices
from sklearn.utils.validation import check_is_fitted

from . import _native
from ._evolution import Evolution
from ._memory import check_memory
from ._network import Layer, Network
from ._network_parameters import MOCANU, Rewiring
from ._parameters import Declared, parameter, same_parameter
from ._reporting import warn_of_range
from ._samples import validated
from ._sklearn_compat import fit_context
from ._topology import erdos_renyi
from ._training import Generators, Progress
from ._training_parameters import Training

__all__ = ["SETBernoulliRBM"]

_IDENTITY = _native.ACTIVATIONS["identity"]
_LOGISTIC = _native.ACTIVATIONS["logistic"]
_BLOCK_ROWS = 256  # samples that are worked on at a time outside of training
_FIRST_WEIGHT_SCALE = 0.05  # standard deviation, as in the source's code


def _padded_rows(n_neurons: int, n_samples: int, dtype) -> np.ndarray:
    """Zeros in the layout that the core asks for: a row for each neuron, padded."""
    itemsize = np.dtype(dtype).itemsize
    stride = -(-n_samples * itemsize // 64) * 64 // itemsize
    raw = np.zeros(n_neurons * stride * itemsize + 64, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    values = raw[start : start + n_neurons * stride * itemsize].view(dtype)
    return values.reshape(n_neurons, stride)


class _Machine:
    """Two layers of units with sparse connections, and their training."""

    def __init__(self, n_visible: int, n_hidden: int, epsilon: float, dtype, seeds: list[int]):
        self.generators = Generators.spawn(seeds)
        init = self.generators.init
        check_memory([n_visible, n_hidden], [epsilon], np.dtype(dtype).itemsize)
        connectivity = erdos_renyi((n_visible, n_hidden), epsilon, init)
        weights = _FIRST_WEIGHT_SCALE * init.standard_normal(connectivity.nnz)
        layer = Layer(connectivity, weights.astype(dtype), np.zeros(n_hidden, dtype=dtype))
        layer.first, layer.bias_first = np.zeros_like(layer.weights), np.zeros_like(layer.bias)
        self.network = Network([layer])
        self.visible_bias = np.zeros(n_visible, dtype=dtype)
        self.visible_first = np.zeros_like(self.visible_bias)
        self.progress = Progress()

    @property
    def layer(self) -> Layer:
        return self.network.layers[0]

    @property
    def dtype(self):
        return self.visible_bias.dtype

    def load(self, X) -> np.ndarray:
        """Samples as rows of visible units."""
        rows = _padded_rows(X.shape[1], X.shape[0], self.dtype)
        rows[:, : X.shape[0]] = (X.toarray() if sparse.issparse(X) else X).T
        return rows

    def hidden(self, visible: np.ndarray, activation: int = _LOGISTIC) -> np.ndarray:
        """Probabilities of the hidden units, given visible ones (or the sums they come from)."""
        layer = self.layer
        out = _padded_rows(layer.n_out, visible.shape[1], self.dtype)
        index = layer.connectivity.index
        _native.product(*index, layer.weights, layer.bias, visible, out, activation)
        return out

    def visible(self, hidden: np.ndarray) -> np.ndarray:
        """Probabilities of the visible units, given hidden ones."""
        layer = self.layer
        indptr, positions, indices = layer.connectivity.transposed
        weights = layer.weights[positions]
        out = _padded_rows(layer.n_in, hidden.shape[1], self.dtype)
        _native.product(indptr, indices, weights, self.visible_bias, hidden, out, _LOGISTIC)
        return out

    def sample(self, probability: np.ndarray) -> np.ndarray:
        """Units that are on with the given probabilities."""
        rng = self.generators.dropout  # which decides here, too, what is on
        out = _padded_rows(probability.shape[0], probability.shape[1], self.dtype)
        out[:] = rng.random(probability.shape, dtype=self.dtype) < probability
        return out

    def _statistics(self, visible: np.ndarray, hidden: np.ndarray, n: int):
        """Sums over n samples: visible times hidden at the connections, hidden, visible."""
        layer = self.layer
        hidden[:, n:] = 0  # padding after the batch
        products, hidden_sums = np.empty_like(layer.weights), np.empty_like(layer.bias)
        _native.gradient(layer.indptr, layer.indices, visible, hidden, products, hidden_sums)
        return products, hidden_sums, visible[:, :n].sum(axis=1)

    def learn(self, X, *, learning_rate, momentum, weight_decay, n_gibbs_steps) -> float:
        """One step of contrastive divergence; returns the squared error of reconstruction."""
        n = X.shape[0]
        data = self.load(X)
        hidden = self.hidden(data)
        chain, error = hidden, 0.0
        for step in range(n_gibbs_steps):
            reconstruction = self.visible(self.sample(chain))
            chain = self.hidden(reconstruction)
            if step == 0:
                error = float(np.square(reconstruction[:, :n] - data[:, :n]).sum())
        positive = self._statistics(data, hidden, n)
        negative = self._statistics(reconstruction, chain, n)
        layer = self.layer
        learned = (layer.weights, layer.bias, self.visible_bias)
        velocities = (layer.first, layer.bias_first, self.visible_first)
        decays = (weight_decay, 0.0, 0.0)
        for values, velocity, p, q, decay in zip(learned, velocities, positive, negative, decays):
            velocity *= momentum
            velocity += learning_rate * ((p - q) / n - decay * values)
            values += velocity
        return error

    def train_epoch(self, X, evolution: Evolution, batch_size: int, **settings) -> None:
        began, progress, generators = perf_counter(), self.progress, self.generators
        with self.network.whole_or_unchanged():
            changes = evolution.start_epoch(progress.epoch, self.network, generators.evolution)
        order = generators.shuffle.permutation(X.shape[0])
        error = 0.0
        for part in gen_even_slices(len(order), -(-len(order) // batch_size)):
            error += self.learn(X[order[part]], **settings)
        if not (self.network.is_finite() and np.isfinite(self.visible_bias).all()):
            raise ValueError(
                f"A weight became infinite in epoch {progress.epoch}: training diverged. Scale "
                "the features to [0, 1] (MinMaxScaler), or lower learning_rate (now "
                f"{settings['learning_rate']:g})."
            )
        progress.epoch += 1
        progress.record(
            reconstruction_error=error / (X.shape[0] * X.shape[1]),
            n_connections=self.network.n_connections,
            n_dropped=changes.n_dropped,
            n_grown=changes.n_grown,
            n_survived=changes.n_survived,
            time=perf_counter() - began,
        )

    def pseudo_likelihood(self, X) -> np.ndarray:
        """log P(v_i | the other v), summed over i, for each sample.

        Exact: flipping v_i changes only the hidden units that it is connected to.
        """
        layer = self.layer
        indptr, positions, indices = layer.connectivity.transposed
        weights = layer.weights[positions, np.newaxis].astype(np.float64)
        sources = np.repeat(np.arange(layer.n_in), np.diff(indptr))
        by_source = sparse.csr_array(
            (np.ones(layer.nnz), np.arange(layer.nnz), indptr), shape=(layer.n_in, layer.nnz)
        )
        n = X.shape[0]
        data = self.load(X)
        sums = self.hidden(data, _IDENTITY)[:, :n].astype(np.float64)
        change = 1 - 2 * data[:, :n].astype(np.float64)  # of v_i when it is flipped
        softplus = np.logaddexp(0, sums)
        flipped = np.logaddexp(0, sums[indices] + weights * change[sources]) - softplus[indices]
        gain = self.visible_bias[:, np.newaxis] * change + by_source @ flipped
        return log_expit(-gain).sum(axis=0)


class SETBernoulliRBM(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Declared):
    """Restricted Boltzmann machine whose sparse connections evolve while it learns.

    SET-RBM [1]_: `sklearn.neural_network.BernoulliRBM` with a sparse random graph
    between visible and hidden units, of which the connections nearest to zero
    are dropped and as many grow at random places after every epoch.

    {parameters}

    {attributes}

    See Also
    --------
    sklearn.neural_network.BernoulliRBM : The dense machine.

    Notes
    -----
    Features should lie in [0, 1]. `score_samples` is the exact logarithm of the
    pseudo-likelihood, for which sparse connections make the cost bearable;
    `BernoulliRBM` estimates the same number from one random feature a sample.

    First weights are drawn from N(0, 0.05²) as in the source's code. Grown ones
    start, as those of `SETClassifier`, at a quarter of ``sqrt(6 / mean in-degree)``
    with random sign: at the source's scale nearly all of them were dropped again
    at the next rewiring (93 % on digits), so that nothing evolved.

    {references}

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import MinMaxScaler
    >>> from sklearn_set import SETBernoulliRBM
    >>> X, y = load_digits(return_X_y=True)
    >>> model = make_pipeline(
    ...     MinMaxScaler(),
    ...     SETBernoulliRBM(n_components=200, random_state=0),
    ...     LogisticRegression(C=10, max_iter=1000),
    ... )
    >>> bool(model.fit(X[:1200], y[:1200]).score(X[1200:], y[1200:]) > 0.85)
    True
    >>> model[1].components_.shape
    (200, 64)
    """

    _references = (MOCANU,)
    _attribute_texts = """
        components_ : scipy.sparse.csr_array of shape (n_components, n_features)
            Weights; they share memory with the model.
        intercept_hidden_ : ndarray of shape (n_components,)
            Biases of the hidden units.
        intercept_visible_ : ndarray of shape (n_features,)
            Biases of the visible units.
        n_connections_ : int
            Number of connections.
        n_iter_ : int
            Number of epochs trained.
        history_ : dict of str to list
            Columns with one entry an epoch, as in `SETClassifier`, with the mean squared
            error of reconstruction.
    """

    n_components: int = parameter("int >= 1", "Number of hidden units.", default=256, kw_only=False)
    learning_rate: float = parameter("float > 0", "Step size, constant.", default=0.05)
    batch_size: int = parameter("int >= 1", "Number of samples of a batch, at most.", default=10)
    n_iter: int = parameter("int >= 1", "Number of epochs.", default=10)
    epsilon: float = parameter(
        "float > 0",
        """Density: ``epsilon * (n_features + n_components)`` places are drawn with replacement,
        those drawn twice collapsed.""",
        default=11,
    )
    zeta: float = same_parameter(Rewiring, "zeta", default=0.3)
    momentum: float = parameter(
        "float in [0, 1)", "Momentum of the steps. A new connection starts without.", default=0.9
    )
    weight_decay: float = parameter(
        "float >= 0",
        "Each step subtracts ``learning_rate * weight_decay * w``, not from biases.",
        default=0.0002,
    )
    n_gibbs_steps: int = parameter(
        "int >= 1",
        """Number k of steps of the chain in contrastive divergence, CD-k. The hidden units of the
        chain are sampled, the visible ones are probabilities.""",
        default=1,
    )
    final_removal: bool = parameter(
        "bool",
        """Whether a fraction `zeta` is dropped once more after the last epoch of `fit`, and
        nothing grown, as in the source.""",
        default=False,
    )
    verbose: Any = parameter(
        "bool or int >= 0", "Whether to print a line for each epoch.", default=False
    )
    random_state: Any = same_parameter(Training, "random_state", default=None)

    @fit_context
    def fit(self, X, y=None) -> Self:
        """Fit the machine to training data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training samples, in [0, 1].
        y : None
            Not used.

        Returns
        -------
        self : SETBernoulliRBM
            The fitted machine.

        Raises
        ------
        ValueError
            If the data or a parameter cannot be used, or if training diverges.
        """
        X = self._validate(X, reset=True)
        warn_of_range(X)
        machine = self._new_machine(X)
        for _ in range(self.n_iter):
            self._train_epoch(machine, X)
        if self.final_removal and self.zeta > 0:
            self._evolution().remove(machine.network, self.zeta)
        return self._commit(machine)

    @fit_context
    def partial_fit(self, X, y=None) -> Self:
        """Train for one epoch on the given samples.

        The second call and each later one begin with a rewiring: for a stream of
        small chunks set ``zeta=0``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples, in [0, 1].
        y : None
            Not used.

        Returns
        -------
        self : SETBernoulliRBM
            The machine after the epoch.

        Raises
        ------
        ValueError
            If the data or a parameter cannot be used, or if training diverges. A machine
            that was fitted before stays as it was.
        """
        first = not self.__sklearn_is_fitted__()
        X = self._validate(X, reset=first)
        machine = self._new_machine(X) if first else copy.deepcopy(self._machine)
        self._train_epoch(machine, X)
        return self._commit(machine)

    def _validate(self, X, *, reset: bool):
        dtype = (np.float64, np.float32) if reset else self._machine.dtype
        return validated(self, X, accept_sparse="csr", dtype=dtype, reset=reset)

    def _new_machine(self, X) -> _Machine:
        self.random_state_ = check_random_state(self.random_state)
        seeds = self.random_state_.randint(0, 2**31 - 1, size=4).tolist()
        return _Machine(X.shape[1], self.n_components, self.epsilon, X.dtype, seeds)

    def _evolution(self) -> Evolution:
        return Evolution(fraction=self.zeta, evolve_output=True)

    def _train_epoch(self, machine: _Machine, X) -> None:
        names = ("learning_rate", "momentum", "weight_decay", "n_gibbs_steps")
        settings = {name: getattr(self, name) for name in names}
        machine.train_epoch(X, self._evolution(), self.batch_size, **settings)
        if self.verbose:
            epoch, last = machine.progress.epoch, machine.progress.last()
            print(
                f"Epoch {epoch}, reconstruction error {last['reconstruction_error']:.6f}, "
                f"{last['n_connections']} connections ({last['n_dropped']} rewired)"
            )

    def _commit(self, machine: _Machine) -> Self:
        """Set the fitted attributes of a trained machine."""
        layer = machine.layer
        self._machine = machine
        self.intercept_hidden_, self.intercept_visible_ = layer.bias, machine.visible_bias
        self.n_connections_, self._n_features_out = layer.nnz, layer.n_out
        self.n_iter_, self.history_ = machine.progress.epoch, machine.progress.history
        return self

    def _in_blocks(self, X, function, size: int = _BLOCK_ROWS) -> np.ndarray:
        """Results of a function of blocks of samples, one after another."""
        check_is_fitted(self)
        X = self._validate(X, reset=False)
        blocks = [X[i : i + size] for i in range(0, X.shape[0], size)]
        return np.concatenate([function(block) for block in blocks])

    def transform(self, X):
        """Probabilities of the hidden units.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        H : ndarray of shape (n_samples, n_components)
            Probabilities that the hidden units are on.
        """

        def probabilities(block):
            machine = self._machine
            return machine.hidden(machine.load(block))[:, : block.shape[0]].T.copy()

        return self._in_blocks(X, probabilities)

    def gibbs(self, v):
        """Perform one step of Gibbs sampling.

        Parameters
        ----------
        v : {array-like, sparse matrix} of shape (n_samples, n_features)
            Visible units to start from.

        Returns
        -------
        v_new : ndarray of bool of shape (n_samples, n_features)
            Visible units after the step.
        """

        def step(block):
            machine, n, rng = self._machine, block.shape[0], self.random_state_
            hidden = machine.hidden(machine.load(block))
            hidden[:] = rng.uniform(size=hidden.shape) < hidden
            probability = machine.visible(hidden)[:, :n].T
            return rng.uniform(size=probability.shape) < probability

        return self._in_blocks(v, step)

    def score_samples(self, X):
        """Logarithm of the pseudo-likelihood of samples.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples, best of zeros and ones.

        Returns
        -------
        pseudo_likelihood : ndarray of shape (n_samples,)
            The sum over the features of the log-probability of each, given all
            others.
        """
        check_is_fitted(self)
        size = max(1, 2_000_000 // max(1, self.n_connections_))  # bounds the memory
        return self._in_blocks(X, self._machine.pseudo_likelihood, min(size, _BLOCK_ROWS))

    @property
    def components_(self) -> sparse.csr_array:
        """Weights, of shape (n_components, n_features); they share memory with the model."""
        check_is_fitted(self)
        layer = self._machine.layer
        arrays = (layer.weights, layer.indices, layer.indptr)
        return sparse.csr_array(arrays, shape=(layer.n_out, layer.n_in))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_machine")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
