"""
Feature selection, and what importances do not say
==================================================

48 pixels that matter, more or less, and 144 columns that do not: each pixel is joined
by three shuffled copies of itself. A copy has the values of a real pixel, but in another
order of the images, so nothing can be learned from it. Who finds the pixels?
"""

# %%
# The data
# --------
# Pixels that are black in nearly all images are left out: they hold next to nothing.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.feature_selection import SelectFromModel, SelectKBest, f_classif
from sklearn.inspection import permutation_importance
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sklearn_set import SETClassifier, SETFeatureSelector

images, y = load_digits(return_X_y=True)
used = (images > 0).mean(axis=0) > 0.1
pixels = images[:, used]
rng = np.random.default_rng(0)
X = np.hstack([pixels, *[rng.permuted(pixels, axis=0) for _ in range(3)]])
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=500, stratify=y, random_state=0
)
is_pixel = np.arange(X.shape[1]) < pixels.shape[1]


def as_image(values):
    """Values of the pixels in their places; what was left out is not a number."""
    image = np.full(64, np.nan)
    image[used] = values[is_pixel]
    return image.reshape(8, 8)


# %%
# Five selectors
# --------------
# All of them keep 40 columns:
#
# * :class:`~sklearn_set.SETFeatureSelector` keeps columns that the function which an
#   infinitely wide network finds varies with. Its autoencoder never sees the targets; it
#   keeps the columns that help to restore the others from noise.
# * `SelectFromModel` asks a fitted `SETClassifier` for the strength of its inputs: once of a
#   network that reads all columns, once of one that stops reading inputs while it learns, until
#   40 are left (``select_inputs=40``).
# * `SelectKBest` looks at one column at a time.
#
# The estimators of this package scale their inputs themselves, so the Pipelines need no scaler.


def by_strength(network):
    return SelectFromModel(network, threshold=-np.inf, max_features=40)


selectors = {
    "SETFeatureSelector": SETFeatureSelector(40, random_state=0),
    "autoencoder": SETFeatureSelector(40, method="autoencoder", random_state=0),
    "all inputs": by_strength(SETClassifier(select_inputs=False, max_iter=80, random_state=0)),
    "select_inputs=40": by_strength(SETClassifier(select_inputs=40, max_iter=80, random_state=0)),
    "SelectKBest": SelectKBest(f_classif, k=40),
}


def judge():
    return SETClassifier((200,), max_iter=60, random_state=0)


alone = judge().fit(X_train, y_train)
print(f"{'all 192 columns':20} accuracy {alone.score(X_test, y_test):.3f}")
selected = {}
for name, selector in selectors.items():
    model = make_pipeline(selector, judge()).fit(X_train, y_train)
    selected[name] = model[0].get_support()
    n_pixels, n_shuffled = selected[name][is_pixel].sum(), selected[name][~is_pixel].sum()
    accuracy = model.score(X_test, y_test)
    print(f"{name:20} accuracy {accuracy:.3f}, {n_pixels} pixels, {n_shuffled} shuffled columns")

# %%
# All of them keep pixels only. What they keep (white: left out from the start):

fig, axes = plt.subplots(1, 6, figsize=(13, 3), layout="constrained")
axes[0].imshow(images.mean(axis=0).reshape(8, 8), cmap="gray")
axes[0].set_title("mean image", fontsize="medium")
for ax, (name, mask) in zip(axes[1:], selected.items()):
    ax.imshow(as_image(mask), cmap="Blues", vmin=-0.15, vmax=1.3)
    ax.set_title(f"{name}\n{mask[is_pixel].sum()} of 40", fontsize="medium")
for ax in axes:
    ax.set(xticks=[], yticks=[])
plt.show()

# %%
# Two kinds of importance
# -----------------------
# ``feature_importances_`` is the strength of an input: the sum of its absolute weights.
# It costs nothing. But it tells of the wiring only: it sees nothing of what the later layers do
# with an input.
#
# `permutation_importance` shuffles one column of held-out samples and measures how much the
# score falls. It tells of this model's predictions. But it needs many predictions. Where
# columns say the same, as neighbouring pixels do, it gives each of them little: the others
# stand in. Neither says what *causes* anything.

network = SETClassifier(max_iter=80, random_state=0).fit(X_train, y_train)
permuted = permutation_importance(network, X_test[:500], y_test[:500], n_repeats=3, random_state=0)

# %%

fig, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
for ax, values, title in (
    (axes[0], network.feature_importances_, "feature_importances_"),
    (axes[1], permuted.importances_mean, "permutation_importance"),
):
    image = ax.imshow(as_image(values), cmap="viridis")
    ax.set(xticks=[], yticks=[], title=title)
    fig.colorbar(image, ax=ax, shrink=0.8)
for mask, label, color in ((~is_pixel, "shuffled columns", "0.6"), (is_pixel, "pixels", "C0")):
    axes[2].scatter(
        network.feature_importances_[mask],
        permuted.importances_mean[mask],
        s=14,
        color=color,
        label=label,
    )
axes[2].set(xlabel="feature_importances_", ylabel="permutation_importance")
axes[2].legend(frameon=False)
axes[2].spines[["top", "right"]].set_visible(False)
plt.show()
