"""Write doc/benchmarks/early_stopping.md from the results of run.py.

Owns: the tables of the page. May not touch: what is measured.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from common import DOC, bold_best, table, write_page

from .run import AGAIN, WAYS

HERE = Path(__file__).parent
RESULTS = HERE / "results.csv"
PAGE = DOC / "benchmarks" / "early_stopping.md"
REFERENCE = "held out, never stopped"


def means(results: pd.DataFrame) -> str:
    """A row for each way: means over tables, and the difference to the held-out reference."""
    by_way = {
        way: part.groupby("table").mean(numeric_only=True) for way, part in results.groupby("way")
    }
    rows = []
    for way in (*WAYS, AGAIN):
        mean = by_way[way]
        difference = 100 * (mean["score"] - by_way[REFERENCE]["score"])
        error = difference.std() / np.sqrt(len(difference))
        share = mean["epochs"] / by_way["no early stopping"]["epochs"]
        seconds = (mean["seconds"] / by_way["no early stopping"]["seconds"]).median()
        rows.append(
            [
                way,
                f"{100 * mean['score'].mean():.2f}",
                "–" if way == REFERENCE else f"{difference.mean():+.2f} ± {error:.2f}",
                f"{mean['loss'].mean():.3f}",
                f"{100 * share.mean():.0f} %",
                f"{100 * seconds:.0f} %",
            ]
        )
    header = ["", "score", "against held out", "loss", "epochs", "time"]
    return table(header, rows, most=["score"], least=["loss"])


def each(results: pd.DataFrame) -> str:
    """A row for each table: scores of the ways."""
    ways = (*WAYS, AGAIN)
    wide = results.pivot_table(index="table", columns="way", values="score")
    epochs = results[results["way"] == "early stopping"].groupby("table")["epochs"].mean()
    rows = [
        [name, *bold_best([f"{100 * row[way]:.1f}" for way in ways]), f"{epochs[name]:.0f}"]
        for name, row in wide.iterrows()
    ]
    return table(["table", *ways, "epochs, early stopping"], rows)


def write(page=PAGE):
    results = pd.read_csv(RESULTS)
    splits = results.groupby("table")["split"].nunique()
    few, many = splits.min(), splits.max()
    parts = {"n_splits": f"{few}" if few == many else f"{few} to {many}"}
    for kind in ("classification", "regression"):
        own = results[results["task"] == kind]
        parts |= {
            f"{kind}_means": means(own),
            f"{kind}_each": each(own),
            f"n_{kind}": own["table"].nunique(),
        }
    write_page(HERE / "page.md.in", page, parts)
