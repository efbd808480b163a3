"""Rewiring and pruning of a model's sparse layers between two steps of an optimizer.

Owns: how a layer's weights, their gradients and the optimizer's state follow a change of
connections. May not touch: the rules of evolution, which are those of the estimators.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import nn

from .._amounts import in_proportion, new_weights_rule
from .._evolution import Changes, Evolution
from .._network import Layer, Network
from .._pruning import NeuronPruning
from .._topology import Rewiring
from ..rules import DROPS, GROWS, AdaptiveThreshold, DropRule, GrowElsewhere, GrowthRule
from ._layer import SparseLayer, numpy_generator, require_supported
from ._linear import SparseLinear
from ._order import sparse_runs

__all__ = ["evolve"]


@dataclass
class _Slot:
    """A tensor of one value per weight (or bias), and the value of new ones."""

    values: np.ndarray
    new_value: float
    assign: Callable[[torch.Tensor], None]

    def store(self) -> None:
        self.assign(torch.from_numpy(np.ascontiguousarray(self.values)))


@dataclass(eq=False)
class _ModuleLayer(Layer):
    """A module's connections and weights; optimizer state of any kind moves along with them."""

    of_weights: list[_Slot] = field(default_factory=list)
    of_bias: list[_Slot] = field(default_factory=list)

    def carry(self, rewiring: Rewiring, new_weights: np.ndarray | None = None) -> None:
        super().carry(rewiring, new_weights)
        n_new = int(np.count_nonzero(rewiring.source < 0))
        for slot in self.of_weights:
            fresh = np.full(n_new, slot.new_value, slot.values.dtype)
            slot.values = rewiring.carry(slot.values, fresh)

    def keep_neurons(self, keep: np.ndarray) -> None:
        super().keep_neurons(keep)
        for slot in self.of_bias:
            slot.values = slot.values[keep]


class _State:
    """The state that an optimizer keeps for each parameter."""

    def __init__(self, optimizer: torch.optim.Optimizer | None):
        self.optimizer = optimizer
        groups = optimizer.param_groups if optimizer is not None else []
        self.group = {id(p): group for group in groups for p in group["params"]}

    def slots(self, parameter: nn.Parameter | None, name: str) -> list[_Slot]:
        if parameter is None:
            return []
        found = []
        if parameter.grad is not None:
            found.append(_Slot(parameter.grad.numpy(), 0.0, partial(setattr, parameter, "grad")))
        if self.optimizer is None:
            return found
        group = self.group.get(id(parameter))
        if group is None:
            raise ValueError(
                f"The optimizer does not hold the {name} of a sparse layer that is to evolve. "
                "Make the optimizer from the parameters of this very model."
            )
        # What torch's own optimizers begin with, where it is not 0.
        initial = {"step_size": group.get("lr"), "sum": group.get("initial_accumulator_value", 0.0)}
        state = self.optimizer.state.get(parameter, {})
        for key, value in state.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                assign = partial(state.__setitem__, key)
                found.append(_Slot(value.detach().numpy(), initial.get(key, 0.0), assign))
            elif not _is_scalar(value):
                raise ValueError(
                    f"{type(self.optimizer).__name__} keeps {key!r}, which has no value per "
                    "weight, so that it cannot follow a change of connections. Use an optimizer "
                    "such as SGD or Adam, or make a new one after evolve(model, None)."
                )
        return found


def _is_scalar(value) -> bool:
    """Whether an entry of an optimizer's state is one value for all weights."""
    if isinstance(value, torch.Tensor):
        return value.numel() == 1
    return not isinstance(value, list | tuple | dict)


def evolve(
    module: nn.Module,
    optimizer: torch.optim.Optimizer | None,
    *,
    zeta: float = 0.3,
    alpha: float = 0.0,
    drop: str | DropRule = "magnitude",
    grow: str | GrowthRule = "random",
    new_weights: str = "small",
    redistribute: str | None = None,
    target_fraction: float = 0.01,
    initial_threshold: float = 0.001,
    generator: torch.Generator | None = None,
) -> dict[str, float]:
    """Rewire the sparse layers of a model once, and perhaps prune neurons.

    Call it between two steps of the optimizer, as a rule once an epoch. Weights, their
    gradients and the optimizer's state move with the connections that stay; a new connection
    starts as for a fresh optimizer, with state 0. Parameters stay the same objects.

    Parameters
    ----------
    module : torch.nn.Module
        A `SparseLinear`, `SparseConv1d` or `SparseConv2d`, or a model with such layers. Those
        with ``evolves=False`` are not rewired (but may lose neurons).
    optimizer : torch.optim.Optimizer or None
        The one that trains `module`. Any that keeps its state per weight: SGD, Adam, AdamW,
        RMSprop, Adagrad and most others, but not LBFGS.
    zeta : float, default=0.3
        Fraction of a layer's connections that is dropped and grown anew, in [0, 1]. Not used
        with `redistribute`.
    alpha : float, default=0.0
        NPSET: fraction of the neurons between two layers that is pruned afterwards, in
        [0, 1), with their connections: those with the fewest output connections. Only between
        two SparseLinear that stand in one ``torch.nn.Sequential`` with nothing but activations
        and dropout between them.
    drop : {"magnitude", "dead_ends", "weak_inputs", "sensitivity", "relative_sensitivity", \
"path"} or DropRule, \
            default="magnitude"
        Which connections go, as in `SETClassifier`; for both sensitivities the layers must track
        "sensitivity"; "path" and "dead_ends" follow layers that feed each other, and
        "weak_inputs" are those of the first of these.
    grow : {"random", "gradient", "path", "ch3"} or GrowthRule, default="random"
        Where new ones come, as in `SETClassifier`; for "gradient", that of the last batch,
        the layers must track "gradient"; "path" follows layers that feed each other.
    new_weights : {"small", "zero", "init"}, default="small"
        Their first weights, as in `SETClassifier`; "init" at the scale of "he_uniform".
    redistribute : {None, "survivors"}, default=None
        None: a layer grows as many connections as it loses. "survivors": Dynamic Sparse
        Reparameterization (Mostafa and Wang 2019), as in `DSRClassifier`, over all sparse layers
        of `module`. The weights nearer to zero than one threshold go, and each layer grows a
        share of their number in proportion to the connections it keeps; at random places
        other than those just emptied, or as `grow` says. The method itself takes
        ``new_weights="zero"``.
    target_fraction : float, default=0.01
        With `redistribute`: fraction of all connections that should go, in [0, 1). If less
        (more) went, by more than a tenth, the threshold doubles (halves) for the next call.
    initial_threshold : float, default=0.001
        With `redistribute`: the threshold of the first call. Copies and pickles of the model
        keep the current one, a ``state_dict`` does not.
    generator : torch.Generator, default=None
        Source of randomness; torch's default one if None.

    Returns
    -------
    counts : dict
        "n_dropped" and "n_grown" connections, "n_survived" of those grown the last time,
        "n_pruned" neurons, and the columns of the rules: with `redistribute` the "threshold" of
        the next call.

    Raises
    ------
    ValueError
        If a parameter is out of its range, the optimizer does not hold a layer's weights or
        keeps state that cannot follow, or what a rule needs was not tracked. Nothing is
        changed then.

    Examples
    --------
    >>> import torch
    >>> from sklearn_set.torch import SparseLinear, evolve
    >>> _ = torch.manual_seed(0)
    >>> layer = SparseLinear(50, 40, density=0.2)
    >>> optimizer = torch.optim.Adam(layer.parameters())
    >>> layer(torch.randn(16, 50)).square().sum().backward()
    >>> optimizer.step()
    >>> evolve(layer, optimizer, zeta=0.25)
    {'n_dropped': 99, 'n_grown': 99, 'n_survived': 0, 'n_pruned': 0}

    Connections that move between layers:

    >>> model = torch.nn.Sequential(
    ...     SparseLinear(50, 40, density=0.2), SparseLinear(40, 30, density=0.2)
    ... )
    >>> counts = evolve(model, None, redistribute="survivors", initial_threshold=0.05)
    >>> counts["n_dropped"] == counts["n_grown"], sum(len(layer.weight) for layer in model)
    (True, 640)
    """
    _check_parameters(zeta, alpha, drop, grow, new_weights)
    _check_redistribution(redistribute, drop, grow, target_fraction, initial_threshold)
    runs = sparse_runs(module)
    if not runs:
        raise ValueError(f"There is no sparse layer in this {type(module).__name__}.")
    if alpha > 0 and all(len(run) == 1 for run in runs):
        raise ValueError(
            f"alpha={alpha!r} prunes neurons between two SparseLinear that follow each other in "
            "a torch.nn.Sequential, but there are none. Set alpha=0 or put them into one."
        )
    layers = list(itertools.chain(*runs))
    if redistribute is not None and grow == "random":
        grow = GrowElsewhere()
    rules = Evolution(
        zeta,
        DROPS[drop]() if isinstance(drop, str) else drop,
        GROWS[grow]() if isinstance(grow, str) else grow,
        new_weights_rule(new_weights, "he_uniform"),
    )
    if redistribute is not None:
        _reparameterize(rules, layers, target_fraction, initial_threshold)
    rewire = rules.fraction > 0
    for layer in layers:
        require_supported(layer.weight.dtype)
        if rewire and layer.evolves:
            _check_tracked(layer, rules)
    state, rng = _State(optimizer), numpy_generator(generator)
    inner = {layer: _as_layer(layer, state, rewire, alpha > 0) for layer in layers}
    changes = Changes()
    groups = runs if redistribute is None else [layers]
    for group in groups if rewire else []:
        network = Network(inner[layer] for layer in group)
        numbers = [number for number, layer in enumerate(group) if layer.evolves]
        steepest = partial(_steepest_places, group)
        changes += rules.rewire(network, rng, rules.fraction, numbers, steepest)
    for run in runs:
        pruning = NeuronPruning(alpha, 0, 0, tuple(range(len(run) - 1)))
        changes.n_pruned += pruning.prune(Network(inner[layer] for layer in run))
    for layer in layers:
        _write_back(layer, inner[layer])
        layer._threshold = rules.columns().get("threshold", layer._threshold)
    return vars(changes) | rules.columns()


def _reparameterize(
    rules: Evolution, layers: list[SparseLayer], target_fraction: float, initial_threshold: float
) -> None:
    """Give an evolution the rules of DSR; the layers know the threshold."""
    known = [layer._threshold for layer in layers if layer._threshold is not None]
    rules.fraction, rules.redistribute = target_fraction, in_proportion
    rules.drop = drop = AdaptiveThreshold(initial_threshold)
    drop.threshold_ = known[0] if known else initial_threshold


def _check_parameters(zeta: float, alpha: float, drop, grow, new_weights: str) -> None:
    if not 0 <= zeta <= 1:
        raise ValueError(f"zeta={zeta!r} must lie in [0, 1].")
    if not 0 <= alpha < 1:
        raise ValueError(f"alpha={alpha!r} must lie in [0, 1).")
    for name, value, choices, kind in (
        ("drop", drop, tuple(DROPS), DropRule),
        ("grow", grow, tuple(GROWS), GrowthRule),
        ("new_weights", new_weights, ("small", "zero", "init"), ()),
    ):
        if not isinstance(value, kind) and value not in choices:
            raise ValueError(f"{name}={value!r} is not one of {choices}.")


def _check_redistribution(redistribute, drop, grow, fraction: float, threshold: float) -> None:
    if redistribute not in (None, "survivors"):
        raise ValueError(f"redistribute={redistribute!r} is neither None nor 'survivors'.")
    if redistribute is not None and drop != "magnitude":
        raise ValueError(
            f"drop={drop!r} has no part in redistribute={redistribute!r}, where the weights below "
            "one threshold go. Leave one of them out."
        )
    if redistribute is not None and grow == "path":
        raise ValueError(
            f"grow='path' follows layers that feed each other, redistribute={redistribute!r} takes "
            "all layers. Leave one of them out."
        )
    if not 0 <= fraction < 1:
        raise ValueError(f"target_fraction={fraction!r} must lie in [0, 1).")
    if not threshold > 0:
        raise ValueError(f"initial_threshold={threshold!r} must be > 0.")


def _check_tracked(layer: SparseLayer, rules: Evolution) -> None:
    """Check that the layer has tracked what the rules need."""
    known = {"sensitivity": layer._sensitivity, "gradient": layer._last_batch}
    for rule in rules.rules:
        for need in rule.needs:
            if need not in layer.track:
                raise ValueError(
                    f"{type(rule).__name__} needs the {need}, but a {type(layer).__name__} has "
                    f'track={layer.track!r}. Make the layer with track=("{need}",).'
                )
            if known[need] is None:
                raise ValueError(
                    f"{type(rule).__name__} needs the {need} of a backward pass, but none reached "
                    f"a {type(layer).__name__} since it was made, loaded or last rewired. Call "
                    "loss.backward() before evolve."
                )


def _steepest_places(run: list[SparseLayer], wanted) -> dict[int, np.ndarray]:
    """The steepest places of some layers of a run, as `Evolution.rewire` asks for them."""
    return {number: _steepest(run[number], *asked) for number, asked in wanted.items()}


def _as_layer(layer: SparseLayer, state: _State, rewire: bool, prune: bool) -> _ModuleLayer:
    bias = layer.weight.new_zeros(layer.shape[1]) if layer.bias is None else layer.bias
    changes = prune or (rewire and layer.evolves)
    return _ModuleLayer(
        layer.connectivity,
        layer.weight.detach().numpy(),
        bias.detach().numpy(),
        sensitivity=layer._sensitivity,
        newborn=layer._newborn,
        of_weights=state.slots(layer.weight, "weight") if changes else [],
        of_bias=state.slots(layer.bias, "bias") if prune else [],
    )


def _write_back(layer: SparseLayer, inner: Layer) -> None:
    """Give a module the connections, weights and state of a layer that changed."""
    assert isinstance(inner, _ModuleLayer)
    if inner.connectivity is layer.connectivity:
        return
    if isinstance(layer, SparseLinear):  # neurons may have left
        layer.shape = inner.connectivity.shape
    layer.indptr = torch.from_numpy(inner.indptr)
    layer.indices = torch.from_numpy(inner.indices)
    layer._reset_tracking()
    layer._newborn = inner.newborn
    pairs = [(layer.weight, inner.weights, inner.of_weights)]
    if layer.bias is not None and len(layer.bias) != len(inner.bias):
        pairs.append((layer.bias, inner.bias, inner.of_bias))
    for parameter, values, slots in pairs:
        parameter.grad = None
        with torch.no_grad():  # in place, so that a graph made before is known to be stale
            if len(parameter) != len(values):
                parameter.data = parameter.data.new_empty(len(values))
            parameter.copy_(torch.from_numpy(values))
        for slot in slots:
            slot.store()


def _steepest(layer: SparseLayer, keep: np.ndarray, n_new: int) -> np.ndarray:
    """Free places with the largest absolute gradient on the last batch, as `grow_at` wants them.

    Those whose gradient is 0 are not among them, so that there may be fewer.
    """
    assert layer._last_batch is not None
    a, delta = layer._last_batch
    connectivity = layer.connectivity
    n_in, n_out = connectivity.shape
    kept = torch.from_numpy(np.flatnonzero(keep))
    sources = layer.indices[kept].long()
    targets = torch.from_numpy(connectivity.destinations())[kept].long()
    sizes, places = layer.weight.new_empty(0), torch.empty(0, dtype=torch.int64)
    block = max(1, 2**22 // n_in)
    for begin in range(0, n_out, block):
        gradient = layer._gradients(a, delta, begin, min(begin + block, n_out)).abs_()
        inside = (targets >= begin) & (targets < begin + block)
        gradient[targets[inside] - begin, sources[inside]] = 0
        flat = gradient.flatten()
        size, place = flat.topk(min(n_new, len(flat)))
        sizes, places = torch.cat([sizes, size]), torch.cat([places, place + begin * n_in])
        best = sizes.topk(min(n_new, len(sizes))).indices
        sizes, places = sizes[best], places[best]
    return np.sort(places[sizes > 0].numpy())
