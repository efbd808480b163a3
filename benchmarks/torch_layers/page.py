"""Write doc/benchmarks/torch.md from the results of run.py."""

from pathlib import Path

import numpy as np
from common import DOC, machine_table, read_results, table, write_page

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
    return table(header, lines)


def layer_table(rows):
    lines = []
    for row in rows:
        forward, full = row["forward"], row["all"]
        csr = full.get("CSR")
        lines.append(
            [
                *(row[key] for key in ("neurons", "connections", "batch")),
                *(f"{forward[name]:.3f}" for name in ("ours", "CSR", "dense")),
                f"{full['ours']:.3f}",
                f"{csr:.2f}" if csr else "–",
                f"{full['dense']:.2f}",
                f"{csr / full['ours']:.0f}" if csr else "–",
            ]
        )
    header = (
        *("neurons", "connections", "batch", "forward: ours", "CSR", "dense"),
        *("with gradients: ours", "CSR", "dense", "CSR / ours"),
    )
    return table(header, lines, words=0)


def write(results=RESULTS, page=PAGE):
    results = read_results(results)
    parts = {
        "machine": machine_table(results["machine"]),
        "digits": cnn_table(results["digits"]),
        "coil20": cnn_table(results["COIL20"]),
        "layers": layer_table(results["layers"]),
    }
    write_page(HERE / "page.md.in", page, parts)
