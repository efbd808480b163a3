"""Compare the estimators at their defaults with conventional models.

    python benchmarks generalization --data-home ASU --wide-home WIDE [--n-jobs N]
        [--datasets NAME ...] [--models NAME ...] [--output FILE] [--label TEXT]
    python benchmarks pages generalization

Every model learns from the same two thirds of a table and is judged on the rest,
as it is when `fit` returns. One row for each table, split and model goes into a
CSV file; rows that are there already are not computed again. Models run on one
thread each; `--n-jobs` counts processes. Seconds are those of the processor.

Owns: the order of the tasks, the measures and the file of results. May not
touch: what the tables and models are (`tables`, `models`).
"""

from __future__ import annotations

import argparse
import csv
import warnings
from importlib.util import find_spec
from pathlib import Path
from time import process_time

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import is_classifier
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss, r2_score
from threadpoolctl import threadpool_limits

from .models import CLASSIFIERS, ELSEWHERE, OURS, REGRESSORS, SPLITS, make_model, models_for
from .tables import KINDS, load, names_of, split_rows

FIELDS = ("dataset", "kind", "split", "model", "score", "balanced_accuracy", "log_loss")
FIELDS = (*FIELDS, "fit_seconds", "predict_seconds")
N_SPLITS = 5


def evaluate(model, X, y, train, test) -> dict[str, float]:
    """Measures on the test rows, and processor seconds of fitting and predicting."""
    nan = float("nan")
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        began = process_time()
        model.fit(X[train], y[train])
        fitted = process_time()
        predicted = model.predict(X[test])
        seconds = {"fit_seconds": fitted - began, "predict_seconds": process_time() - fitted}
        if not is_classifier(model):
            score = r2_score(y[test], predicted)
            return {"score": score, "balanced_accuracy": nan, "log_loss": nan, **seconds}
        loss = nan
        if hasattr(model, "predict_proba"):
            probabilities = np.asarray(model.predict_proba(X[test]), dtype=np.float64)
            probabilities /= probabilities.sum(axis=1, keepdims=True)
            loss = log_loss(y[test], probabilities, labels=model.classes_)
        return {
            "score": accuracy_score(y[test], predicted),
            "balanced_accuracy": balanced_accuracy_score(y[test], predicted),
            "log_loss": loss,
            **seconds,
        }


def run_task(name: str, dataset: str, split: int, homes: tuple, label: str) -> dict[str, object]:
    table = load(dataset, *homes)
    train, test = split_rows(table, split)
    measures = evaluate(make_model(name, dataset, table, split), table.X, table.y, train, test)
    place = {"dataset": dataset, "kind": KINDS[dataset], "split": split, "model": name + label}
    return place | {key: f"{value:.5g}" for key, value in measures.items()}


def main() -> None:
    everything = list(dict.fromkeys([*CLASSIFIERS, *REGRESSORS, *OURS, *ELSEWHERE]))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-home", help="folder with the .mat files")
    parser.add_argument("--wide-home", help="folder with the .npz files")
    parser.add_argument("--n-jobs", type=int, default=1, help="processes")
    parser.add_argument("--datasets", nargs="+", help="default: all whose folder is given")
    parser.add_argument("--models", nargs="+", default=everything, choices=everything)
    parser.add_argument("--label", default="", help="text after the models' names in the results")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results.csv")
    options = parser.parse_args()
    homes = (options.data_home, options.wide_home)
    models = list(options.models)
    for name, (_, module) in ELSEWHERE.items():
        if name in models and find_spec(module) is None:
            print(f"{name} is left out: the package {module} is not installed")
            models.remove(name)

    done = set()
    if options.output.exists():
        with options.output.open(newline="") as file:
            done = {(r["dataset"], r["split"], r["model"]) for r in csv.DictReader(file)}
    datasets = options.datasets or names_of(*homes)
    fitting = {dataset: models_for(load(dataset, *homes)) for dataset in datasets}
    tasks = [
        (name, dataset, split, homes, options.label)
        for name in models
        for dataset in datasets
        for split in range(SPLITS.get(name, N_SPLITS))
        if name in fitting[dataset] and (dataset, str(split), name + options.label) not in done
    ]
    parallel = Parallel(n_jobs=options.n_jobs, return_as="generator_unordered")
    new = not options.output.exists()
    with options.output.open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        if new:
            writer.writeheader()
        for row in parallel(delayed(run_task)(*task) for task in tasks):
            writer.writerow(row)
            file.flush()
            print(*row.values(), flush=True)


if __name__ == "__main__":
    main()
