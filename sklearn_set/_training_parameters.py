"""Parameters of targets, training and running: name, type, text, default.

Owns: what users may set of the training. May not touch: what is done with it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from numbers import Real
from typing import Any

from sklearn.metrics import get_scorer_names

from ._parameters import Declared, parameter
from ._sklearn_compat import StrOptions

__all__ = ["Classification", "Regression", "Survival", "Training"]


class Classification(Declared):
    """Targets of classifiers."""

    loss: str = parameter(
        '{"log_loss", "squared_error"}',
        """What is minimised. "log_loss": one logistic output for two classes and for each label
        of a multilabel target, softmax for more classes. "squared_error": one sigmoid a class and
        the gradient of the SET reference code.""",
        default="log_loss",
    )
    class_weight: Any = parameter(
        'dict, list of dict, "balanced" or None',
        """Weights of the classes, multiplied with `sample_weight`. "balanced" is inversely
        proportional to the classes' (weighted) frequencies. For multilabel targets a list, one
        dict a label.""",
        default=None,
    )
    mixup_noise: Any = parameter(
        'float >= 0 or "auto"',
        """Each mixture is shifted by the difference between two random samples of the same class
        (any class), scaled by a Gaussian with this standard deviation. This makes the network less
        sensitive to variation within classes. (With several labels a sample, a class is all
        samples of equal labels.) "auto" is ``sqrt(k / (k + n))`` with ``k = (K - 1) * (K - 2)``
        for the K classes and n distinct samples that are learned from: near 1 for many classes of
        few samples. Where this is below 0.1, for two classes, for several labels a sample, and in
        `partial_fit`, "auto" is 0, no noise. Not used with ``mixup=0``.""",
        default="auto",
    )

    _attribute_texts = """
        classes_ : ndarray of shape (n_classes,)
            Class labels.
    """


class Regression(Declared):
    """Targets of regressors."""

    loss: str = parameter(
        '{"squared_error", "poisson", "huber"}',
        """What is minimised: "squared_error" is half the squared residual, "poisson" half the
        Poisson deviance with a log link, "huber" is squared up to `huber_delta` and linear
        beyond.""",
        default="squared_error",
    )
    huber_delta: float = parameter(
        "float > 0",
        """Residual at which ``loss="huber"`` turns from squared to linear, in standard deviations
        of the target if `scale_target`.""",
        default=1.0,
    )
    scale_target: bool = parameter(
        "bool",
        """Whether the network learns targets of mean 0 and standard deviation 1 (mean 1 with
        ``loss="poisson"``); `predict` gives the original unit. The mean and the scale are those
        of the first call to `fit` or `partial_fit`; losses and `intercepts_` are in the scaled
        unit.""",
        default=True,
    )


class Survival(Declared):
    """Targets of survival analyses."""

    n_intervals: Any = parameter(
        'int >= 1 or "auto"',
        """Number of intervals of time, with about equally many events each, in which the network
        has a hazard of its own. 1: hazards are proportional, as in Cox's model, and survival
        curves do not cross. "auto" is one for every 20 distinct times of events, at most 10. Of
        many tied times there may be fewer than asked for.""",
        default="auto",
    )

    _attribute_texts = """
        unique_times_ : ndarray of shape (n_times,)
            The distinct times of events, at which predicted curves step. They and the
            population's hazard, which `predict` is relative to, are those of the first call
            to `fit` or `partial_fit`.
    """


class Training(Declared):
    """Optimizer, regularisation, stopping and running."""

    solver: str = parameter(
        '{"adam", "sgd", "nesterov"}',
        """Optimizer: Adam, or gradient descent with plain or Nesterov's momentum. A new connection
        starts with an optimizer state of zeros.""",
        default="adam",
    )
    learning_rate_init: float = parameter("float > 0", "Learning rate, constant.", default=0.003)
    momentum: float = parameter(
        "float in [0, 1)", 'Momentum of ``solver="sgd"`` and "nesterov".', default=0.9
    )
    adam_betas: Sequence[float] = parameter(
        "array-like of float",
        "Decays of Adam's first and second moment, two numbers in [0, 1).",
        default=(0.9, 0.999),
    )
    weight_decay: Any = parameter(
        'float >= 0 or "auto"',
        """Strength of the decay of the weights. It means something else under each `decay_rule`:
        change the two together. "auto" (with "per_epoch" only) follows the signal:
        ``1.5 * error * sqrt(ridge)``, between 0.02 and 0.4, for classes and survival analyses, and
        ``0.3 * error * sqrt(ridge)``, between 0.005 and 0.15, for values, with the relative
        leave-one-out error and the best ridge of an infinitely wide network (see
        `InputConditioner`): noisy targets are memorised less. In `partial_fit` it is the
        lower bound. The value used is `weight_decay_`.""",
        default="auto",
    )
    decay_rule: str = parameter(
        '{"l2", "per_epoch", "per_step"}',
        """How weights decay. "l2": ``weight_decay * w`` joins the gradient of the mean loss.
        "per_epoch": each of an epoch's n steps subtracts ``weight_decay / n * w``, so that an
        epoch takes the same share of a weight however many batches it has. "per_step": each step
        subtracts ``weight_decay * w``, from biases too, as the SET reference code does.""",
        default="per_epoch",
    )
    shrinkage: Any = parameter(
        'float in [0, 1] or "auto"',
        """
        How far the trained network's raw outputs are pulled to those of the constant model
        (class frequencies or mean): by 0 not at all. "auto" is ``(error - 0.75) / 0.25``, from
        0 to 1, with the relative leave-one-out error of an infinitely wide network (see
        `InputConditioner`), 0 in `partial_fit`: where little can be told from the inputs,
        predictions are less confident. Survival analyses take half of it: residuals of times are
        noisy even where the risk is known. The value used is `shrinkage_`. Where "auto" shrinks
        nothing, a classifier that reads all inputs divides its raw outputs by `temperature_` <= 1
        in the end (Guo et al. 2017, without held-out samples): networks that learn from mixtures
        are not sure enough of classes that are well apart. No predicted class changes by it. A
        regressor with a squared or Huber loss that reads all inputs learns, in `fit`, from values
        half way between those of the samples and what the infinitely wide network finds: its
        fit where the signal is strong, what it predicts of each sample from the others where
        it is weak (of 400 samples and their copies; the rest keep their values).""",
        default="auto",
    )
    dropout: float = parameter(
        "float in [0, 1)",
        """Probability that the output of a hidden neuron is dropped for a sample while training;
        the others are scaled up.""",
        default=0.0,
    )
    mixup: float = parameter(
        "float >= 0",
        """Strength of mixup: the network learns from mixtures of two random samples and of their
        targets, the share of the first drawn from Beta(mixup, mixup) (Zhang et al. 2018). With
        `sample_weight`, the second sample is drawn in proportion to the weights. Rows of a sparse
        X are mixed with others of their batch, where `mixup_noise` is 0. 0 learns from the samples
        themselves.""",
        default=0.3,
    )
    averaging: float = parameter(
        "float in [0, 1]",
        """Share of the epochs, the last ones, over which the weights are averaged while the
        topology rests; the average is the model. It begins after the last pruning at the earliest,
        and is not used by `partial_fit`. 0 keeps the last weights or, with `early_stopping`, the
        best ones.""",
        default=0.4,
    )
    batch_size: Any = parameter(
        'int >= 1 or "auto"',
        """Number of samples of a batch; "auto" is 32, or half of the samples if they are fewer
        than 64. An epoch is cut into as few batches as that allows, of nearly equal size.""",
        default="auto",
    )
    max_iter: int = parameter(
        "int >= 1", "Number of epochs, unless `early_stopping` ends training before.", default=120
    )
    shuffle: bool = parameter("bool", "Whether to shuffle the samples in each epoch.", default=True)
    early_stopping: bool = parameter(
        "bool",
        """Whether to hold out samples (or use `X_val`) and to learn no longer than their score
        improves. Then come the epochs of `averaging`, and their average is the model; with
        ``averaging=0`` the best network, topology included. The samples held out are not learned
        from, which is what early stopping costs; see the user guide.""",
        default=False,
    )
    tol: float = parameter(
        "float >= 0",
        "Improvement of the held-out score that counts, with `early_stopping`.",
        default=1e-4,
    )
    n_iter_no_change: float = parameter(
        "float in [1, inf]",
        """With `early_stopping`, learning ends after more than this number of epochs in a row
        without an improvement of `tol`. The count begins after the last scheduled pruning.""",
        default=30,
    )
    scoring: Any = parameter(
        "str, callable or None",
        """Score on the held-out samples: a name or scorer as in `sklearn.metrics.get_scorer`,
        "loss" for the negative loss, None for accuracy (R² for regressors, the concordance for
        survival analyses). Of epochs with equal
        scores, the one with the smaller held-out loss is the better one.""",
        default=None,
        constraint=[StrOptions({"loss", *get_scorer_names()}), callable, None],
    )
    validation_fraction: float = parameter(
        "float in (0, 1)",
        "Share of the samples that `early_stopping` holds out, stratified by class or event.",
        default=0.1,
    )
    dtype: str = parameter(
        '{"auto", "float32", "float64"}',
        """Precision of the network. "auto": float32 for float32 `X`, else float64. "float32" is
        the faster choice.""",
        default="auto",
    )
    n_jobs: int | None = parameter(
        "int or None",
        """Number of OpenMP threads; they do not change the result. None uses those that OpenMP
        allows, and one inside of a joblib worker; -1 all cores.""",
        default=None,
    )
    warm_start: bool = parameter(
        "bool",
        "Whether `fit` continues the last fit's network, epochs and optimizer.",
        default=False,
    )
    random_state: Any = parameter(
        "int, RandomState instance or None",
        """Source of all that is random: first weights and connections, shuffling, evolution,
        sampling, noise and splits. An int makes fits repeatable, bit for bit.""",
        default=None,
    )
    memory: Any = parameter(
        "str, path-like or None",
        """Folder in which fits keep what others to the same samples share, so that a search takes
        less time, with the same results: how the inputs are conditioned, the conditioned inputs
        (up to 64 MiB of samples), how strong the signal is, which inputs are useless. NPSET's also
        keep the network when pruning begins and when it has ended; fits with the same integer as
        `random_state` that differ in the parameters of pruning, in `averaging` or, with a constant
        `zeta`, in `max_iter` only, go on from there (with ``select_inputs=False`` and without
        held-out samples and callbacks). Files are pickles, so that the folder must be one that you
        trust. They are never removed; two of these networks have about 16 bytes a connection
        each.""",
        default=None,
        constraint=[str, os.PathLike, None],
    )
    verbose: Any = parameter(
        "bool or int >= 0", "1 prints a line for each epoch, 2 adds the topology.", default=False
    )

    def _check_parameters(self) -> None:
        super()._check_parameters()
        betas = list(self.adam_betas)
        if len(betas) != 2 or not all(isinstance(b, Real) and 0 <= b < 1 for b in betas):
            raise ValueError(
                f"adam_betas={self.adam_betas!r} must be two numbers in [0, 1), such as "
                "(0.9, 0.999)."
            )
        if self.early_stopping and self.averaging == 1:
            raise ValueError(
                "averaging=1 averages from the first epoch on, so that early_stopping=True has no "
                "epoch to stop after. Lower averaging."
            )
        if self.weight_decay == "auto" and self.decay_rule != "per_epoch":
            raise ValueError(
                f'weight_decay="auto" finds a decay for an epoch; decay_rule={self.decay_rule!r} '
                "needs a number."
            )
        if self.weight_decay != "auto" and self.decay_rule != "l2" and self.weight_decay > 1:
            raise ValueError(
                f"weight_decay={self.weight_decay} with decay_rule={self.decay_rule!r} could take "
                f"{self.weight_decay:g} times a weight away in one step. Lower weight_decay."
            )
        if self.n_jobs == 0:
            raise ValueError("n_jobs=0 has no meaning; use None, a positive number or -1.")
