"""Sparse layers in PyTorch: SET-CNN, and single layers against torch's own.

    python benchmarks torch_layers --data-home FOLDER
    python benchmarks pages torch_layers

FOLDER holds the files of the ASU collection (`sklearn_set.datasets.fetch_asu`). Numbers go to
results.json beside this file as soon as they are there; --sections measures some of them again.
"""

import os
import time
import warnings
from pathlib import Path

# A thread that waits must not look busy to the processor's clock.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import torch
from common import interleave, run_sections
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

from sklearn_set.datasets import fetch_asu
from sklearn_set.torch import SparseConv2d, SparseLinear, evolve

RESULTS = Path(__file__).with_name("results.json")
VARIANTS = ("dense", "static sparse", "SET", "SET, at rest in the last 40 %")
#: data -> images a side, width of the hidden layers, training images, epochs, seeds
CNNS = {"digits": (8, 512, 1198, 30, 5), "COIL20": (32, 2048, 240, 80, 3)}
ZETA, EPSILON, BATCH = 0.3, 20, 32
# neurons, batch
LAYERS = ((300, 32), (1000, 32), (3000, 32), (3000, 128), (10000, 32))
# Of ResNets: channels before and behind, pixels a side, kernel, stride
CONVOLUTIONS = (
    (64, 64, 56, 3, 1),
    (128, 128, 28, 3, 1),
    (256, 256, 14, 3, 1),
    (512, 512, 7, 3, 1),
    (128, 256, 28, 3, 2),
    (256, 64, 56, 1, 1),
)
IMAGES = 16
#: Percent of the weights that a convolution lacks; the last one has next to none.
SPARSITIES = (50, 60, 70, 80, 90, 95, 98, 99.95)


def set_cnn(side, width, n_classes, dense):
    """Convolutions as in the SET paper, two sparse layers, a dense one for the softmax."""

    def convolutions(before, after):
        return [
            nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.Dropout(0.3),
            nn.Conv2d(after, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        ]  # fmt: skip

    def hidden(before):
        if dense:
            return nn.Linear(before, width)
        return SparseLinear(before, width, epsilon=EPSILON)

    flat = 128 * (side // 8) ** 2
    return nn.Sequential(
        *convolutions(1, 32), *convolutions(32, 64), *convolutions(64, 128), nn.Flatten(),
        hidden(flat), nn.ReLU(), nn.Dropout(0.3),
        hidden(width), nn.ReLU(), nn.Dropout(0.3),
        nn.Linear(width, n_classes),
    )  # fmt: skip


def images(name, data_home):
    if name == "digits":
        X, y = load_digits(return_X_y=True)
        X = X / 16
    else:
        X, y = fetch_asu(name, data_home=data_home, download_if_missing=False, return_X_y=True)
        y = np.unique(y, return_inverse=True)[1]
    side = CNNS[name][0]
    return X.reshape(len(X), 1, side, side).astype(np.float32), y


def train_cnn(name, variant, seed, options):
    """One run: accuracy of the final model on the test set, parameters, seconds."""
    side, width, n_train, n_epochs, _ = CNNS[name]
    n_epochs = 2 if options.quick else n_epochs
    X, y = images(name, options.data_home)
    parts = train_test_split(X, y, train_size=n_train, stratify=y, random_state=seed)
    X_train, X_test, y_train, y_test = map(torch.from_numpy, parts)
    torch.manual_seed(seed)
    model = set_cnn(side, width, len(np.unique(y)), variant == "dense")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    loss_function = nn.CrossEntropyLoss()
    began, evolving = time.thread_time(), 0.0
    for epoch in range(n_epochs):
        model.train()
        # Not before the first epoch: the final topology is a trained one.
        last = 0.6 * n_epochs if variant.endswith("%") else n_epochs
        if variant.startswith("SET") and 0 < epoch < last:
            start = time.thread_time()
            evolve(model, optimizer, zeta=ZETA)
            evolving += time.thread_time() - start
        for rows in torch.randperm(n_train).split(BATCH):
            optimizer.zero_grad()
            loss_function(model(X_train[rows]), y_train[rows]).backward()
            optimizer.step()
    seconds = time.thread_time() - began
    model.eval()
    with torch.no_grad():
        accuracy = (model(X_test).argmax(1) == y_test).float().mean().item()
    linear = [m for m in model if isinstance(m, SparseLinear | nn.Linear)]
    return {
        "data": name,
        "variant": variant,
        "seed": seed,
        "accuracy": 100 * accuracy,
        "parameters": sum(p.numel() for p in model.parameters()),
        "of linear layers": sum(p.numel() for m in linear for p in m.parameters()),
        "seconds": seconds,
        "of evolution": evolving,
    }


def run_cnn(name, options):
    found = []
    for seed in range(1 if options.quick else CNNS[name][-1]):
        for variant in VARIANTS:
            found.append(train_cnn(name, variant, seed, options))
            print(found[-1], flush=True)
    return found


def alone(tasks):
    """Seconds of each task, repeated by itself: a dense layer would clear the caches."""
    return {name: interleave({name: task}, 0.5)[name] for name, task in tasks.items()}


def time_layer(n, batch):
    """Milliseconds of one n x n layer, forward alone and with all gradients, one thread."""
    torch.manual_seed(0)
    ours, dense = SparseLinear(n, n, epsilon=10), nn.Linear(n, n)
    x = torch.randn(batch, n, requires_grad=True)
    by_neuron = x.detach().T.contiguous().requires_grad_()  # as suits CSR
    values = ours.weight.detach().clone()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "sparse CSR is in beta"
        csr = torch.sparse_csr_tensor(ours.indptr, ours.indices, values, (n, n))
    csr.requires_grad_()
    calls = {"ours": lambda: ours(x), "CSR": lambda: csr @ by_neuron, "dense": lambda: dense(x)}
    leaves = {
        "ours": [x, *ours.parameters()],
        "CSR": [by_neuron, csr],
        "dense": [x, *dense.parameters()],
    }

    def with_gradients(name):
        def task():
            for leaf in leaves[name]:
                leaf.grad = None
            calls[name]().sum().backward()

        return task

    with torch.no_grad():
        difference = (calls["ours"]() - ours.bias - calls["CSR"]().T).abs().max().item()
        forward = alone(calls)
    # torch forms the gradient of CSR weights in their dense size.
    names = [name for name in calls if name != "CSR" or n <= 3000]
    full = alone({name: with_gradients(name) for name in names})
    found = {
        "neurons": n,
        "batch": batch,
        "connections": len(ours.weight),
        "forward": {name: 1e3 * seconds for name, seconds in forward.items()},
        "all": {name: 1e3 * seconds for name, seconds in full.items()},
        "difference": difference,
    }
    print(found, flush=True)
    return found


def run_layers(options):
    return [time_layer(*shape) for shape in LAYERS[: 1 if options.quick else None]]


def time_convolution(shape, n_threads, quick):
    """Milliseconds of a convolution, forward and with all gradients, by its sparsity."""
    torch.manual_seed(0)
    torch.set_num_threads(n_threads)
    before, after, side, kernel, stride = shape
    x = torch.randn(IMAGES, before, side, side, requires_grad=True)
    options = {"stride": stride, "padding": kernel // 2}
    layers = {"dense": nn.Conv2d(before, after, kernel, **options)}
    for sparsity in SPARSITIES[-3:] if quick else SPARSITIES:
        density = 1 - sparsity / 100
        layers[str(sparsity)] = SparseConv2d(before, after, kernel, **options, density=density)
    out = layers["dense"](x)
    factor = torch.randn_like(out)

    def forward(layer):
        with torch.no_grad():
            layer(x)

    def with_gradients(layer):
        x.grad = None
        layer.zero_grad()
        layer(x).backward(factor)

    found = {"shape": shape, "threads": n_threads, "multiply-adds": out[0].numel() * IMAGES}
    found["multiply-adds"] *= before * kernel**2

    def clock():  # the processor's: others use the machine, too
        return time.process_time() / n_threads

    for name, call in (("forward", forward), ("all", with_gradients)):
        tasks = {key: lambda call=call, layer=layer: call(layer) for key, layer in layers.items()}
        seconds = interleave(tasks, 0.0 if quick else 0.3, least=3 if quick else 9, clock=clock)
        found[name] = {key: 1e3 * value for key, value in seconds.items()}
    torch.set_num_threads(1)
    print(found, flush=True)
    return found


def run_convolutions(options):
    shapes = CONVOLUTIONS[3:4] if options.quick else CONVOLUTIONS
    return [time_convolution(s, n, options.quick) for s in shapes for n in (1, 2)]


SECTIONS = {
    "layers": run_layers,
    "convolutions": run_convolutions,
    "digits": lambda options: run_cnn("digits", options),
    "COIL20": lambda options: run_cnn("COIL20", options),
}


def main():
    torch.set_num_threads(1)
    run_sections(__doc__, SECTIONS, RESULTS)
