"""Rates of the native kernels against the machine's own limit.

    python benchmarks/kernels.py [--size 10000] [--connections 200000] [--batch 32]

One thread, float32. The yardstick is a 2048 x 2048 x 2048 sgemm of NumPy's BLAS on one
thread, in the same run; rates are medians over interleaved repetitions, in CPU time of
the thread, so that a shared machine disturbs the ratios little.
"""

import argparse
import statistics
import time

import numpy as np
from threadpoolctl import threadpool_limits

from sklearn_set import _native
from sklearn_set._evolution import drop_nearest_zero
from sklearn_set._network import Layer
from sklearn_set._topology import Connectivity

# Calls of a kernel after one check of its arrays: training checks once an epoch.
REPEAT = {"repeat": 10}


def aligned(shape, rng):
    """Random float32 array whose rows are 64-byte aligned."""
    size = int(np.prod(shape))
    raw = np.empty(size + 16, dtype=np.float32)
    start = -raw.ctypes.data % 64 // 4
    array = raw[start : start + size].reshape(shape)
    array[...] = rng.standard_normal(shape)
    return array


def measure(tasks, repetitions):
    """Median seconds of each task, the tasks taken in turn.

    Each is run once before it is timed: the sgemm has emptied the caches, where a
    step of training finds what the kernel before it wrote.
    """
    times = {name: [] for name in tasks}
    for _ in range(repetitions):
        for name, task in tasks.items():
            task()
            began = time.thread_time()
            task()
            times[name].append(time.thread_time() - began)
    return {name: statistics.median(values) for name, values in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=10000, help="neurons on both sides")
    parser.add_argument("--connections", type=int, default=200000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repetitions", type=int, default=25)
    arguments = parser.parse_args()
    size, batch = arguments.size, arguments.batch

    rng = np.random.default_rng(0)
    indptr, indices = _native.erdos_renyi(size, size, arguments.connections, 1)
    connectivity = Connectivity(indptr, indices, (size, size))
    by_source = connectivity.transposed
    nnz = connectivity.nnz
    weights = rng.standard_normal(nnz).astype(np.float32)
    bias = np.zeros(size, np.float32)
    a, z, delta = (aligned((size, batch), rng) for _ in range(3))
    gradient, first, second = (np.zeros(nnz, np.float32) for _ in range(3))
    trained = weights.copy()
    bias_state = np.zeros((4, size), np.float32)
    left, right = (rng.standard_normal((2048, 2048)).astype(np.float32) for _ in range(2))
    layer = Layer(connectivity, weights, bias)

    def evolve():
        keep = drop_nearest_zero(layer, 0.3)
        rewiring = connectivity.grow(keep, nnz - int(np.count_nonzero(keep)), rng)
        for values in (weights, first, second):
            rewiring.carry(values)
        _ = rewiring.after.transposed

    tasks = {
        "sgemm": lambda: left @ right,
        "product": lambda: _native.product(indptr, indices, weights, bias, a, z, **REPEAT),
        "transposed product": lambda: _native.transposed_product(
            *by_source, weights, delta, z, **REPEAT
        ),
        "gradient": lambda: _native.gradient(
            indptr, indices, a, delta, gradient, bias_state[0], **REPEAT
        ),
        "gradient + Adam": lambda: _native.descend(
            *(indptr, indices, a, delta, trained, first, second, *bias_state[1:], None, 2, 1e-6),
            **REPEAT,
        ),
        "evolution": evolve,
    }
    with threadpool_limits(1):
        seconds = measure(tasks, arguments.repetitions)
    for name in seconds:
        if name not in ("sgemm", "evolution"):
            seconds[name] /= REPEAT["repeat"]
    sgemm = 2 * 2048**3 / seconds["sgemm"]
    work = 2 * nnz * batch
    floors = {"product": 0.40, "transposed product": 0.33, "gradient": 0.25}

    print(f"{_native.isa()}, {size} x {size}, {nnz} connections, batch {batch}, one thread")
    print(f"{'sgemm 2048':20}{sgemm / 1e9:8.1f} GFLOP/s")
    print(f"{'':20}{'ms':>8}{'ns/connection':>15}{'GFLOP/s':>9}{'of sgemm':>10}{'floor':>7}")
    for name in ("product", "transposed product", "gradient", "gradient + Adam"):
        s = seconds[name]
        floor = f"{floors[name]:.2f}" if name in floors else ""
        print(
            f"{name:20}{s * 1e3:8.3f}{s / nnz * 1e9:15.2f}{work / s / 1e9:9.1f}"
            f"{work / s / sgemm:10.2f}{floor:>7}"
        )
    s = seconds["evolution"]
    step = seconds["product"] + seconds["transposed product"] + seconds["gradient + Adam"]
    print(
        f"{'evolution':20}{s * 1e3:8.3f}{s / nnz * 1e9:15.2f}   {s / seconds['product']:.1f} "
        f"products (limit 20), {s / step:.1f} kernel steps"
    )


if __name__ == "__main__":
    main()
