"""Write doc/benchmarks/features.md from the results of run.py, and draw its figures.

Owns: the tables and figures of the page. May not touch: what is measured.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from common import DOC, bold_best, rivals_first, table, write_page

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
RESULTS, SYNTHETIC = HERE / "results.csv", HERE / "synthetic.csv"
PAGE = DOC / "benchmarks" / "features.md"
NUMBERS = [10, 20, 50, 100]
FIRST = "SETFeatureSelector"
OURS = ("SET, strengths", FIRST, "gradient", "relevance")
SLOW = ("ReliefF", "Boruta", "LassoNet", "STG")
#: Tables that nothing was chosen on, see run.py.
NEW = ("ucr_coffee", "ucr_oliveoil", "stemcells", "breast_tcga", "ucr_ham", "mayonnaise_oil",
       "mlrepo_ravel_nugent_category", "forages_nir", "text_finefoods")  # fmt: skip


def accuracy(results: pd.DataFrame) -> pd.DataFrame:
    """Per cent of both models behind a selector, a column for each number of features."""
    mean = 50 * (results["svc"] + results["trees"])
    return results.assign(both=mean).pivot_table(
        index=["table", "selector"], columns="number", values="both"
    )


def quick(results: pd.DataFrame) -> pd.DataFrame:
    """The selectors that are run everywhere, on the tables that all of them were run on."""
    results = results[~results["selector"].isin(SLOW)]
    complete = results.groupby("table")["selector"].transform("nunique")
    return results[complete == results["selector"].nunique()]


def means(results: pd.DataFrame) -> str:
    """Means over tables."""
    values = ["svc", "trees", "set", "steadiness", "seconds"]
    single = results.groupby(["table", "selector"])[values].mean().groupby("selector").mean()
    frame = accuracy(results).groupby("selector").mean().join(single)
    frame["mean"] = accuracy(results).mean(axis=1).groupby("selector").mean()
    frame = frame.sort_values("mean", ascending=False)
    rows = [
        [name, *(f"{row[k]:.1f}" for k in NUMBERS), f"{row['mean']:.1f}",
         *(f"{100 * row[key]:.1f}" for key in ("svc", "trees", "set")),
         f"{row['steadiness']:.2f}", f"{row['seconds']:.2f}"]
        for name, row in frame.loc[rivals_first(frame.index, OURS)].iterrows()
    ]  # fmt: skip
    most = [*(f"K = {k}" for k in NUMBERS), "mean", "linear SVC", "ExtraTrees", "SET, K = 50",
            "steadiness"]  # fmt: skip
    return table(["selector", *most, "seconds"], rows, most=most, least=["seconds"])


def differences(results: pd.DataFrame) -> str:
    """The first selector against the others, table by table: mean over K, and with the most."""
    frame = accuracy(results)
    both = [frame.mean(axis=1).unstack("selector"), frame[NUMBERS[-1]].unstack("selector")]
    rows = []
    for name in both[0].columns.drop(FIRST):
        cells = []
        for each in both:
            gap = (each[FIRST] - each[name]).dropna()
            error = gap.std() / np.sqrt(len(gap))
            cells += [f"{gap.mean():+.1f} ± {error:.1f}", f"{(gap > 0).sum()} of {len(gap)}"]
        rows.append([name, *cells])
    points = "points ± standard error"
    header = [f"{FIRST} minus", points, "better on", f"at K = {NUMBERS[-1]}", "better on"]
    return table(header, rows)


def by_table(results: pd.DataFrame) -> str:
    frame = accuracy(results).mean(axis=1).unstack("selector")
    frame = frame[rivals_first(frame.columns, OURS)]
    rows = [[name, *bold_best([f"{v:.1f}" for v in row])] for name, row in frame.iterrows()]
    return table(["table", *frame.columns], rows)


SETTING = ["rows", "columns", "kind", "relevant"]
DEFAULT = ("r_concave", 0.8)


def synthetic() -> pd.DataFrame:
    """Tables whose truth is known, with the settings that all rankers were run on."""
    return pd.read_csv(SYNTHETIC).set_index(["bound", "threshold"]).sort_index()


def stability(frame: pd.DataFrame) -> str:
    """Rankers at the default of `StabilitySelector`, means over settings.

    Standard errors are those of differences on the same tables.
    """
    by = {key: part.pivot_table(index=[*SETTING, "seed"], columns="ranker") for key, part in
          frame.groupby(level=[0, 1])}  # fmt: skip
    default = by[DEFAULT]
    # Rounded, since versions of pandas add in other orders and the page rounds halves.
    mean = {key: part.groupby(SETTING).mean().mean().round(9) for key, part in by.items()}
    rows = []
    for name in rivals_first(default["true"].columns, OURS):
        gap = (default["true"]["relevance"] - default["true"][name]).dropna()
        each = gap.groupby(SETTING)
        error = np.sqrt((each.var() / each.size()).sum()) / each.ngroups
        found = {key[1]: each["true", name] for key, each in mean.items() if key[0] == DEFAULT[0]}
        best = max(found, key=found.get)
        unrelated = default["unrelated"][name].groupby(SETTING).mean()
        rows.append([
            name, f"{mean[DEFAULT]['true', name]:.2f}",
            "" if name == "relevance" else f"{gap.mean():+.2f} ± {error:.2f}",
            f"{mean[DEFAULT]['false', name]:.2f}", f"{mean[DEFAULT]['unrelated', name]:.2f}",
            f"{unrelated.max():.2f}", f"{found[best]:.2f} ({best})",
            f"{mean['unimodal', 0.65]['true', name]:.2f}", len(default["true"][name].dropna()),
        ])  # fmt: skip
    header = ["ranker", "true", "relevance minus it", "false", "unrelated", "unrelated, at most",
              "true, best threshold", "true, unimodal", "tables"]  # fmt: skip
    return table(header, rows, most=["true", *header[6:8]])


def by_setting(frame: pd.DataFrame) -> str:
    """The default on each kind of table."""
    rows = [
        [*key, ranker, f"{part['true'].mean():.1f}", f"{part['false'].mean():.1f}",
         f"{part['unrelated'].mean():.1f} ± {part['unrelated'].std() / np.sqrt(len(part)):.1f}",
         f"{part['expected'].mean():.2f}", f"{part['precision'].mean():.2f}",
         f"{part['seconds'].mean():.1f}", len(part)]
        for key, group in frame.loc[[DEFAULT]].groupby(SETTING, sort=False)
        for ranker in rivals_first(group["ranker"].unique(), OURS)
        for part in [group[group["ranker"] == ranker]]
    ]  # fmt: skip
    header = [*SETTING, "ranker", "true", "false", "unrelated", "bound", "precision at K"]
    header += ["seconds", "tables"]
    return table(header, rows, words=5, most=["true", "precision at K"], by=4)


def slow(results: pd.DataFrame) -> str:
    """Each slow selector beside the first one, on the tables and splits that it was run on."""
    results = results.assign(both=50 * (results["svc"] + results["trees"]))
    cells = results.set_index(["selector", "table", "split", "number"])
    cells = cells[["both", "steadiness", "seconds"]].astype(float)
    rows = []
    for name in [name for name in SLOW if name in set(results["selector"])]:
        own = cells.loc[name]
        parts = [
            each.groupby("table").mean().mean() for each in (own, cells.loc[FIRST].loc[own.index])
        ]
        if own["steadiness"].isna().all():
            parts[1]["steadiness"] = np.nan
        found = [
            bold_best([f"{part[key]:.{digits}f}" for part in parts], key == "seconds")
            for key, digits in (("both", 1), ("steadiness", 2), ("seconds", 2))
        ]
        n_tables, n_splits = (len(own.index.unique(level)) for level in ("table", "split"))
        pairs = [" / ".join(pair).replace("nan / nan", "–") for pair in found]
        rows.append([name, n_tables, n_splits, *pairs])
    header = ["selector", "tables", "splits", "accuracy", "steadiness", "seconds"]
    return table(header, rows)


def draw() -> None:
    """Accuracy by the number of features."""
    results = quick(pd.read_csv(RESULTS))
    frame = accuracy(results).groupby("selector").mean()
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for name in [FIRST, *frame.index.drop(FIRST)]:
        style = {"lw": 2.4, "zorder": 3} if name == FIRST else {"lw": 1.2}
        axes.plot(NUMBERS, frame.loc[name], marker="o", label=name, **style)
    axes.set(xscale="log", xlabel="Number of features", ylabel="Accuracy, mean over tables (%)")
    axes.set_xticks(NUMBERS, [str(number) for number in NUMBERS])
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize="small")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(PAGE.with_suffix(".png"), dpi=150)
    plt.close(figure)


def write(page: Path = PAGE) -> None:
    everything = pd.read_csv(RESULTS)
    results = quick(everything)
    new = results[results["table"].isin(NEW)]
    parts = {
        "n_tables": results["table"].nunique(),
        "n_new": new["table"].nunique(),
        "means": means(results),
        "differences": differences(results),
        "means_new": means(new),
        "differences_new": differences(new),
        "by_table": by_table(results),
        "slow": slow(everything),
        "n_settings": synthetic().groupby(SETTING).ngroups,
        "stability": stability(synthetic()),
        "by_setting": by_setting(synthetic()),
    }
    write_page(HERE / "page.md.in", page, parts)
