"""Times with censoring: five clinical tables and simulated wide ones, against scikit-survival.

Owns: the tables, the models, the splits and what is measured. May not touch: the page.
"""

import argparse
import time
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from common import Rows
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.preprocessing import StandardScaler
from sksurv import datasets, metrics
from sksurv.ensemble import GradientBoostingSurvivalAnalysis, RandomSurvivalForest
from sksurv.linear_model import CoxnetSurvivalAnalysis
from sksurv.linear_model.coxph import BreslowEstimator
from sksurv.util import Surv

from sklearn_set import NPSETSurvivalAnalysis, SETSurvivalAnalysis

RESULTS = Path(__file__).parent / "results.csv"
TABLES = {
    "breast cancer": datasets.load_breast_cancer,
    "FLChain": datasets.load_flchain,
    "GBSG2": datasets.load_gbsg2,
    "veterans": datasets.load_veterans_lung_cancer,
    "WHAS500": datasets.load_whas500,
}
#: Training rows, columns, and how the hazard depends on them.
SIMULATED = {
    "60 x 2000, modules": (60, 2000, "modules"),
    "200 x 2000, genes": (200, 2000, "genes"),
    "200 x 5000, modules": (200, 5000, "modules"),
    "500 x 2000, not linear": (500, 2000, "not linear"),
    "500 x 10000, modules": (500, 10_000, "modules"),
    "300 x 10, interactions": (300, 10, "interactions"),
    "500 x 20, interactions": (500, 20, "interactions"),
    "500 x 200, interactions": (500, 200, "interactions"),
}
N_SPLITS = 10


class Coxnet:
    """Cox's model with an elastic net, its strength by five folds along a path."""

    def fit(self, X, y):
        self.scaler = StandardScaler().fit(X)
        X = self.scaler.transform(X)
        path = {"l1_ratio": 0.9, "alpha_min_ratio": 0.1, "n_alphas": 30}
        self.model = CoxnetSurvivalAnalysis(**path, fit_baseline_model=True).fit(X, y)
        alphas, event = self.model.alphas_, y["event"]
        scores = np.zeros(len(alphas))
        for learn, judge in StratifiedKFold(5, shuffle=True, random_state=0).split(X, event):
            fold = CoxnetSurvivalAnalysis(l1_ratio=0.9, alphas=alphas).fit(X[learn], y[learn])
            for i, alpha in enumerate(alphas):
                risk = fold.predict(X[judge], alpha=alpha)
                scores[i] += metrics.concordance_index_censored(
                    event[judge], y["time"][judge], risk
                )[0]
        self.alpha = alphas[scores.argmax()]
        return self

    def predict(self, X):
        return self.model.predict(self.scaler.transform(X), alpha=self.alpha)

    def predict_survival_function(self, X):
        return self.model.predict_survival_function(self.scaler.transform(X), alpha=self.alpha)


class DenseNetwork:
    """As DeepSurv (Katzman et al. 2018): a dense perceptron with Cox's partial likelihood.

    Two layers of 64 ReLU, dropout, weight decay; training ends when the likelihood of a fifth
    of the samples, held out, has not improved for 30 epochs, and the best weights are kept.
    """

    def __init__(self, seed):
        self.seed = seed

    def fit(self, X, y):
        import torch

        torch.manual_seed(self.seed)
        torch.set_num_threads(1)
        self.scaler = StandardScaler().fit(X)
        inputs = torch.tensor(self.scaler.transform(X), dtype=torch.float32)
        sizes = [X.shape[1], 64, 64]
        layers = []
        for n_in, n_out in pairwise(sizes):
            layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU(), torch.nn.Dropout(0.3)]
        self.network = torch.nn.Sequential(*layers, torch.nn.Linear(64, 1, bias=False))
        optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-3, weight_decay=0.1)
        learn, judge = train_test_split(
            np.arange(len(X)), test_size=0.2, stratify=y["event"], random_state=self.seed
        )
        # From the last time on, so that those before a sample are at risk at its time.
        learn, judge = (rows[np.argsort(-y["time"][rows], kind="stable")]
                        for rows in (learn, judge))  # fmt: skip

        def loss(rows):
            risk = self.network(inputs[rows])[:, 0]
            died = torch.from_numpy(y["event"][rows])
            return (torch.logcumsumexp(risk, 0) - risk)[died].mean()

        best, since = np.inf, 0
        while since < 30:
            self.network.train()
            optimizer.zero_grad()
            loss(learn).backward()
            optimizer.step()
            self.network.eval()
            with torch.no_grad():
                held_out = float(loss(judge))
            since += 1
            if held_out < best:
                best, since = held_out, 0
                kept = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(kept)
        self.baseline = BreslowEstimator().fit(self.predict(X), y["event"], y["time"])
        return self

    def predict(self, X):
        import torch

        with torch.no_grad():
            inputs = torch.tensor(self.scaler.transform(X), dtype=torch.float32)
            return self.network(inputs)[:, 0].double().numpy()

    def predict_survival_function(self, X):
        return self.baseline.get_survival_function(self.predict(X))


MODELS = {
    "SET": lambda seed: SETSurvivalAnalysis(random_state=seed, n_jobs=1),
    "NPSET": lambda seed: NPSETSurvivalAnalysis(random_state=seed, n_jobs=1),
    "Coxnet": lambda seed: Coxnet(),
    "random forest": lambda seed: RandomSurvivalForest(
        200, min_samples_leaf=5, max_features="sqrt", low_memory=False, random_state=seed
    ),
    "gradient boosting": lambda seed: GradientBoostingSurvivalAnalysis(
        max_features="sqrt", random_state=seed
    ),
    "dense network": DenseNetwork,
}


def table(name):
    """A clinical table: numbers with medians for what is missing, indicators, targets."""
    X, y = TABLES[name]()
    event, months = y.dtype.names
    X = X.drop(columns="chapter", errors="ignore")  # FLChain's cause of death
    numbers = X.select_dtypes("number")
    words = pd.get_dummies(X.drop(columns=numbers.columns), drop_first=True)
    X = pd.concat([numbers.fillna(numbers.median()), words], axis=1).to_numpy(np.float64)
    return X, y[event].astype(bool), np.maximum(y[months].astype(float), 0.5)


def simulate(name, seed):
    """Training samples and 500 others: a Weibull hazard of some columns, censoring."""
    n, n_features, kind = SIMULATED[name]
    rng = np.random.default_rng([seed, n, n_features])
    total = n + 500
    if kind == "interactions":
        X = rng.normal(size=(total, n_features))
        log_hazard = 1.5 * X[:, 0] * X[:, 1] + np.abs(X[:, 2]) * np.sign(X[:, 3])
    else:
        X, log_hazard = modular(rng, total, n_features, kind)
    death = 100 * rng.weibull(1.2, total) * np.exp(-log_hazard / 1.2)
    end = rng.exponential(2 * np.median(death), total)
    return X, death <= end, np.maximum(np.minimum(death, end), 1e-3), n


def modular(rng, total, n_features, kind):
    """Columns in modules, and the logarithms of hazards."""
    module = rng.normal(size=(total, n_features // 20))
    X = 0.6 * np.repeat(module, 20, axis=1) + 0.8 * rng.normal(size=(total, n_features))
    if kind == "genes":
        signs = np.where(np.arange(10) % 2, 1, -1)
        log_hazard = 0.5 * X[:, :200:20] @ signs
    elif kind == "modules":
        log_hazard = module[:, :5] @ [1, -1, 0.8, -0.8, 0.6]
    else:
        log_hazard = (
            1.5 * np.tanh(module[:, 0] * module[:, 1]) + np.abs(module[:, 2]) + module[:, 3]
        )
    return X, log_hazard


def split(name, seed):
    if name in SIMULATED:
        X, event, months, n = simulate(name, seed)
        rows = np.arange(len(X))
        return X, event, months, rows[:n], rows[n:]
    X, event, months = table(name)
    learn, judge = train_test_split(
        np.arange(len(X)), test_size=0.25, stratify=event, random_state=seed
    )
    return X, event, months, learn, judge


def measure(name, model, seed):
    X, event, months, learn, judge = split(name, seed)
    y = Surv.from_arrays(event, months)
    began = time.process_time()
    fitted = MODELS[model](seed).fit(X[learn], y[learn])
    fit_seconds = time.process_time() - began
    risk = fitted.predict(X[judge])
    harrell = metrics.concordance_index_censored(event[judge], months[judge], risk)[0]
    # Weights of censoring are those of the training samples: times that these know of.
    last = months[learn][event[learn]].max()
    tau = np.quantile(months[learn][event[learn]], 0.9)
    ipcw = metrics.concordance_index_ipcw(y[learn], y[judge], risk, tau=min(tau, last))[0]
    inside = judge[months[judge] < months[learn].max()]
    times = np.unique(np.quantile(months[learn][event[learn]], np.linspace(0.1, 0.9, 30)))
    times = times[(times >= months[inside].min()) & (times < months[inside].max())]
    curves = np.vstack([curve(times) for curve in fitted.predict_survival_function(X[inside])])
    brier = metrics.integrated_brier_score(y[learn], y[inside], curves, times)
    row = {"table": name, "model": model, "split": seed, "concordance": harrell, "ipcw": ipcw,
           "brier": brier, "seconds": fit_seconds}  # fmt: skip
    return {key: f"{v:.5g}" if isinstance(v, float) else v for key, v in row.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="+", default=[*TABLES, *SIMULATED])
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--splits", type=int, default=N_SPLITS)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows = Rows(options.results, ("table", "model", "split"))
    warnings.simplefilter("ignore")
    for seed in range(options.splits):
        for name in options.tables:
            for model in options.models:
                task = {"table": name, "model": model, "split": seed}
                if task not in rows:
                    rows.add([measure(name, model, seed)])
