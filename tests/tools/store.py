"""Store small fitted estimators of this version, with what they predict.

    python tests/tools/store.py

writes tests/stored/VERSION.pickle.xz, which tests/test_stored.py loads in every later version. Run
it when a version is released; until then its file may be made anew.
"""

import lzma
import pickle
from pathlib import Path

import numpy as np
from sklearn.datasets import load_diabetes, load_iris

import sklearn_set
from sklearn_set import (
    DSRClassifier,
    InputConditioner,
    NPSETClassifier,
    NPSETRegressor,
    SETBernoulliRBM,
    SETClassifier,
    SETFeatureSelector,
    SETRegressor,
    SETSurvivalAnalysis,
)

STORED = Path(__file__).parents[1] / "stored"
METHODS = ("predict", "predict_proba", "transform", "predict_survival_function")


def answers(model, X):
    """What a fitted estimator says of X, by method."""
    said = {}
    for name in METHODS:
        if hasattr(model, name):
            more = {"return_array": True} if name == "predict_survival_function" else {}
            said[name] = np.asarray(getattr(model, name)(X, **more))
    return said


def fitted():
    """Small estimators of every family, and rows for each to speak of."""
    small = {"hidden_layer_sizes": (12,), "max_iter": 6, "random_state": 0}
    flowers, kinds = load_iris(return_X_y=True)
    patients, progress = load_diabetes(return_X_y=True)
    patients, progress = patients[:90], progress[:90]
    times = np.column_stack([progress > 100, progress])
    numbered = np.array(["setosa", "versicolor", "virginica"])[kinds]
    share = (flowers - flowers.min(axis=0)) / np.ptp(flowers, axis=0)
    yield SETClassifier(**small).fit(flowers, numbered), flowers[::10]
    yield NPSETClassifier(**small, beta=2, gamma=2, alpha=0.1).fit(flowers, kinds), flowers[::10]
    yield DSRClassifier(**small).fit(flowers, kinds), flowers[::10]
    yield SETRegressor(**small, conditioning=0.01).fit(patients, progress), patients[::10]
    yield NPSETRegressor(**small, beta=2, gamma=2).fit(patients, progress), patients[::10]
    yield SETSurvivalAnalysis(**small).fit(patients, times), patients[::10]
    yield SETBernoulliRBM(5, n_iter=3, random_state=0).fit(share), share[::10]
    yield SETFeatureSelector(2, random_state=0).fit(flowers, kinds), flowers[::10]
    yield InputConditioner().fit(patients, progress), patients[::10]


def main():
    found = [{"model": model, "X": X, "answers": answers(model, X)} for model, X in fitted()]
    path = STORED / f"{sklearn_set.__version__}.pickle.xz"
    path.write_bytes(lzma.compress(pickle.dumps(found)))
    print(f"{path}: {len(found)} estimators, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
