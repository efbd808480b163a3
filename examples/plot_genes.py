"""
Which genes: selection that holds in other samples
==================================================

A list of genes that comes from 240 patients may look quite different with 240 others.
:class:`~sklearn_set.StabilitySelector` looks at many halves of the patients, keeps the genes that
are among the best on most of them, and bounds how many false ones to expect.

The data are simulated, so that the truth is known: 1,000 genes in pathways of 10, whose genes are
correlated, and a disease that depends on one gene of each of the first six pathways.
"""

# %%
# The data
# --------

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.feature_selection import f_classif

from sklearn_set import SETFeatureSelector, StabilitySelector
from sklearn_set.inspection import StabilityDisplay

rng = np.random.default_rng(3)
relevant = ("TP", "EGF", "MYC", "RAS", "KIT", "PTE")
pathways = [*relevant, *(f"N{number}-" for number in range(94))]
names = np.array([f"{pathway}{gene}" for pathway in pathways for gene in range(10)])


def patients(number):
    shared = rng.normal(size=(number, 100)).repeat(10, axis=1)
    genes = 0.6 * shared + 0.8 * rng.normal(size=(number, 1000))
    risk = genes[:, :60:10] @ [1, 1, -1, 1, -1, 1]
    return pd.DataFrame(genes, columns=names), risk + 0.5 * rng.normal(size=number) > 0


X, ill = patients(240)
print(f"{len(X)} patients, {X.shape[1]} genes, {ill.sum()} ill")

# %%
# Two lists from two samples
# --------------------------
# The twelve best genes of 240 patients, and of 240 others: how many are on both lists, and how
# many belong to the six pathways?

others, others_ill = patients(240)


def by_f_test(X, y):
    return names[np.argsort(-f_classif(X, y)[0])[:12]]


def by_selector(X, y):
    return SETFeatureSelector(12, random_state=0).fit(X, y).get_feature_names_out()


def n_relevant(genes):
    return sum(gene.startswith(relevant) for gene in genes)


for name, choose in (("F test", by_f_test), ("SETFeatureSelector", by_selector)):
    first, second = choose(X, ill), choose(others, others_ill)
    print(
        f"{name:20} {len(set(first) & set(second))} of 12 on both lists, "
        f"{n_relevant(first)} and {n_relevant(second)} of the six pathways"
    )

# %%
# Genes that are found time and again
# -----------------------------------
# Half of the patients at a time. The number of genes taken on each half follows from the bound: at
# most one false gene is to be expected among those that are taken on four fifths of the halves.

stable = StabilitySelector(max_false=1, n_pairs=30, random_state=0).fit(X, ill)
print(
    f"{stable.n_features_per_fit_} genes on each half, frequency of {stable.threshold_:.2f} or "
    f"more, at most {stable.expected_false_:.2f} false genes expected"
)
print("selected:", *stable.get_feature_names_out())

# %%
# Left: how often each gene is taken, by how many are taken on each half. The selected ones (blue)
# stand out whatever the number. Right: the first places. Only what is right of the line is
# selected; the other genes of the pathways are found on some halves, in place of the one that
# matters.

StabilityDisplay.from_estimator(stable)
plt.show()

# %%
# Pathways
# --------
# Correlated genes share their frequency. If pathways are known, they can be selected as a whole:
# the columns of a group are kept or left together, and groups are counted.

groups = np.arange(1000) // 10
by_pathway = StabilitySelector(groups=groups, max_false=1, n_pairs=30, random_state=0)
by_pathway.fit(X, ill)
print(f"{by_pathway.n_features_per_fit_} of 100 pathways on each half")
frequency = by_pathway.frequencies_[::10]
top = np.argsort(by_pathway.ranking_[::10])[:12][::-1]

fig, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
colors = ["C0" if pathways[place] in relevant else "0.75" for place in top]
ax.barh(np.arange(len(top)), frequency[top], color=colors)
ax.axvline(by_pathway.threshold_, color="0.3", ls="--", lw=1)
ax.set_yticks(np.arange(len(top)), [pathways[place].rstrip("-") for place in top])
ax.set(xlim=(0, 1), xlabel="Share of halves (blue: the six pathways; line: threshold)")
ax.spines[["top", "right"]].set_visible(False)
plt.show()
