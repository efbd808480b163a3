"""Compare the methods of the family; write doc/benchmarks/family.md and its figures.

    python benchmarks/family/run.py --data-home FOLDER

FOLDER holds the files of the ASU collection (`sklearn_set.datasets.fetch_asu`).
Each section's numbers go to results.json beside this file as soon as they are
there; --sections runs some of them again, --page only writes the page.
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.feature_selection import mutual_info_classif
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import BernoulliRBM
from sklearn.preprocessing import StandardScaler, minmax_scale
from sklearn.svm import SVC

from sklearn_set import (
    DSRClassifier,
    NPSETClassifier,
    SETBernoulliRBM,
    SETClassifier,
    SETFeatureSelector,
)
from sklearn_set.datasets import fetch_asu

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "doc" / "benchmarks"
RESULTS = HERE / "results.json"

COMMON = {
    "hidden_layer_sizes": (300, 300),
    "epsilon": 10,
    "max_iter": 80,
    "tol": 0.0,
    "n_iter_no_change": np.inf,
    "mixup": 0.0,
    "averaging": 0.0,
    "learning_rate_init": 0.001,
    "weight_decay": 0.01,
    "decay_rule": "l2",
    "dtype": "float32",
    "n_jobs": 1,
}
# name, constructor, what it adds to COMMON
METHODS = [
    ("static", SETClassifier, {"zeta": 0}),
    ("SET", SETClassifier, {}),
    ("SET, zeta falling", SETClassifier, {"zeta_schedule": "cosine"}),
    ("SET by sensitivity", SETClassifier, {"drop": "sensitivity"}),
    ("SET by path", SETClassifier, {"drop": "path"}),
    (
        "RigL",
        SETClassifier,
        {"grow": "gradient", "zeta_schedule": "cosine", "new_weights": "zero"},
    ),
    ("DSR", DSRClassifier, {"rewire_every": 5, "target_fraction": 0.02}),
    ("NPSET", NPSETClassifier, {}),
    ("NPSET, budget kept", NPSETClassifier, {"budget": "keep"}),
    (
        "importance pruning",
        NPSETClassifier,
        {"prune_by": "strength", "alpha": 0.2, "prune_every": 10},
    ),
]
DATASETS = ["Lung-discrete", "Yale", "GLIOMA", "Leukemia"]
N_SEEDS = 5


def arguments(cls, options) -> str:
    inside = ", ".join(
        f'{name}="{value}"' if isinstance(value, str) else f"{name}={value}"
        for name, value in options.items()
    )
    return f"{cls.__name__}({inside})"


def split(X, y, seed):
    """Two thirds to learn from, one to test; standardised by the first."""
    X, X_test, y, y_test = train_test_split(X, y, test_size=1 / 3, stratify=y, random_state=seed)
    scaler = StandardScaler().fit(X)
    return scaler.transform(X), scaler.transform(X_test), y, y_test


# ------------------------------------------------------------------ classifiers


def classifiers(fetch) -> list[dict]:
    rows = []
    for dataset in DATASETS:
        X, y = fetch(dataset)
        for name, cls, options in METHODS:
            for seed in range(N_SEEDS):
                A, B, a, b = split(X, y, seed)
                began = time.perf_counter()
                model = cls(**{**COMMON, **options}, random_state=seed).fit(A, a)
                history = model.history_
                rows.append(
                    {
                        "dataset": dataset,
                        "method": name,
                        "seed": seed,
                        "time": time.perf_counter() - began,
                        "accuracy": model.score(B, b),
                        "n_connections": model.n_connections_,
                        "hidden": list(model.hidden_layer_sizes_),
                        "grown": sum(history["n_grown"]),
                        "survived": sum(history["n_survived"]),
                    }
                )
            print(dataset, name, np.mean([r["accuracy"] for r in rows[-N_SEEDS:]]), flush=True)
    return rows


def dsr_course(weight_decay: float) -> dict:
    X, y = load_digits(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    model = DSRClassifier(
        (300, 300), epsilon=8, max_iter=120, rewire_every=20, tol=0.0, n_iter_no_change=np.inf,
        random_state=0, n_jobs=1, dtype="float32", mixup=0.0, averaging=0.0,
        learning_rate_init=0.001, weight_decay=weight_decay,
    ).fit(X[:1200], y[:1200])  # fmt: skip
    history = model.history_
    places = [64 * 300, 300 * 300, 300 * 10]
    return {
        "threshold": history["threshold"],
        "density": [
            [n / place for n in history[f"n_connections_{i}"]] for i, place in enumerate(places)
        ],
        "totals": sorted(set(history["n_connections"])),
        "dropped_per_rewiring": sum(history["n_dropped"]) / (38 * 120 / 20),
        "target": 0.01 * model.n_connections_,
        "accuracy": model.score(X[1200:], y[1200:]),
    }


# ------------------------------------------------------------------ machines


def degree_figures(degree) -> dict:
    """How far a sample of degrees is from a Poisson law, and from a power law's tail."""
    degree = np.asarray(degree)
    values = np.arange(degree.max() + 1)
    empirical = np.searchsorted(np.sort(degree), values, side="right") / len(degree)
    poisson = stats.poisson(degree.mean()).cdf(values)
    start = max(1, int(np.median(degree)))
    tail = degree[degree >= start]
    exponent = 1 + len(tail) / np.log(tail / (start - 0.5)).sum()
    support = np.arange(start, degree.max() + 1)
    law = 1 - ((support + 0.5) / (start - 0.5)) ** (1 - exponent)
    seen = np.searchsorted(np.sort(tail), support, side="right") / len(tail)
    return {
        "mean": degree.mean(),
        "largest": int(degree.max()),
        "dispersion": degree.var() / degree.mean(),
        "ks_poisson": np.abs(empirical - poisson).max(),
        "exponent": exponent,
        "ks_power_tail": np.abs(seen - law).max(),
        "degree": degree.tolist(),
    }


def reconstruction_error(model, X) -> float:
    """Mean squared error of the features given the hidden units' probabilities."""
    W = model.components_
    back = model.transform(X) @ (W.toarray() if hasattr(W, "toarray") else W)
    back = 1 / (1 + np.exp(-(back + model.intercept_visible_)))
    return float(np.mean((back - X) ** 2))


def machines(fetch) -> list[dict]:
    digits = load_digits(return_X_y=True)
    coil = fetch("COIL20")
    rows = []
    for dataset, (X, y), n_iter in (("digits", digits, 30), ("COIL20", coil, 15)):
        X = minmax_scale(X)
        for seed in range(3):
            A, B, a, b = train_test_split(X, y, test_size=1 / 3, stratify=y, random_state=seed)
            for name, model in (
                ("BernoulliRBM", BernoulliRBM(200, learning_rate=0.1, n_iter=n_iter)),
                ("BernoulliRBM, rate 0.01", BernoulliRBM(200, learning_rate=0.01, n_iter=n_iter)),
                ("SETBernoulliRBM", SETBernoulliRBM(200, n_iter=n_iter)),
                ("SETBernoulliRBM, static", SETBernoulliRBM(200, n_iter=n_iter, zeta=0)),
            ):
                began = time.perf_counter()
                model.set_params(random_state=seed).fit(A)
                seconds = time.perf_counter() - began
                head = LogisticRegression(C=10, max_iter=1000).fit(model.transform(A), a)
                sparse_weights = hasattr(model, "n_connections_")
                rows.append(
                    {
                        "dataset": dataset,
                        "method": name,
                        "seed": seed,
                        "accuracy": head.score(model.transform(B), b),
                        "error": reconstruction_error(model, B),
                        "pseudo_likelihood": float(np.mean(model.score_samples(B))),
                        "time": seconds,
                        "weights": model.n_connections_
                        if sparse_weights
                        else model.components_.size,
                    }
                )
                print({k: v for k, v in rows[-1].items() if k != "seed"}, flush=True)
    return rows


def machine_degrees() -> dict:
    X = minmax_scale(load_digits().data)
    start = SETBernoulliRBM(500, n_iter=1, random_state=0).fit(X)
    end = SETBernoulliRBM(500, n_iter=60, random_state=0).fit(X)
    return {
        f"{side}, {when}": degree_figures(np.bincount(places, minlength=size))
        for when, model in (("start", start), ("end", end))
        for side, places, size in (
            ("hidden", np.repeat(np.arange(500), np.diff(model.components_.indptr)), 500),
            ("visible", model.components_.indices, 64),
        )
    }


# ------------------------------------------------------------------ feature selection


def l1_scores(X, y):
    """Largest |coefficient| of a feature in one-versus-rest L1 logistic regressions."""
    scores = [
        np.abs(LogisticRegression(C=1.0, l1_ratio=1, solver="liblinear").fit(X, y == c).coef_[0])
        for c in np.unique(y)
    ]
    return np.max(scores, axis=0)


def selectors(seed):
    set_classifier = {**COMMON, "max_iter": 80, "random_state": seed}
    return [
        ("SETFeatureSelector", lambda X, y: SETFeatureSelector(
            1, batch_size=100 if len(X) > 500 else 10, n_jobs=1, random_state=seed
        ).fit(X).scores_),
        ("SETClassifier", lambda X, y: SETClassifier(**set_classifier).fit(X, y)
            .feature_importances_),
        ("mutual information", lambda X, y: mutual_info_classif(X, y, random_state=seed)),
        ("random forest", lambda X, y: RandomForestClassifier(200, random_state=seed).fit(X, y)
            .feature_importances_),
        ("L1 logistic regression", l1_scores),
        ("random", lambda X, y: np.random.default_rng(seed).random(X.shape[1])),
    ]  # fmt: skip


def feature_selection(fetch) -> list[dict]:
    rows = []
    for dataset, n_selected in (("madelon", 20), ("GLIOMA", 50), ("Leukemia", 50)):
        X, y = fetch(dataset)
        for seed in range(3):
            A, B, a, b = split(X, y, seed)
            for name, scores_of in selectors(seed):
                began = time.perf_counter()
                scores = scores_of(A, a)
                row = {"dataset": dataset, "method": name, "seed": seed}
                row["time"] = time.perf_counter() - began
                best = np.argsort(-scores, kind="stable")[:n_selected]
                if dataset == "madelon":
                    row["hits"] = len(set(best) & set(related_features(X)))
                for judge, model in (
                    ("ExtraTrees", ExtraTreesClassifier(100, random_state=seed)),
                    ("SVC", SVC()),
                ):
                    row[judge] = model.fit(A[:, best], a).score(B[:, best], b)
                rows.append(row)
                print(row, flush=True)
    return rows


def related_features(X):
    """The 20 features of madelon that know of one another."""
    correlation = np.abs(np.corrcoef(X.T))
    np.fill_diagonal(correlation, 0)
    return np.argsort(-correlation.max(axis=0))[:20]


# ------------------------------------------------------------------ page

RULES = [
    ("SET", "`SETClassifier()`", "Mocanu et al. 2018", "every epoch, not after the last",
     "`zeta` of each sign, nearest to 0", "–", "same layer", "random",
     "±¼·He limit (paper: normal)"),
    ("SET by sensitivity", '`SETClassifier(drop="sensitivity")`', "our own definition", "as SET",
     "smallest Σ\\|w·∂L/∂w\\|", "–", "same layer", "random", "as SET"),
    ("SET by path", '`SETClassifier(drop="path")`', "our own definition", "as SET",
     "smallest \\|w\\|·paths in·paths out", "–", "same layer", "random", "as SET"),
    ("RigL", '`SETClassifier(grow="gradient", zeta_schedule="cosine", new_weights="zero")`',
     "Evci et al. 2020", "`evolve_every` epochs, cosine", "as SET (RigL: \\|w\\|)", "–",
     "same layer", "largest \\|∂L/∂w\\|", "0"),
    ("NPSET", "`NPSETClassifier()`", "Liu et al. 2019", "SET; pruning in epochs β…β+γ", "as SET",
     "fewest outputs, floor(αn)", "same layer, shrinks", "random", "as SET"),
    ("NPSET, budget kept", '`NPSETClassifier(budget="keep")`', "–", "as NPSET", "as SET",
     "as NPSET", "same layer, kept", "random", "as SET"),
    ("importance pruning", '`NPSETClassifier(prune_by="strength", alpha=0.2, prune_every=10)`',
     "after Curci et al. 2021", "as NPSET, every 10th epoch", "as SET", "smallest input strength",
     "same layer, shrinks", "random", "as SET"),
    ("pruning of inputs", '`SparseMLPClassifier(prune_layers=("input",))`', "our own",
     "as NPSET, `beta=10`, `gamma=70`", "as SET", "smallest input strength, summed over the epochs",
     "same layer, kept", "random", "as SET"),
    ("DSR", "`DSRClassifier()`", "Mostafa and Wang 2019", "every `rewire_every` steps",
     "\\|w\\| < one threshold, which adapts", "–", "∝ survivors, overflow re-offered",
     "random, not at places just emptied", "0"),
    ("SET-RBM", "`SETBernoulliRBM()`", "Mocanu et al. 2018", "every epoch", "as SET", "–",
     "same layer", "random", "as SET"),
    ("QuickSelection", "`SETFeatureSelector()`", "Atashgahi et al. 2021", "every epoch", "as SET",
     "–", "same layer", "random", "as SET"),
    ("static", "`SETClassifier(zeta=0)`", "–", "–", "–", "–", "–", "–", "–"),
]  # fmt: skip


def table(header, rows) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def mean_of(rows, key, form="{:.3f}", spread=True) -> str:
    values = [row[key] for row in rows if key in row]
    if not values:
        return ""
    text = form.format(np.mean(values))
    return text + (" ± " + form.format(np.std(values)) if spread else "")


def grouped(rows, *keys):
    groups: dict[tuple, list] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return groups


def classifier_section(results) -> str:
    rows = results["classifiers"]
    lines = []
    for (name,), group in grouped(rows, "method").items():
        by_dataset = grouped(group, "dataset")
        grown = sum(row["grown"] for row in group)
        lines.append(
            [
                name,
                *(mean_of(by_dataset[(d,)], "accuracy") for d in DATASETS),
                mean_of(group, "accuracy", spread=False),
                mean_of(by_dataset[("Leukemia",)], "n_connections", "{:,.0f}", spread=False),
                f"{sum(row['survived'] for row in group) / grown:.0%}" if grown else "–",
                mean_of(by_dataset[("Leukemia",)], "time", "{:.2f} s", spread=False),
            ]
        )
    header = ["method", *DATASETS, "mean", "connections (Leukemia)", "newborn that survived",
              "time (Leukemia)"]  # fmt: skip
    return table(header, lines)


def rbm_section(results) -> str:
    lines = [
        [
            *key,
            mean_of(group, "accuracy"),
            mean_of(group, "error", "{:.4f}", spread=False),
            mean_of(group, "pseudo_likelihood", "{:.1f}", spread=False),
            mean_of(group, "weights", "{:,.0f}", spread=False),
            mean_of(group, "time", "{:.1f} s", spread=False),
        ]
        for key, group in grouped(results["machines"], "dataset", "method").items()
    ]
    header = ["dataset", "machine", "accuracy", "squared error", "log pseudo-likelihood",
              "weights", "time of fit"]  # fmt: skip
    return table(header, lines)


def degree_section(results) -> str:
    lines = [
        [name, f"{d['mean']:.1f}", d["largest"], f"{d['dispersion']:.2f}",
         f"{d['ks_poisson']:.3f}", f"{d['ks_power_tail']:.3f}", f"{d['exponent']:.2f}"]
        for name, d in results["machine_degrees"].items()
    ]  # fmt: skip
    header = ["units", "mean degree", "largest", "variance / mean", "KS to Poisson",
              "KS of the upper half to a power law", "its exponent"]  # fmt: skip
    return table(header, lines)


def selection_section(results) -> str:
    lines = [
        [
            *key,
            mean_of(group, "hits", "{:.1f}", spread=False),
            mean_of(group, "ExtraTrees"),
            mean_of(group, "SVC"),
            mean_of(group, "time", "{:.1f} s", spread=False),
        ]
        for key, group in grouped(results["feature_selection"], "dataset", "method").items()
    ]
    header = ["dataset", "scores from", "related features among the first 20", "ExtraTrees",
              "SVC", "time"]  # fmt: skip
    return table(header, lines)


def figures(results) -> None:
    course, undecayed = results["dsr_course"]
    _, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    for name, values in (("weight_decay=0.01", course), ("weight_decay=0", undecayed)):
        left.semilogy(values["threshold"], drawstyle="steps-post", base=2, label=name)
    left.legend()
    left.set(xlabel="epoch", ylabel="threshold", title="DSR: the threshold")
    for i, density in enumerate(course["density"]):
        right.plot(np.array(density) / density[0], label=f"layer {i} ({density[0]:.0%} at first)")
    right.set(
        xlabel="epoch", ylabel="density / first density", title="DSR: the layers, weight_decay=0.01"
    )
    right.legend()
    plt.savefig(PAGE / "family_dsr.png", dpi=110)
    plt.close()

    _, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    for axis, side in zip(axes, ("hidden", "visible")):
        for when, marker in (("start", "o"), ("end", "s")):
            degree = np.sort(results["machine_degrees"][f"{side}, {when}"]["degree"])
            share = 1 - np.arange(len(degree)) / len(degree)
            axis.plot(degree, share, marker, ms=3, label=when)
        mean = np.mean(degree)
        values = np.arange(1, degree.max() + 1)
        axis.plot(values, stats.poisson(mean).sf(values - 1), "k:", label="Poisson")
        axis.set(xscale="log", yscale="log", ylim=(0.7 / len(degree), 1.3), xlabel="degree",
                 ylabel="share of units with this degree or more",
                 title=f"SET-RBM: {side} units")  # fmt: skip
        axis.legend()
    plt.savefig(PAGE / "family_degrees.png", dpi=110)
    plt.close()


def page(results) -> str:
    course, undecayed = results["dsr_course"]
    header = ["method", "call", "source", "schedule", "drop", "prune", "redistribute", "grow",
              "new value"]  # fmt: skip
    calls = "\n".join(f"- {n}: `{arguments(c, o)}`" for n, c, o in METHODS)
    return f"""# The family: one composition, measured

Written by `python benchmarks/family/run.py --data-home FOLDER`.

## Which parts make which method

{table(header, RULES)}

The state of the optimizer moves with the connections that stay; a new connection
starts with zeros, in every method. The two rules of "Efficient Sparse Artificial
Neural Networks" (Naji et al. 2021) could not be read in full; "sensitivity" and
"path" are definitions of our own in that spirit. Importance pruning in the source
empties neurons and leaves them in place; here they are removed.

## Classifiers

Accuracy on a third of the samples, mean ± standard deviation over {N_SEEDS} seeds (split,
weights and evolution); the test samples number 17 to 55, so that one of them is 2 to 6
points, and differences of that size mean nothing. All methods: two hidden layers of 300
neurons, `epsilon=10`, 80 epochs of Adam (rate 0.001, L2 of 0.01), standardised
features, the last epoch's model. Mixup and averaging, which the constructors use by default,
are off, so that the rules are compared alone; all else as in the constructors' defaults. Times
are those of one core of a machine that others used too.

{classifier_section(results)}

No rule stands out. The best and the worst that keep their connections are five points apart, about
a standard deviation, and much of that is chance: SET with other random signs of its new weights
had a mean of 0.834 in place of 0.801. NPSET and importance pruning end with a quarter to a third of
the connections; NPSET that keeps its budget is the best row here, and no more than that.

"newborn that survived" is the share of grown connections that outlived the next rewiring.
Calls, without what is common to all:

{calls}

### DSR's threshold and layers

On digits (64-300-300-10, `epsilon=8`, a rewiring every 20 steps, 120 epochs): the number of
connections took the values {course["totals"]}; {course["dropped_per_rewiring"]:.0f}
connections went in a rewiring on average, {course["target"]:.0f} were wanted; the test
accuracy is {course["accuracy"]:.3f}. With weight decay the threshold follows the weights, which
go on shrinking; without ({undecayed["dropped_per_rewiring"]:.0f} connections a rewiring, accuracy
{undecayed["accuracy"]:.3f}) it settles at 1/16, with short dips.

![The threshold, and the densities of the layers](family_dsr.png)

## Restricted Boltzmann machines

200 hidden units, batches of 10, {"30 epochs on digits, 15 on COIL20"}; logistic regression
on the hidden probabilities; a third of the samples held out; mean of 3 seeds. The squared
error is that of one step to the hidden probabilities and back. `BernoulliRBM` estimates
the pseudo-likelihood from one feature a sample; both flip features that are not binary here.

{rbm_section(results)}

The evolving sparse machine is better than the dense one on every count here (no faster on
digits), with a fraction of the weights. On digits the static one is as good: there it is the
sparsity that helps, not the evolution.

### Degrees

A machine with 500 hidden units on digits, after 1 and after 60 epochs. Of a Poisson law,
variance / mean is 1. KS is the largest distance between distribution functions.

{degree_section(results)}

![Degrees of the units](family_degrees.png)

The degrees spread far beyond a Poisson law; a power law is not what they become in these
60 epochs (the source trains for thousands).

## Selection of features

Scores from the training two thirds, the best 20 (madelon) or 50 features, two classifiers on
them; mean of 3 seeds. `SETClassifier` is its `feature_importances_`, as
`SelectFromModel(SETClassifier())` uses them. Of madelon's 500 features 20 are related to one
another and to the target. With 33 or 48 training samples and thousands of features the
autoencoder's scores are no better than chance: it needs more samples than that.

{selection_section(results)}
"""


def as_plain(value):
    """For json: numbers of NumPy."""
    return value.item() if hasattr(value, "item") else str(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-home", help="folder with the files of the ASU collection")
    parser.add_argument("--sections", nargs="*", help="run only these again")
    parser.add_argument("--page", action="store_true", help="run nothing, write the page")
    options = parser.parse_args()

    def fetch(name):
        return fetch_asu(name, data_home=options.data_home, return_X_y=True)

    sections = {
        "dsr_course": lambda: [dsr_course(0.01), dsr_course(0.0)],
        "machine_degrees": machine_degrees,
        "classifiers": lambda: classifiers(fetch),
        "feature_selection": lambda: feature_selection(fetch),
        "machines": lambda: machines(fetch),
    }
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in () if options.page else options.sections or sections:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results[name] = sections[name]()
        RESULTS.write_text(json.dumps(results, default=as_plain))
    PAGE.mkdir(parents=True, exist_ok=True)
    figures(results)
    (PAGE / "family.md").write_text(page(results))


if __name__ == "__main__":
    main()
