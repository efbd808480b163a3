"""How a fit grows with rows, features and connections; write doc/scaling.md.

    python benchmarks/scaling/run.py

Numbers go to results.json beside this file as soon as they are there; --sections runs some of
them again, --page only writes the page. Every measurement is a process of its own, so that its
peak of memory is its own. Needs Linux, pandas, pyarrow and matplotlib.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "speed"))
RESULTS = HERE / "results.json"
DOC = HERE.parents[1] / "doc"
TEXT = HERE / "page.md.in"
MIB = 2**20


def apart(task, **arguments):
    """Run one of TASKS in a process of its own; returns what it found."""
    command = [sys.executable, __file__, "--task", task, json.dumps(arguments)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"{task} {arguments}: {result.stderr[-2000:]}")
    found = {**arguments, **json.loads(result.stdout.splitlines()[-1])}
    print(found, flush=True)
    return found


def resident():
    """MiB now, and at most since `forget_peak`, of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kib = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Vm")}
    return int(kib["VmRSS"]) / 1024, int(kib["VmHWM"]) / 1024


def forget_peak():
    Path("/proc/self/clear_refs").write_text("5")


# ------------------------------------------------------------------ one fit


class Clock:
    """A callback that notes when epochs end."""

    def __init__(self):
        self.times = []

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "epoch":
            self.times.append(time.process_time())

    def teardown(self, estimator, context):
        pass


def fit(n_rows, n_features, hidden, epsilon, batch_size=32):
    """Seconds of an epoch (the best of three), memory over that of the data.

    One thread and the processor's time, which other programs disturb less.
    """
    from sklearn_set import SETClassifier

    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, n_features), dtype=np.float32)
    y = (X[:, :10].sum(axis=1) > 0).astype(int)
    SETClassifier((4,), max_iter=1).fit(X[:10], y[:10])
    forget_peak()
    before, _ = resident()
    model = SETClassifier(
        tuple(hidden),
        epsilon=epsilon,
        batch_size=batch_size,
        max_iter=4,
        mixup=0,
        averaging=0,
        n_jobs=1,
        random_state=0,
    )
    clock = Clock()
    model.set_callbacks(clock).fit(X, y)
    _, peak = resident()
    return {
        "connections": model.n_connections_,
        "data, MiB": X.nbytes / MIB,
        "seconds an epoch": min(np.diff(clock.times)),
        "memory, MiB": peak - before,
    }


# ------------------------------------------------------------------ a stream


def chunk(number, n_rows, teacher):
    """Rows that a random network labels, as a nonlinear problem of which 20 columns matter."""
    rng = np.random.default_rng([number, 1])
    X = rng.standard_normal((n_rows, 50), dtype=np.float32)
    inner, outer = teacher
    score = np.tanh(X[:, :20] @ inner) @ outer
    return X, (score > 0).astype(np.int8)


def make_teacher():
    rng = np.random.default_rng(0)
    inner = rng.normal(size=(20, 12)).astype(np.float32) / np.sqrt(5)
    return inner, rng.normal(size=12).astype(np.float32)


def write_parquet(path, n_chunks, n_rows):
    import pyarrow as pa
    import pyarrow.parquet as pq

    teacher, names = make_teacher(), [*(f"x{i}" for i in range(50)), "y"]
    writer = None
    for number in range(n_chunks):
        X, y = chunk(number, n_rows, teacher)
        table = pa.table([*(pa.array(column) for column in X.T), pa.array(y)], names=names)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table, row_group_size=n_rows)
    writer.close()


def stream(path, limit_gib, n_passes, n_rows):
    """partial_fit over the chunks of a Parquet file, in a process that may not use more memory."""
    import pyarrow.parquet as pq
    from sklearn.linear_model import SGDClassifier

    from sklearn_set import SETClassifier

    limit = int(limit_gib * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))  # private writable memory
    X_test, y_test = chunk(10**6, 20_000, make_teacher())
    file = pq.ParquetFile(path)
    n_chunks = file.num_row_groups
    model = SETClassifier(
        (200, 200),
        mixup=0,
        weight_decay=0,
        batch_size=128,
        evolve_every=n_chunks // 5,
        learning_rate_init=0.001,
        random_state=0,
    )
    linear = SGDClassifier(loss="log_loss", random_state=0)
    curve, seconds, began = [], 0.0, time.perf_counter()
    for number in range(n_passes * n_chunks):
        table = file.read_row_group(number % n_chunks)
        X = np.column_stack([column.to_numpy() for column in table.columns[:-1]])
        y = table.column("y").to_numpy()
        start = time.perf_counter()
        model.partial_fit(X, y, classes=[0, 1])
        seconds += time.perf_counter() - start
        if number < n_chunks:
            linear.partial_fit(X, y, classes=[0, 1])
        curve.append({"rows": (number + 1) * n_rows, "accuracy": 100 * model.score(X_test, y_test)})
    _, peak = resident()
    return {
        "curve": curve,
        "linear": 100 * linear.score(X_test, y_test),
        "seconds": time.perf_counter() - began,
        "seconds of partial_fit": seconds,
        "peak, MiB": peak,
        "connections": model.n_connections_,
        "rewirings": int(np.count_nonzero(model.history_["n_grown"])),
    }


def regularised(mixup, weight_decay):
    """Accuracy after two passes over the first million rows of the stream."""
    from sklearn_set import SETClassifier

    teacher = make_teacher()
    X_test, y_test = chunk(10**6, 20_000, teacher)
    chunks = [chunk(number, 100_000, teacher) for number in range(10)]
    model = SETClassifier(
        (200, 200),
        mixup=mixup,
        weight_decay=weight_decay,
        batch_size=128,
        evolve_every=10,
        learning_rate_init=0.001,
        random_state=0,
    )
    for X, y in chunks * 2:
        model.partial_fit(X, y, classes=[0, 1])
    return {"accuracy": 100 * model.score(X_test, y_test)}


# ------------------------------------------------------------------ averaging


def settings():
    return {
        "hidden_layer_sizes": (1000, 1000),
        "epsilon": 10,
        "mixup": 0,
        "weight_decay": 0,
        "learning_rate_init": 0.001,
        "batch_size": 128,
        "random_state": 0,
        "dtype": "float32",
        "n_jobs": 1,
    }


def averaging_data():
    """200,000 rows of the stream, and 20,000 others."""
    X, y = chunk(0, 200_000, make_teacher())
    return X, y, *chunk(10**6, 20_000, make_teacher())


def arrays(model):
    return [(la.indptr, la.indices, la.weights, la.bias) for la in model._network.layers]


def give(model, layers):
    """Put connections and weights into a model; the optimizer starts anew."""
    from sklearn_set._topology import Connectivity

    network = model._learner.network
    for layer, (indptr, indices, weights, bias) in zip(network.layers, layers):
        layer.connectivity = Connectivity(indptr, indices, layer.connectivity.shape)
        layer.weights, layer.bias, layer.newborn = weights.copy(), bias.copy(), None
    network.start_optimizer(model._learner.optimizer)
    model._learner.optimizer.n_steps = 0
    model._network = network


def average(models):
    """The mean over the union of the connections, cut back to the first one's number.

    Those nearest to zero go, of either sign the same fraction (Curci et al. 2021).
    """
    from scipy import sparse

    from sklearn_set import _native

    result = []
    for layers in zip(*models):
        n_out = len(layers[0][0]) - 1
        n_in = max(int(indices.max()) for _, indices, _, _ in layers) + 1
        total = sum(
            sparse.csr_array((w.astype(np.float64), i, p), shape=(n_out, n_in))
            for p, i, w, _ in layers
        )
        mean = (total / len(layers)).astype(np.float32)
        mean.sort_indices()
        wanted, data = len(layers[0][1]), mean.data
        excess = max(0, len(data) - wanted)
        negative, zero, positive = _native.count_signs(data)
        excess = max(0, excess - zero)
        n_negative = min(negative, excess * negative // max(1, negative + positive))
        keep = _native.drop_nearest_zero(data, n_negative, excess - n_negative) != 0
        rows = np.repeat(np.arange(n_out), np.diff(mean.indptr))[keep]
        indptr = np.append(0, np.cumsum(np.bincount(rows, minlength=n_out)))
        bias = np.mean([b for *_, b in layers], axis=0).astype(np.float32)
        result.append(
            (indptr.astype(np.int32), mean.indices[keep].astype(np.int32), data[keep], bias)
        )
    return result


def worker(connection, number, n_workers, own_topology):
    """Train on every n-th row; answer each model with one that saw them once."""
    from sklearn_set import SETClassifier

    X, y, *_ = averaging_data()
    X, y = X[number::n_workers], y[number::n_workers]
    model = SETClassifier(zeta=0.3 if own_topology else 0, **settings())
    model.partial_fit(X[:32], y[:32], classes=[0, 1])  # to be filled
    connection.send(None)
    while (layers := connection.recv()) is not None:
        give(model, layers)
        began = time.thread_time()
        model.partial_fit(X, y)
        connection.send((arrays(model), time.thread_time() - began))


def averaged(n_rounds, n_workers, own_topology, every):
    """Rounds of local epochs whose models are averaged after every so many of them.

    Seconds are the processor's: of the slowest worker, and of this process's exchange.
    """
    from sklearn_set import SETClassifier
    from sklearn_set._evolution import Evolution

    *_, X_test, y_test = averaging_data()
    context = get_context("spawn")
    pipes, processes = [], []
    for number in range(n_workers):
        ours, theirs = context.Pipe()
        process = context.Process(target=worker, args=(theirs, number, n_workers, own_topology))
        process.start()
        pipes.append(ours)
        processes.append(process)
    X, y, *_ = averaging_data()
    model = SETClassifier(**settings())
    model.partial_fit(X[:32], y[:32], classes=[0, 1])
    for pipe in pipes:
        pipe.recv()
    rng, evolution = np.random.default_rng(0), Evolution(fraction=0.3)
    layers, curve, training, exchange, n_bytes = arrays(model), [], 0.0, 0.0, 0
    states = [layers] * n_workers
    for number in range(n_rounds):
        start = time.thread_time()
        for pipe, state in zip(pipes, states):
            pipe.send(state)
        answers = [pipe.recv() for pipe in pipes]
        exchange += time.thread_time() - start
        training += max(seconds for _, seconds in answers)
        states = [state for state, _ in answers]
        if (number + 1) % every == 0 or number + 1 == n_rounds:
            start = time.thread_time()
            layers = average(states)
            exchange += time.thread_time() - start
            n_bytes += n_workers * 2 * sum(a.nbytes for la in layers for a in la)
            give(model, layers)
            curve.append(100 * model.score(X_test, y_test))
            if not own_topology and number + 1 < n_rounds:
                counts = evolution.no_changes()
                evolution.rewire(model._network, rng, counts, 0.3)
                layers = arrays(model)
            states = [layers] * n_workers
    for pipe, process in zip(pipes, processes):
        pipe.send(None)
        process.join()
    return {
        "curve": curve,
        "seconds of training": training,
        "seconds of exchange": exchange,
        "bytes": n_bytes,
        "connections": sum(len(layer[1]) for layer in layers),
    }


def alone(n_rounds):
    """The same model on all rows in one process."""
    from sklearn_set import SETClassifier

    X, y, X_test, y_test = averaging_data()
    model = SETClassifier(**settings())
    curve, training = [], 0.0
    for _ in range(n_rounds):
        start = time.thread_time()
        model.partial_fit(X, y, classes=[0, 1])
        training += time.thread_time() - start
        curve.append(100 * model.score(X_test, y_test))
    return {"curve": curve, "seconds of training": training, "connections": model.n_connections_}


# ------------------------------------------------------------------ sections


def run_rows():
    return [
        apart("fit", n_rows=n, n_features=50, hidden=[200, 200], epsilon=10, batch_size=128)
        for n in (10_000, 100_000, 1_000_000)
    ]


def run_features():
    return [
        apart("fit", n_rows=1000, n_features=n, hidden=[1000, 1000], epsilon=10)
        for n in (1_000, 10_000, 100_000, 400_000)
    ]


def run_connections():
    return [
        apart("fit", n_rows=320, n_features=n, hidden=[n, n], epsilon=10)
        for n in (1_000, 10_000, 100_000, 400_000)
    ]


def run_stream():
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "rows.parquet"))
        write_parquet(path, 50, 100_000)
        size = Path(path).stat().st_size / MIB
        found = apart("stream", path=path, limit_gib=2, n_passes=2, n_rows=100_000)
    return {**found, "file, MiB": size, "path": "rows.parquet"}


def run_regularisation():
    return [
        apart("regularised", mixup=mixup, weight_decay=decay)
        for mixup, decay in ((0, 0.01), (0, 0.0001), (0, 0), (1, 0), (1, 0.01))
    ]


def run_averaging():
    n = 10
    return {
        "one process": apart("alone", n_rounds=n),
        "two processes, own topologies, averaged after every epoch": apart(
            "averaged", n_rounds=n, n_workers=2, own_topology=True, every=1
        ),
        "two processes, one topology, averaged after every epoch": apart(
            "averaged", n_rounds=n, n_workers=2, own_topology=False, every=1
        ),
        "two processes, own topologies, averaged once at the end": apart(
            "averaged", n_rounds=n, n_workers=2, own_topology=True, every=n
        ),
    }


TASKS = {
    "fit": fit,
    "stream": stream,
    "regularised": regularised,
    "averaged": averaged,
    "alone": alone,
}
SECTIONS = {
    "rows": run_rows,
    "features": run_features,
    "connections": run_connections,
    "stream": run_stream,
    "regularisation": run_regularisation,
    "averaging": run_averaging,
}


# ------------------------------------------------------------------ the page


def growth_table(rows, size):
    lines = [
        f"| {size} | connections | batch | s an epoch | ns per connection and row | data, MiB | "
        "beyond the data, MiB | bytes per connection |",
        "|---|---|---|---|---|---|---|---|",
    ]
    names = {"rows": "n_rows", "features": "n_features"}
    for row in rows:
        value = row["hidden"][0] if size == "neurons a layer" else row[names[size]]
        each = row["seconds an epoch"] / row["n_rows"] / row["connections"] * 1e9
        per_connection = f"{row['memory, MiB'] * MIB / row['connections']:.0f}"
        lines.append(
            f"| {value:,} | {row['connections']:,} | {row.get('batch_size', 32)} | "
            f"{row['seconds an epoch']:.3g} | {each:.2f} | {row['data, MiB']:,.0f} | "
            f"{row['memory, MiB']:,.0f} | {'–' if size == 'rows' else per_connection} |"
        )
    return "\n".join(lines)


def regularisation_table(rows):
    head = " | ".join(f"mixup={r['mixup']}, weight_decay={r['weight_decay']:g}" for r in rows)
    body = " | ".join(f"{row['accuracy']:.1f}" for row in rows)
    return f"| | {head} |\n|{'---|' * (len(rows) + 1)}\n| accuracy, % | {body} |"


def averaging_table(rows):
    lines = [
        "| | connections | after 1 epoch, % | 3 | 10 | training, s | exchange, s | "
        "kB an averaging and worker, both ways |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        curve = row["curve"]
        points = [f"{curve[i]:.1f}" if len(curve) > 2 else "–" for i in (0, 2)]
        if "bytes" in row:
            n_bytes = f"{row['bytes'] / len(curve) / row['n_workers'] / 1e3:,.0f}"
            seconds = f"{row['seconds of training']:.1f} | {row['seconds of exchange']:.2f}"
        else:
            n_bytes, seconds = "–", f"{row['seconds of training']:.1f} | –"
        lines.append(
            f"| {name} | {row['connections']:,} | {points[0]} | {points[1]} | {curve[-1]:.1f} | "
            f"{seconds} | {n_bytes} |"
        )
    return "\n".join(lines)


def draw_stream(found):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.2))
    curve = found["curve"]
    axes.plot([p["rows"] / 1e6 for p in curve], [p["accuracy"] for p in curve])
    axes.axhline(found["linear"], color="grey", linestyle=":")
    axes.text(5.2, found["linear"] + 0.2, "SGDClassifier (linear), one pass", color="grey")
    axes.axvline(curve[len(curve) // 2 - 1]["rows"] / 1e6, color="lightgrey", zorder=0)
    axes.set(xlabel="million rows seen", ylabel="accuracy on held-out rows, %")
    figure.tight_layout()
    figure.savefig(DOC / "scaling_stream.png", dpi=120)


def stream_table(found):
    curve = found["curve"]
    picked = [0, 1, 4, 9, 24, 49, 74, 99]
    head = " | ".join(f"{curve[i]['rows'] / 1e6:.1f}" for i in picked)
    body = " | ".join(f"{curve[i]['accuracy']:.1f}" for i in picked)
    return (
        f"| million rows | {head} |\n|{'---|' * (len(picked) + 1)}\n| accuracy, % | {body} |\n\n"
        f"{found['connections']:,} connections, {found['rewirings']} rewirings. Peak of the "
        f"process {found['peak, MiB']:,.0f} MiB, for a file of {found['file, MiB']:,.0f} MiB; "
        f"{found['seconds']:.0f} s, of which {found['seconds of partial_fit']:.0f} s in "
        "`partial_fit`, on a machine busy with other programs. A linear `SGDClassifier` reaches "
        f"{found['linear']:.1f} %."
    )


def write_page(results):
    text = TEXT.read_text(encoding="utf-8")
    machine = ", ".join(
        results["machine"][key] for key in ("processor", "system", "memory", "kernels")
    )
    for name, value in {
        "machine": f"{machine}, {results['machine']['cores']} cores",
        "rows": growth_table(results["rows"], "rows"),
        "features": growth_table(results["features"], "features"),
        "connections": growth_table(results["connections"], "neurons a layer"),
        "stream": stream_table(results["stream"]),
        "regularisation": regularisation_table(results["regularisation"]),
        "averaging": averaging_table(results["averaging"]),
    }.items():
        text = text.replace("{{" + name + "}}", value)
    draw_stream(results["stream"])
    (DOC / "scaling.md").write_text(text, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sections", nargs="*", default=list(SECTIONS), choices=list(SECTIONS))
    parser.add_argument("--page", action="store_true", help="only write the page")
    parser.add_argument("--task", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task:
        name, given = arguments.task
        print(json.dumps(TASKS[name](**json.loads(given))))
        return
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if not arguments.page:
        from measure import describe_machine

        results["machine"] = describe_machine()
        for name in arguments.sections:
            results[name] = SECTIONS[name]()
            RESULTS.write_text(json.dumps(results, indent=1))
    if set(SECTIONS) <= set(results):
        write_page(results)


if __name__ == "__main__":
    main()
