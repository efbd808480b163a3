"""
From a CSV file to a saved model
================================

A table as it comes: numbers, a category, missing values, labels in words. What a first afternoon
with it looks like in pandas and scikit-learn: reading, judging, searching, saving, and predicting
elsewhere.
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
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import GridSearchCV, cross_validate, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_set import NPSETClassifier, SETClassifier

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
model = Pipeline([("columns", columns), ("network", SETClassifier(max_iter=60, random_state=0))])
model.set_output(transform="pandas")
model

# %%
# How good is it?
# ---------------
# A quarter of the rows is put aside. On the others, all steps are inside of the cross-validation,
# the imputation too. A linear model stands beside the network; it needs a scaler.

train, test, y_train, y_test = train_test_split(table, y, stratify=y, random_state=0)
linear = make_pipeline(columns, StandardScaler(), LogisticRegression(max_iter=1000))
scoring = ["accuracy", "balanced_accuracy", "roc_auc", "neg_log_loss"]
found = {
    name: pd.DataFrame(cross_validate(candidate, train, y_train, cv=5, scoring=scoring)).mean()
    for name, candidate in [("LogisticRegression", linear), ("SETClassifier", model)]
}
pd.DataFrame(found).T.filter(like="test_").round(3)

# %%
# Here are more rows than columns, and the linear model is as good or a little better: then take it.
# All that follows is the same for both.

# %%
# Searching
# ---------
# ε, ζ, α and γ of the papers are parameters of the step: density and rewiring of SET, and how fast
# and how long NPSET prunes. Of a list of grids, each may put another estimator in place.

prune = NPSETClassifier(max_iter=60, random_state=0)
grids = [
    {"network__epsilon": [5, 30], "network__zeta": [0.1, 0.3]},
    {"network": [prune], "network__alpha": [0.04, 0.1], "network__gamma": [20, 40]},
]
search = GridSearchCV(model, grids, scoring="neg_log_loss", cv=5, n_jobs=2).fit(train, y_train)
results = pd.DataFrame(search.cv_results_).sort_values("rank_test_score")
shown = ["epsilon", "zeta", "alpha", "gamma"]
results = results.rename(columns=lambda name: name.removeprefix("param_network__"))
shown = results[[*shown, "mean_test_score", "std_test_score"]].convert_dtypes().round(3)
shown.astype(object).fillna("")

# %%
# The candidates are close to each other, as they often are: the defaults are meant to be used. The
# best one has been fitted to all training rows. What it is worth, the rows put aside say.

model = search.best_estimator_
print(f"log-loss in the search {-search.best_score_:.3f}, aside {-search.score(test, y_test):.3f}")
print(model["network"].n_connections_, "connections")

# %%
# What does it use? The loss on held-out tumours grows if a column that it uses is shuffled. The
# clinic was drawn by lot.

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
# Elsewhere, new patients: a table with the same columns, some of its values missing. The labels
# come back as words, the chances in the order of ``classes_``.

patients = test.iloc[:5].assign(**{"mean radius": np.nan})
chances = pd.DataFrame(loaded.predict_proba(patients), patients.index, loaded.classes_).round(3)
chances.assign(predicted=loaded.predict(patients), diagnosis=y_test)

# %%
# The loaded model is the same model.

assert (loaded.predict_proba(test) == model.predict_proba(test)).all()
