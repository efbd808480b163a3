"""What the groups of targets share: the report, the shapes, networks and data to time."""

import numpy as np

from sklearn_set._losses import Loss
from sklearn_set._network import Data, Network
from sklearn_set._optimizers import Optimizer

SHAPES = {
    "Lung-discrete": (325, 300, 300, 7),
    "PCMAC": (3289, 3000, 3000, 2),
    "leukemia": (7070, 7000, 7000, 2),
    "arcene": (10000, 10000, 10000, 2),
}


class Report(list):
    """The targets and tables of a group, in the order in which they are measured."""

    def target(self, number, what, measured, wanted, *, at_least, unit="", digits=2):
        met = bool(measured >= wanted if at_least else measured <= wanted)
        wanted, measured = (f"{wanted:g}{unit}", f"{measured:.{digits}f}{unit}")
        wanted = f"{'≥' if at_least else '≤'} {wanted}"
        self.append(
            {"number": number, "what": what, "wanted": wanted, "measured": measured, "met": met}
        )
        print(f"  {number:4} {what}: {measured} ({wanted}) {'met' if met else 'NOT met'}")

    def skip(self, number, what, why):
        self.append({"number": number, "what": what, "wanted": "", "measured": why, "met": None})
        print(f"  {number:4} {what}: skipped, {why}")

    def table(self, heading, text, columns, rows):
        self.append({"heading": heading, "text": text, "columns": columns, "rows": rows})


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


def aligned(shape, rng):
    """Random float32 array whose rows are 64-byte aligned."""
    size = int(np.prod(shape))
    raw = np.empty(size + 16, dtype=np.float32)
    start = -raw.ctypes.data % 64 // 4
    array = raw[start : start + size].reshape(shape)
    array[...] = rng.standard_normal(shape, dtype=np.float32)
    return array
