"""Compare the methods of the family.

    python benchmarks family --data-home FOLDER
    python benchmarks pages family

FOLDER holds the files of the ASU collection (`sklearn_set.datasets.fetch_asu`). A fit's figures
go to results.json beside this file as soon as they are there; called again, the benchmark continues
where it stopped. To measure anew, name another file by --results.
"""

import time
from functools import cache
from pathlib import Path

import numpy as np
from common import quietly, read_results, run_sections, saved_rows
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

RESULTS = Path(__file__).with_name("results.json")

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
    ("SET by relative sensitivity", SETClassifier, {"drop": "relative_sensitivity"}),
    ("SET by path", SETClassifier, {"drop": "path"}),
    ("SET, growth by path", SETClassifier, {"grow": "path"}),
    ("SET, growth by CH3-L3", SETClassifier, {"grow": "ch3"}),
    ("Cannistraci-Hebb", SETClassifier, {"drop": "dead_ends", "grow": "ch3"}),
    (
        "RigL",
        SETClassifier,
        {"grow": "gradient", "zeta_schedule": "cosine", "new_weights": "zero"},
    ),
    (
        "after NeuroFS",
        SETClassifier,
        {"drop": "weak_inputs", "grow": "gradient", "zeta_schedule": "linear"},
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


@cache
def fetch(name, data_home):
    if name == "digits":
        return load_digits(return_X_y=True)
    return fetch_asu(name, data_home=data_home, return_X_y=True)


def tasks(datasets, methods, n_seeds):
    """One task for each data set, seed and method."""
    return [
        {"dataset": dataset, "method": name, "seed": seed}
        for dataset in datasets
        for seed in range(n_seeds)
        for name in methods
    ]


def once(section, measure):
    """A section that is measured in one go, unless it is there."""
    return lambda options: read_results(options.results).get(section) or measure()


def split(X, y, seed):
    """Two thirds to learn from, one to test; standardised by the first."""
    X, X_test, y, y_test = train_test_split(X, y, test_size=1 / 3, stratify=y, random_state=seed)
    scaler = StandardScaler().fit(X)
    return scaler.transform(X), scaler.transform(X_test), y, y_test


# ------------------------------------------------------------------ classifiers


def classifiers(options) -> list[dict]:
    def measure(dataset, method, seed):
        A, B, a, b = split(*fetch(dataset, options.data_home), seed)
        cls, parameters = found[method]
        began = time.perf_counter()
        model = cls(**{**COMMON, **parameters}, random_state=seed).fit(A, a)
        history = model.history_
        return {
            "time": time.perf_counter() - began,
            "accuracy": model.score(B, b),
            "n_connections": model.n_connections_,
            "hidden": list(model.hidden_layer_sizes_),
            "grown": sum(history["n_grown"]),
            "survived": sum(history["n_survived"]),
        }

    found = {name: (cls, parameters) for name, cls, parameters in METHODS}
    sizes = (DATASETS[:1], found, 1) if options.quick else (DATASETS, found, N_SEEDS)
    return saved_rows(options.results, "classifiers", tasks(*sizes), measure)


def dsr_courses() -> list[dict]:
    return [dsr_course(weight_decay) for weight_decay in (0.01, 0.0)]


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


MACHINES = {
    "BernoulliRBM": (BernoulliRBM, {"learning_rate": 0.1}),
    "BernoulliRBM, rate 0.01": (BernoulliRBM, {"learning_rate": 0.01}),
    "SETBernoulliRBM": (SETBernoulliRBM, {}),
    "SETBernoulliRBM, static": (SETBernoulliRBM, {"zeta": 0}),
}
MACHINE_EPOCHS = {"digits": 30, "COIL20": 15}


def machines(options) -> list[dict]:
    def measure(dataset, method, seed):
        X, y = fetch(dataset, options.data_home)
        A, B, a, b = train_test_split(
            minmax_scale(X), y, test_size=1 / 3, stratify=y, random_state=seed
        )
        cls, parameters = MACHINES[method]
        n_iter = 1 if options.quick else MACHINE_EPOCHS[dataset]
        model = cls(200, n_iter=n_iter, random_state=seed, **parameters)
        began = time.perf_counter()
        model.fit(A)
        seconds = time.perf_counter() - began
        head = LogisticRegression(C=10, max_iter=1000).fit(model.transform(A), a)
        is_sparse = hasattr(model, "n_connections_")
        return {
            "accuracy": head.score(model.transform(B), b),
            "error": reconstruction_error(model, B),
            "pseudo_likelihood": float(np.mean(model.score_samples(B))),
            "time": seconds,
            "weights": model.n_connections_ if is_sparse else model.components_.size,
        }

    sizes = (["digits"], MACHINES, 1) if options.quick else (MACHINE_EPOCHS, MACHINES, 3)
    return saved_rows(options.results, "machines", tasks(*sizes), measure)


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


#: Scores of the features, by a seed.
SELECTORS = {
    "SETFeatureSelector": lambda X, y, seed: SETFeatureSelector(
        1, batch_size=100 if len(X) > 500 else 10, n_jobs=1, random_state=seed
    ).fit(X).scores_,
    "SETClassifier": lambda X, y, seed: SETClassifier(**COMMON, random_state=seed)
        .fit(X, y).feature_importances_,
    "mutual information": lambda X, y, seed: mutual_info_classif(X, y, random_state=seed),
    "random forest": lambda X, y, seed: RandomForestClassifier(200, random_state=seed)
        .fit(X, y).feature_importances_,
    "L1 logistic regression": lambda X, y, seed: l1_scores(X, y),
    "random": lambda X, y, seed: np.random.default_rng(seed).random(X.shape[1]),
}  # fmt: skip
N_SELECTED = {"madelon": 20, "GLIOMA": 50, "Leukemia": 50}


def feature_selection(options) -> list[dict]:
    def measure(dataset, method, seed):
        X, y = fetch(dataset, options.data_home)
        A, B, a, b = split(X, y, seed)
        began = time.perf_counter()
        scores = SELECTORS[method](A, a, seed)
        row = {"time": time.perf_counter() - began}
        best = np.argsort(-scores, kind="stable")[: N_SELECTED[dataset]]
        if dataset == "madelon":
            row["hits"] = len(set(best) & set(related_features(X)))
        trees = ExtraTreesClassifier(100, random_state=seed)
        for judge, model in (("ExtraTrees", trees), ("SVC", SVC())):
            row[judge] = model.fit(A[:, best], a).score(B[:, best], b)
        return row

    sizes = (["GLIOMA"], SELECTORS, 1) if options.quick else (N_SELECTED, SELECTORS, 3)
    return saved_rows(options.results, "feature_selection", tasks(*sizes), measure)


def related_features(X):
    """The 20 features of madelon that know of one another."""
    correlation = np.abs(np.corrcoef(X.T))
    np.fill_diagonal(correlation, 0)
    return np.argsort(-correlation.max(axis=0))[:20]


SECTIONS = {
    "dsr_course": once("dsr_course", dsr_courses),
    "machine_degrees": once("machine_degrees", machine_degrees),
    "classifiers": classifiers,
    "feature_selection": feature_selection,
    "machines": machines,
}


def main():
    quietly(run_sections, __doc__, SECTIONS, RESULTS)
