"""
A rule of your own
==================

Where a connection is useful, one to a neighbouring pixel is likely to be useful too. That is known
about images, and SET does not know it: its connections grow anywhere. A rule of fifteen lines tells
it.
"""

# %%
# The rule
# --------
# A growth rule names free places as ``destination * n_in + source``. This one picks connections
# that stay, at random, and moves their source by one pixel, to a side, up or down. What it cannot
# name (the place is taken, or beyond the margin) is drawn at random by the package, and so are all
# places of later layers, whose neurons have no neighbours.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedShuffleSplit

from sklearn_set import SETClassifier
from sklearn_set.rules import GrowthRule


class GrowBesideOthers(GrowthRule):
    """New connections come from pixels beside those that are connected already."""

    def __init__(self, width):
        self.width = width

    def places(self, site):
        layer, width = site.layer, self.width
        if site.number > 0:
            return np.array([], dtype=int)
        chosen = site.rng.choice(np.flatnonzero(site.keep), site.n_new)
        row, column = np.divmod(layer.indices[chosen], width)
        step = site.rng.integers(4, size=site.n_new)
        row, column = row + np.array([0, 0, 1, -1])[step], column + np.array([1, -1, 0, 0])[step]
        inside = (row >= 0) & (row < layer.n_in // width) & (column >= 0) & (column < width)
        target = layer.connectivity.destinations()[chosen].astype(np.int64)
        places = np.unique((target * layer.n_in + row * width + column)[inside])
        return places[site.free(places)]


# %%
# Does it help?
# -------------
# Digits that lie in a corner of a noisy image of 24 by 24 pixels: 576 columns, of which 64 matter,
# and 300 rows. The networks have few connections, so that it matters where they are. Each rule sees
# the same three splits.

digits, y = load_digits(return_X_y=True)
rng = np.random.default_rng(0)
images = rng.uniform(0, 0.6, size=(len(y), 24, 24)).astype(np.float32)
images[:, 3:11, 5:13] = digits.reshape(-1, 8, 8) / 16
X = images.reshape(len(y), -1)
splits = list(StratifiedShuffleSplit(3, train_size=300, random_state=0).split(X, y))

rules = {"random": "random", "gradient": "gradient", "beside others": GrowBesideOthers(24)}
accuracy, strengths = {}, {}
for name, rule in rules.items():
    for epsilon in (1, 3, 10):
        network = SETClassifier(
            (200,),
            epsilon=epsilon,
            grow=rule,
            conditioning=None,
            select_inputs=False,
            random_state=0,
        )
        found = [network.fit(X[a], y[a]).score(X[b], y[b]) for a, b in splits]
        accuracy[name, epsilon] = np.mean(found), np.std(found)
        print(f"{name:14} epsilon={epsilon:<3} accuracy {np.mean(found):.3f} ± {np.std(found):.3f}")
        if epsilon == 1:
            strengths[name] = network.feature_importances_

# %%

fig, axes = plt.subplots(1, 4, figsize=(11, 3), layout="constrained", width_ratios=[1.5, 1, 1, 1])
for name, color in zip(rules, ("0.5", "C1", "C0")):
    means, deviations = np.transpose([accuracy[name, e] for e in (1, 3, 10)])
    axes[0].errorbar([1, 3, 10], means, deviations, fmt="o-", color=color, capsize=3)
    axes[0].annotate(name, (10, means[-1]), (8, -3), textcoords="offset points", color=color)
axes[0].set(xscale="log", xlim=(0.8, 60), xlabel="epsilon", ylabel="Accuracy")
axes[0].set_xticks([1, 3, 10], ["1", "3", "10"])
axes[0].minorticks_off()
axes[0].spines[["top", "right"]].set_visible(False)
for ax, (name, strength) in zip(axes[1:], strengths.items()):
    ax.imshow(strength.reshape(24, 24), cmap="viridis")
    ax.set(xticks=[], yticks=[], title=f"strength, {name}")
plt.show()
