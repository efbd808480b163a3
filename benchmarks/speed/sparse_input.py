"""Targets 5a to 5d: a first layer that reads CSR, and whole fits and predictions."""

from functools import partial

import numpy as np
from common import interleave, quietly
from generalization.tables import WORD_COUNTS, load, split_rows
from scipy import sparse

from sklearn_set import SETClassifier
from sklearn_set._topology import Connectivity
from sklearn_set.datasets import fetch_asu

from .material import make_data, make_network, ms, steps_of


def sparse_input(options, report):
    rng = np.random.default_rng(0)
    inputs = {}
    X = sparse.random(1024, 3289, 0.015, format="csr", dtype=np.float32, random_state=rng)
    inputs["random, 1.5 %"] = X
    if options.data_home:
        real = fetch_asu("PCMAC", data_home=options.data_home, download_if_missing=False)
        inputs["PCMAC"] = sparse.csr_array(real.data).astype(np.float32)
    rows = []
    for name, X in inputs.items():
        n = X.shape[0]
        network = make_network((X.shape[1], 3000, 3000, 2))
        # The layers behind the first one alone: the first has one feature and no connection.
        rest = make_network((1, 3000, 3000, 2))
        first = rest.layers[0]
        first.connectivity = Connectivity(
            np.zeros(3001, np.int32), np.zeros(0, np.int32), (1, 3000)
        )
        first.weights = first.first = first.second = np.zeros(0, np.float32)
        kinds = {
            "dense": (network, make_data(n, 0, 2, X=X.toarray())),
            "sparse": (network, make_data(n, 0, 2, X=sparse.csr_array(X))),
            "rest": (rest, make_data(n, 1, 2)),
        }
        for batch in (32, 128):
            tasks = {k: steps_of(*pair, batch, 8) for k, pair in kinds.items()}
            s = interleave(tasks, options.budget(1.0), least=5)
            dense, first_layer = ((s[k] - s["rest"]) / 8 for k in ("dense", "sparse"))
            ratio = dense / first_layer
            rows.append([name, f"training, batch {batch}", ms(dense), ms(first_layer)])
            rows[-1].append(f"{ratio:.2f}")
            if batch == 32:
                what = f"{name}: first layer in training, batch 32, dense / sparse"
                report.target("5a", what, ratio, 5, at_least=True)
        tasks = {k: (lambda p=pair: p[0].predict(p[1])) for k, pair in kinds.items()}
        s = interleave(tasks, options.budget(1.0), least=5)
        dense, first_layer = (s[k] - s["rest"] for k in ("dense", "sparse"))
        rows.append([name, f"prediction, {n} rows", ms(dense), ms(first_layer)])
        rows[-1].append(f"{dense / first_layer:.2f}")
        report.target(
            "5b",
            f"{name}: first layer in prediction, dense / sparse",
            dense / first_layer,
            5,
            at_least=True,
        )
    if options.data_home:
        _whole_fits(options, report)
    report.table(
        "Sparse input",
        "The first layer (3289 → 3000) alone, ms a step or prediction",
        ["data", "of", "dense", "CSR", "ratio"],
        rows,
    )


def _whole_fits(options, report):
    rows = []
    names = [*WORD_COUNTS, *["text_nytimes"] * bool(options.wide_home)]
    for name in names[1:2] if options.quick else names:
        table = load(name, options.data_home, options.wide_home)
        train, test = split_rows(table, 0)
        kinds = {"dense": table.X, "CSR": sparse.csr_array(table.X)}
        models = {kind: SETClassifier(n_jobs=1, random_state=0) for kind in kinds}
        tasks = {k: partial(models[k].fit, X[train], table.y[train]) for k, X in kinds.items()}
        s = quietly(interleave, tasks, 0, least=1)
        ratio = s["dense"] / s["CSR"]
        tasks = {k: partial(models[k].predict_proba, X) for k, X in kinds.items()}
        p = interleave(tasks, options.budget(1.0), least=5)
        scores = (f"{models[k].score(X[test], table.y[test]):.3f}" for k, X in kinds.items())
        rows.append([name, *(f"{v:.2f}" for v in s.values()), f"{ratio:.2f}", *scores])
        rows[-1] += [*map(ms, p.values()), f"{p['dense'] / p['CSR']:.2f}"]
        what = f"{name}: a default fit, dense / sparse"
        report.target("5c", what, ratio, 3, at_least=True)
        what = f"{name}: probabilities of all rows, dense / sparse"
        report.target("5d", what, p["dense"] / p["CSR"], 3, at_least=True)
    report.table(
        "Word counts",
        "Default fits, the dense ones with conditioning, seconds; accuracy on the other rows; "
        "probabilities of all rows, ms",
        ["data", "dense", "CSR", "ratio", *["dense", "CSR"] * 2, "ratio"],
        rows,
    )
