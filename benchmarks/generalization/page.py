"""Write doc/benchmarks/generalization.md from the results, and draw its figure.

Owns: the tables and the plot of the page. May not touch: the results, their
means and differences (`summary`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from common import DOC, bold_best, rivals_first, table, write_page

from .models import OURS
from .summary import PRIOR, Comparison, mean_over, overall, read

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
RESULTS = HERE / "results.csv"
PAGE = DOC / "benchmarks" / "generalization.md"
WHOLE = ("tables", "rows", "columns", "better", "worse", "worse by 2 errors")


def cell(value: float | str, digits: int) -> str:
    if isinstance(value, str):
        return value
    return "–" if pd.isna(value) else f"{value:.{digits}f}"


def markdown(frame: pd.DataFrame, digits: int, index: str) -> str:
    rows = [
        [name, *(cell(v, 0 if c in WHOLE else digits) for c, v in zip(frame.columns, values))]
        for name, values in zip(frame.index, frame.itertuples(index=False))
    ]
    return table([index, *frame.columns], rows)


def best_bold(frame: pd.DataFrame, digits: int, least: bool = False) -> pd.DataFrame:
    """The figures of each row as text, the best ones in bold."""
    marked = frame.astype(object)
    for name, row in frame.iterrows():
        marked.loc[name] = bold_best([cell(value, digits) for value in row], least)
    return marked


def ordered(frame: pd.DataFrame, ours: list[str]) -> pd.DataFrame:
    """Columns of the rivals first, the constant model behind them, this package's models last."""
    return frame[rivals_first(frame.columns, [PRIOR, *reversed(ours)])]


def summary(results: pd.DataFrame, score: Comparison, loss: Comparison | None) -> str:
    names = score.complete
    frame = pd.DataFrame({"mean": mean_over(score.means[names]), "mean rank": score.ranks()})
    if loss is not None:
        frame["mean log-loss"] = mean_over(loss.means).reindex(names)
        balanced = Comparison(results, "balanced_accuracy", score.ours)
        frame["balanced"] = mean_over(balanced.means).reindex(names)
    own = results[results["dataset"].isin(score.means.index)]
    for field, title in (("fit_seconds", "fit, s"), ("predict_seconds", "predict, s")):
        frame[title] = own.pivot_table(index="dataset", columns="model", values=field).mean()
    frame = ordered(frame.sort_values("mean", ascending=False).T, score.ours)
    small = frame.index.isin(["mean rank", "mean log-loss"])
    judged = frame.index.isin(["mean", "balanced"])
    parts = [best_bold(frame[small], 2, least=True), best_bold(frame[judged], 2)]
    rest = frame[~small & ~judged]
    return markdown(pd.concat([*parts, rest]).loc[frame.index].T, 2, "model")


def pairs(c: Comparison, digits: int, *, whole: bool = True) -> str:
    """Differences of each of this package's models to the conventional ones.

    To those that have been run on everything, or to the others on what they have.
    """
    parts = []
    for name in c.ours:
        rows = {}
        rivals = {other: other for other in c.others if (other in c.complete) == whole}
        best = {"best of each table": c.best} if whole else {}
        for label, other in {**best, **rivals}.items():
            gap = c.differences(name, other)
            mean, splits, tables = overall(gap)
            better = c.sign * gap["mean"]
            rows[label] = {
                **({} if whole else {"tables": len(gap)}),
                "mean difference": mean,
                "± splits": splits,
                "± tables": tables,
                "better": (better > 1e-9).sum(),
                "worse": (better < -1e-9).sum(),
                "worse by 2 errors": (better < -2 * gap["error"]).sum(),
            }
        if rows:
            parts.append(markdown(pd.DataFrame(rows).T, digits, f"{name} against"))
    return "\n\n".join(parts)


def by_kind(c: Comparison, kinds: pd.Series, digits: int) -> str:
    groups = c.means.groupby(kinds[c.means.index])
    frame = pd.DataFrame({f"{kind} ({len(part)})": mean_over(part) for kind, part in groups})
    frame = ordered(frame.dropna(how="all").T, c.ours)
    return markdown(best_bold(frame, digits, least=c.sign < 0).T, digits, "model")


def by_table(c: Comparison, digits: int) -> str:
    means = c.means.drop(columns=[PRIOR, "SET (before)"])
    return markdown(best_bold(ordered(means, c.ours), digits, least=c.sign < 0), digits, "table")


def seconds(results: pd.DataFrame, c: Comparison) -> str:
    own = results[results["dataset"].isin(c.means.index)]
    frame = own.pivot_table(index="dataset", columns="model", values="fit_seconds")
    return markdown(ordered(frame.drop(columns=[PRIOR, "SET (before)"]), c.ours), 2, "table")


def plot(c: Comparison, path: Path) -> None:
    """Accuracy of each model relative to the best one of a table."""
    means = c.means[[name for name in c.complete if name != PRIOR]]
    behind = means.sub(means.max(axis=1), axis=0)
    order = behind.mean().sort_values().index
    figure, axes = plt.subplots(figsize=(7.5, 4.6), layout="constrained")
    spread = np.linspace(-0.22, 0.22, len(behind))
    for place, name in enumerate(order):
        color = "tab:red" if name in c.ours else "tab:gray"
        values = behind[name]
        axes.scatter(values, place + spread, s=12, alpha=0.5, color=color, linewidths=0)
        axes.plot([values.mean()] * 2, [place - 0.36, place + 0.36], color=color, linewidth=2.5)
    axes.set_yticks(range(len(order)), order)
    axes.set_xlabel("accuracy behind the best model of a table (points; line: mean)")
    axes.grid(axis="x", linewidth=0.4)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def sources(names: Iterable[str]) -> str:
    frame = pd.read_csv(HERE / "tables.csv", index_col="table", keep_default_na=False).loc[names]
    frame["classes"] = frame["classes"].where(frame["classes"] != "", "–")
    words = ["kind", "source", "reference", "preparation"]
    rows = frame[[*words, "rows", "columns", "classes"]].reset_index()
    return table(rows.columns, rows.to_numpy(), words=len(words) + 1)


def comparisons() -> tuple[pd.DataFrame, list[Comparison]]:
    results = read([RESULTS])
    ours = [name for name in OURS if name in set(results["model"])]
    measures = ("accuracy", "log_loss", "R2")
    return results, [Comparison(results, measure, ours) for measure in measures]


def draw() -> None:
    _, (accuracy, *_) = comparisons()
    plot(accuracy, PAGE.with_name("generalization.png"))


def write(page: Path = PAGE) -> None:
    results, (accuracy, loss, r2) = comparisons()
    kinds = results.drop_duplicates("dataset").set_index("dataset")["kind"]
    parts = {
        "summary": summary(results, accuracy, loss),
        "summary_regression": summary(results, r2, None),
        "pairs": pairs(accuracy, 1),
        "pairs_loss": pairs(loss, 3),
        "pairs_regression": pairs(r2, 1),
        "partial": pairs(accuracy, 1, whole=False),
        "partial_loss": pairs(loss, 3, whole=False),
        "partial_regression": pairs(r2, 1, whole=False),
        "kinds": by_kind(accuracy, kinds, 1),
        "kinds_loss": by_kind(loss, kinds, 3),
        "kinds_regression": by_kind(r2, kinds, 1),
        "accuracy": by_table(accuracy, 1),
        "loss": by_table(loss, 3),
        "regression": by_table(r2, 1),
        "seconds": seconds(results, accuracy),
        "seconds_regression": seconds(results, r2),
        "tables": sources(results["dataset"].unique()),
    }
    write_page(HERE / "page.md.in", page, parts)
