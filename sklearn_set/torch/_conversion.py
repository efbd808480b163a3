"""Fitted estimators as models of PyTorch, and models as fitted estimators.

Owns: what an estimator's network and a ``torch.nn.Sequential`` have in common. May not
touch: what it is given; both sides get copies.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted
from torch import nn

from .._base import BaseSparseMLP
from .._classification import BaseSparseMLPClassifier
from .._conditioning import InputConditioner
from .._fitted import Model
from .._losses import Loss
from .._network import ACTIVATIONS, Layer, Network, hidden_activation
from .._survival import BaseSparseMLPSurvival
from .._targets import Classes, Target, Values
from .._topology import Connectivity
from .._training import Generators
from ._inputs import ConditionedInputs
from ._layer import require_supported
from ._linear import SparseLinear
from ._order import ELEMENTWISE, flat_children

__all__ = ["from_torch", "to_torch"]


def to_torch(estimator: BaseSparseMLP) -> nn.Sequential:
    """A fitted network as a ``torch.nn.Sequential`` of `SparseLinear` layers.

    Parameters
    ----------
    estimator : fitted SETClassifier, NPSETRegressor, ...
        Any of the SET*, NPSET* and DSR* estimators. It is copied.

    Returns
    -------
    module : torch.nn.Sequential
        In evaluation mode, of the estimator's dtype. It maps samples of shape
        (n_samples, n_features) to what torch's losses want: a classifier to raw outputs
        (one logit per sample for two classes, otherwise one per class or label), a regressor
        to its predictions, of shape (n_samples, n_outputs), with ``loss="poisson"`` to their
        logarithm, a survival analysis to the logarithms of its hazards, one for each interval.
        Its first module conditions the inputs, where the estimator does so. Features that the
        network stopped reading have no connection. Layers that the estimator does not rewire
        (the last one, by default) have ``evolves=False``.

    Raises
    ------
    TypeError
        If `estimator` is none of these.
    sklearn.exceptions.NotFittedError
        If it is not fitted.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_set import SETClassifier
    >>> from sklearn_set.torch import to_torch
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SETClassifier((20,), max_iter=5, random_state=0).fit(X, y)
    >>> with torch.no_grad():
    ...     probabilities = to_torch(model)(torch.from_numpy(X)).softmax(dim=1)
    >>> np.allclose(probabilities, model.predict_proba(X), atol=1e-6)
    True
    """
    _check_perceptron(estimator, "to_torch")
    check_is_fitted(estimator)
    coefs, biases = estimator.coefs_, estimator.intercepts_
    if isinstance(estimator._targets, Values):
        coefs[-1], biases[-1] = _in_units_of(estimator._targets, coefs[-1], biases[-1])
    evolution, network = estimator._make_evolution(), estimator._network
    evolving = evolution.evolving(network) if evolution.fraction > 0 else ()
    module = nn.Sequential()
    if estimator.conditioner_.method_ != "none":
        dtype = torch.float64 if network.dtype == np.float64 else torch.float32
        module.append(ConditionedInputs(estimator.conditioner_, dtype))
    for number, (coef, bias) in enumerate(zip(coefs, biases)):
        module.append(SparseLinear.from_scipy(coef, bias, evolves=number in evolving))
        if number < len(coefs) - 1:
            module.append(_activation_module(*network.activations[number]))
            if network.layers[number].dropout > 0:
                module.append(nn.Dropout(network.layers[number].dropout))
    return module.eval()


def _check_perceptron(estimator, function: str) -> None:
    if not isinstance(estimator, BaseSparseMLP):
        raise TypeError(
            f"{function} takes a SET*, NPSET* or DSR* estimator, not {type(estimator).__name__}."
        )


def _in_units_of(targets: Values, coef: sparse.csc_array, bias: np.ndarray):
    """The last layer's weights and bias with the scale of the targets worked in."""
    scale = targets.scale
    if targets.loss.out_activation == "exp":
        return coef, bias + np.log(scale)
    scaled = coef.data * np.repeat(scale, np.diff(coef.indptr)).astype(coef.dtype)
    coef = sparse.csc_array((scaled, coef.indices, coef.indptr), shape=coef.shape)
    return coef, bias * scale + targets.offset


_MODULES: dict[str, Callable[[], nn.Module]] = {
    "identity": nn.Identity,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "logistic": nn.Sigmoid,
    "gelu": partial(nn.GELU, approximate="tanh"),
}


def _activation_module(kind: str, slope: float) -> nn.Module:
    """A module of one of the core's activations."""
    return nn.LeakyReLU(slope) if kind == "leaky_relu" else _MODULES[kind]()


def from_torch(module: nn.Sequential, estimator: BaseSparseMLP, *, classes=None) -> BaseSparseMLP:
    """An estimator whose network is that of a ``torch.nn.Sequential``.

    Parameters
    ----------
    module : torch.nn.Sequential
        Of SparseLinear (or Linear) layers with the same activation after all but the last
        one, each followed by Dropout or not, as `to_torch` makes it. It is copied. Its outputs
        mean what those of `to_torch` do.
    estimator : SET*, NPSET* or DSR* estimator
        Gives the class and the parameters of the result; `hidden_layer_sizes`, `activation`
        and `dropout` become those of `module`. If it is fitted, the result keeps its classes.
        A survival analysis must be fitted: it gives its intervals.
    classes : array-like of shape (n_classes,), default=None
        Class labels in ascending order, for a classifier that is not fitted.

    Returns
    -------
    estimator : object
        A new, fitted estimator, which predicts what `module` does. Its history is empty.

    Raises
    ------
    TypeError
        If `estimator` is none of these, or `module` no Sequential.
    ValueError
        If `module` has another form, or its outputs do not fit the classes.

    Examples
    --------
    >>> import torch
    >>> from sklearn_set import SETClassifier
    >>> from sklearn_set.torch import SparseLinear, from_torch
    >>> _ = torch.manual_seed(0)
    >>> module = torch.nn.Sequential(
    ...     SparseLinear(4, 10, epsilon=2), torch.nn.ReLU(), SparseLinear(10, 3, epsilon=2)
    ... )
    >>> model = from_torch(module, SETClassifier(), classes=["a", "b", "c"])
    >>> model.predict([[0.0, 1.0, 2.0, 3.0]]).shape, model.hidden_layer_sizes_
    ((1,), (10,))
    """
    _check_perceptron(estimator, "from_torch")
    if not isinstance(module, nn.Sequential):
        raise TypeError(f"from_torch takes a torch.nn.Sequential, not {type(module).__name__}.")
    children = list(flat_children(module))
    conditions = [child for child in children[:1] if isinstance(child, ConditionedInputs)]
    layers, activation, dropout = _parse(children[len(conditions) :])
    if conditions:
        conditioner = conditions[0].conditioner
    else:
        unseen = np.empty((0, layers[0].n_in))
        conditioner, _ = InputConditioner(None)._learn(unseen, None, None)
    network = Network(layers)
    result = clone(estimator).set_params(
        hidden_layer_sizes=network.hidden_layer_sizes, activation=activation, dropout=dropout
    )
    network.set_activation(activation, dropout)
    result.n_features_in_ = conditioner.n_features_in_
    if hasattr(estimator, "feature_names_in_"):
        result.feature_names_in_ = estimator.feature_names_in_
    targets = _make_targets(estimator, network.n_outputs, classes)
    decay = 0.0 if result.weight_decay == "auto" else result.weight_decay
    optimizer, evolution = result._make_optimizer(None, decay), result._make_evolution()
    generators = Generators.spawn(0)
    model = Model(
        network, optimizer, evolution, generators, conditioner=conditioner, targets=targets
    )
    result._commit(model, keep_state=False)
    return result


def _make_targets(estimator, n_outputs: int, classes) -> Target:
    """What the outputs of a module mean: classes, hazards, or values in the user's units."""
    known = getattr(estimator, "_targets", None)
    if isinstance(estimator, BaseSparseMLPSurvival):
        if known is None:
            name = type(estimator).__name__
            raise ValueError(f"This {name} has learned no intervals yet: give a fitted one.")
        targets, meant = known, "its intervals"
    elif isinstance(estimator, BaseSparseMLPClassifier):
        if classes is not None:
            labels = np.unique(np.asarray(classes))
        elif known is not None:
            labels = known.labels
        else:
            raise ValueError("classes is missing: give the class labels, or a fitted estimator.")
        targets = Classes.known(labels, known is not None and known.multilabel, estimator.loss)
        meant = f"{len(labels)} classes"
    else:
        loss = Loss(estimator.loss, estimator.huber_delta)
        return Values(np.zeros(n_outputs), np.ones(n_outputs), n_outputs == 1, loss)
    if targets.n_outputs != n_outputs:
        raise ValueError(
            f"The module has {n_outputs} outputs, but {meant} need {targets.n_outputs}."
        )
    return targets


def _parse(children: list[nn.Module]) -> tuple[list[Layer], str, float]:
    """The layers of a Sequential, the name of its activation and its dropout."""
    layers, between = _split(children)
    _check_chain(layers)
    if any(not isinstance(child, nn.Identity) for child in between[-1]):
        raise ValueError(
            f"The module ends with {between[-1][-1]}; its outputs must be raw ones (logits)."
        )
    activation = _common_activation(between[:-1])
    dropouts = {
        sum(child.p for child in children if isinstance(child, nn.Dropout))
        for children in between[:-1]
    }
    if len(dropouts) > 1:
        raise ValueError(f"Different dropouts {sorted(dropouts)}: an estimator has one.")
    return layers, activation, dropouts.pop() if dropouts else 0.0


def _split(children: list[nn.Module]) -> tuple[list[Layer], list[list[nn.Module]]]:
    """The layers of a Sequential, and the modules after each."""
    layers: list[Layer] = []
    between: list[list[nn.Module]] = []
    for child in children:
        if isinstance(child, SparseLinear | nn.Linear):
            layers.append(_layer_of(child))
            between.append([])
        elif layers and isinstance(child, ELEMENTWISE):
            between[-1].append(child)
        else:
            raise ValueError(
                f"from_torch cannot read {child}: only SparseLinear or Linear, activations and "
                "Dropout may follow each other."
            )
    if not layers:
        raise ValueError(
            f"The module {children!r} has no layer; it needs a SparseLinear or a Linear."
        )
    return layers, between


def _check_chain(layers: list[Layer]) -> None:
    """Check that each layer can feed the next."""
    for before, after in itertools.pairwise(layers):
        if before.n_out != after.n_in:
            raise ValueError(f"A layer of {before.n_out} outputs feeds one of {after.n_in} inputs.")
        if before.weights.dtype != after.weights.dtype:
            raise ValueError(
                f"The layers are of different dtypes, {before.weights.dtype} and "
                f"{after.weights.dtype}; convert the module to one."
            )


def _common_activation(between: list[list[nn.Module]]) -> str:
    """Name of the activation that all of the hidden layers have."""
    found = [
        [child for child in children if not isinstance(child, nn.Dropout | nn.Identity)]
        for children in between
    ]
    for name in ACTIVATIONS:
        if all(_is_activation(name, n, children) for n, children in enumerate(found)):
            return name
    raise ValueError(
        "The hidden layers' activations "
        f"{[' '.join(map(str, children)) or 'none' for children in found]} are not one of "
        f"{sorted(ACTIVATIONS)} for all of them."
    )


def _is_activation(name: str, number: int, children: list[nn.Module]) -> bool:
    if name == "identity":
        return not children
    wanted = _activation_module(*hidden_activation(name, number))
    if len(children) != 1 or type(children[0]) is not type(wanted):
        return False
    settings = ("negative_slope", "approximate")
    return all(getattr(children[0], s, None) == getattr(wanted, s, None) for s in settings)


def _layer_of(child: SparseLinear | nn.Linear) -> Layer:
    require_supported(child.weight.dtype)
    if isinstance(child, SparseLinear):
        coef = child.to_scipy()
        connectivity = Connectivity(coef.indptr, coef.indices, coef.shape)
        weights = coef.data
    else:
        n_out, n_in = child.weight.shape
        indptr = np.arange(n_out + 1, dtype=np.int32) * np.int32(n_in)
        indices = np.tile(np.arange(n_in, dtype=np.int32), n_out)
        connectivity = Connectivity(indptr, indices, (n_in, n_out))
        weights = child.weight.detach().numpy().ravel().copy()
    if child.bias is None:
        bias = np.zeros(connectivity.shape[1], weights.dtype)
    else:
        bias = child.bias.detach().numpy().copy()
    return Layer(connectivity, weights, bias)
