"""Parameters of layers, rewiring, pruning and selection: name, default, constraint, text.

Owns: what users may set of the topology. May not touch: what is done with it.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from ._network import ACTIVATIONS
from ._parameters import Declared, parameter
from ._sklearn_compat import Interval, Options, StrOptions
from .rules import DROPS, GROWS, SCHEDULES, DropRule, GrowthRule

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
MOSTAFA = """\
Mostafa, H., Wang, X., "Parameter efficient training of deep convolutional
neural networks by dynamic sparse reparameterization", ICML, 2019."""

BOOLEAN = ["boolean"]
POSITIVE_INT = [Interval(Integral, 1, None, closed="left")]
POSITIVE = [Interval(Real, 0, None, closed="neither")]
FRACTION = [Interval(Real, 0, 1, closed="left")]


class Layers(Declared):
    """Size and connections of the layers."""

    hidden_layer_sizes: Any = parameter(
        default=(300, 300),
        constraint=["array-like", Interval(Integral, 1, None, closed="left")],
        doc="array-like of int or int\nNumber of neurons in each hidden layer before any pruning.",
    )
    activation: str = parameter(
        default="relu",
        constraint=[StrOptions(set(ACTIVATIONS))],
        doc="""
            {"relu", "leaky_relu", "all_relu", "gelu", "tanh", "logistic", "identity"}
            Activation of the hidden neurons. "leaky_relu" has the slope 0.01 below
            zero, "all_relu" the slopes -0.6 and 0.6 in turn (Curci et al. 2021). "gelu"
            is the tanh form of Hendrycks and Gimpel (2016).""",
    )
    epsilon: float = parameter(
        default=30,
        constraint=POSITIVE,
        doc="""
            float
            Density: each layer, the output included, starts with
            ``epsilon * (n_in + n_out)`` places drawn with replacement, places drawn
            twice collapsed [1]_. (Not Adam's constant, which is fixed at 1e-8.)""",
    )
    init: str = parameter(
        default="he_uniform",
        constraint=[StrOptions({"he_uniform", "he_normal", "glorot_uniform", "normal"})],
        doc="""
            {"he_uniform", "he_normal", "glorot_uniform", "normal"}
            Distribution of the first weights, scaled by the number of connections that
            a neuron really has; "normal" has the standard deviation 0.1, as the SET
            reference.""",
    )
    new_weights: str = parameter(
        default="small",
        constraint=[StrOptions({"small", "zero", "init"})],
        doc="""
            {"small", "zero", "init"}
            First weight of a grown connection. "small": of random sign and a quarter of
            ``sqrt(6 / mean in-degree)``. "zero": 0. "init": drawn like the layer's first
            weights.""",
    )
    evolve_output: bool = parameter(
        default=False,
        constraint=BOOLEAN,
        doc="bool\nWhether the output layer's connections are rewired too.",
    )


class Rewiring(Declared):
    """SET's rewiring between epochs."""

    zeta: float = parameter(
        default=0.3,
        constraint=[Interval(Real, 0, 1, closed="both")],
        doc="""
            float in [0, 1]
            Fraction of the connections rewired at the start of each epoch but the first:
            of the positive and of the negative weights of a layer, this fraction, nearest
            to zero, is dropped, exact zeros besides, and as many connections grow at
            random free places [1]_. 0 keeps the topology.""",
    )
    zeta_schedule: str = parameter(
        default="constant",
        constraint=[StrOptions(set(SCHEDULES))],
        doc="""
            {"constant", "cosine", "linear"}
            Course of `zeta` over `max_iter` epochs: constant, or falling to zero along
            half a cosine or a line.""",
    )
    evolve_every: int = parameter(
        default=1,
        constraint=POSITIVE_INT,
        doc="int\nNumber of epochs from one rewiring to the next.",
    )
    drop: Any = parameter(
        default="magnitude",
        constraint=[StrOptions(set(DROPS)), DropRule],
        doc="""
            {"magnitude", "sensitivity", "path"} or DropRule
            Which connections go. "magnitude": see `zeta`. The other two drop the
            ``floor(zeta * n)`` of a layer's n connections that score lowest.
            "sensitivity": the size of weight times loss gradient, summed over the
            batches since the last rewiring. "path": the absolute weight times the
            strength of the paths that lead to it from the inputs and from it to the
            outputs, a path's strength being the product of its absolute weights. These
            two are definitions of our own, after known measures of saliency; "Efficient
            Sparse Artificial Neural Networks" (Naji et al. 2021), which proposes two
            rules in this spirit, could not be read in full: its rules may differ. An
            instance of `sklearn_set.rules.DropRule` is a rule of your own.""",
    )
    grow: Any = parameter(
        default="random",
        constraint=[StrOptions(set(GROWS)), GrowthRule],
        doc="""
            {"random", "gradient"} or GrowthRule
            Where connections grow: at random free places, or at those with the largest
            absolute loss gradient, as in RigL (Evci et al. 2020), on `batch_size` samples
            drawn at random (128 at least). The places of connections just dropped are
            free too. The gradient of all places is computed but never stored. An instance
            of `sklearn_set.rules.GrowthRule` is a rule of your own.""",
    )


class Redistribution(Declared):
    """DSR's rewiring between steps."""

    target_fraction: float = parameter(
        default=0.01,
        constraint=FRACTION,
        doc="""
            float in [0, 1)
            Fraction of all connections that a rewiring should drop; the threshold is
            doubled or halved to come near it. 0 keeps the topology.""",
    )
    rewire_every: int = parameter(
        default=100,
        constraint=POSITIVE_INT,
        doc="int\nNumber of optimizer steps (batches) from one rewiring to the next.",
    )
    initial_threshold: float = parameter(
        default=0.001,
        constraint=POSITIVE,
        doc="""
            float
            First threshold. Far below the size of the weights, nothing is dropped until
            it has doubled a few times.""",
    )


class NeuronPruning(Declared):
    """NPSET's pruning of hidden neurons."""

    alpha: float = parameter(
        default=0.04,
        constraint=FRACTION,
        doc="""
            float in [0, 1)
            Fraction of a layer's current neurons removed at each pruning [2]_:
            ``floor(alpha * n)`` of those with the fewest output connections, with all
            their connections, for good. 0 turns pruning off. (Not an L2 penalty: that
            is `weight_decay`.)""",
    )
    beta: int = parameter(
        default=10,
        constraint=[Interval(Integral, 0, None, closed="left")],
        doc="""
            int
            First epoch that starts with a pruning; epochs count from 0, and epoch 0
            itself never starts with one.""",
    )
    gamma: int = parameter(
        default=40,
        constraint=[Interval(Integral, 0, None, closed="left")],
        doc="""
            int
            The last pruning is at the start of epoch ``beta + gamma``: there are
            ``gamma + 1`` prunings, as the published widths require.""",
    )
    prune_layers: Any = parameter(
        default="all",
        constraint=[StrOptions({"all"}), "array-like"],
        doc="""
            "all" or array-like of int
            Hidden layers to prune, counted from 0. (0,) and (1,) are the paper's 1st
            and 2nd NPSET.""",
    )
    prune_by: str = parameter(
        default="out_degree",
        constraint=[StrOptions({"out_degree", "plain_out_degree", "strength"})],
        doc="""
            {"out_degree", "plain_out_degree", "strength"}
            Which hidden neurons are pruned. "out_degree": those with the fewest output
            connections, of equals those with the smallest output strength (sum of
            absolute weights). "plain_out_degree": of equals the first, as a sort of the
            degrees gives, and presumably the published results. "strength": those with
            the smallest sum of absolute input weights, as in the importance pruning of
            Curci et al. (2021), which however keeps them in place without inputs.""",
    )
    prune_every: int = parameter(
        default=1,
        constraint=POSITIVE_INT,
        doc="int\nNumber of epochs from one pruning to the next, from `beta` on.",
    )
    budget: str = parameter(
        default="shrink",
        constraint=[StrOptions({"shrink", "keep"})],
        doc="""
            {"shrink", "keep"}
            Whether the connections of pruned neurons are gone for good, so that later
            epochs are cheaper, or grow anew in their layers among the neurons that stay.""",
    )


class InputSelecting(Declared):
    """The selection of inputs."""

    select_inputs: Any = parameter(
        default="auto",
        constraint=[
            StrOptions({"auto"}),
            Options(bool, {False}),
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="neither"),
        ],
        doc="""
            "auto", False, int or float
            How many inputs the network still reads when it is trained: a number of
            features, or a share of them if it lies between 0 and 1. The inputs of the
            smallest strength (sum of absolute weights, added up over the epochs) leave
            little by little, from a twelfth to two thirds of `max_iter`; their connections
            grow anew among the others. Until the last one has left, the decay of
            ``decay_rule="per_epoch"`` acts as "l2" does, which pulls the weights of useless
            inputs to zero. False reads all features. "auto" selects where four fifths of the
            features or more are irrelevant one by one (`null_fraction_`) and the best ones,
            found on a part of the samples, predict the others better than all features do
            (`selection_errors_`); their number is chosen by that. It reads all sparse and
            all decorrelated inputs.""",
    )


class Conditioning(Declared):
    """What happens to the inputs."""

    conditioning: Any = parameter(
        default="auto",
        constraint=[StrOptions({"auto", "scale"}), *POSITIVE, None],
        doc="""
            {"auto", "scale"}, float or None
            How columns are conditioned. "scale" brings them to a common robust scale and
            bounds them, so that no scaler is needed before. A number also decorrelates dense
            columns, with that strength (small numbers more than large ones; 0.1 to 0.00001
            are common). "auto" chooses between the two by the leave-one-out error of the
            infinitely wide network, in closed form; sparse columns and less than 10 samples
            are scaled. None leaves the columns as they are.""",
    )
