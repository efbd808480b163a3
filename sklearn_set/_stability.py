"""Which features are selected time and again: stability selection with complementary pairs.

Owns: halves of the samples, places of features in them, what is selected. May not touch: how
a selector scores, the bounds.
"""

from __future__ import annotations

from numbers import Real
from typing import Any, Self

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import MetaEstimatorMixin, clone
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import check_array, check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from ._error_bounds import false_selections, largest_number
from ._feature_selection import SETFeatureSelector, groups_of
from ._parameters import Declared, parameter, same_parameter
from ._samples import check_weight
from ._sklearn_compat import HasMethods, Interval, fit_context

__all__ = ["StabilitySelector"]

SHAH = """\
Shah, R.D., Samworth, R.J., "Variable selection with error control: another look at stability
selection", Journal of the Royal Statistical Society B 75, 2013."""
MEINSHAUSEN = """\
Meinshausen, N., Bühlmann, P., "Stability selection", Journal of the Royal Statistical Society
B 72, 2010."""


class StabilitySelector(MetaEstimatorMixin, SelectorMixin, Declared):
    """Select the features that are among the best on most halves of the samples.

    Stability selection [2]_ with complementary pairs [1]_: a selector takes its best features
    on each of many halves of the samples. Those that it takes in most of them stay. The
    expected number of false ones among them is bounded.

    {parameters}

    {attributes}

    See Also
    --------
    SETFeatureSelector : The features that predict best, in a tenth of the time.
    sklearn_set.inspection.StabilityDisplay : Frequencies and their paths, drawn.

    Notes
    -----
    With p features (or groups), of which q are taken each time, and a share tau of the
    halves, these bound the expected number of selected features whose chance of being taken
    is q / p at most:

    - "worst_case": ``q² / ((2 tau - 1) p)`` (Theorem 1 of [1]_), without assumptions on the
      selector.
    - "unimodal": half of that or less (Theorem 2), if the share of pairs in both halves of
      which a false feature is taken has a distribution with one mode.
    - "r_concave": the smallest (Equation 8), if that distribution is r-concave with r = -1/2,
      and that of the frequency with r = -1/4.

    The last one, which [1]_ recommends, allows twice as many features on each half and finds
    more. At a threshold of 0.8 it is close to the truth and above it: for features that have
    normal scores and nothing to do with the target, 63 to 93 % of it is to be expected (100 to
    20,000 features, 50 pairs, `max_false` of 1 to 10), of "unimodal" 14 % (2,000 features).
    At 0.75 it is 81 to 105 %; below, a little more is found and the bound does not hold.
    All of them are about halves drawn at random; here halves have like targets, so that none
    lacks a class.

    Features that are copies of each other share the frequency that each would have alone.
    Give them a common label in `groups`, and they are counted as one.

    {references}

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_set import StabilitySelector
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 200))
    >>> y = X[:, 3] + X[:, 5] - X[:, 8] > 0
    >>> selector = StabilitySelector(n_pairs=25, random_state=0).fit(X, y)
    >>> selector.get_support(indices=True)
    array([3, 5, 8])
    >>> bool(selector.expected_false_ <= 1)
    True
    """

    _references = (SHAH, MEINSHAUSEN)
    _attribute_texts = """
        frequencies_ : ndarray of shape (`n_features_in_`,)
            Share of the halves in which each feature was taken.
        support_ : ndarray of bool of shape (`n_features_in_`,)
            Which features are selected: those of a frequency of `threshold_` at least.
        ranking_ : ndarray of int of shape (`n_features_in_`,)
            Place of each feature from 1 on, by frequency; of equal ones by the mean place on
            the halves. The features of a group share a place.
        threshold_ : float
            The smallest frequency that is enough.
        n_features_per_fit_ : int
            Number of features (or groups) taken on each half.
        expected_false_ : float
            The bound on the expected number of false selections.
        places_ : ndarray of int of shape (2 * n_pairs, `n_features_in_`)
            Place of each feature on each half, from 0 on; features without any score have
            the last, which is their number. A feature is taken where its place is below
            `n_features_per_fit_`.
    """

    estimator: Any = parameter(
        "estimator or None",
        """What ranks features on a half: an estimator that has `ranking_`, `scores_`,
        `feature_importances_` or `coef_` when it is fitted. None: a `SETFeatureSelector` with
        ``method="relevance"`` and ``n_subsamples=1``.""",
        default=None,
        constraint=[HasMethods("fit"), None],
        kw_only=False,
    )
    max_false: float = parameter(
        "float > 0",
        "Largest allowed bound on the expected number of false selections.",
        default=1.0,
    )
    threshold: float = parameter(
        "float in (0.5, 1]",
        """Share of the halves in which a feature must be taken, at least. It is raised if
        `n_features_per_fit` is given and the bound asks for it.""",
        default=0.8,
        constraint=[Interval(Real, 0.5, 1, closed="right")],
    )
    n_features_per_fit: Any = parameter(
        'int >= 1 or "auto"',
        """Number of features (with `groups` of groups) taken on each half. "auto": the
        largest that the bound allows.""",
        default="auto",
    )
    n_pairs: int = parameter("int >= 1", "Number of complementary pairs of halves.", default=50)
    bound: str = parameter(
        '{"worst_case", "unimodal", "r_concave"}',
        "Which bound holds the number of false selections down; see Notes.",
        default="r_concave",
    )
    groups: Any = same_parameter(SETFeatureSelector, "groups", default=None)
    verbose: int = parameter("int >= 0", "1 prints how far the fit is.", default=0)
    n_jobs: int | None = parameter(
        "int or None",
        """Number of processes (joblib): None is 1, -1 all processors. The result does not
        depend on it.""",
        default=None,
    )
    random_state: Any = same_parameter(SETFeatureSelector, "random_state", default=None)

    @fit_context
    def fit(self, X, y=None, sample_weight=None) -> Self:
        """Rank the features on all halves, and select.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets, as `estimator` takes them.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, >= 0, for an `estimator` that takes them.

        Returns
        -------
        self : StabilitySelector
            The fitted selector.

        Raises
        ------
        ValueError
            If the data or a parameter cannot be used, or if no number of features per fit
            keeps the bound.
        """
        X = validate_data(
            self, X, accept_sparse="csr", dtype=(np.float64, np.float32), ensure_min_samples=4
        )
        given: dict[str, Any] = {}
        if y is not None:
            y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
            check_consistent_length(X, y)
            given["y"] = y
        if sample_weight is not None:
            given["sample_weight"] = check_weight(sample_weight, X, "sample_weight")
        group = groups_of(self.groups, X.shape[1])
        n_groups = int(group.max()) + 1
        self._choose(n_groups)
        estimator = self._ranker()
        rng = check_random_state(self.random_state)
        seeds = rng.randint(0, 2**31 - 1, size=(self.n_pairs, 3))
        like = np.zeros((X.shape[0], 1)) if y is None else _columns(y)
        parallel = Parallel(n_jobs=self.n_jobs, return_as="generator")
        tasks = (delayed(_pair)(estimator, X, given, group, like, seed) for seed in seeds)
        places: list[np.ndarray] = []
        for pair in parallel(tasks):
            places += pair
            if self.verbose and len(places) % max(2, self.n_pairs // 5) < 2:
                print(f"[StabilitySelector] {len(places)} of {2 * self.n_pairs} halves")
        by_group = np.array(places)
        frequency = (by_group < self.n_features_per_fit_).mean(axis=0)
        place = np.empty(n_groups, dtype=int)
        place[np.lexsort((by_group.mean(axis=0), -frequency))] = np.arange(1, n_groups + 1)
        self.places_ = by_group[:, group]
        self.frequencies_, self.ranking_ = frequency[group], place[group]
        self.support_ = self.frequencies_ >= self.threshold_ - 1e-12
        return self

    def _choose(self, p: int) -> None:
        """The number of features per fit, the threshold and what they promise."""
        tau, q = self.threshold, self.n_features_per_fit
        if q == "auto":
            q = largest_number(self.max_false, p, tau, self.n_pairs, self.bound)
            if q == 0:
                raise ValueError(
                    f"Not even one of {p} features per fit keeps the {self.bound} bound at "
                    f"max_false={self.max_false}. Raise max_false or threshold={tau}."
                )
        elif q > p:
            raise ValueError(
                f"n_features_per_fit={q} is more than the {p} features (or groups) of X; lower it."
            )
        shares = np.arange(1, 2 * self.n_pairs + 1) / (2 * self.n_pairs)
        for share in shares[shares >= tau - 1e-12]:
            self.expected_false_ = false_selections(q, p, share, self.n_pairs, self.bound)
            if self.expected_false_ <= self.max_false:
                break
        else:
            raise ValueError(
                f"n_features_per_fit={q} of {p} features does not keep the {self.bound} bound at "
                f"max_false={self.max_false} with any threshold: at 1 it is "
                f"{self.expected_false_:.3g}. Lower n_features_per_fit, or raise max_false."
            )
        self.threshold_, self.n_features_per_fit_ = float(share), int(q)

    def _ranker(self):
        if self.estimator is None:
            estimator = SETFeatureSelector(1, method="relevance", n_subsamples=1)
        else:
            estimator = clone(self.estimator)
        if self.groups is not None and "groups" in estimator.get_params():
            estimator.set_params(groups=self.groups)
        return estimator

    def _get_support_mask(self) -> np.ndarray:
        check_is_fitted(self)
        return self.support_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _columns(y: np.ndarray) -> np.ndarray:
    """Numbers that sort as the targets do, in columns."""
    columns = y.reshape(len(y), -1).T
    return np.column_stack([np.unique(each, return_inverse=True)[1] for each in columns])


def _pair(estimator, X, given: dict, group: np.ndarray, like: np.ndarray, seed) -> list:
    """Places of the groups on both halves of the samples.

    Of each two samples that follow on another in the order of `like`, one comes into either
    half, at random.
    """
    rng = np.random.default_rng(seed[0])
    order = np.lexsort((rng.random(len(like)), *like.T))
    order = order[: len(order) // 2 * 2].reshape(-1, 2)
    first = rng.integers(0, 2, size=len(order))
    halves = (order[np.arange(len(order)), side] for side in (first, 1 - first))
    with threadpool_limits(1, "blas"):  # in the process that fits, so that all have the same bits
        return [
            _places(_fitted(estimator, X, given, np.sort(rows), number), group)
            for rows, number in zip(halves, seed[1:])
        ]


def _fitted(estimator, X, given: dict, rows: np.ndarray, seed):
    model = clone(estimator)
    if "random_state" in model.get_params():
        model.set_params(random_state=int(seed))
    return model.fit(X[rows], **{name: values[rows] for name, values in given.items()})


def _places(model, group: np.ndarray) -> np.ndarray:
    """Places of the groups from 0 on; those without any score have the last."""
    size = np.bincount(group)
    if hasattr(model, "ranking_"):
        score = -np.asarray(model.ranking_, dtype=np.float64)
        lowest = -np.inf
    else:
        score, lowest = _scores(model), 0.0
    score = np.bincount(group, score) / size
    place = np.empty(len(size), dtype=np.int32)
    place[np.argsort(-score, kind="stable")] = np.arange(len(size))
    place[score <= lowest] = len(size)
    return place


def _scores(model) -> np.ndarray:
    for name in ("scores_", "feature_importances_", "coef_"):
        if hasattr(model, name):
            values = np.abs(np.asarray(getattr(model, name), dtype=np.float64))
            return np.nan_to_num(values.reshape(-1, values.shape[-1]).sum(axis=0))
    raise TypeError(
        f"{type(model).__name__} says nothing about features: it has none of ranking_, scores_, "
        "feature_importances_ and coef_ when it is fitted. Pass another estimator."
    )
