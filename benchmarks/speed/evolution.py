"""Targets 3a and 3b: evolution against training, and the NPSET paper's run."""

import numpy as np
from common import CPU, interleave, quietly

from sklearn_set import NPSETClassifier, SETClassifier, _native
from sklearn_set._evolution import Evolution
from sklearn_set.presets import PAPER_NPSET, PAPER_SET

from . import peers
from .material import SHAPES, aligned, make_network, ms


def evolution(options, report):
    rows = []
    sizes = [10**5, 10**6] if options.quick else [10**5, 10**6, 10**7]
    for wanted in sizes:
        n = wanted // 20
        network = make_network((n, n), 10)
        layer = network.layers[0]
        nnz = layer.nnz
        rng = np.random.default_rng(0)
        a, z, delta = (aligned((n, 32), rng) for _ in range(3))

        def step(layer=layer, a=a, z=z, delta=delta):
            c = layer.connectivity
            _native.product(c.indptr, c.indices, layer.weights, layer.bias, a, z)
            _native.transposed_product(*c.transposed, layer.weights, delta, z)
            _native.descend(
                c.indptr, c.indices, a, delta, layer.weights, layer.first, layer.second,
                layer.bias, layer.bias_first, layer.bias_second, None, 2, 1e-3,
            )  # fmt: skip

        rule = Evolution(0.3, evolve_output=True)

        def evolve(network=network, layer=layer, rule=rule, rng=rng):
            rule.start_epoch(1, network, rng)
            # The index by source that training needs of all layers but a dense sample's first.
            return layer.connectivity.transposed

        s = interleave({"evolve": evolve, "step": step}, options.budget(1.0), least=3)
        ratio = s["evolve"] / s["step"]
        rows.append(
            [nnz, ms(s["evolve"]), f"{s['evolve'] / nnz * 1e9:.1f}", ms(s["step"])]
            + [f"{s['step'] / nnz * 1e9:.2f}", f"{ratio:.2f}"]
        )
        report.target(
            "3a", f"evolution of {nnz} connections, in training steps", ratio, 1, at_least=False
        )
    report.table(
        "Evolution of a layer",
        "Drop 30 %, grow, move weights and moments, index by source, against a training step on "
        "the layer at batch 32",
        ["connections", "evolution, ms", "ns per connection", "step, ms", "ns per connection"]
        + ["ratio"],
        rows,
    )
    _npset_run(options, report)


def _npset_run(options, report):
    sizes = SHAPES["leukemia"]
    rng = np.random.default_rng(0)
    X = rng.standard_normal((48, sizes[0]), dtype=np.float32)
    y = np.arange(48) % 2
    n_epochs = 20 if options.quick else 100
    preset = {**PAPER_NPSET, "max_iter": n_epochs, "n_jobs": 1, "random_state": 0}
    if options.quick:
        preset |= {"beta": 2, "gamma": 8}
    seconds = {}
    for name, model in (
        ("NPSET", NPSETClassifier(sizes[1:-1], **preset)),
        ("SET", SETClassifier(sizes[1:-1], **{**PAPER_SET, "max_iter": 10, "n_jobs": 1})),
    ):
        began = CPU()
        quietly(model.fit, X, y)
        seconds[name] = (CPU() - began) / model.max_iter
    network = make_network(sizes)
    recipe = peers.Recipe(network)
    x, t = X[:2].astype(np.float64), np.eye(2)
    tasks = {"step": lambda: recipe.step(x, t), "evolve": recipe.evolve}
    s = interleave(tasks, options.budget(0.5), least=2)
    recipe_epoch = 24 * s["step"] + s["evolve"]
    report.target(
        "3b",
        f"NPSET on leukemia's shape, an epoch of {n_epochs}, against the recipe in SciPy",
        recipe_epoch / seconds["NPSET"],
        200,
        at_least=True,
        digits=0,
    )
    rows = [
        ["NPSETClassifier, PAPER_NPSET", ms(seconds["NPSET"])],
        ["SETClassifier, PAPER_SET (nothing pruned)", ms(seconds["SET"])],
        ["recipe in SciPy, nothing pruned", ms(recipe_epoch)],
        ["… of which evolution", ms(s["evolve"])],
    ]
    report.table("The paper's run on leukemia's shape", "Batch 2, ms per epoch", ["", "ms"], rows)
