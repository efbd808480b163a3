"""What fits to the same samples share, kept in files so that a search does it once.

Owns: the files of cached values and of checkpoints. May not touch: what they mean.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

import joblib

from ._fitted import Model
from ._native import isa
from ._pruning import NeuronPruning
from ._samples import Samples
from ._version import __version__

__all__ = ["Checkpoints", "cached"]

_Function = TypeVar("_Function", bound=Callable)
_ABANDONED = 3600  # seconds after which an unfinished file is taken for one of a killed process


def _hash(*values) -> str:
    """A hash of values; samples, which fits hash several times, have theirs."""
    return joblib.hash([value.key if isinstance(value, Samples) else value for value in values])


class _Folder:
    """Values in files, which other threads and processes read and write, too.

    Bits depend on the version and on the instruction set, which have a subfolder each.
    """

    def __init__(self, memory):
        self.path = Path(memory) / f"{__version__}-{isa()}"

    def file(self, name: str) -> Path:
        """The file of a value."""
        return self.path / f"{name}.pickle"

    def read(self, name: str) -> tuple[Any] | None:
        """The value of this name; None if there is no whole file of it."""
        try:
            return (pickle.loads(self.file(name).read_bytes()),)
        except (FileNotFoundError, PermissionError, EOFError, pickle.UnpicklingError):
            return None

    def write(self, name: str, value) -> None:
        """Store a value, whose file is there when it is whole and not before."""
        self.path.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(self.path)
        unfinished = self.path / f"{uuid.uuid4().hex}.unfinished"
        try:
            with unfinished.open("xb") as file:
                pickle.dump(value, file, protocol=5)
            os.replace(unfinished, self.file(name))
        except PermissionError:
            if not self.file(name).exists():  # which on Windows another process reads
                raise
        finally:
            unfinished.unlink(missing_ok=True)


@functools.cache
def _remove_abandoned(folder: Path) -> None:
    """Remove what processes left that were killed while they wrote; once in a process."""
    for file in folder.glob("*.unfinished"):
        with contextlib.suppress(OSError):  # another process removes them, too
            if file.stat().st_mtime < time.time() - _ABANDONED:
                file.unlink()


class _Locks:
    """A lock for each name, so that threads wait for a value and do not make it twice."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        self.locks = [threading.Lock() for _ in range(64)]

    def __getitem__(self, name: str) -> threading.Lock:
        return self.locks[hash(name) % len(self.locks)]


_locks = _Locks()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_locks.renew)  # no thread is left that would unlock


def cached(function: _Function, memory) -> _Function:
    """The function, its values kept in the folder `memory` if that is not None.

    It may not call another cached one.
    """
    if memory is None:
        return function
    folder = _Folder(memory)

    @functools.wraps(function)
    def kept(*arguments):
        name = f"{function.__qualname__}-{_hash(*arguments)}"
        with _locks[name]:
            found = folder.read(name)
            if found is None:
                found = (function(*arguments),)
                if isinstance(found[0], Samples):
                    _hash(found[0])  # which is kept with them
                folder.write(name, *found)
        return found[0]

    return cast(_Function, kept)


class Checkpoints:
    """Models at the start of the first epoch that prunes, and after the last one.

    Fits that differ in their pruning only go the same way until they part at such a point.

    Parameters
    ----------
    memory : str or path-like
    samples : Samples
    parameters : object
        All else that decides over a fit but for its pruning and its end.
    pruning : NeuronPruning
    n_epochs : int
    """

    def __init__(self, memory, samples: Samples, parameters, pruning: NeuronPruning, n_epochs: int):
        self.folder, self.task = _Folder(memory), _hash(samples, parameters)
        self.first, self.last = max(1, pruning.start), min(pruning.last_epoch + 1, n_epochs)
        # Prunings that begin alike are alike until the first of them ends.
        self.pruning = _hash(replace(pruning, n_epochs=0))

    def _name(self, epoch: int) -> str:
        pruning = self.pruning if epoch > self.first else "unpruned"
        return f"network-{self.task}-{pruning}-{epoch}"

    def latest(self) -> Model | None:
        """The model that has the fewest epochs to go; None if there is none."""
        for epoch in range(self.last, 0, -1):
            if found := self.folder.read(self._name(epoch)):
                return found[0]
        return None

    def save(self, model: Model) -> None:
        """Store a model if it is at one of these points."""
        if model.progress.epoch in (self.first, self.last):
            self.folder.write(self._name(model.progress.epoch), model)
