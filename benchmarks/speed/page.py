"""Write doc/benchmarks/speed.md from the results of run.py."""

from pathlib import Path

import matplotlib
from common import DOC, bold_best, machine_table, read_results, table, write_page

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
PAGE = DOC / "benchmarks" / "speed.md"
STATES = {True: "met", False: "**not met**", None: "–"}

RIVALS = ("PyTorch-CSR", "PyTorch masked", "MLPClassifier")
#: Columns with times of the same thing, ours last.
COMPARED = (
    (*(f"{name}, ms" for name in RIVALS), "ours, ms"),
    ("recipe in SciPy at batch 2, µs", "ours at batch 2, µs"),
    ("MLPClassifier", "SETClassifier"),
    ("SciPy CSR, ms", "ours, ms"),
    ("500 trees", "SETClassifier"),
    ("without memory", "with memory"),
    ("as it is", "memory", "memory, threads", "memory, forked"),
    ("second, as it is", "second, memory"),
    ("two, without memory", "two, with memory"),
)


def rows_of(results, heading):
    """The rows of a table, each as a dict by column."""
    (found,) = (t for part in results.values() for t in part if t.get("heading") == heading)
    return [dict(zip(found["columns"], row)) for row in found["rows"]]


def times(ratio):
    return f"{ratio:.1f}" if ratio < 10 else f"{ratio:,.0f}"


def steps(results):
    """Shape -> (connections, ms of ours, how many times as long each rival takes)."""
    shapes = {}
    for row in rows_of(results, "Training steps"):
        ours = float(row["ours, ms"])
        theirs = {name: row[f"{name}, ms"] for name in RIVALS}
        ratios = {name: float(ms) / ours for name, ms in theirs.items() if ms != "–"}
        shapes[row["shape of"]] = int(row["connections"]), ours, ratios
    return shapes


def costs(results):
    """What users of this package pay, beside what they would pay elsewhere."""
    lines = []
    for shape, (connections, ours, ratios) in steps(results).items():
        what = f"a training step, {shape} ({connections:,} connections)"
        elsewhere = [f"{name} × {times(ratio)}" for name, ratio in ratios.items()]
        lines.append([what, "; ".join(elsewhere), f"{ours:.3g} ms"])
    for row in rows_of(results, "GridSearchCV"):
        for way, ours in (("", "without memory"), (", `memory`", "with memory")):
            ratio = float(row["MLPClassifier"]) / float(row[ours])
            what = f"GridSearchCV, {row['data']}, 120 fits of 15 epochs{way}"
            lines.append([what, f"MLPClassifier × {times(ratio)}", f"{row[ours]} s"])
    for row in rows_of(results, "Prediction of many rows"):
        what = f"predicting {row['rows']} rows, {row['shape of']}"
        lines.append([what, f"SciPy's CSR products × {row['ratio']}", f"{row['ours, ms']} ms"])
    one = {row[""]: row["µs"] for row in rows_of(results, "Prediction of one row")}
    ratio = float(one["MLPClassifier"]) / float(one["ours"])
    lines.append(["predicting one row", f"MLPClassifier × {times(ratio)}", f"{one['ours']} µs"])
    return table(("what", "elsewhere, times as long", "here"), lines, words=2)


def timed(columns, rows):
    """A table in which rivals stand before ours, and the shortest time of a row is bold."""
    header, rows = list(columns), [list(row) for row in rows]
    for names in COMPARED:
        if set(names) <= set(columns):
            sources = [columns.index(name) for name in names]
            places = sorted(sources)
            for place, name in zip(places, names):
                header[place] = name
            for row in rows:
                cells = bold_best([row[source] for source in sources], least=True)
                for place, cell in zip(places, cells):
                    row[place] = cell
    return table(header, rows)


def draw(results=RESULTS):
    """Draw how many times as long as ours a training step takes elsewhere."""
    results = read_results(results)
    results.pop("machine")
    shapes = steps(results)
    figure, axes = plt.subplots(figsize=(7.5, 3.4), layout="constrained")
    for offset, name, color in zip((-0.26, 0, 0.26), RIVALS, ("tab:orange", "tab:gray", "0.75")):
        places = [i for i, (*_, ratios) in enumerate(shapes.values()) if name in ratios]
        values = [ratios[name] for *_, ratios in shapes.values() if name in ratios]
        bars = axes.barh([i + offset for i in places], values, 0.24, color=color, label=name)
        axes.bar_label(bars, [times(value) for value in values], padding=3)
    axes.axvline(1, color="tab:blue", linewidth=2.5, label="SETClassifier")
    names = [f"{shape}\n{number:,} connections" for shape, (number, *_) in shapes.items()]
    axes.set(xscale="log", xlim=(0.9, 6000), ylim=(len(names) - 0.5, -0.5))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set(yticks=range(len(names)), yticklabels=names)
    axes.set_xlabel("Time of a training step, times SETClassifier's")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    figure.savefig(PAGE.with_suffix(".png"), dpi=150)
    plt.close(figure)


def write(results=RESULTS, page=PAGE):
    results = read_results(results)
    machine = results.pop("machine")
    found = [item for section in results.values() for item in section]
    targets = [
        [t["number"], t["what"], t["wanted"], t["measured"], STATES[t["met"]]]
        for t in found
        if "number" in t
    ]
    tables = [
        f"## {t['heading']}\n\n{t['text']}.\n\n{timed(t['columns'], t['rows'])}"
        for t in found
        if "heading" in t
    ]
    parts = {
        "costs": costs(results),
        "machine": machine_table(machine),
        "targets": table(("", "what", "target", "measured", ""), targets, words=2),
        "tables": "\n\n".join(tables),
    }
    write_page(HERE / "page.md.in", page, parts)
