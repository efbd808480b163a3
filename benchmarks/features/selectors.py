"""The selectors of the comparison: each gives all columns, the best first.

Owns: which selectors there are, where the slow ones are run. May not touch: tables, measures.
"""

from __future__ import annotations

import collections
import collections.abc

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import f_classif, mutual_info_classif
from sklearn.linear_model import LogisticRegression

from sklearn_set import NPSETClassifier, SETClassifier, SETFeatureSelector


def best_first(scores) -> np.ndarray:
    return np.argsort(-np.nan_to_num(scores), kind="stable")


def ours(X, y, seed):
    return np.argsort(SETFeatureSelector(1, random_state=seed).fit(X, y).ranking_)


def one_elimination(X, y, seed):
    selector = SETFeatureSelector(1, n_subsamples=1, random_state=seed)
    return np.argsort(selector.fit(X, y).ranking_)


def strengths(cls):
    return lambda X, y, seed: best_first(
        cls(random_state=seed, n_jobs=1).fit(X, y).feature_importances_
    )


def lasso(X, y, seed):
    """L1 logistic regression, one class against the rest; coefficients added up."""
    classes = np.unique(y)
    total = 0
    for c in classes[1:] if len(classes) == 2 else classes:
        model = LogisticRegression(C=1.0, l1_ratio=1, solver="liblinear", random_state=seed)
        total = total + np.abs(model.fit(X, y == c).coef_[0])
    return best_first(total)


def forest(X, y, seed):
    return best_first(RandomForestClassifier(500, random_state=seed).fit(X, y).feature_importances_)


def relief(X, y, seed):
    from skrebate import ReliefF

    model = ReliefF(n_neighbors=min(10, np.unique(y, return_counts=True)[1].min() - 1), n_jobs=1)
    return best_first(model.fit(np.asarray(X, dtype=np.float64), y).feature_importances_)


def boruta(X, y, seed):
    from boruta import BorutaPy

    trees = RandomForestClassifier(max_depth=5, random_state=seed)
    model = BorutaPy(trees, n_estimators="auto", max_iter=20, random_state=seed).fit(X, y)
    ties = forest(X, y, seed)  # ranks are shared by many columns: the forest decides there
    place = np.empty(len(ties))
    place[ties] = np.arange(len(ties))
    return np.lexsort((place, model.ranking_))


def lassonet(X, y, seed):
    from lassonet import LassoNetClassifier

    model = LassoNetClassifier(
        hidden_dims=(min(100, X.shape[1] // 3),),
        M=10,
        random_state=seed,
        torch_seed=seed,
        verbose=0,
    )
    model.path(X.astype(np.float32), np.unique(y, return_inverse=True)[1])
    return best_first(model.feature_importances_.numpy())


def stochastic_gates(X, y, seed):
    """With the settings of its authors' example of classification, for 1,000 epochs."""
    import torch
    from stg import STG

    for name in ("Mapping", "Sequence", "Set"):  # stg 0.1.2 is of the time when they stood there
        setattr(collections, name, getattr(collections.abc, name))
    np.random.seed(seed)  # noqa: NPY002  (stg draws from it)
    torch.manual_seed(seed)
    codes = np.unique(y, return_inverse=True)[1]
    model = STG(
        task_type="classification",
        input_dim=X.shape[1],
        output_dim=codes.max() + 1,
        hidden_dims=[60, 20],
        activation="tanh",
        optimizer="SGD",
        learning_rate=0.1,
        batch_size=len(X),
        sigma=0.5,
        lam=0.5,
        device="cpu",
    )
    model.fit(np.asarray(X), codes, nr_epochs=1000, verbose=False, print_interval=1001)
    return best_first(model.get_gates(mode="raw"))


SELECTORS = {
    "SETFeatureSelector": ours,
    "one elimination": one_elimination,
    "SET, strengths": strengths(SETClassifier),
    "NPSET, strengths": strengths(NPSETClassifier),
    "F test": lambda X, y, seed: best_first(f_classif(X, y)[0]),
    "random forest": forest,
    "L1 logistic regression": lasso,
    "random columns": lambda X, y, seed: np.random.default_rng(seed).permutation(X.shape[1]),
    "mutual information": lambda X, y, seed: best_first(
        mutual_info_classif(X, y, random_state=seed)
    ),
    "ReliefF": relief,
    "Boruta": boruta,
    "LassoNet": lassonet,
    "STG": stochastic_gates,
}
#: Slow selectors are run on tables of so many values at most.
MOST_VALUES = {
    "ReliefF": 1.5e5,
    "Boruta": 1e5,
    "LassoNet": 4e4,
    "STG": 4e4,
}
#: On how many splits; the others on three.
FEW_SPLITS = {"LassoNet": 1, "STG": 1}
