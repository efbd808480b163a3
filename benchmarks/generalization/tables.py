"""The tables of the comparison and their splits.

Owns: how tables are read and how their rows are split. May not touch: models.
`tables.csv` lists them with their kinds and sources.

Tables come from three places: the files NAME.npz of a folder (`X`, `y` and, where
rows are repeated measures of a sample, `groups`), the .mat files of the ASU
feature selection repository, and scikit-learn itself.
"""

from __future__ import annotations

import csv
from functools import cache
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn import datasets as bundled
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit, StratifiedShuffleSplit

from sklearn_set.datasets import fetch_asu

WORD_COUNTS = ("BASEHOCK", "PCMAC", "RELATHE")
with Path(__file__).with_name("tables.csv").open(newline="", encoding="utf-8") as lines:
    LIST = {row["table"]: row for row in csv.DictReader(lines)}
KINDS = {name: row["kind"] for name, row in LIST.items()}


class Table(NamedTuple):
    X: np.ndarray
    y: np.ndarray
    groups: np.ndarray | None = None

    @property
    def regression(self) -> bool:
        return self.y.dtype.kind == "f"


def names_of(data_home: str | None, wide_home: str | None) -> list[str]:
    """All tables but those whose folder is not given."""
    given = {"wide": wide_home, "asu": data_home, "sklearn": True}
    return [name for name, row in LIST.items() if given[row["home"]]]


@cache
def load(name: str, data_home: str | None, wide_home: str | None) -> Table:
    """A table with inputs as a dense array of 32-bit floats."""
    groups = None
    home = LIST[name]["home"]
    if home == "sklearn":
        X, y = getattr(bundled, f"load_{name}")(return_X_y=True)
    elif home == "asu":
        X, y = fetch_asu(name, data_home=data_home, download_if_missing=False, return_X_y=True)
        X = X.toarray() if sparse.issparse(X) else X
    else:
        with np.load(Path(wide_home) / f"{name}.npz") as file:
            X, y, groups = file["X"], file["y"], file.get("groups")
    return Table(np.ascontiguousarray(X, dtype=np.float32), np.asarray(y), groups)


def grouped_split(table: Table, split: int) -> tuple[np.ndarray, np.ndarray]:
    """Split number `split` of those with new training rows of all classes, over the seeds."""
    found: set[tuple[int, ...]] = set()
    for seed in count():
        splitter = GroupShuffleSplit(1, test_size=1 / 3, random_state=seed)
        train, test = next(splitter.split(table.X, table.y, table.groups))
        whole = table.regression or len(np.unique(table.y[train])) == len(np.unique(table.y))
        if whole and tuple(train) not in found:
            found.add(tuple(train))
            if len(found) > split:
                return train, test
    raise AssertionError("unreachable")


def split_rows(table: Table, split: int) -> tuple[np.ndarray, np.ndarray]:
    """Two thirds of the rows to learn from and a third to be judged on."""
    if table.groups is not None:
        return grouped_split(table, split)
    splitter = ShuffleSplit if table.regression else StratifiedShuffleSplit
    return next(splitter(1, test_size=1 / 3, random_state=split).split(table.X, table.y))
