"""What all estimators share: from the user's data and parameters to a trained network.

Owns: all that the user sees of any estimator — parameters, validation,
attributes, warnings. May not touch: weights and connections but through
Network, the order of training but through train().
"""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from ._evolution import DROPS, GROWS, INPUT, Evolution, NeuronPruning, new_weights_rule
from ._mixtures import Mixtures
from ._network import ACTIVATIONS, Data, Network
from ._optimizers import Optimizer
from ._relevance import null_fraction
from ._rules import SCHEDULES
from ._sklearn_compat import (
    DOC_LINK_TEMPLATE,
    CallbackSupportMixin,
    Interval,
    StrOptions,
    fit_context,
)
from ._threads import effective_n_threads
from ._topology import decimal_floor
from ._training import Course, NonFiniteLossError, Streams, train
from ._version import StampedEstimator

__all__ = ["BaseSparseMLP", "InputPruningMixin", "PruningMixin", "Samples"]

_AUTO_BATCH_SIZE = 32


@dataclass
class _Learner:
    """All that training changes; the estimator takes it over when training is done."""

    network: Network
    optimizer: Optimizer
    streams: Streams
    course: Course


@dataclass
class Samples:
    """Validated samples: X, targets as the loss reads them, weights or None."""

    X: Any
    target: np.ndarray
    weight: np.ndarray | None

    def take(self, rows) -> Samples:
        weight = None if self.weight is None else self.weight[rows]
        return Samples(self.X[rows], self.target[rows], weight)


class BaseSparseMLP(CallbackSupportMixin, StampedEstimator):
    """Fit, partial_fit and raw prediction of sparse networks."""

    _doc_link_module = "sklearn_set"
    _doc_link_template = DOC_LINK_TEMPLATE
    _parameter_constraints: dict = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "zeta": [Interval(Real, 0, 1, closed="both")],
        "zeta_schedule": [StrOptions(set(SCHEDULES))],
        "evolve_every": [Interval(Integral, 1, None, closed="left")],
        "drop": [StrOptions(set(DROPS))],
        "grow": [StrOptions(set(GROWS))],
        "solver": [StrOptions({"adam", "sgd"})],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "nesterovs_momentum": ["boolean"],
        "adam_beta_1": [Interval(Real, 0, 1, closed="left")],
        "adam_beta_2": [Interval(Real, 0, 1, closed="left")],
        "adam_epsilon": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "decay_rule": [StrOptions({"l2", "decoupled", "per_epoch", "per_step"})],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "mixup": [Interval(Real, 0, None, closed="left")],
        "averaging": [Interval(Real, 0, 1, closed="both")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_iter_no_change": [Interval(Real, 1, None, closed="both")],
        "early_stopping": ["boolean"],
        "scoring": [StrOptions({"loss", *get_scorer_names()}), callable, None],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "init": [StrOptions({"he_uniform", "he_normal", "glorot_uniform", "normal"})],
        "new_weights": [StrOptions({"small", "zero", "init"})],
        "evolve_output": ["boolean"],
        "dtype": [StrOptions({"auto", "float32", "float64"})],
        "n_jobs": [Integral, None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # ------------------------------------------------------------ the user's calls

    @fit_context
    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None):
        """Fit the network to training data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training samples. float32 is computed in float32 (see `dtype`).
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, >= 0. A sample of weight 0 counts as absent.
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Held-out samples. If given, their score and loss are recorded after
            every epoch, and with ``early_stopping=True`` they decide when to
            stop; otherwise they do not influence the model. A search over
            parameters slices an `X_val` that has as many rows as `X`.
        y_val : array-like, default=None
            Targets of `X_val`.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of the samples of `X_val`.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter cannot be used, or if training diverges.
            A model that was fitted before stays as it was. Without one, the
            estimator keeps what it learned in the epochs before it diverged.
        """
        self._check_parameters()
        fitted = self._fitted_state()
        continued = self.warm_start and fitted is not None
        try:
            samples = self._validate_samples(X, y, sample_weight, reset=not continued)
            held_out = self._validate_held_out(X_val, y_val, sample_weight_val)
            rng = check_random_state(self.random_state)
            if self.early_stopping and held_out is None:
                samples, held_out = self._split(samples, rng)
            if continued:
                learner = self._continue_learner(rng)
                self._check_outputs(learner.network)
            else:
                learner = self._new_learner(samples, rng)
            averaging = 0.0 if self.early_stopping else self.averaging
            metadata = {"sample_weight": sample_weight}
            context = self._init_callback_context(max_subtasks=self.max_iter)
            context.call_on_fit_task_begin(estimator=self, X=X, y=y, metadata=metadata)
            self._train(
                learner,
                samples,
                held_out,
                self.max_iter,
                averaging,
                is_all=True,
                on_epoch=lambda _: self._end_epoch(learner, context, X, y, metadata),
            )
        except BaseException as error:
            diverged = isinstance(error, NonFiniteLossError)
            if diverged and fitted is None and learner.course.epoch > 0:
                self._take_over(learner, keep_state=False)  # the optimizer's state diverged, too
            else:
                self._restore_fitted_state(fitted)
            raise
        self._take_over(learner, keep_state=self.warm_start)
        self._warn_about_course(learner)
        context.call_on_fit_task_end(
            estimator=self, X=X, y=y, metadata=metadata, reconstruction_attributes=dict
        )
        return self

    def _partial_fit(self, X, y, sample_weight, **kwargs):
        self._check_parameters()
        if self.early_stopping:
            raise ValueError(
                "partial_fit does not support early_stopping=True: there is no later epoch to "
                "stop. Set early_stopping=False."
            )
        fitted = self._fitted_state()
        try:
            samples = self._validate_samples(X, y, sample_weight, reset=fitted is None, **kwargs)
            rng = check_random_state(self.random_state)
            if fitted is None:
                learner = self._new_learner(samples, rng)
            else:
                learner = self._continue_learner(rng)
            self._train(learner, samples, None, 1, on_epoch=self._report)
        except BaseException:
            self._restore_fitted_state(fitted)
            raise
        self._take_over(learner, keep_state=True)
        return self

    # ------------------------------------------------------------ parameters

    def _check_parameters(self) -> None:
        """Check what the single constraints cannot: combinations and likely mistakes."""
        if self.epsilon <= 1e-3:
            raise ValueError(
                f"epsilon={self.epsilon} would leave layers without connections: here epsilon "
                "sets the density, each layer starting with about epsilon * (n_in + n_out) "
                "connections. Use a value such as 10; Adam's constant is called adam_epsilon."
            )
        for size in self._hidden_layer_sizes():
            if size < 1:
                raise ValueError(
                    f"hidden_layer_sizes must be positive, got {self.hidden_layer_sizes!r}."
                )
        share = {
            "decoupled": self.learning_rate_init * self.weight_decay,
            "per_epoch": self.weight_decay,
            "per_step": self.weight_decay,
            "auto": self.weight_decay,
        }.get(self.decay_rule, 0.0)
        if share > 1:
            raise ValueError(
                f"weight_decay={self.weight_decay} with decay_rule={self.decay_rule!r} could take "
                f"{share:g} times a weight away in one step. Lower weight_decay."
            )
        if self.n_jobs == 0:
            raise ValueError("n_jobs=0 has no meaning; use None, a positive number or -1.")

    def _hidden_layer_sizes(self) -> list[int]:
        sizes = np.atleast_1d(np.asarray(self.hidden_layer_sizes))
        if sizes.ndim != 1 or (sizes.size and not np.issubdtype(sizes.dtype, np.integer)):
            raise ValueError(
                "hidden_layer_sizes must be an integer or a sequence of integers, got "
                f"{self.hidden_layer_sizes!r}."
            )
        return [int(size) for size in sizes]

    def _make_pruning(self) -> NeuronPruning | None:
        return None

    def _make_evolution(self) -> Evolution:
        """Translate the paper's letters into the rules of evolution."""
        return Evolution(
            fraction=self.zeta,
            new_weights=new_weights_rule(self.new_weights, self.init),
            prune=self._make_pruning(),
            evolve_output=self.evolve_output,
            drop=DROPS[self.drop],
            grow=GROWS[self.grow],
            schedule=SCHEDULES[self.zeta_schedule],
            n_epochs=self.max_iter,
            every=self.evolve_every,
        )

    def _make_optimizer(self) -> Optimizer:
        sgd = "nesterov" if self.nesterovs_momentum and self.momentum > 0 else "sgd"
        return Optimizer(
            rule="adam" if self.solver == "adam" else sgd,
            learning_rate_init=self.learning_rate_init,
            schedule=self.learning_rate if self.solver == "sgd" else "constant",
            power_t=self.power_t,
            momentum=self.momentum if self.solver == "sgd" else 0.0,
            beta_1=self.adam_beta_1,
            beta_2=self.adam_beta_2,
            epsilon=self.adam_epsilon,
            weight_decay=self.weight_decay,
            **self._decay(),
        )

    def _decay(self) -> dict:
        """The optimizer's settings of how weights decay."""
        return {"decay_rule": self.decay_rule}

    # ------------------------------------------------------------ data

    def _input_dtype(self):
        """The dtype to ask of X: that of a fitted network, or what `dtype` allows."""
        if self.dtype == "auto":
            return (np.float64, np.float32)
        return np.dtype(self.dtype)

    def _validate_samples(self, X, y, sample_weight, *, reset, **kwargs) -> Samples:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            dtype=self._input_dtype() if reset else self._network.dtype,
            multi_output=True,
            y_numeric=False,
            reset=reset,
        )
        target = self._encode_target(y, X.dtype, reset=reset, **kwargs)
        weight = None
        if sample_weight is not None:
            weight = self._check_weight(sample_weight, X, "sample_weight")
        weight = self._weigh_classes(y, target, weight)
        if weight is not None and not 1e-20 < weight.max() < 1e20:
            weight = weight / weight.max()  # ratios are all that counts; 1e-60 is 0 in float32
        samples = Samples(X, target, weight)
        if weight is not None and (weight == 0).any():
            samples = samples.take(np.flatnonzero(weight))
        return samples

    def _check_weight(self, sample_weight, X, name: str) -> np.ndarray:
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        if (weight < 0).any():
            raise ValueError(
                f"{name} must not be negative; the smallest value is {weight.min():g}."
            )
        if not weight.any():
            raise ValueError(f"All entries of {name} are zero: no sample is left to learn from.")
        return weight

    def _weigh_classes(self, y, target, weight):
        return weight

    def _validate_held_out(self, X_val, y_val, sample_weight_val) -> Samples | None:
        if X_val is None and y_val is None:
            if sample_weight_val is not None:
                raise ValueError("sample_weight_val was given without X_val and y_val.")
            return None
        if X_val is None or y_val is None:
            given, missing = ("X_val", "y_val") if y_val is None else ("y_val", "X_val")
            raise ValueError(f"{given} was given without {missing}; pass both or neither.")
        X_val, y_val = validate_data(
            self,
            X_val,
            y_val,
            accept_sparse="csr",
            dtype=self._input_dtype(),
            multi_output=True,
            reset=False,
        )
        weight = None
        if sample_weight_val is not None:
            weight = self._check_weight(sample_weight_val, X_val, "sample_weight_val")
        return Samples(X_val, self._encode_target(y_val, X_val.dtype, reset=False), weight)

    def _split(self, samples: Samples, rng) -> tuple[Samples, Samples]:
        """Hold out `validation_fraction` of the samples."""
        n_samples = samples.X.shape[0]
        rows = np.arange(n_samples)
        split = {
            "test_size": self.validation_fraction,
            "random_state": rng.randint(np.iinfo(np.int32).max),
        }
        try:
            train_rows, val_rows = train_test_split(
                rows, stratify=self._strata(samples.target, n_samples), **split
            )
        except ValueError as error:
            raise ValueError(
                f"early_stopping=True cannot hold out validation_fraction="
                f"{self.validation_fraction} of {n_samples} samples: {error} Use more samples, "
                "another fraction, or give X_val and y_val."
            ) from error
        return samples.take(train_rows), samples.take(val_rows)

    def _strata(self, target: np.ndarray, n_samples: int) -> np.ndarray | None:
        return None

    # ------------------------------------------------------------ training

    def _new_learner(self, samples: Samples, rng) -> _Learner:
        streams = Streams.spawn(rng.randint(0, 2**31 - 1, size=4).tolist())
        dtype = samples.X.dtype
        network = Network.random(
            [samples.X.shape[1], *self._hidden_layer_sizes(), self.n_outputs_],
            epsilon=self.epsilon,
            init=self.init,
            activation=self.activation,
            dropout=self.dropout,
            dtype=dtype,
            rng=streams.init,
        )
        optimizer = self._make_optimizer()
        network.start_optimizer(optimizer)
        return _Learner(network, optimizer, streams, Course())

    def _continue_learner(self, rng) -> _Learner:
        """Where the last fit stopped, with its optimizer state if that was kept."""
        if self._learner is not None:
            learner = copy.deepcopy(self._learner)
            wanted = self._make_optimizer()
            if wanted.given() != learner.optimizer.given():
                wanted.n_steps = learner.optimizer.n_steps
                if wanted.n_slots != learner.optimizer.n_slots:
                    learner.network.start_optimizer(wanted)
                    wanted.n_steps = 0
                learner.optimizer = wanted
            learner.network.set_activation(self.activation, self.dropout)
            learner.course.n_stale = 0
            return learner
        course = Course(
            epoch=self.n_iter_,
            n_samples_seen=self.t_,
            history={name: list(column) for name, column in self.history_.items()},
        )
        streams = Streams.spawn([*rng.randint(0, 2**31 - 1, size=4).tolist(), course.epoch])
        optimizer = self._make_optimizer()
        network = copy.deepcopy(self._network)
        network.set_activation(self.activation, self.dropout)
        network.start_optimizer(optimizer)
        return _Learner(network, optimizer, streams, course)

    def _check_outputs(self, network: Network) -> None:
        if network.n_outputs != self.n_outputs_:
            raise ValueError(
                f"warm_start=True continues a network with {network.n_outputs} outputs, but y "
                f"needs {self.n_outputs_}. Set warm_start=False to start anew."
            )

    def _train(
        self,
        learner,
        samples: Samples,
        held_out: Samples | None,
        n_epochs: int,
        averaging: float = 0.0,
        *,
        is_all: bool = False,
        on_epoch,
    ) -> None:
        network, dtype = learner.network, learner.network.dtype
        n_threads = effective_n_threads(self.n_jobs)
        data = Data(samples.X, dtype, self._loss, samples.target, samples.weight)
        validate = None if held_out is None else self._make_validate(held_out, dtype, n_threads)
        batch_size = _AUTO_BATCH_SIZE if self.batch_size == "auto" else self.batch_size
        try:
            train(
                network,
                data,
                learner.optimizer,
                self._make_evolution(),
                learner.streams,
                learner.course,
                n_epochs=n_epochs,
                batch_size=min(batch_size, data.n_samples),
                shuffle=self.shuffle,
                mixtures=self._mixtures(data, is_all=is_all) if self.mixup > 0 else None,
                averaging=averaging,
                tol=self.tol,
                n_iter_no_change=self.n_iter_no_change,
                validate=validate,
                stop_on_validation=self.early_stopping and validate is not None,
                n_threads=n_threads,
                on_epoch=on_epoch,
            )
        except NonFiniteLossError as error:
            kept = ""
            if self.__sklearn_is_fitted__():
                kept = " The model that was fitted before stays as it was."
            elif learner.course.epoch > 0:
                kept = f" What was learned until epoch {learner.course.epoch} is kept."
            raise NonFiniteLossError(f"{error}{self._scale_of(samples.X)}{kept}") from error

    def _mixtures(self, data: Data, *, is_all: bool) -> Mixtures:
        """What to learn from in place of the samples, which may be a chunk of a stream."""
        return Mixtures(data, self.mixup)

    def _scale_of(self, X) -> str:
        """A sentence on inputs that look unscaled, or nothing."""
        largest = abs(X).max(axis=0)
        largest = largest.toarray().ravel() if sparse.issparse(largest) else largest
        worst = int(largest.argmax())
        if largest[worst] < 100:
            return ""
        names = getattr(self, "feature_names_in_", None)
        name = f"number {worst}" if names is None else repr(names[worst])
        return (
            f" The inputs look unscaled: feature {name} has absolute values up to "
            f"{largest[worst]:g}, half of the features stay below {np.median(largest):g}."
        )

    def _make_validate(self, held_out: Samples, dtype, n_threads: int):
        """A function that gives the score and the loss of a network on held-out samples."""
        data = Data(held_out.X, dtype)
        given_scorer = self.scoring not in (None, "loss")
        if given_scorer:
            probe = copy.copy(self)  # shows the scorer the network of the moment
            probe.__dict__.pop("feature_names_in_", None)
            scorer = check_scoring(probe, self.scoring)
            y = self._decode_target(held_out.target)
            weight = {} if held_out.weight is None else {"sample_weight": held_out.weight}

        def validate(network: Network) -> tuple[float, float]:
            raw = network.predict(data, n_threads)
            loss = self._loss.value(raw, held_out.target, held_out.weight)
            if given_scorer:
                probe._network = network
                return scorer(probe, held_out.X, y, **weight), loss
            if self.scoring == "loss":
                return -loss, loss
            return self._score_raw(raw, held_out.target, held_out.weight), loss

        return validate

    def _end_epoch(self, learner: _Learner, context, X, y, metadata) -> bool:
        """Report an epoch to the user and the callbacks; True if one asks to stop."""
        self._report(learner.course)
        if not hasattr(self, "_skl_callbacks"):
            return False

        def as_if_stopped():  # evaluated only for callbacks that ask for it
            network = learner.network.copy_for_prediction()
            return {"_network": network, "_learner": None, "n_iter_": learner.course.epoch}

        task = context.subcontext(task_name="epoch")
        task.call_on_fit_task_begin(estimator=self, X=X, y=y, metadata=metadata)
        return task.call_on_fit_task_end(
            estimator=self,
            X=X,
            y=y,
            metadata=metadata,
            reconstruction_attributes=as_if_stopped,
        )

    def _report(self, course: Course) -> bool:
        if not self.verbose:
            return False
        last = course.last()
        line = f"Epoch {course.epoch}, loss {last['loss']:.6f}"
        if "validation_score" in last:
            line += f", validation score {last['validation_score']:.4f}"
        if self.verbose > 1:
            sizes = [n for name, n in last.items() if name.startswith("hidden_layer_size_")]
            line += (
                f", {last['n_connections']} connections ({last['n_dropped']} rewired), "
                f"hidden neurons {sizes}"
            )
        print(line)
        return False

    # ------------------------------------------------------------ fitted state

    def _fitted_state(self) -> dict | None:
        """The attributes of a fitted model, to go back to if a refit fails."""
        if not self.__sklearn_is_fitted__():
            return None
        attributes = vars(self).copy()  # another thread may add some
        return {name: value for name, value in attributes.items() if _is_fitted_name(name)}

    def _restore_fitted_state(self, state: dict | None) -> None:
        state = state or {}
        self.__dict__.update(state)
        for name in vars(self).copy():
            if _is_fitted_name(name) and name not in state:
                self.__dict__.pop(name, None)

    def _take_over(self, learner: _Learner, *, keep_state: bool) -> None:
        course = learner.course
        self._learner = learner if keep_state else None
        self._network = learner.network
        if not keep_state:
            learner.network.drop_optimizer()
        self.n_iter_ = course.epoch
        self.t_ = course.n_samples_seen
        self.n_layers_ = len(learner.network.layers) + 1
        self.out_activation_ = self._loss.out_activation
        self.history_ = course.history
        self.loss_curve_ = course.history.get("loss", [])
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.nan
        validated = "validation_score" in course.history
        self.validation_scores_ = course.history["validation_score"] if validated else None
        self.validation_loss_curve_ = course.history["validation_loss"] if validated else None
        stopped_on_score = self.early_stopping and validated
        self.best_loss_ = None if stopped_on_score else min(self.loss_curve_, default=np.nan)
        self.best_validation_score_ = course.best_score if stopped_on_score else None
        course.best = None

    def _warn_about_course(self, learner: _Learner) -> None:
        course = learner.course
        if course.interrupted:
            warnings.warn(
                f"Training was interrupted in epoch {course.epoch}; the model keeps what it "
                "learned until then.",
                stacklevel=3,
            )
        evolution = self._make_evolution()
        if course.epoch <= evolution.last_pruning_epoch != 0:
            warnings.warn(
                f"Training ended after {course.epoch} epochs, before the last scheduled pruning "
                f"at the start of epoch {evolution.last_pruning_epoch}: hidden layers of "
                f"{learner.network.hidden_layer_sizes} neurons were reached. Raise max_iter "
                "above beta + gamma, or lower beta or gamma.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def __sklearn_is_fitted__(self) -> bool:
        return getattr(self, "_network", None) is not None

    def _raw_predict(self, X) -> np.ndarray:
        """Raw outputs of shape (n_samples, n_outputs)."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=self._network.dtype, reset=False)
        return self._network.predict(Data(X, X.dtype), effective_n_threads(self.n_jobs))

    def _outputs(self, X) -> np.ndarray:
        raw = self._raw_predict(X)
        return self._loss.activate(raw)

    def _fitted_network(self) -> Network:
        if not self.__sklearn_is_fitted__():
            raise AttributeError(
                f"This {type(self).__name__} instance is not fitted yet; call fit first."
            )
        return self._network

    @property
    def coefs_(self) -> list[sparse.csc_array]:
        """Weights of each layer, `csc_array` of shape (fan_in, fan_out).

        They share memory with the model: a change of their data changes the model.
        The first one has a row for every feature, empty for pruned ones.
        """
        network = self._fitted_network()
        coefs = []
        for number, layer in enumerate(network.layers):
            indices, n_in = layer.indices, layer.n_in
            if number == 0 and network.features is not None:
                indices, n_in = network.features.astype(np.int32)[indices], self.n_features_in_
            coefs.append(
                sparse.csc_array((layer.weights, indices, layer.indptr), shape=(n_in, layer.n_out))
            )
        return coefs

    @property
    def selected_features_(self) -> np.ndarray:
        """Indices of the features that the network reads: all but pruned ones."""
        features = self._fitted_network().features
        return np.arange(self.n_features_in_) if features is None else features

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """Bias of each layer, of shape (fan_out,)."""
        return [layer.bias for layer in self._fitted_network().layers]

    @property
    def hidden_layer_sizes_(self) -> tuple[int, ...]:
        """Number of neurons in each hidden layer of the fitted network."""
        return self._fitted_network().hidden_layer_sizes

    @property
    def n_connections_(self) -> int:
        """Number of connections of the fitted network."""
        return self._fitted_network().n_connections

    @property
    def density_(self) -> np.ndarray:
        """Share of the possible connections that exist, for each layer."""
        return np.array([layer.connectivity.density for layer in self._fitted_network().layers])

    @property
    def feature_importances_(self) -> np.ndarray:
        """Strength of each input (sum of its absolute weights), normalised to sum 1.

        How strongly a feature is wired into the network; it says nothing about
        what the later layers do with it.
        """
        first = self._fitted_network().layers[0]
        strength = np.zeros(self.n_features_in_)
        strength[self.selected_features_] = first.connectivity.out_strength(first.weights)
        total = strength.sum()
        return strength / total if total > 0 else strength

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _is_fitted_name(name: str) -> bool:
    return (name.endswith("_") and not name.startswith("__")) or name in (
        "_network",
        "_learner",
        "_loss",
        "_mostly_noise",
        "_multilabel",
        "_single_output",
        "_target_offset",
        "_target_scale",
    )


class PruningMixin(BaseSparseMLP):
    """The parameters alpha, beta, gamma and prune_layers of NPSET."""

    _prunes_inputs = False

    _parameter_constraints: dict = {
        "alpha": [Interval(Real, 0, 1, closed="left")],
        "beta": [Interval(Integral, 0, None, closed="left")],
        "gamma": [Interval(Integral, 0, None, closed="left")],
        "prune_layers": [StrOptions({"all"}), "array-like"],
        "prune_by": [StrOptions({"out_degree", "plain_out_degree", "strength"})],
        "prune_every": [Interval(Integral, 1, None, closed="left")],
        "budget": [StrOptions({"shrink", "keep"})],
    }

    def _pruned_layers(self) -> tuple[int, ...]:
        n_hidden = len(self._hidden_layer_sizes())
        if isinstance(self.prune_layers, str):
            return tuple(range(n_hidden))
        numbers = set()
        for layer in self.prune_layers:
            if self._prunes_inputs and isinstance(layer, str) and layer == "input":
                numbers.add(INPUT)
            elif isinstance(layer, int | np.integer) and 0 <= layer < n_hidden:
                numbers.add(int(layer))
            else:
                raise ValueError(
                    f"prune_layers={self.prune_layers!r} names {layer!r}, which is no hidden "
                    f"layer: they are counted from 0 to {n_hidden - 1}."
                    + (' The inputs are called "input".' if self._prunes_inputs else "")
                )
        return tuple(sorted(numbers))

    def _check_parameters(self) -> None:
        super()._check_parameters()
        layers = [layer for layer in self._pruned_layers() if layer != INPUT]
        sizes = self._hidden_layer_sizes()
        if self.alpha > 0 and layers:
            widest = max(sizes[layer] for layer in layers)
            if decimal_floor(self.alpha, widest) == 0:
                warnings.warn(
                    f"alpha={self.alpha} prunes no neuron: it is the fraction of a layer's "
                    f"neurons that leave at a time, and floor(alpha * {widest}) is 0. For an L2 "
                    "penalty use weight_decay; alpha=0 turns pruning off without this warning.",
                    UserWarning,
                    stacklevel=4,
                )

    def _make_pruning(self) -> NeuronPruning:
        return NeuronPruning(
            self.alpha,
            self.beta,
            self.gamma,
            self._pruned_layers(),
            by=self.prune_by,
            every=self.prune_every,
            budget=self.budget,
        )


class InputPruningMixin(PruningMixin):
    """The pruning of inputs, and whether it takes place."""

    _prunes_inputs = True
    _mostly_noise = False
    _MOSTLY_NOISE = 0.8  # madelon has 0.88 to 1, leukemia, the next, 0.6 to 0.7
    _MIN_SAMPLES = 200  # fewer hide what is relevant from the tests, and from the network

    _parameter_constraints: dict = {
        **PruningMixin._parameter_constraints,
        "prune_layers": [StrOptions({"all", "auto"}), "array-like"],
        "decay_rule": [StrOptions({"auto", "l2", "decoupled", "per_epoch", "per_step"})],
    }

    def _new_learner(self, samples: Samples, rng) -> _Learner:
        self.null_fraction_ = null_fraction(samples.X, samples.target, samples.weight)
        enough = len(samples.target) >= self._MIN_SAMPLES
        self._mostly_noise = enough and self.null_fraction_ >= self._MOSTLY_NOISE
        return super()._new_learner(samples, rng)

    def _pruned_layers(self) -> tuple[int, ...]:
        if isinstance(self.prune_layers, str) and self.prune_layers == "auto":
            return (INPUT,) if self._mostly_noise else ()
        return super()._pruned_layers()

    def _make_pruning(self) -> NeuronPruning:
        pruning = super()._make_pruning()
        if isinstance(self.prune_layers, str) and self.prune_layers == "auto":
            n = self.n_features_in_
            certain = 1 - getattr(self, "null_fraction_", 0.0) - 2 / np.sqrt(n)
            pruning = replace(pruning, min_inputs=max(0, int(certain * n)))
        return pruning

    def _decay(self) -> dict:
        if self.decay_rule != "auto":
            return super()._decay()
        if not self._mostly_noise:
            return {"decay_rule": "per_epoch"}
        later = None
        if INPUT in self._pruned_layers() and self.alpha > 0:
            later = self._make_evolution().last_pruning_epoch, "per_epoch"
        return {"decay_rule": "l2", "later_decay": later}
