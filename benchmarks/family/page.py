"""Write doc/benchmarks/family.md from the results of run.py, and draw its figures."""

from pathlib import Path

import matplotlib
import numpy as np
from common import DOC, read_results, rivals_first, table, write_page
from scipy import stats

from .run import DATASETS, METHODS, N_SEEDS

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
PAGE = DOC / "benchmarks" / "family.md"


def call(cls, options):
    """A constructor's call as one writes it."""
    inside = ", ".join(
        f'{name}="{value}"' if isinstance(value, str) else f"{name}={value}"
        for name, value in options.items()
    )
    return f"{cls.__name__}({inside})"


def mean_of(rows, key, form="{:.3f}", spread=True) -> str:
    values = [row[key] for row in rows if key in row]
    if not values:
        return ""
    text = form.format(np.mean(values))
    return text + (" ± " + form.format(np.std(values)) if spread else "")


def grouped(rows, *keys):
    groups: dict[tuple, list] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return groups


def classifier_table(rows):
    lines = []
    by_method = grouped(rows, "method")
    for name, *_ in METHODS:
        group = by_method[(name,)]
        by_dataset = grouped(group, "dataset")
        grown = sum(row["grown"] for row in group)
        lines.append(
            [
                name,
                *(mean_of(by_dataset[(d,)], "accuracy") for d in DATASETS),
                mean_of(group, "accuracy", spread=False),
                mean_of(by_dataset[("Leukemia",)], "n_connections", "{:,.0f}", spread=False),
                f"{sum(row['survived'] for row in group) / grown:.0%}" if grown else "–",
                mean_of(by_dataset[("Leukemia",)], "time", "{:.2f} s", spread=False),
            ]
        )
    most = [*DATASETS, "mean"]
    header = ["method", *most, "connections (Leukemia)", "newborn that survived", "time (Leukemia)"]
    return table(header, lines, most=most)


def rbm_table(rows):
    lines = [
        [
            *key,
            mean_of(group, "accuracy"),
            mean_of(group, "error", "{:.4f}", spread=False),
            mean_of(group, "pseudo_likelihood", "{:.1f}", spread=False),
            mean_of(group, "weights", "{:,.0f}", spread=False),
            mean_of(group, "time", "{:.1f} s", spread=False),
        ]
        for key, group in grouped(rows, "dataset", "method").items()
    ]
    header = ["dataset", "machine", "accuracy", "squared error", "log pseudo-likelihood",
              "weights", "time of fit"]  # fmt: skip
    most = ["accuracy", "log pseudo-likelihood"]
    return table(header, lines, words=2, most=most, least=["squared error"], by=1)


def degree_table(rows):
    lines = [
        [name, f"{d['mean']:.1f}", d["largest"], f"{d['dispersion']:.2f}",
         f"{d['ks_poisson']:.3f}", f"{d['ks_power_tail']:.3f}", f"{d['exponent']:.2f}"]
        for name, d in rows.items()
    ]  # fmt: skip
    header = ["units", "mean degree", "largest", "variance / mean", "KS to Poisson",
              "KS of the upper half to a power law", "its exponent"]  # fmt: skip
    return table(header, lines)


def selection_table(rows):
    by_dataset = grouped(rows, "dataset")
    groups = [
        ((dataset, method), by_method[(method,)])
        for (dataset,), own in by_dataset.items()
        for by_method in [grouped(own, "method")]
        for method in rivals_first(
            [m for (m,) in by_method], ("SETClassifier", "SETFeatureSelector")
        )
    ]
    lines = [
        [
            *key,
            mean_of(group, "hits", "{:.1f}", spread=False),
            mean_of(group, "ExtraTrees"),
            mean_of(group, "SVC"),
            mean_of(group, "time", "{:.1f} s", spread=False),
        ]
        for key, group in groups
    ]
    header = ["dataset", "scores from", "related features among the first 20", "ExtraTrees",
              "SVC", "time"]  # fmt: skip
    return table(header, lines, words=2, most=header[2:5], by=1)


def write(results=RESULTS, page=PAGE):
    results = read_results(results)
    course, undecayed = results["dsr_course"]
    parts = {
        "n_seeds": N_SEEDS,
        "classifiers": classifier_table(results["classifiers"]),
        "calls": "\n".join(f"- {name}: `{call(cls, options)}`" for name, cls, options in METHODS),
        "totals": course["totals"],
        "dropped": f"{course['dropped_per_rewiring']:.0f}",
        "target": f"{course['target']:.0f}",
        "accuracy": f"{course['accuracy']:.3f}",
        "undecayed_dropped": f"{undecayed['dropped_per_rewiring']:.0f}",
        "undecayed_accuracy": f"{undecayed['accuracy']:.3f}",
        "machines": rbm_table(results["machines"]),
        "degrees": degree_table(results["machine_degrees"]),
        "selection": selection_table(results["feature_selection"]),
    }
    write_page(HERE / "page.md.in", page, parts)


def draw(results=RESULTS, folder=PAGE.parent):
    results = read_results(results)
    course, undecayed = results["dsr_course"]
    _, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    for name, values in (("weight_decay=0.01", course), ("weight_decay=0", undecayed)):
        left.semilogy(values["threshold"], drawstyle="steps-post", base=2, label=name)
    left.legend()
    left.set(xlabel="epoch", ylabel="threshold", title="DSR: the threshold")
    for i, density in enumerate(course["density"]):
        right.plot(np.array(density) / density[0], label=f"layer {i} ({density[0]:.0%} at first)")
    right.set(
        xlabel="epoch", ylabel="density / first density", title="DSR: the layers, weight_decay=0.01"
    )
    right.legend()
    plt.savefig(folder / "family_dsr.png", dpi=110)
    plt.close()

    _, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    for axis, side in zip(axes, ("hidden", "visible")):
        for when, marker in (("start", "o"), ("end", "s")):
            degree = np.sort(results["machine_degrees"][f"{side}, {when}"]["degree"])
            share = 1 - np.arange(len(degree)) / len(degree)
            axis.plot(degree, share, marker, ms=3, label=when)
        mean = np.mean(degree)
        values = np.arange(1, degree.max() + 1)
        axis.plot(values, stats.poisson(mean).sf(values - 1), "k:", label="Poisson")
        axis.set(xscale="log", yscale="log", ylim=(0.7 / len(degree), 1.3), xlabel="degree",
                 ylabel="share of units with this degree or more",
                 title=f"SET-RBM: {side} units")  # fmt: skip
        axis.legend()
    plt.savefig(folder / "family_degrees.png", dpi=110)
    plt.close()
