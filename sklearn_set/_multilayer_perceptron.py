"""The estimators of SET and NPSET, and their general composition.

Owns: their parameters and documentation. May not touch: anything that
`_base.py` does for all estimators.
"""

import numpy as np

from ._base import InputPruningMixin, PruningMixin
from ._classification import BaseSparseMLPClassifier
from ._docs import document
from ._regression import BaseSparseMLPRegressor

__all__ = [
    "NPSETClassifier",
    "NPSETRegressor",
    "SETClassifier",
    "SETRegressor",
    "SparseMLPClassifier",
    "SparseMLPRegressor",
]


@document
class SETClassifier(BaseSparseMLPClassifier):
    """Sparse multilayer perceptron whose connections evolve while it learns.

    Sparse Evolutionary Training [1]_: the layers start as sparse random graphs;
    after every epoch the connections nearest to zero are dropped and as many grow
    at random places. Weights exist only where there is a connection.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    NPSETClassifier : Also prunes hidden neurons while learning.
    SETRegressor : The same for regression.

    References
    ----------
    .. [1] Mocanu, D.C., Mocanu, E., Stone, P., Nguyen, P.H., Gibescu, M., Liotta, A.,
       "Scalable training of artificial neural networks with adaptive sparse
       connectivity inspired by network science", Nature Communications 9:2383, 2018.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_set import SETClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> model = make_pipeline(
    ...     StandardScaler(),
    ...     SETClassifier(hidden_layer_sizes=(300, 300), max_iter=60, random_state=0),
    ... )
    >>> bool(model.fit(X_train, y_train).score(X_test, y_test) > 0.95)
    True
    >>> [coef.shape for coef in model[-1].coefs_]
    [(64, 300), (300, 300), (300, 10)]
    """

    def __init__(
        self,
        hidden_layer_sizes=(300, 300),
        activation="relu",
        *,
        epsilon=30,
        zeta=0.3,
        zeta_schedule="constant",
        evolve_every=1,
        drop="magnitude",
        grow="random",
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
        weight_decay=0.02,
        decay_rule="per_epoch",
        dropout=0.0,
        mixup=0.3,
        mixup_noise="auto",
        averaging=0.4,
        batch_size="auto",
        max_iter=120,
        shuffle=True,
        tol=1e-4,
        n_iter_no_change=np.inf,
        early_stopping=False,
        scoring=None,
        validation_fraction=0.1,
        class_weight=None,
        init="he_uniform",
        new_weights="small",
        evolve_output=False,
        dtype="auto",
        n_jobs=None,
        warm_start=False,
        random_state=None,
        verbose=False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.epsilon = epsilon
        self.zeta = zeta
        self.zeta_schedule = zeta_schedule
        self.evolve_every = evolve_every
        self.drop = drop
        self.grow = grow
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
class SETRegressor(BaseSparseMLPRegressor):
    """Sparse multilayer perceptron for regression whose connections evolve while it learns.

    Sparse Evolutionary Training [1]_: the layers start as sparse random graphs;
    after every epoch the connections nearest to zero are dropped and as many grow
    at random places.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    NPSETRegressor : Also prunes hidden neurons while learning.
    SETClassifier : The same for classification.

    References
    ----------
    .. [1] Mocanu, D.C., Mocanu, E., Stone, P., Nguyen, P.H., Gibescu, M., Liotta, A.,
       "Scalable training of artificial neural networks with adaptive sparse
       connectivity inspired by network science", Nature Communications 9:2383, 2018.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_set import SETRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> model = make_pipeline(
    ...     StandardScaler(), SETRegressor(hidden_layer_sizes=100, max_iter=60, random_state=0)
    ... )
    >>> bool(model.fit(X_train, y_train).score(X_test, y_test) > 0.2)
    True
    """

    def __init__(
        self,
        hidden_layer_sizes=(300, 300),
        activation="relu",
        *,
        epsilon=30,
        zeta=0.3,
        zeta_schedule="constant",
        evolve_every=1,
        drop="magnitude",
        grow="random",
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
        weight_decay=0.03,
        decay_rule="l2",
        dropout=0.0,
        mixup=0.3,
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
        new_weights="small",
        evolve_output=False,
        dtype="auto",
        n_jobs=None,
        warm_start=False,
        random_state=None,
        verbose=False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.epsilon = epsilon
        self.zeta = zeta
        self.zeta_schedule = zeta_schedule
        self.evolve_every = evolve_every
        self.drop = drop
        self.grow = grow
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


@document
class NPSETClassifier(PruningMixin, BaseSparseMLPClassifier):
    """Evolving sparse multilayer perceptron that also prunes hidden neurons.

    SET with Neurons Pruning [2]_: as `SETClassifier`, and at the start of the epochs
    `beta` to ``beta + gamma`` each hidden layer loses a fraction `alpha` of its
    neurons, those with the fewest output connections.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    SETClassifier : Evolves the connections only.
    NPSETRegressor : The same for regression.

    References
    ----------
    .. [1] Mocanu, D.C., Mocanu, E., Stone, P., Nguyen, P.H., Gibescu, M., Liotta, A.,
       "Scalable training of artificial neural networks with adaptive sparse
       connectivity inspired by network science", Nature Communications 9:2383, 2018.
    .. [2] Liu, S., Mocanu, D.C., Pechenizkiy, M., "On improving deep learning
       generalization with adaptive sparse connectivity", ICML Workshop on
       Understanding and Improving Generalization in Deep Learning, 2019.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_set import NPSETClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> model = make_pipeline(
    ...     StandardScaler(),
    ...     NPSETClassifier(hidden_layer_sizes=(300, 300), max_iter=60, random_state=0),
    ... )
    >>> bool(model.fit(X_train, y_train).score(X_test, y_test) > 0.95)
    True
    >>> model[-1].hidden_layer_sizes_
    (66, 66)
    """

    _parameter_constraints: dict = {
        **BaseSparseMLPClassifier._parameter_constraints,
        **PruningMixin._parameter_constraints,
    }

    def __init__(
        self,
        hidden_layer_sizes=(300, 300),
        activation="relu",
        *,
        epsilon=30,
        zeta=0.3,
        zeta_schedule="constant",
        evolve_every=1,
        drop="magnitude",
        grow="random",
        alpha=0.04,
        beta=10,
        gamma=40,
        prune_layers="all",
        prune_by="out_degree",
        prune_every=1,
        budget="shrink",
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
        weight_decay=0.02,
        decay_rule="per_epoch",
        dropout=0.0,
        mixup=0.3,
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
        new_weights="small",
        evolve_output=False,
        dtype="auto",
        n_jobs=None,
        warm_start=False,
        random_state=None,
        verbose=False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.epsilon = epsilon
        self.zeta = zeta
        self.zeta_schedule = zeta_schedule
        self.evolve_every = evolve_every
        self.drop = drop
        self.grow = grow
        self.alpha = alpha
        self.beta = beta
        self.gamma = gamma
        self.prune_layers = prune_layers
        self.prune_by = prune_by
        self.prune_every = prune_every
        self.budget = budget
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
class NPSETRegressor(PruningMixin, BaseSparseMLPRegressor):
    """Evolving sparse multilayer perceptron for regression that also prunes hidden neurons.

    SET with Neurons Pruning [2]_: as `SETRegressor`, and at the start of the epochs
    `beta` to ``beta + gamma`` each hidden layer loses a fraction `alpha` of its
    neurons, those with the fewest output connections.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    SETRegressor : Evolves the connections only.
    NPSETClassifier : The same for classification.

    References
    ----------
    .. [1] Mocanu, D.C., Mocanu, E., Stone, P., Nguyen, P.H., Gibescu, M., Liotta, A.,
       "Scalable training of artificial neural networks with adaptive sparse
       connectivity inspired by network science", Nature Communications 9:2383, 2018.
    .. [2] Liu, S., Mocanu, D.C., Pechenizkiy, M., "On improving deep learning
       generalization with adaptive sparse connectivity", ICML Workshop on
       Understanding and Improving Generalization in Deep Learning, 2019.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_set import NPSETRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> model = make_pipeline(
    ...     StandardScaler(), NPSETRegressor(hidden_layer_sizes=100, max_iter=60, random_state=0)
    ... )
    >>> bool(model.fit(X_train, y_train).score(X_test, y_test) > 0.2)
    True
    """

    _parameter_constraints: dict = {
        **BaseSparseMLPRegressor._parameter_constraints,
        **PruningMixin._parameter_constraints,
    }

    def __init__(
        self,
        hidden_layer_sizes=(300, 300),
        activation="relu",
        *,
        epsilon=30,
        zeta=0.3,
        zeta_schedule="constant",
        evolve_every=1,
        drop="magnitude",
        grow="random",
        alpha=0.04,
        beta=10,
        gamma=40,
        prune_layers="all",
        prune_by="out_degree",
        prune_every=1,
        budget="shrink",
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
        weight_decay=0.03,
        decay_rule="l2",
        dropout=0.0,
        mixup=0.3,
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
        new_weights="small",
        evolve_output=False,
        dtype="auto",
        n_jobs=None,
        warm_start=False,
        random_state=None,
        verbose=False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.epsilon = epsilon
        self.zeta = zeta
        self.zeta_schedule = zeta_schedule
        self.evolve_every = evolve_every
        self.drop = drop
        self.grow = grow
        self.alpha = alpha
        self.beta = beta
        self.gamma = gamma
        self.prune_layers = prune_layers
        self.prune_by = prune_by
        self.prune_every = prune_every
        self.budget = budget
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


@document
class SparseMLPClassifier(InputPruningMixin, BaseSparseMLPClassifier):
    """Evolving sparse multilayer perceptron that also selects its input features.

    The composition of which `SETClassifier` (``alpha=0``) and `NPSETClassifier`
    (``prune_layers="all"``) are special cases: connections evolve after every
    epoch [1]_, and at the start of the epochs `beta` to ``beta + gamma`` the layers
    in `prune_layers` lose a fraction `alpha` of their neurons. By default these are
    the inputs where most features are noise (see `prune_layers`): the features with
    the weakest connections leave, and the others receive their connections.
    Otherwise nothing is pruned and the estimator is `SETClassifier`.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    SETClassifier : Evolves the connections only.
    NPSETClassifier : Also prunes hidden neurons.
    SparseMLPRegressor : The same for regression.

    References
    ----------
    .. [1] Mocanu, D.C., Mocanu, E., Stone, P., Nguyen, P.H., Gibescu, M., Liotta, A.,
       "Scalable training of artificial neural networks with adaptive sparse
       connectivity inspired by network science", Nature Communications 9:2383, 2018.
    .. [2] Liu, S., Mocanu, D.C., Pechenizkiy, M., "On improving deep learning
       generalization with adaptive sparse connectivity", ICML Workshop on
       Understanding and Improving Generalization in Deep Learning, 2019.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_set import SparseMLPClassifier
    >>> X, y = make_classification(600, 200, n_informative=5, n_redundant=0, random_state=0)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> model = make_pipeline(StandardScaler(), SparseMLPClassifier(random_state=0))
    >>> bool(model.fit(X_train, y_train).score(X_test, y_test) > 0.75)
    True
    >>> len(model[-1].selected_features_)
    12
    """

    _parameter_constraints: dict = {
        **BaseSparseMLPClassifier._parameter_constraints,
        **InputPruningMixin._parameter_constraints,
    }

    def __init__(
        self,
        hidden_layer_sizes=(300, 300),
        activation="relu",
        *,
        epsilon=30,
        zeta=0.3,
        zeta_schedule="constant",
        evolve_every=1,
        drop="magnitude",
        grow="random",
        alpha=0.08,
        beta=10,
        gamma=70,
        prune_layers="auto",
        prune_by="out_degree",
        prune_every=1,
        budget="keep",
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
        weight_decay=0.02,
        decay_rule="auto",
        dropout=0.0,
        mixup=0.3,
        mixup_noise="auto",
        averaging=0.4,
        batch_size="auto",
        max_iter=120,
        shuffle=True,
        tol=1e-4,
        n_iter_no_change=np.inf,
        early_stopping=False,
        scoring=None,
        validation_fraction=0.1,
        class_weight=None,
        init="he_uniform",
        new_weights="small",
        evolve_output=False,
        dtype="auto",
        n_jobs=None,
        warm_start=False,
        random_state=None,
        verbose=False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.epsilon = epsilon
        self.zeta = zeta
        self.zeta_schedule = zeta_schedule
        self.evolve_every = evolve_every
        self.drop = drop
        self.grow = grow
        self.alpha = alpha
        self.beta = beta
        self.gamma = gamma
        self.prune_layers = prune_layers
        self.prune_by = prune_by
        self.prune_every = prune_every
        self.budget = budget
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
class SparseMLPRegressor(InputPruningMixin, BaseSparseMLPRegressor):
    """Evolving sparse multilayer perceptron for regression that also selects its features.

    The composition of which `SETRegressor` (``alpha=0``) and `NPSETRegressor`
    (``prune_layers="all"``) are special cases: connections evolve after every
    epoch [1]_, and at the start of the epochs `beta` to ``beta + gamma`` the layers
    in `prune_layers` lose a fraction `alpha` of their neurons. By default these are
    the inputs where most features are noise (see `prune_layers`): the features with
    the weakest connections leave, and the others receive their connections.
    Otherwise nothing is pruned and the estimator is `SETRegressor`.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    SETRegressor : Evolves the connections only.
    NPSETRegressor : Also prunes hidden neurons.
    SparseMLPClassifier : The same for classification.

    References
    ----------
    .. [1] Mocanu, D.C., Mocanu, E., Stone, P., Nguyen, P.H., Gibescu, M., Liotta, A.,
       "Scalable training of artificial neural networks with adaptive sparse
       connectivity inspired by network science", Nature Communications 9:2383, 2018.
    .. [2] Liu, S., Mocanu, D.C., Pechenizkiy, M., "On improving deep learning
       generalization with adaptive sparse connectivity", ICML Workshop on
       Understanding and Improving Generalization in Deep Learning, 2019.

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_set import SparseMLPRegressor
    >>> X, y = make_friedman1(400, 100, random_state=0)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> model = make_pipeline(StandardScaler(), SparseMLPRegressor(random_state=0))
    >>> bool(model.fit(X_train, y_train).score(X_test, y_test) > 0.6)
    True
    """

    _parameter_constraints: dict = {
        **BaseSparseMLPRegressor._parameter_constraints,
        **InputPruningMixin._parameter_constraints,
    }

    def __init__(
        self,
        hidden_layer_sizes=(300, 300),
        activation="relu",
        *,
        epsilon=30,
        zeta=0.3,
        zeta_schedule="constant",
        evolve_every=1,
        drop="magnitude",
        grow="random",
        alpha=0.08,
        beta=10,
        gamma=70,
        prune_layers="auto",
        prune_by="out_degree",
        prune_every=1,
        budget="keep",
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
        weight_decay=0.03,
        decay_rule="l2",
        dropout=0.0,
        mixup=0.3,
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
        new_weights="small",
        evolve_output=False,
        dtype="auto",
        n_jobs=None,
        warm_start=False,
        random_state=None,
        verbose=False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.epsilon = epsilon
        self.zeta = zeta
        self.zeta_schedule = zeta_schedule
        self.evolve_every = evolve_every
        self.drop = drop
        self.grow = grow
        self.alpha = alpha
        self.beta = beta
        self.gamma = gamma
        self.prune_layers = prune_layers
        self.prune_by = prune_by
        self.prune_every = prune_every
        self.budget = budget
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
