"""Write doc/benchmarks/generalization.md and its plot from the results.

python benchmarks/generalization/page.py [--results FILE] [--ablation FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from run import OURS, REGRESSION

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "doc" / "benchmarks" / "generalization.md"


WHOLE = ("datasets", "wins", "ties", "losses")


def cell(value: float, digits: int) -> str:
    return "–" if pd.isna(value) else f"{value:.{digits}f}"


def markdown(table: pd.DataFrame, digits: int, index: str) -> str:
    lines = [
        "| " + " | ".join([index, *map(str, table.columns)]) + " |",
        "|---" * (len(table.columns) + 1) + "|",
    ]
    for name, row in table.iterrows():
        cells = [cell(value, 0 if row.index[i] in WHOLE else digits) for i, value in enumerate(row)]
        lines.append("| " + " | ".join([str(name), *cells]) + " |")
    return "\n".join(lines)


def means(results: pd.DataFrame, value: str) -> pd.DataFrame:
    """Mean of each model on each dataset; models on all datasets first."""
    table = results.pivot_table(index="dataset", columns="model", values=value)
    others = [name for name in table.columns if name not in OURS]
    return table[[name for name in OURS if name in table.columns] + others]


def paired_means(results: pd.DataFrame, model: str, value: str) -> pd.DataFrame:
    """Difference of `model` to each other one, over the splits that both have."""
    wide = results.pivot_table(index=["dataset", "split"], columns="model", values=value)
    rows = {}
    for other in wide.columns.drop(model):
        difference = (wide[model] - wide[other]).dropna().groupby("dataset").mean()
        rows[other] = {
            "datasets": len(difference),
            "mean difference": 100 * difference.mean(),
            "wins": (difference > 1e-9).sum(),
            "ties": (difference.abs() <= 1e-9).sum(),
            "losses": (difference < -1e-9).sum(),
        }
    return pd.DataFrame(rows).T.sort_values("mean difference")


def plot(accuracy: pd.DataFrame, path: Path) -> None:
    """Accuracy of each model relative to the best one of a dataset."""
    behind = 100 * accuracy.sub(accuracy.max(axis=1), axis=0)
    order = behind.mean().sort_values().index
    figure, axes = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
    spread = np.linspace(-0.22, 0.22, len(behind))
    for place, name in enumerate(order):
        color = "tab:red" if name in OURS else "tab:gray"
        values = behind[name]
        axes.scatter(values, place + spread, s=16, alpha=0.6, color=color, linewidths=0)
        axes.plot([values.mean()] * 2, [place - 0.36, place + 0.36], color=color, linewidth=2.5)
    axes.set_yticks(range(len(order)), order)
    axes.set_xlabel("accuracy behind the best model of a dataset (points; line: mean)")
    axes.grid(axis="x", linewidth=0.4)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def ablation_table(path: Path) -> str:
    results = pd.read_csv(path)
    by_set = results.groupby(["recipe", "topology", "dataset"])[["score", "log_loss"]].mean()
    mean = by_set.groupby(["recipe", "topology"]).mean().unstack()
    order = list(dict.fromkeys(results["recipe"]))
    table = pd.DataFrame(
        {
            "accuracy, evolving": 100 * mean["score", "evolving"],
            "accuracy, static": 100 * mean["score", "static"],
            "log-loss × 100, evolving": 100 * mean["log_loss", "evolving"],
            "log-loss × 100, static": 100 * mean["log_loss", "static"],
        }
    ).loc[order]
    n_splits, names = results["split"].nunique(), ", ".join(results["dataset"].unique())
    return f"{names}; {n_splits} inner splits.\n\n" + markdown(table, 1, "recipe")


def counts(results: pd.DataFrame) -> str:
    table = results.pivot_table(index="dataset", columns="model", values="score", aggfunc="count")
    few = {}
    for name, column in table.items():
        few.setdefault(tuple(column.fillna(0).astype(int)), []).append(name)
    lines = []
    for numbers, names in few.items():
        each = ", ".join(f"{dataset} {n}" for dataset, n in zip(table.index, numbers))
        lines.append(f"- {', '.join(names)}: {each}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--results", type=Path, default=HERE / "results.csv")
    parser.add_argument("--ablation", type=Path, default=HERE / "ablation.csv")
    options = parser.parse_args()
    results = pd.read_csv(options.results)
    regression = results[results["dataset"].isin(REGRESSION)]
    results = results[~results["dataset"].isin(REGRESSION)]

    accuracy, loss = means(results, "score"), means(results, "log_loss")
    complete = accuracy.dropna(axis=1)
    summary = pd.DataFrame(
        {
            "mean accuracy": 100 * complete.mean(),
            "mean rank": complete.rank(axis=1, ascending=False).mean(),
            "mean log-loss": loss.mean(),
            "fit, seconds": means(results, "fit_seconds").mean(),
        }
    ).loc[complete.columns]
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    plot(complete, PAGE.with_name("generalization.png"))
    parts = {
        "summary": markdown(summary.sort_values("mean rank"), 2, "model"),
        "pairs": markdown(paired_means(results, "SparseMLP", "score"), 1, "SparseMLP against"),
        "accuracy": markdown(100 * accuracy, 1, "dataset"),
        "loss": markdown(loss.dropna(axis=1, how="all"), 3, "dataset"),
        "seconds": markdown(means(results, "fit_seconds"), 2, "dataset"),
        "regression": markdown(means(regression, "score"), 3, "dataset"),
        "ablation": ablation_table(options.ablation),
        "counts": counts(results) + "\n" + counts(regression),
    }
    template = (HERE / "page.md.in").read_text()
    for name, text in parts.items():
        template = template.replace("{" + name + "}", text)
    PAGE.write_text(template)


if __name__ == "__main__":
    main()
