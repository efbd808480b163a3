"""Write doc/benchmarks/torch.md from the results of run.py."""

from pathlib import Path

import numpy as np
from common import DOC, bold_best, machine_table, read_results, table, write_page

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
PAGE = DOC / "benchmarks" / "torch.md"


def cnn_table(rows):
    lines = []
    for variant in dict.fromkeys(row["variant"] for row in rows):
        runs = [row for row in rows if row["variant"] == variant]

        def mean(key, runs=runs):
            return np.mean([run[key] for run in runs])

        error = np.std([run["accuracy"] for run in runs], ddof=1) / np.sqrt(len(runs))
        lines.append(
            [
                variant,
                f"{mean('accuracy'):.2f} ± {error:.2f}",
                f"{mean('parameters'):,.0f}",
                f"{mean('of linear layers'):,.0f}",
                f"{mean('seconds'):.1f}",
                f"{mean('of evolution'):.2f}",
            ]
        )
    header = ("", "accuracy, %", "parameters", "… of the linear layers", "seconds", "… evolving")
    return table(header, lines, most=["accuracy, %"])


def milliseconds(time):
    return f"{time:.3f}" if time else "–"


def layer_table(rows):
    lines, names = [], ("CSR", "dense", "ours")
    for row in rows:
        forward, full = row["forward"], row["all"]
        csr = full.get("CSR")
        lines.append(
            [
                *(row[key] for key in ("neurons", "connections", "batch")),
                *bold_best([f"{forward[name]:.3f}" for name in names], least=True),
                *bold_best([milliseconds(full.get(name)) for name in names], least=True),
                f"{csr / full['ours']:.0f}" if csr else "–",
            ]
        )
    header = (
        *("neurons", "connections", "batch", "forward: CSR", "dense", "ours"),
        *("with gradients: CSR", "dense", "ours", "CSR / ours"),
    )
    return table(header, lines, words=0)


def describe(shape):
    before, after, side, kernel, stride = shape
    words = f"{before} → {after}, {kernel} × {kernel}, {side} × {side} pixels"
    return words if stride == 1 else f"{words}, stride {stride}"


def break_even(times):
    """The sparsity in percent from which on a layer is as fast as the dense one."""
    pairs = sorted((float(key), value) for key, value in times.items() if key != "dense")
    slower = [pair for pair in pairs if pair[1] > times["dense"]]
    if not slower:
        return f"< {pairs[0][0]:.0f}"
    (a, slow), (b, fast) = slower[-1], pairs[len(slower)]
    return f"{a + (b - a) * (slow - times['dense']) / (slow - fast):.0f}"


def convolution_table(rows):
    lines = []
    for row in rows:
        for name, words in (("forward", "forward"), ("all", "with gradients")):
            times = row[name]
            ratios = [f"{times['dense'] / times[s]:.1f}" for s in ("80", "90", "95", "98")]
            first = (describe(row["shape"]), row["threads"], words, f"{times['dense']:.1f}")
            lines.append([*first, *ratios, break_even(times)])
    header = (
        "layer",
        "threads",
        "",
        "dense, ms",
        *("80 %", "90 %", "95 %", "98 %"),
        "break-even, %",
    )
    return table(header, lines, words=1)


def rate_table(rows):
    """Multiply-adds of the forward pass that are made in a second, on one thread."""
    lines = []
    for row in rows:
        if row["threads"] != 1:
            continue
        times, n = row["forward"], row["multiply-adds"]
        rates = [(1 - float(s) / 100) * n / times[s] / 1e6 for s in ("80", "90", "95", "98")]
        copying = times["99.95"] / times["95"]
        lines.append(
            [
                describe(row["shape"]),
                f"{n / times['dense'] / 1e6:.0f}",
                *(f"{rate:.0f}" for rate in rates),
                f"{copying:.0%}",
            ]
        )
    header = ("layer", "dense", "80 %", "90 %", "95 %", "98 %", "copying at 95 %")
    return table(header, lines)


def write(results=RESULTS, page=PAGE):
    results = read_results(results)
    parts = {
        "machine": machine_table(results["machine"]),
        "digits": cnn_table(results["digits"]),
        "coil20": cnn_table(results["COIL20"]),
        "layers": layer_table(results["layers"]),
        "convolutions": convolution_table(results["convolutions"]),
        "rates": rate_table(results["convolutions"]),
    }
    write_page(HERE / "page.md.in", page, parts)
