"""
Gene expression: 50 tumours, 4,434 genes
========================================

The home ground of sparse networks: far more columns than rows. GLIOMA holds the
expression of 4,434 genes in 50 brain tumours of four kinds. A dense layer of 300
neurons would spend 1.3 million weights on them; the sparse one starts with a tenth of
that.

The data come from the ASU feature-selection collection, by
:func:`~sklearn_set.datasets.fetch_asu`, which downloads a file once and checks that it
is the published one. To work offline, set the environment variable ``SKLEARN_SET_DATA``
to a folder that holds ``GLIOMA.mat``.
"""

# %%
# The data
# --------

import os
import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_validate
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_set import NPSETClassifier, SETClassifier
from sklearn_set.datasets import fetch_asu

X, y = fetch_asu("GLIOMA", data_home=os.environ.get("SKLEARN_SET_DATA"), return_X_y=True)
X = X.astype(np.float32)  # computed in float32: half the time
print(f"{X.shape[0]} tumours, {X.shape[1]:,} genes, kinds {np.unique(y, return_counts=True)[1]}")

# %%
# A fair comparison
# -----------------
# With 50 rows one split says little. Every model sees the same ten splits of a
# cross-validation that is done twice. Nothing is tuned. The sparse networks scale their inputs
# themselves; `StandardScaler` is there for the others. The log-loss tells whether the
# probabilities deserve trust; it punishes confident mistakes.

models = {
    "SETClassifier": SETClassifier(random_state=0),
    "NPSETClassifier": NPSETClassifier(random_state=0),
    "MLPClassifier": make_pipeline(StandardScaler(), MLPClassifier((300, 300), random_state=0)),
    "LogisticRegression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    "RandomForest": RandomForestClassifier(random_state=0),
}
splits = RepeatedStratifiedKFold(n_splits=5, n_repeats=2, random_state=0)
results = {}
for name, model in models.items():
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # MLPClassifier's
        results[name] = cross_validate(
            model,
            X,
            y,
            cv=splits,
            scoring=("accuracy", "neg_log_loss"),
        )
    accuracy = results[name]["test_accuracy"].mean()
    log_loss = -results[name]["test_neg_log_loss"].mean()
    seconds = time.perf_counter() - started
    print(f"{name:20} accuracy {accuracy:.3f}  log-loss {log_loss:.2f}  {seconds:5.1f} s")

# %%

fig, axes = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained", sharey=True)
panels = {"test_accuracy": (1, "Accuracy"), "test_neg_log_loss": (-1, "Log-loss (less is better)")}
for ax, (column, (sign, label)) in zip(axes, panels.items()):
    for row, name in enumerate(models):
        scores = sign * results[name][column]
        color = "C0" if "SET" in name else "0.6"
        ax.scatter(scores, row + np.linspace(-0.15, 0.15, len(scores)), color=color, s=12)
        ax.plot([scores.mean()] * 2, [row - 0.3, row + 0.3], color=color, lw=3)
    ax.set(xlabel=label)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_yticks(range(len(models)), list(models))
axes[0].invert_yaxis()
fig.suptitle("Ten splits each; the bar is the mean")
plt.show()

# %%
# What became of the network
# --------------------------
# Fitted to all tumours: the sizes of the networks, and how unevenly the evolving
# connections are spread over the genes. In the beginning every gene has about as many
# connections as any other, and the curve below would be close to the diagonal.

fig, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for model in (SETClassifier(random_state=0), NPSETClassifier(random_state=0)):
    model.fit(X, y)
    name = type(model).__name__
    dense = (X.shape[1] + 1) * 300 + 301 * 300 + 301 * len(model.classes_)
    print(f"{name}: hidden layers of {model.hidden_layer_sizes_} neurons,")
    print(f"    {model.n_connections_:,} connections; the dense network has {dense:,} parameters")
    strength = np.sort(model.feature_importances_)[::-1]
    ax.plot(np.linspace(0, 100, len(strength)), 100 * strength.cumsum(), label=name)
ax.plot([0, 100], [0, 100], color="0.6", ls="--", label="equal shares")
ax.set(xlabel="Genes, the most strongly wired first (%)", ylabel="Share of the input strength (%)")
ax.legend(frameon=False)
plt.show()
