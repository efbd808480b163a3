r"""
A wide table, few rows, few connections
=======================================

What this package is for, in under a minute: 100 rows to learn from and 2,080 columns. A dense
network of two layers with 300 neurons would have 717,000 weights for them. How many does one need?
"""

# %%
# The table: images of handwritten digits. Its columns are the 64 pixels and the products of
# all pairs of them. 100 images are there to learn from, 1,697 to test, and this five times over,
# since with so few rows one split says little. It is a demonstration: of five tables made of
# scikit-learn's data it was taken because it shows what the package is for. On other tables other
# models lead; the benchmark of generalisation says what to expect.

import time
import warnings

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedShuffleSplit
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from sklearn_set import NPSETClassifier, SETClassifier
from sklearn_set.presets import ULTRA_SPARSE

limits = threadpool_limits(1)  # a core for each model, so that their seconds compare
started = time.perf_counter()
pixels, y = load_digits(return_X_y=True)
X = PolynomialFeatures(2, interaction_only=True, include_bias=False).fit_transform(pixels / 16)
X = X.astype(np.float32)
splits = list(StratifiedShuffleSplit(5, train_size=100, random_state=0).split(X, y))
print(
    f"100 rows to learn from, {X.shape[1]:,} columns, {len(X) - 100:,} rows to test, five splits\n"
)

# %%
# The models are at their defaults. A forest has splits of a tree where others have weights, and a
# support vector machine keeps rows of the table.


def n_numbers(model):
    """How many weights, splits or stored values a fitted model has."""
    final = model[-1] if isinstance(model, Pipeline) else model
    if hasattr(final, "n_connections_"):
        return final.n_connections_
    if hasattr(final, "estimators_"):
        return sum(tree.tree_.node_count for tree in final.estimators_)
    if hasattr(final, "support_vectors_"):
        return final.support_vectors_.size
    return sum(w.size for w in final.coefs_) if hasattr(final, "coefs_") else final.coef_.size


def judge(name, model):
    """Fit on each split; print and return accuracy, its deviation, numbers and seconds."""
    print(f"{name:30}", end="", flush=True)
    accuracy, numbers, seconds = [], [], []
    for train, test in splits:
        began = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # MLPClassifier's
            model.fit(X[train], y[train])
        seconds.append(time.perf_counter() - began)
        accuracy.append(100 * model.score(X[test], y[test]))
        numbers.append(n_numbers(model))
    result = np.mean(accuracy), np.std(accuracy), np.mean(numbers), np.mean(seconds)
    print("{:>8.1f} ± {:.1f}{:>16,.0f}{:>10.2f}".format(*result))
    return result


models = {
    "SETClassifier": SETClassifier(random_state=0),
    "NPSETClassifier": NPSETClassifier(random_state=0),
    "LogisticRegression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    "LogisticRegression, best 200": make_pipeline(
        VarianceThreshold(), SelectKBest(k=200), StandardScaler(), LogisticRegression(max_iter=1000)
    ),
    "SVC": SVC(),
    "RandomForestClassifier": RandomForestClassifier(300, random_state=0),
    "MLPClassifier, 300 and 300": make_pipeline(
        StandardScaler(), MLPClassifier((300, 300), random_state=0)
    ),
}
print(f"{'':30}{'accuracy, %':>14}{'weights':>15}{'fit, s':>10}")
results = {name: judge(name, model) for name, model in models.items()}

# %%
# Few connections, well used
# --------------------------
# The preset ``ULTRA_SPARSE`` begins with few connections (``epsilon`` says how many) and makes the
# most of them. A network that keeps its first connections is there for comparison.

few = {
    "ULTRA_SPARSE": NPSETClassifier(**ULTRA_SPARSE, random_state=0),
    "ULTRA_SPARSE, epsilon=0.3": NPSETClassifier(
        **{**ULTRA_SPARSE, "epsilon": 0.3}, random_state=0
    ),
    "connections that stay": SETClassifier((300,), epsilon=1, zeta=0, random_state=0),
}
for name, model in few.items():
    results[name] = judge(name, model)

# %%
# α, β, γ, ε and ζ are parameters like any other: a grid of 32 candidates. The search sees only the
# training rows of a split. :doc:`plot_greek_letters` looks at what each of them does.

grid = {
    "alpha": [0.02, 0.04],
    "beta": [5, 10],
    "gamma": [10, 30],
    "epsilon": [5, 10],
    "zeta": [0.1, 0.3],
}
network = NPSETClassifier((200, 200), max_iter=60, random_state=0)
search = GridSearchCV(network, grid, cv=2, n_jobs=2)
print("\nSearching the five parameters, 64 fits ...", end="", flush=True)
began = time.perf_counter()
train = splits[0][0]
search.fit(X[train], y[train])
best = ", ".join(f"{name}={value:g}" for name, value in search.best_params_.items())
print(f" {time.perf_counter() - began:.0f} s\nbest: {best}")
results["NPSETClassifier, searched"] = judge("NPSETClassifier, searched", search.best_estimator_)

# %%
# 1,000 connections that evolve do what a linear model does with 21,000 weights, and ten points more
# than 2,700 that stay where they are. The dense network is behind with 717,000. The support vector
# machine is as good as the best, and keeps every row of the table.
#
# The picture: up is better, left is smaller. And where the connections went: the strength of the
# columns, given to the pixels that they are made of.

import matplotlib.pyplot as plt

fig, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained", width_ratios=[2.2, 1])
# Place of a name: how many deviations up, offsets in points, alignments.
ABOVE, BELOW = (1, (0, 4), "center", "bottom"), (-1, (0, -4), "center", "top")
RIGHT = (0, (8, 0), "left", "center")
places = {
    "LogisticRegression": RIGHT,
    "LogisticRegression, best 200": BELOW,
    "ULTRA_SPARSE, epsilon=0.3": BELOW,
    "RandomForestClassifier": BELOW,
}
for name, (accuracy, deviation, numbers, _) in results.items():
    color = "0.45" if name in models and "SET" not in name else "C0"
    axes[0].errorbar(numbers, accuracy, deviation, fmt="o", color=color, capsize=3)
    up, offset, horizontal, vertical = places.get(name, ABOVE)
    axes[0].annotate(
        name.replace("Classifier", "").replace(", ", "\n"),
        (numbers, accuracy + up * deviation),
        offset,
        textcoords="offset points",
        horizontalalignment=horizontal,
        verticalalignment=vertical,
        color=color,
        fontsize="small",
    )
axes[0].set(
    xscale="log",
    xlim=(300, 2e6),
    ylim=(76, 94),
    xlabel="Weights of the model (or what it has instead)",
)
axes[0].set(ylabel="Accuracy on 1,697 other images (%)", title="100 rows, 2,080 columns")
axes[0].spines[["top", "right"]].set_visible(False)

strength = few["ULTRA_SPARSE"].fit(X[train], y[train]).feature_importances_
pairs = np.transpose(np.triu_indices(64, 1))
of_pixel = strength[:64].copy()
np.add.at(of_pixel, pairs.ravel(), np.repeat(strength[64:] / 2, 2))
shown = axes[1].imshow(of_pixel.reshape(8, 8), cmap="viridis")
axes[1].set(xticks=[], yticks=[], title="Where the connections went")
fig.colorbar(shown, ax=axes[1], shrink=0.7, label="share of the input strength")

limits.restore_original_limits()
PICTURE = "wide_table.png"
fig.savefig(PICTURE, dpi=150)
print(f"\n{time.perf_counter() - started:.0f} s in all. The picture: {PICTURE}")
print("Next, on your own table: SETClassifier().fit(X, y). Ten minutes more: doc/start.md")
plt.show()
