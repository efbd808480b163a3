"""
Quick start
===========

A sparse network in a Pipeline: 30 measurements of 569 tumours, benign or malignant.
The network is fitted, scored, and asked what it has learned.
"""

# %%
# The data
# --------
# As a data frame: the names of the columns come along and turn up in the pictures.
# Like all neural networks, this one wants its inputs scaled; `StandardScaler` does it,
# and ``set_output`` makes it hand on a data frame.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_set import SETClassifier
from sklearn_set.inspection import (
    InputConnectivityDisplay,
    LearningCurveDisplay,
    attributions,
)

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

# %%
# The model
# ---------
# Two hidden layers of 300 neurons. Between them, fewer than a fifth of the possible
# connections exist.

model = make_pipeline(StandardScaler(), SETClassifier(random_state=0))
model.set_output(transform="pandas")
model.fit(X_train, y_train)
print(f"accuracy on the test set: {model.score(X_test, y_test):.3f}")

# %%
# In a notebook the model shows its parameters and what they mean:

model

# %%
# What was learned
# ----------------
# The weights of a layer are a `scipy.sparse` array, and the history has a row for each
# epoch.

network = model[-1]
for number, coef in enumerate(network.coefs_):
    print(f"layer {number}: {coef.nnz:6,} of {coef.shape[0] * coef.shape[1]:6,} connections")

# %%
# A second network trains beside held-out samples, which must be scaled like the others. The
# gap between the curves is what the network knows about its training data alone. By default
# it learns from mixtures of samples, whose loss is of another kind; ``mixup=0`` takes the
# samples as they are. For the last 40 % of the epochs the weights are averaged: the
# dashed line rests.

scaler = model[0]
watched = SETClassifier(mixup=0, random_state=0).fit(
    scaler.transform(X_train), y_train, X_val=scaler.transform(X_test), y_val=y_test
)
fig, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
LearningCurveDisplay.from_estimator(watched, ax=axes[0])
axes[0].set_title("Loss")
InputConnectivityDisplay.from_estimator(network, n_features=12, ax=axes[1])
axes[1].set_title("The most strongly wired inputs")
plt.show()

# %%
# How strongly an input is wired in does not say which way it pushes a prediction. The
# attributions of a single one do: here those of the malignant tumour that the network is
# least sure about.

scaled = scaler.transform(X_test)
raw = network.decision_function(scaled)  # below zero: class 0, malignant
malignant = np.flatnonzero(y_test == 0)
sample = malignant[abs(raw[malignant]).argmin()]
pushes = attributions(network, scaled[sample : sample + 1], output=0)[0]

order = abs(pushes).argsort()[-10:]
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.barh(X.columns[order], pushes[order], color=["C3" if p < 0 else "C0" for p in pushes[order]])
ax.axvline(0, color="0.5", lw=1)
ax.set(xlabel="malignant  ←  gradient × input  →  benign")
ax.set_title(f"A malignant tumour, probability {model.predict_proba(X_test)[sample, 0]:.2f}")
plt.show()
