"""Targets 1a to 1d: a training step against PyTorch, MLPClassifier and the reference's recipe."""

import numpy as np
from common import interleave
from sklearn.neural_network import MLPClassifier

from sklearn_set._optimizers import Optimizer

from . import peers
from .material import SHAPES, make_data, make_network, ms, steps_of


def training_step(options, report):
    rows = []
    for name, sizes in SHAPES.items():
        batch, n_batches = 32, 4
        network = make_network(sizes)
        data = make_data(256, sizes[0], sizes[-1])
        ours = steps_of(network, data, batch, n_batches)
        tasks = {"ours": ours}
        x = np.ascontiguousarray(data.X[:batch].T)
        labels = np.arange(batch) % sizes[-1]
        if peers.has_torch():
            tasks["csr"] = peers.torch_csr_step(make_network(sizes), x, labels)
        # The recipe at its own batch of 2, ours with its optimizer.
        paper = Optimizer("sgd", 0.01, momentum=0.9, weight_decay=2e-4, decay_rule="per_step")
        small = make_network(sizes)
        small.start_optimizer(paper)
        tasks["ours, batch 2"] = steps_of(small, data, 2, 16, optimizer=paper)
        recipe = peers.Recipe(make_network(sizes))
        x2, t2 = data.X[:2].astype(np.float64), np.eye(sizes[-1])[[0, 1]]
        tasks["recipe, batch 2"] = lambda recipe=recipe, x2=x2, t2=t2: recipe.step(x2, t2)
        s = interleave(tasks, options.budget(0.5), least=3)
        s["ours"] /= n_batches
        s["ours, batch 2"] /= 16
        dense = {}
        if max(sizes) <= 7070 and not (options.quick and max(sizes) > 4000):
            dense = _dense_steps(sizes, data, x, labels, ours, n_batches, options)
        row = [name, network.n_connections, ms(s["ours"])]
        row += [f"{s['ours'] / network.n_connections * 1e9:.2f}"]
        row += [ms(s[p]) if p in s else "–" for p in ("csr",)]
        row += [ms(dense[p]) if p in dense else "–" for p in ("masked", "MLPClassifier")]
        row += [f"{s['ours, batch 2'] * 1e6:.0f}", f"{s['recipe, batch 2'] * 1e6:.0f}"]
        rows.append(row)
        if "csr" in s:
            ratio = s["csr"] / s["ours"]
            what = f"{name}: step against PyTorch-CSR"
            report.target("1a", what, ratio, 5, at_least=True)
        if "csr" not in s and name == "Lung-discrete":
            report.skip("1a", "step against PyTorch-CSR", "PyTorch is not installed")
        if name == "leukemia":
            for number, peer, wanted in (("1b", "masked", 200), ("1c", "MLPClassifier", 300)):
                if peer in dense:
                    report.target(
                        number,
                        f"{name}: step against {peer}",
                        dense[peer] / dense["ours"],
                        wanted,
                        at_least=True,
                        digits=0,
                    )
                else:
                    report.skip(number, f"{name}: step against {peer}", "not run")
        report.target(
            "1d",
            f"{name}: step at batch 2 against the recipe in SciPy",
            s["recipe, batch 2"] / s["ours, batch 2"],
            10,
            at_least=True,
            digits=1,
        )
    report.table(
        "Training steps",
        "Batch 32: forward, loss, backward, Adam; one thread, float32",
        ["shape of", "connections", "ours, ms", "ns per connection", "PyTorch-CSR, ms"]
        + ["PyTorch masked, ms", "MLPClassifier, ms", "ours at batch 2, µs"]
        + ["recipe in SciPy at batch 2, µs"],
        rows,
    )


def _dense_steps(sizes, data, x, labels, ours, n_batches, options):
    """Seconds of our step and of the dense peers', in one interleaved run."""
    tasks = {"ours": ours}
    if peers.has_torch():
        tasks["masked"] = peers.torch_masked_step(make_network(sizes), x, labels)
    mlp = MLPClassifier(sizes[1:-1], batch_size=32)
    X, y = data.X[:64], data.target[:64]
    mlp.partial_fit(X, y, classes=np.arange(sizes[-1]))
    tasks["MLPClassifier"] = lambda: mlp.partial_fit(X, y)
    s = interleave(tasks, options.budget(0.5), least=3)
    s["ours"] /= n_batches
    s["MLPClassifier"] /= 2
    return s
