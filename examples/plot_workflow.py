"""
An honest workflow
==================

How good will a model be on new patients, how sure is that, may one believe its probabilities, and
could it be luck? Nested cross-validation, error bars, a calibration curve and a permutation test,
on 442 patients with diabetes: will the disease of a patient progress faster than that of most?
"""

# %%
# Ten measurements of each patient and their products: 65 columns, of which few say much.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import t
from sklearn.calibration import calibration_curve
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_val_predict,
    permutation_test_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from sklearn_set import SETClassifier

X, progression = load_diabetes(return_X_y=True)
X = PolynomialFeatures(2, include_bias=False).fit_transform(X)
fast = (progression > np.median(progression)).astype(int)
print(f"{X.shape[0]} patients, {X.shape[1]} columns, {fast.mean():.0%} progress fast")

# %%
# Nested cross-validation
# -----------------------
# The inner search chooses parameters by training rows alone; the outer folds judge what it chose.
# The score of the search itself (``best_score_``) would flatter, since it picked the best of
# several. Every model gets a search.

network = SETClassifier((50,), max_iter=40, random_state=0)
linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
models = {
    "SETClassifier": GridSearchCV(network, {"epsilon": [3, 20]}, scoring="roc_auc", cv=3),
    "LogisticRegression": GridSearchCV(
        linear, {"logisticregression__C": [0.001, 0.01, 0.1, 1]}, scoring="roc_auc", cv=3
    ),
}
outer = StratifiedKFold(10, shuffle=True, random_state=0)
forecasts, scores = {}, {}
for name, model in models.items():
    p = cross_val_predict(model, X, fast, cv=outer, method="predict_proba")[:, 1]
    forecasts[name] = p
    scores[name] = np.array([roc_auc_score(fast[i], p[i]) for _, i in outer.split(X, fast)])

# %%
# The folds share training rows, so their scores are not independent, and the usual standard error
# is too small. The correction of Nadeau and Bengio (2003) adds the ratio of test to training rows.


def interval(values, test_share=1 / 9):
    """Half of a 95 % interval of the mean over folds: 1 test row to 9 training rows."""
    n = len(values)
    return t.ppf(0.975, n - 1) * np.sqrt((1 / n + test_share) * np.var(values, ddof=1))


for name, values in scores.items():
    print(f"{name:20} AUC {values.mean():.3f} ± {interval(values):.3f}")
difference = scores["SETClassifier"] - scores["LogisticRegression"]
print(f"{'difference':20}     {difference.mean():+.3f} ± {interval(difference):.3f}")

# %%
# Probabilities
# -------------
# Every patient was judged by a model that had not seen it. A forecast of 70 % should come true in
# 70 % of the cases.

for name, p in forecasts.items():
    brier, loss, auc = brier_score_loss(fast, p), log_loss(fast, p), roc_auc_score(fast, p)
    print(f"{name:20} Brier score {brier:.3f}, log-loss {loss:.3f}, AUC {auc:.3f}")

# %%
# Could it be luck?
# -----------------
# The same network on shuffled targets, from which nothing can be learned, twenty times. The p-value
# is the share of shuffles that score as well as the truth, the truth included.

score, shuffled, p_value = permutation_test_score(
    network, X, fast, scoring="roc_auc", cv=3, n_permutations=20, random_state=0
)
print(f"AUC {score:.3f}; the best of 20 shuffles {shuffled.max():.3f}; p = {p_value:.3f}")

# %%

fig, axes = plt.subplots(1, 3, figsize=(11, 3.8), layout="constrained")
colors = {"SETClassifier": "C0", "LogisticRegression": "0.5"}
for row, (name, values) in enumerate(scores.items()):
    color = colors[name]
    axes[0].errorbar(values.mean(), row, xerr=interval(values), fmt="D", color=color, capsize=4)
    axes[0].scatter(values, np.full(len(values), row - 0.15), s=14, color=color, alpha=0.5)
axes[0].set(yticks=range(len(scores)), yticklabels=scores, ylim=(1.5, -0.5))
axes[0].set(xlabel="AUC of ten outer folds, mean ± 95 %")

axes[1].plot([0, 1], [0, 1], color="0.8", ls="--")
for name, p in forecasts.items():
    happened, said = calibration_curve(fast, p, n_bins=6, strategy="quantile")
    error = 1.96 * np.sqrt(happened * (1 - happened) / (len(p) / 6))
    axes[1].errorbar(said, happened, error, fmt="o-", color=colors[name], capsize=3, label=name)
axes[1].set(xlabel="Forecast", ylabel="Share that progressed fast", xlim=(0, 1), ylim=(0, 1))
axes[1].legend(frameon=False, fontsize="small", loc="upper left")

axes[2].hist(shuffled, bins=12, color="0.8")
axes[2].axvline(score, color="C0", lw=2.5)
axes[2].annotate("the data", (score, 0.96), (-5, 0), xycoords=("data", "axes fraction"), color="C0",
                 textcoords="offset points", ha="right")  # fmt: skip
axes[2].set(xlabel="AUC, targets shuffled", yticks=[])
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
