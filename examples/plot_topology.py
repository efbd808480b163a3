"""
How a topology evolves
======================

The connections of a network begin as a random graph. After each epoch the weakest go and
others grow at random places. How much of the randomness is left after eighty epochs?
"""

# %%
# The digits: 64 pixels, of which those at the margin are black in nearly every image.
# ``conditioning=None`` keeps it so: by default every pixel would be brought to the same scale.
# A connection that does not help is pulled to zero by an L2 penalty, stronger than the decay by
# default, so that more of the evolution is to be seen.

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from sklearn_set import NPSETClassifier, SETClassifier
from sklearn_set.inspection import (
    DegreeDistributionDisplay,
    InputConnectivityDisplay,
    SparsityPatternDisplay,
    TopologyHistoryDisplay,
)

X, y = load_digits(return_X_y=True)
X = X / 16
SETTINGS = {
    "epsilon": 10,
    "conditioning": None,
    "decay_rule": "l2",
    "weight_decay": 0.01,
    "random_state": 0,
}

# %%
# Watching one network
# --------------------
# With ``warm_start=True`` each ``fit`` goes on where the last one stopped. Between two of
# them we look at how strongly each pixel is wired in. Evolution moves the connections to the
# middle, where the digits differ.

network = SETClassifier((300,), averaging=0, warm_start=True, **SETTINGS)
fig, axes = plt.subplots(1, 4, figsize=(11, 2.7), layout="constrained")
for ax, epochs in zip(axes, (1, 4, 20, 80)):
    network.set_params(max_iter=epochs - getattr(network, "n_iter_", 0)).fit(X, y)
    display = InputConnectivityDisplay(
        strengths=network.feature_importances_, image_shape=(8, 8)
    ).plot(ax=ax)
    display.image_.set_clim(0, 1 / 20)
    if epochs < 80:
        display.image_.colorbar.remove()  # one for all
    ax.set_title(f"after epoch {epochs}")
plt.show()

# %%
# From a random graph to a network with hubs
# ------------------------------------------
# How many connections leave a pixel, and how many enter a hidden neuron? In a random graph
# nearly the same number everywhere: the grey line. A static network (``zeta=0``) keeps it. After
# evolution a few hidden neurons have several times the mean, most others have less than half.
# Pixels at the margin have lost most of their connections.

static = SETClassifier((300,), zeta=0, max_iter=80, **SETTINGS).fit(X, y)
fig, axes = plt.subplots(2, 2, figsize=(9, 6.4), layout="constrained", sharex="row", sharey="row")
for column, (model, title) in enumerate({static: "zeta=0: static", network: "zeta=0.3"}.items()):
    DegreeDistributionDisplay.from_estimator(model, side="out", ax=axes[0, column], alpha=0.7)
    DegreeDistributionDisplay.from_estimator(model, side="in", ax=axes[1, column], alpha=0.7)
    axes[0, column].set_title(title)
plt.show()

# %%
# The pattern itself. Pale rows are pixels that the network hardly reads any more.

fig, axes = plt.subplots(1, 2, figsize=(11, 3.4), layout="constrained")
SparsityPatternDisplay.from_estimator(static, ax=axes[0])
SparsityPatternDisplay.from_estimator(network, ax=axes[1])
axes[0].set_title("zeta=0: static")
axes[1].set_title("zeta=0.3")
plt.show()

# %%
# When neurons go as well
# -----------------------
# `NPSETClassifier` prunes 4 % of the hidden neurons at the start of each epoch from
# ``beta=10`` to ``beta + gamma = 50``. The history of the fit shows it: the budget of connections
# shrinks with the neurons. The panel on the right counts the connections grown at each
# rewiring and how many of them outlived the next one. In the last 40 % of
# the epochs nothing is rewired any more: the weights are averaged.

pruned = NPSETClassifier(max_iter=100, random_state=0).fit(X, y)
TopologyHistoryDisplay.from_estimator(pruned)
plt.show()

print("hidden layers:", pruned.hidden_layer_sizes, "->", pruned.hidden_layer_sizes_)
