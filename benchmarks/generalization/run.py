"""Compare the estimators at their defaults with conventional models.

    python benchmarks/generalization/run.py --data-home DATA [--splits N] [--n-jobs N]
        [--datasets NAME ...] [--models NAME ...]
    python benchmarks/generalization/page.py

Every model learns from the same stratified two thirds of a dataset and is judged
on the rest, as it is when `fit` returns. One row for each dataset, split and
model goes into a CSV file; rows that are there already are not computed again.
Models run on one thread each; `--n-jobs` counts processes.
"""

from __future__ import annotations

import argparse
import csv
import warnings
from pathlib import Path
from time import process_time

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse
from sklearn import datasets as bundled
from sklearn.base import is_classifier
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import Lasso, LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC
from threadpoolctl import threadpool_limits

import sklearn_set
from sklearn_set.datasets import fetch_asu

WORD_COUNTS = ("BASEHOCK", "PCMAC", "RELATHE")
ASU = ("lung_small", "Yale", "GLIOMA", "leukemia", "madelon", "COIL20", "Isolet", *WORD_COUNTS)
BUNDLED = ("digits", "breast_cancer", "wine", "iris")
REGRESSION = ("diabetes", "sparse_linear", "friedman_wide")
FIELDS = ("dataset", "split", "model", "score", "log_loss", "fit_seconds")

OURS = {
    "SparseMLP": "SparseMLPClassifier",
    "SET": "SETClassifier",
    "NPSET": "NPSETClassifier",
}
CLASSIFIERS = {
    "LogisticRegression": lambda seed: LogisticRegression(max_iter=1000),
    "LinearSVC": lambda seed: LinearSVC(random_state=seed),
    "SVC": lambda seed: SVC(),
    "5-NN": lambda seed: KNeighborsClassifier(),
    "RandomForest(500)": lambda seed: RandomForestClassifier(500, random_state=seed, n_jobs=1),
    "MLP": lambda seed: MLPClassifier(random_state=seed),
    "MLP(300, 300)": lambda seed: MLPClassifier((300, 300), random_state=seed),
    "HistGradientBoosting": lambda seed: HistGradientBoostingClassifier(random_state=seed),
}
REGRESSORS = {
    "Ridge": lambda seed: Ridge(),
    "Lasso": lambda seed: Lasso(),
    "SVR": lambda seed: SVR(),
    "RandomForest(500)": lambda seed: RandomForestRegressor(500, random_state=seed, n_jobs=1),
    "MLP": lambda seed: MLPRegressor(random_state=seed),
    "MLP(300, 300)": lambda seed: MLPRegressor(hidden_layer_sizes=(300, 300), random_state=seed),
}
SCALED_TARGETS = ("SVR", "MLP", "MLP(300, 300)")


def load(name: str, data_home: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Samples and targets of a dataset; synthetic ones are drawn with a fixed seed."""
    if name == "sparse_linear":
        return bundled.make_regression(200, 2000, n_informative=20, noise=50, random_state=0)
    if name == "friedman_wide":
        return bundled.make_friedman1(300, 500, noise=1.0, random_state=0)
    if name in (*BUNDLED, "diabetes"):
        return getattr(bundled, f"load_{name}")(return_X_y=True)
    X, y = fetch_asu(
        name, data_home=data_home, download_if_missing=data_home is None, return_X_y=True
    )
    return X.toarray() if sparse.issparse(X) else X, y


def scaling(dataset: str):
    return FunctionTransformer(np.log1p) if dataset in WORD_COUNTS else StandardScaler()


def make_model(name: str, dataset: str, seed: int):
    """A model at its defaults behind the scaling of the dataset's inputs."""
    regression = dataset in REGRESSION
    if name in OURS:
        kind = OURS[name].replace("Classifier", "Regressor") if regression else OURS[name]
        model = getattr(sklearn_set, kind)(random_state=seed, n_jobs=1)
    else:
        model = (REGRESSORS if regression else CLASSIFIERS)[name](seed)
        if regression and name in SCALED_TARGETS:  # they depend on the unit of the target
            model = TransformedTargetRegressor(model, transformer=StandardScaler())
    return make_pipeline(scaling(dataset), model)


def split_rows(X, y, split: int, regression: bool):
    splitter = ShuffleSplit if regression else StratifiedShuffleSplit
    return next(splitter(1, test_size=1 / 3, random_state=split).split(X, y))


def evaluate(name: str, model, X, y, train, test) -> tuple[float, float, float]:
    """Score and log-loss on the test rows, and processor seconds of fitting."""
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        began = process_time()
        model.fit(X[train], y[train])
        seconds = process_time() - began
        predicted = model.predict(X[test])
        if not is_classifier(model):
            return r2_score(y[test], predicted), np.nan, seconds
        loss = np.nan
        if hasattr(model, "predict_proba"):
            probabilities = np.asarray(model.predict_proba(X[test]), dtype=np.float64)
            probabilities /= probabilities.sum(axis=1, keepdims=True)
            loss = log_loss(y[test], probabilities, labels=model.classes_)
        return accuracy_score(y[test], predicted), loss, seconds


def run_split(dataset: str, split: int, names: list[str], data_home: str | None) -> list[dict]:
    X, y = load(dataset, data_home)
    X = np.ascontiguousarray(X, dtype=np.float32)
    train, test = split_rows(X, y, split, dataset in REGRESSION)
    rows = []
    for name in names:
        result = evaluate(name, make_model(name, dataset, split), X, y, train, test)
        values = (dataset, split, name, *(f"{value:.5g}" for value in result))
        rows.append(dict(zip(FIELDS, values)))
    return rows


def wanted_splits(dataset: str, n_rows: int, limit: int | None) -> range:
    n_splits = 20 if n_rows < 300 or dataset in REGRESSION else 5
    return range(n_splits if limit is None else min(limit, n_splits))


def main() -> None:
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-home", help="folder with the .mat files; default: download them")
    parser.add_argument("--splits", type=int, help="at most so many splits of a dataset")
    parser.add_argument("--n-jobs", type=int, default=1, help="processes")
    parser.add_argument("--datasets", nargs="+", default=[*ASU, *BUNDLED, *REGRESSION])
    parser.add_argument("--models", nargs="+", default=[*OURS, *CLASSIFIERS, *REGRESSORS])
    parser.add_argument("--output", type=Path, default=here / "results.csv")
    options = parser.parse_args()

    done = set()
    if options.output.exists():
        with options.output.open(newline="") as file:
            done = {(r["dataset"], r["split"], r["model"]) for r in csv.DictReader(file)}
    tasks = []
    for dataset in options.datasets:
        n_rows = len(load(dataset, options.data_home)[1])
        known = [*OURS, *(REGRESSORS if dataset in REGRESSION else CLASSIFIERS)]
        for split in wanted_splits(dataset, n_rows, options.splits):
            for name in known:
                if name in options.models and (dataset, str(split), name) not in done:
                    tasks.append((dataset, split, [name], options.data_home))
    parallel = Parallel(n_jobs=options.n_jobs, return_as="generator_unordered")
    new = not options.output.exists()
    with options.output.open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        if new:
            writer.writeheader()
        for rows in parallel(delayed(run_split)(*task) for task in tasks):
            writer.writerows(rows)
            file.flush()
            print(*rows[0].values(), flush=True)


if __name__ == "__main__":
    main()
