"""Where fits part that differ in their pruning only, so that the way there is gone once.

Owns: models on the way, in files. May not touch: models.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from dataclasses import replace
from pathlib import Path

import joblib

from ._fitted import Model
from ._native import isa
from ._pruning import NeuronPruning
from ._version import __version__

__all__ = ["Waypoints"]


class Waypoints:
    """Models at the start of the first epoch that prunes, and after the last one.

    Parameters
    ----------
    folder : str or path-like
    task : object
        All that decides over a fit but for its pruning and its end: samples, parameters.
    pruning : NeuronPruning
    n_epochs : int
    """

    def __init__(self, folder, task, pruning: NeuronPruning, n_epochs: int):
        self.folder, self.task = Path(folder), joblib.hash([__version__, isa(), task])
        self.first, self.last = max(1, pruning.start), min(pruning.last_epoch + 1, n_epochs)
        # Prunings that begin alike are alike until the first of them ends.
        self.pruning = joblib.hash(replace(pruning, n_epochs=0))

    def _file(self, epoch: int) -> Path:
        pruning = self.pruning if epoch > self.first else "unpruned"
        return self.folder / f"{self.task}-{pruning}-{epoch}.pickle"

    def farthest(self) -> Model | None:
        """The model that has the fewest epochs to go; None if there is none."""
        for epoch in range(self.last, 0, -1):
            if (file := self._file(epoch)).exists():
                return pickle.loads(file.read_bytes())
        return None

    def keep(self, model: Model) -> None:
        """Keep a model if it is at one of these points."""
        if model.progress.epoch in (self.first, self.last):
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as unfinished:
                pickle.dump(model, unfinished, protocol=5)
            os.replace(unfinished.name, self._file(model.progress.epoch))
