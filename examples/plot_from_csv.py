"""
From a CSV file to a saved model
================================

A table as it comes: numbers, a category, missing values, names of columns. What a first afternoon
with it looks like in pandas and scikit-learn, up to a file that can be loaded elsewhere.
"""

# %%
# The file
# --------
# It has the measurements of 569 tumours that scikit-learn ships. To make it a table of the usual
# kind, a column names the clinic and every twentieth value is lost.

import tempfile
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.impute import SimpleImputer
from sklearn.inspection import permutation_importance
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import cross_validate, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from sklearn_set import SETClassifier

folder = Path(tempfile.mkdtemp())
rng = np.random.default_rng(0)
bunch = load_breast_cancer(as_frame=True)
lost = bunch.data.mask(rng.random(bunch.data.shape) < 0.05)
lost.insert(0, "clinic", rng.choice(["north", "south", "west"], len(lost)))
lost["diagnosis"] = bunch.target_names[bunch.target]
lost.to_csv(folder / "tumours.csv", index=False)

# %%
# Reading it
# ----------

table = pd.read_csv(folder / "tumours.csv")
table.iloc[:5, :6]

# %%

y = table.pop("diagnosis")
print(f"{len(table)} rows, {table.isna().mean().mean():.1%} of the values are missing")
print(y.value_counts().to_string())

# %%
# The model
# ---------
# Categories become columns and missing values are filled in. The network scales its inputs itself
# and takes the labels as they are. With ``set_output`` it also knows the names of its columns.

columns = make_column_transformer(
    (SimpleImputer(strategy="median"), make_column_selector(dtype_include="number")),
    (OneHotEncoder(sparse_output=False), ["clinic"]),
    verbose_feature_names_out=False,
)
model = make_pipeline(columns, SETClassifier(max_iter=60, random_state=0))
model.set_output(transform="pandas")
model

# %%
# How good is it?
# ---------------
# All steps are inside of the cross-validation, the imputation too.

train, test, y_train, y_test = train_test_split(table, y, stratify=y, random_state=0)
scoring = ["accuracy", "balanced_accuracy", "roc_auc", "neg_log_loss"]
found = pd.DataFrame(cross_validate(model, train, y_train, cv=5, scoring=scoring))
found.filter(like="test_").agg(["mean", "std"]).round(3)

# %%
# What does it use? The loss on held-out tumours grows if a column that it uses is shuffled. The
# clinic was drawn by lot: the model would be a little better without it.

model.fit(train, y_train)
use = permutation_importance(
    model, test, y_test, scoring="neg_log_loss", n_repeats=5, random_state=0
)
order = use.importances_mean.argsort()[-12:]
fig, axes = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
shown = np.r_[table.columns.get_loc("clinic"), order]
axes[0].barh(table.columns[shown], use.importances_mean[shown], xerr=use.importances_std[shown])
axes[0].set_xlabel("Growth of the log-loss without the column")
axes[0].spines[["top", "right"]].set_visible(False)
ConfusionMatrixDisplay.from_estimator(model, test, y_test, ax=axes[1], cmap="Blues", colorbar=False)
axes[1].set_title(f"{len(test)} held-out tumours, {model.score(test, y_test):.1%} right")
plt.show()

# %%
# Saving it
# ---------
# The whole Pipeline goes into one file. Loading such a file can run code, so load only what you
# have stored yourself. The user guide shows skops, whose files cannot, and ONNX:
# :doc:`/user_guide`.

path = folder / "tumours.joblib"
joblib.dump(model, path, compress=3)
print(f"{path.stat().st_size / 1024:.0f} KiB")
loaded = joblib.load(path)

# %%
# Elsewhere, a new patient: a row of the same columns, a value missing.

patient = test.iloc[[3]].assign(**{"mean radius": np.nan})
chances = pd.Series(loaded.predict_proba(patient)[0], loaded.classes_)
print(chances.round(3).to_string())
assert (loaded.predict(test) == model.predict(test)).all()
