"""Write doc/benchmarks/images.md from the results of run.py, and draw its figure.

Owns: the tables and the figure. May not touch: what is measured.
"""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from common import DOC, table, write_page
from scipy import special

from .degrees import is_scale_free

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PAGE = DOC / "benchmarks" / "images.md"
DATA = ["Fashion-MNIST", "MNIST", "CIFAR-10"]
ORDER = ["dense", "static", "SET", "SET by relative sensitivity", "SET by sensitivity",
         "SET by path", "DSR", "static, 4 times the epochs", "SET, 4 times the epochs",
         "RBM, dense", "RBM, static", "SET-RBM", "SET-RBM, 5 times the epochs",
         "CNN, dense", "CNN, static", "SET-CNN", "SET-CNN, sparse convolutions",
         "ResNet, dense", "ResNet, static", "ResNet, SET", "ResNet, DSR"]  # fmt: skip
#: The sources' figures on the whole data: the paper of SET, and the results with its Keras code.
PUBLISHED = {
    ("CIFAR-10", "dense"): "– / 70.89",
    ("CIFAR-10", "static"): "– / 69.21",
    ("CIFAR-10", "SET"): "74.84 / 73.85",
    ("CIFAR-10", "CNN, dense"): "87.48",
    ("CIFAR-10", "CNN, static"): "88.26",
    ("CIFAR-10", "SET-CNN"): "90.02",
}

WHOLE = "50,000 images and altered copies"
#: What the sources did and found, and what our row is of: its file, data, network, measure, images.
SOURCES = [
    ("SET-MLP (Mocanu et al. 2018)", f"CIFAR-10, {WHOLE}, 1,000 epochs", "74.84 %",
     "classifiers", "CIFAR-10", "SET", "accuracy", "4,000 images"),
    ("SET-MLP (Mocanu et al. 2018)", "MNIST, 60,000 images", "not read",
     "classifiers", "MNIST", "SET, 4 times the epochs", "accuracy", "10,000 images"),
    ("SET-MLP (tutorial of its authors)", "Fashion-MNIST, 2,000 images, 400 epochs", "not stated",
     "classifiers", "Fashion-MNIST", "SET", "accuracy", "2,000 images"),
    ("SET-CNN (Mocanu et al. 2018)", f"CIFAR-10, {WHOLE}, 1,000 epochs", "90.02 %",
     "convolutional", "CIFAR-10", "SET-CNN", "accuracy", "4,000 images, a quarter of the channels"),
    ("SET-RBM (Mocanu et al. 2018)", "MNIST, 60,000 images, up to 5,000 epochs", "−86.41 nats",
     "machines", "MNIST", "SET-RBM", "log_likelihood", "5,000 images"),
    ("DSR (Mostafa and Wang 2019)", "CIFAR-10, 50,000 images, 28 layers, 200 epochs",
     "a curve, not read", "convolutional", "CIFAR-10", "ResNet, DSR", "accuracy",
     "4,000 images, three residual blocks"),
    ("Naji et al. 2021, as ascribed to them", "ResNet47 (abstract)",
     "12 % more accurate", "classifiers", "Fashion-MNIST",
     "SET by relative sensitivity", "accuracy", "2,000 images, three hidden layers"),
]  # fmt: skip


def read(name, folder=RESULTS):
    frame = pd.read_csv(folder / f"{name}.csv")
    frame["model"] = pd.Categorical(frame["model"], ORDER, ordered=True)
    frame["data"] = pd.Categorical(frame["data"], DATA, ordered=True)
    return frame.sort_values(["data", "model", "seed"])


def groups(frame, *keys):
    return frame.groupby(list(keys), observed=True, sort=False)


def spread(values, digits):
    """Mean ± standard deviation over the seeds, and their number if it is not three."""
    text = f"{values.mean():.{digits}f}"
    text += f" ± {values.std(ddof=0):.{digits}f}" if len(values) > 1 else ""
    return text + (f" ({len(values)})" if len(values) != 3 else "")


def classifier_table(frame, data):
    rows = [
        [model, spread(part["accuracy"], 1), spread(part["log_loss"], 3),
         f"{part['weights'].mean():,.0f}", f"{part['epochs'].iloc[0]}",
         f"{part['seconds'].mean():.0f} s", PUBLISHED.get((data, model), "–")]
        for (model,), part in groups(frame[frame["data"] == data], "model")
    ]  # fmt: skip
    header = ["network", "accuracy, %", "log-loss", "weights", "epochs", "time", "published, %"]
    if data != "CIFAR-10":
        header, rows = header[:-1], [row[:-1] for row in rows]
    return table(header, rows, most=["accuracy, %"], least=["log-loss"])


def machine_table(frame):
    rows = [
        [model, spread(part["log_likelihood"], 1), spread(part["error"], 4),
         f"{part['weights'].mean():,.0f}", f"{part['epochs'].iloc[0]}",
         f"{part['seconds'].mean():.0f} s"]
        for (model,), part in groups(frame, "model")
    ]  # fmt: skip
    header = ["machine", "log-likelihood, nats", "squared error", "weights", "epochs", "time"]
    return table(header, rows, most=["log-likelihood, nats"], least=["squared error"])


def source_table():
    """What the sources trained, and what is trained here in its place."""
    rows = []
    for system, theirs, figure, file, data, model, measure, size in SOURCES:
        frame = read(file)
        part = frame[(frame["data"] == data) & (frame["model"] == model)]
        unit = "%" if measure == "accuracy" else "nats"
        found = f"{part[measure].mean():.1f} {unit}".replace("-", "−")
        ours = f"{data}, {size}, {part['epochs'].iloc[0]} epochs"
        rows.append([system, theirs, figure, ours, found])
    return table(["system", "the source", "its figure", "here", "our figure"], rows, words=4)


def between(values, form):
    low, high = form.format(values.min()), form.format(values.max())
    return low if low == high else f"{low} to {high}"


def degree_table(frame):
    rows = []
    for (data, model, side), part in groups(frame, "data", "model", "neurons_of"):
        verdicts = [is_scale_free(*row) for row in
                    part[["exponent", "plausibility", "ratio", "ratio_p"]].to_numpy()]  # fmt: skip
        rows.append(
            [data, model, side, f"{part['mean'].mean():.0f}", f"{part['largest'].mean():.0f}",
             f"{part['dispersion'].mean():.1f}", between(part["exponent"], "{:.1f}"),
             between(100 * part["tail"], "{:.0f} %"), between(part["plausibility"], "{:.2f}"),
             between(part["ratio"], "{:+.1f}"), f"{sum(verdicts)} of {len(part)}"]
        )  # fmt: skip
    header = ["data", "network", "neurons", "mean degree", "largest", "variance / mean",
              "exponent", "tail", "plausibility", "against log-normal", "scale-free"]  # fmt: skip
    return table(header, rows, words=3)


def write(page=PAGE):
    classifiers, degrees = read("classifiers"), read("degrees")
    tables = {name.lower().replace("-", "_"): classifier_table(classifiers, name) for name in DATA}
    verdicts = degrees.apply(
        lambda row: is_scale_free(row.exponent, row.plausibility, row.ratio, row.ratio_p), axis=1
    )
    evolved = degrees["model"].astype(str).str.startswith("SET")
    convolutional = read("convolutional")
    is_residual = convolutional["model"].str.startswith("ResNet")
    residual, cnn = convolutional[is_residual], convolutional[~is_residual]
    parts = {
        **tables,
        "sources": source_table(),
        "residual": classifier_table(residual, "CIFAR-10"),
        "cnn_fashion": classifier_table(cnn, "Fashion-MNIST"),
        "cnn_cifar": classifier_table(cnn, "CIFAR-10"),
        "machines": machine_table(read("machines")),
        "degrees": degree_table(degrees),
        "n_scale_free": int(verdicts[evolved].sum()),
        "n_fits": int(evolved.sum()),
        "n_plausible": int((degrees["plausibility"][evolved] >= 0.1).sum()),
        "n_plausible_static": int((degrees["plausibility"][~evolved] >= 0.1).sum()),
        "n_static": int((~evolved).sum()),
    }
    write_page(HERE / "page.md.in", page, parts)


def draw(folder=PAGE.parent):
    degrees = read("degrees")
    degrees = degrees[degrees["seed"] == 0].astype({"model": str})
    panels = [("MNIST", "static", "SET", "inputs"), ("MNIST", "static", "SET", "hidden 1"),
              ("MNIST", "RBM", "SET-RBM", "hidden")]  # fmt: skip
    _, axes = plt.subplots(1, 3, figsize=(10.5, 3.6), layout="constrained")
    for axis, (data, static, evolved, side) in zip(axes, panels):
        part = degrees[(degrees["data"] == data) & (degrees["neurons_of"] == side)]
        kinds = part["model"].str.split(",").str[0]
        for kind, color in ((static, "0.6"), (evolved, "C0")):
            row = part[kinds == kind].iloc[-1]  # the one trained longest
            pairs = [pair.split(":") for pair in row["histogram"].split()]
            values, counts = np.array(pairs, dtype=int).T
            above = counts[::-1].cumsum()[::-1] / counts.sum()
            axis.plot(values[values > 0], above[values > 0], ".", color=color, label=row["model"])
        tail = np.arange(row["start"], row["largest"] + 1)
        law = special.zeta(row["exponent"], tail) / special.zeta(row["exponent"], row["start"])
        label = f"power law, exponent {row['exponent']:.1f}"
        axis.plot(tail, row["tail"] * law, "k-", lw=1, label=label)
        axis.set(xscale="log", yscale="log", xlabel="degree", title=f"{evolved}, {data}: {side}",
                 ylim=(0.5 / row["neurons"], 1.5))  # fmt: skip
        axis.set_xticks([2, 5, 10, 20, 50, 100])
        axis.set_xlim(2, 150)
        axis.xaxis.set_major_formatter("{x:.0f}")
        axis.xaxis.set_minor_formatter("")
        axis.legend(fontsize="small", loc="lower left")
    axes[0].set_ylabel("share of neurons with this degree or more")
    plt.savefig(folder / "images_degrees.png", dpi=110)
    plt.close()
