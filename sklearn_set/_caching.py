"""What fits to the same samples share, kept in files so that a search does it once.

Owns: the files of cached values and of checkpoints. May not touch: what they mean.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import joblib

from ._fitted import Model
from ._native import isa
from ._pruning import NeuronPruning
from ._version import __version__

__all__ = ["Checkpoints", "cached"]

_Function = TypeVar("_Function", bound=Callable)


def _folder(memory) -> Path:
    """The subfolder for this version and, since bits depend on it, this instruction set."""
    return Path(memory) / f"{__version__}-{isa()}"


def cached(function: _Function, memory) -> _Function:
    """The function, its values kept in the folder `memory` if that is not None."""
    if memory is None:
        return function
    return joblib.Memory(_folder(memory), verbose=0).cache(function)


class Checkpoints:
    """Models at the start of the first epoch that prunes, and after the last one.

    Fits that differ in their pruning only go the same way until they part at such a point.

    Parameters
    ----------
    memory : str or path-like
    task : object
        All that decides over a fit but for its pruning and its end: samples, parameters.
    pruning : NeuronPruning
    n_epochs : int
    """

    def __init__(self, memory, task, pruning: NeuronPruning, n_epochs: int):
        self.folder, self.task = _folder(memory), joblib.hash(task)
        self.first, self.last = max(1, pruning.start), min(pruning.last_epoch + 1, n_epochs)
        # Prunings that begin alike are alike until the first of them ends.
        self.pruning = joblib.hash(replace(pruning, n_epochs=0))

    def _file(self, epoch: int) -> Path:
        pruning = self.pruning if epoch > self.first else "unpruned"
        return self.folder / f"{self.task}-{pruning}-{epoch}.pickle"

    def latest(self) -> Model | None:
        """The model that has the fewest epochs to go; None if there is none."""
        for epoch in range(self.last, 0, -1):
            if (file := self._file(epoch)).exists():
                return pickle.loads(file.read_bytes())
        return None

    def save(self, model: Model) -> None:
        """Store a model if it is at one of these points."""
        if model.progress.epoch in (self.first, self.last):
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.folder) as folder:  # gone if this fails
                unfinished = Path(folder) / "model"
                with unfinished.open("wb") as file:
                    pickle.dump(model, file, protocol=5)
                os.replace(unfinished, self._file(model.progress.epoch))
