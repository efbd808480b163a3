r"""
What the Greek letters do
=========================

A wide table with few rows: 300 images of digits, whose 64 pixels are widened to
2,080 columns by the products of all pairs. `NPSETClassifier` learns from it. A grid search
varies :math:`\alpha, \beta, \gamma, \epsilon, \zeta`. The result stands beside the same
network with a static topology, LogisticRegression and MLPClassifier.

* :math:`\epsilon` sets how many connections a layer has,
* :math:`\zeta` which fraction of them is rewired after an epoch,
* :math:`\alpha` which fraction of the hidden neurons is pruned at a time,
* :math:`\beta` in which epoch pruning begins, :math:`\gamma` how many epochs it lasts.
"""

# %%
# The data: 300 rows to learn from, the others to test. float32 halves the work.

import sys
import time
import warnings

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from sklearn_set import NPSETClassifier, SETClassifier

started = time.perf_counter()
pixels, y = load_digits(return_X_y=True)
X = PolynomialFeatures(2, interaction_only=True, include_bias=False).fit_transform(pixels / 16)
X = X.astype(np.float32)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=300, stratify=y, random_state=0
)
print(f"{X_train.shape[0]} training rows, {X_train.shape[1]} columns, {X_test.shape[0]} test rows")

# %%
# The search. Besides the accuracy, the scorer reports how many connections and hidden
# neurons a candidate ended with.


def score(network, X, y):
    print(".", end="", file=sys.stderr, flush=True)  # progress
    return {
        "accuracy": accuracy_score(y, network.predict(X)),
        "connections": network.n_connections_,
        "neurons": sum(network.hidden_layer_sizes_),
    }


letters = {
    "alpha": [0.02, 0.06],
    "beta": [5, 20],
    "gamma": [20, 40],
    "epsilon": [5, 20],
    "zeta": [0.1, 0.3],
}
npset = NPSETClassifier((500, 500), max_iter=80, random_state=0)
search = GridSearchCV(
    npset, letters, scoring=score, refit="accuracy", cv=StratifiedKFold(3), n_jobs=2
)
n_fits = 3 * 2 ** len(letters)
print(f"Grid search over the five letters, {n_fits} fits ", end="", file=sys.stderr)
search.fit(X_train, y_train)
print(f" {time.perf_counter() - started:.0f} s", file=sys.stderr)

# %%
# What each letter did: the mean over all candidates with that value.

results = search.cv_results_
print(f"\n{'':12}{'accuracy':>10}{'connections':>13}{'neurons':>9}   (cross-validated means)")
for letter, values in letters.items():
    column = np.asarray(results[f"param_{letter}"], dtype=float)
    for value in values:
        rows = column == value
        means = [
            results[f"mean_test_{name}"][rows].mean()
            for name in ("accuracy", "connections", "neurons")
        ]
        print(f"{letter:>8} {value:<5g}{means[0]:>8.3f}{means[1]:>13,.0f}{means[2]:>9.0f}")

best = ", ".join(f"{letter}={value:g}" for letter, value in search.best_params_.items())
print("\nbest:", best)

# %%
# The best candidate beside other models, all on the same test rows. The accuracy is that of the
# final model. "Static" is the same network without evolution and pruning.

network = search.best_estimator_
static = SETClassifier(
    network.hidden_layer_sizes,
    epsilon=network.epsilon,
    zeta=0,
    max_iter=network.max_iter,
    random_state=0,
)
rivals = {
    "NPSETClassifier": search.best_estimator_,
    "the same, static": static,
    "LogisticRegression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    "MLPClassifier": make_pipeline(
        StandardScaler(), MLPClassifier(network.hidden_layer_sizes, max_iter=80, random_state=0)
    ),
}
print(f"\n{'':20}{'accuracy':>10}{'parameters':>12}{'fit time':>10}")
for name, model in rivals.items():
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # MLPClassifier's
        model.fit(X_train, y_train)
    seconds = time.perf_counter() - began
    final = model[-1] if isinstance(model, Pipeline) else model
    if hasattr(final, "n_connections_"):
        n_parameters = final.n_connections_ + sum(b.size for b in final.intercepts_)
    elif hasattr(final, "coefs_"):
        n_parameters = sum(w.size for w in [*final.coefs_, *final.intercepts_])
    else:
        n_parameters = final.coef_.size + final.intercept_.size
    accuracy = model.score(X_test, y_test)
    print(f"{name:20}{accuracy:>10.3f}{n_parameters:>12,}{seconds:>8.1f} s")

print(f"\n{time.perf_counter() - started:.0f} s in all")

# %%
# The same as a picture: what each letter does to the accuracy and to the size, all
# other letters averaged over.

import matplotlib.pyplot as plt

fig, axes = plt.subplots(2, 5, figsize=(11, 4.6), layout="constrained", sharey="row")
for column, (letter, values) in enumerate(letters.items()):
    given = np.asarray(results[f"param_{letter}"], dtype=float)
    for row, (name, label) in enumerate(
        {"accuracy": "Accuracy", "connections": "Connections"}.items()
    ):
        ax = axes[row, column]
        scores = results[f"mean_test_{name}"]
        for place, value in enumerate(values):
            seen = scores[given == value]
            ax.scatter(np.full(len(seen), place), seen, s=14, color="0.7")
            ax.plot([place - 0.25, place + 0.25], [seen.mean()] * 2, color="C0", lw=3)
        ax.set_xticks([0, 1], [f"{value:g}" for value in values])
        ax.set_xlim(-0.6, 1.6)
        ax.spines[["top", "right"]].set_visible(False)
        axes[row, 0].set_ylabel(label)
    axes[1, column].set_xlabel(rf"$\{letter}$")
axes[1, 0].set_ylim(0, None)
plt.show()
