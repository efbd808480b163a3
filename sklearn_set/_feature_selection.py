"""Selection of features: by gradients with targets, or by a sparse denoising autoencoder.

Owns: what users give and get, the autoencoder's data and how its inputs are scored. May not
touch: rules of evolution, the order of training, gradients of kernels.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import check_array, check_consistent_length, check_random_state
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted

from ._amounts import new_weights_rule
from ._conditioning import CHO, InputConditioner
from ._data import Data
from ._evolution import Evolution
from ._gradients import Evidence, errors_by_number, merged, ranked
from ._kernel import target_matrix
from ._losses import Loss
from ._network import Network
from ._network_parameters import Layers, Rewiring
from ._optimizers import Optimizer
from ._parameters import Declared, parameter, same_parameter
from ._samples import bounded_weight, check_weight, validated
from ._sklearn_compat import fit_context
from ._threads import effective_n_threads, one_blas_thread
from ._topology import decimal_floor
from ._training import Generators, Learner, train
from ._training_parameters import Training

__all__ = ["SETFeatureSelector", "groups_of"]

RADHAKRISHNAN = """\
Radhakrishnan, A., Beaglehole, D., Pandit, P., Belkin, M., "Mechanism for feature learning in
neural networks and backpropagation-free machine learning models", Science 383, 2024."""
GUYON = """\
Guyon, I., Weston, J., Barnhill, S., Vapnik, V., "Gene selection for cancer classification using
support vector machines", Machine Learning 46, 2002."""
WIPF = """\
Wipf, D., Nagarajan, S., "A new view of automatic relevance determination", Advances in Neural
Information Processing Systems 20, 2007."""
ATASHGAHI = """\
Atashgahi, Z., Sokar, G., van der Lee, T., Mocanu, E., Mocanu, D.C., Veldhuis, R.,
Pechenizkiy, M., "Quick and robust feature selection: the strength of energy-efficient sparse
training for autoencoders", Machine Learning, 2021."""

_LARGEST_DENSITY = 0.05  # of the layers with epsilon="auto"


class SETFeatureSelector(SelectorMixin, Declared):
    """Select the features that predict the targets, or that reconstruct the other features.

    With targets, classes or numbers: by how much the function that an infinitely wide network
    finds varies with each. Without: QuickSelection, by the strengths of a sparse autoencoder's
    inputs.

    {parameters}

    {attributes}

    See Also
    --------
    StabilitySelector : Which features are selected time and again, with an error bound.
    SETClassifier : Has `feature_importances_`, for `SelectFromModel`.

    Notes
    -----
    `transform` returns features as they were given. Which of the importances answers which
    question is told in the user guide.

    *With targets.* Columns are scaled as `InputConditioner` does. `n_subsamples` subsamples
    hold 5 of 8 samples of like targets each (400 samples at most). On each, kernel ridge
    regression is fitted, with the mean of a linear kernel and of the arc-cosine kernel of two
    layers [1]_, which is an infinitely wide ReLU network; the noise is as large as the
    targets' variance. What counts is the squared gradient of the fitted function with respect
    to a feature, summed over outputs and averaged over samples: the diagonal of the average
    gradient outer product [2]_. Of it, a sample's own part is left out, and both kernels count
    alike.

    With "gradient" it is divided by its sum over features, and the worst three tenths, all
    subsamples together, leave; the rest is fitted anew, as in recursive feature elimination
    [3]_, until one is left. Elimination makes related features compete, so that few of them
    stay; subsamples make it steady.

    With "relevance" none leaves. Each feature is multiplied by the root of a scale; scales
    are multiplied by the root of what the squared gradient is in relation to what chance
    gives, then divided by their sum, five times. This is automatic relevance determination
    by reweighting [4]_, stopped early, and means over subsamples. It finds the true features of
    simulated tables more often than "gradient", about as often as the lasso, which is why
    `StabilitySelector` uses it. Where many features say the same, as the pixels of pictures
    do, "gradient" predicts better.

    "consensus" ranks by the product of ``2 + place`` in both. It predicts as well as
    "gradient", and its features vary less from sample to sample.

    "auto" takes the smallest number whose error in five folds is within one standard error
    of the smallest.

    *Without.* QuickSelection [5]_: an autoencoder with one hidden layer, whose sparse
    connections evolve after every epoch, learns to restore standardised features from
    noisy ones. Evolution moves connections to the inputs that help; the strength of an input
    is the sum of its absolute weights. The fraction `zeta` is dropped once more before, so
    that connections that were grown lately and learnt nothing do not count. The source grows
    weights with ``new_weights="init"``. Sparse `X` is made dense.

    The autoencoder needs sparse layers: a dense one copies each feature through its own
    path, and related features, which help to reconstruct each other, end up with the
    smallest weights. (Of 12 related features among 80, none was among the 12 best at a
    density of 23 %, and 10 at 7 %.) It discards features that are unrelated to all others.
    It memorises features that are constant but for a few samples; remove them before, for
    example with `VarianceThreshold`.

    {references}

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_set import SETFeatureSelector
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(150, 2000))
    >>> y = X[:, 3] + X[:, 5] - X[:, 8] > 0
    >>> selector = SETFeatureSelector(3, random_state=0).fit(X, y)
    >>> selector.get_support(indices=True)
    array([3, 5, 8])
    >>> selector.transform(X).shape
    (150, 3)
    """

    _references = (CHO, RADHAKRISHNAN, GUYON, WIPF, ATASHGAHI)
    _attribute_texts = """
        scores_ : ndarray of shape (`n_features_in_`,)
            The higher, the better (see Notes). "gradient": the feature's share in the gradient at
            the step at which it leaves, or that of the best of those behind it. "relevance": its
            scale. "consensus": ``3 / (2 + place)``, the geometric mean of both. Without targets:
            strength of each feature's input, after a last removal of connections.
        ranking_ : ndarray of int of shape (`n_features_in_`,)
            Place of each feature from 1, the best, on. The features of a group share a place. Of
            equal scores the first comes first.
        support_ : ndarray of bool of shape (`n_features_in_`,)
            Which features are selected: those of the first places.
        n_features_to_select_ : int
            Number of features (or groups) selected.
        method_ : {"consensus", "gradient", "relevance", "autoencoder"}
            What was done.
        errors_ : dict of int to float
            With targets and ``n_features_to_select="auto"``: squared error out of sample by the
            number of features (or groups), relative to that of the mean. Empty otherwise.
        history_ : dict of str to list
            Of the autoencoder: columns with one entry an epoch, as in `SETClassifier`.
        n_iter_ : int
            Number of subsamples ranked, or epochs trained.
    """

    n_features_to_select: Any = parameter(
        'int >= 1, float in (0, 1) or "auto"',
        """Number of features to keep, or the share of them; with `groups` of groups. "auto":
        as many as predict the targets best; half without targets or with fewer than ten
        samples.""",
        default="auto",
        kw_only=False,
    )
    method: str = parameter(
        '{"auto", "consensus", "gradient", "relevance", "autoencoder"}',
        """How features are scored. "gradient": in eliminations, for features that predict well
        together. "relevance": by scales that adapt, for features that are true. "consensus": by
        both. "autoencoder" disregards targets. "auto": "consensus" if there are targets, else
        "autoencoder".""",
        default="auto",
    )
    task: str = parameter(
        '{"auto", "classification", "regression"}',
        """What the targets are. "auto": numbers if they have fractions, indicators or several
        columns, else classes. Say "regression" for numbers without fractions, as ages are.""",
        default="auto",
    )
    groups: Any = parameter(
        "array-like or None",
        """Of shape (n_features,): a label for each feature. Features of the same label are
        kept or left together, as the columns of a category or of a gene are. What counts is
        the mean of its features' squared gradients.""",
        default=None,
    )
    n_subsamples: int = parameter(
        "int >= 1",
        "Number of subsamples that features are ranked on; 1: all samples, once.",
        default=20,
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
    def fit(self, X, y=None, sample_weight=None) -> Self:
        """Score the features.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets: classes, numbers or indicators. None: there are none.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, >= 0. A sample of weight 0 counts as absent.

        Returns
        -------
        self : SETFeatureSelector
            The fitted selector.

        Raises
        ------
        ValueError
            If the data or a parameter cannot be used, or if training diverges.
        """
        if self.method not in ("auto", "autoencoder") and y is None:
            raise ValueError(
                f'method="{self.method}" needs targets, but y is None. Pass y, or set '
                'method="autoencoder".'
            )
        by_targets = self.method != "autoencoder" and y is not None
        own = by_targets or self.dtype == "auto"
        dtype = (np.float64, np.float32) if own else np.dtype(self.dtype)
        X = validated(self, X, accept_sparse="csr", dtype=dtype, ensure_min_samples=1 + by_targets)
        weight = bounded_weight(check_weight(sample_weight, X, "sample_weight"))
        if y is not None:
            y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
            check_consistent_length(X, y)
        group = groups_of(self.groups, X.shape[1])
        self.method_ = self.method
        if self.method == "auto":
            self.method_ = "consensus" if by_targets else "autoencoder"
        self.errors_: dict[int, float] = {}
        self._number_to_select(int(group.max()) + 1)  # an error comes before the work
        rng = check_random_state(self.random_state)
        if by_targets:
            order, score = self._rank_by_targets(X, self._targets(y), weight, group, rng)
        else:
            strength = self._strengths(X, weight, rng)
            strength = np.bincount(group, strength) / np.bincount(group)
            order = np.argsort(-strength, kind="stable")
            score = strength[order]
        place = np.empty(len(order), dtype=int)
        place[order] = np.arange(len(order))
        self.n_features_to_select_ = self._number_to_select(len(order))
        self.scores_, self.ranking_ = score[place[group]], place[group] + 1
        self.support_ = self.ranking_ <= self.n_features_to_select_
        return self

    def _number_to_select(self, n_groups: int) -> int:
        wanted = self.n_features_to_select
        if wanted == "auto":
            return self._n_best if self.errors_ else max(1, n_groups // 2)
        if not isinstance(wanted, Integral):
            return max(1, decimal_floor(float(wanted), n_groups))
        wanted = int(wanted)
        if wanted > n_groups:
            what = "features of X" if self.groups is None else "groups"
            raise ValueError(
                f"n_features_to_select={wanted} is more than the {n_groups} {what}; "
                "lower it, or give a fraction between 0 and 1."
            )
        return wanted

    def _rank_by_targets(self, X, Y, weight, group, rng):
        if np.ptp(Y, axis=0).max() == 0:
            raise ValueError(
                f"The targets of all {len(Y)} samples are the same: they cannot tell features "
                'apart. Pass other targets, or set method="autoencoder".'
            )
        with one_blas_thread():
            rows, weight = merged(X, Y, weight)
            X, Y = X[rows], Y[rows]
            X = InputConditioner("scale")._learn(X, None, weight)[0]._apply(X)
            evidence = Evidence.of(X.astype(np.float64, copy=False), Y, weight, group)
            generator = np.random.default_rng(rng.randint(0, 2**31 - 1))
            if self.n_features_to_select == "auto":
                self.errors_, self._n_best = errors_by_number(evidence, self.method_)
            self.n_iter_ = self.n_subsamples
            subsamples = evidence.subsamples(self.n_subsamples, generator)
            return ranked(evidence, subsamples, self.method_)

    def _targets(self, y) -> np.ndarray:
        kind = type_of_target(y, input_name="y")
        if self.task == "regression" or (
            self.task == "auto" and kind.startswith(("continuous", "multilabel", "multiclass-m"))
        ):
            return target_matrix(y.astype(np.float64))
        check_classification_targets(y)
        return target_matrix(np.unique(y, return_inverse=True)[1])

    def _strengths(self, X, weight, rng) -> np.ndarray:
        if weight is not None:
            X, weight = X[weight > 0], weight[weight > 0]
        generators = Generators.spawn(rng.randint(0, 2**31 - 1, size=4).tolist())
        learner = self._train(_standardised(X, weight), weight, generators)
        self.history_ = learner.progress.history
        self.n_iter_ = learner.progress.epoch
        first = learner.network.layers[0]
        return first.connectivity.out_strength(first.weights)

    def _epsilon(self, n_features: int) -> float:
        if self.epsilon != "auto":
            return self.epsilon
        n_hidden = self.hidden_layer_size
        return min(13.0, _LARGEST_DENSITY * n_features * n_hidden / (n_features + n_hidden))

    def _train(self, X: np.ndarray, weight, generators: Generators) -> Learner:
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
            Data(noisy, X.dtype, Loss("squared_error"), X, weight),
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


def groups_of(labels, n_features: int) -> np.ndarray:
    """The number of each feature's group; groups are numbered as they first come."""
    if labels is None:
        return np.arange(n_features)
    labels = check_array(
        labels, ensure_2d=False, dtype=None, ensure_min_samples=0, input_name="groups"
    )
    if labels.shape != (n_features,):
        raise ValueError(
            f"groups has the shape {labels.shape}, but X has {n_features} features: give one "
            "label for each."
        )
    _, first, group = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[group]


def _standardised(X, weight: np.ndarray | None) -> np.ndarray:
    """Features of mean 0 and variance 1 (constant ones: 0), dense."""
    X = X.toarray() if sparse.issparse(X) else X
    values = X.astype(np.float64)
    if weight is None:
        mean, scale = values.mean(axis=0), values.std(axis=0)
    else:
        mean = weight @ values / weight.sum()
        scale = np.sqrt(weight @ np.square(values - mean) / weight.sum())
    # A constant feature's deviation is rounding.
    constant = scale <= 10 * np.finfo(X.dtype).eps * np.abs(mean)
    values -= mean
    values /= np.where(constant, 1.0, scale)
    values[:, constant] = 0
    return values.astype(X.dtype)
