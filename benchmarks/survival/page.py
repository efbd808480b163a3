"""Write doc/benchmarks/survival.md from the results of run.py.

Owns: the tables of the page. May not touch: what is measured.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from common import DOC, bold_best, table, write_page

HERE = Path(__file__).parent
RESULTS = HERE / "results.csv"
PAGE = DOC / "benchmarks" / "survival.md"
MODELS = ["Coxnet", "random forest", "gradient boosting", "dense network", "NPSET", "SET"]


def cell(values: pd.Series, digits: int) -> str:
    """Mean ± standard error."""
    return f"{values.mean():.{digits}f} ± {values.std() / np.sqrt(len(values)):.{digits}f}"


def scores(results: pd.DataFrame, column: str, digits: int) -> str:
    """One row a table, and the means over tables."""
    least, rows = column in ("brier", "seconds"), []
    for name, group in results.groupby("table", sort=False):
        by_model = {model: part[column] for model, part in group.groupby("model")}
        rows.append([name, *bold_best([cell(by_model[m], digits) for m in MODELS], least)])
    means = results.pivot_table(index="table", columns="model", values=column).mean()
    rows.append(["mean", *bold_best([f"{means[m]:.{digits}f}" for m in MODELS], least)])
    return table(["table", *MODELS], rows)


def differences(results: pd.DataFrame, column: str) -> str:
    """SET against each other model, split by split."""
    wide = results.pivot_table(index=["table", "split"], columns="model", values=column)
    rows = []
    for model in MODELS[:-1]:
        difference = (wide["SET"] - wide[model]).dropna().groupby("table").mean()
        error = difference.std() / np.sqrt(len(difference))
        better = (difference > 0).sum() if column != "brier" else (difference < 0).sum()
        rows.append(
            [model, f"{difference.mean():+.4f} ± {error:.4f}", f"{better} of {len(difference)}"]
        )
    return table(["SET minus", "mean over tables ± standard error", "SET is better on"], rows)


def write(page=PAGE):
    results = pd.read_csv(RESULTS)
    simulated = results["table"].str.contains(" x ")
    interact = results["table"].str.contains("interactions")
    kinds = {
        "clinical": results[~simulated],
        "wide": results[simulated & ~interact],
        "interactions": results[interact],
    }
    parts = {}
    for kind, own in kinds.items():
        parts |= {
            f"{kind}_concordance": scores(own, "concordance", 3),
            f"{kind}_ipcw": scores(own, "ipcw", 3),
            f"{kind}_brier": scores(own, "brier", 4),
            f"{kind}_seconds": scores(own, "seconds", 1),
            f"{kind}_differences": differences(own, "concordance"),
            f"{kind}_brier_differences": differences(own, "brier"),
        }
    write_page(HERE / "page.md.in", page, parts)
