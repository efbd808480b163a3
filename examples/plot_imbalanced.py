"""
Imbalanced classes
==================

Among 829 images of digits only 18 show an eight, and the eights are what we look for.
A classifier that never says "eight" is right in 98 % of the cases. What
`class_weight` does about that, and what it does not.
"""

# %%
# The data: few eights to learn from, as many as there are to test on.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    precision_score,
    recall_score,
)
from sklearn.model_selection import TunedThresholdClassifierCV, train_test_split

from sklearn_set import SETClassifier

X, digits = load_digits(return_X_y=True)
y = (digits == 8).astype(int)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=0.5, stratify=digits, random_state=0
)
kept = np.sort(np.r_[np.flatnonzero(y_train == 0), np.flatnonzero(y_train)[:18]])
X_train, y_train = X_train[kept], y_train[kept]
print(f"{len(y_train)} training images, {y_train.sum()} of them eights")
print(f"{len(y_test)} test images, {y_test.sum()} of them eights")

# %%
# Four ways
# ---------
# * as if nothing was the matter,
# * ``class_weight="balanced"``: the eights together weigh as much as all the others,
# * a weight in between, by a dict,
# * the plain network with another threshold than one half, which
#   :class:`~sklearn.model_selection.TunedThresholdClassifierCV` finds by cross-validation.
#
# Average precision judges the order in which images are suspected to be eights, whatever
# the threshold.


def network(class_weight=None):
    return SETClassifier((200,), class_weight=class_weight, max_iter=100, random_state=0)


models = {
    "plain": network(),
    '"balanced"': network("balanced"),
    "{0: 1, 1: 8}": network({0: 1, 1: 8}),
    "threshold": TunedThresholdClassifierCV(network(), scoring="f1", cv=3, random_state=0),
}
print(f"\n{'':14}{'recall':>8}{'precision':>11}{'average precision':>19}")
rows = {}
for name, model in models.items():
    model.fit(X_train, y_train)
    predicted = model.predict(X_test)
    probability = model.predict_proba(X_test)[:, 1]
    rows[name] = (
        recall_score(y_test, predicted),
        precision_score(y_test, predicted, zero_division=0),
    )
    average = average_precision_score(y_test, probability)
    print(f"{name:14}{rows[name][0]:>8.2f}{rows[name][1]:>11.2f}{average:>19.2f}")

# %%
# Where each of them lies
# -----------------------
# The curves show every threshold, the dots the one that ``predict`` uses. The plain network
# finds two eights in three and is never wrong when it does. `class_weight` moves the dot along
# the curve. It hardly changes the curve: the order of the images stays about as good. Its
# probabilities, however, are those of data in which eights are more frequent. With a moved
# threshold they stay those of the data, and the dot moves even further. 18 eights are few to
# choose a threshold from, so another split may give another one.

fig, ax = plt.subplots(figsize=(6.4, 4.6), layout="constrained")
for color, (name, model) in zip(("C0", "C3", "C2", "C1"), models.items()):
    if name != "threshold":  # its curve is that of the plain network
        probability = model.predict_proba(X_test)[:, 1]
        precision, recall, _ = precision_recall_curve(y_test, probability)
        ax.plot(recall, precision, color=color, label=name)
    label = "plain, moved threshold" if name == "threshold" else None
    ax.scatter(*rows[name], color=color, s=90, zorder=3, edgecolor="white", label=label)
ax.set(xlabel="Recall: share of the eights found", ylabel="Precision: share of the finds right")
ax.set(xlim=(0, 1.02), ylim=(0, 1.05))
ax.legend(loc="lower left", frameon=False)
ax.spines[["top", "right"]].set_visible(False)
plt.show()
