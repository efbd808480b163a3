"""Parameters of targets, training and running: name, default, constraint, text.

Owns: what users may set of the training. May not touch: what is done with it.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer_names

from ._network_parameters import BOOLEAN, FRACTION, POSITIVE, POSITIVE_INT
from ._parameters import Declared, parameter
from ._sklearn_compat import Interval, StrOptions

__all__ = ["Classification", "Regression", "Training"]

NOT_NEGATIVE = [Interval(Real, 0, None, closed="left")]


class Classification(Declared):
    """Targets of classifiers."""

    loss: str = parameter(
        default="log_loss",
        constraint=[StrOptions({"log_loss", "squared_error"})],
        doc="""
            {"log_loss", "squared_error"}
            "log_loss": one logistic output for two classes and for each label of a
            multilabel target, softmax for more classes. "squared_error": one sigmoid a
            class and the gradient of the SET reference code.""",
    )
    class_weight: Any = parameter(
        default=None,
        constraint=[StrOptions({"balanced"}), dict, list, None],
        doc="""
            dict, list of dict or "balanced"
            Weights of the classes, multiplied with `sample_weight`. "balanced" is
            inversely proportional to the classes' (weighted) frequencies. For
            multilabel targets a list, one dict a label.""",
    )
    mixup_noise: Any = parameter(
        default="auto",
        constraint=[StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        doc="""
            float or "auto"
            Each mixture is shifted by the difference between two random samples of the
            same class (any class), scaled by a Gaussian with this standard deviation. This
            makes the network less sensitive to variation within classes. (With several
            labels a sample, a class is all samples of equal labels.) "auto" is
            ``sqrt(k / (k + n))`` with ``k = (K - 1) * (K - 2)`` for the K classes and n
            distinct samples that are learned from: near 1 for many classes of few
            samples. Where this is below 0.1, for two classes, for several labels a
            sample, and in `partial_fit`, "auto" is 0, no noise. Not used with ``mixup=0``.""",
    )

    _attribute_texts = """
        classes_ : ndarray of shape (n_classes,)
            Class labels.
    """


class Regression(Declared):
    """Targets of regressors."""

    loss: str = parameter(
        default="squared_error",
        constraint=[StrOptions({"squared_error", "poisson", "huber"})],
        doc="""
            {"squared_error", "poisson", "huber"}
            "squared_error" is half the squared residual, "poisson" half the Poisson
            deviance with a log link, "huber" is squared up to `huber_delta` and linear
            beyond.""",
    )
    huber_delta: float = parameter(
        default=1.0,
        constraint=POSITIVE,
        doc="""
            float
            Residual at which ``loss="huber"`` turns from squared to linear, in standard
            deviations of the target if `scale_target`.""",
    )
    scale_target: bool = parameter(
        default=True,
        constraint=BOOLEAN,
        doc="""
            bool
            Whether the network learns targets of mean 0 and standard deviation 1 (mean 1
            with ``loss="poisson"``); `predict` gives the original unit. The mean and the
            scale are those of the first call to `fit` or `partial_fit`; losses and
            `intercepts_` are in the scaled unit.""",
    )


class Training(Declared):
    """Optimizer, regularisation, stopping and running."""

    solver: str = parameter(
        default="adam",
        constraint=[StrOptions({"adam", "sgd", "nesterov"})],
        doc="""
            {"adam", "sgd", "nesterov"}
            Optimizer: Adam, or gradient descent with plain or Nesterov's momentum. A new
            connection starts with an optimizer state of zeros.""",
    )
    learning_rate_init: float = parameter(
        default=0.003, constraint=POSITIVE, doc="float\nLearning rate, constant."
    )
    momentum: float = parameter(
        default=0.9,
        constraint=FRACTION,
        doc='float in [0, 1)\nMomentum of ``solver="sgd"`` and "nesterov".',
    )
    adam_betas: tuple[float, float] = parameter(
        default=(0.9, 0.999),
        constraint=["array-like"],
        doc="pair of float in [0, 1)\nDecays of Adam's first and second moment.",
    )
    weight_decay: Any = parameter(
        default="auto",
        constraint=[StrOptions({"auto"}), *NOT_NEGATIVE],
        doc="""
            float or "auto"
            Strength of the decay of the weights. It means something else under each
            `decay_rule`: change the two together. "auto" (with "per_epoch" only) follows the
            signal: ``1.5 * error * sqrt(ridge)``, between 0.02 and 0.4, for classes, and
            ``0.3 * error * sqrt(ridge)``, between 0.005 and 0.15, for values, with the
            relative leave-one-out error and the best ridge of an infinitely wide network
            (see `InputConditioner`): noisy targets are memorised less. The value used is
            `weight_decay_`.""",
    )
    decay_rule: str = parameter(
        default="per_epoch",
        constraint=[StrOptions({"l2", "per_epoch", "per_step"})],
        doc="""
            {"l2", "per_epoch", "per_step"}
            "l2": ``weight_decay * w`` joins the gradient of the mean loss. "per_epoch":
            each of an epoch's n steps subtracts ``weight_decay / n * w``, so that an
            epoch takes the same share of a weight however many batches it has.
            "per_step": each step subtracts ``weight_decay * w``, from biases too, as the
            SET reference code does.""",
    )
    dropout: float = parameter(
        default=0.0,
        constraint=FRACTION,
        doc="""
            float in [0, 1)
            Probability that the output of a hidden neuron is dropped for a sample
            while training; the others are scaled up.""",
    )
    mixup: float = parameter(
        default=0.3,
        constraint=NOT_NEGATIVE,
        doc="""
            float
            Strength of mixup: the network learns from mixtures of two random samples
            and of their targets, the share of the first drawn from Beta(mixup, mixup)
            (Zhang et al. 2018). With `sample_weight`, the second sample is drawn in
            proportion to the weights. 0 learns from the samples themselves.""",
    )
    averaging: float = parameter(
        default=0.4,
        constraint=[Interval(Real, 0, 1, closed="both")],
        doc="""
            float in [0, 1]
            Share of the epochs, the last ones, over which the weights are averaged while
            the topology rests; the average is the model. It begins after the last
            pruning at the earliest, and is not used with `early_stopping`, which keeps
            the best network instead, nor by `partial_fit`. 0 keeps the last weights.""",
    )
    batch_size: Any = parameter(
        default="auto",
        constraint=[StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        doc="""
            int or "auto"
            Number of samples of a batch; "auto" is 32. An epoch is cut into as few
            batches as that allows, of nearly equal size.""",
    )
    max_iter: int = parameter(
        default=120,
        constraint=POSITIVE_INT,
        doc="int\nNumber of epochs, unless `early_stopping` ends training before.",
    )
    shuffle: bool = parameter(
        default=True, constraint=BOOLEAN, doc="bool\nWhether to shuffle the samples in each epoch."
    )
    early_stopping: bool = parameter(
        default=False,
        constraint=BOOLEAN,
        doc="""
            bool
            Whether to hold out samples (or use `X_val`) and stop when their score does
            not improve any more. The best network, topology included, is kept.""",
    )
    tol: float = parameter(
        default=1e-4,
        constraint=NOT_NEGATIVE,
        doc="float\nImprovement of the held-out score that counts, with `early_stopping`.",
    )
    n_iter_no_change: float = parameter(
        default=np.inf,
        constraint=[Interval(Real, 1, None, closed="both")],
        doc="""
            int or inf
            With `early_stopping`, training ends after more than this number of epochs in a
            row without an improvement of `tol`. The count begins after the last scheduled
            pruning.""",
    )
    scoring: Any = parameter(
        default=None,
        constraint=[StrOptions({"loss", *get_scorer_names()}), callable, None],
        doc="""
            str, callable or None
            Score on the held-out samples: a name or scorer as in
            `sklearn.metrics.get_scorer`, "loss" for the negative loss, None for
            accuracy (R² for regressors). Of epochs with equal scores, the one with the
            smaller held-out loss is the better one.""",
    )
    validation_fraction: float = parameter(
        default=0.1,
        constraint=[Interval(Real, 0, 1, closed="neither")],
        doc="""
            float in (0, 1)
            Share of the samples that `early_stopping` holds out, stratified by class.""",
    )
    dtype: str = parameter(
        default="auto",
        constraint=[StrOptions({"auto", "float32", "float64"})],
        doc="""
            {"auto", "float32", "float64"}
            Precision of the network. "auto": float32 for float32 `X`, else float64.
            "float32" is the faster choice.""",
    )
    n_jobs: int | None = parameter(
        default=None,
        constraint=[Integral, None],
        doc="""
            int
            Number of OpenMP threads; they do not change the result. None uses those
            that OpenMP allows, and one inside of a joblib worker; -1 all cores.""",
    )
    warm_start: bool = parameter(
        default=False,
        constraint=BOOLEAN,
        doc="bool\nWhether `fit` continues the last fit's network, epochs and optimizer.",
    )
    random_state: Any = parameter(
        default=None,
        constraint=["random_state"],
        doc="""
            int, RandomState instance or None
            Source of initial weights and topology, shuffling, evolution, dropout and
            the validation split. An int makes fits repeatable, bit for bit.""",
    )
    verbose: Any = parameter(
        default=False,
        constraint=["verbose"],
        doc="bool or int\n1 prints a line for each epoch, 2 adds the topology.",
    )
