"""Writes doc/benchmarks/speed.md from the results of run.py."""

from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "doc" / "benchmarks" / "speed.md"


def _table(columns, rows):
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def write_page(results, path=PAGE):
    """Write the page; what bounds the targets is in notes.md, by hand."""
    path.parent.mkdir(parents=True, exist_ok=True)
    states = {True: "met", False: "**not met**", None: "–"}
    command = "python benchmarks/speed/run.py"
    parts = [
        "# Speed",
        f"Written by `{command}`" + (" `--quick`" if results["quick"] else "") + "; "
        "ratios are taken in one run, times are medians of interleaved repetitions, in CPU time "
        "of the thread where not said otherwise.",
        _table(["the machine", ""], results["machine"].items()),
        "## Targets",
        _table(
            ["", "what", "target", "measured", ""],
            [
                [t["number"], t["what"], t["wanted"], t["measured"], states[t["met"]]]
                for t in results["targets"]
            ],
        ),
    ]
    notes = HERE / "notes.md"
    if notes.exists():
        parts.append(notes.read_text(encoding="utf-8"))
    for table in results["tables"]:
        parts += [f"## {table['title'].split(':')[0].split(',')[0]}", table["title"] + "."]
        parts.append(_table(table["columns"], table["rows"]))
    path.write_text("\n\n".join(part.strip() for part in parts) + "\n", encoding="utf-8")
