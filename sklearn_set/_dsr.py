"""The estimators of Dynamic Sparse Reparameterization.

Owns: their parameters and documentation, and which rules make the method. May
not touch: anything that `_base.py` does for all estimators.
"""

from numbers import Integral, Real

import numpy as np

from ._base import BaseSparseMLP
from ._classification import BaseSparseMLPClassifier
from ._docs import document
from ._evolution import Evolution, new_weights_rule
from ._regression import BaseSparseMLPRegressor
from ._rules import AdaptiveThreshold, grow_elsewhere, in_proportion
from ._sklearn_compat import Interval

__all__ = ["DSRClassifier", "DSRRegressor"]


def _without_zeta(constraints: dict) -> dict:
    """Constraints but for those of SET's rewiring, whose parameters DSR has not."""
    of_set = {"zeta", "zeta_schedule", "evolve_every", "drop", "grow"}
    return {name: options for name, options in constraints.items() if name not in of_set}


class DSRMixin(BaseSparseMLP):
    """The parameters of DSR's rewiring."""

    _parameter_constraints: dict = {
        "target_fraction": [Interval(Real, 0, 1, closed="left")],
        "rewire_every": [Interval(Integral, 1, None, closed="left")],
        "initial_threshold": [Interval(Real, 0, None, closed="neither")],
    }

    def _make_evolution(self) -> Evolution:
        return Evolution(
            fraction=self.target_fraction,
            drop=AdaptiveThreshold(self.initial_threshold),
            redistribute=in_proportion,
            grow=grow_elsewhere,
            new_weights=new_weights_rule(self.new_weights, self.init),
            evolve_output=self.evolve_output,
            every_steps=self.rewire_every,
        )


@document
class DSRClassifier(DSRMixin, BaseSparseMLPClassifier):
    """Sparse multilayer perceptron whose connections move between layers while it learns.

    Dynamic Sparse Reparameterization [2]_: every few steps the connections below one
    threshold, which adapts, are dropped in all layers, and as many grow, most of
    them where most survived, so that the layers' densities find themselves.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    SETClassifier : Each layer keeps its number of connections.
    DSRRegressor : The same for regression.

    Notes
    -----
    A rewiring drops every weight nearer to zero than the threshold, but never the
    last one of a layer, and grows as many connections, all layers together: each
    layer gets a share in proportion to those it kept, at random free places
    other than those just emptied, and what a full layer cannot take goes to the
    others. The number of connections of the network never changes; that of a
    layer does. If less (more) than `target_fraction` went, by more than a tenth
    of it, the threshold doubles (halves). The column "threshold" of `history_`
    holds it after each epoch, the columns "n_connections_0", … the layers'
    connections. The rules are those of the authors' code, with a fraction instead
    of a number as target, an interval that stays, rounding by largest remainders
    instead of at random, and an optimizer state that leaves with its connection.

    References
    ----------
    .. [1] Mocanu, D.C., Mocanu, E., Stone, P., Nguyen, P.H., Gibescu, M., Liotta, A.,
       "Scalable training of artificial neural networks with adaptive sparse
       connectivity inspired by network science", Nature Communications 9:2383, 2018.
    .. [2] Mostafa, H., Wang, X., "Parameter efficient training of deep convolutional
       neural networks by dynamic sparse reparameterization", ICML, 2019.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_set import DSRClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> model = make_pipeline(
    ...     StandardScaler(),
    ...     DSRClassifier(hidden_layer_sizes=(300, 300), max_iter=40, random_state=0),
    ... )
    >>> bool(model.fit(X_train, y_train).score(X_test, y_test) > 0.95)
    True
    >>> len(set(model[-1].history_["n_connections"]))
    1
    """

    _parameter_constraints: dict = {
        **_without_zeta(BaseSparseMLPClassifier._parameter_constraints),
        **DSRMixin._parameter_constraints,
    }

    def __init__(
        self,
        hidden_layer_sizes=(300, 300),
        activation="relu",
        *,
        epsilon=30,
        target_fraction=0.01,
        rewire_every=100,
        initial_threshold=0.001,
        loss="log_loss",
        solver="adam",
        learning_rate="constant",
        learning_rate_init=0.003,
        power_t=0.5,
        momentum=0.9,
        nesterovs_momentum=True,
        adam_beta_1=0.9,
        adam_beta_2=0.999,
        adam_epsilon=1e-8,
        weight_decay=0.01,
        decay_rule="l2",
        dropout=0.0,
        mixup=1.0,
        mixup_noise="auto",
        averaging=0.4,
        batch_size="auto",
        max_iter=200,
        shuffle=True,
        tol=1e-4,
        n_iter_no_change=np.inf,
        early_stopping=False,
        scoring=None,
        validation_fraction=0.1,
        class_weight=None,
        init="he_uniform",
        new_weights="zero",
        evolve_output=True,
        dtype="auto",
        n_jobs=None,
        warm_start=False,
        random_state=None,
        verbose=False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.epsilon = epsilon
        self.target_fraction = target_fraction
        self.rewire_every = rewire_every
        self.initial_threshold = initial_threshold
        self.loss = loss
        self.solver = solver
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.adam_beta_1 = adam_beta_1
        self.adam_beta_2 = adam_beta_2
        self.adam_epsilon = adam_epsilon
        self.weight_decay = weight_decay
        self.decay_rule = decay_rule
        self.dropout = dropout
        self.mixup = mixup
        self.mixup_noise = mixup_noise
        self.averaging = averaging
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.scoring = scoring
        self.validation_fraction = validation_fraction
        self.class_weight = class_weight
        self.init = init
        self.new_weights = new_weights
        self.evolve_output = evolve_output
        self.dtype = dtype
        self.n_jobs = n_jobs
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose


@document
class DSRRegressor(DSRMixin, BaseSparseMLPRegressor):
    """Sparse multilayer perceptron for regression whose connections move between layers.

    Dynamic Sparse Reparameterization [2]_: every few steps the connections below one
    threshold, which adapts, are dropped in all layers, and as many grow, most of
    them where most survived, so that the layers' densities find themselves.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    SETRegressor : Each layer keeps its number of connections.
    DSRClassifier : The same for classification.

    Notes
    -----
    A rewiring drops every weight nearer to zero than the threshold, but never the
    last one of a layer, and grows as many connections, all layers together: each
    layer gets a share in proportion to those it kept, at random free places
    other than those just emptied, and what a full layer cannot take goes to the
    others. The number of connections of the network never changes; that of a
    layer does. If less (more) than `target_fraction` went, by more than a tenth
    of it, the threshold doubles (halves). The column "threshold" of `history_`
    holds it after each epoch, the columns "n_connections_0", … the layers'
    connections. The rules are those of the authors' code, with a fraction instead
    of a number as target, an interval that stays, rounding by largest remainders
    instead of at random, and an optimizer state that leaves with its connection.

    References
    ----------
    .. [1] Mocanu, D.C., Mocanu, E., Stone, P., Nguyen, P.H., Gibescu, M., Liotta, A.,
       "Scalable training of artificial neural networks with adaptive sparse
       connectivity inspired by network science", Nature Communications 9:2383, 2018.
    .. [2] Mostafa, H., Wang, X., "Parameter efficient training of deep convolutional
       neural networks by dynamic sparse reparameterization", ICML, 2019.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_set import DSRRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> model = make_pipeline(
    ...     StandardScaler(), DSRRegressor(hidden_layer_sizes=100, max_iter=60, random_state=0)
    ... )
    >>> bool(model.fit(X_train, y_train).score(X_test, y_test) > 0.2)
    True
    """

    _parameter_constraints: dict = {
        **_without_zeta(BaseSparseMLPRegressor._parameter_constraints),
        **DSRMixin._parameter_constraints,
    }

    def __init__(
        self,
        hidden_layer_sizes=(300, 300),
        activation="relu",
        *,
        epsilon=30,
        target_fraction=0.01,
        rewire_every=100,
        initial_threshold=0.001,
        loss="squared_error",
        huber_delta=1.0,
        scale_target=True,
        solver="adam",
        learning_rate="constant",
        learning_rate_init=0.003,
        power_t=0.5,
        momentum=0.9,
        nesterovs_momentum=True,
        adam_beta_1=0.9,
        adam_beta_2=0.999,
        adam_epsilon=1e-8,
        weight_decay=0.01,
        decay_rule="l2",
        dropout=0.0,
        mixup=1.0,
        averaging=0.4,
        batch_size="auto",
        max_iter=200,
        shuffle=True,
        tol=1e-4,
        n_iter_no_change=np.inf,
        early_stopping=False,
        scoring=None,
        validation_fraction=0.1,
        init="he_uniform",
        new_weights="zero",
        evolve_output=True,
        dtype="auto",
        n_jobs=None,
        warm_start=False,
        random_state=None,
        verbose=False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.epsilon = epsilon
        self.target_fraction = target_fraction
        self.rewire_every = rewire_every
        self.initial_threshold = initial_threshold
        self.loss = loss
        self.huber_delta = huber_delta
        self.scale_target = scale_target
        self.solver = solver
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.adam_beta_1 = adam_beta_1
        self.adam_beta_2 = adam_beta_2
        self.adam_epsilon = adam_epsilon
        self.weight_decay = weight_decay
        self.decay_rule = decay_rule
        self.dropout = dropout
        self.mixup = mixup
        self.averaging = averaging
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.scoring = scoring
        self.validation_fraction = validation_fraction
        self.init = init
        self.new_weights = new_weights
        self.evolve_output = evolve_output
        self.dtype = dtype
        self.n_jobs = n_jobs
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
