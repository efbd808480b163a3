"""What all perceptrons share: from the user's data and parameters to a trained network.

Owns: validation of parameters together, fits and their failure. May not touch: weights
and connections but through Network, the order of training but through train(), what
targets mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_random_state

from . import _reporting
from ._caching import Checkpoints, cached
from ._conditioning import InputConditioner, condition, learn
from ._data import Data
from ._evolution import Evolution
from ._fitted import FittedNetwork, Model
from ._losses import Loss
from ._mixtures import Mixtures
from ._network import Network
from ._network_parameters import Conditioning, Layers
from ._optimizers import Optimizer
from ._pruning import InputSelection
from ._regularization import Signal
from ._samples import Samples, bounded_weight, check_weight, has_held_out, validated
from ._scoring import make_validator
from ._sklearn_compat import CallbackSupportMixin, fit_context
from ._targets import Target
from ._threads import effective_n_threads, one_blas_thread
from ._training import Generators, Learner, NonFiniteLossError, Patience, Progress, train
from ._training_parameters import Training

__all__ = ["BaseSparseMLP"]

_AUTO_BATCH_SIZE = 32
_MOST_KEPT = 2**26  # bytes of conditioned samples that `memory` keeps
_LEAST_BATCHES = 2  # with one step an epoch, a network of few rows underfits


class BaseSparseMLP(CallbackSupportMixin, FittedNetwork, Training, Conditioning, Layers):
    """Fit, partial_fit and raw prediction of sparse networks."""

    #: weight_decay="auto": factor of error * sqrt(ridge) of the kernel, least, most.
    _DECAY_BY_SIGNAL = (1.5, 0.02, 0.4)
    _NOISE_SELECTED = 0.0  # what stands for sqrt(ridge) where inputs are selected
    _SHRINKAGE_SELECTED = 0.0  # share of the shrinkage that is used there

    # ------------------------------------------------------------ what a kind of estimator adds

    def _make_targets(self, y, weight: np.ndarray | None, **given) -> Target:
        """What the targets of a first fit mean."""
        raise NotImplementedError

    def _loss_of(self, targets: Any) -> Loss:
        """The loss that the parameters stand for with the targets of an earlier fit."""
        return targets.loss

    def _weigh_classes(
        self, y, target: np.ndarray, weight: np.ndarray | None, targets: Any
    ) -> np.ndarray | None:
        """The weights of the samples, times those of their classes."""
        return weight

    def _make_evolution(self, select: InputSelection | None = None) -> Evolution:
        """The rules of evolution that the parameters stand for."""
        raise NotImplementedError

    def _make_conditioner(self) -> InputConditioner:
        """The conditioner of a first fit, which is not fitted yet."""
        return InputConditioner(self.conditioning)

    def _fit_conditioner(self, samples, targets) -> tuple[InputConditioner, Signal | None]:
        """The conditioner, fitted to the samples, and the signal if that has chosen it."""
        numeric = samples.with_target(targets.as_numbers(samples.target))
        conditioner, found = cached(learn, self.memory)(self._make_conditioner(), numeric)
        return conditioner, found and Signal.found(*found)

    def _condition(self, conditioner: InputConditioner, samples, whole_data: bool) -> Samples:
        """The samples as a network reads them, kept unless they are a chunk of a stream."""
        small = not issparse(samples.X) and samples.X.nbytes <= _MOST_KEPT
        keeps = whole_data and small and conditioner.method_ != "none"
        return cached(condition, self.memory if keeps else None)(conditioner, samples)

    def _make_selection(
        self, samples: Samples, before: Evolution | None, conditioner: InputConditioner
    ) -> InputSelection | None:
        """The selection of inputs; `before` is the evolution of a fit that is continued."""
        return None

    def _find_signal(self, samples: Samples, select, conditioner, known: Signal | None) -> Signal:
        """The signal in the samples, which regularisation follows, if it is not known."""
        return known or cached(Signal.of, self.memory)(samples)

    def _mixtures(self, data: Data, *, whole_data: bool) -> Mixtures:
        """What to learn from in place of the samples, which may be a chunk of a stream."""
        return Mixtures(data, self.mixup)

    def _checkpoints(self, samples: Samples) -> Checkpoints | None:
        """Where to store models for other fits to go on from, with `memory`."""
        return None

    # ------------------------------------------------------------ the user's calls

    @fit_context
    def fit(
        self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None
    ) -> Self:
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
        before = vars(self).copy()
        continued = self.warm_start and self.__sklearn_is_fitted__()
        try:
            samples, targets = self._validate_samples(X, y, sample_weight, reset=not continued)
            held_out = self._validate_held_out(targets, X_val, y_val, sample_weight_val)
            if held_out is not None:
                _reporting.warn_of_other_scale(samples.X, held_out.X)
            rng = check_random_state(self.random_state)
            if self.early_stopping and held_out is None:
                strata = targets.strata(samples.target)
                samples, held_out = samples.split(self.validation_fraction, strata, rng)
            watched = held_out is not None or hasattr(self, "_skl_callbacks")
            checkpoints = None if continued or watched else self._checkpoints(samples)
            checkpoint = checkpoints.latest() if checkpoints else None
            with one_blas_thread():
                model, samples = self._start(samples, targets, rng, continued, checkpoint)
            learned = samples.target
            if self.shrinkage == "auto" and model.learns_smoothed_values:
                model.signal = model.signal or cached(Signal.of, self.memory)(samples)
                learned = model.signal.smoothed(samples)
            metadata = {"sample_weight": sample_weight}
            given = {"estimator": self, "X": X, "y": y, "metadata": metadata}
            context = self._init_callback_context(max_subtasks=self.max_iter)
            context.call_on_fit_task_begin(**given)
            self._train(
                model,
                samples,
                held_out,
                learned=learned,
                n_epochs=self.max_iter,
                n_done=checkpoint.progress.epoch if checkpoint else 0,
                averaging=self.averaging,
                on_epoch=lambda _: self._end_epoch(model, checkpoints, context, given),
            )
            if self.shrinkage == "auto" and model.has_temperature:
                model.signal = model.signal or cached(Signal.of, self.memory)(samples)
                model.calibrate(samples, effective_n_threads(self.n_jobs))
        except BaseException as error:
            diverged = isinstance(error, NonFiniteLossError)
            if diverged and not self.__sklearn_is_fitted__() and model.progress.epoch > 0:
                self._commit(model, keep_state=False)  # the optimizer diverged, too
            else:
                self._roll_back(before)
            raise
        self._commit(model, keep_state=self.warm_start)
        _reporting.warn_of_incomplete_training(model)
        constant = targets.loss_of_constant(learned, samples.weight)
        _reporting.warn_of_absurd_loss(model, constant, samples, self)
        context.call_on_fit_task_end(**given, reconstruction_attributes=dict)
        return self

    def partial_fit(self, X, y, sample_weight=None) -> Self:
        """Train for one epoch on the given samples.

        One call is one epoch on the clock that `zeta` and the pruning of neurons follow: the
        second call and each later one begin with a rewiring. For a stream of small chunks set
        ``zeta=0`` (and ``alpha=0``), or pass larger chunks.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets, as in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        self : object
            The estimator after the epoch.
        """
        return self._partial_fit(X, y, sample_weight)

    def _partial_fit(self, X, y, sample_weight, **given) -> Self:
        self._validate_params()
        self._check_parameters()
        if self.early_stopping:
            raise ValueError(
                "partial_fit does not support early_stopping=True: there is no later epoch to "
                "stop. Set early_stopping=False."
            )
        before = vars(self).copy()
        continued = self.__sklearn_is_fitted__()
        try:
            samples, targets = self._validate_samples(
                X, y, sample_weight, reset=not continued, **given
            )
            rng = check_random_state(self.random_state)
            with one_blas_thread():
                model, samples = self._start(samples, targets, rng, continued, whole_data=False)
            self._train(model, samples, None, n_epochs=1, whole_data=False)
            _reporting.report(model, self.verbose)
        except BaseException:
            self._roll_back(before)
            raise
        self._commit(model, keep_state=True)
        return self

    def _make_optimizer(self, select: InputSelection | None, decay: float) -> Optimizer:
        momentum = 0.0 if self.solver == "adam" else self.momentum
        return Optimizer(
            rule="sgd" if self.solver == "nesterov" and momentum == 0 else self.solver,
            learning_rate=self.learning_rate_init,
            momentum=momentum,
            betas=(float(self.adam_betas[0]), float(self.adam_betas[1])),
            weight_decay=decay,
            decay_rule=self.decay_rule,
            l2_until=0 if select is None else select.last_epoch,
        )

    def _batch_size(self, samples: Samples) -> int:
        n_samples = len(samples.target)
        if self.batch_size == "auto":
            return min(_AUTO_BATCH_SIZE, -(-n_samples // _LEAST_BATCHES))
        return min(self.batch_size, n_samples)

    # ------------------------------------------------------------ data

    def _input_dtype(self):
        """The dtype to ask of X: what `dtype` allows."""
        return (np.float64, np.float32) if self.dtype == "auto" else np.dtype(self.dtype)

    def _validated(self, X, y, **options):
        return validated(self, X, y, accept_sparse="csr", multi_output=True, **options)

    def _validate_samples(
        self, X, y, sample_weight, *, reset: bool, **given
    ) -> tuple[Samples, Target]:
        dtype = self._input_dtype() if reset else self._network.dtype
        X, y = self._validated(X, y, dtype=dtype, reset=reset)
        weight = bounded_weight(check_weight(sample_weight, X, "sample_weight"))
        targets = self._make_targets(y, weight, **given) if reset else self._targets
        if not reset and (loss := self._loss_of(targets)) != targets.loss:
            raise ValueError(
                f"The network has learned with the loss {targets.loss}, not with {loss}. Set the "
                "loss of the first fit again, or fit anew (warm_start=False)."
            )
        target = targets.encode(y, X.dtype)
        weight = bounded_weight(self._weigh_classes(y, target, weight, targets))
        return Samples(X, target, weight).without_zero_weights(), targets

    def _validate_held_out(
        self, targets: Target, X_val, y_val, sample_weight_val
    ) -> Samples | None:
        if not has_held_out(X_val, y_val, sample_weight_val):
            return None
        X_val, y_val = self._validated(X_val, y_val, dtype=self._input_dtype(), reset=False)
        weight = check_weight(sample_weight_val, X_val, "sample_weight_val")
        return Samples(X_val, targets.encode(y_val, X_val.dtype), weight)

    # ------------------------------------------------------------ training

    def _start(
        self, samples, targets, rng, continued, checkpoint=None, *, whole_data=True
    ) -> tuple[Model, Samples]:
        """The model to train, and the conditioned samples."""
        if continued or checkpoint:
            conditioner = checkpoint.conditioner if checkpoint else self.conditioner_
            samples = self._condition(conditioner, samples, whole_data)
            kept = checkpoint or (self._learner.copy() if self._learner else None)
            numeric = samples.with_target(targets.as_numbers(samples.target))
            return self._resumed_model(numeric, conditioner, rng, kept), samples
        conditioner, signal = self._fit_conditioner(samples, targets)
        samples = self._condition(conditioner, samples, whole_data)
        return self._new_model(samples, targets, conditioner, signal, rng, whole_data), samples

    def _new_model(
        self, samples: Samples, targets: Target, conditioner, signal: Signal | None, rng, whole_data
    ) -> Model:
        """A model with a new network, whose regularisation follows the signal."""
        generators = Generators.spawn(rng.randint(0, 2**31 - 1, size=4).tolist())
        features = conditioner._read
        n_inputs = samples.X.shape[1] if features is None else len(features)
        sizes = [n_inputs, *self._hidden_layer_sizes(), targets.n_outputs]
        n_samples = len(samples.target) if whole_data else np.inf
        first_epsilon, epsilon = self._epsilons((sizes[0], sizes[1]), n_samples)
        network = Network.random(
            sizes,
            epsilon=epsilon,
            first_epsilon=first_epsilon,
            init=self.init,
            activation=self.activation,
            dropout=self.dropout,
            dtype=samples.X.dtype,
            rng=generators.init,
        )
        network.features = features
        numeric = samples.with_target(targets.as_numbers(samples.target))
        select = self._make_selection(numeric, None, conditioner)
        decay, shrinkage = self.weight_decay, self.shrinkage
        if "auto" in (decay, shrinkage):
            if whole_data:
                signal = self._find_signal(numeric, select, conditioner, signal)
            else:  # a chunk of a stream does not tell of the others
                signal = Signal()
            if decay == "auto":
                n_batches = -(-len(samples.target) // self._batch_size(samples))
                reach = self.learning_rate_init * n_batches
                decay = signal.decay(network, reach, *self._DECAY_BY_SIGNAL)
            if shrinkage == "auto":
                shrinkage = signal.shrinkage
        optimizer = self._make_optimizer(select, decay)
        network.start_optimizer(optimizer)
        return Model(
            network,
            optimizer,
            self._make_evolution(select),
            generators,
            conditioner=conditioner,
            targets=targets,
            signal=signal,
            stops_early=self.early_stopping,
            shrinkage=shrinkage,
            constant=targets.constant(samples.target, samples.weight),
        )

    def _resumed_model(
        self, numeric: Samples, conditioner: InputConditioner, rng, kept: Model | None
    ) -> Model:
        """A model that goes on from another fit, with its optimizer's and rules' state if kept."""
        old = kept.evolution if kept else Evolution()
        select = self._make_selection(numeric, old, conditioner)
        decay = self.weight_decay
        if decay == "auto":
            decay = kept.optimizer.weight_decay if kept else self.weight_decay_
        optimizer, evolution = self._make_optimizer(select, decay), self._make_evolution(select)
        if kept is not None:
            model = kept
            evolution.resume(model.evolution)
            optimizer.n_steps = model.optimizer.n_steps
            if optimizer.n_slots != model.optimizer.n_slots:
                model.network.start_optimizer(optimizer)
                optimizer.n_steps = 0
            model.optimizer, model.evolution = optimizer, evolution
        else:  # its outputs are shrunk for good
            history = {name: list(column) for name, column in self.history_.items()}
            seeds = [*rng.randint(0, 2**31 - 1, size=4).tolist(), self.n_iter_]
            network = self._network.copy()
            network.start_optimizer(optimizer)
            model = Model(
                network,
                optimizer,
                evolution,
                Generators.spawn(seeds),
                Progress(self.n_iter_, self.t_, history),
                conditioner=conditioner,
                targets=self._targets,
            )
        model.network.set_activation(self.activation, self.dropout)
        model.stops_early = self.early_stopping
        return model

    def _train(
        self,
        model: Model,
        samples: Samples,
        held_out: Samples | None,
        *,
        learned: np.ndarray | None = None,
        n_epochs: int,
        n_done: int = 0,
        averaging: float = 0.0,
        whole_data: bool = True,
        on_epoch: Callable[[Learner], bool] | None = None,
    ) -> None:
        n_threads = effective_n_threads(self.n_jobs)
        targets, dtype = model.targets, model.network.dtype
        target = targets.for_loss(samples.target if learned is None else learned, dtype)
        data = Data(samples.X, dtype, targets.loss, target, samples.weight)
        validate = None
        if held_out is not None:
            validate = make_validator(self, model, samples, held_out, n_threads)
        try:
            train(
                model,
                data,
                n_epochs=n_epochs,
                n_done=n_done,
                batch_size=self._batch_size(samples),
                shuffle=self.shuffle,
                mixtures=self._mixtures(data, whole_data=whole_data) if self.mixup > 0 else None,
                averaging=averaging,
                validate=validate,
                patience=Patience(self.tol, self.n_iter_no_change) if self.early_stopping else None,
                n_threads=n_threads,
                on_epoch=on_epoch,
            )
        except NonFiniteLossError as error:
            hint = _reporting.unscaled_hint(samples.X, self)
            kept = _reporting.kept_hint(model, self.__sklearn_is_fitted__())
            raise NonFiniteLossError(f"{error}{hint}{kept}") from error

    def _end_epoch(
        self, model: Model, checkpoints: Checkpoints | None, context, given: dict
    ) -> bool:
        """Report an epoch to the user and the callbacks; True if one asks to stop."""
        if checkpoints is not None:
            checkpoints.save(model)
        _reporting.report(model, self.verbose)
        if not hasattr(self, "_skl_callbacks"):
            return False
        task = context.subcontext(task_name="epoch")
        task.call_on_fit_task_begin(**given)
        return task.call_on_fit_task_end(
            **given, reconstruction_attributes=model.current_attributes
        )

    # ------------------------------------------------------------ prediction

    def _raw_predict(self, X) -> np.ndarray:
        """Raw outputs of shape (n_samples, n_outputs)."""
        network = self._fitted_network()
        X = validated(self, X, accept_sparse="csr", dtype=network.dtype, reset=False)
        data = Data(self.conditioner_._apply(X), X.dtype)
        n_threads = 1 if data.n_samples == 1 else effective_n_threads(self.n_jobs)
        return network.predict(data, n_threads)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
