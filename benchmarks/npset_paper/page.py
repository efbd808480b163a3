"""Write doc/benchmarks/npset_paper.md from the results of run.py, and draw its figures."""

import itertools

import matplotlib
import numpy as np
import pandas as pd
from common import DOC, rivals_first, table, write_page

from sklearn_set.presets import PAPER_NPSET, PAPER_SET

from .run import (
    AT_HAND,
    COST,
    CURVES,
    DEFAULTS_METHODS,
    FIGURE1,
    FIGURE2,
    HERE,
    METHODS,
    WIDTHS,
    pruned_width,
    removals,
)

matplotlib.use("Agg")
import matplotlib.pyplot as plt

RESULTS = HERE / "results"
PAGE = DOC / "benchmarks" / "npset_paper.md"

COLOURS = {
    "NPSET-MLP": "#d55e00",
    "SET-MLP": "#0072b2",
    "Dense-MLP": "#555555",
    "fewest": "#0072b2",
    "random": "#777777",
    "most": "#d55e00",
}
METRICS = ("max", "final", "chosen", "refit")
#: What evolves; it stands behind the rest in tables.
OURS = ("SET-MLP", "2nd NPSET-MLP", "1st NPSET-MLP", "NPSET-MLP")
REFERENCE_BATCH_SIZE = {"paper": PAPER_SET["batch_size"], "defaults": 32}

STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.dpi": 110,
    "savefig.dpi": 160,
}


def read(folder, part):
    rows = pd.read_csv(folder / f"{part}.csv")
    curves = [name for name in rows.columns if name.endswith("_right")]
    if not curves:
        return rows
    # A row for each point of the curves, which are a cell each.
    points = rows.assign(**{name: rows[name].astype(str).str.split() for name in curves})
    points = points.explode(curves).astype(dict.fromkeys(curves, int))
    points["epoch"] = points.groupby(level=0).cumcount()
    if part == "figure1":
        points["n_removed"] = np.concatenate([removals(width) for width in rows["width"]])
    for name in curves:
        kind = name.removesuffix("_right")
        points[f"{kind}_accuracy"] = points[name] / points[f"n_{kind}"]
    return points.reset_index(drop=True)


def paper(number):
    return pd.read_csv(HERE / "paper" / f"table{number}.csv").set_index("dataset")


def present(rows):
    """The datasets of some rows, from the shortest run to the longest."""
    return [name for name in WIDTHS if name in set(rows["dataset"])]


def select(rows, **values):
    """The rows that have these values."""
    for name, value in values.items():
        rows = rows[rows[name] == value]
    return rows


def spread(values, digits=1):
    """Mean ± standard deviation over seeds, in percent."""
    values = 100 * np.asarray(values, dtype=float)
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{values.mean():.{digits}f} ± {values.std(ddof=1):.{digits}f}"


def signed(value, digits=1):
    return f"{value:+.{digits}f}".replace("-", "−")


def count(n, noun):
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def thousands(value):
    return f"{value:,.0f}"


# ------------------------------------------------------------------ tables


def runs(accuracy, dataset, method, recipe):
    rows = select(accuracy, dataset=dataset, method=method, recipe=recipe)
    return one_batch_size(rows).drop_duplicates("seed").set_index("seed").sort_index()


def one_batch_size(rows):
    """The rows of the batch size that has the most seeds, the smallest among equals."""
    if not len(rows):
        return rows
    seeds = rows.groupby("batch_size")["seed"].nunique()
    return rows[rows["batch_size"] == seeds[seeds == seeds.max()].index.min()]


def mark(rows, recipe):
    batch_size = int(rows["batch_size"].iloc[0])
    return "" if batch_size == REFERENCE_BATCH_SIZE[recipe] else f" (batch {batch_size})"


def table2_paper(accuracy):
    published = paper(2)
    lines = []
    for dataset, method in itertools.product(present(accuracy), rivals_first(METHODS, OURS)):
        rows = runs(accuracy, dataset, method, "paper")
        if not len(rows):
            continue
        maximum = 100 * rows["max_accuracy"]
        figure = published.loc[dataset, method]
        lines.append(
            [
                dataset,
                method + mark(rows, "paper"),
                len(rows),
                f"{figure:.1f}",
                spread(rows["max_accuracy"]),
                f"{maximum.min():.1f}–{maximum.max():.1f}",
                signed(maximum.mean() - figure),
                *(spread(rows[f"{metric}_accuracy"]) for metric in METRICS[1:]),
            ]
        )
    header = (
        *("dataset", "method", "seeds", "paper: max", "ours: max", "lowest–highest"),
        *("ours − paper", "final", "chosen", "refit"),
    )
    most = ("paper: max", "ours: max", "final", "chosen", "refit")
    return table(header, lines, words=2, most=most, by=1)


def table2_defaults(accuracy):
    lines = []
    for dataset, method in itertools.product(
        present(accuracy), rivals_first(DEFAULTS_METHODS, OURS)
    ):
        rows = runs(accuracy, dataset, method, "defaults")
        if not len(rows):
            continue
        old = runs(accuracy, dataset, method, "paper")
        both = old.index.intersection(rows.index)
        gain = 100 * (rows.loc[both, "final_accuracy"] - old.loc[both, "final_accuracy"])
        lines.append(
            [
                dataset,
                method,
                len(rows),
                *(spread(rows[f"{metric}_accuracy"]) for metric in METRICS),
                signed(gain.mean()) if len(gain) else "",
                f"{rows['epochs_run'].mean():.0f}",
                thousands(rows["connections_last"].mean()),
                f"{rows['seconds'].mean():.1f}",
            ]
        )
    header = (
        *("dataset", "method", "seeds", "max", "final", "chosen", "refit"),
        *("final − paper recipe's final", "epochs", "parameters", "seconds"),
    )
    return table(header, lines, words=2, most=METRICS, by=1)


def paired(accuracy, method, other, metric, recipe="paper"):
    """Differences in points per dataset, seed by seed: mean and its standard error."""
    out = {}
    for dataset in present(accuracy):
        a, b = (runs(accuracy, dataset, name, recipe) for name in (method, other))
        both = a.index.intersection(b.index)
        if len(both):
            difference = 100 * (
                a.loc[both, f"{metric}_accuracy"] - b.loc[both, f"{metric}_accuracy"]
            )
            out[dataset] = difference
    return out


CLAIMS = (
    ("NPSET-MLP", "SET-MLP"),
    ("NPSET-MLP", "1st NPSET-MLP"),
    ("NPSET-MLP", "2nd NPSET-MLP"),
    ("NPSET-MLP", "Direct SET-MLP"),
    ("SET-MLP", "Direct FC-MLP"),
    ("NPSET-MLP", "Direct FC-MLP"),
)


def table_claims(accuracy):
    published = paper(2)
    lines = []
    for method, other in CLAIMS:
        datasets = [d for d in present(accuracy) if d in paired(accuracy, method, other, "max")]
        reported = (published.loc[datasets, method] - published.loc[datasets, other]).mean()
        line = [f"{method} − {other}", signed(reported)]
        for recipe, metric in (
            *(("paper", metric) for metric in ("max", "final", "refit")),
            ("defaults", "final"),
        ):
            by_dataset = paired(accuracy, method, other, metric, recipe)
            if not by_dataset:
                line.append("")
                continue
            means = [difference.mean() for difference in by_dataset.values()]
            wins = sum(mean > 0 for mean in means)
            line.append(f"{signed(np.mean(means))} ({wins} of {len(means)})")
        lines.append(line)
    header = ("difference, points", "paper: max", "max", "final", "refit", "final, our defaults")
    return table(header, lines)


def table_flattery(accuracy):
    lines = []
    for dataset in present(accuracy):
        rows = select(accuracy, dataset=dataset, recipe="paper")
        n_test = int(rows["n_test"].iloc[0])
        sparse = rows[rows["method"].isin(("SET-MLP", "NPSET-MLP"))]
        over = 100 * (sparse["max_accuracy"] - sparse["final_accuracy"])
        over_refit = 100 * (sparse["max_accuracy"] - sparse["refit_accuracy"])
        final = sparse["final_accuracy"].mean()
        deviation = sparse.groupby("method")["final_accuracy"].std(ddof=1).mean()
        lines.append(
            [
                dataset,
                n_test,
                f"{100 / n_test:.1f}",
                f"{100 * np.sqrt(final * (1 - final) / n_test):.1f}",
                f"{100 * deviation:.1f}" if sparse["seed"].nunique() > 1 else "",
                signed(over.mean()),
                signed(over_refit.mean()),
            ]
        )
    header = (
        *("dataset", "test rows", "one row, points", "binomial standard error"),
        "deviation over seeds (final)",
        *("max − final", "max − refit"),
    )
    return table(header, lines)


def table3(topology, accuracy):
    published = paper(3)
    lines = []
    for name in published.index:
        rows = select(topology, dataset=name)
        if not len(rows):
            continue
        row, theirs = rows.mean(numeric_only=True), published.loc[name]
        ours = runs(accuracy, name, "NPSET-MLP", "paper")
        trained = thousands(ours["connections_last"].mean()) if len(ours) else ""
        lines.append(
            [
                name,
                f"{WIDTHS[name]} → {row['hidden_npset']:.0f}",
                thousands(theirs["neurons_NPSET"]),
                thousands(row["neurons_npset"]),
                thousands(theirs["params_SET"]),
                thousands(row["parameters_set"]),
                thousands(theirs["params_NPSET"]),
                thousands(row["parameters_npset"]),
                trained,
                f"{theirs['compression_SET']}× / {theirs['compression_NPSET']:,}×",
                f"{row['parameters_fc'] / row['parameters_set']:,.0f}× / "
                f"{row['parameters_fc'] / row['parameters_npset']:,.0f}×",
            ]
        )
    header = (
        *("dataset", "hidden layers", "neurons NPSET: paper", "ours"),
        *("parameters SET: paper", "ours", "parameters NPSET: paper", "ours", "ours, trained"),
        *("compression SET / NPSET: paper", "ours"),
    )
    return table(header, lines)


def table_curves(curves):
    lines = []
    for dataset in present(curves):
        for method in rivals_first(CURVES, OURS):
            rows = one_batch_size(select(curves, dataset=dataset, method=method))
            if not len(rows):
                continue
            last = rows[rows["epoch"] >= rows["epoch"].max() - 9]
            by_seed = last.groupby("seed")[["train_accuracy", "test_accuracy"]].mean()
            gap = by_seed["train_accuracy"] - by_seed["test_accuracy"]
            batch_size = int(rows["batch_size"].iloc[0])
            best = rows.groupby("seed")["test_accuracy"].max()
            lines.append(
                [
                    dataset,
                    method + ("" if batch_size == 2 else f" (batch {batch_size})"),
                    len(by_seed),
                    spread(by_seed["train_accuracy"]),
                    spread(by_seed["test_accuracy"]),
                    spread(gap),
                    spread(best),
                ]
            )
    header = ("dataset", "method", "seeds", "training", "test", "gap", "max test")
    return table(header, lines, words=2, most=("test", "max test"), least=["gap"], by=1)


def table_cost(cost):
    lines = []
    for task in itertools.product(present(cost), (2, 32), rivals_first(CURVES, OURS)):
        rows = select(cost, **dict(zip(("dataset", "batch_size", "method"), task)))
        if not len(rows):
            continue
        row = rows.iloc[0]
        pruned = task[-1] == "NPSET-MLP"
        lines.append(
            [
                *task,
                number(1e3 * row["seconds_per_epoch_first"]),
                number(1e3 * row["seconds_per_epoch_last"]) if pruned else "",
                number(row["predict_ms_per_1000_rows"]),
                number(row["predict_ms_one_row"]),
                number(row["peak_memory_megabytes"]),
                number(row["pickle_kilobytes"]),
                thousands(row["parameters"]),
            ]
        )
    header = (
        *("dataset", "batch", "method", "epoch, ms", "after pruning"),
        *("1000 rows, ms", "one row, ms", "training memory, MB", "pickle, kB", "parameters"),
    )
    return table(header, lines, words=3, least=[h for h in header[3:] if "after" not in h], by=2)


def number(value):
    """Three significant digits without exponents."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def facts(accuracy, topology):
    """The numbers that the page's text names."""
    out = {"n_topologies": topology["seed"].nunique()}
    ours, theirs = topology.groupby("dataset").mean(numeric_only=True), paper(3)
    theirs = theirs.loc[ours.index]
    same = (ours["neurons_npset"] == theirs["neurons_NPSET"]) & (
        ours["neurons_set"] == theirs["neurons_SET"]
    )
    out["neurons"] = f"{same.sum()} of {len(same)}"
    for kind in ("SET", "NPSET"):
        off = 100 * (ours[f"parameters_{kind.lower()}"] / theirs[f"params_{kind}"] - 1)
        out[f"{kind.lower()}_off"] = f"{signed(off.min())} to {signed(off.max())} %"
    gain = ours["parameters_set"] / ours["parameters_npset"]
    out["gain"] = f"{gain.min():.1f} to {gain.max():.1f}"

    published = paper(2)
    differences, inside, n_seeds = {}, [], []
    for dataset, method in itertools.product(present(accuracy), METHODS):
        maximum = 100 * runs(accuracy, dataset, method, "paper")["max_accuracy"]
        if not len(maximum):
            continue
        figure = published.loc[dataset, method]
        differences.setdefault(method, []).append(maximum.mean() - figure)
        n_seeds.append(len(maximum))
        if len(maximum) > 1:  # published figures have two decimals
            inside.append(maximum.min() - 0.01 <= figure <= maximum.max() + 0.01)
    for method, key in (("SET-MLP", "set"), ("NPSET-MLP", "npset"), ("Direct FC-MLP", "fc")):
        out[f"{key}_difference"] = signed(np.mean(differences.get(method, [np.nan])))
    out["inside"] = f"{sum(inside)} of the {len(inside)}"
    out["seeds"] = f"{min(n_seeds)} to {max(n_seeds)}"
    by_metric = []
    for metric, name in (("max", "maximum"), ("final", "final model"), ("refit", "refit")):
        pairs = paired(accuracy, "NPSET-MLP", "SET-MLP", metric)
        means = [pair.mean() for pair in pairs.values()]
        wins = sum(mean > 0 for mean in means)
        by_metric.append(
            f"{signed(np.mean(means))} points in the {name} (ahead on {wins} of {len(means)})"
        )
    out["npset_over_set"] = ", ".join(by_metric)
    both = select(accuracy, recipe="paper")
    both = both[both["method"].isin(("SET-MLP", "NPSET-MLP"))]
    over = 100 * (both["max_accuracy"] - both["final_accuracy"])
    over = over.groupby(both["dataset"]).mean()
    small = both.groupby("dataset")["n_test"].first().reindex(over.index) < 100
    out["flattery_small"] = f"{over[small].mean():.1f}"
    out["flattery_large"] = f"{over[~small].mean():.1f}" if (~small).any() else "–"
    return out


# ------------------------------------------------------------------ plots


def with_legend(figure, axis, height, *more):
    """The figure with the legend of an axis, and more, below it."""
    handles = [*axis.get_legend_handles_labels()[0], *more]
    figure.legend(handles=handles, loc="lower center", ncols=max(3, len(handles)))
    figure.tight_layout(rect=(0, height, 1, 1))
    return figure


def plot_table2(accuracy):
    published = paper(2)
    datasets = present(accuracy)
    figure, axes = plt.subplots(
        1, len(datasets), figsize=(1.75 * len(datasets) + 1.2, 3.9), sharey=True, squeeze=False
    )
    places = np.arange(len(METHODS))[::-1]
    kinds = (("max", "#0072b2", 0.17, "ours, maximum"), ("final", "#009e73", -0.17, "ours, final"))
    for axis, dataset in zip(axes[0], datasets):
        for place, method in zip(places, METHODS):
            rows = runs(accuracy, dataset, method, "paper")
            for metric, colour, shift, label in kinds:
                values = 100 * rows[f"{metric}_accuracy"]
                axis.plot(values, np.full(len(values), place + shift), "o", ms=3, alpha=0.45,
                          color=colour, mew=0)  # fmt: skip
                axis.plot([values.mean()], [place + shift], "|", ms=10, mew=2, color=colour,
                          label=label if method == "SET-MLP" else None)  # fmt: skip
            axis.plot([published.loc[dataset, method]], [place], "D", ms=4.5, color="#d55e00",
                      label="paper, maximum" if method == "SET-MLP" else None)  # fmt: skip
        n_test = int(accuracy.loc[accuracy["dataset"] == dataset, "n_test"].iloc[0])
        axis.set_title(f"{dataset}\n{n_test} test rows")
        axis.set_xlabel("accuracy, %")
    axes[0][0].set_yticks(places, METHODS)
    return with_legend(figure, axes[0][0], 0.07)


def plot_figure1(removal):
    datasets = present(removal)
    names = {
        "fewest": "fewest output connections first",
        "random": "at random",
        "most": "most output connections first",
    }
    figure, axes = plt.subplots(
        1, len(datasets), figsize=(2.6 * len(datasets) + 0.6, 3.3), squeeze=False
    )
    for axis, dataset in zip(axes[0], datasets):
        part = select(removal, dataset=dataset)
        for order, label in names.items():
            rows = select(part, order=order).groupby("n_removed")["test_accuracy"]
            mean, deviation = 100 * rows.mean(), 100 * rows.std(ddof=1).fillna(0)
            axis.plot(mean.index, mean, color=COLOURS[order], label=label, lw=1.6)
            axis.fill_between(mean.index, mean - deviation, mean + deviation,
                              color=COLOURS[order], alpha=0.13, lw=0)  # fmt: skip
        axis.axvline(part["width"].iloc[0] - pruned_width(int(part["width"].iloc[0])),
                     color="#999999", ls=":", lw=1)  # fmt: skip
        axis.set_title(f"{dataset} ({count(part['seed'].nunique(), 'seed')})")
        axis.set_ylim(0, 102)
        axis.set_xlabel("first-layer neurons removed")
        axis.set_xlim(0, part["width"].iloc[0])
        axis.xaxis.set_major_locator(plt.MaxNLocator(4))
    axes[0][0].set_ylabel("test accuracy, %")
    return with_legend(figure, axes[0][0], 0.08)


def plot_figure2(curves):
    order = [name for name in FIGURE2 if name in present(curves)]
    figure, axes = plt.subplots(
        2,
        len(order),
        figsize=(2.9 * len(order) + 0.6, 5.2),
        squeeze=False,
        sharex="col",
        gridspec_kw={"height_ratios": [1.7, 1]},
    )
    for column, dataset in enumerate(order):
        top, bottom = axes[:, column]
        for method in CURVES:
            rows = one_batch_size(select(curves, dataset=dataset, method=method))
            if not len(rows):
                continue
            batch_size = int(rows["batch_size"].iloc[0])
            by_epoch = rows.groupby("epoch")
            train, test = (100 * by_epoch[f"{k}_accuracy"].mean() for k in ("train", "test"))
            colour = COLOURS[method]
            top.plot(train.index + 1, train, color=colour, ls="--", lw=1.1)
            top.plot(test.index + 1, test, color=colour, lw=1.6, label=method)
            rows = rows.assign(gap=100 * (rows["train_accuracy"] - rows["test_accuracy"]))
            gap = rows.groupby("epoch")["gap"]
            mean, deviation = gap.mean(), gap.std(ddof=1).fillna(0)
            bottom.plot(mean.index + 1, mean, color=colour, lw=1.4)
            bottom.fill_between(mean.index + 1, mean - deviation, mean + deviation,
                                color=colour, alpha=0.13, lw=0)  # fmt: skip
            if batch_size != 2:
                top.text(0.98, 0.03, f"Dense-MLP: batch {batch_size}", ha="right",
                         transform=top.transAxes, fontsize=8, color="#555555")  # fmt: skip
        n_seeds = curves.loc[curves["dataset"] == dataset, "seed"].nunique()
        top.set_title(f"{dataset} ({count(n_seeds, 'seed')})")
        bottom.set_xlabel("epoch")
        for axis in (top, bottom):
            axis.axvspan(11, 51, color="#f2f2f2", zorder=0)
    axes[0][0].set_ylabel("accuracy, %")
    axes[1][0].set_ylabel("training − test, points")
    line = plt.Line2D([], [], color="#333333", ls="--", lw=1.1, label="training")
    full = plt.Line2D([], [], color="#333333", lw=1.6, label="test")
    return with_legend(figure, axes[0][0], 0.05, line, full)


def plot_cost(cost):
    cost = select(cost, batch_size=2)
    datasets = present(cost)
    columns = (
        ("seconds_per_epoch_last", 1e3, "an epoch (after pruning), ms"),
        ("predict_ms_per_1000_rows", 1, "prediction of 1000 rows, ms"),
        ("peak_memory_megabytes", 1, "memory for training, MB"),
        ("pickle_kilobytes", 1e-3, "pickle, MB"),
    )
    figure, axes = plt.subplots(1, len(columns), figsize=(12.5, 3.2), sharey=True)
    places = np.arange(len(datasets))[::-1]
    for axis, (column, scale, title) in zip(axes, columns):
        for method in CURVES:
            rows = cost[cost["method"] == method].drop_duplicates("dataset")
            rows = rows.set_index("dataset").reindex(datasets)
            axis.plot(scale * rows[column], places, "o", ms=8, color=COLOURS[method], label=method)
        axis.set_xscale("log")
        axis.set_title(title)
        axis.set_ylim(-0.6, len(datasets) - 0.4)
    axes[0].set_yticks(places, datasets)
    return with_legend(figure, axes[0], 0.08)


# ------------------------------------------------------------------ the page


def gaps(accuracy, removal, curves, cost):
    """What the command would run and the results lack, as a sentence."""

    def lacking(rows, datasets, **values):
        return [name for name in datasets if name not in present(select(rows, **values))]

    parts = []
    for recipe, methods in (("paper", METHODS), ("defaults", DEFAULTS_METHODS)):
        what = "" if recipe == "paper" else " under our defaults"
        by_method = {m: lacking(accuracy, AT_HAND, recipe=recipe, method=m) for m in methods}
        for names in dict.fromkeys(tuple(names) for names in by_method.values() if names):
            which = [method for method, found in by_method.items() if tuple(found) == names]
            parts.append(f"{', '.join(which)}{what} on {', '.join(names)}")
    parts += [f"Figure 1 on {name}" for name in lacking(removal, FIGURE1)]
    for where, rows, datasets in (("Figure 2", curves, FIGURE2), ("cost", cost, COST)):
        for method in CURVES:
            names = lacking(rows, datasets, method=method)
            if names:
                parts.append(f"{method} in {where} on {', '.join(names)}")
    return f"Not run yet: {'; '.join(parts)}." if parts else ""


def write(results=RESULTS, page=PAGE):
    accuracy, topology, removal, curves, cost = (
        read(results, part) for part in ("table2", "table3", "figure1", "figure2", "cost")
    )
    parts = {
        "recipe": ", ".join(f"`{name}={value!r}`" for name, value in PAPER_NPSET.items()),
        "missing": gaps(accuracy, removal, curves, cost),
        "n_datasets": len(present(accuracy)),
        "table2": table2_paper(accuracy),
        "defaults": table2_defaults(accuracy),
        "claims": table_claims(accuracy),
        "flattery": table_flattery(accuracy),
        "table3": table3(topology, accuracy),
        "curves": table_curves(curves),
        "cost": table_cost(cost),
        **facts(accuracy, topology),
    }
    write_page(HERE / "page.md.in", page, parts)


def draw(results=RESULTS, folder=PAGE.parent):
    plots = {
        "table2": plot_table2,
        "figure1": plot_figure1,
        "figure2": plot_figure2,
        "cost": plot_cost,
    }
    with plt.rc_context(STYLE):
        for part, plot in plots.items():
            figure = plot(read(results, part))
            figure.savefig(folder / f"npset_paper_{part}.png")
            plt.close(figure)
