"""Write doc/scaling.md from the results of run.py, and draw its figure."""

from pathlib import Path

import matplotlib
from common import DOC, read_results, table, write_page

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
PAGE = DOC / "scaling.md"
MIB = 2**20


def growth_table(rows, size):
    values = {
        "rows": lambda row: row["n_rows"],
        "features": lambda row: row["n_features"],
        "neurons a layer": lambda row: row["hidden"][0],
    }
    lines = []
    for row in rows:
        each = row["seconds an epoch"] / row["n_rows"] / row["connections"] * 1e9
        per_connection = f"{row['memory, MiB'] * MIB / row['connections']:.0f}"
        lines.append(
            [
                f"{values[size](row):,}",
                f"{row['connections']:,}",
                row.get("batch_size", 32),
                f"{row['seconds an epoch']:.3g}",
                f"{each:.2f}",
                f"{row['data, MiB']:,.0f}",
                f"{row['memory, MiB']:,.0f}",
                "–" if size == "rows" else per_connection,
            ]
        )
    header = (
        *(size, "connections", "batch", "s an epoch", "ns per connection and row"),
        *("data, MiB", "beyond the data, MiB", "bytes per connection"),
    )
    return table(header, lines, words=0)


def regularisation_table(rows):
    header = [f"mixup={r['mixup']}, {r['decay_rule']} decay {r['weight_decay']:g}" for r in rows]
    return table(["", *header], [["accuracy, %", *(f"{row['accuracy']:.1f}" for row in rows)]])


def averaging_table(rows):
    lines = []
    for name, row in rows.items():
        curve, exchange, n_bytes = row["curve"], "–", "–"
        if "bytes" in row:
            exchange = f"{row['seconds of exchange']:.2f}"
            n_bytes = f"{row['bytes'] / len(curve) / row['n_workers'] / 1e3:,.0f}"
        lines.append(
            [
                name,
                f"{row['connections']:,}",
                *(f"{curve[i]:.1f}" if len(curve) > 2 else "–" for i in (0, 2)),
                f"{curve[-1]:.1f}",
                f"{row['seconds of training']:.1f}",
                exchange,
                n_bytes,
            ]
        )
    header = (
        *("", "connections", "after 1 epoch, %", "3", "10", "training, s", "exchange, s"),
        "kB an averaging and worker, both ways",
    )
    return table(header, lines)


def stream_table(found):
    curve = [found["curve"][i] for i in (0, 1, 4, 9, 24, 49, 74, 99)]
    return table(
        ["million rows", *(f"{point['rows'] / 1e6:.1f}" for point in curve)],
        [["accuracy, %", *(f"{point['accuracy']:.1f}" for point in curve)]],
    ) + (
        f"\n\n{found['connections']:,} connections, {found['rewirings']} rewirings. Peak of the "
        f"process {found['peak, MiB']:,.0f} MiB, for a file of {found['file, MiB']:,.0f} MiB; "
        f"{found['seconds']:.0f} s, of which {found['seconds of partial_fit']:.0f} s in "
        "`partial_fit`, on a machine busy with other programs. A linear `SGDClassifier` reaches "
        f"{found['linear']:.1f} %."
    )


def write(results=RESULTS, page=PAGE):
    results = read_results(results)
    machine = results["machine"]
    words = [machine[key] for key in ("processor", "system", "memory", "kernels")]
    parts = {
        "machine": f"{', '.join(words)}, {machine['cores']} cores",
        "rows": growth_table(results["rows"], "rows"),
        "features": growth_table(results["features"], "features"),
        "connections": growth_table(results["connections"], "neurons a layer"),
        "stream": stream_table(results["stream"]),
        "regularisation": regularisation_table(results["regularisation"]),
        "averaging": averaging_table(results["averaging"]),
    }
    write_page(HERE / "page.md.in", page, parts)


def draw(results=RESULTS, folder=PAGE.parent):
    found = read_results(results)["stream"]
    curve = found["curve"]
    figure, axes = plt.subplots(figsize=(6, 3.2), layout="tight")
    axes.plot([p["rows"] / 1e6 for p in curve], [p["accuracy"] for p in curve])
    axes.axhline(found["linear"], color="grey", linestyle=":")
    axes.text(5.2, found["linear"] + 0.2, "SGDClassifier (linear), one pass", color="grey")
    axes.axvline(curve[len(curve) // 2 - 1]["rows"] / 1e6, color="lightgrey", zorder=0)
    axes.set(xlabel="million rows seen", ylabel="accuracy on held-out rows, %")
    figure.savefig(folder / "scaling_stream.png", dpi=120)
    plt.close(figure)
