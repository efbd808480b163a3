"""
Successive halving: epochs as the resource
==========================================

A random search gives every candidate the same time. `HalvingRandomSearchCV` starts many
candidates with few epochs, gives the best third three times as many, and goes on like this.
``max_iter`` is the resource. The calendar of NPSET needs care: see below.
"""

# %%
# The search
# ----------
# 400 images of digits. 27 candidates begin with 6 epochs each; 9 of them get 18, 3 get
# 54, one gets 162. Nothing is carried over: a candidate that is promoted trains anew.

import warnings

import matplotlib.pyplot as plt
import pandas as pd
from scipy.stats import loguniform, uniform
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingRandomSearchCV, train_test_split

from sklearn_set import NPSETClassifier, SETClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=400, stratify=y, random_state=0
)
distributions = {
    "epsilon": loguniform(2, 60),
    "zeta": uniform(0, 0.6),
    "learning_rate_init": loguniform(3e-4, 3e-2),
    "weight_decay": loguniform(1e-4, 1e-1),
    "mixup": uniform(0, 1),
}
search = HalvingRandomSearchCV(
    SETClassifier((200, 200), random_state=0),
    distributions,
    resource="max_iter",
    n_candidates=27,
    min_resources=6,
    max_resources=162,
    factor=3,
    cv=3,
    random_state=0,
)
search.fit(X_train, y_train)
print(f"accuracy on the test set: {search.score(X_test, y_test):.3f}")
for name, value in search.best_params_.items():
    print(f"  {name}: {value:.3g}")

# %%
# Each line is a candidate. What is out after 6 epochs has cost next to nothing.

results = pd.DataFrame(search.cv_results_)
results["candidate"] = results["params"].map(
    lambda params: tuple(v for k, v in params.items() if not k.endswith("max_iter"))
)
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for _, rungs in results.groupby("candidate"):
    last = rungs["iter"].max()
    color = ("0.75", "0.5", "C0", "C3")[last]
    error = 1 - rungs["mean_test_score"]
    ax.plot(rungs["n_resources"], error, "o-", color=color, ms=4, zorder=last)
ax.set(xscale="log", xlabel="Epochs (max_iter)", yscale="log", ylabel="Cross-validated error")
ax.set_xticks([6, 18, 54, 162], ["6", "18", "54", "162"])
ax.set_yticks([0.05, 0.1, 0.2, 0.5], ["5 %", "10 %", "20 %", "50 %"])
ax.minorticks_off()
ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# The calendar of NPSET
# ---------------------
# `NPSETClassifier` prunes neurons from epoch `beta` to epoch ``beta + gamma``. These are dates,
# not shares of ``max_iter``. If a candidate's budget ends earlier, the rest of the
# prunings do not take place, a `ConvergenceWarning` says so, and its weights are not
# averaged either, for that begins after the last pruning. The early
# rungs would judge networks that are larger than those that win in the end.

calendars = {
    "alpha=0.04, beta=10, gamma=40 (default)": {},
    "alpha=0.25, beta=1, gamma=4": {"alpha": 0.25, "beta": 1, "gamma": 4},
}
budgets = (6, 18, 54, 162)
sizes = {name: [] for name in calendars}
for name, calendar in calendars.items():
    for budget in budgets:
        model = NPSETClassifier((200, 200), max_iter=budget, random_state=0, **calendar)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            model.fit(X_train, y_train)
        sizes[name].append(sum(model.hidden_layer_sizes_))
        print(f"{name}, max_iter={budget}: {sizes[name][-1]} neurons left")
        for warning in caught:
            print("   ", warning.message)

# %%
# So with halving, let ``beta + gamma`` be less than ``min_resources``, and all rungs judge
# networks of the same size. With a larger `alpha` as many neurons go in
# fewer epochs. Or search without pruning, by `SETClassifier`, and add it afterwards.
# The same holds for ``zeta_schedule="cosine"`` or ``"linear"``: they stretch with ``max_iter``,
# so each rung has its own.

fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
for (name, left), style in zip(sizes.items(), ("o--", "o-")):
    ax.plot(budgets, left, style, label=name)
ax.axvspan(10, 50, color="0.93", zorder=0)
ax.text(10.5, 20, "the default calendar prunes here", color="0.4")
ax.set(xscale="log", xlabel="Epochs (max_iter)", ylabel="Hidden neurons at the end", ylim=(0, 440))
ax.set_xticks(budgets, [str(budget) for budget in budgets])
ax.minorticks_off()
ax.legend(frameon=False, loc="upper right")
ax.spines[["top", "right"]].set_visible(False)
plt.show()
