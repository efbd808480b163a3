"""Selection of features by a sparse denoising autoencoder (QuickSelection).

Owns: the autoencoder's data and how its inputs are scored. May not touch: rules
of evolution, the order of training.
"""

from __future__ import annotations

from fractions import Fraction
from numbers import Integral
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ._amounts import new_weights_rule
from ._data import Data
from ._evolution import Evolution
from ._losses import Loss
from ._network import Network
from ._network_parameters import Layers, Rewiring
from ._optimizers import Optimizer
from ._parameters import Declared, parameter, same_parameter
from ._sklearn_compat import fit_context
from ._threads import effective_n_threads
from ._training import Generators, Learner, train
from ._training_parameters import Training

__all__ = ["SETFeatureSelector"]

ATASHGAHI = """\
Atashgahi, Z., Sokar, G., van der Lee, T., Mocanu, E., Mocanu, D.C., Veldhuis, R.,
Pechenizkiy, M., "Quick and robust feature selection: the strength of energy-efficient sparse
training for autoencoders", Machine Learning, 2021."""

_LARGEST_DENSITY = 0.05  # of the layers with epsilon="auto"


class SETFeatureSelector(SelectorMixin, Declared):
    """Select the features that a sparse denoising autoencoder wires most strongly.

    QuickSelection [1]_: an autoencoder with one hidden layer, whose sparse
    connections evolve as in `SETClassifier`, learns to restore features from
    noisy ones, without targets. Evolution moves connections to the inputs that
    help; the strength of an input, the sum of its absolute weights, is its score.

    {parameters}

    {attributes}

    See Also
    --------
    SETClassifier : Has `feature_importances_`, for `SelectFromModel`.

    Notes
    -----
    Features are centred and scaled to unit variance before; `transform` returns
    them as they were given. Sparse `X` is accepted, but made dense while fitting.
    The fraction `zeta` is dropped once more before the inputs are scored, so that
    connections that were grown lately and learnt nothing do not count. The source grows
    weights with ``new_weights="init"``.

    The method needs sparse layers: a dense autoencoder copies each feature through its own
    path, and related features, which help to reconstruct each other, end up with the
    smallest weights. With 80 features, of which 12 were related, and 200 hidden neurons,
    none of the 12 was among the 12 best at a density of 23 %, and 10 at 7 %.

    Features that are unrelated to all others are discarded: if your target may depend on
    such a feature, use a supervised selector. Features that are constant but for a few
    samples become spikes when they are scaled, which the autoencoder memorises; remove them
    before, for example with `VarianceThreshold`.

    {references}

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_set import SETFeatureSelector
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 60))
    >>> X[:, :10] = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 10))
    >>> selector = SETFeatureSelector(10, batch_size=20, random_state=0).fit(X)
    >>> bool(selector.get_support()[:10].sum() >= 9)
    True
    >>> selector.transform(X).shape
    (300, 10)
    """

    _by_position = ("n_features_to_select",)
    _references = (ATASHGAHI,)
    _attribute_texts = """
        scores_ : ndarray of shape (`n_features_in_`,)
            Strength of each feature's input, after a last removal of connections.
        support_ : ndarray of bool of shape (`n_features_in_`,)
            Which features are selected: those with the highest scores, of equal
            ones the first.
        n_features_to_select_ : int
            Number of features selected.
        history_ : dict of str to list
            Columns with one entry an epoch, as in `SETClassifier`.
        n_iter_ : int
            Number of epochs trained.
    """

    n_features_to_select: Any = parameter(
        "int >= 1, float in (0, 1) or None",
        "Number of features to keep, or the fraction of them. None keeps half.",
        default=None,
    )
    hidden_layer_size: int = parameter("int >= 1", "Number of hidden neurons.", default=1000)
    activation: str = parameter(
        '{"relu", "tanh", "logistic", "identity"}',
        "Activation of the hidden neurons.",
        default="logistic",
    )
    epsilon: Any = parameter(
        'float > 0 or "auto"',
        """Density: each layer starts with ``epsilon * (n_in + n_out)`` places drawn with
        replacement, those drawn twice collapsed. "auto" is the 13 of the source, but no more
        than fills a twentieth of the places; see Notes.""",
        default="auto",
    )
    zeta: float = same_parameter(Rewiring, "zeta", default=0.2)
    noise: float = parameter(
        "float >= 0",
        """Standard deviation of the Gaussian noise added to the (standardised) features, drawn
        once. 0 makes a plain autoencoder.""",
        default=0.2,
    )
    dropout: float = same_parameter(Training, "dropout", default=0.2)
    learning_rate_init: float = same_parameter(Training, "learning_rate_init", default=0.01)
    momentum: float = parameter("float in [0, 1)", "Momentum of gradient descent.", default=0.9)
    weight_decay: float = parameter(
        "float in [0, 1)",
        "Each step subtracts ``weight_decay * w``, as the source does.",
        default=1e-5,
    )
    batch_size: int = parameter("int >= 1", "Number of samples of a batch, at most.", default=100)
    max_iter: int = parameter("int >= 1", "Number of epochs.", default=100)
    init: str = same_parameter(Layers, "init", default="normal")
    new_weights: str = same_parameter(Layers, "new_weights", default="small")
    dtype: str = same_parameter(Training, "dtype", default="float32")
    n_jobs: int | None = same_parameter(Training, "n_jobs", default=None)
    random_state: Any = same_parameter(Training, "random_state", default=None)

    @fit_context
    def fit(self, X, y=None):
        """Train the autoencoder and score the features.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training samples.
        y : None
            Not used.

        Returns
        -------
        self : SETFeatureSelector
            The fitted selector.

        Raises
        ------
        ValueError
            If the data or a parameter cannot be used, or if training diverges.
        """
        dtype = (np.float64, np.float32) if self.dtype == "auto" else np.dtype(self.dtype)
        X = validate_data(self, X, accept_sparse="csr", dtype=dtype)
        n_selected = self._number_to_select(X.shape[1])
        rng = check_random_state(self.random_state)
        generators = Generators.spawn(rng.randint(0, 2**31 - 1, size=4).tolist())
        learner = self._train(_standardised(X), generators)
        self.history_ = learner.progress.history
        self.n_iter_ = learner.progress.epoch
        first = learner.network.layers[0]
        self.scores_ = first.connectivity.out_strength(first.weights)
        self.n_features_to_select_ = n_selected
        self.support_ = np.zeros(X.shape[1], dtype=bool)
        self.support_[np.argsort(-self.scores_, kind="stable")[:n_selected]] = True
        return self

    def _number_to_select(self, n_features: int) -> int:
        wanted = self.n_features_to_select
        if wanted is None:
            return max(1, n_features // 2)
        if not isinstance(wanted, Integral):
            return max(1, int(Fraction(str(wanted)) * n_features))
        wanted = int(wanted)
        if wanted > n_features:
            raise ValueError(
                f"n_features_to_select={wanted} is more than the {n_features} features of X; "
                "lower it, or give a fraction between 0 and 1."
            )
        return wanted

    def _epsilon(self, n_features: int) -> float:
        if self.epsilon != "auto":
            return self.epsilon
        n_hidden = self.hidden_layer_size
        return min(13.0, _LARGEST_DENSITY * n_features * n_hidden / (n_features + n_hidden))

    def _train(self, X: np.ndarray, generators: Generators) -> Learner:
        n_samples, n_features = X.shape
        network = Network.random(
            [n_features, self.hidden_layer_size, n_features],
            epsilon=self._epsilon(n_features),
            init=self.init,
            activation=self.activation,
            dropout=self.dropout,
            dtype=X.dtype,
            rng=generators.init,
        )
        optimizer = Optimizer(
            "sgd",
            self.learning_rate_init,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            decay_rule="per_step",
        )
        network.start_optimizer(optimizer)
        new_weights = new_weights_rule(self.new_weights, self.init)
        evolution = Evolution(self.zeta, new_weights=new_weights, evolve_output=True)
        noisy = X
        if self.noise > 0:
            noisy = X + (self.noise * generators.init.standard_normal(X.shape)).astype(X.dtype)
        learner = Learner(network, optimizer, evolution, generators)
        train(
            learner,
            Data(noisy, X.dtype, Loss("squared_error"), X),
            n_epochs=self.max_iter,
            batch_size=min(self.batch_size, n_samples),
            n_threads=effective_n_threads(self.n_jobs),
        )
        if self.zeta > 0:
            evolution.remove(network, self.zeta)
        return learner

    def _get_support_mask(self) -> np.ndarray:
        check_is_fitted(self)
        return self.support_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _standardised(X) -> np.ndarray:
    """Features of mean 0 and variance 1 (constant ones: 0), dense."""
    X = X.toarray() if sparse.issparse(X) else X
    values = X.astype(np.float64)
    mean, scale = values.mean(axis=0), values.std(axis=0)
    # The rounding of a constant feature's mean is no spread.
    constant = scale <= 10 * np.finfo(X.dtype).eps * np.abs(mean)
    values -= mean
    values /= np.where(constant, 1.0, scale)
    values[:, constant] = 0
    return values.astype(X.dtype)
