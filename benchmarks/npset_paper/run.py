"""Run the experiments of the NPSET paper and record every single result.

    python benchmarks npset_paper --data-home FOLDER_OF_MAT_FILES
    python benchmarks pages npset_paper

Results go to CSV files, a row for each run, as soon as the run is over; a
second call skips what is already there, so that an interrupted one continues.

The parts:

table2
    One row per (dataset, method, recipe, seed), from two trainings. The first
    trains on the paper's training rows and scores the test rows after every
    epoch: the maximum (the paper's metric) and the final accuracy. The second
    holds out a fifth of the training rows, and the epoch that does best on them
    is chosen: of the highest accuracy, and among equals of the lowest loss; with
    pruning, not before it is over. Recorded are the test accuracy of that
    training at that epoch (chosen), and that of the first training, which had
    all rows, at that epoch (refit). Test rows have no say in either.
table3
    Connections and neurons, from the widths alone: a network is drawn, rewired
    and pruned as in training, with weights shuffled instead of learned.
figure1
    Accuracy of a trained SET-MLP without part of its first hidden layer. A curve is
    a cell: the number of right test rows for each of `removals`.
figure2
    Training and test accuracy after every epoch, as numbers of right rows in a cell.
cost
    Time, memory and size, each run in a process of its own.
"""

import argparse
import io
import itertools
import pickle
import sys
from fractions import Fraction
from pathlib import Path
from time import perf_counter

import joblib
import numpy as np
from common import Rows, forget_peak, memory, quietly, run_apart
from scipy import sparse
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from sklearn_set import NPSETClassifier, SETClassifier
from sklearn_set._amounts import new_weights_rule
from sklearn_set._evolution import Evolution
from sklearn_set._network import Network
from sklearn_set._pruning import NeuronPruning
from sklearn_set.datasets import fetch_asu, list_asu
from sklearn_set.presets import PAPER_NPSET, PAPER_SET

HERE = Path(__file__).resolve().parent

#: The datasets of the paper with the width of both hidden layers (its Table 3),
#: in the order in which they are run: from the shortest to the longest.
WIDTHS = {
    "Lung-discrete": 300,
    "Yale": 1000,
    "GLIOMA": 4000,
    "Leukemia": 7000,
    "madelon": 1000,
    "PCMAC": 3000,
    "RELATHE": 4000,
    "lung": 3000,
    "Prostate-GE": 5000,
    "TOX-171": 5000,
    "orlraws10P": 10000,
    "Carcinom": 9000,
    "CLL-SUB-111": 11000,
    "arcene": 10000,
    "gisette": 5000,
}
#: Those that the project has at hand.
AT_HAND = ("Lung-discrete", "Yale", "GLIOMA", "Leukemia", "madelon", "PCMAC", "RELATHE")

METHODS = (
    "SET-MLP",
    "NPSET-MLP",
    "1st NPSET-MLP",
    "2nd NPSET-MLP",
    "Direct SET-MLP",
    "Direct FC-MLP",
)
#: What is compared under our own defaults: the variants 1st and 2nd are the paper's.
DEFAULTS_METHODS = ("SET-MLP", "NPSET-MLP", "Direct SET-MLP", "Direct FC-MLP")

#: What Figure 2 and the table of cost compare.
CURVES = ("NPSET-MLP", "SET-MLP", "Dense-MLP")

#: Fully connected networks take minutes an epoch at batches of two; these are
#: larger, which the page marks.
DENSE_BATCH_SIZES = {"Leukemia": 8, "PCMAC": 32, "RELATHE": 32}
FIGURE2_DENSE_BATCH_SIZES = {"GLIOMA": 8, "madelon": 32}

FIGURE1 = ("Lung-discrete", "Yale", "GLIOMA", "Leukemia", "madelon")
FIGURE2 = ("Lung-discrete", "Yale", "madelon", "GLIOMA")
COST = ("Lung-discrete", "Yale", "madelon", "GLIOMA", "Leukemia", "PCMAC")

#: Enough for every place to be connected; the layer is then drawn without drawing.
FULL = 1e7

VALIDATION_FRACTION = 0.2

KEYS = {
    "table2": ("dataset", "method", "recipe", "seed", "epochs", "batch_size"),
    "table3": ("dataset", "seed"),
    "figure1": ("dataset", "seed", "epochs"),
    "figure2": ("dataset", "method", "seed", "epochs", "batch_size"),
    "cost": ("dataset", "method", "batch_size"),
}


# ------------------------------------------------------------------ data


def load(name, data_home):
    """The dataset as a dense float array with its labels."""
    X, y = fetch_asu(
        name,
        data_home=data_home,
        download_if_missing=data_home is None,
        return_X_y=True,
    )
    X = X.toarray() if sparse.issparse(X) else X
    return np.asarray(X, dtype=np.float64), y


def split(X, y, seed):
    """The paper's split: the first int(2n/3) rows of a shuffle train.

    Standardised with the training rows' mean and standard deviation, to which
    the reference adds 1e-4.
    """
    order = np.random.RandomState(seed).permutation(len(X))
    n_train = int(len(X) * 2 / 3)
    train, test = order[:n_train], order[n_train:]
    mean, deviation = X[train].mean(axis=0), X[train].std(axis=0) + 1e-4
    return (X[train] - mean) / deviation, y[train], (X[test] - mean) / deviation, y[test]


# ------------------------------------------------------------------ models


def pruned_width(width):
    """Width that the paper's pruning leaves: 41 times a floor(0.04 n) leaves."""
    alpha = Fraction(str(PAPER_NPSET["alpha"]))
    for _ in range(PAPER_NPSET["gamma"] + 1):
        width -= int(alpha * width)
    return width


def make_model(method, recipe, width, *, seed, epochs=None, batch_size=None, **changes):
    """The estimator of a method under a recipe ("paper" or "defaults").

    A fully connected network is our own with every place connected and nothing
    rewired: loss, optimizer, decay, batches and shuffles are then those of the
    sparse networks beside it, which scikit-learn's MLPClassifier (softmax, its
    own L2) cannot give. Its weights start with a variance of 2 / inputs, near
    the 1 / inputs of the code that the paper names for its fully connected
    networks, not with the 0.1² that suits neurons with some ten inputs.
    """
    parameters = dict(PAPER_SET) if recipe == "paper" else {}
    prunes = {"NPSET-MLP": "all", "1st NPSET-MLP": (0,), "2nd NPSET-MLP": (1,)}.get(method)
    if prunes is not None:
        parameters.update(PAPER_NPSET if recipe == "paper" else {}, prune_layers=prunes)
    if method.startswith("Direct"):
        width = pruned_width(width)
    if method in ("Direct FC-MLP", "Dense-MLP"):
        parameters.update(epsilon=FULL, zeta=0.0)
        if recipe == "paper":
            parameters["init"] = "he_normal"
    if epochs is not None:
        parameters["max_iter"] = epochs
    if batch_size is not None:
        parameters["batch_size"] = batch_size
    parameters.update(changes)
    cls = SETClassifier if prunes is None else NPSETClassifier
    return cls((width, width), random_state=seed, n_jobs=1, **parameters)


def fit_with_two_scores(model, X, y, first, second):
    """Fit, and return the accuracy after each epoch on two other sets of rows.

    `fit` scores one set. Weights put the two into it: a right row of the first
    counts a billion, so that the score splits into both counts again, and the
    validation loss is that of the first set.
    """
    known = np.isin(first[1], y), np.isin(second[1], y)  # a rare class may not be in y
    counts = [known[0].sum(), known[1].sum()]
    weight = np.r_[np.full(counts[0], 1e9), np.ones(counts[1])]
    model.fit(
        X,
        y,
        X_val=np.vstack([first[0][known[0]], second[0][known[1]]]),
        y_val=np.r_[first[1][known[0]], second[1][known[1]]],
        sample_weight_val=weight,
    )
    right = np.rint(np.array(model.validation_scores_) * weight.sum()).astype(np.int64)
    return right // 10**9 / len(first[1]), right % 10**9 / len(second[1])


def batch_size_of(method, recipe, dataset, batch_size=None):
    if recipe == "defaults":
        return 32
    if batch_size is not None:
        return batch_size
    if method == "Direct FC-MLP":
        return DENSE_BATCH_SIZES.get(dataset, PAPER_SET["batch_size"])
    return PAPER_SET["batch_size"]


def epochs_of(method, recipe, epochs):
    return make_model(method, recipe, 100, seed=0, epochs=epochs).max_iter


# ------------------------------------------------------------------ the parts


def table2(task, data_home):
    X, y = load(task["dataset"], data_home)
    X_train, y_train, X_test, y_test = split(X, y, task["seed"])
    width = WIDTHS[task["dataset"]]
    settings = {name: task[name] for name in ("seed", "epochs", "batch_size")}

    began = perf_counter()
    model = make_model(task["method"], task["recipe"], width, **settings)
    known = np.isin(y_test, y_train)  # a row of a class that is only there counts as wrong
    model.fit(X_train, y_train, X_val=X_test[known], y_val=y_test[known])
    seconds = perf_counter() - began
    scores = np.array(model.validation_scores_) * known.mean()

    # Held-out rows are not to be trained on, hence another training.
    n_held_out = max(1, round(VALIDATION_FRACTION * len(X_train)))
    held_out = X_train[:n_held_out], y_train[:n_held_out]
    chooser = make_model(task["method"], task["recipe"], width, **settings)
    held_out_scores, test_scores = fit_with_two_scores(
        chooser, X_train[n_held_out:], y_train[n_held_out:], held_out, (X_test, y_test)
    )
    first = model.beta + model.gamma if hasattr(model, "beta") else 0
    first = min(first, len(test_scores) - 1)
    losses = np.array(chooser.validation_loss_curve_)
    chosen = first + int(np.lexsort((losses[first:], -held_out_scores[first:]))[0])
    return [
        {
            **task,
            "max_accuracy": scores.max(),
            "max_epoch": int(scores.argmax()),
            "final_accuracy": scores[-1],
            "chosen_epoch": chosen,
            "chosen_accuracy": test_scores[chosen],
            "refit_accuracy": scores[min(chosen, len(scores) - 1)],
            "epochs_run": model.n_iter_,
            "n_train": len(y_train),
            "n_test": len(y_test),
            "connections_first": model.history_["n_connections"][0],
            "connections_last": model.n_connections_,
            "hidden_1": model.hidden_layer_sizes_[0],
            "hidden_2": model.hidden_layer_sizes_[1],
            "seconds": round(seconds, 3),
        }
    ]


def table3(task, data_home):
    """Topology of SET-MLP and NPSET-MLP from the widths alone."""
    dataset, width = list_asu()[task["dataset"]], WIDTHS[task["dataset"]]
    n_inputs = dataset["n_features"]
    sizes = [n_inputs, width, width, dataset["n_classes"]]
    rng = np.random.default_rng(task["seed"])
    network = Network.random(
        sizes,
        epsilon=PAPER_SET["epsilon"],
        init=PAPER_SET["init"],
        activation=PAPER_SET["activation"],
        dropout=0.0,
        dtype=np.float32,
        rng=rng,
    )
    set_parameters = network.n_connections
    letters = [PAPER_NPSET[name] for name in ("alpha", "beta", "gamma")]
    evolution = Evolution(
        fraction=PAPER_SET["zeta"],
        new_weights=new_weights_rule(PAPER_SET["new_weights"], PAPER_SET["init"]),
        prune=NeuronPruning(*letters, (0, 1), by=PAPER_NPSET["prune_by"]),
        evolve_output=PAPER_SET["evolve_output"],
    )
    for epoch in range(evolution.prune.last_epoch + 1):
        for layer in network.layers:
            rng.shuffle(layer.weights)
        evolution.start_epoch(epoch, network, rng)
    hidden = network.hidden_layer_sizes
    return [
        {
            **task,
            "parameters_fc": sum(a * b for a, b in itertools.pairwise(sizes)),
            "parameters_set": set_parameters,
            "parameters_npset": network.n_connections,
            "neurons_set": n_inputs + 2 * width,
            "neurons_npset": n_inputs + sum(hidden),
            "hidden_npset": hidden[0],
        }
    ]


def figure1(task, data_home):
    X, y = load(task["dataset"], data_home)
    X_train, y_train, X_test, y_test = split(X, y, task["seed"])
    width = WIDTHS[task["dataset"]]
    model = make_model("SET-MLP", "paper", width, seed=task["seed"], epochs=task["epochs"])
    model.fit(X_train, y_train)
    outward = model.coefs_[1]  # shares its memory with the model
    weights = outward.data.copy()
    rng = np.random.RandomState(task["seed"])
    shuffled = rng.permutation(width)  # equals leave in random order
    degree = np.bincount(outward.indices, minlength=width)
    orders = {
        "fewest": shuffled[np.argsort(degree[shuffled], kind="stable")],
        "random": rng.permutation(width),
        "most": shuffled[np.argsort(-degree[shuffled], kind="stable")],
    }
    rows = []
    for name, order in orders.items():
        place = np.empty(width, dtype=int)
        place[order] = np.arange(width)
        right = []
        for n_removed in removals(width):
            outward.data[:] = np.where(place[outward.indices] < n_removed, 0, weights)
            right.append(np.count_nonzero(model.predict(X_test) == y_test))
        row = {"order": name, "width": width, "n_test": len(y_test), "test_right": cell(right)}
        rows.append({**task, **row})
    return rows


def removals(width):
    """How many neurons are removed from a layer, 41 steps from none to all."""
    return np.unique(np.linspace(0, width, 41).astype(int))


def cell(counts):
    """Numbers as one cell of a CSV file."""
    return " ".join(map(str, counts))


def figure2(task, data_home):
    X, y = load(task["dataset"], data_home)
    X_train, y_train, X_test, y_test = split(X, y, task["seed"])
    # Without weight decay: "without any explicit regularization methods" (section 4).
    model = make_model(
        task["method"],
        "paper",
        WIDTHS[task["dataset"]],
        seed=task["seed"],
        epochs=task["epochs"],
        batch_size=task["batch_size"],
        weight_decay=0.0,
        dtype="float32" if task["method"] == "Dense-MLP" else "auto",
    )
    train_scores, test_scores = fit_with_two_scores(
        model, X_train, y_train, (X_train, y_train), (X_test, y_test)
    )
    row = dict(task)
    for name, y, scores in (("train", y_train, train_scores), ("test", y_test, test_scores)):
        row |= {f"n_{name}": len(y), f"{name}_right": cell(np.rint(scores * len(y)).astype(int))}
    return [row]


def cost(task, data_home):
    """In a fresh process, so that its peak memory is this run's."""
    return run_apart("npset_paper.run", "_cost", task=task, data_home=data_home)


def _cost(task, data_home):
    X, y = load(task["dataset"], data_home)
    X_train, y_train, X_test, _ = split(X, y, 0)
    width, batch_size = WIDTHS[task["dataset"]], task["batch_size"]
    with threadpool_limits(1):
        forget_peak()
        before = memory("VmRSS")
        if task["method"] == "Dense-MLP":
            # scikit-learn's: a matrix without indices and BLAS, as one would use it.
            parameters = len(X[0]) * width + width * width + width * len(np.unique(y))
            n_steps = 4
            rows = np.arange(n_steps * batch_size) % len(y_train)
            model = MLPClassifier(
                (width, width),
                solver="sgd",
                batch_size=batch_size,
                learning_rate_init=PAPER_SET["learning_rate_init"],
                nesterovs_momentum=False,
                random_state=0,
            )
            times = []
            for _ in range(20 if parameters < 5e6 else 3):
                began = perf_counter()
                model.partial_fit(X_train[rows], y_train[rows], classes=np.unique(y))
                times.append((perf_counter() - began) * len(y_train) / len(rows))
            # The first of them makes the network.
            first = last = min(times[1:])
        else:
            epochs = min(60, task.get("epochs") or 60)
            model = make_model(
                task["method"], "paper", width, seed=0, epochs=epochs, batch_size=batch_size
            )
            model.fit(X_train, y_train)
            times = model.history_["time"]
            # The smallest: what else the machine does can only add.
            first, last = min(times[1:10]), min(times[51:] or times[-1:])
            parameters = model.n_connections_
        peak = memory("VmHWM") - before
        buffer = io.BytesIO()
        pickle.dump(model, buffer)
        result = {
            **task,
            "seconds_per_epoch_first": first,
            "seconds_per_epoch_last": last,
            "predict_ms_per_1000_rows": _predict_time(model, np.resize(X_test, (1000, X.shape[1]))),
            "predict_ms_one_row": _predict_time(model, X_test[:1]),
            "peak_memory_megabytes": peak,
            "pickle_kilobytes": buffer.tell() / 1e3,
            "parameters": parameters,
        }
    return [{k: round(v, 6) if isinstance(v, float) else v for k, v in result.items()}]


def _predict_time(model, X):
    times = []
    for _ in range(10):
        began = perf_counter()
        model.predict(X)
        times.append(1e3 * (perf_counter() - began))
    return min(times)


PARTS = {
    "table2": table2,
    "table3": table3,
    "figure1": figure1,
    "figure2": figure2,
    "cost": cost,
}


# ------------------------------------------------------------------ tasks and results


def tasks_of(part, arguments):
    """All tasks of a part: dicts of the columns that identify them."""
    chosen, seeds = arguments.datasets, range(arguments.seeds)
    epochs = arguments.epochs or PAPER_SET["max_iter"]
    if part == "table2":
        tasks = [
            (
                *(name, method, recipe, seed, epochs_of(method, recipe, arguments.epochs)),
                batch_size_of(method, recipe, name, arguments.batch_size),
            )
            for name, seed, recipe in itertools.product(chosen, seeds, arguments.recipes)
            for method in (METHODS if recipe == "paper" else DEFAULTS_METHODS)
        ]
    elif part == "table3":  # needs no data
        names = WIDTHS if set(chosen) == set(AT_HAND) else chosen
        tasks = itertools.product(names, seeds)
    elif part == "figure1":
        names = [name for name in chosen if name in FIGURE1]
        tasks = itertools.product(names, seeds, [epochs])
    elif part == "figure2":
        names = [name for name in chosen if name in FIGURE2]
        tasks = []
        for name, seed, method in itertools.product(names, seeds, CURVES):
            batch_size = PAPER_SET["batch_size"]
            if method == "Dense-MLP":
                batch_size = FIGURE2_DENSE_BATCH_SIZES.get(name, batch_size)
            tasks.append((name, method, seed, epochs, arguments.batch_size or batch_size))
    else:
        names = [name for name in chosen if name in COST]
        tasks = [
            (name, method, batch_size)
            for name, batch_size, method in itertools.product(names, (2, 32), CURVES)
        ]
    return [dict(zip(KEYS[part], task)) for task in tasks]


def run_task(part, task, data_home):
    with threadpool_limits(1):
        began = perf_counter()
        rows = quietly(PARTS[part], task, data_home)
        return task, rows, perf_counter() - began


def show(part, n_done, n_all, began, task, seconds, file=None):
    """The progress bar: one line on a terminal, a line a task in a log."""
    file = file or sys.stderr
    filled = 30 * n_done // max(n_all, 1)
    elapsed = perf_counter() - began
    left = elapsed / n_done * (n_all - n_done) if n_done else 0
    what = " ".join(str(task[k]) for k in ("dataset", "method", "recipe", "seed") if k in task)
    line = (
        f"{part} [{'#' * filled}{'.' * (30 - filled)}] {n_done}/{n_all} "
        f"about {left / 60:.1f} min left; {what}: {seconds:.1f} s"
    )
    if file.isatty():
        file.write(f"\r\x1b[2K{line}" + ("\n" if n_done == n_all else ""))
    else:
        file.write(line + "\n")
    file.flush()


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--data-home",
        help="folder of the .mat files; without it they are fetched into scikit-learn's",
    )
    parser.add_argument("--datasets", nargs="+", default=list(AT_HAND), choices=list(WIDTHS))
    parser.add_argument("--seeds", type=int, default=5, help="the seeds 0 to SEEDS - 1")
    parser.add_argument("--epochs", type=int, help="instead of the recipe's number of epochs")
    parser.add_argument(
        "--batch-size", type=int, help="instead of the paper's recipe's (accuracy and curves)"
    )
    parser.add_argument("--n-jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument(
        "--recipes", nargs="+", default=["paper", "defaults"], choices=["paper", "defaults"]
    )
    parser.add_argument(
        "--methods", nargs="+", choices=(*METHODS, "Dense-MLP"), help="only these, where it applies"
    )
    parser.add_argument("--results", default=HERE / "results", help="folder of the CSV files")
    return parser.parse_args(arguments)


def main(arguments=None):
    arguments = parse(arguments)
    arguments.datasets = [name for name in WIDTHS if name in arguments.datasets]
    for part in arguments.parts:
        results = Rows(Path(arguments.results) / f"{part}.csv", KEYS[part])
        tasks = [task for task in tasks_of(part, arguments) if task not in results]
        if arguments.methods:
            tasks = [t for t in tasks if t.get("method", t["dataset"]) in arguments.methods]
        if part == "cost":  # alone on the machine, or the times mean nothing
            n_jobs = 1
        else:
            n_jobs = arguments.n_jobs
        began = perf_counter()
        finished = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
            joblib.delayed(run_task)(part, task, arguments.data_home) for task in tasks
        )
        for n_done, (task, rows, seconds) in enumerate(finished, start=1):
            results.add(rows)
            show(part, n_done, len(tasks), began, task, seconds)
