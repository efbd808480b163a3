"""What is measured: one function for each group of targets.

Each takes the options of run.py and a `Report`, to which it adds targets (met or not) and
tables. Times are CPU seconds of the thread unless a table says wall.
"""

import ctypes
import pickle
import shutil
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import peers
from measure import CPU, WALL, aligned, interleave, run_apart
from scipy import sparse

from sklearn_set import NPSETClassifier, SETClassifier, _native
from sklearn_set._evolution import Evolution
from sklearn_set._losses import Loss
from sklearn_set._network import Data, Network
from sklearn_set._optimizers import Optimizer
from sklearn_set._topology import Connectivity
from sklearn_set._training import Course, Streams, train
from sklearn_set.presets import PAPER_NPSET, PAPER_SET

SHAPES = {
    "Lung-discrete": (325, 300, 300, 7),
    "PCMAC": (3289, 3000, 3000, 2),
    "leukemia": (7070, 7000, 7000, 2),
    "arcene": (10000, 10000, 10000, 2),
}

# Seconds of peers that need work to run, on another machine: a training step at batch 32 of
# PyTorch-CSR and of SparseProp, an epoch of the reference code at batch 2 (steps, evolution)
# and its steps an epoch. Only their ratios to PyTorch-CSR and to masked PyTorch,
# which are measured here too, are used; our PyTorch-CSR is faster than the one there, so
# that the ratio to it flatters the peer.
ELSEWHERE = {
    "Lung-discrete": {
        "csr": 1.2e-3,
        "masked": 1.2e-3,
        "sparseprop": 1.2e-3,
        "reference": (0.056, 0.10, 24),
    },
    "PCMAC": {"csr": 4.3e-3, "masked": 95e-3, "sparseprop": 4.3e-3, "reference": (5.8, 5.3, 647)},
    "leukemia": {
        "csr": 23e-3,
        "masked": 542e-3,
        "sparseprop": 10.6e-3,
        "reference": (0.22, 4.7, 24),
    },
}


class Report:
    """Collects targets and tables."""

    def __init__(self):
        self.targets, self.tables = [], []

    def target(self, number, what, measured, wanted, *, at_least, unit="", digits=2):
        met = bool(measured >= wanted if at_least else measured <= wanted)
        sign = "≥" if at_least else "≤"
        self.targets.append(
            {
                "number": number,
                "what": what,
                "wanted": f"{sign} {wanted:g}{unit}",
                "measured": f"{measured:.{digits}f}{unit}",
                "value": float(measured),
                "met": met,
            }
        )
        state = "met" if met else "NOT met"
        print(f"  {number:4} {what}: {measured:.{digits}f}{unit} ({sign} {wanted:g}{unit}) {state}")

    def skip(self, number, what, why):
        self.targets.append(
            {"number": number, "what": what, "wanted": "", "measured": why, "met": None}
        )
        print(f"  {number:4} {what}: skipped, {why}")

    def table(self, title, columns, rows):
        self.tables.append({"title": title, "columns": columns, "rows": rows})


# ------------------------------------------------------------------ material


def adam():
    return Optimizer("adam", 1e-3)


def make_network(sizes, epsilon=10, seed=0):
    network = Network.random(
        list(sizes),
        epsilon=epsilon,
        init="he_uniform",
        activation="relu",
        dropout=0.0,
        dtype=np.float32,
        rng=np.random.default_rng(seed),
    )
    network.start_optimizer(adam())
    return network


def make_data(n_samples, n_features, n_classes, X=None):
    rng = np.random.default_rng(1)
    if X is None:
        X = rng.standard_normal((n_samples, n_features), dtype=np.float32)
    labels = (np.arange(n_samples) % n_classes).astype(np.int32)
    return Data(X, np.float32, Loss("softmax_log_loss"), labels)


def steps_of(network, data, batch, n_batches=4, n_threads=1, optimizer=None):
    """A task of `n_batches` training steps."""
    optimizer = optimizer or adam()
    n = data.n_samples
    order = np.random.default_rng(2).permutation(n).astype(np.int64)
    order = np.concatenate([order] * (1 + n_batches * batch // n))[: n_batches * batch]
    starts = np.arange(0, n_batches * batch + 1, batch)
    return lambda: network.train_batches(data, order, starts, optimizer, n_threads=n_threads)


def ms(seconds):
    return f"{seconds * 1e3:.3g}"


# ------------------------------------------------------------------ 1 training step


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
        # The peers that were measured elsewhere, by their ratios to those measured here.
        if name in ELSEWHERE:
            here = {"csr": s.get("csr"), "masked": dense.get("masked")}
            ours_here = {"csr": s["ours"], "masked": dense.get("ours")}
            for yardstick, words in (("csr", "PyTorch-CSR"), ("masked", "masked PyTorch")):
                if here[yardstick] is None:
                    continue
                factor = here[yardstick] / ELSEWHERE[name][yardstick]
                report.target(
                    "1a",
                    f"{name}: step against SparseProp (by its ratio to {words} elsewhere)",
                    factor * ELSEWHERE[name]["sparseprop"] / ours_here[yardstick],
                    5,
                    at_least=True,
                )
                seconds, _, n_steps = ELSEWHERE[name]["reference"]
                report.target(
                    "1d",
                    f"{name}: step at batch 2 against the reference (by its ratio to {words})",
                    factor * seconds / n_steps / s["ours, batch 2"],
                    10,
                    at_least=True,
                    digits=1,
                )
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
        "Training steps (batch 32: forward, loss, backward, Adam; one thread, float32)",
        ["shape of", "connections", "ours, ms", "ns per connection", "PyTorch-CSR, ms"]
        + ["PyTorch masked, ms", "MLPClassifier, ms", "ours at batch 2, µs"]
        + ["recipe in SciPy at batch 2, µs"],
        rows,
    )


def _dense_steps(sizes, data, x, labels, ours, n_batches, options):
    """Seconds of our step and of the dense peers', in one interleaved run."""
    from sklearn.neural_network import MLPClassifier

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


# ------------------------------------------------------------------ 1 roofline


def _compile_roofline():
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        return None
    library = Path(tempfile.mkdtemp()) / "roofline.so"
    source = Path(__file__).with_name("roofline.cpp")
    flags = ["-O3", "-march=native", "-shared", "-fPIC"]
    done = subprocess.run([compiler, *flags, str(source), "-o", str(library)], capture_output=True)
    return ctypes.CDLL(str(library)) if done.returncode == 0 else None


def roofline(options, report):
    library = _compile_roofline()
    if library is None:
        report.skip("1e", "kernels against the machine's limit", "no C++ compiler")
        return
    size, batch, wanted = 10000, 32, 200_000
    rng = np.random.default_rng(0)
    indptr, indices = _native.erdos_renyi(size, size, wanted, 1)
    connectivity = Connectivity(indptr, indices, (size, size))
    by_source, nnz = connectivity.transposed, connectivity.nnz
    weights = rng.standard_normal(nnz).astype(np.float32)
    bias = np.zeros(size, np.float32)
    a, z, delta = (aligned((size, batch), rng) for _ in range(3))
    gradient, first, second = (np.zeros(nnz, np.float32) for _ in range(3))
    trained, state = weights.copy(), np.zeros((4, size), np.float32)
    left, right = (rng.standard_normal((2048, 2048)).astype(np.float32) for _ in range(2))
    # Eight arrays of four bytes a connection pass through the cache in a step with Adam:
    # indices, weights and two moments read, three written, and as many for the rest.
    streamed = np.zeros(nnz * 4, np.float32)

    def pointer(array):
        return ctypes.c_void_p(array.ctypes.data)

    sums = np.zeros(batch, np.float32)
    n = ctypes.c_int64(nnz)
    tasks = {
        "sgemm": lambda: left @ right,
        "rows": lambda: library.fetch_rows_32(pointer(indices), n, pointer(a), pointer(sums)),
        "rows by source": lambda: library.fetch_rows_32(
            pointer(by_source.indices), n, pointer(delta), pointer(sums)
        ),
        "stream": lambda: library.stream(pointer(streamed), ctypes.c_int64(streamed.size)),
        "product": lambda: _native.product(indptr, indices, weights, bias, a, z),
        "transposed product": lambda: _native.transposed_product(*by_source, weights, delta, z),
        "gradient": lambda: _native.gradient(indptr, indices, a, delta, gradient, state[0]),
        "gradient + Adam": lambda: _native.descend(
            indptr, indices, a, delta, trained, first, second, *state[1:], None, 2, 1e-6
        ),
    }
    s = interleave(tasks, options.budget(1.0), least=5)
    flops, byte = 2 * 2048**3 / s["sgemm"], s["stream"] / (streamed.nbytes * 2)
    own_rows = size * batch * 4 * byte  # of a row that is written or read once
    # What a kernel needs: its random rows, and each array that it streams.
    streams = {
        "product": (s["rows"], nnz * 8 * byte),
        "transposed product": (s["rows by source"], nnz * 12 * byte),
        "gradient": (s["rows"], nnz * 8 * byte),
        "gradient + Adam": (s["rows"], nnz * 28 * byte),
    }
    rows, total, needed_total = [], 0.0, 0.0
    for kernel, (fetched, stream) in streams.items():
        needed = max(fetched + stream + own_rows, 2 * nnz * batch / flops)
        rate = 2 * nnz * batch / s[kernel]
        if kernel != "gradient":  # what a step consists of
            total, needed_total = total + s[kernel], needed_total + needed
        cells = [s[kernel], fetched, stream + own_rows, 2 * nnz * batch / flops]
        rows.append(
            [kernel, *(f"{c / nnz * 1e9:.2f}" for c in cells), f"{s[kernel] / needed:.2f}"]
            + [f"{rate / flops:.2f}"]
        )
    report.target(
        "1e", "kernels of a step against what they need", total / needed_total, 1.5, at_least=False
    )
    report.table(
        f"Roofline: {size} × {size}, {nnz} connections, batch {batch}, float32, ns per connection. "
        f"sgemm {flops / 1e9:.0f} GFLOP/s; {1e-9 / byte:.0f} GB/s streamed; rows of {batch * 4} "
        f"bytes at random from {a.nbytes / 1e6:.1f} MB",
        ["kernel", "measured", "random rows alone", "streams alone", "flops alone"]
        + ["measured / needed", "of sgemm"],
        rows,
    )


# ------------------------------------------------------------------ 2 small networks


def small_networks(options, report):
    from sklearn.datasets import load_breast_cancer, load_digits
    from sklearn.neural_network import MLPClassifier
    from sklearn.preprocessing import StandardScaler

    n_epochs = 20
    rows, worst, worst_name = [], 0.0, ""
    for dataset, load in (("digits", load_digits), ("breast_cancer", load_breast_cancer)):
        X, y = load(return_X_y=True)
        X = StandardScaler().fit_transform(X).astype(np.float32)
        for hidden in ((100,), (100, 100)):
            for batch in (32, 200):
                settings = {
                    "hidden_layer_sizes": hidden,
                    "batch_size": batch,
                    "max_iter": n_epochs,
                    "tol": 0,
                    "n_iter_no_change": n_epochs,
                    "random_state": 0,
                }
                models = {"ours": SETClassifier(**settings, n_jobs=1)}
                models["MLPClassifier"] = MLPClassifier(**settings)
                s = _quietly(
                    lambda models=models, X=X, y=y: interleave(
                        {k: lambda m=m: m.fit(X, y) for k, m in models.items()},
                        options.budget(0.7),
                    )
                )
                ratio = s["ours"] / s["MLPClassifier"]
                if ratio > worst:
                    worst, worst_name = ratio, f"{dataset} {hidden} batch {batch}"
                density = models["ours"].density_
                rows.append(
                    [dataset, str(hidden), batch, ", ".join(f"{d:.2f}" for d in density)]
                    + [ms(v / n_epochs) for v in s.values()]
                    + [f"{ratio:.2f}"]
                )
    report.table(
        f"Small networks: ms per epoch, from a fit of {n_epochs} epochs, evolution included",
        ["data", "hidden", "batch", "densities", "SETClassifier", "MLPClassifier", "ratio"],
        rows,
    )
    report.target(
        "2a", f"epoch against MLPClassifier's, the worst: {worst_name}", worst, 1, at_least=False
    )
    _grid_search(options, report)
    _overheads(options, report)


def _quietly(function):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function()


def _grid_search(options, report):
    from sklearn.datasets import load_breast_cancer, load_digits
    from sklearn.model_selection import GridSearchCV
    from sklearn.neural_network import MLPClassifier
    from sklearn.preprocessing import StandardScaler

    n_epochs = 3 if options.quick else 15
    rows, worst = [], 0.0
    for dataset, load in (("digits", load_digits), ("breast_cancer", load_breast_cancer)):
        X, y = load(return_X_y=True)
        X = StandardScaler().fit_transform(X).astype(np.float32)
        common = {
            "hidden_layer_sizes": [(100,), (100, 100)],
            "learning_rate_init": [1e-3, 3e-3, 1e-2],
        }
        ours = SETClassifier(max_iter=n_epochs, n_jobs=1, random_state=0)
        mlp = MLPClassifier(max_iter=n_epochs, random_state=0)
        searches = {
            "ours": GridSearchCV(ours, common | {"weight_decay": [0.0, 1e-3, 1e-2, 0.1]}),
            "MLPClassifier": GridSearchCV(mlp, common | {"alpha": [0.0, 1e-4, 1e-3, 1e-2]}),
        }
        seconds = {}
        for name, search in searches.items():
            began = CPU()
            _quietly(lambda search=search, X=X, y=y: search.fit(X, y))
            seconds[name] = CPU() - began
        ratio = seconds["ours"] / seconds["MLPClassifier"]
        worst = max(worst, ratio)
        rows.append([dataset, *(f"{v:.1f}" for v in seconds.values()), f"{ratio:.2f}"])
    report.table(
        f"GridSearchCV, 5 folds × 24 candidates of {n_epochs} epochs, each estimator's own "
        "batch size (32 and 200), seconds",
        ["data", "SETClassifier", "MLPClassifier", "ratio"],
        rows,
    )
    report.target("2b", "GridSearchCV against MLPClassifier's", worst, 1, at_least=False)


def _overheads(options, report):
    network = make_network((4, 4, 2), 2)
    data = make_data(256, 4, 2)
    streams = Streams.spawn(0)
    X, y = data.X[:8], data.target[:8]
    model = SETClassifier((4,), epsilon=2, max_iter=1, random_state=0)

    def epochs(n, zeta):
        few = make_data(4, 4, 2)
        return lambda: train(
            make_network((4, 4, 2), 2), few, adam(), Evolution(zeta), streams, Course(),
            n_epochs=n, batch_size=4,
        )  # fmt: skip

    s = _quietly(
        lambda: interleave(
            {
                "call": steps_of(network, data, 1, 1),
                "256 batches": steps_of(network, data, 1, 256),
                "2 epochs": epochs(2, 0.3),
                "22 epochs": epochs(22, 0.3),
                "2 static epochs": epochs(2, 0),
                "22 static epochs": epochs(22, 0),
                "fit": lambda: model.fit(X, y),
            },
            options.budget(0.3),
            most=200,
        )
    )
    rows = [
        ["a batch (inside of an epoch)", f"{(s['256 batches'] - s['call']) / 255 * 1e6:.2f}"],
        ["an epoch, static", f"{(s['22 static epochs'] - s['2 static epochs']) / 20 * 1e6:.0f}"],
        ["an epoch that rewires a layer", f"{(s['22 epochs'] - s['2 epochs']) / 20 * 1e6:.0f}"],
        ["a fit (one epoch)", f"{s['fit'] * 1e6:.0f}"],
    ]
    report.table("Overhead: what a network of 4-4-2 neurons costs, µs", ["of", "µs"], rows)


# ------------------------------------------------------------------ 3 evolution


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
            "3a", f"evolution of {nnz} connections, in training steps", ratio, 2, at_least=False
        )
    report.table(
        "Evolution of a layer (drop 30 %, grow, move weights and moments, index by source) "
        "against a training step on it at batch 32",
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
        _quietly(lambda model=model: model.fit(X, y))
        seconds[name] = (CPU() - began) / model.max_iter
    network = make_network(sizes)
    recipe = peers.Recipe(network)
    x, t = X[:2].astype(np.float64), np.eye(2)
    tasks = {"step": lambda: recipe.step(x, t), "evolve": recipe.evolve}
    if peers.has_torch():
        x32 = rng.standard_normal((sizes[0], 32), dtype=np.float32)
        tasks["csr"] = peers.torch_csr_step(network, x32, np.arange(32) % 2)
    s = interleave(tasks, options.budget(0.5), least=2)
    recipe_epoch = 24 * s["step"] + s["evolve"]
    what = f"NPSET on leukemia's shape, an epoch of {n_epochs}, against "
    if "csr" in s:
        there = ELSEWHERE["leukemia"]
        reference = sum(there["reference"][:2]) / there["csr"] * s["csr"]
        report.target(
            "3b",
            what + "the reference's (by its ratio to PyTorch-CSR elsewhere)",
            reference / seconds["NPSET"],
            200,
            at_least=True,
            digits=0,
        )
    report.target(
        "3b",
        what + "the recipe in SciPy",
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
    if "csr" in s:
        rows.append(["reference code (by its ratio to PyTorch-CSR elsewhere)", ms(reference)])
    report.table("The paper's run on leukemia's shape, batch 2: ms per epoch", ["", "ms"], rows)


# ------------------------------------------------------------------ 4 two threads


def two_threads(options, report):
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal((2048, 2048)).astype(np.float32) for _ in range(2))
    rows = []
    for width in (100, 300, 1000, 3000, 7000):
        network = make_network((width, width, width, 10))
        data = make_data(256, width, 10)

        def sgemm(n):
            def task():
                with threadpool_limits(n, user_api="blas"):
                    left @ right

            return task

        n_batches = max(2, 7000 // width)
        tasks = {
            "one": steps_of(network, data, 128, n_batches),
            "two": steps_of(network, data, 128, n_batches, n_threads=2),
            "sgemm one": sgemm(1),
            "sgemm two": sgemm(2),
        }
        s = interleave(tasks, options.budget(1.0), least=5, clock=WALL)
        gain, sgemm_gain = s["one"] / s["two"], s["sgemm one"] / s["sgemm two"]
        rows.append(
            [width, network.n_connections, ms(s["one"] / n_batches), f"{gain:.2f}"]
            + [f"{sgemm_gain:.2f}"]
        )
        if width >= 3000:
            what = f"width {width}: gain of two threads against sgemm's ({sgemm_gain:.2f})"
            report.target("4a", what, gain / sgemm_gain, 0.9, at_least=True)
        else:  # 3 % for the noise of a clock on the wall
            report.target("4b", f"width {width}: gain of two threads", gain, 0.97, at_least=True)
    report.table(
        "Two threads, batch 128, wall time",
        ["width", "connections", "one thread, ms", "gain of two", "sgemm's gain"],
        rows,
    )


# ------------------------------------------------------------------ 5 sparse input


def sparse_input(options, report):
    rng = np.random.default_rng(0)
    inputs = {}
    X = sparse.random(1024, 3289, 0.015, format="csr", dtype=np.float32, random_state=rng)
    inputs["random, 1.5 %"] = X
    if options.data_home:
        from sklearn_set.datasets import fetch_asu

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
    report.table(
        "Sparse input: the first layer (3289 → 3000) alone, ms a step or prediction",
        ["data", "of", "dense", "CSR", "ratio"],
        rows,
    )


# ------------------------------------------------------------------ 6 growth with size


def growth(options, report):
    rows = []
    wanted = [10**5, 10**6] + [10**7] * (not options.quick) + [10**8] * options.large
    for n_connections in wanted:
        for batch in (32,) if options.quick else (32, 2):
            r = run_apart(
                "step_of", n_connections=n_connections, batch=batch, budget=options.budget(1.5)
            )
            per = (r["peak"] - r["data"] - r["activations"]) / r["nnz"]
            rows.append(
                [r["nnz"], batch, ms(r["seconds"]), f"{r['seconds'] / r['nnz'] * 1e9:.2f}"]
                + [f"{r['activations'] / 1e6:.0f}", f"{per:.0f}" if r["nnz"] > 5e5 else "–"]
            )
    report.table(
        "Growth: n-n-n-2 networks with 20 connections a neuron; one training step. Memory: what is "
        "resident after it, less interpreter, data and activations",
        ["connections", "batch", "step, ms", "ns per connection", "activations, MB"]
        + ["bytes per connection"],
        rows,
    )
    if not options.large:
        report.skip("6a", "networks of 31 and 62 million connections", "needs --large")
        return
    rows = []
    for name, width, epsilon, limit in (
        ("3312–300000×3–5", 300_000, 20, 8),
        ("3312–600000×3–5", 600_000, 20, 16),
        ("3312–3333333×3–5", 3_333_333, 10, None),
    ):
        n_epochs = 2 if limit is None else 3
        r = run_apart("fit_large", width=width, epsilon=epsilon, n_epochs=n_epochs)
        gib = r["peak"] / 2**30
        rows.append(
            [name, epsilon, f"{r['connections'] / 1e6:.1f}", f"{r['seconds']:.2f}", f"{gib:.2f}"]
        )
        if limit:
            report.target(
                "6a", f"{name}: seconds an epoch", r["seconds"], limit, at_least=False, unit=" s"
            )
        memory = {300_000: 3, 3_333_333: 20}.get(width)
        if memory:
            report.target("6b", f"{name}: memory", gib, memory, at_least=False, unit=" GiB")
    report.table(
        "Very wide networks: 135 samples, batch 32, two threads, an epoch with evolution",
        ["network", "epsilon", "million connections", "seconds an epoch (wall)", "peak, GiB"],
        rows,
    )


# ------------------------------------------------------------------ 7 prediction


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
        "Prediction of many rows, one thread, float32",
        ["shape of", "rows", "ours, ms", "SciPy CSR, ms", "ratio"],
        rows,
    )
    _one_row(options, report)
    _pickles(report)


def _one_row(options, report):
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier
    from sklearn.utils.validation import validate_data

    X, y = load_digits(return_X_y=True)
    ours = SETClassifier(100, max_iter=2, random_state=0, n_jobs=None)
    mlp = MLPClassifier(100, max_iter=2, random_state=0)
    _quietly(lambda: (ours.fit(X, y), mlp.fit(X, y)))
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
    report.table("Prediction of one row, digits, 100 hidden neurons, µs", ["", "µs"], rows)
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
        _quietly(lambda model=model, X=X, y=y: model.fit(X, y))
        arrays = sum(c.data.nbytes + c.indices.nbytes + c.indptr.nbytes for c in model.coefs_)
        arrays += sum(b.nbytes for b in model.intercepts_)
        size = len(pickle.dumps(model))
        limit = 1.2 * arrays + 16_000
        rows.append([str(hidden), arrays, size, f"{limit:.0f}"])
        what = f"pickle of {hidden} hidden neurons, of what is allowed"
        report.target("7d", what, size / limit, 1, at_least=False)
    report.table("Pickles, bytes", ["hidden", "arrays", "pickle", "allowed"], rows)


# ------------------------------------------------------------------ 8 import


def importing(options, report):
    seconds = sorted(run_apart("import_seconds") for _ in range(3 if options.quick else 9))
    median = seconds[len(seconds) // 2]
    report.target(
        "8", "import, beyond sklearn.neural_network", median * 1e3, 50, at_least=False, unit=" ms",
        digits=0,
    )  # fmt: skip


GROUPS = {
    "step": training_step,
    "roofline": roofline,
    "small": small_networks,
    "evolution": evolution,
    "threads": two_threads,
    "sparse": sparse_input,
    "growth": growth,
    "prediction": prediction,
    "import": importing,
}


def measure_all(options, names):
    """Run groups; one that fails is reported and does not stop the others."""
    report = Report()
    for name in names:
        print(f"{name} …", flush=True)
        began = time.perf_counter()
        try:
            GROUPS[name](options, report)
        except Exception as error:
            if options.stop:
                raise
            report.skip(name, f"the group {name}", f"{type(error).__name__}: {error}")
        print(f"  ({time.perf_counter() - began:.0f} s)", flush=True)
    return report
