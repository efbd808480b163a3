"""Accuracy against the number of connections, and what moves it.

    python benchmarks frontier --data-home ASU --wide-home WIDE [--splits N] [--parts NAME ...]
    python benchmarks pages frontier

Every network learns from the same two thirds of a table and is judged on the rest. One row for
each fit goes into a CSV file; rows that are there already are not computed again. One thread;
seconds are those of the processor.

Owns: the tables, the methods, their budgets and what is measured. May not touch: the page.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from common import Rows, quietly
from generalization.tables import load, split_rows
from sklearn.metrics import log_loss
from threadpoolctl import threadpool_limits

from sklearn_set import DSRClassifier, NPSETClassifier, SETClassifier
from sklearn_set.presets import ULTRA_SPARSE

RESULTS = Path(__file__).with_name("results.csv")
N_SPLITS = 5
TABLES = (
    "forages_nir", "mayonnaise_oil", "ucr_beef", "ucr_ham", "ucr_wine",
    "breast_tcga", "GLIOMA", "liver_toxicity_dose", "lung_small", "sorlie_breast", "stemcells",
    "metaml_cirrhosis", "mlrepo_kostic", "mlrepo_ravel_nugent_category", "throat_smoking",
    "mtbls404_sex", "st000369_lung",
    "musk1", "Yale", "ord_sonar", "parkinson_speech",
)  # fmt: skip
EPSILONS = (0.3, 1, 3, 10, 30, 100)
FULL = ("static", "SET")  # the others end at 30: at 100 most places are taken
DENSE = 1e5  # draws enough for every place
WIDTH = 300
PRESET = {name: value for name, value in ULTRA_SPARSE.items() if name != "epsilon"}
ONE = {"hidden_layer_sizes": (WIDTH,)}
FAST = {"learning_rate_init": PRESET["learning_rate_init"]}
STEEP = {"grow": "gradient", "zeta_schedule": "cosine"}
KEPT = {"budget": "keep"}
METHODS = {
    "static": (SETClassifier, {"zeta": 0}),
    "SET": (SETClassifier, {}),
    "growth by gradient": (SETClassifier, STEEP),
    "DSR": (DSRClassifier, {}),
    "a fifth of the inputs": (SETClassifier, {"select_inputs": 0.2}),
    "NPSET": (NPSETClassifier, {}),
    "NPSET, budget kept": (NPSETClassifier, KEPT),
}
#: What may move the frontier at ε = 1: from SET to the preset step by step, then variants of it.
STEPS = {
    "dead ends dropped": (SETClassifier, {"drop": "dead_ends"}),
    "dead ends dropped, growth by CH3-L3": (SETClassifier, {"drop": "dead_ends", "grow": "ch3"}),
    "larger steps": (SETClassifier, FAST),
    "one layer": (SETClassifier, ONE),
    "one layer, larger steps": (SETClassifier, ONE | FAST),
    "the same, budget kept": (NPSETClassifier, ONE | FAST | KEPT),
    "the same, growth by gradient": (SETClassifier, ONE | FAST | STEEP),
    "two layers, budget kept, growth by gradient": (NPSETClassifier, FAST | KEPT | STEEP),
}
VARIANTS = {
    "300 neurons": {"hidden_layer_sizes": (300,), "alpha": 0.11},
    "1,000 neurons": {"hidden_layer_sizes": (1000,), "alpha": 0.16},
    "no neuron leaves": {"alpha": 0},
    "they leave from epoch 10 to 50": {"alpha": 0.075, "beta": 10, "gamma": 40},
    "weak inputs leave and may return": {"drop": "weak_inputs"},
    "drop by sensitivity": {"drop": "sensitivity"},
    "evolving output layer": {"evolve_output": True},
    "half of the rate": {"learning_rate_init": PRESET["learning_rate_init"] / 2},
    "200 epochs": {"max_iter": 200},
    "the preset before": {"hidden_layer_sizes": (300,), "alpha": 0.04, "beta": 10, "gamma": 40,
                          "zeta_schedule": "cosine", "max_iter": 160},
}  # fmt: skip
#: Methods, widths of both layers, densities and tables.
WIDTHS = (
    (("static", "SET"), (100, 1000), EPSILONS[:-1], TABLES),
    (("static", "SET"), (3000,), EPSILONS[:-2], ("ucr_beef", "lung_small", "throat_smoking")),
)


def curves():
    for name, (cls, options) in METHODS.items():
        for epsilon in EPSILONS if name in FULL else EPSILONS[:-1]:
            yield name, WIDTH, epsilon, cls, options, TABLES
    for epsilon in EPSILONS[:-1]:
        yield "ULTRA_SPARSE", WIDTH, epsilon, NPSETClassifier, PRESET, TABLES
    yield "dense", WIDTH, DENSE, SETClassifier, {"zeta": 0}, TABLES


def widths():
    for names, sizes, epsilons, tables in WIDTHS:
        for name in names:
            for width in sizes:
                for epsilon in epsilons:
                    yield name, width, epsilon, *METHODS[name], tables


def moves():
    for name, (cls, options) in STEPS.items():
        yield name, WIDTH, 1, cls, options, TABLES
    for name, options in VARIANTS.items():
        yield f"… {name}", WIDTH, 1, NPSETClassifier, PRESET | options, TABLES
    yield "larger steps", WIDTH, 30, SETClassifier, FAST, TABLES


PARTS = {"curves": curves, "moves": moves, "widths": widths}


def measure(name, split, homes, cls, options):
    """Fit a network to a table's training rows and judge it on the others."""
    table = load(name, *homes)
    learn, judge = split_rows(table, split)
    began = time.process_time()
    model = cls(random_state=split, n_jobs=1, **options).fit(table.X[learn], table.y[learn])
    seconds = time.process_time() - began
    probabilities = model.predict_proba(table.X[judge]).astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    found = model.classes_[probabilities.argmax(axis=1)]
    return {
        "accuracy": f"{np.mean(found == table.y[judge]):.5g}",
        "log_loss": f"{log_loss(table.y[judge], probabilities, labels=model.classes_):.4g}",
        "connections": model.n_connections_,
        "seconds": f"{seconds:.3g}",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home", required=True, help="folder with the .mat files")
    parser.add_argument("--wide-home", required=True, help="folder with the .npz files")
    parser.add_argument("--splits", type=int, default=N_SPLITS)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    homes = (options.data_home, options.wide_home)
    rows = Rows(options.results, ("table", "split", "method", "width", "epsilon"))
    tasks = [task for part in options.parts for task in PARTS[part]()]
    for split in range(options.splits):
        for table in TABLES:
            for method, width, epsilon, cls, more, tables in tasks:
                task = {"table": table, "split": split, "method": method}
                task |= {"width": width, "epsilon": f"{epsilon:g}"}
                if table in tables and task not in rows:
                    sizes = {"hidden_layer_sizes": (width, width), "epsilon": epsilon}
                    with threadpool_limits(1):
                        found = quietly(measure, table, split, homes, cls, sizes | more)
                    rows.add([task | found])
