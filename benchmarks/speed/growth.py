"""Targets 6a and 6b: time and memory of large networks."""

import numpy as np
from common import interleave, memory, quietly, run_apart

from sklearn_set import SETClassifier

from .material import adam, make_data, make_network, ms


def step_of(n_connections, batch=32, budget=3):
    """CPU seconds of a training step at about that many connections, and bytes a connection."""
    n = max(100, round(n_connections / 42))
    before = memory("VmRSS")
    network = make_network((n, n, n, 2), epsilon=10)
    network.start_optimizer(adam())
    data = make_data(batch, n, 2)
    order, starts = np.arange(batch), np.array([0, batch])
    seconds = interleave(
        {"step": lambda: network.train_batches(data, order, starts, adam())}, budget, least=3
    )
    nnz = network.n_connections
    return {
        "nnz": nnz,
        "seconds": seconds["step"],
        "peak": 2**20 * (memory("VmRSS") - before),
        "data": data.X.nbytes,
        "activations": (n + 2 * sum(network.hidden_layer_sizes)) * batch * 4,
    }


def fit_large(width, n_hidden=3, epsilon=20, n_samples=135, n_epochs=3, batch=32, n_jobs=2):
    """Seconds of an epoch (with evolution) of a very wide network, and the peak memory."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, 3312), dtype=np.float32)
    y = np.arange(n_samples) % 5
    model = SETClassifier(
        (width,) * n_hidden,
        epsilon=epsilon,
        batch_size=batch,
        max_iter=n_epochs,
        n_jobs=n_jobs,
        random_state=0,
    )
    quietly(model.fit, X, y)
    return {
        "seconds": float(np.median(model.history_["time"][1:])),
        "connections": model.n_connections_,
        "peak": 2**20 * memory("VmHWM"),
    }


def growth(options, report):
    rows = []
    wanted = [10**5, 10**6] + [10**7] * (not options.quick) + [10**8] * options.large
    for n_connections in wanted:
        for batch in (32,) if options.quick else (32, 2):
            sizes = {"n_connections": n_connections, "batch": batch}
            r = run_apart("speed.growth", "step_of", **sizes, budget=options.budget(1.5))
            per = (r["peak"] - r["data"] - r["activations"]) / r["nnz"]
            rows.append(
                [r["nnz"], batch, ms(r["seconds"]), f"{r['seconds'] / r['nnz'] * 1e9:.2f}"]
                + [f"{r['activations'] / 1e6:.0f}", f"{per:.0f}" if r["nnz"] > 5e5 else "–"]
            )
    report.table(
        "Growth",
        "n-n-n-2 networks with 20 connections a neuron; one training step. Memory: what is "
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
        r = run_apart("speed.growth", "fit_large", width=width, epsilon=epsilon, n_epochs=n_epochs)
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
        "Very wide networks",
        "135 samples, batch 32, two threads, an epoch with evolution",
        ["network", "epsilon", "million connections", "seconds an epoch (wall)", "peak, GiB"],
        rows,
    )
