"""Images: SET-MLP, SET-RBM, DSR and the rules after Naji et al., SET-CNN, beside static and dense.

    python benchmarks images --data-home FOLDER [--models ...] [--seeds N]    (some need torch)
    python benchmarks pages images

FOLDER holds mnist.npz, fashion_mnist_part.npz and cifar10_part.npz, each with X, a row of whole
numbers from 0 to 255 for each image, training images first, and the classes y. A fit's figures go
to results/ as soon as they are there; called again, the benchmark continues where it stopped.

Owns: the networks, their training and what is measured. May not touch: the page.
"""

import argparse
import itertools
import time
import warnings
from pathlib import Path

import numpy as np
from common import Rows
from scipy.special import expit, logsumexp
from sklearn.metrics import log_loss

from sklearn_set import DSRClassifier, SETBernoulliRBM, SETClassifier
from sklearn_set.presets import PAPER_SET

from .degrees import describe

RESULTS = Path(__file__).parent / "results"
N_SEEDS = 3
KEYS = ("data", "model", "seed")
COMMON = {"dtype": "float32", "n_jobs": 1, "tol": 0.0, "n_iter_no_change": np.inf}

#: The tutorial of SET's authors (IJCAI 2019): 2,000 images of Fashion-MNIST to learn from.
TUTORIAL = {**PAPER_SET, "epsilon": 13, "batch_size": 40, "learning_rate_init": 0.05,
            "dropout": 0.2, "max_iter": 400}  # fmt: skip
#: The paper's experiments with images, as their code for Keras has them, but with ReLU.
KERAS = {**PAPER_SET, "epsilon": 20, "batch_size": 100, "learning_rate_init": 0.01, "dropout": 0.3,
         "loss": "log_loss", "decay_rule": "l2", "evolve_output": False, "init": "he_uniform",
         "new_weights": "zero", "max_iter": 60}  # fmt: skip
#: File, training images in it, images to learn from, images to judge by, hidden layers, settings.
DATA = {
    "Fashion-MNIST": ("fashion_mnist_part", 20_000, 2_000, 1_000, (1000, 1000, 1000), TUTORIAL),
    "MNIST": ("mnist", 60_000, 10_000, 10_000, (1000, 1000, 1000), KERAS),
    "CIFAR-10": ("cifar10_part", 4_000, 4_000, 900, (4000, 1000, 4000), KERAS),
}
#: What each adds to the settings.
CLASSIFIERS = {
    "static": {"zeta": 0},
    "SET": {},
    "SET by relative sensitivity": {"drop": "relative_sensitivity"},
    "SET by sensitivity": {"drop": "sensitivity"},
    "SET by path": {"drop": "path"},
    "DSR": {},
    "static, 4 times the epochs": {"zeta": 0},
    "SET, 4 times the epochs": {},
    "dense": {"zeta": 0, "epsilon": 1e5, "init": "he_uniform"},
}
#: Dense networks are slow: fewer epochs, and none on CIFAR-10 (20 million weights).
DENSE_EPOCHS = {"Fashion-MNIST": 40, "MNIST": 15}

#: SET-RBM as in the paper, on 5,000 images of MNIST, black or white.
MACHINE = {"learning_rate": 0.01, "momentum": 0.9, "weight_decay": 2e-4, "batch_size": 50,
           "epsilon": 11, "n_iter": 200}  # fmt: skip
MACHINES = {
    "RBM, static": {"zeta": 0},
    "SET-RBM": {},
    "SET-RBM, 5 times the epochs": {"n_iter": 1000},
    "RBM, dense": {"zeta": 0, "epsilon": 1e5, "n_iter": 40},
}
N_HIDDEN, N_IMAGES = 500, 5_000

#: Networks with convolutions: what `sklearn_set.torch.evolve` does to them once an epoch, or
#: every so many steps, and to which images. None: the network is dense.
CONVOLUTIONAL = {
    "CNN, dense": None,
    "CNN, static": {},
    "SET-CNN": {"zeta": 0.3},
    "SET-CNN, sparse convolutions": {"zeta": 0.3},
    "ResNet, dense": None,
    "ResNet, static": {},
    "ResNet, SET": {"zeta": 0.3},
    "ResNet, DSR": {"redistribute": "survivors", "every": 25},
}
CONVOLUTIONAL_EPOCHS = {"Fashion-MNIST": 15, "CIFAR-10": 10}


def images(name, seed, data_home):
    """Images to learn from, drawn by the seed, and to judge by, always the same ones."""
    file, n_first, n_learn, n_judge, *_ = DATA[name]
    with np.load(Path(data_home) / f"{file}.npz") as arrays:
        X, y = arrays["X"], arrays["y"]
    learn = np.random.default_rng([seed, 0]).permutation(n_first)[:n_learn]
    judge = n_first + np.random.default_rng([0, 1]).permutation(len(X) - n_first)[:n_judge]
    A, B = ((X[rows] / 255).astype(np.float32) for rows in (learn, judge))
    if name == "CIFAR-10":
        mean, scale = A.mean(axis=0), A.std(axis=0)
        A, B = (A - mean) / scale, (B - mean) / scale
    return A, B, y[learn], y[judge]


# ------------------------------------------------------------------ classifiers


def classifier(name, model, n_learn, seed):
    *_, hidden, settings = DATA[name]
    options = {**settings, **COMMON, **CLASSIFIERS[model], "random_state": seed}
    if model == "dense":
        options["max_iter"] = DENSE_EPOCHS[name]
    if model.endswith("times the epochs"):
        options["max_iter"] *= 4
    if model != "DSR":
        return SETClassifier(hidden, **options)
    for other in ("zeta", "evolve_every", "evolve_output", "select_inputs"):
        options.pop(other)
    every = -(-n_learn // options["batch_size"])  # once an epoch, as SET
    return DSRClassifier(hidden, **{**options, "new_weights": "zero"}, rewire_every=every)


def after_removal(W, zeta):
    """What the paper's last step leaves of weights: the removal, without growth, ends its training.

    Of connections that grew last, at random, few are left.
    """
    W = W.copy()
    low, high = W.data[W.data < 0], W.data[W.data > 0]
    stays = (W.data < np.quantile(low, 1 - zeta)) | (W.data > np.quantile(high, zeta))
    W.data[~stays] = 0
    W.eliminate_zeros()
    return W


def degrees_of(model):
    """The degrees of the inputs and of the neurons of each hidden layer, after the last removal."""
    matrices = list(model.coefs_)
    if getattr(model, "zeta", 0) > 0:
        n_evolving = len(matrices) - (not model.evolve_output)
        matrices[:n_evolving] = [after_removal(W, model.zeta) for W in matrices[:n_evolving]]
    into = [np.diff(W.tocsc().indptr) for W in matrices]
    out = [np.diff(W.tocsr().indptr) for W in matrices]
    hidden = {f"hidden {i}": into[i - 1] + out[i] for i in range(1, len(out))}
    return {"inputs": out[0], **hidden}


def classify(name, model, seed, data_home):
    A, B, a, b = images(name, seed, data_home)
    estimator = classifier(name, model, len(A), seed)
    began = time.process_time()
    estimator.fit(A, a)
    seconds = time.process_time() - began
    row = {
        "accuracy": 100 * estimator.score(B, b),
        "log_loss": log_loss(b, estimator.predict_proba(B), labels=estimator.classes_),
        "weights": estimator.n_connections_,
        "epochs": estimator.n_iter_,
        "seconds": seconds,
    }
    return row, degrees_of(estimator)


# ------------------------------------------------------------------ machines


def free_energy(V, W, hidden_bias, visible_bias, share=1.0):
    """Minus the logarithm of the weight of visible units V, the hidden ones summed over."""
    return -V @ visible_bias - np.logaddexp(0, share * (V @ W + hidden_bias)).sum(axis=1)


def log_partition(W, hidden_bias, visible_bias, first_bias, rng, n_chains=100, n_steps=1000):
    """The logarithm of a machine's partition function, by annealed importance sampling.

    From a machine without weights and with `first_bias` (Salakhutdinov and Murray 2008).
    """

    def on(logits):
        return (rng.random(logits.shape) < expit(logits)).astype(W.dtype)

    V = on(np.broadcast_to(first_bias, (n_chains, len(first_bias))))
    weight = np.zeros(n_chains)
    shares = np.linspace(0, 1, n_steps + 1)
    for before, share in itertools.pairwise(shares):
        for s, sign in ((before, -1), (share, 1)):
            bias = (1 - s) * first_bias + s * visible_bias
            weight -= sign * free_energy(V, W, hidden_bias, bias, s)
        H = on(share * (V @ W + hidden_bias))
        V = on(bias + share * (H @ W.T))
    start = np.logaddexp(0, first_bias).sum() + len(hidden_bias) * np.log(2)
    return start + logsumexp(weight) - np.log(n_chains)


def machine(model, seed, data_home):
    A, B, *_ = images("MNIST", seed, data_home)
    A, B = (np.round(X[:N_IMAGES]) for X in (A, B))
    options = {**MACHINE, **MACHINES[model]}
    estimator = SETBernoulliRBM(N_HIDDEN, **options, random_state=seed)
    began = time.process_time()
    estimator.fit(A)
    seconds = time.process_time() - began
    W = estimator.components_
    dense = W.toarray().T
    biases = estimator.intercept_hidden_, estimator.intercept_visible_
    mean = np.clip(A.mean(axis=0), 0.01, 0.99)
    first = np.log(mean / (1 - mean)).astype(np.float32)
    log_z = log_partition(dense, *biases, first, np.random.default_rng(seed))
    row = {
        "log_likelihood": float(np.mean(-free_energy(B, dense, *biases)) - log_z),
        "error": estimator.history_["reconstruction_error"][-1],
        "weights": estimator.n_connections_,
        "epochs": options["n_iter"],
        "seconds": seconds,
    }
    if estimator.zeta > 0:
        W = after_removal(W, estimator.zeta)
    visible, hidden = np.diff(W.tocsc().indptr), np.diff(W.tocsr().indptr)
    return row, {"visible": visible, "hidden": hidden}


# ------------------------------------------------------------------ networks with convolutions


def convolve(name, model, seed, data_home):
    from .convolutional import classify

    found = images(name, seed, data_home)
    return classify(name, model, CONVOLUTIONAL[model], CONVOLUTIONAL_EPOCHS[name], seed, found)


# ------------------------------------------------------------------ all of it


def file_of(model):
    """The file with a model's figures."""
    if model in CONVOLUTIONAL:
        return "convolutional"
    return "machines" if model in MACHINES else "classifiers"


def rounded(row):
    return {key: f"{v:.6g}" if isinstance(v, float) else v for key, v in row.items()}


def with_histogram(degree):
    values, counts = np.unique(degree, return_counts=True)
    pairs = " ".join(f"{value}:{count}" for value, count in zip(values, counts))
    return {**describe(degree), "histogram": pairs}


def is_due(name, model):
    """Whether a classifier is trained on these images: there was not time for all."""
    if model in CONVOLUTIONAL:
        return name in CONVOLUTIONAL_EPOCHS and ("CNN" in model or name == "CIFAR-10")
    if model == "dense":
        return name in DENSE_EPOCHS
    if model.endswith("times the epochs"):
        return name == "MNIST"
    return name != "CIFAR-10" or not model.endswith(("by sensitivity", "by path"))


def tasks(data, models, n_seeds):
    """What is to be measured, the slow ones last."""
    found = [
        {"data": name, "model": model, "seed": seed}
        for seed in range(n_seeds)
        for model in models
        for name in (["MNIST"] if model in MACHINES else data)
        if model in MACHINES or is_due(name, model)
    ]
    slow = ("dense", "RBM, dense")
    return sorted(found, key=lambda task: "epochs" in task["model"] or task["model"] in slow)


def measure(task, files, data_home):
    """One fit and its degrees, of the plain kinds of sparse networks that train long enough."""
    model, seed = task["model"], task["seed"]
    if model in CONVOLUTIONAL:
        return rounded({**task, **convolve(task["data"], model, seed, data_home)})
    if model in MACHINES:
        row, degrees = machine(model, seed, data_home)
    else:
        row, degrees = classify(task["data"], model, seed, data_home)
    plain = model.split(",")[0] in ("static", "SET", "RBM", "SET-RBM") and "dense" not in model
    if plain and task["data"] != "CIFAR-10" and task not in files["degrees"]:
        files["degrees"].add(
            [
                rounded({**task, "neurons_of": side, **with_histogram(degree)})
                for side, degree in degrees.items()
            ]
        )
    return rounded({**task, **row})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home", required=True, help="folder with the .npz files")
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    models = [*CLASSIFIERS, *MACHINES, *CONVOLUTIONAL]
    parser.add_argument("--models", nargs="+", default=models, choices=models)
    parser.add_argument("--seeds", type=int, default=N_SEEDS)
    parser.add_argument("--minutes", type=float, default=np.inf, help="begin no fit after these")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    began = time.monotonic()
    files = {
        name: Rows(options.results / f"{name}.csv", KEYS)
        for name in ("classifiers", "machines", "convolutional", "degrees")
    }
    for task in tasks(options.data, options.models, options.seeds):
        file = files[file_of(task["model"])]
        if time.monotonic() - began > 60 * options.minutes:
            break
        if task not in file:
            row = measure(task, files, options.data_home)
            file.add([row])
            print(row, flush=True)
