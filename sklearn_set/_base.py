"""What all estimators share: from the user's data and parameters to a trained network.

Owns: all that the user sees — parameters, validation, encoding of targets,
attributes, warnings. May not touch: weights and connections but through
Network, the order of training but through train().
"""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from ._evolution import DROPS, GROWS, INPUT, Evolution, NeuronPruning, new_weights_rule
from ._losses import Loss
from ._network import ACTIVATIONS, Data, Network
from ._optimizers import Optimizer
from ._rules import SCHEDULES
from ._sklearn_compat import CallbackSupportMixin, Interval, StrOptions, fit_context
from ._threads import effective_n_threads
from ._topology import decimal_floor
from ._training import Course, Mixup, Streams, train

__all__ = ["BaseSparseMLP", "BaseSparseMLPClassifier", "BaseSparseMLPRegressor", "PruningMixin"]

_AUTO_BATCH_SIZE = 32


@dataclass
class _Learner:
    """All that training changes; the estimator takes it over when training is done."""

    network: Network
    optimizer: Optimizer
    streams: Streams
    course: Course


@dataclass
class _Samples:
    """Validated samples: X, targets as the loss reads them, weights or None."""

    X: Any
    target: np.ndarray
    weight: np.ndarray | None

    def take(self, rows) -> _Samples:
        weight = None if self.weight is None else self.weight[rows]
        return _Samples(self.X[rows], self.target[rows], weight)


class BaseSparseMLP(CallbackSupportMixin, BaseEstimator):
    """Fit, partial_fit and raw prediction of sparse networks."""

    _doc_link_module = "sklearn_set"
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
        "decay_rule": [StrOptions({"l2", "decoupled", "per_step"})],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "mixup": [Interval(Real, 0, None, closed="left")],
        "averaging": [Interval(Real, 0, 1, closed="both")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_iter_no_change": [Interval(Real, 1, None, closed="both")],
        "early_stopping": ["boolean"],
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
            A model that was fitted before stays as it was.
        """
        self._check_parameters()
        fitted = self._fitted_state()
        continued = self.warm_start and fitted is not None
        try:
            samples = self._validate_samples(X, y, sample_weight, reset=not continued)
            held_out = self._validate_held_out(X_val, y_val, sample_weight_val)
            rng = check_random_state(self.random_state)
            if continued:
                learner = self._continue_learner(rng)
                self._check_outputs(learner.network)
            else:
                learner = self._new_learner(samples, rng)
            if self.early_stopping and held_out is None:
                samples, held_out = self._split(samples, rng)
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
                on_epoch=lambda _: self._end_epoch(learner, context, X, y, metadata),
            )
        except BaseException:
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
            decay_rule=self.decay_rule,
        )

    # ------------------------------------------------------------ data

    def _input_dtype(self):
        """The dtype to ask of X: that of a fitted network, or what `dtype` allows."""
        if self.dtype == "auto":
            return (np.float64, np.float32)
        return np.dtype(self.dtype)

    def _validate_samples(self, X, y, sample_weight, *, reset, **kwargs) -> _Samples:
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
        samples = _Samples(X, target, weight)
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

    def _validate_held_out(self, X_val, y_val, sample_weight_val) -> _Samples | None:
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
        return _Samples(X_val, self._encode_target(y_val, X_val.dtype, reset=False), weight)

    def _split(self, samples: _Samples, rng) -> tuple[_Samples, _Samples]:
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

    def _new_learner(self, samples: _Samples, rng) -> _Learner:
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
            loss_curve=list(self.loss_curve_),
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
        samples: _Samples,
        held_out: _Samples | None,
        n_epochs: int,
        averaging: float = 0.0,
        *,
        on_epoch,
    ) -> None:
        network, dtype = learner.network, learner.network.dtype
        n_threads = effective_n_threads(self.n_jobs)
        data = Data(samples.X, dtype, self._loss, samples.target, samples.weight)
        validate = None
        if held_out is not None:
            held_out_data = Data(held_out.X, dtype)

            def validate(network):
                raw = network.predict(held_out_data, n_threads)
                score = self._score_raw(raw, held_out.target, held_out.weight)
                return score, self._loss.value(raw, held_out.target, held_out.weight)

        batch_size = _AUTO_BATCH_SIZE if self.batch_size == "auto" else self.batch_size
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
            mixup=Mixup(self.mixup) if self.mixup > 0 else None,
            averaging=averaging,
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            validate=validate,
            stop_on_validation=self.early_stopping and validate is not None,
            n_threads=n_threads,
            on_epoch=on_epoch,
        )

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
        return {name: value for name, value in vars(self).items() if _is_fitted_name(name)}

    def _restore_fitted_state(self, state: dict | None) -> None:
        for name in [name for name in vars(self) if _is_fitted_name(name)]:
            delattr(self, name)
        self.__dict__.update(state or {})

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
        "prune_by": [StrOptions({"out_degree", "strength"})],
        "prune_every": [Interval(Integral, 1, None, closed="left")],
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
        )


class BaseSparseMLPClassifier(ClassifierMixin, BaseSparseMLP):
    """Targets, prediction and scores of classifiers."""

    _parameter_constraints: dict = {
        **BaseSparseMLP._parameter_constraints,
        "loss": [StrOptions({"log_loss", "squared_error"})],
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
    }

    def partial_fit(self, X, y, sample_weight=None, classes=None):
        """Train for one epoch on the given samples.

        One call is one epoch on the clock that `zeta` and the pruning of
        neurons follow: the second call and each later one begin with a
        rewiring. For a stream of small chunks set ``zeta=0`` (and ``alpha=0``),
        or pass larger chunks.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.
        classes : array-like of shape (n_classes,), default=None
            All classes that will ever occur; needed on the first call.

        Returns
        -------
        self : object
            The estimator after the epoch.
        """
        self._validate_params()
        if not self.__sklearn_is_fitted__() and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return self._partial_fit(X, y, sample_weight, classes=classes)

    def _encode_target(self, y, dtype, *, reset, classes=None) -> np.ndarray:
        """Class indices (n_samples,), or a 0/1 matrix if y is multilabel."""
        check_classification_targets(y)
        multilabel = type_of_target(y) == "multilabel-indicator"
        if not multilabel:
            y = column_or_1d(y, warn=True)
        if classes is not None:
            classes = np.unique(np.asarray(classes))
        if reset:
            self._set_classes(y, multilabel, classes)
        elif multilabel != self._multilabel:
            raise ValueError(
                "The targets changed between a single label per sample and multilabel indicators."
            )
        elif classes is not None and not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"`classes={classes!r}` is not the same as on the last call to partial_fit, was: "
                f"{self.classes_!r}"
            )
        if multilabel:
            y = y.toarray() if sparse.issparse(y) else np.asarray(y)
            if y.shape[1] != self.n_outputs_:
                raise ValueError(
                    f"y has {y.shape[1]} labels per sample, {self.n_outputs_} were expected."
                )
            return y.astype(dtype)
        place = np.searchsorted(self.classes_, y)
        place = np.minimum(place, len(self.classes_) - 1)
        unknown = self.classes_[place] != y
        if unknown.any():
            raise ValueError(
                f"y contains labels that are not among the classes {self.classes_!r}: "
                f"{np.unique(np.asarray(y)[unknown])!r}."
            )
        return place.astype(np.int32)

    def _set_classes(self, y, multilabel: bool, classes) -> None:
        self._multilabel = multilabel
        if multilabel:
            n_labels = y.shape[1]
            self.classes_ = np.arange(n_labels) if classes is None else classes
            self.n_outputs_ = n_labels
            name = "multilabel_log_loss"
        else:
            self.classes_ = np.unique(y) if classes is None else classes
            n_classes = len(self.classes_)
            if n_classes < 2:
                raise ValueError(
                    f"{type(self).__name__} needs samples of at least 2 classes in the data, but "
                    f"the data contain only one class: {self.classes_[0]!r}."
                )
            binary = n_classes == 2 and self.loss == "log_loss"
            self.n_outputs_ = 1 if binary else n_classes
            name = "binary_log_loss" if binary else "softmax_log_loss"
        self._loss = Loss("sigmoid_squared_error" if self.loss == "squared_error" else name)

    def _weigh_classes(self, y, target, weight):
        if self.class_weight is None:
            return weight
        if weight is None:
            weight = np.ones(len(target))
        if target.ndim == 2:
            weight = weight * compute_sample_weight(self.class_weight, target)
        else:
            y = column_or_1d(y)
            per_class = compute_class_weight(
                self.class_weight, classes=self.classes_, y=y, sample_weight=weight
            )
            weight = weight * per_class[target]
        if not (np.isfinite(weight) & (weight >= 0)).all():
            raise ValueError(
                f"class_weight must hold finite numbers >= 0, got {self.class_weight!r}."
            )
        if not weight.any():
            raise ValueError("class_weight and sample_weight leave no sample with a weight.")
        return weight

    def _strata(self, target, n_samples):
        if target.ndim == 2:
            return None
        rarest = np.bincount(target)
        rarest = rarest[rarest > 0].min()
        n_classes = len(np.unique(target))
        n_val = int(np.ceil(self.validation_fraction * n_samples))
        if rarest < 2 or min(n_val, n_samples - n_val) < n_classes:
            warnings.warn(
                f"The validation split of early_stopping cannot be stratified: the rarest class "
                f"has {rarest} sample(s), {n_classes} classes share {n_val} validation samples. "
                "It is drawn at random.",
                UserWarning,
                stacklevel=5,
            )
            return None
        return target

    def _decide(self, raw: np.ndarray) -> np.ndarray:
        """Class indices, or a 0/1 matrix, from raw outputs."""
        if self._multilabel:
            return (raw > 0).astype(int)
        if raw.shape[1] == 1:
            return (raw[:, 0] > 0).astype(int)
        return raw.argmax(axis=1)

    def _score_raw(self, raw, target, weight) -> float:
        return accuracy_score(target, self._decide(raw), sample_weight=weight)

    def predict(self, X):
        """Predict class labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Class labels; a 0/1 matrix for multilabel models.
        """
        decided = self._decide(self._raw_predict(X))
        return decided if self._multilabel else self.classes_[decided]

    def decision_function(self, X):
        """Raw outputs of the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        scores : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            For two classes one logit per sample, positive for
            ``classes_[1]``; otherwise one column per class or label.
        """
        raw = self._raw_predict(X)
        if self._multilabel or len(self.classes_) > 2:
            return raw
        if raw.shape[1] == 1:
            return raw[:, 0]
        log_proba = np.log(self._loss.activate(raw))
        return log_proba[:, 1] - log_proba[:, 0]

    def predict_proba(self, X):
        """Probability estimates.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`. With ``loss="squared_error"`` the
            outputs are divided by their sum. For multilabel models the
            probability of each label.
        """
        outputs = self._outputs(X)
        if self._multilabel:
            return outputs
        if outputs.shape[1] == 1:
            return np.column_stack([1 - outputs[:, 0], outputs[:, 0]])
        if self._loss.out_activation == "softmax":
            return outputs
        return outputs / outputs.sum(axis=1, keepdims=True)

    def predict_log_proba(self, X):
        """Logarithm of the probability estimates.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            As `predict_proba`.
        """
        return np.log(self.predict_proba(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class BaseSparseMLPRegressor(RegressorMixin, BaseSparseMLP):
    """Targets, prediction and scores of regressors."""

    _parameter_constraints: dict = {
        **BaseSparseMLP._parameter_constraints,
        "loss": [StrOptions({"squared_error", "poisson", "huber"})],
        "huber_delta": [Interval(Real, 0, None, closed="neither")],
        "scale_target": ["boolean"],
    }

    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch on the given samples.

        One call is one epoch on the clock that `zeta` and the pruning of
        neurons follow: the second call and each later one begin with a
        rewiring. For a stream of small chunks set ``zeta=0`` (and ``alpha=0``),
        or pass larger chunks.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        self : object
            The estimator after the epoch.
        """
        self._validate_params()
        return self._partial_fit(X, y, sample_weight)

    def _validate_samples(self, X, y, sample_weight, *, reset, **kwargs) -> _Samples:
        samples = super()._validate_samples(X, y, sample_weight, reset=reset, **kwargs)
        if reset:
            self._set_target_scale(samples)
        samples.target = self._scaled(samples.target, samples.X.dtype)
        return samples

    def _validate_held_out(self, X_val, y_val, sample_weight_val) -> _Samples | None:
        held_out = super()._validate_held_out(X_val, y_val, sample_weight_val)
        if held_out is not None:
            held_out.target = self._scaled(held_out.target, held_out.X.dtype)
        return held_out

    def _set_target_scale(self, samples: _Samples) -> None:
        """Remember the mean and standard deviation of the targets, or 0 and 1.

        The Poisson loss, whose targets must stay >= 0, is scaled by the mean alone.
        """
        n_outputs = samples.target.shape[1]
        self._target_offset, self._target_scale = np.zeros(n_outputs), np.ones(n_outputs)
        if not self.scale_target:
            return
        mean = np.average(samples.target, axis=0, weights=samples.weight)
        if self.loss == "poisson":
            scale = mean
        else:
            self._target_offset = mean
            scale = np.sqrt(
                np.average((samples.target - mean) ** 2, axis=0, weights=samples.weight)
            )
        constant = scale <= 10 * np.finfo(np.float64).eps * np.abs(mean)
        self._target_scale = np.where(constant, 1.0, scale)

    def _scaled(self, target: np.ndarray, dtype) -> np.ndarray:
        return ((target - self._target_offset) / self._target_scale).astype(dtype)

    def _encode_target(self, y, dtype, *, reset) -> np.ndarray:
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        single = y.ndim == 1
        y = y.reshape(len(y), -1)
        if reset:
            self._single_output = single
            self.n_outputs_ = y.shape[1]
            self._loss = Loss(self.loss, self.huber_delta)
        elif y.shape[1] != self.n_outputs_:
            raise ValueError(
                f"y has {y.shape[1]} outputs per sample, {self.n_outputs_} were expected."
            )
        if self.loss == "poisson" and (y < 0).any():
            raise ValueError(
                f"loss='poisson' needs targets >= 0; the smallest value of y is {y.min():g}."
            )
        return y

    def _score_raw(self, raw, target, weight) -> float:
        return r2_score(target, self._loss.activate(raw), sample_weight=weight)

    def predict(self, X):
        """Predict targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predicted targets.
        """
        outputs = self._outputs(X)
        outputs = (outputs * self._target_scale + self._target_offset).astype(outputs.dtype)
        return outputs[:, 0] if self._single_output else outputs

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
