"""The models of the comparison.

Owns: which models there are and how their inputs are scaled. May not touch:
tables beyond their names and sizes, measures.

Conventional models have scikit-learn's defaults where nothing else is written
here. They get the same numbers as 64-bit floats, since some of them solve systems
of equations that 32 bits are too few for; the dense networks keep 32 bits, as do
the models of this package and of other packages.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.cross_decomposition import PLSRegression
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import LassoCV, LogisticRegression, RidgeCV
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC

import sklearn_set

from .tables import WORD_COUNTS, Table


class ShrunkenDiscriminant(LinearDiscriminantAnalysis):
    """`LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")` for many columns.

    The shrunken covariance is a product of the centred rows plus a diagonal matrix.
    Where there are fewer rows than columns, its inverse comes from a matrix of rows
    (Woodbury): the same model without the matrix of all columns.
    """

    def fit(self, X, y):
        if len(X) >= X.shape[1]:
            return super().fit(X, y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.priors_ = np.bincount(codes) / len(X)
        self.means_ = np.array([X[codes == k].mean(axis=0) for k in range(len(self.classes_))])
        rows = np.empty(X.shape)
        diagonal = np.zeros(X.shape[1])
        for k, prior in enumerate(self.priors_):
            own = codes == k
            scaler = StandardScaler()
            scaled = scaler.fit_transform(X[own])
            shrinkage = ledoit_wolf_shrinkage(scaled)
            rows[own] = (X[own] - self.means_[k]) * np.sqrt((1 - shrinkage) * prior / own.sum())
            diagonal += prior * shrinkage * scaled.var(axis=0).mean() * scaler.scale_**2
        system = rows / diagonal @ rows.T
        system.flat[:: len(X) + 1] += 1
        means = self.means_ / diagonal
        inner = cho_solve(cho_factor(system), rows @ means.T)
        self.coef_ = means - inner.T @ rows / diagonal
        self.intercept_ = np.log(self.priors_) - 0.5 * (self.means_ * self.coef_).sum(axis=1)
        if len(self.classes_) == 2:
            self.coef_ = self.coef_[1:] - self.coef_[:1]
            self.intercept_ = self.intercept_[1:] - self.intercept_[:1]
        self.n_features_in_ = X.shape[1]
        return self


def catboost(regression: bool, seed: int) -> BaseEstimator:
    import catboost

    kind = catboost.CatBoostRegressor if regression else catboost.CatBoostClassifier
    return kind(random_seed=seed, thread_count=1, verbose=False, allow_writing_files=False)


def real_mlp(regression: bool, seed: int) -> BaseEstimator:
    import pytabkit

    kind = pytabkit.RealMLP_TD_Regressor if regression else pytabkit.RealMLP_TD_Classifier
    return kind(device="cpu", random_state=seed, n_threads=1)


def partial_least_squares(n_columns: int) -> BaseEstimator:
    grid = {"n_components": range(1, min(20, n_columns) + 1)}
    return GridSearchCV(PLSRegression(), grid, cv=5)


def smooth(n_columns: int) -> BaseEstimator:
    """A kernel that starts at the distance of two standardised rows."""
    return 1.0 * RBF(np.sqrt(n_columns), (1e-2, 1e5))


OURS = {"SET": "SET", "NPSET": "NPSET"}
# In the order in which they are run: cheap ones first. Each gets a seed and the columns.
CLASSIFIERS = {
    "Prior": lambda seed, p: DummyClassifier(),
    "LogisticRegression": lambda seed, p: LogisticRegression(max_iter=1000),
    "LDA, shrinkage": lambda seed, p: ShrunkenDiscriminant(solver="lsqr", shrinkage="auto"),
    "SVC": lambda seed, p: SVC(),
    "5-NN": lambda seed, p: KNeighborsClassifier(),
    "LinearSVC": lambda seed, p: LinearSVC(random_state=seed),
    "GaussianProcess": lambda seed, p: GaussianProcessClassifier(smooth(p), random_state=seed),
    "ExtraTrees(500)": lambda seed, p: ExtraTreesClassifier(500, random_state=seed, n_jobs=1),
    "RandomForest(500)": lambda seed, p: RandomForestClassifier(500, random_state=seed, n_jobs=1),
    "MLP": lambda seed, p: MLPClassifier(random_state=seed),
    "MLP(300, 300)": lambda seed, p: MLPClassifier((300, 300), random_state=seed),
    "HistGradientBoosting": lambda seed, p: HistGradientBoostingClassifier(random_state=seed),
}
REGRESSORS = {
    "Prior": lambda seed, p: DummyRegressor(),
    "RidgeCV": lambda seed, p: RidgeCV(np.logspace(-3, 6, 28)),
    "SVR": lambda seed, p: SVR(),
    "PLS": lambda seed, p: partial_least_squares(p),
    "LassoCV": lambda seed, p: LassoCV(),
    "GaussianProcess": lambda seed, p: GaussianProcessRegressor(
        smooth(p) + WhiteKernel(), normalize_y=True, random_state=seed
    ),
    "ExtraTrees(500)": lambda seed, p: ExtraTreesRegressor(500, random_state=seed, n_jobs=1),
    "RandomForest(500)": lambda seed, p: RandomForestRegressor(500, random_state=seed, n_jobs=1),
    "MLP": lambda seed, p: MLPRegressor(random_state=seed),
    "MLP(300, 300)": lambda seed, p: MLPRegressor(hidden_layer_sizes=(300, 300), random_state=seed),
    "HistGradientBoosting": lambda seed, p: HistGradientBoostingRegressor(random_state=seed),
}
# Models of other packages, with the module they need; they are run last.
ELSEWHERE = {"RealMLP-TD": (real_mlp, "pytabkit"), "CatBoost": (catboost, "catboost")}
SCALED_TARGETS = ("SVR", "MLP", "MLP(300, 300)")
SINGLE = (*OURS, "MLP", "MLP(300, 300)", *ELSEWHERE)
MOST_ROWS = {("GaussianProcess", False): 1000}  # the classifier's time grows with their cube
# Models of minutes a fit on wide tables: most rows times columns times classes that they get,
# and the number of splits.
MOST_VALUES = {"HistGradientBoosting": 1.2e7, "LassoCV": 1e6, "CatBoost": 4e5}
SPLITS = {"RealMLP-TD": 2, "CatBoost": 2}


def scaling(dataset: str) -> BaseEstimator:
    return FunctionTransformer(np.log1p) if dataset in WORD_COUNTS else StandardScaler()


def models_for(table: Table) -> list[str]:
    """Names of the models that are fitted to a table, cheap ones first."""
    known = (*(REGRESSORS if table.regression else CLASSIFIERS), *OURS, *ELSEWHERE)
    size = table.X.size * (1 if table.regression else len(np.unique(table.y)))
    return [
        name
        for name in known
        if len(table.y) <= MOST_ROWS.get((name, table.regression), np.inf)
        and size <= MOST_VALUES.get(name, np.inf)
    ]


def make_model(name: str, dataset: str, table: Table, seed: int) -> BaseEstimator:
    """A model at its defaults behind the scaling of the table's inputs."""
    if name in OURS:
        ending = "Regressor" if table.regression else "Classifier"
        model = getattr(sklearn_set, OURS[name] + ending)(random_state=seed, n_jobs=1)
    elif name in ELSEWHERE:
        model = ELSEWHERE[name][0](table.regression, seed)
    else:
        known = REGRESSORS if table.regression else CLASSIFIERS
        model = known[name](seed, table.X.shape[1])
        if table.regression and name in SCALED_TARGETS:  # they depend on the unit of the target
            model = TransformedTargetRegressor(model, transformer=StandardScaler())
    numbers = np.float32 if name in SINGLE else np.float64
    cast = FunctionTransformer(np.asarray, kw_args={"dtype": numbers})
    if name in OURS:  # they scale their inputs themselves
        return make_pipeline(cast, model)
    return make_pipeline(cast, scaling(dataset), model)
