"""How many threads a call may use.

Owns: the meaning of `n_jobs`, and what runs on one thread of BLAS. May not touch: thread settings
beyond a `with` block.
"""

from __future__ import annotations

import os
import sys
from functools import cache

import joblib
from joblib.parallel import get_active_backend
from threadpoolctl import ThreadpoolController

from . import _native

__all__ = ["effective_n_threads", "one_blas_thread"]

_forked = False

# Cached, as in scikit-learn: it reads files of the operating system for 50 µs.
cpu_count = cache(joblib.cpu_count)


# To look through the loaded libraries takes a millisecond; NumPy's and SciPy's are there by now.
_libraries = cache(ThreadpoolController)


def one_blas_thread():
    """A context in which products have the same bits whatever the number of threads."""
    return _libraries().limit(limits=1, user_api="blas")


def _after_fork() -> None:
    # libgomp's threads do not survive a fork; a parallel region in the child
    # would wait for them for ever.
    global _forked
    _forked = True


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
