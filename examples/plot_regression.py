"""
Regression: how a disease progressed
====================================

Ten measurements of 442 people with diabetes, and a number that says how much the disease had
progressed a year later. Noisy data on few columns, where a linear model is hard
to beat. All products of two measurements make 65 columns of them, and now it matters
how a model keeps from memorising noise.
"""

# %%
# Targets need no scaling: the network learns them standardised and gives them back in their
# own unit (``scale_target=True``). The products are of standardised measurements. Ridge regression
# and `MLPRegressor` need them scaled again; the sparse networks scale their inputs themselves.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict, cross_val_score
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from sklearn_set import NPSETRegressor, SETRegressor

X, y = load_diabetes(return_X_y=True)
models = {
    "SETRegressor": SETRegressor((100, 100), max_iter=60, random_state=0),
    "NPSETRegressor": NPSETRegressor(
        (100, 100), beta=5, gamma=20, alpha=0.08, max_iter=60, random_state=0
    ),
    "SETRegressor, huber": SETRegressor((100, 100), loss="huber", max_iter=60, random_state=0),
    "MLPRegressor": MLPRegressor(hidden_layer_sizes=(100, 100), max_iter=60, random_state=0),
    "RidgeCV": RidgeCV(np.logspace(-2, 4, 13)),
}
splits = KFold(5, shuffle=True, random_state=0)
scores, predictions = {}, {}
for name, model in models.items():
    pipeline = make_pipeline(
        StandardScaler(), PolynomialFeatures(2, include_bias=False), StandardScaler(), model
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # MLPRegressor's
        scores[name] = cross_val_score(pipeline, X, y, cv=splits)
        predictions[name] = cross_val_predict(pipeline, X, y, cv=splits)
    print(f"{name:20} R² {scores[name].mean():.3f} ± {scores[name].std():.3f}")

# %%
# Predictions for people whom the model did not learn from. The dense network without
# restraint scatters far more than the disease does.

fig, axes = plt.subplots(1, 3, figsize=(11, 3.8), layout="constrained", sharex=True, sharey=True)
for ax, name in zip(axes, ("SETRegressor", "MLPRegressor", "RidgeCV")):
    ax.scatter(predictions[name], y, s=10, alpha=0.6, lw=0)
    ax.axline((150, 150), slope=1, color="0.5", ls="--", lw=1)
    ax.set(title=f"{name}, R² {scores[name].mean():.2f}", xlabel="Predicted progression")
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set(ylabel="Progression after a year", xlim=(-50, 400), ylim=(0, 370))
plt.show()
