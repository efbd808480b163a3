"""The estimators of SET and NPSET.

Owns: which parameters and rules make these methods, and their documentation. May not
touch: anything that `_base.py` does for all estimators.
"""

from __future__ import annotations

import copy
import warnings
from dataclasses import replace
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from scipy import sparse

from ._amounts import SCHEDULES, new_weights_rule
from ._base import BaseSparseMLP
from ._caching import Checkpoints, cached
from ._classification import BaseSparseMLPClassifier
from ._conditioning import InputConditioner
from ._evolution import Evolution
from ._network_parameters import KVAMME, LIU, MOCANU, InputSelecting, NeuronPruning, Rewiring
from ._pruning import InputSelection
from ._pruning import NeuronPruning as Pruning
from ._regression import BaseSparseMLPRegressor
from ._regularization import Signal, shrinkage_for
from ._relevance import best_number, null_fraction, selection_errors
from ._samples import Samples
from ._survival import BaseSparseMLPSurvival
from ._topology import decimal_floor
from .rules import DROPS, GROWS

__all__ = [
    "NPSETClassifier",
    "NPSETRegressor",
    "NPSETSurvivalAnalysis",
    "SETClassifier",
    "SETRegressor",
    "SETSurvivalAnalysis",
]


def _rule(given, named: dict):
    """A rule by its name, or a copy of the user's."""
    return named[given]() if isinstance(given, str) else copy.deepcopy(given)


def _number_of_inputs(samples: Samples, mostly_noise: float) -> tuple[float, int | None, dict]:
    """The share of noise, how many inputs to leave (None: all), and the errors with them."""
    null = null_fraction(samples.X, samples.target, samples.weight)
    return null, *((None, {}) if null < mostly_noise else best_number(samples.X, samples.target))


class _SET(InputSelecting, Rewiring, BaseSparseMLP):
    """Rewiring between epochs, and the selection of inputs."""

    _references: ClassVar[tuple[str, ...]] = (MOCANU,)
    epsilon = "auto"
    _attribute_texts = """
        null_fraction_ : float or None
            Estimated share of features that are irrelevant one by one: from F tests of
            the features on the targets before training (Storey 2002); None unless
            ``select_inputs="auto"`` had to choose.
        selection_errors_ : dict
            Squared errors out of sample, relative to that of the mean, with all inputs ("all")
            and with each number of inputs that ``select_inputs="auto"`` tried, or that was
            given. Empty where nothing is selected from dense samples. Of survival analyses
            that weigh columns: one minus the concordance.
    """
    _MOSTLY_NOISE = 0.8  # madelon has 0.88 to 1, leukemia, the next, 0.6 to 0.7

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.select_inputs is True:
            raise ValueError(
                "select_inputs=True does not say how many inputs stay: give their number, a "
                'share of them, "auto" or False.'
            )

    def _make_evolution(self, select: InputSelection | None = None) -> Evolution:
        every, least_batches = self._rhythm(self.epsilon)
        return Evolution(
            fraction=self.zeta,
            drop=_rule(self.drop, DROPS),
            grow=_rule(self.grow, GROWS),
            new_weights=new_weights_rule(self.new_weights, self.init),
            select=select,
            evolve_output=self.evolve_output,
            schedule=SCHEDULES[self.zeta_schedule],
            n_epochs=self.max_iter,
            every=every,
            least_batches=least_batches,
        )

    def _make_conditioner(self) -> InputConditioner:
        selects = self.select_inputs is not False and self.select_inputs != "auto"
        if selects and isinstance(self.conditioning, Real):
            raise ValueError(
                f"select_inputs={self.select_inputs!r} needs columns, which "
                f"conditioning={self.conditioning!r} makes into components. Set "
                'select_inputs=False or conditioning="scale".'
            )
        wanted = "scale" if selects and self.conditioning == "auto" else self.conditioning
        return InputConditioner(wanted)

    def _make_selection(
        self, samples: Samples, before: Evolution | None, conditioner: InputConditioner
    ) -> InputSelection | None:
        if before is not None and self.select_inputs == "auto":
            return before.select  # what was found in the first samples holds
        self.null_fraction_: float | None = None
        if conditioner.method_ == "weigh":  # survival analyses, which have selected by that
            return None
        self.selection_errors_: dict[str | int, float] = {}
        if self.select_inputs is False or conditioner.method_ == "decorrelate":
            return None
        if self.select_inputs == "auto":
            n_selected = self._find_number_of_inputs(samples)
        else:
            n_selected = self._given_number_of_inputs(samples.X.shape[1])
            if not sparse.issparse(samples.X):
                self.selection_errors_ = selection_errors(samples.X, samples.target, [n_selected])
        return None if n_selected is None else InputSelection.over(n_selected, self.max_iter)

    def _find_number_of_inputs(self, samples: Samples) -> int | None:
        """How many inputs `select_inputs="auto"` leaves; None: all of them."""
        if sparse.issparse(samples.X):
            return None
        find = cached(_number_of_inputs, self.memory)
        self.null_fraction_, n_selected, self.selection_errors_ = find(samples, self._MOSTLY_NOISE)
        return n_selected

    def _given_number_of_inputs(self, n_features: int) -> int:
        """The number of inputs that `select_inputs`, a number or a share, stands for."""
        wanted = self.select_inputs
        if isinstance(wanted, float | np.floating):
            return max(1, decimal_floor(float(wanted), n_features))
        if wanted > n_features:
            raise ValueError(
                f"select_inputs={wanted} is more than the {n_features} features of X; lower it, "
                "or give a share between 0 and 1."
            )
        return int(wanted)

    def _find_signal(self, samples: Samples, select, conditioner, known: Signal | None) -> Signal:
        if select is None or not self.selection_errors_:
            return super()._find_signal(samples, select, conditioner, known)
        # The signal in all inputs says little about that in the selected ones.
        error = self.selection_errors_[select.n_selected]
        shrinkage = self._SHRINKAGE_SELECTED * shrinkage_for(error)
        return Signal(self._NOISE_SELECTED * error, shrinkage)


class _NPSET(NeuronPruning, _SET):
    """SET with pruning of hidden neurons."""

    _references = (MOCANU, LIU)
    epsilon = 30  # type: ignore[assignment]  # many connections leave with their neurons
    select_inputs = False

    def _pruned_layers(self) -> tuple[int, ...]:
        n_hidden = len(self._hidden_layer_sizes())
        if isinstance(self.prune_layers, str):
            return tuple(range(n_hidden))
        for layer in self.prune_layers:
            if not isinstance(layer, int | np.integer) or not 0 <= layer < n_hidden:
                raise ValueError(
                    f"prune_layers={self.prune_layers!r} names {layer!r}, which is no hidden "
                    f"layer: they are counted from 0 to {n_hidden - 1}. For inputs see "
                    "select_inputs."
                )
        return tuple(sorted({int(layer) for layer in self.prune_layers}))

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.alpha > 0 and self._pruned_layers() and not self._prunes():
            warnings.warn(
                f"alpha={self.alpha} prunes no neuron: it is the fraction of a layer's "
                f"neurons that leave at a time, and floor(alpha * {self._widest()}) is 0. For an "
                "L2 penalty use weight_decay; alpha=0 turns pruning off without this warning.",
                UserWarning,
                stacklevel=4,
            )

    def _widest(self) -> int:
        """Number of neurons of the widest layer that is to be pruned."""
        sizes = self._hidden_layer_sizes()
        return max((sizes[layer] for layer in self._pruned_layers()), default=0)

    def _prunes(self) -> bool:
        return decimal_floor(self.alpha, self._widest()) > 0

    def _make_evolution(self, select: InputSelection | None = None) -> Evolution:
        return replace(super()._make_evolution(select), prune=self._make_pruning())

    def _make_pruning(self) -> Pruning:
        return Pruning(
            self.alpha if self._prunes() else 0.0,
            self.beta,
            self.gamma,
            self._pruned_layers(),
            by=self.prune_by,
            every=self.prune_every,
            budget=self.budget,
        )

    def _checkpoints(self, samples: Samples) -> Checkpoints | None:
        repeatable = isinstance(self.random_state, Integral)
        if self.memory is None or not repeatable or not self._prunes() or self.select_inputs:
            return None
        later = {*NeuronPruning._declared, "averaging", "memory", "n_jobs", "verbose"}
        if self.zeta_schedule == "constant":
            later.add("max_iter")
        before = {k: v for k, v in self.get_params(deep=False).items() if k not in later}
        parameters = (type(self).__name__, before)
        return Checkpoints(self.memory, samples, parameters, self._make_pruning(), self.max_iter)


class SETClassifier(_SET, BaseSparseMLPClassifier):
    """Sparse multilayer perceptron whose connections evolve while it learns.

    Sparse Evolutionary Training [1]_: the layers start as sparse random graphs; after every
    epoch (of few samples: after eight batches, `evolve_every`) the connections nearest to zero
    are dropped and as many grow at random places. Weights exist only where there is a connection.
    Where most features are noise, the network stops reading them (`select_inputs`).

    {parameters}

    {attributes}

    See Also
    --------
    NPSETClassifier : Also prunes hidden neurons while learning.
    SETRegressor : The same for regression.
    sklearn_set.inspection.seed_importances : Importances with their spread over seeds.

    {references}

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_set import SETClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> model = SETClassifier(hidden_layer_sizes=(300, 300), max_iter=60, random_state=0)
    >>> bool(model.fit(X_train, y_train).score(X_test, y_test) > 0.95)
    True
    >>> [coef.shape for coef in model.coefs_]
    [(64, 300), (300, 300), (300, 10)]

    How many inputs the network reads in the end can be given:

    >>> selecting = SETClassifier(select_inputs=20, max_iter=60, random_state=0)
    >>> len(selecting.fit(X_train, y_train).selected_features_)
    20
    """


class SETRegressor(_SET, BaseSparseMLPRegressor):
    """Sparse multilayer perceptron for regression whose connections evolve while it learns.

    Sparse Evolutionary Training [1]_: the layers start as sparse random graphs; after every
    epoch (of few samples: after eight batches, `evolve_every`) the connections nearest to zero
    are dropped and as many grow at random places. Where most features are noise, the network
    stops reading them (`select_inputs`).

    {parameters}

    {attributes}

    See Also
    --------
    NPSETRegressor : Also prunes hidden neurons while learning.
    SETClassifier : The same for classification.
    sklearn_set.inspection.seed_importances : Importances with their spread over seeds.

    {references}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_set import SETRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = SETRegressor(hidden_layer_sizes=100, max_iter=60, random_state=0)
    >>> bool(model.fit(X[:300], y[:300]).score(X[300:], y[300:]) > 0.4)
    True
    """


class NPSETClassifier(_NPSET, BaseSparseMLPClassifier):
    """Evolving sparse multilayer perceptron that also prunes hidden neurons.

    SET with Neurons Pruning [2]_: as `SETClassifier`, and at the start of the epochs
    `beta` to ``beta + gamma`` each hidden layer loses a fraction `alpha` of its
    neurons, those with the fewest output connections.

    {parameters}

    {attributes}

    See Also
    --------
    SETClassifier : Evolves the connections only.
    NPSETRegressor : The same for regression.
    sklearn_set.inspection.seed_importances : Importances with their spread over seeds.

    {references}

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_set import NPSETClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> model = NPSETClassifier(max_iter=60, random_state=0)
    >>> bool(model.fit(X[:1200], y[:1200]).score(X[1200:], y[1200:]) > 0.9)
    True
    >>> model.hidden_layer_sizes_
    (66, 66)
    """


class NPSETRegressor(_NPSET, BaseSparseMLPRegressor):
    """Evolving sparse multilayer perceptron for regression that also prunes hidden neurons.

    SET with Neurons Pruning [2]_: as `SETRegressor`, and at the start of the epochs
    `beta` to ``beta + gamma`` each hidden layer loses a fraction `alpha` of its
    neurons, those with the fewest output connections.

    {parameters}

    {attributes}

    See Also
    --------
    SETRegressor : Evolves the connections only.
    NPSETClassifier : The same for classification.
    sklearn_set.inspection.seed_importances : Importances with their spread over seeds.

    {references}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_set import NPSETRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = NPSETRegressor(hidden_layer_sizes=100, max_iter=60, random_state=0)
    >>> bool(model.fit(X[:300], y[:300]).score(X[300:], y[300:]) > 0.4)
    True
    """


class SETSurvivalAnalysis(_SET, BaseSparseMLPSurvival):
    """Sparse multilayer perceptron for times with censoring, which evolves while it learns.

    Sparse Evolutionary Training [1]_ with the likelihood of a hazard that is constant in each
    of a few intervals [2]_, on the clock of the population's hazard. A censored time counts
    exactly: as the hazard that the sample lived through. Where most of the features are noise,
    the network stops reading them while it learns (`select_inputs`).

    {parameters}

    {attributes}

    See Also
    --------
    NPSETSurvivalAnalysis : Also prunes hidden neurons while learning.
    SETRegressor : For times without censoring.
    sklearn_set.inspection.seed_importances : Importances with their spread over seeds.

    Notes
    -----
    The targets are a structured array of a Boolean and a number, as
    ``sksurv.util.Surv.from_arrays`` makes them, or two columns: whether there was an event, and
    the time of the event or of the end of observation.

    The clock is the Nelson-Aalen estimate of the training samples' cumulative hazard. On it,
    the hazard of the samples as a whole is 1, and the network's raw outputs z are the
    logarithms of hazards relative to that. A sample with the event indicator d in an interval
    in which the clock went on by e before the sample left adds ``e * exp(z) - d * z`` to the
    loss, which is linear in d and e: mixtures of samples (`mixup`) have mixtures of both. With
    one interval, the loss differs from Cox's partial likelihood only in that the clock is not
    adjusted to the network; no sorting and no sets of samples at risk are needed, so that
    batches can be of any size.

    Where the other estimators judge inputs and the strength of the signal by the targets, this
    one does so by the martingale residuals of the clock, d - e: their covariance with a column
    is the score of Cox's partial likelihood.

    Of dense samples with more columns than samples (a hundred at least), ``select_inputs="auto"``
    chooses before training: elastic nets of the same likelihood with one interval are followed
    along a path of strengths. If their concordance in five folds is better, by more than one
    standard error, than that of the infinitely wide network with all columns, the network reads
    only the columns that they leave, each multiplied by its coefficient's size. What matters
    little is then read weakly, and only what they find in the rest is left to the network. Their
    coefficients are averaged over the strengths within one standard error of the best.

    {references}

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_set import SETSurvivalAnalysis
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 5))
    >>> death = rng.exponential(np.exp(-X[:, 0] - X[:, 1]))
    >>> end_of_study = rng.uniform(0.5, 2, 300)
    >>> y = np.column_stack([death <= end_of_study, np.minimum(death, end_of_study)])
    >>> model = SETSurvivalAnalysis(hidden_layer_sizes=50, random_state=0).fit(X[:200], y[:200])
    >>> bool(model.score(X[200:], y[200:]) > 0.7)
    True
    >>> survival = model.predict_survival_function(X[200:])
    >>> bool(0 < survival[0](1.0) < survival[0](0.5) < 1)
    True
    """

    _references = (MOCANU, KVAMME)


class NPSETSurvivalAnalysis(_NPSET, BaseSparseMLPSurvival):
    """Evolving sparse multilayer perceptron for times with censoring that also prunes neurons.

    SET with Neurons Pruning [2]_: as `SETSurvivalAnalysis`, whose notes hold here, and at the
    start of the epochs `beta` to ``beta + gamma`` each hidden layer loses a fraction `alpha` of
    its neurons, those with the fewest output connections.

    {parameters}

    {attributes}

    See Also
    --------
    SETSurvivalAnalysis : Evolves the connections only.
    NPSETRegressor : For times without censoring.
    sklearn_set.inspection.seed_importances : Importances with their spread over seeds.

    {references}

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_set import NPSETSurvivalAnalysis
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 5))
    >>> time = rng.exponential(np.exp(-X[:, 0] - X[:, 1]))
    >>> y = np.column_stack([time < 2, np.minimum(time, 2)])
    >>> model = NPSETSurvivalAnalysis(hidden_layer_sizes=50, random_state=0).fit(X, y)
    >>> hazards = model.predict_cumulative_hazard_function(X, return_array=True)
    >>> hazards.shape == (300, len(model.unique_times_))
    True
    """
