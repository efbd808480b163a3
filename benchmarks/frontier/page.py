"""Write doc/benchmarks/frontier.md from the results of run.py, and draw its picture.

Owns: the tables and the picture. May not touch: what is measured.
"""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from common import DOC, bold_best, table, write_page
from generalization.tables import KINDS

from .run import DENSE, EPSILONS, FULL, METHODS, STEPS, TABLES, VARIANTS, WIDTH, WIDTHS

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
RESULTS = HERE / "results.csv"
PAGE = DOC / "benchmarks" / "frontier.md"
PRESET = "ULTRA_SPARSE"
FORMER = "the preset before"  # a variant
DIGITS = {"accuracy": 1, "log_loss": 3, "connections": 0, "seconds": 2}
#: Lines of the picture: the method, its color, its label, and where that is to the first point.
LINES = {
    "static": ("tab:gray", "connections stay", (12, -4), "left"),
    "SET": ("tab:blue", "connections\nevolve (SET)", (-6, 8), "right"),
    PRESET: ("tab:red", f"connections and neurons evolve ({PRESET})", (0, 24), "left"),
}


def read():
    results = pd.read_csv(RESULTS)
    results["accuracy"] *= 100
    size = results.groupby(["table", "split"])["split"].transform("size")
    whole = size == size.groupby(results["table"]).transform("max")
    return results[whole]  # an interrupted run leaves a split of a table unfinished


def means(results, measure):
    """Means over splits: a row for each table, a column for each method, width and density."""
    return results.pivot_table(
        index="table", columns=["method", "width", "epsilon"], values=measure, aggfunc="mean"
    ).dropna(axis=1)


def n_splits(results):
    counts = results.groupby("table")["split"].nunique()
    return " to ".join(f"{n}" for n in sorted({counts.min(), counts.max()}))


def number_of_connections(results):
    """Geometric means over tables."""
    return np.exp(np.log(means(results, "connections")).mean())


def best(measure, columns):
    """What `table` is told for the best figures of columns to be bold."""
    return {"accuracy": {"most": columns}, "log_loss": {"least": columns}}.get(measure, {})


def cell(value, digits):
    return f"{value:,.{digits}f}"


def densities(name):
    return EPSILONS if name in FULL else EPSILONS[:-1]


def row(found, name, digits):
    """A method's values at all densities; what was not run is left empty."""
    keys = [(name, WIDTH, e) for e in EPSILONS]
    return [name, *(cell(found[key], digits) if key in found else "" for key in keys)]


def curves(results, measure):
    """The mean over tables of each method at each density."""
    found = means(results, measure).mean()
    if measure == "connections":
        found = number_of_connections(results)
    digits = DIGITS[measure]
    rows = [[*row(found, name, digits), ""] for name in (*METHODS, PRESET)]
    rows[0][-1] = cell(found["dense", WIDTH, DENSE], digits)
    columns = [f"{e:g}" for e in EPSILONS]
    return table(["ε", *columns, "dense"], rows, **best(measure, columns))


def gap(found, key, other, digits):
    """The mean difference over tables and its standard error."""
    difference = found[key] - found[other]
    error = difference.std() / np.sqrt(len(difference))
    return f"{difference.mean():+.{digits}f} ± {error:.{digits}f}"


def gains(results, measure):
    """Differences to the static network of the same density."""
    found, digits = means(results, measure), DIGITS[measure]
    rows = []
    for name in (*METHODS, PRESET):
        if name != "static":
            cells = [
                gap(found, (name, WIDTH, e), ("static", WIDTH, e), digits) for e in densities(name)
            ]
            rows.append([name, *cells, *[""] * (len(EPSILONS) - len(cells))])
    columns = [f"{e:g}" for e in EPSILONS]
    return table(["less static", *columns], rows, **best(measure, columns))


def moves(results):
    """What was tried at a density of 1, beside SET at higher ones."""
    accuracy, loss = means(results, "accuracy"), means(results, "log_loss")
    seconds, size = means(results, "seconds").mean(), number_of_connections(results)
    names = {
        **{("SET", WIDTH, e): f"SET, ε = {e}" for e in (1, 10, 30)},
        ("larger steps", WIDTH, 30): "SET, ε = 30, larger steps",
        **{(name, WIDTH, 1): name for name in STEPS},
        (PRESET, WIDTH, 1): PRESET,
        **{(f"… {name}", WIDTH, 1): f"… {name}" for name in VARIANTS},
    }
    rows = [
        [
            name,
            cell(size[key], 0),
            cell(accuracy[key].mean(), 1),
            gap(accuracy, key, ("SET", WIDTH, 30), 1),
            cell(loss[key].mean(), 3),
            gap(loss, key, ("SET", WIDTH, 30), 3),
            cell(seconds[key], 3),
        ]
        for key, name in names.items()
    ]
    against = "less SET, ε = 30"
    header = ["", "connections", "accuracy", against, "log-loss", against, "seconds"]
    return table(header, rows, most=["accuracy"], least=["log-loss"])


def widths(results, measure, number):
    """Static networks and SET of several widths."""
    names, sizes, epsilons, tables = WIDTHS[number]
    found = means(results[results["table"].isin(tables)], measure).mean()
    rows = [
        [name, f"{width:,}", *(cell(found[name, width, e], DIGITS[measure]) for e in epsilons)]
        for name in names
        for width in (*sizes, WIDTH)
    ]
    columns = [f"{e:g}" for e in epsilons]
    return table(["method", "width", *columns], rows, words=2, **best(measure, columns))


def by_table(results):
    """The static network, SET and the preset on each table."""
    found = means(results, "accuracy")
    shown = [("dense", WIDTH, DENSE), ("SET", WIDTH, 30)]
    shown += [(name, WIDTH, 1) for name in ("static", "SET", PRESET)]
    rows = [
        [name, KINDS[name], *bold_best([cell(found.loc[name, key], 1) for key in shown])]
        for name in TABLES
    ]
    header = [f"{name}, ε = {e:g}" for name, _, e in shown[1:]]
    return table(["table", "kind", "dense", *header], rows, words=2)


def draw():
    results = read()
    accuracy, size = means(results, "accuracy").mean(), number_of_connections(results)
    _, axes = plt.subplots(figsize=(7.2, 4.2), layout="constrained")
    for name, (color, label, offset, side) in LINES.items():
        keys = [(name, WIDTH, e) for e in densities(name)]
        x, y = [size[key] for key in keys], [accuracy[key] for key in keys]
        axes.plot(x, y, "o-", color=color, linewidth=2.5)
        place = {"xytext": offset, "textcoords": "offset points", "ha": side}
        axes.annotate(label, (x[0], y[0]), color=color, weight="bold", **place)
    dense = ("dense", WIDTH, DENSE)
    axes.plot(size[dense], accuracy[dense], "k*", markersize=13)
    place = {"xytext": (8, -18), "textcoords": "offset points", "ha": "right"}
    axes.annotate("all connections", (size[dense], accuracy[dense]), weight="bold", **place)
    axes.set_xlim(130, 4e5)
    axes.set_ylim(top=accuracy[dense] + 5)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set(
        xlabel="connections of the network",
        ylabel="accuracy, % (mean of tables)",
        title="The fewer connections, the more their evolution is worth",
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    plt.savefig(PAGE.with_name("frontier.png"), dpi=150)
    plt.close()


def highlights(results):
    """The figures of the page's summary."""
    accuracies, losses = means(results, "accuracy"), means(results, "log_loss")
    accuracy, loss = accuracies.mean(), losses.mean()
    size = number_of_connections(results)
    few, usual = (PRESET, WIDTH, 1), ("SET", WIDTH, 30)
    former = (f"… {FORMER}", WIDTH, 1)
    return {
        "over_former": gap(accuracies, few, former, 1),
        "over_former_loss": gap(losses, few, former, 3),
        "loss": gap(losses, few, usual, 3),
        "loss_elsewhere": gap(losses.drop(index="stemcells"), few, usual, 3),
        "worth_1": f"{accuracy['SET', WIDTH, 1] - accuracy['static', WIDTH, 1]:.1f}",
        "worth_30": f"{accuracy['SET', WIDTH, 30] - accuracy['static', WIDTH, 30]:+.1f}",
        "few": cell(size[few], 0),
        "usual": cell(size[usual], 0),
        "few_accuracy": cell(accuracy[few], 1),
        "usual_accuracy": cell(accuracy[usual], 1),
        "few_loss": cell(loss[few], 3),
        "usual_loss": cell(loss[usual], 3),
    }


def write(page=PAGE):
    results = read()
    parts = highlights(results) | {
        "n_tables": len(TABLES),
        "n_kinds": len({KINDS[name] for name in TABLES}),
        "n_splits": n_splits(results),
        "accuracy": curves(results, "accuracy"),
        "log_loss": curves(results, "log_loss"),
        "connections": curves(results, "connections"),
        "seconds": curves(results, "seconds"),
        "gains": gains(results, "accuracy"),
        "loss_gains": gains(results, "log_loss"),
        "moves": moves(results),
        "widths": widths(results, "accuracy", 0),
        "widths_loss": widths(results, "log_loss", 0),
        "widest": widths(results, "accuracy", 1),
        "widest_tables": ", ".join(WIDTHS[1][-1]),
        "tables": by_table(results),
    }
    write_page(HERE / "page.md.in", page, parts)
