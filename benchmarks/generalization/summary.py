"""Tables of one or several files of results, as text.

    python benchmarks generalization.summary FILE [FILE ...] --ours SET [NPSET ...]
        [--measures accuracy R2 log_loss balanced_accuracy]

Only tables and splits that the models of `--ours` have are looked at. A model is
compared where it has all of these; others are listed with the number of tables
they lack. R² counts as at least -1: one split on which a model goes astray would
decide every mean. Tables of one study weigh as much together as another table.

Owns: means, ranks and paired differences. May not touch: the results.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

PRIOR = "Prior"
STUDIES = ("cookie_", "corn_", "nirsoil_")
R2_FLOOR = -1.0
MEASURES = ("accuracy", "R2", "log_loss", "balanced_accuracy")
SHORT = {
    "LogisticRegression": "LogReg",
    "LDA, shrinkage": "LDA",
    "GaussianProcess": "GP",
    "ExtraTrees(500)": "ET",
    "RandomForest(500)": "RF",
    "MLP(300, 300)": "MLP300",
    "HistGradientBoosting": "HGB",
}


def read(paths: Iterable[Path]) -> pd.DataFrame:
    results = pd.concat([pd.read_csv(path) for path in paths], ignore_index=True)
    twice = results.duplicated(["dataset", "split", "model"])
    if twice.any():
        raise SystemExit(f"There are rows for the same task in two files:\n{results[twice]}")
    return results


def values_of(results: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Values of a measure: a row for each table and split, a column for each model.

    Shares and R² are in hundredths.
    """
    regression = results["balanced_accuracy"].isna()
    chosen = results[regression] if measure == "R2" else results[~regression]
    column = "score" if measure in ("accuracy", "R2") else measure
    table = chosen.pivot(index=["dataset", "split"], columns="model", values=column)
    table = table.clip(lower=R2_FLOOR) if measure == "R2" else table
    return table if measure == "log_loss" else 100 * table


def weights_of(datasets: Iterable[str]) -> pd.Series:
    """A weight for each table, the same for each study; they sum to 1."""
    names = list(datasets)
    study = [next((s for s in STUDIES if name.startswith(s)), name) for name in names]
    weights = pd.Series([1 / study.count(s) for s in study], index=names)
    return weights / weights.sum()


def mean_over(table: pd.DataFrame) -> pd.Series:
    """Weighted mean over the tables, nan for a model that lacks one."""
    return table.mul(weights_of(table.index), axis=0).sum(skipna=False)


class Comparison:
    """Means of a measure for each table and model, and paired differences."""

    def __init__(self, results: pd.DataFrame, measure: str, ours: list[str]):
        values = values_of(results, measure)
        for name in ours:
            values = values[values[name].notna()] if name in values else values.iloc[:0]
        self.measure, self.values = measure, values.dropna(axis=1, how="all")
        self.ours = [name for name in ours if name in self.values]
        self.sign = -1 if measure == "log_loss" else 1
        by_table = self.values.groupby(level="dataset")
        # A mean over some of the splits only is no mean to compare.
        self.means = by_table.mean().where(by_table.count().eq(by_table.size(), axis=0))
        self.complete = list(self.means.columns[self.means.notna().all()])
        others = self.means.columns.drop([PRIOR, *self.ours], errors="ignore")
        self.others = list(others)
        whole = [name for name in others if name in self.complete]
        average = self.sign * mean_over(self.means[whole])
        self.best_on_average = average.idxmax() if len(average) else None
        self.best = (self.sign * self.means[self.others]).dropna(how="all").idxmax(axis=1)

    def ranks(self) -> pd.Series:
        """Mean rank of the complete models without the constant one."""
        names = [name for name in self.complete if name != PRIOR]
        return mean_over((self.sign * self.means[names]).rank(axis=1, ascending=False))

    def differences(self, name: str, other: pd.Series | str) -> pd.DataFrame:
        """Mean and standard error over common splits of `name` less another model, per table."""
        rows = {}
        for dataset, values in self.values.groupby(level="dataset"):
            rival = other if isinstance(other, str) else other.get(dataset)
            d = pd.Series() if rival is None else (values[name] - values[rival]).dropna()
            if len(d):
                error = d.std() / np.sqrt(len(d)) if len(d) > 1 else np.nan
                rows[dataset] = {"rival": rival, "mean": d.mean(), "error": error}
        return pd.DataFrame.from_dict(rows, orient="index", columns=["rival", "mean", "error"])


def overall(differences: pd.DataFrame) -> tuple[float, float, float]:
    """Mean over tables, its error from the splits and that from the choice of tables."""
    weights = weights_of(differences.index)
    mean = (weights * differences["mean"]).sum()
    splits = np.sqrt((weights**2 * differences["error"] ** 2).sum())
    spread = weights * (differences["mean"] - mean)
    n = len(differences)
    tables = np.sqrt((spread**2).sum() * n / (n - 1)) if n > 1 else np.nan
    return mean, splits, tables


def text(table: pd.DataFrame, digits: int) -> str:
    return table.rename(columns=SHORT, index=SHORT).to_string(
        float_format=f"{{:.{digits}f}}".format, na_rep="-"
    )


def print_measure(results: pd.DataFrame, measure: str, ours: list[str]) -> None:
    c = Comparison(results, measure, ours)
    if c.means.empty:
        return
    kinds = results.drop_duplicates("dataset").set_index("dataset")["kind"]
    digits, unit = (3, "") if measure == "log_loss" else (1, " × 100")
    print(f"\n=== {measure}{unit}: {len(c.means)} tables ===\n")

    order = sorted(c.means.index, key=lambda name: (kinds[name], name))
    front = list(dict.fromkeys([*c.ours, *c.means.columns.intersection([PRIOR])]))
    columns = c.means[[*front, *c.others]].loc[order]
    best = pd.DataFrame(
        {
            "best": c.means[c.others].agg("min" if c.sign < 0 else "max", axis=1),
            "which": c.best.map(lambda name: SHORT.get(name, name)),
        }
    )
    for name in c.ours:
        gap = c.differences(name, c.best)
        best[f"{name} - best"] = gap["mean"]
        best["se"] = gap["error"]
        best = best.rename(columns={"se": f"se {name}"})
    columns = pd.concat([columns[c.ours], best.loc[order], columns.drop(columns=c.ours)], axis=1)
    columns.insert(0, "kind", kinds[order].str[:10])
    print(text(columns, digits))

    lacking = c.means.isna().sum()
    for name in lacking[lacking > 0].index:
        print(f"{name} lacks {lacking[name]} tables")

    mean = pd.DataFrame({"mean": mean_over(c.means[c.complete])})
    mean["rank"] = c.ranks()
    seconds = results[results["dataset"].isin(c.means.index)].groupby("model")
    for field in ("fit_seconds", "predict_seconds"):
        mean[field] = seconds[field].mean()
    print("\nAll tables, complete models:")
    mean = mean.sort_values("mean", ascending=c.sign < 0)
    print(text(mean, 3))

    parts = c.means.groupby(kinds[c.means.index])
    by_kind = pd.DataFrame({kind: mean_over(part) for kind, part in parts}).T
    by_kind = by_kind[[*front, *c.others]]
    by_kind.insert(0, "tables", parts.size())
    print("\nMeans of kinds:")
    print(text(by_kind, digits))

    for name in c.ours:
        print(f"\n{name} less another model, paired over splits (± over splits, ± over tables):")
        rivals = [("best of each table", c.best), *((other, other) for other in c.others)]
        for label, other in rivals:
            gap = c.differences(name, other)
            if len(gap) < len(c.means) and isinstance(other, str):
                continue
            m, splits, tables = overall(gap)
            wins, losses = (gap["mean"] * c.sign > 1e-9).sum(), (gap["mean"] * c.sign < -1e-9).sum()
            behind = (c.sign * gap["mean"] < -2 * gap["error"]).sum()
            mark = " (best on average)" if label == c.best_on_average else ""
            print(
                f"  {label:<22}{m:+8.{digits}f} ± {splits:.{digits}f} ± {tables:.{digits}f}"
                f"   better on {wins}, worse on {losses}, worse by 2 errors on {behind}{mark}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--ours", nargs="+", default=[])
    parser.add_argument("--measures", nargs="+", choices=MEASURES, default=MEASURES)
    parser.add_argument("--datasets", nargs="+", help="default: all in the files")
    options = parser.parse_args()
    results = read(options.files)
    if options.datasets:
        results = results[results["dataset"].isin(options.datasets)]
    pd.set_option("display.width", 250)
    for measure in options.measures:
        print_measure(results, measure, options.ours)


if __name__ == "__main__":
    main()
