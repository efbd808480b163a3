"""Clocks, the machine's description, and programs run apart from this process."""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

CPU, WALL = time.thread_time, time.perf_counter


def interleave(tasks, budget, *, least=3, most=60, clock=CPU):
    """Seconds of each task (the median), the tasks taken in turn so that all see the same machine.

    Each task is run once before, then at least `least` times, and on until it has
    used `budget` seconds or `most` repetitions.
    """
    times = {name: [] for name in tasks}
    for task in tasks.values():
        task()
    while True:
        due = [
            name
            for name, taken in times.items()
            if len(taken) < least or (len(taken) < most and sum(taken) < budget)
        ]
        if not due:
            return {name: statistics.median(taken) for name, taken in times.items()}
        for name in due:
            began = clock()
            tasks[name]()
            times[name].append(clock() - began)


def aligned(shape, rng):
    """Random float32 array whose rows are 64-byte aligned."""
    size = int(np.prod(shape))
    raw = np.empty(size + 16, dtype=np.float32)
    start = -raw.ctypes.data % 64 // 4
    array = raw[start : start + size].reshape(shape)
    array[...] = rng.standard_normal(shape, dtype=np.float32)
    return array


def run_apart(function, **arguments):
    """Call ``apart.function(**arguments)`` in a fresh process; it returns what can be JSON."""
    code = (
        f"import json, sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import apart; "
        f"print(json.dumps(apart.{function}(**json.loads(sys.argv[1]))))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, json.dumps(arguments)], capture_output=True, text=True
    )
    if process.returncode:
        last = (process.stderr.strip().splitlines() or [f"exit status {process.returncode}"])[-1]
        raise RuntimeError(last)
    return json.loads(process.stdout.splitlines()[-1])


def describe_machine():
    """Processor, caches, memory, versions and load, as words."""
    import scipy
    import sklearn

    from sklearn_set import _native

    words = {"system": f"{platform.system()} {platform.machine()}", "cores": str(os.cpu_count())}
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        words["processor"] = next(x.split(": ")[1] for x in lines if x.startswith("model name"))
        caches = sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"))
        words["caches"] = ", ".join(
            f"L{(c / 'level').read_text().strip()} {(c / 'size').read_text().strip()}"
            for c in caches
            if "Instruction" not in (c / "type").read_text()
        )
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        words["memory"] = f"{memory / 2**30:.0f} GiB"
    except (OSError, StopIteration, ValueError):
        pass
    words["load at the start"] = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "?"
    words["kernels"] = _native.isa()
    words["versions"] = (
        f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}, "
        f"scikit-learn {sklearn.__version__}"
    )
    try:
        import torch

        words["versions"] += f", PyTorch {torch.__version__}"
    except ImportError:
        words["versions"] += ", no PyTorch"
    words["date"] = time.strftime("%Y-%m-%d")
    return words
