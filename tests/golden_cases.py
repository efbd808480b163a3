"""Short trainings whose results are kept in tests/golden, one file per instruction set.

    python tests/golden_cases.py          # writes the files anew, for what this machine can run

`core` takes nothing from other libraries that may change from version to version: all values are
multiples of 2**-24 drawn from splitmix64, the losses need no exponential of libm (those of the
activations are the kernels' own), and Adam's betas are powers that any libm gets exactly. Its
results may change with this package and with the compiler only. `estimators` goes the whole way;
NumPy does not promise that its generators draw the same numbers for ever, and the loss takes
libm's exponential, so its results are compared within a tolerance.
"""

import itertools
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
from scipy import sparse

from sklearn_set import NPSETClassifier, SETClassifier, SETRegressor, _native
from sklearn_set._data import Data
from sklearn_set._losses import Loss
from sklearn_set._network import Layer, Network
from sklearn_set._optimizers import Optimizer
from sklearn_set._topology import Connectivity, Rewiring

FOLDER = Path(__file__).with_name("golden")
SIZES = [11, 21, 13, 3]
N = 45

# activation, dropout, rule, loss, sparse samples, mixed samples
CORE = [
    ("relu", 0.0, "nesterov", "squared_error", False, False),
    ("tanh", 0.0, "adam", "huber", False, False),
    ("logistic", 0.0, "sgd", "squared_error", True, False),
    ("all_relu", 0.25, "adam", "squared_error", False, True),
    ("leaky_relu", 0.25, "adam", "huber", True, True),
]


def numbers(shape, seed, dtype):
    """Multiples of 2**-24 in [-1/2, 1/2)."""
    draws = [_native.splitmix64(seed, i) >> 40 for i in range(int(np.prod(shape)))]
    return (np.array(draws, np.float64) / 2**24 - 0.5).astype(dtype).reshape(shape)


def core(activation, dropout, rule, loss, sparse_samples, mixed, dtype):
    """Predictions and connections after 30 steps with two rewirings."""
    layers = []
    for number, (n_in, n_out) in enumerate(itertools.pairwise(SIZES)):
        arrays = _native.erdos_renyi(n_in, n_out, 4 * (n_in + n_out), number)
        connectivity = Connectivity(*arrays, (n_in, n_out))
        weights = numbers(connectivity.nnz, 10 + number, dtype)
        layers.append(Layer(connectivity, weights, numbers(n_out, 20 + number, dtype)))
    network = Network(layers)
    network.set_activation(activation, dropout)
    momentum = 0.0 if rule == "sgd" else 0.5
    optimizer = Optimizer(rule, 2**-6, momentum=momentum, betas=(0.5, 0.75), weight_decay=2**-7)
    network.start_optimizer(optimizer)
    X, y = numbers((N, SIZES[0]), 1, dtype), numbers((N, SIZES[-1]), 2, dtype)
    if sparse_samples:
        X = sparse.csr_array(np.where(X > 0, X, 0))
    data = Data(X, dtype, Loss(loss, 0.25), y)
    starts = np.array([0, 5, 9, 17, 18, 20, 28, 36, 40, 44, 45])
    for epoch in range(3):
        if epoch:
            for number, layer in enumerate(network.layers[:-1]):
                negative, _, positive = _native.count_signs(layer.weights)
                keep = _native.drop_nearest_zero(layer.weights, negative // 3, positive // 3)
                c, n_new = layer.connectivity, int(np.count_nonzero(keep == 0))
                indptr, indices, source = _native.grow_random(
                    c.indptr, c.indices, c.shape[0], keep, n_new, True, 100 * epoch + number
                )
                rewiring = Rewiring(Connectivity(indptr, indices, c.shape), source)
                network.rewire(number, rewiring, numbers(n_new, 30 + epoch, dtype))
        order = np.arange(N) * (epoch + 7) % N
        mixing = {}
        if mixed:
            partners = np.stack([order[::-1], (order + 3) % N, (order + 5) % N])
            mixing = {"partners": partners, "shares": numbers((4, N), 3, dtype)}
        network.train_batches(data, order, starts, optimizer, dropout_seed=epoch, **mixing)
    return network.predict(data), np.concatenate([la.indices for la in network.layers])


def estimators():
    """What fitted estimators predict, by name."""
    X, y = numbers((80, 12), 4, np.float64), numbers(80, 5, np.float64)
    classes = np.digitize(X[:, 0] + X[:, 1], [-0.2, 0.2])
    settings = dict(
        hidden_layer_sizes=(30, 20), epsilon=4, max_iter=5, conditioning=None, shrinkage=0,
        select_inputs=False, evolve_every=1, random_state=0,
    )  # fmt: skip
    pruning = dict(beta=1, gamma=2, alpha=0.1)
    decay = dict(weight_decay=0.02, decay_rule="per_epoch")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return {
            "SETClassifier": SETClassifier(**settings, **decay).fit(X, classes).predict_proba(X),
            "NPSETClassifier": NPSETClassifier(
                **settings,
                **pruning,
                **decay,
                activation="all_relu",
                dropout=0.2,
                drop="sensitivity",
            )
            .fit(X, classes)
            .predict_proba(X),
            "SETRegressor": SETRegressor(
                **settings,
                weight_decay=0.03,
                decay_rule="l2",
                solver="nesterov",
                mixup=0,
                grow="gradient",
            )
            .fit(sparse.csr_array(np.where(X > 0, X, 0)), y)
            .predict(X),
        }


def results():
    """All results with the instruction set in use."""
    found = {f"estimators/{name}": values for name, values in estimators().items()}
    for number, case in enumerate(CORE):
        for dtype in (np.float32, np.float64):
            name = f"core/{number}/{np.dtype(dtype).name}"
            found[name], found[f"{name}/indices"] = core(*case, dtype)
    return found


def save_with(isa, path):
    """The results with one instruction set, which a process chooses once and for all."""
    subprocess.run(
        [sys.executable, "-P", __file__, str(path)],
        env={**os.environ, "SKLEARN_SET_ISA": isa},
        check=True,
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        np.savez_compressed(sys.argv[1], **results())
    else:
        for isa in _native.runnable_isas():
            save_with(isa, FOLDER / f"{isa}.npz")
            print(f"{FOLDER / isa}.npz")
