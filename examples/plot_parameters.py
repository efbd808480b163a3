"""
Every parameter and its effect
==============================

One parameter at a time is varied, all others stay: the accuracy on held-out images, and
the size of the network. 300 images of digits are learned from, and to make it harder each
of the 64 pixels is joined by three shuffled copies, columns of pure noise. The pictures
belong to these data: read them as what to expect of a parameter, not as advice for its value.
"""

# %%
# A small network, so that many can be trained; each setting is the mean of two random
# states.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from sklearn_set import NPSETClassifier, SETClassifier

pixels, y = load_digits(return_X_y=True)
rng = np.random.default_rng(0)
X = np.hstack([pixels, *[rng.permuted(pixels, axis=0) for _ in range(3)]])
X = X.astype(np.float32)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=300, stratify=y, random_state=0
)
BASE = {"hidden_layer_sizes": (100, 100), "epsilon": 10, "max_iter": 60}
PRUNING = {"beta": 5, "gamma": 20}
SGD = {"solver": "sgd", "learning_rate_init": 0.1}


def fitted(estimator=SETClassifier, **params):
    """Mean accuracy and number of connections over two random states."""
    scores, sizes = [], []
    for seed in range(2):
        model = estimator(**{**BASE, **params}, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X_train, y_train)
        scores.append(model.score(X_test, y_test))
        sizes.append(model.n_connections_)
    return np.mean(scores), np.mean(sizes)


# %%
# Numbers
# -------
# Blue: accuracy. Grey bars: connections at the end, relative to the largest
# number in the panel. The dashed line is the `SETClassifier` that all start from. Its size is
# set by `hidden_layer_sizes` and `epsilon` alone. `alpha`, `beta`, `gamma` and `prune_every` are
# parameters of `NPSETClassifier`, varied about 0.04, 5, 20 and 1. They shrink the network while it
# learns. `shrinkage` makes predictions less confident; the predicted classes hardly change.
# `select_inputs` keeps the number of connections, unless the inputs that are left have no room.

NUMBERS = {
    "hidden_layer_sizes": [(25, 25), (50, 50), (100, 100), (300, 300)],
    "epsilon": [1, 3, 10, 30],
    "zeta": [0, 0.1, 0.3, 0.6, 0.9],
    "evolve_every": [1, 3, 10, 30],
    "learning_rate_init": [1e-4, 1e-3, 1e-2, 1e-1],
    "weight_decay": [0, 5e-3, 2e-2, 0.1, 0.5],
    "shrinkage": [0, 0.3, 0.6, 0.9],
    "alpha": [0.01, 0.04, 0.08, 0.16],
    "beta": [1, 5, 15, 30],
    "gamma": [5, 10, 20, 40],
    "prune_every": [1, 2, 5, 10],
    "dropout": [0, 0.2, 0.5, 0.8],
    "mixup": [0, 0.3, 1, 4],
    "mixup_noise": [0, 0.3, 1, 3],
    "averaging": [0, 0.2, 0.4, 0.8],
    "batch_size": [8, 32, 128, 300],
    "max_iter": [5, 20, 60, 150],
    "momentum": [0, 0.5, 0.9, 0.99],
    "select_inputs": [16, 48, 96, 192],
}
start, _ = fitted()
fig, axes = plt.subplots(4, 5, figsize=(13, 9.5), layout="constrained", sharey=True)
for ax, (name, values) in zip(axes.flat, NUMBERS.items()):
    if name in ("alpha", "beta", "gamma", "prune_every"):
        fixed = {"estimator": NPSETClassifier, **PRUNING}
    else:
        fixed = SGD if name == "momentum" else {}
    scores, sizes = zip(*[fitted(**{**fixed, name: value}) for value in values])
    places = range(len(values))
    ax.bar(places, 0.4 + 0.1 * np.array(sizes) / max(sizes), color="0.88", width=0.7)
    ax.axhline(start, color="0.6", ls="--", lw=1)
    ax.plot(places, scores, "o-", color="C0")
    labels = [f"2×{v[0]}" if isinstance(v, tuple) else f"{v:g}" for v in values]
    ax.set_xticks(places, labels)
    ax.set(title=name + (' (solver="sgd")' if name == "momentum" else ""), ylim=(0.4, 1))
    ax.spines[["top", "right"]].set_visible(False)
for ax in axes[:, 0]:
    ax.set_ylabel("Accuracy")
for ax in axes.flat[len(NUMBERS) :]:
    ax.set_axis_off()
plt.show()

# %%
# Choices
# -------
# The same for parameters with names for values. The decay rules need strengths of their
# own, which the labels give.

CHOICES = {
    "activation": ["relu", "leaky_relu", "all_relu", "gelu", "tanh", "logistic", "identity"],
    "init": ["he_uniform", "he_normal", "glorot_uniform", "normal"],
    "new_weights": ["small", "zero", "init"],
    "drop": [
        "magnitude",
        "dead_ends",
        "weak_inputs",
        "sensitivity",
        "relative_sensitivity",
        "path",
    ],
    "grow": ["random", "gradient", "path", "ch3"],
    "zeta_schedule": ["constant", "cosine", "linear"],
    "loss": ["log_loss", "squared_error"],
    "solver": ["adam", "sgd", "nesterov"],
    "conditioning": ["auto", "scale", 0.01, None],
    "decay_rule": [("per_epoch", 0.02), ("l2", 0.01), ("per_step", 0.003)],
    "prune_by": ["out_degree", "plain_out_degree", "strength"],
    "evolve_output": [False, True],
}
fig, axes = plt.subplots(3, 4, figsize=(11, 6.4), layout="constrained", sharex=True)
for ax, (name, values) in zip(axes.flat, CHOICES.items()):
    scores = []
    for value in values:
        params = {name: value}
        if name == "decay_rule":
            params = dict(zip(("decay_rule", "weight_decay"), value))
        elif value in ("sgd", "nesterov"):
            params["learning_rate_init"] = SGD["learning_rate_init"]
        elif name == "prune_by":
            params.update(PRUNING, estimator=NPSETClassifier)
        scores.append(fitted(**params)[0])
    places = range(len(values))
    ax.plot(scores, places, "o", color="C0")
    ax.set_ylim(-0.5, len(values) - 0.5)
    ax.axvline(start, color="0.6", ls="--", lw=1)
    labels = [f"{v[0]}, {v[1]}" if isinstance(v, tuple) else str(v) for v in values]
    ax.set_yticks(places, labels)
    ax.invert_yaxis()
    ax.set(title=name, xlim=(0.6, 0.95))
    ax.grid(axis="y", color="0.92")
    ax.spines[["top", "right"]].set_visible(False)
for ax in axes[-1]:
    ax.set_xlabel("Accuracy")
plt.show()
