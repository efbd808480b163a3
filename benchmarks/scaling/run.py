"""How a fit grows with rows, features and connections.

    python benchmarks scaling
    python benchmarks pages scaling

Numbers go to results.json beside this file as soon as they are there; --sections measures some of
them again. Every measurement is a process of its own, so that its peak of memory is its own.
Needs Linux, pandas and pyarrow.
"""

import resource
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from common import forget_peak, memory, run_apart, run_sections

RESULTS = Path(__file__).with_name("results.json")
MIB = 2**20


def apart(task, **arguments):
    """Call a function of this file in a process of its own; returns what was asked and found."""
    found = {**arguments, **run_apart("scaling.run", task, **arguments)}
    print(found, flush=True)
    return found


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
    before = memory("VmRSS")
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
    return {
        "connections": model.n_connections_,
        "data, MiB": X.nbytes / MIB,
        "seconds an epoch": min(np.diff(clock.times)),
        "memory, MiB": memory("VmHWM") - before,
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
    return {
        "curve": curve,
        "linear": 100 * linear.score(X_test, y_test),
        "seconds": time.perf_counter() - began,
        "seconds of partial_fit": seconds,
        "peak, MiB": memory("VmHWM"),
        "connections": model.n_connections_,
        "rewirings": int(np.count_nonzero(model.history_["n_grown"])),
    }


def regularised(mixup, weight_decay, decay_rule):
    """Accuracy after two passes over the first million rows of the stream."""
    from sklearn_set import SETClassifier

    teacher = make_teacher()
    X_test, y_test = chunk(10**6, 20_000, teacher)
    chunks = [chunk(number, 100_000, teacher) for number in range(10)]
    model = SETClassifier(
        (200, 200),
        mixup=mixup,
        weight_decay=weight_decay,
        decay_rule=decay_rule,
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
    """Rounds of local epochs, the models averaged after every `every` of them.

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
                network = model._network
                evolution.rewire(network, rng, 0.3, evolution.evolving(network))
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


def some(sizes, options):
    """All sizes, or the smallest."""
    return sizes[: 1 if options.quick else None]


def run_rows(options):
    return [
        apart("fit", n_rows=n, n_features=50, hidden=[200, 200], epsilon=10, batch_size=128)
        for n in some((10_000, 100_000, 1_000_000), options)
    ]


def run_features(options):
    return [
        apart("fit", n_rows=1000, n_features=n, hidden=[1000, 1000], epsilon=10)
        for n in some((1_000, 10_000, 100_000, 400_000), options)
    ]


def run_connections(options):
    return [
        apart("fit", n_rows=320, n_features=n, hidden=[n, n], epsilon=10)
        for n in some((1_000, 10_000, 100_000, 400_000), options)
    ]


def run_stream(options):
    n_rows = 1000 if options.quick else 100_000
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "rows.parquet"))
        write_parquet(path, 50, n_rows)
        size = Path(path).stat().st_size / MIB
        found = apart("stream", path=path, limit_gib=2, n_passes=2, n_rows=n_rows)
    return {**found, "file, MiB": size, "path": "rows.parquet"}


def run_regularisation(options):
    return [
        apart("regularised", mixup=mixup, weight_decay=decay, decay_rule=rule)
        for mixup, decay, rule in some(
            (
                (0.3, 0.02, "per_epoch"),
                (0, 0.02, "per_epoch"),
                (0, 0, "per_epoch"),
                (0, 0.0001, "l2"),
                (1, 0.01, "l2"),
            ),
            options,
        )
    ]


def run_averaging(options):
    n = 2 if options.quick else 10
    ways = {
        "own topologies, averaged after every epoch": {"own_topology": True, "every": 1},
        "one topology, averaged after every epoch": {"own_topology": False, "every": 1},
        "own topologies, averaged once at the end": {"own_topology": True, "every": n},
    }
    found = {"one process": apart("alone", n_rounds=n)}
    for name, way in ways.items():
        found[f"two processes, {name}"] = apart("averaged", n_rounds=n, n_workers=2, **way)
    return found


SECTIONS = {
    "rows": run_rows,
    "features": run_features,
    "connections": run_connections,
    "stream": run_stream,
    "regularisation": run_regularisation,
    "averaging": run_averaging,
}


def main():
    run_sections(__doc__, SECTIONS, RESULTS)
