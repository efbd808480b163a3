"""What is measured in a process of its own: memory, imports, fits that fill the machine."""

import time
import warnings


def _memory(name):
    """Bytes in memory, now ("VmRSS") or at the peak ("VmHWM").

    getrusage's ru_maxrss is that of the process that started this one, if that is larger.
    """
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith(name))
    return int(line.split()[1]) * 1024


def import_seconds():
    """CPU seconds that the package adds to scikit-learn's networks."""
    import sklearn.neural_network  # noqa: F401

    began = time.process_time()
    import sklearn_set  # noqa: F401

    return time.process_time() - began


def step_of(n_connections, batch=32, budget=3):
    """CPU seconds of a training step at about that many connections, and bytes a connection."""
    import numpy as np
    from measure import interleave
    from targets import adam, make_data, make_network

    n = max(100, round(n_connections / 42))
    before = _memory("VmRSS")
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
        "peak": _memory("VmRSS") - before,
        "data": data.X.nbytes,
        "activations": (n + 2 * sum(network.hidden_layer_sizes)) * batch * 4,
    }


def fit_large(width, n_hidden=3, epsilon=20, n_samples=135, n_epochs=3, batch=32, n_jobs=2):
    """Seconds of an epoch (with evolution) of a very wide network, and the peak memory."""
    import numpy as np

    from sklearn_set import SETClassifier

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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
    return {
        "seconds": float(np.median(model.history_["time"][1:])),
        "connections": model.n_connections_,
        "peak": _memory("VmHWM"),
    }
