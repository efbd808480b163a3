"""Targets 4a and 4b: what a second thread gains."""

import numpy as np
from common import WALL, interleave
from threadpoolctl import threadpool_limits

from .material import make_data, make_network, ms, steps_of


def two_threads(options, report):
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal((2048, 2048)).astype(np.float32) for _ in range(2))
    rows = []
    for width in (100, 300, 1000, 3000, 7000):
        network = make_network((width, width, width, 10))
        data = make_data(256, width, 10)

        def sgemm(n):
            def task():
                with threadpool_limits(n, user_api="blas"):
                    left @ right

            return task

        n_batches = max(1, 7000 // width)
        steps = {
            "one": steps_of(network, data, 128, n_batches),
            "two": steps_of(network, data, 128, n_batches, n_threads=2),
        }
        products = {"sgemm one": sgemm(1), "sgemm two": sgemm(2)}
        # The least: while another program holds either core, two threads wait for it. Apart,
        # since BLAS's second thread spins for some 25 ms after a product.
        s = {}
        for tasks in (steps, products):
            s |= interleave(tasks, options.budget(1.0), least=15, clock=WALL, summary=min)
        gain, sgemm_gain = s["one"] / s["two"], s["sgemm one"] / s["sgemm two"]
        rows.append(
            [width, network.n_connections, ms(s["one"] / n_batches), f"{gain:.2f}"]
            + [f"{sgemm_gain:.2f}"]
        )
        if width >= 3000:
            what = f"width {width}: gain of two threads against sgemm's ({sgemm_gain:.2f})"
            report.target("4a", what, gain / sgemm_gain, 0.9, at_least=True)
        else:  # 3 % for the noise of a clock on the wall
            report.target("4b", f"width {width}: gain of two threads", gain, 0.97, at_least=True)
    report.table(
        "Two threads",
        "Batch 128, wall time, the least of up to 60 repetitions",
        ["width", "connections", "one thread, ms", "gain of two", "sgemm's gain"],
        rows,
    )
