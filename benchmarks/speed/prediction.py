"""Targets 7a to 7d: prediction of many rows and of one, and pickles."""

import pickle

import numpy as np
from common import interleave, quietly
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from sklearn.utils.validation import validate_data

from sklearn_set import SETClassifier
from sklearn_set._network import Data

from .material import SHAPES, make_data, make_network, ms


def prediction(options, report):
    rows = []
    n = 512 if options.quick else 2000
    for name, sizes in SHAPES.items():
        network = make_network(sizes)
        X = np.random.default_rng(0).standard_normal((n, sizes[0]), dtype=np.float32)
        data = Data(X, np.float32)
        matrices = [
            sparse.csr_array((la.weights, la.indices, la.indptr), shape=la.connectivity.shape[::-1])
            for la in network.layers
        ]

        def by_scipy(matrices=matrices, network=network, X=X):
            h = np.ascontiguousarray(X.T)
            for i, (w, layer) in enumerate(zip(matrices, network.layers)):
                h = w @ h
                h += layer.bias[:, None]
                if i < len(matrices) - 1:
                    np.maximum(h, 0, out=h)
            return h.T

        assert np.allclose(by_scipy(), network.predict(data), atol=1e-2)
        s = interleave(
            {"ours": lambda network=network, data=data: network.predict(data), "scipy": by_scipy},
            options.budget(0.7),
        )
        ratio = s["scipy"] / s["ours"]
        rows.append([name, n, ms(s["ours"]), ms(s["scipy"]), f"{ratio:.2f}"])
        report.target(
            "7a", f"{name}: {n} rows against SciPy's CSR products", ratio, 3, at_least=True
        )
    report.table(
        "Prediction of many rows",
        "One thread, float32",
        ["shape of", "rows", "ours, ms", "SciPy CSR, ms", "ratio"],
        rows,
    )
    _one_row(options, report)
    _pickles(report)


def _one_row(options, report):
    X, y = load_digits(return_X_y=True)
    ours = SETClassifier(100, max_iter=2, random_state=0, n_jobs=None)
    mlp = MLPClassifier(100, max_iter=2, random_state=0)
    quietly(lambda: (ours.fit(X, y), mlp.fit(X, y)))
    row = X[:1]
    s = interleave(
        {
            "ours": lambda: ours.predict(row),
            "MLPClassifier": lambda: mlp.predict(row),
            "validate_data": lambda: validate_data(
                ours, row, accept_sparse="csr", dtype=np.float64, reset=False
            ),
        },
        options.budget(0.5),
        most=2000,
    )
    own = s["ours"] - s["validate_data"]
    rows = [[name, f"{v * 1e6:.0f}"] for name, v in s.items()]
    report.table("Prediction of one row", "Digits, 100 hidden neurons", ["", "µs"], rows)
    report.target(
        "7b", "one row against MLPClassifier", s["ours"] / s["MLPClassifier"], 1, at_least=False
    )
    report.target(
        "7c", "one row, beyond validate_data", own * 1e6, 30, at_least=False, unit=" µs", digits=0
    )


def _pickles(report):
    rows = []
    for hidden in ((100,), (3000, 3000)):
        X, y = make_data(64, 300, 2).X, np.arange(64) % 2
        model = SETClassifier(hidden, max_iter=3, random_state=0)
        quietly(model.fit, X, y)
        arrays = sum(c.data.nbytes + c.indices.nbytes + c.indptr.nbytes for c in model.coefs_)
        arrays += sum(b.nbytes for b in model.intercepts_)
        size = len(pickle.dumps(model))
        limit = 1.2 * arrays + 16_000
        rows.append([str(hidden), arrays, size, f"{limit:.0f}"])
        what = f"pickle of {hidden} hidden neurons, of what is allowed"
        report.target("7d", what, size / limit, 1, at_least=False)
    report.table("Pickles", "Bytes", ["hidden", "arrays", "pickle", "allowed"], rows)
