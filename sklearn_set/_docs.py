"""Parameter and attribute texts that several estimators share.

Owns: shared paragraphs of docstrings, so that one text serves each parameter.
May not touch: code.
"""

from __future__ import annotations

import inspect
import re
import textwrap

__all__ = ["document"]

_PARAMETERS = """
hidden_layer_sizes : array-like of int or int, default=(300, 300)
    Number of neurons in each hidden layer before any pruning.
activation : {"relu", "leaky_relu", "all_relu", "tanh", "logistic", "identity"}, default="relu"
    Activation of the hidden neurons. "leaky_relu" has the slope 0.01 below
    zero, "all_relu" the slopes -0.6 and 0.6 in turn (Curci et al. 2021).
epsilon : float, default=30
    Density: each layer, the output included, starts with
    ``epsilon * (n_in + n_out)`` places drawn with replacement, places drawn
    twice collapsed [1]_. (Adam's constant is `adam_epsilon`.)
zeta : float in [0, 1], default=0.3
    Fraction rewired at the start of each epoch but the first: so many of the
    positive and of the negative weights of a layer, nearest to zero, are
    dropped, exact zeros besides, and as many connections grow at random free
    places [1]_. 0 keeps the topology.
target_fraction : float in [0, 1), default=0.01
    Fraction of all connections that a rewiring should drop; the threshold is
    doubled or halved to come near it. 0 keeps the topology.
rewire_every : int, default=100
    Number of optimizer steps (batches) from one rewiring to the next.
initial_threshold : float, default=0.001
    First threshold. Far below the size of the weights, nothing is dropped until
    it has doubled a few times.
zeta_schedule : {"constant", "cosine", "linear"}, default="constant"
    Course of `zeta` over `max_iter` epochs: constant, or falling to zero along
    half a cosine or a line.
evolve_every : int, default=1
    Number of epochs from one rewiring to the next.
drop : {"magnitude", "sensitivity", "path"}, default="magnitude"
    Which connections go. "magnitude": see `zeta`. The other two drop the
    ``floor(zeta * n)`` of a layer's n connections that score lowest.
    "sensitivity": the size of weight times loss gradient, summed over the
    batches since the last rewiring. "path": the absolute weight times the
    strength of the paths that lead to it from the inputs and from it to the
    outputs, a path's strength being the product of its absolute weights. These
    two are definitions of our own, after known measures of saliency; "Efficient
    Sparse Artificial Neural Networks" (Naji et al. 2021), which proposes two
    rules in this spirit, could not be read in full: its rules may differ.
grow : {"random", "gradient"}, default="random"
    Where connections grow: at random free places, or at those with the largest
    absolute loss gradient, as in RigL (Evci et al. 2020), on `batch_size` samples
    drawn at random (128 at least). The places of connections just dropped are
    free too. The gradient of all places is computed but never stored.
alpha : float in [0, 1), default=0.04
    Fraction of a layer's current neurons removed at each pruning [2]_:
    ``floor(alpha * n)`` of those with the fewest output connections, with all
    their connections, for good. 0 turns pruning off. (Not an L2 penalty: that
    is `weight_decay`.)
beta : int, default=10
    First epoch that starts with a pruning; epochs count from 0, and epoch 0
    itself never starts with one.
gamma : int, default=40
    The last pruning is at the start of epoch ``beta + gamma``: there are
    ``gamma + 1`` prunings, as the published widths require.
prune_layers : "all" or array-like of int, default="all"
    Hidden layers to prune, counted from 0. (0,) and (1,) are the paper's 1st
    and 2nd NPSET.
prune_by : {"out_degree", "plain_out_degree", "strength"}, default="out_degree"
    Which hidden neurons are pruned. "out_degree": those with the fewest output
    connections, of equals those with the smallest output strength (sum of
    absolute weights). "plain_out_degree": of equals the first, as a sort of the
    degrees gives, and presumably the published results. "strength": those with
    the smallest sum of absolute input weights, as in the importance pruning of
    Curci et al. (2021), which however keeps them in place without inputs.
prune_every : int, default=1
    Number of epochs from one pruning to the next, from `beta` on.
budget : {"shrink", "keep"}, default="shrink"
    Whether the connections of pruned neurons are gone for good, so that later
    epochs are cheaper, or grow anew in their layers among the neurons that stay.
loss : {loss_options}
    {loss_text}
huber_delta : float, default=1.0
    Residual at which ``loss="huber"`` turns from squared to linear, in standard
    deviations of the target if `scale_target`.
scale_target : bool, default=True
    Whether the network learns targets of mean 0 and standard deviation 1 (mean 1
    with ``loss="poisson"``); `predict` gives the original unit. The mean and the
    scale are those of the first call to `fit` or `partial_fit`; losses and
    `intercepts_` are in the scaled unit.
solver : {"adam", "sgd"}, default="adam"
    Optimizer. A new connection starts with an optimizer state of zeros.
learning_rate : {"constant", "invscaling", "adaptive"}, default="constant"
    Course of the learning rate, for ``solver="sgd"``, as in `MLPClassifier`.
learning_rate_init : float, default=0.003
    Initial learning rate.
power_t : float, default=0.5
    Exponent of ``learning_rate="invscaling"``.
momentum : float in [0, 1), default=0.9
    Momentum of ``solver="sgd"``.
nesterovs_momentum : bool, default=True
    Whether that momentum is Nesterov's.
adam_beta_1 : float in [0, 1), default=0.9
    Decay of Adam's first moment.
adam_beta_2 : float in [0, 1), default=0.999
    Decay of Adam's second moment.
adam_epsilon : float, default=1e-8
    Adam's constant for numerical stability.
weight_decay : float, default=0.01
    Strength of the decay of the weights. It means something else under each
    `decay_rule`: change the two together.
decay_rule : {"l2", "decoupled", "per_epoch", "per_step"}, default="l2"
    "l2": ``weight_decay * w`` joins the gradient of the mean loss.
    "decoupled": each step subtracts ``learning_rate * weight_decay * w`` (AdamW).
    "per_epoch": each of an epoch's n steps subtracts ``weight_decay / n * w``, so
    that an epoch takes the same share of a weight however many batches it has.
    "per_step": each step subtracts ``weight_decay * w``, from biases too, as the
    SET reference code does.
dropout : float in [0, 1), default=0.0
    Probability that the output of a hidden neuron is dropped for a sample
    while training; the others are scaled up.
mixup : float, default=1.0
    Strength of mixup: the network learns from mixtures of two random samples
    and of their targets, the share of the first drawn from Beta(mixup, mixup)
    (Zhang et al. 2018). With `sample_weight`, the second sample is drawn in
    proportion to the weights. 0 learns from the samples themselves.
mixup_noise : float or "auto", default="auto"
    The mixtures are moved along the difference of two random samples of one
    class, not necessarily that of the mixture, times a normal random number of
    this standard deviation, so that the network cares less for directions in
    which samples of a class differ. (With several labels a sample, a class is
    all samples of equal labels.) "auto" is ``sqrt(k / (k + n))`` with
    ``k = (K - 1) * (K - 2)`` for the K classes and n distinct samples that are
    learned from: near 1 for many classes of few samples. Where this is below
    0.1, for two classes, for several labels a sample, and in `partial_fit`,
    "auto" is 0, no noise. Not used with ``mixup=0``.
averaging : float in [0, 1], default=0.4
    Share of the epochs, the last ones, over which the weights are averaged while
    the topology rests; the average is the model. It begins after the last
    pruning at the earliest, and is not used with `early_stopping`, which keeps
    the best network instead, nor by `partial_fit`. 0 keeps the last weights.
batch_size : int or "auto", default="auto"
    Number of samples of a batch; "auto" is 32. An epoch is cut into as few
    batches as that allows, of nearly equal size.
max_iter : int, default=200
    Number of epochs, unless training stops earlier.
shuffle : bool, default=True
    Whether to shuffle the samples in each epoch.
tol : float, default=1e-4
    Improvement of the training loss (or of the validation score, with
    `early_stopping`) that counts.
n_iter_no_change : int or inf, default=inf
    Training stops after more than so many epochs in a row without an
    improvement of `tol`. The count begins after the last scheduled pruning.
early_stopping : bool, default=False
    Whether to hold out samples (or use `X_val`) and stop when their score does
    not improve any more. The best network, topology included, is kept.
scoring : str, callable or None, default=None
    Score on the held-out samples: a name or scorer as in
    `sklearn.metrics.get_scorer`, "loss" for the negative loss, None for
    accuracy (R² for regressors). Of epochs with equal scores, the one with the
    smaller held-out loss is the better one.
validation_fraction : float in (0, 1), default=0.1
    Share of the samples that `early_stopping` holds out, stratified by class.
class_weight : dict, list of dict or "balanced", default=None
    Weights of the classes, multiplied with `sample_weight`. "balanced" is
    inversely proportional to the classes' (weighted) frequencies. For
    multilabel targets a list, one dict a label.
init : {"he_uniform", "he_normal", "glorot_uniform", "normal"}, default="he_uniform"
    Distribution of the first weights, scaled by the number of connections that
    a neuron really has; "normal" has the standard deviation 0.1, as the SET
    reference.
new_weights : {"small", "zero", "init"}, default="small"
    First weight of a grown connection. "small": of random sign and a quarter of
    ``sqrt(6 / mean in-degree)``. "zero". "init": drawn like the layer's first
    weights.
evolve_output : bool, default=False
    Whether the output layer's connections are rewired too.
dtype : {"auto", "float32", "float64"}, default="auto"
    Precision of the network. "auto": float32 for float32 `X`, else float64.
    "float32" is the faster choice.
n_jobs : int, default=None
    Number of OpenMP threads; they do not change the result. None uses those
    that OpenMP allows, and one inside of a joblib worker; -1 all cores.
warm_start : bool, default=False
    Whether `fit` continues the last fit's network, epochs and optimizer.
random_state : int, RandomState instance or None, default=None
    Source of initial weights and topology, shuffling, evolution, dropout and
    the validation split. An int makes fits repeatable, bit for bit.
verbose : bool or int, default=False
    1 prints a line for each epoch, 2 adds the topology.
"""

# Entries that differ in the estimators that can prune inputs.
_INPUT_PRUNING = """
alpha : float in [0, 1), default=0.08
    Fraction of a layer's current neurons removed at each pruning. Of the
    inputs, ``floor(alpha * n)`` of the smallest strength (sum of absolute
    weights, added up over the epochs so far) leave, of a hidden layer those
    with the fewest output connections [2]_, for good; see `budget` for their
    connections. With the other defaults 12 of 1,000 inputs stay, 20 of 5,000.
    0 turns pruning off. (Not an L2 penalty: that is `weight_decay`.)
beta : int, default=10
    First epoch that starts with a pruning; epochs count from 0, and epoch 0
    itself never starts with one.
gamma : int, default=70
    The last pruning is at the start of epoch ``beta + gamma``.
prune_layers : "auto", "all" or array-like, default="auto"
    Layers to prune: hidden ones, counted from 0, and "input"; "all" are all
    hidden layers. "auto": the inputs, if at least 200 samples show that four
    fifths of the features or more are irrelevant one by one (`null_fraction_`);
    as many of them stay as must be relevant by this estimate less two of its
    standard errors. Otherwise none.
decay_rule : {"auto", "l2", "decoupled", "per_epoch", "per_step"}, default="auto"
    "auto": "per_epoch"; but where ``prune_layers="auto"`` would prune the inputs,
    "l2", until the last pruning if they are pruned.
    "l2": ``weight_decay * w`` joins the gradient of the mean loss, which with
    Adam pulls on weights that the loss does not need as fast as it may.
    "decoupled": each step subtracts ``learning_rate * weight_decay * w`` (AdamW).
    "per_epoch": each of an epoch's n steps subtracts ``weight_decay / n * w``.
    "per_step": each step subtracts ``weight_decay * w``, from biases too.
"""

_ATTRIBUTES = """
classes_ : ndarray of shape (n_classes,)
    Class labels.
n_features_in_ : int
    Number of features seen while fitting.
feature_names_in_ : ndarray of shape (`n_features_in_`,)
    Names of the features, if `X` had string names.
coefs_ : list of scipy.sparse.csc_array
    Weights of each layer, of shape (fan_in, fan_out); they share memory with
    the model.
intercepts_ : list of ndarray
    Bias of each layer, of shape (fan_out,).
hidden_layer_sizes_ : tuple of int
    Number of neurons that each hidden layer has now.
n_connections_ : int
    Number of connections, all layers together.
density_ : ndarray of shape (`n_layers_` - 1,)
    Share of a layer's possible connections that exist.
selected_features_ : ndarray of int
    Indices of the features that the network reads: all but pruned ones.
feature_importances_ : ndarray of shape (`n_features_in_`,)
    Strength of each input (sum of its absolute weights), normalised to sum 1.
null_fraction_ : float
    Estimated share of features that are irrelevant one by one: from F tests of
    the features on the targets before training (Storey 2002).
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
    Mean loss over the last epoch (without `weight_decay`'s part).
loss_curve_ : list of float
    The same for every epoch.
best_loss_ : float or None
    Smallest loss of an epoch; None with `early_stopping`.
validation_scores_ : list of float or None
    Score (see `scoring`) on the held-out samples after each epoch.
validation_loss_curve_ : list of float or None
    Loss on the held-out samples after each epoch.
best_validation_score_ : float or None
    Best of these scores since the last pruning, with `early_stopping`.
history_ : dict of str to list
    Columns with one entry an epoch, for ``pandas.DataFrame``: the loss, the
    validation loss and score if there are, the number of connections (total
    and by layer) and of hidden neurons, how many connections were dropped and
    grown at its start, how many of those grown at the rewiring before outlived
    the drop (`n_survived`), how many neurons were pruned, and the time in
    seconds.
"""

_LOSSES = {
    "classifier": (
        '{"log_loss", "squared_error"}, default="log_loss"',
        '"log_loss": one logistic output for two classes and for each label of a\n'
        '    multilabel target, softmax for more classes. "squared_error": one sigmoid a\n'
        "    class and the gradient of the SET reference code.",
    ),
    "regressor": (
        '{"squared_error", "poisson", "huber"}, default="squared_error"',
        '"squared_error" is half the squared residual, "poisson" half the Poisson\n'
        '    deviance with a log link, "huber" is squared up to `huber_delta` and linear\n'
        "    beyond.",
    ),
}


def _entries(text: str) -> dict[str, str]:
    """Split numpydoc entries by their names."""
    parts = re.split(r"(?m)^(?=\w+ : )", text.strip("\n") + "\n")
    return {part.split(" : ", 1)[0]: part for part in parts if part}


def _with_default(entry: str, default) -> str:
    """The entry of a parameter with the default that this estimator gives it."""
    shown = f'"{default}"' if isinstance(default, str) else repr(default)
    if isinstance(default, float) and "default=1e" in entry:
        return entry
    return re.sub(r"default=.*", lambda _: f"default={shown}", entry, count=1)


def document(cls):
    """Fill ``{parameters}`` and ``{attributes}`` into the docstring of an estimator."""
    kind = "classifier" if cls.__name__.endswith("Classifier") else "regressor"
    options, text = _LOSSES[kind]
    parameters = _entries(
        _PARAMETERS.replace("{loss_options}", options).replace("{loss_text}", text)
    )
    prunes_inputs = getattr(cls, "_prunes_inputs", False)
    if prunes_inputs:
        parameters.update(_entries(_INPUT_PRUNING))
    signature = inspect.signature(cls.__init__).parameters
    chosen = "".join(
        _with_default(parameters[name], parameter.default)
        for name, parameter in signature.items()
        if name != "self"
    )
    attributes = _entries(_ATTRIBUTES)
    if not prunes_inputs:
        del attributes["null_fraction_"]
    if kind == "regressor":
        del attributes["classes_"]
    doc = inspect.cleandoc(cls.__doc__ or "")
    cls.__doc__ = doc.replace("{parameters}", chosen.strip()).replace(
        "{attributes}", textwrap.dedent("".join(attributes.values())).strip()
    )
    return cls
