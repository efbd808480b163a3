"""Target 1e: the kernels against what the machine's memory and its BLAS allow."""

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from common import interleave

from sklearn_set import _native
from sklearn_set._topology import Connectivity

from .material import aligned


def _compile_roofline():
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        return None
    library = Path(tempfile.mkdtemp()) / "roofline.so"
    source = Path(__file__).with_name("roofline.cpp")
    flags = ["-O3", "-march=native", "-shared", "-fPIC"]
    done = subprocess.run([compiler, *flags, str(source), "-o", str(library)], capture_output=True)
    return ctypes.CDLL(str(library)) if done.returncode == 0 else None


def kernels(options, report):
    library = _compile_roofline()
    if library is None:
        report.skip("1e", "kernels against the machine's limit", "no C++ compiler")
        return
    size, batch, wanted = 10000, 32, 200_000
    rng = np.random.default_rng(0)
    indptr, indices = _native.erdos_renyi(size, size, wanted, 1)
    connectivity = Connectivity(indptr, indices, (size, size))
    by_source, nnz = connectivity.transposed, connectivity.nnz
    weights = rng.standard_normal(nnz).astype(np.float32)
    bias = np.zeros(size, np.float32)
    a, z, delta = (aligned((size, batch), rng) for _ in range(3))
    gradient, first, second = (np.zeros(nnz, np.float32) for _ in range(3))
    trained, state = weights.copy(), np.zeros((4, size), np.float32)
    left, right = (rng.standard_normal((2048, 2048)).astype(np.float32) for _ in range(2))
    # Eight arrays of four bytes a connection pass through the cache in a step with Adam:
    # indices, weights and two moments read, three written, and as many for the rest.
    streamed = np.zeros(nnz * 4, np.float32)

    def pointer(array):
        return ctypes.c_void_p(array.ctypes.data)

    sums = np.zeros(batch, np.float32)
    n = ctypes.c_int64(nnz)
    tasks = {
        "sgemm": lambda: left @ right,
        "rows": lambda: library.fetch_rows_32(pointer(indices), n, pointer(a), pointer(sums)),
        "rows by source": lambda: library.fetch_rows_32(
            pointer(by_source.indices), n, pointer(delta), pointer(sums)
        ),
        "stream": lambda: library.stream(pointer(streamed), ctypes.c_int64(streamed.size)),
        "product": lambda: _native.product(indptr, indices, weights, bias, a, z),
        "transposed product": lambda: _native.transposed_product(*by_source, weights, delta, z),
        "gradient": lambda: _native.gradient(indptr, indices, a, delta, gradient, state[0]),
        "gradient + Adam": lambda: _native.descend(
            indptr, indices, a, delta, trained, first, second, *state[1:], None, 2, 1e-6
        ),
    }
    s = interleave(tasks, options.budget(1.0), least=5)
    flops, byte = 2 * 2048**3 / s["sgemm"], s["stream"] / (streamed.nbytes * 2)
    own_rows = size * batch * 4 * byte  # of a row that is written or read once
    # What a kernel needs: its random rows, and each array that it streams.
    streams = {
        "product": (s["rows"], nnz * 8 * byte),
        "transposed product": (s["rows by source"], nnz * 12 * byte),
        "gradient": (s["rows"], nnz * 8 * byte),
        "gradient + Adam": (s["rows"], nnz * 28 * byte),
    }
    rows, total, needed_total = [], 0.0, 0.0
    for kernel, (fetched, stream) in streams.items():
        needed = max(fetched + stream + own_rows, 2 * nnz * batch / flops)
        rate = 2 * nnz * batch / s[kernel]
        if kernel != "gradient":  # what a step consists of
            total, needed_total = total + s[kernel], needed_total + needed
        cells = [s[kernel], fetched, stream + own_rows, 2 * nnz * batch / flops]
        rows.append(
            [kernel, *(f"{c / nnz * 1e9:.2f}" for c in cells), f"{s[kernel] / needed:.2f}"]
            + [f"{rate / flops:.2f}"]
        )
    report.target(
        "1e", "kernels of a step against what they need", total / needed_total, 1.5, at_least=False
    )
    report.table(
        "Roofline",
        f"{size} × {size}, {nnz} connections, batch {batch}, float32, ns per connection. "
        f"sgemm {flops / 1e9:.0f} GFLOP/s; {1e-9 / byte:.0f} GB/s streamed; rows of {batch * 4} "
        f"bytes at random from {a.nbytes / 1e6:.1f} MB",
        ["kernel", "measured", "random rows alone", "streams alone", "flops alone"]
        + ["measured / needed", "of sgemm"],
        rows,
    )
