"""
How few connections are enough?
===============================

Wine from three growers, 13 measurements of each bottle, hidden among 2,600 columns that are
shuffled copies of them. A network needs a connection to a measurement before it can learn from it.
With some hundred connections most measurements have none in the beginning. Connections that grow
where the loss is steepest find them; connections that stay do not.
"""

# %%
# The table. A shuffled copy has the values of a measurement in another order of the bottles, so
# nothing can be learned from it. Half of the bottles are there to test.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.model_selection import StratifiedShuffleSplit

from sklearn_set import NPSETClassifier, SETClassifier
from sklearn_set.presets import ULTRA_SPARSE

measured, grower = load_wine(return_X_y=True)
rng = np.random.default_rng(0)
X = np.hstack([measured, *[rng.permuted(measured, axis=0) for _ in range(200)]]).astype(np.float32)
splits = list(StratifiedShuffleSplit(3, test_size=0.5, random_state=0).split(X, grower))
print(f"{len(X)} bottles, {X.shape[1]:,} columns, of which {measured.shape[1]} are measurements")

# %%
# From a few connections to many
# ------------------------------
# ``epsilon`` sets how many connections a network begins with. Three kinds: connections that stay;
# SET, whose connections grow anywhere (without its selection of inputs, which is another way to the
# same end); and the preset ``ULTRA_SPARSE``.

kinds = {
    "connections that stay": SETClassifier((300,), zeta=0, select_inputs=False, random_state=0),
    "SET": SETClassifier((300,), select_inputs=False, random_state=0),
    "ULTRA_SPARSE": NPSETClassifier(**ULTRA_SPARSE, random_state=0),
}
curves = {}
for name, model in kinds.items():
    curves[name] = []
    for epsilon in (0.1, 0.3, 1, 3):
        model.set_params(epsilon=epsilon)
        accuracy, numbers, on_measured = [], [], []
        for train, test in splits:
            model.fit(X[train], grower[train])
            accuracy.append(model.score(X[test], grower[test]))
            numbers.append(model.n_connections_)
            on_measured.append(model.feature_importances_[: measured.shape[1]].sum())
        curves[name].append(np.mean([numbers, accuracy, on_measured], axis=1))
        print("{:22} {:>7,.0f} connections, accuracy {:.2f}".format(name, *curves[name][-1]))

# %%
# With 400 connections ``ULTRA_SPARSE`` tells four of five growers by measurements that it had to
# find; SET, whose new connections fall anywhere among 2,600 columns, and the others hardly beat the
# guess. How it is on 21 tables without such a haystack: :doc:`/benchmarks/frontier`.

fig, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained", sharex=True)
for (name, curve), color in zip(curves.items(), ("0.5", "C1", "C0")):
    numbers, accuracy, on_measured = np.transpose(curve)
    axes[0].plot(numbers, accuracy, "o-", color=color, label=name)
    axes[1].plot(numbers, on_measured, "o-", color=color)
commonest = np.bincount(grower).max() / len(grower)
axes[0].axhline(commonest, color="0.7", ls="--", lw=1)
axes[0].text(3000, commonest - 0.02, "always the commonest grower", ha="right", va="top")
axes[0].set(xscale="log", xlabel="Connections", ylabel="Accuracy on other bottles")
axes[1].set(xlabel="Connections", ylabel="Strength that lies on the measurements")
axes[0].legend(frameon=False)
for ax in axes:
    ax.set_ylim(0, 1.03)
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
