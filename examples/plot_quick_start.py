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
# The network scales its inputs itself.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

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

network = SETClassifier(random_state=0).fit(X_train, y_train)
print(f"accuracy on the test set: {network.score(X_test, y_test):.3f}")

# %%
# In a notebook the model shows its parameters and what they mean:

network

# %%
# What was learned
# ----------------
# The weights of a layer are a `scipy.sparse` array, and the history has a row for each
# epoch.

for number, coef in enumerate(network.coefs_):
    print(f"layer {number}: {coef.nnz:6,} of {coef.shape[0] * coef.shape[1]:6,} connections")

# %%
# A second network trains beside held-out samples. The area between the curves shows how far it
# overfits. Both are of samples as they are, though the network learns from mixtures of them. For
# the last 40 % of the epochs the weights are averaged: the lines rest.

watched = SETClassifier(random_state=0).fit(X_train, y_train, X_val=X_test, y_val=y_test)
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

raw = network.decision_function(X_test)  # below zero: class 0, malignant
malignant = np.flatnonzero(y_test == 0)
sample = malignant[abs(raw[malignant]).argmin()]
pushes = attributions(network, X_test[sample : sample + 1], output=0)[0]

order = abs(pushes).argsort()[-10:]
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.barh(X.columns[order], pushes[order], color=["C3" if p < 0 else "C0" for p in pushes[order]])
ax.axvline(0, color="0.5", lw=1)
ax.set(xlabel="malignant  ←  gradient × input  →  benign")
ax.set_title(f"A malignant tumour, probability {network.predict_proba(X_test)[sample, 0]:.2f}")
plt.show()
