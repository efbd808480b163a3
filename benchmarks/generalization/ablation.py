"""Take one thing at a time out of SETClassifier's defaults, evolving and static.

    python benchmarks generalization.ablation --data-home DATA

Only the training parts of the benchmark's splits are used: models learn from
three quarters of a training part (at most 160 rows) and are judged on the rest.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from common import Rows
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline

from sklearn_set import SETClassifier

from .run import evaluate, load, scaling, split_rows

N_TRAIN, N_TEST = 160, 400
DATASETS = [
    *("lung_small", "Yale", "GLIOMA", "leukemia", "COIL20", "Isolet"),
    *("PCMAC", "RELATHE", "BASEHOCK"),
]
RECIPES = {
    "default": {},
    "mixup 0": {"mixup": 0.0},
    "mixup 1": {"mixup": 1.0},
    "mixup_noise 0": {"mixup_noise": 0.0},
    "averaging 0": {"averaging": 0.0},
    "weight_decay 0": {"weight_decay": 0.0},
    "L2 of 0.01": {"weight_decay": 0.01, "decay_rule": "l2"},
    "learning_rate_init 0.001": {"learning_rate_init": 0.001},
    "epsilon 10": {"epsilon": 10},
    "200 epochs": {"max_iter": 200},
}


def inner_split(X, y, split: int):
    """Rows to learn from and to judge on, both from the training part of a split."""
    rows, _ = split_rows(X, y, split, regression=False)
    splitter = StratifiedShuffleSplit(1, test_size=0.25, random_state=1000 + split)
    train, test = next(splitter.split(X[rows], y[rows]))
    train = np.random.RandomState(split).permutation(rows[train])[:N_TRAIN]
    return train, rows[test][:N_TEST]


def main() -> None:
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-home")
    parser.add_argument("--splits", type=int, default=4)
    parser.add_argument("--datasets", nargs="+", default=DATASETS)
    parser.add_argument("--output", type=Path, default=here / "ablation.csv")
    options = parser.parse_args()
    results = Rows(options.output, ("recipe", "topology", "dataset", "split"))
    for split in range(options.splits):
        for dataset in options.datasets:
            X, y = load(dataset, options.data_home)
            X = np.ascontiguousarray(X, dtype=np.float32)
            rows = inner_split(X, y, split)
            for recipe, parameters in RECIPES.items():
                for topology, zeta in (("evolving", {}), ("static", {"zeta": 0.0})):
                    row = {"recipe": recipe, "topology": topology}
                    row |= {"dataset": dataset, "split": split}
                    if row in results:
                        continue
                    model = SETClassifier(random_state=split, n_jobs=1, **parameters, **zeta)
                    model = make_pipeline(scaling(dataset), model)
                    score, loss, _ = evaluate(recipe, model, X, y, *rows)
                    results.add([row | {"score": f"{score:.5g}", "log_loss": f"{loss:.5g}"}])
