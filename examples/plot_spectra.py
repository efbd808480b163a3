"""
Spectra: what conditioning does
===============================

A spectrometer measures 300 wavelengths, and neighbours among them are nearly the same. What tells
the samples apart lies in directions of small variance. Gradient descent does not see them on
standardised columns; on decorrelated ones it does.
"""

# %%
# The spectra are simulated, so that the truth is known: six broad bands that overlap, each
# in proportion to the amount of a substance. The detector saturates a little, the light path varies
# from sample to sample, the baseline drifts, and there is some noise. We want the amount of one
# substance from 60 samples. Noise, saturation and number of samples were set so that the effect is
# plain; with other settings PLS or ridge regression leads.

import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cross_decomposition import PLSRegression
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_set import SETRegressor

rng = np.random.default_rng(0)
n_samples, n_train = 260, 60
wavelength = np.linspace(1100, 2500, 300)
centre = np.linspace(1200, 2400, 6) + rng.uniform(-40, 40, 6)
bands = np.exp(-(((wavelength - centre[:, None]) / 150) ** 2))
amount = rng.uniform(size=(n_samples, 6))
path = rng.uniform(0.7, 1.3, size=(n_samples, 1))
drift = rng.normal(scale=0.1, size=(n_samples, 2)) @ [np.ones(300), np.linspace(-1, 1, 300)]
clean = path * (amount @ bands)
X = clean / (1 + 0.4 * clean) + drift + rng.normal(scale=5e-4, size=(n_samples, 300))
y = amount[:, 3]
X_train, X_test, y_train, y_test = X[:n_train], X[n_train:], y[:n_train], y[n_train:]

fig, axes = plt.subplots(1, 2, figsize=(11, 3.4), layout="constrained")
for ax, values, title in (
    (axes[0], X_train, "The spectra, coloured by the amount"),
    (axes[1], X_train - X_train.mean(axis=0), "Less their mean"),
):
    for spectrum, part in zip(values, y_train):
        ax.plot(wavelength, spectrum, color=plt.cm.viridis(part), lw=0.8)
    ax.axvspan(centre[3] - 60, centre[3] + 60, color="0.9", zorder=0)
    ax.set(xlabel="Wavelength (nm)", title=title)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("Absorbance")
plt.show()

# %%
# The grey strip is where the substance absorbs. There is a tendency in it, but the neighbours'
# bands, the light path and the baseline hide the amount.
#
# Five models
# -----------
# The same network twice: as it comes, and with columns that are only scaled. Beside them the
# tools of the trade, partial least squares and ridge regression, whose strength is chosen by
# cross-validation, and a dense network.

models = {
    "SETRegressor": SETRegressor(random_state=0),
    "SETRegressor, scaled only": SETRegressor(conditioning="scale", random_state=0),
    "PLS": GridSearchCV(PLSRegression(), {"n_components": range(1, 21)}),
    "RidgeCV": make_pipeline(StandardScaler(), RidgeCV(np.logspace(-8, 4, 25))),
    "MLPRegressor": make_pipeline(
        StandardScaler(),
        MLPRegressor(hidden_layer_sizes=(300, 300), max_iter=500, random_state=0),
    ),
}
scores = {}
for name, model in models.items():
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # MLPRegressor's
        model.fit(X_train, y_train)
    seconds = time.perf_counter() - started
    scores[name] = model.score(X_test, y_test)
    print(f"{name:27} R² {scores[name]:.3f}  {seconds:5.1f} s")

# %%
# Decorrelation makes the difference: the network is then level with the tools of the trade, without
# a number of components to be searched for.
#
# What the network decided by itself, and on what evidence: the error out of sample, relative to
# that of the mean, of an infinitely wide network with each way to condition the columns.

conditioner = models["SETRegressor"].conditioner_
for choice, error in conditioner.errors_.items():
    print(f"{choice!s:>8}: {error:.3f}")
print(f"chosen: {conditioner.method_}, strength {conditioner.strength_:g}")

# %%

fig, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained", width_ratios=[1, 1, 1.2])
for ax, name in zip(axes, list(models)[:2]):
    ax.scatter(y_test, models[name].predict(X_test), s=12)
    ax.plot([0, 1], [0, 1], color="0.6", ls="--")
    ax.set(xlim=(-0.1, 1.1), ylim=(-0.1, 1.1), xlabel="Amount", ylabel="Predicted")
    ax.set(title=f"{name}\nR² = {scores[name]:.2f}", aspect="equal")
names = list(models)[::-1]
bars = axes[2].barh(
    names, [scores[n] for n in names], color=["C0" if "SET" in n else "0.7" for n in names]
)
axes[2].bar_label(bars, fmt="%.2f", padding=3)
axes[2].set(xlim=(min(0, *scores.values()), 1.15), xlabel="R² on 200 other samples")
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
