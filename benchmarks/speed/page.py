"""Write doc/benchmarks/speed.md from the results of run.py."""

from pathlib import Path

from common import DOC, machine_table, read_results, table, write_page

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
PAGE = DOC / "benchmarks" / "speed.md"
STATES = {True: "met", False: "**not met**", None: "–"}


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
        f"## {t['heading']}\n\n{t['text']}.\n\n{table(t['columns'], t['rows'])}"
        for t in found
        if "heading" in t
    ]
    parts = {
        "machine": machine_table(machine),
        "targets": table(("", "what", "target", "measured", ""), targets, words=2),
        "tables": "\n\n".join(tables),
    }
    write_page(HERE / "page.md.in", page, parts)
