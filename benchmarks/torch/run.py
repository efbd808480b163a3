"""Sparse layers in PyTorch: SET-CNN, one layer against torch's; write doc/benchmarks/torch.md.

    python benchmarks/torch/run.py --data-home FOLDER

FOLDER holds the files of the ASU collection (`sklearn_set.datasets.fetch_asu`). Numbers go to
results.json beside this file as soon as they are there; --sections runs some of them again,
--page only writes the page.
"""

import argparse
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

from sklearn_set.datasets import fetch_asu
from sklearn_set.torch import SparseLinear, evolve

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "speed"))
from measure import describe_machine, interleave  # noqa: E402

RESULTS = HERE / "results.json"
PAGE = HERE.parents[1] / "doc" / "benchmarks" / "torch.md"
TEXT = HERE / "page.md.in"
VARIANTS = ("dense", "static sparse", "SET", "SET, at rest in the last 40 %")
#: data -> images a side, width of the hidden layers, training images, epochs, seeds
CNNS = {"digits": (8, 512, 1198, 30, 5), "COIL20": (32, 2048, 240, 80, 3)}
ZETA, EPSILON, BATCH = 0.3, 20, 32
# neurons, batch
LAYERS = ((300, 32), (1000, 32), (3000, 32), (3000, 128), (10000, 32))


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


def train_cnn(name, variant, seed, data_home):
    """One run: accuracy of the final model on the test set, parameters, seconds."""
    side, width, n_train, n_epochs, _ = CNNS[name]
    X, y = images(name, data_home)
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


def run_cnn(name, data_home):
    found = []
    for seed in range(CNNS[name][-1]):
        for variant in VARIANTS:
            found.append(train_cnn(name, variant, seed, data_home))
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


def run_layers(_):
    return [time_layer(*shape) for shape in LAYERS]


SECTIONS = {
    "layers": run_layers,
    "digits": lambda home: run_cnn("digits", home),
    "COIL20": lambda home: run_cnn("COIL20", home),
}


# ------------------------------------------------------------------ the page


def cnn_table(rows):
    lines = [
        "| | accuracy, % | parameters | … of the linear layers | seconds | … evolving |",
        "|---|---|---|---|---|---|",
    ]
    for variant in VARIANTS:
        runs = [row for row in rows if row["variant"] == variant]

        def mean(key, runs=runs):
            return np.mean([run[key] for run in runs])

        accuracies = [run["accuracy"] for run in runs]
        error = np.std(accuracies, ddof=1) / np.sqrt(len(runs))
        lines.append(
            f"| {variant} | {np.mean(accuracies):.2f} ± {error:.2f} | "
            f"{mean('parameters'):,.0f} | {mean('of linear layers'):,.0f} | "
            f"{mean('seconds'):.1f} | {mean('of evolution'):.2f} |"
        )
    return "\n".join(lines)


def layer_table(rows):
    lines = [
        "| neurons | connections | batch | forward: ours | CSR | dense | "
        "with gradients: ours | CSR | dense | CSR / ours |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        forward, full = row["forward"], row["all"]
        csr = full.get("CSR")
        lines.append(
            f"| {row['neurons']} | {row['connections']} | {row['batch']} | {forward['ours']:.3f} | "
            f"{forward['CSR']:.3f} | {forward['dense']:.3f} | {full['ours']:.3f} | "
            + (f"{csr:.2f}" if csr else "–")
            + f" | {full['dense']:.2f} | "
            + (f"{csr / full['ours']:.0f}" if csr else "–")
            + " |"
        )
    return "\n".join(lines)


def write_page(results):
    machine = "\n".join(f"| {k} | {v} |" for k, v in results["machine"].items())
    text = TEXT.read_text(encoding="utf-8")
    for name, value in {
        "machine": f"|  |  |\n|---|---|\n{machine}",
        "digits": cnn_table(results["digits"]),
        "coil20": cnn_table(results["COIL20"]),
        "layers": layer_table(results["layers"]),
    }.items():
        text = text.replace("{{" + name + "}}", value)
    PAGE.write_text(text, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home", help="folder with COIL20.mat")
    parser.add_argument("--sections", nargs="*", default=list(SECTIONS), choices=list(SECTIONS))
    parser.add_argument("--page", action="store_true", help="only write the page")
    arguments = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if not arguments.page:
        torch.set_num_threads(1)
        results["machine"] = describe_machine()
        for name in arguments.sections:
            results[name] = SECTIONS[name](arguments.data_home)
            RESULTS.write_text(json.dumps(results, indent=1))
    if set(SECTIONS) <= set(results):
        write_page(results)


if __name__ == "__main__":
    main()
