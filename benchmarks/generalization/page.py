"""Write doc/benchmarks/generalization.md from the results, and draw its figure."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from common import DOC, table, write_page

from .run import OURS, REGRESSION

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
RESULTS, ABLATION = HERE / "results.csv", HERE / "ablation.csv"
PAGE = DOC / "benchmarks" / "generalization.md"
WHOLE = ("datasets", "wins", "ties", "losses")


def markdown(frame: pd.DataFrame, digits: int, index: str) -> str:
    def cell(value: float, column: str) -> str:
        return "–" if pd.isna(value) else f"{value:.{0 if column in WHOLE else digits}f}"

    rows = [
        [name, *(cell(value, str(column)) for column, value in row.items())]
        for name, row in frame.iterrows()
    ]
    return table([index, *frame.columns], rows)


def means(results: pd.DataFrame, value: str) -> pd.DataFrame:
    """Mean of each model on each dataset; models on all datasets first."""
    wide = results.pivot_table(index="dataset", columns="model", values=value)
    others = [name for name in wide.columns if name not in OURS]
    return wide[[name for name in OURS if name in wide.columns] + others]


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


def ablation_table(results: pd.DataFrame) -> str:
    by_set = results.groupby(["recipe", "topology", "dataset"])[["score", "log_loss"]].mean()
    mean = by_set.groupby(["recipe", "topology"]).mean().unstack()
    order = list(dict.fromkeys(results["recipe"]))
    frame = pd.DataFrame(
        {
            "accuracy, evolving": 100 * mean["score", "evolving"],
            "accuracy, static": 100 * mean["score", "static"],
            "log-loss × 100, evolving": 100 * mean["log_loss", "evolving"],
            "log-loss × 100, static": 100 * mean["log_loss", "static"],
        }
    ).loc[order]
    n_splits, names = results["split"].nunique(), ", ".join(results["dataset"].unique())
    return f"{names}; {n_splits} inner splits.\n\n" + markdown(frame, 1, "recipe")


def counts(results: pd.DataFrame) -> str:
    wide = results.pivot_table(index="dataset", columns="model", values="score", aggfunc="count")
    few = {}
    for name, column in wide.items():
        few.setdefault(tuple(column.fillna(0).astype(int)), []).append(name)
    lines = []
    for numbers, names in few.items():
        each = ", ".join(f"{dataset} {n}" for dataset, n in zip(wide.index, numbers))
        lines.append(f"- {', '.join(names)}: {each}")
    return "\n".join(lines)


def by_kind(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Results of classification and of regression."""
    results = pd.read_csv(path)
    regression = results["dataset"].isin(REGRESSION)
    return results[~regression], results[regression]


def write(results: Path = RESULTS, ablation: Path = ABLATION, page: Path = PAGE) -> None:
    classification, regression = by_kind(results)
    accuracy, loss = means(classification, "score"), means(classification, "log_loss")
    seconds = means(classification, "fit_seconds")
    complete = accuracy.dropna(axis=1)
    summary = pd.DataFrame(
        {
            "mean accuracy": 100 * complete.mean(),
            "mean rank": complete.rank(axis=1, ascending=False).mean(),
            "mean log-loss": loss.mean(),
            "fit, seconds": seconds.mean(),
        }
    ).loc[complete.columns]
    pairs = paired_means(classification, "SparseMLP", "score")
    parts = {
        "summary": markdown(summary.sort_values("mean rank"), 2, "model"),
        "pairs": markdown(pairs, 1, "SparseMLP against"),
        "accuracy": markdown(100 * accuracy, 1, "dataset"),
        "loss": markdown(loss.dropna(axis=1, how="all"), 3, "dataset"),
        "seconds": markdown(seconds, 2, "dataset"),
        "regression": markdown(means(regression, "score"), 3, "dataset"),
        "ablation": ablation_table(pd.read_csv(ablation)),
        "counts": counts(classification) + "\n" + counts(regression),
    }
    write_page(HERE / "page.md.in", page, parts)


def draw(results: Path = RESULTS, folder: Path = PAGE.parent) -> None:
    accuracy = means(by_kind(results)[0], "score")
    plot(accuracy.dropna(axis=1), folder / "generalization.png")
