"""How many threads a call may use.

Owns: the meaning of `n_jobs`, and what runs on one thread of BLAS. May not touch: thread settings
beyond a `with` block.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import joblib
from joblib.parallel import get_active_backend
from threadpoolctl import LibController, ThreadpoolController

from . import _native

__all__ = ["effective_n_threads", "one_blas_thread"]

_forked = False

# Cached, as in scikit-learn: it reads files of the operating system for 50 µs.
cpu_count = cache(joblib.cpu_count)


class _Inside:
    """Which threads of Python are inside of `one_blas_thread`."""

    def __init__(self) -> None:
        self.lock, self.number = threading.Lock(), 0
        self.before: _Numbers = []  # when the first one entered


_Numbers = list[tuple[LibController, int]]
_inside = _Inside()


@cache
def _libraries() -> tuple[list[LibController], list[LibController]]:
    """The libraries of BLAS with one number of threads, and with one for each thread of Python.

    To look through all that is loaded takes a millisecond; NumPy's and SciPy's are there by now.
    """
    both: tuple[list, list] = [], []
    for library in ThreadpoolController().select(user_api="blas").lib_controllers:
        layer = getattr(library, "threading_layer", None)
        both[library.internal_api == "blis" or layer == "openmp"].append(library)
    return both


def _limited(libraries: list[LibController]) -> _Numbers:
    """The numbers of threads, which become 1."""
    before = [(library, library.num_threads) for library in libraries]
    _set([(library, 1) for library in libraries])
    return before


def _set(numbers: _Numbers) -> None:
    for library, number in numbers:
        # threadpoolctl obeys one thread of Python only, and keeps silent with others.
        getattr(library, "_real_set_num_threads", library.set_num_threads)(number)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Within this, products have the same bits whatever the number of threads."""
    (shared, own), inside = _libraries(), _inside
    with inside.lock:
        inside.number += 1
        if inside.number == 1:
            inside.before = _limited(shared)
    before = _limited(own)
    try:
        yield
    finally:
        _set(before)
        with inside.lock:
            inside.number -= 1
            if inside.number == 0:
                _set(inside.before)


def _after_fork() -> None:
    # libgomp's threads do not survive a fork; a parallel region in the child
    # would wait for them for ever. Nor do Python's, which may hold the lock.
    global _forked, _inside
    _forked, _inside = True, _Inside()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _in_dask_task() -> bool:
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return False
    try:
        distributed.get_worker()
    except ValueError:
        return False
    return True


def effective_n_threads(n_jobs: int | None) -> int:
    """Turn `n_jobs` into a number of threads.

    None: what OpenMP allows (OMP_NUM_THREADS, threadpoolctl), but no more than
    the cores this process may use, and one inside of a joblib worker or a task
    of Dask (there, what OMP_NUM_THREADS says if it is set). A positive number:
    that many. -1: all cores, -2: all but one, and so on. In a forked child,
    where OpenMP cannot start threads any more, always one.
    """
    if _forked:
        return 1
    if n_jobs is None:
        if _in_dask_task():
            # Workers that share a process have no setting of their own in OpenMP.
            return int(os.environ.get("OMP_NUM_THREADS", "1").split(",")[0])
        backend, _ = get_active_backend()
        if getattr(backend, "nesting_level", 0):
            return 1
        allowed = _native.max_threads()
        return allowed if os.environ.get("OMP_NUM_THREADS") else min(allowed, cpu_count())
    if n_jobs < 0:
        return max(1, cpu_count() + 1 + n_jobs)
    return n_jobs
