"""
Survival: two groups of risk from gene expression
=================================================

A study with 300 patients, 2,000 genes in modules that go up and down together, and the months
until death or until the end of observation. Which patients are at risk, and do the curves of the
two groups differ among patients that the model has not seen?
"""

# %%
# The table is simulated: the hazard depends on three of a hundred modules. A third or so of the
# times is *censored*: the patient was alive when last seen, which says that death came later, if
# not when. The targets have two columns, whether there was an event and the time;
# scikit-survival's structured arrays are taken as well.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import chi2

from sklearn_set import SETSurvivalAnalysis

rng = np.random.default_rng(0)
modules = rng.normal(size=(450, 100))
X = 0.6 * np.repeat(modules, 20, axis=1) + 0.8 * rng.normal(size=(450, 2000))
death = 40 * rng.weibull(1.3, 450) * np.exp(modules[:, :3] @ [-0.7, 0.7, -0.5])
end_of_observation = rng.uniform(20, 120, 450)
y = np.column_stack([death <= end_of_observation, np.minimum(death, end_of_observation)])
learned, held_out = slice(0, 300), slice(300, None)

model = SETSurvivalAnalysis(random_state=0).fit(X[learned], y[learned])
print(f"censored: {1 - y[learned, 0].mean():.0%}")
print(f"concordance of the held-out patients: {model.score(X[held_out], y[held_out]):.3f}")
print(f"genes that the network reads: {len(model.selected_features_)}")

# %%
# High and low risk is what lies above and below the median of the predicted risks, which does not
# look at any time. The curves are those of Kaplan and Meier, with Greenwood's bands of 95 % on the
# scale of log(-log), and the log-rank test compares them.


def kaplan_meier(event, time):
    """Times of events, survival, and the ends of its band."""
    times = np.unique(time[event])
    at_risk = (time >= times[:, None]).sum(axis=1)
    died = ((time == times[:, None]) & event).sum(axis=1)
    keep = at_risk > died  # the last one at risk leaves nothing to compare
    times, at_risk, died = times[keep], at_risk[keep], died[keep]
    survival = np.cumprod(1 - died / at_risk)
    error = np.sqrt(np.cumsum(died / (at_risk * (at_risk - died)))) / -np.log(survival)
    return times, survival, *(survival ** np.exp(z * error) for z in (1.96, -1.96))


def log_rank(event, time, group):
    """p of the hypothesis that both groups have the same hazard."""
    times = np.unique(time[event])
    n = (time >= times[:, None]).sum(axis=1)
    n_1 = ((time >= times[:, None]) & group).sum(axis=1)
    d = ((time == times[:, None]) & event).sum(axis=1)
    d_1 = ((time == times[:, None]) & event & group).sum(axis=1)
    variance = d * (n_1 / n) * (1 - n_1 / n) * (n - d) / np.maximum(n - 1, 1)
    return chi2.sf((d_1 - d * n_1 / n).sum() ** 2 / variance.sum(), 1)


event, time = y[held_out, 0] > 0, y[held_out, 1]
risk = model.predict(X[held_out])
high = risk > np.median(risk)
p = log_rank(event, time, high)

fig, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
curves = model.predict_survival_function(X[held_out], return_array=True)
for group, color, name in ((high, "C3", "high risk"), (~high, "C0", "low risk")):
    times, survival, low, up = kaplan_meier(event[group], time[group])
    ax.step(np.r_[0, times], np.r_[1, survival], where="post", color=color,
            label=f"{name}, {group.sum()} patients")  # fmt: skip
    ax.fill_between(times, low, up, step="post", color=color, alpha=0.15, lw=0)
    ax.plot(model.unique_times_, curves[group].mean(axis=0), color=color, ls="--", lw=1)
ax.set(
    xlabel="Months", ylabel="Share alive", ylim=(0, 1.02), title=f"Held-out patients: p = {p:.1g}"
)
ax.legend()
plt.show()

# %%
# Dashed: the mean of the curves that the model predicts for the patients of a group. From 300
# patients and 2,000 genes the network is too sure of itself: its curves lie further apart than
# those of what happened. Its order of the patients is worth more than its probabilities.
#
# A curve for each patient is a step function of time. The three patients of the lowest, median and
# highest risk:

order = np.argsort(risk)
chosen = order[[0, len(order) // 2, -1]]
months = np.linspace(0, 60, 121)
fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
for i, curve in zip(chosen, model.predict_survival_function(X[held_out][chosen])):
    what = f"died in month {time[i]:.0f}" if event[i] else f"alive in month {time[i]:.0f}"
    ax.plot(months, curve(months), label=f"risk {risk[i]:+.1f}, {what}")
ax.set(xlabel="Months", ylabel="Predicted probability to live", ylim=(0, 1.02))
ax.legend()
plt.show()
