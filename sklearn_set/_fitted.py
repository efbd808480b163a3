"""What a fitted estimator has: its model, and the attributes that show it.

Owns: the attributes of fitted estimators. May not touch: training.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from ._conditioning import InputConditioner
from ._data import Data
from ._network import Network
from ._parameters import Declared
from ._regularization import Signal
from ._samples import Samples
from ._targets import Target
from ._training import Learner

__all__ = ["FittedNetwork", "Model"]


@dataclass
class Model(Learner):
    """A learner with what its inputs and outputs mean to the user."""

    conditioner: InputConditioner = field(kw_only=True)
    targets: Target = field(kw_only=True)
    signal: Signal | None = field(default=None, kw_only=True)
    stops_early: bool = field(default=False, kw_only=True)
    shrinkage: float = field(default=0.0, kw_only=True)
    constant: np.ndarray | None = field(default=None, kw_only=True)  # raw outputs shrunk to
    temperature: float = field(default=1.0, kw_only=True)

    def calibrated(self, network: Network) -> Network:
        """A network of the model as it predicts: outputs shrunk or divided by the temperature."""
        if self.shrinkage != 0 and self.constant is not None:
            return network.with_shrunk_outputs(self.shrinkage, self.constant)
        if self.temperature != 1:
            return network.with_shrunk_outputs(1 - 1 / self.temperature, 0.0)
        return network

    @property
    def has_temperature(self) -> bool:
        """Whether it is a classifier that reads all inputs."""
        return self.targets.loss.is_log_loss and self.network.features is None

    @property
    def learns_smoothed_values(self) -> bool:
        """Whether it is a regressor that reads all inputs, and will until the end."""
        reads_all = self.network.features is None and self.evolution.select is None
        return reads_all and self.targets.loss.name in ("squared_error", "huber")

    def calibrate(self, samples: Samples, n_threads: int) -> None:
        """Find the temperature by the signal in the samples."""
        assert self.signal is not None
        data = Data(samples.X[self.signal.rows], self.network.dtype)
        raw = self.network.predict(data, n_threads)
        self.temperature = self.signal.temperature(raw, samples, self.targets.loss)

    def current_attributes(self) -> dict:
        """The attributes if training ended now; training does not change them."""
        history = copy.deepcopy(self.progress.history)
        now = replace(self, progress=replace(self.progress, history=history))
        return now.attributes(self.calibrated(self.result.copy()))

    def attributes(self, network: Network) -> dict:
        """The attributes of a fitted estimator, but for those that `validate_data` sets."""
        progress, targets = self.progress, self.targets
        history, losses = progress.history, progress.history.get("loss", [])
        scores, kept = history.get("validation_score"), progress.kept_epoch
        return {
            "_network": network,
            "_targets": targets,
            "_learner": None,
            "conditioner_": self.conditioner,
            "weight_decay_": self.optimizer.weight_decay,
            "shrinkage_": self.shrinkage,
            "temperature_": self.temperature,
            "n_iter_": progress.epoch,
            "t_": progress.n_samples_seen,
            "n_layers_": len(network.layers) + 1,
            "n_outputs_": targets.n_outputs,
            "out_activation_": targets.loss.out_activation,
            "history_": history,
            "loss_curve_": losses,
            "loss_": losses[-1] if losses else np.nan,
            "validation_scores_": scores,
            "validation_loss_curve_": history.get("validation_loss"),
            "best_loss_": None if self.stops_early and scores else min(losses, default=np.nan),
            "best_validation_score_": scores[kept] if scores and kept is not None else None,
            **targets.attributes(),
        }


class _Fitted:
    """Types of what a fit sets."""

    _network: Network
    _targets: Any
    _learner: Model | None
    n_features_in_: int
    feature_names_in_: np.ndarray
    conditioner_: InputConditioner
    weight_decay_: float
    shrinkage_: float
    temperature_: float
    n_iter_: int
    t_: int
    n_layers_: int
    n_outputs_: int
    out_activation_: str
    loss_: float
    loss_curve_: list[float]
    best_loss_: float | None
    validation_scores_: list[float] | None
    validation_loss_curve_: list[float] | None
    best_validation_score_: float | None
    history_: dict[str, list]


class FittedNetwork(_Fitted, Declared):
    """Attributes of an estimator that keeps its network in `_network`."""

    _attribute_texts = """
        conditioner_ : InputConditioner
            What happens to the columns before the network reads them; its `method_` and
            `errors_` say what was chosen and why.
        weight_decay_ : float
            The decay that was used.
        shrinkage_ : float
            The shrinkage of the outputs that was used.
        temperature_ : float
            What the raw outputs were divided by when training was done, at most 1. Losses in
            `history_` are those before.
        coefs_ : list of scipy.sparse.csc_array
            Weights of each layer, of shape (fan_in, fan_out); they share memory with
            the model. The first layer's are those of the conditioned inputs.
        intercepts_ : list of ndarray
            Bias of each layer, of shape (fan_out,).
        hidden_layer_sizes_ : tuple of int
            Number of neurons that each hidden layer has now.
        n_connections_ : int
            Number of connections, all layers together.
        density_ : ndarray of shape (`n_layers_` - 1,)
            Share of a layer's possible connections that exist.
        selected_features_ : ndarray of int
            Indices of the features that the network reads: all, or those selected.
        feature_importances_ : ndarray of shape (`n_features_in_`,)
            Strength of each input (sum of its absolute weights), normalised to sum 1, of this
            fit: another `random_state` ranks correlated inputs otherwise (see
            `sklearn_set.inspection.seed_importances`).
        n_iter_ : int
            Number of epochs trained.
        t_ : int
            Number of samples seen, each counted once an epoch.
        n_layers_ : int
            Number of layers of neurons, input and output included.
        n_outputs_ : int
            Number of output neurons.
        out_activation_ : str
            Activation of the output neurons.
        loss_ : float
            Mean loss in the last epoch of what the network learned from: while its weights
            moved and, with `mixup`, of mixtures, which are harder than the samples themselves;
            of regressors on values that are easier, see `shrinkage`. Without `weight_decay`'s
            part.
        loss_curve_ : list of float
            The same for every epoch.
        best_loss_ : float or None
            Smallest loss of an epoch; None with `early_stopping`.
        validation_scores_ : list of float or None
            Score (see `scoring`) on the held-out samples after each epoch.
        validation_loss_curve_ : list of float or None
            Loss on the held-out samples after each epoch.
        best_validation_score_ : float or None
            With `early_stopping`, the score of the network that was kept: of the average or,
            without `averaging`, of the best one since the last pruning.
        history_ : dict of str to list
            Columns with one entry an epoch, for ``pandas.DataFrame``: the loss, the
            validation loss and score if there are, the number of connections (total
            and by layer) and of hidden neurons, how many connections were dropped and
            grown at its start, how many of those grown at the rewiring before outlived
            the drop (`n_survived`), how many neurons were pruned, and the time in
            seconds. "loss" is that of `loss_curve_`. Where there are held-out samples,
            "training_loss" is what compares with "validation_loss": the loss after the
            epoch on training samples as they are (as many as there are held-out ones, from a
            hundred to a thousand).
    """

    def __sklearn_is_fitted__(self) -> bool:
        return getattr(self, "_network", None) is not None

    def _commit(self, model: Model, *, keep_state: bool) -> None:
        """Set the fitted attributes of a trained model."""
        if not keep_state:
            model.network.drop_optimizer()
        model.signal = None  # it is that of these samples
        self.__dict__.update(model.attributes(model.calibrated(model.network)))
        self._learner = model if keep_state else None

    def _roll_back(self, before: dict) -> None:
        """Restore the attributes from before a fit, but for its callbacks' context."""
        for name in vars(self).copy():  # another thread may add some
            if name not in before and "callback" not in name:
                self.__dict__.pop(name, None)
        self.__dict__.update(before)

    def _fitted_network(self) -> Network:
        if not self.__sklearn_is_fitted__():
            check_is_fitted(self)  # its error is an AttributeError, too
        return self._network

    @property
    def coefs_(self) -> list[sparse.csc_array]:
        """Weights of each layer, `csc_array` of shape (fan_in, fan_out).

        They share memory with the model: a change of their data changes the model.
        The first one has a row for every conditioned input (see `conditioner_`): for every
        feature, empty for those that are not read, or for every component.
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
        """Indices of the features that the network reads: all, or those selected."""
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

        Of decorrelated inputs, the weights are those that the standardised columns get
        through the components. How strongly a feature is wired into the network; it says
        nothing about what the later layers do with it.
        """
        weights = self.coefs_[0].astype(np.float64)
        strength = np.abs(self.conditioner_._columns.in_columns(weights)).sum(axis=1)
        total = strength.sum()
        return strength / total if total > 0 else strength
