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
    """Mean ± standard error, and the number of splits where they are fewer than ten."""
    error = values.std() / np.sqrt(len(values)) if len(values) > 1 else np.nan
    text = f"{values.mean():.{digits}f}" + ("" if np.isnan(error) else f" ± {error:.{digits}f}")
    return text + (f" ({len(values)})" if len(values) < 10 else "")


def scores(results: pd.DataFrame, column: str, digits: int) -> str:
    """One row a table; below means of the models that have all splits, and of common splits."""
    least, rows = column in ("brier", "seconds"), []
    models = [model for model in MODELS if model in set(results["model"])]
    for name, group in results.groupby("table", sort=False):
        by_model = {model: part[column] for model, part in group.groupby("model")}
        cells = [cell(by_model[m], digits) if m in by_model else "–" for m in models]
        rows.append([name, *bold_best(cells, least)])
    wide = results.pivot_table(index="table", columns="model", values=column)
    n_splits = results.pivot_table(index="table", columns="model", values=column, aggfunc="count")
    whole = (n_splits == 10).all()
    means = [f"{wide[model].mean():.{digits}f}" if whole[model] else "–" for model in models]
    rows.append(["mean", *bold_best(means, least)])
    complete = results.groupby(["table", "split"])["model"].transform("count") == len(models)
    common = results[complete].pivot_table(index="table", columns="model", values=column)
    means = [f"{mean:.{digits}f}" for mean in common.mean()[models]]
    rows.append(["mean, of common splits", *bold_best(means, least)])
    return table(["table", *models], rows)


def differences(results: pd.DataFrame, column: str) -> str:
    """SET against each other model, split by split."""
    wide = results.pivot_table(index=["table", "split"], columns="model", values=column)
    rows = []
    for model in [model for model in MODELS[:-1] if model in wide]:
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
