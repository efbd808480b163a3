"""Parameters of layers, rewiring, pruning and selection: name, type, text, default.

Owns: what users may set of the topology. May not touch: what is done with it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._parameters import Declared, parameter
from ._sklearn_compat import StrOptions
from .rules import DROPS, GROWS, DropRule, GrowthRule

__all__ = [
    "Conditioning",
    "InputSelecting",
    "Layers",
    "NeuronPruning",
    "Redistribution",
    "Rewiring",
]

MOCANU = """\
Mocanu, D.C., Mocanu, E., Stone, P., Nguyen, P.H., Gibescu, M., Liotta, A.,
"Scalable training of artificial neural networks with adaptive sparse
connectivity inspired by network science", Nature Communications 9:2383, 2018."""
LIU = """\
Liu, S., Mocanu, D.C., Pechenizkiy, M., "On improving deep learning
generalization with adaptive sparse connectivity", ICML Workshop on
Understanding and Improving Generalization in Deep Learning, 2019."""
KVAMME = """\
Kvamme, H., Borgan, Ø., "Continuous and discrete-time survival prediction with neural
networks", Lifetime Data Analysis 27:710-736, 2021."""
MOSTAFA = """\
Mostafa, H., Wang, X., "Parameter efficient training of deep convolutional
neural networks by dynamic sparse reparameterization", ICML, 2019."""

# epsilon="auto": its value, the least one of a first layer, and how many inputs are enough there.
_EPSILON, _LEAST_EPSILON = 30.0, 5.0
_ENOUGH_INPUTS, _INPUTS_PER_SAMPLE = 100, 4
# evolve_every="auto": how long connections learn before they are judged, from which epsilon on.
_BATCHES_TO_LEARN, _PLENTY = 8, 20


class Layers(Declared):
    """Size and connections of the layers."""

    hidden_layer_sizes: Any = parameter(
        "array-like of int or int >= 1",
        "Number of neurons in each hidden layer before any pruning.",
        default=(300, 300),
        kw_only=False,
    )
    activation: str = parameter(
        '{"relu", "leaky_relu", "all_relu", "gelu", "tanh", "logistic", "identity"}',
        """Activation of the hidden neurons. "leaky_relu" has the slope 0.01 below zero, "all_relu"
        the slopes -0.6 and 0.6 in turn (Curci et al. 2021). "gelu" is the tanh form of Hendrycks
        and Gimpel (2016).""",
        default="relu",
        kw_only=False,
    )
    epsilon: Any = parameter(
        'float > 0 or "auto"',
        """Density: each layer, the output included, starts with ``epsilon * (n_in + n_out)``
        places drawn with replacement, places drawn twice collapsed [1]_. (Not Adam's constant,
        which is fixed at 1e-8.) "auto" is 30. If `fit` evolves the
        topology by `zeta`, it is less in the first layer where a neuron would start with more than
        four inputs for each sample (and more than 100): as much as gives it so many, but not less
        than 5.""",
        default=30,
    )
    init: str = parameter(
        '{"he_uniform", "he_normal", "glorot_uniform", "normal"}',
        """Distribution of the first weights, scaled by the number of connections that a neuron
        really has; "normal" has the standard deviation 0.1, as the SET reference.""",
        default="he_uniform",
    )
    new_weights: str = parameter(
        '{"small", "zero", "init"}',
        """First weight of a grown connection. "small": of random sign and a quarter of
        ``sqrt(6 / mean in-degree)``. "zero": 0. "init": drawn like the layer's first weights.""",
        default="small",
    )
    evolve_output: bool = parameter(
        "bool", "Whether the output layer's connections are rewired too.", default=False
    )

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.epsilon != "auto" and self.epsilon <= 1e-3:
            raise ValueError(
                f"epsilon={self.epsilon} would leave layers without connections: here epsilon "
                "sets the density, each layer starting with about epsilon * (n_in + n_out) "
                "connections. Use a value such as 10; Adam's constant is no parameter."
            )
        for size in self._hidden_layer_sizes():
            if size < 1:
                raise ValueError(
                    f"hidden_layer_sizes must be positive, got {self.hidden_layer_sizes!r}."
                )

    def _hidden_layer_sizes(self) -> list[int]:
        sizes = np.atleast_1d(np.asarray(self.hidden_layer_sizes))
        if sizes.ndim != 1 or (sizes.size and not np.issubdtype(sizes.dtype, np.integer)):
            raise ValueError(
                "hidden_layer_sizes must be an integer or a sequence of integers, got "
                f"{self.hidden_layer_sizes!r}."
            )
        return [int(size) for size in sizes]

    def _epsilons(self, first_shape: tuple[int, int], n_samples: float) -> tuple[float, float]:
        """The density of the first layer, and that of the others."""
        if self.epsilon != "auto":
            return self.epsilon, self.epsilon
        if not getattr(self, "zeta", 0) > 0:
            return _EPSILON, _EPSILON
        enough = max(_ENOUGH_INPUTS, _INPUTS_PER_SAMPLE * n_samples)
        enough *= first_shape[1] / sum(first_shape)
        return min(max(enough, _LEAST_EPSILON), _EPSILON), _EPSILON


class Rewiring(Declared):
    """SET's rewiring between epochs."""

    zeta: float = parameter(
        "float in [0, 1]",
        """Fraction of the connections that a rewiring, at the start of an epoch, takes: of the
        positive and of the negative weights of a layer, this fraction, nearest to zero, is
        dropped, exact zeros besides, and as many connections grow at random free places [1]_. 0
        keeps the topology.""",
        default=0.3,
    )
    zeta_schedule: str = parameter(
        '{"constant", "cosine", "linear"}',
        """Course of `zeta` over `max_iter` epochs: constant, or falling to zero along half a
        cosine or a line.""",
        default="constant",
    )
    evolve_every: Any = parameter(
        'int >= 1 or "auto"',
        """Number of epochs from one rewiring to the next. SET's rule is 1, after every epoch.
        "auto" is the least number of epochs that have eight batches: 1, but more for fewer than
        225 samples in batches of 32, since connections that have learned in two steps only cannot
        be judged yet. With an `epsilon` below 20 it is 1: where connections are scarce, evolution
        has to find the right ones.""",
        default="auto",
    )
    drop: Any = parameter(
        '{"magnitude", "dead_ends", "weak_inputs", "sensitivity", "relative_sensitivity", "path"} '
        "or DropRule",
        """Which connections go. "magnitude": see `zeta`. "dead_ends": those, and all connections
        of hidden neurons without inputs or outputs, as in Cannistraci-Hebb training. "weak_inputs":
        those, and all of the weakest inputs, a share of `zeta`, after NeuroFS. The others
        drop the ``floor(zeta * n)`` of a layer's n connections that score lowest. "sensitivity":
        the size of weight times loss gradient, summed over the batches since the last rewiring.
        "relative_sensitivity": that divided by the squared weight. "path": the absolute weight
        times the strength of the paths that lead to it from the inputs and from it to the outputs,
        a path's strength being the product of its absolute weights. These three are definitions of
        our own, after known measures of saliency; see `sklearn_set.rules`. An instance of
        `sklearn_set.rules.DropRule` is a rule of your own.""",
        default="magnitude",
        constraint=[StrOptions(set(DROPS)), DropRule],
    )
    grow: Any = parameter(
        '{"random", "gradient", "path", "ch3"} or GrowthRule',
        """Where connections grow. "random": at random free places. "gradient": at those with the
        largest absolute loss gradient, as in RigL (Evci et al. 2020), on `batch_size` samples
        drawn at random (128 at least); the gradient of all places is computed but never stored.
        "path": drawn in proportion to the strength of the paths that a connection there would
        join. "ch3": drawn in proportion to the Cannistraci-Hebb score CH3-L3 (Zhang et al. 2024),
        which counts paths of three connections. The places of connections just dropped are free
        too. An instance of `sklearn_set.rules.GrowthRule` is a rule of your own.""",
        default="random",
        constraint=[StrOptions(set(GROWS)), GrowthRule],
    )

    def _rhythm(self, epsilon) -> tuple[int, int]:
        """Epochs from one rewiring to the next, and the least number of batches."""
        if self.evolve_every != "auto":
            return self.evolve_every, 1
        return 1, _BATCHES_TO_LEARN if epsilon == "auto" or epsilon >= _PLENTY else 1


class Redistribution(Declared):
    """DSR's rewiring between steps."""

    target_fraction: float = parameter(
        "float in [0, 1)",
        """Fraction of all connections that a rewiring should drop; the threshold is doubled or
        halved to come near it. 0 keeps the topology.""",
        default=0.01,
    )
    rewire_every: int = parameter(
        "int >= 1",
        "Number of optimizer steps (batches) from one rewiring to the next.",
        default=100,
    )
    initial_threshold: float = parameter(
        "float > 0",
        """First threshold. Far below the size of the weights, nothing is dropped until it has
        doubled a few times.""",
        default=0.001,
    )


class NeuronPruning(Declared):
    """NPSET's pruning of hidden neurons."""

    alpha: float = parameter(
        "float in [0, 1)",
        """Fraction of a layer's current neurons removed at each pruning [2]_: ``floor(alpha * n)``
        of those with the fewest output connections, with all their connections, for good. 0 turns
        pruning off. (Not an L2 penalty: that is `weight_decay`.)""",
        default=0.04,
    )
    beta: int = parameter(
        "int >= 0",
        """First epoch that starts with a pruning; epochs count from 0, and epoch 0 itself never
        starts with one.""",
        default=10,
    )
    gamma: int = parameter(
        "int >= 0",
        """The last pruning is at the start of epoch ``beta + gamma``: there are ``gamma + 1``
        prunings, as the published widths require.""",
        default=40,
    )
    prune_layers: Any = parameter(
        '"all" or array-like of int',
        "Hidden layers to prune, counted from 0. (0,) and (1,) are the paper's 1st and 2nd NPSET.",
        default="all",
    )
    prune_by: str = parameter(
        '{"out_degree", "plain_out_degree", "strength"}',
        """Which hidden neurons are pruned. "out_degree": those with the fewest output connections,
        of equals those with the smallest output strength (sum of absolute weights).
        "plain_out_degree": of equals the first, as a sort of the degrees gives, and presumably the
        published results. "strength": those with the smallest sum of absolute input weights, as in
        the importance pruning of Curci et al. (2021), which however keeps them in place without
        inputs.""",
        default="out_degree",
    )
    prune_every: int = parameter(
        "int >= 1", "Number of epochs from one pruning to the next, from `beta` on.", default=1
    )
    budget: str = parameter(
        '{"shrink", "keep"}',
        """Whether the connections of pruned neurons are gone for good, so that later epochs are
        cheaper, or grow anew in their layers among the neurons that stay.""",
        default="shrink",
    )


class InputSelecting(Declared):
    """The selection of inputs."""

    select_inputs: Any = parameter(
        '"auto", False, int >= 1 or float in (0, 1)',
        """How many inputs the network still reads when it is trained: a number of features, or a
        share of them if it lies between 0 and 1. The inputs of the smallest strength (sum of
        absolute weights, added up over the epochs) leave little by little, from a twelfth to two
        thirds of `max_iter`; their connections grow anew among the others. Until the last one has
        left, the decay of ``decay_rule="per_epoch"`` acts as "l2" does, which pulls the weights of
        useless inputs to zero. False reads all features. "auto" selects where four fifths of the
        features or more are irrelevant one by one (`null_fraction_`) and the best ones, found on a
        part of the samples, predict the others better than all features do
        (`selection_errors_`); their number is chosen by that. It reads all sparse and all
        decorrelated inputs. Survival analyses of fewer samples than features choose before
        training, and weigh what they choose (see the notes of `SETSurvivalAnalysis`).""",
        default="auto",
    )


class Conditioning(Declared):
    """What happens to the inputs."""

    conditioning: Any = parameter(
        '{"auto", "scale"}, float > 0 or None',
        """How columns are conditioned. "scale" brings them to a common robust scale and bounds
        them, so that no scaler is needed before. A number also decorrelates dense columns, with
        that strength (small numbers more than large ones; 0.1 to 0.00001 are common). "auto"
        chooses between the two by the leave-one-out error of the infinitely wide network, in
        closed form; sparse columns and less than 10 samples are scaled. None leaves the columns as
        they are.""",
        default="auto",
    )
