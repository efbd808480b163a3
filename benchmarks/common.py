"""Tables, pages, clocks, the machine's description and files of results.

Owns: what all benchmarks share. May not touch: a single benchmark.
"""

import argparse
import csv
import io
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np

BENCHMARKS = Path(__file__).resolve().parent
DOC = BENCHMARKS.parent / "doc"
CPU, WALL = time.thread_time, time.perf_counter

# ------------------------------------------------------------------ tables and pages


def table(header, rows, words=1, *, most=(), least=(), by=0):
    """A Markdown table; all columns but the first `words` are aligned to the right.

    Bold are the largest number of each column named in `most` and the least of those in
    `least`, among the rows that have the same first `by` cells.
    """
    rows = [list(row) for row in rows]
    for name in (*most, *least):
        place = list(header).index(name)
        for key in dict.fromkeys(tuple(row[:by]) for row in rows):
            group = [row for row in rows if tuple(row[:by]) == key]
            for row, cell in zip(group, bold_best([row[place] for row in group], name in least)):
                row[place] = cell
    rule = ["---" if i < words else "---:" for i in range(len(header))]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in (header, rule, *rows))


def bold_best(cells, least=False):
    """Cells with the largest first number, or the least one, in bold, as they are written.

    Cells without a number do not count, and where all numbers are the same none is the best.
    """
    found = [re.search(r"[-+−]?\d[\d,]*(\.\d+)?(e[-+]\d+)?", str(cell)) for cell in cells]
    values = [float(n[0].replace(",", "").replace("−", "-")) if n else np.nan for n in found]
    finite = [value for value in values if np.isfinite(value)]
    if len(set(finite)) < 2:
        return list(cells)
    best = min(finite) if least else max(finite)
    return [f"**{cell}**" if value == best else cell for cell, value in zip(cells, values)]


def rivals_first(names, ours):
    """The names, those of this package's models last."""
    names = list(names)
    return [*(n for n in names if n not in ours), *(n for n in ours if n in names)]


def machine_table(machine):
    return table(("the machine", ""), machine.items(), words=2)


def write_page(template, page, parts):
    """Write a page: each {name} of the template is replaced by the part of that name."""
    text = template.read_text(encoding="utf-8")
    text = re.sub(r"\{(\w+)\}", lambda found: str(parts[found[1]]), text)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, encoding="utf-8")


# ------------------------------------------------------------------ clocks and memory


def interleave(tasks, budget, *, least=3, most=60, clock=CPU, summary=statistics.median):
    """Seconds of each task, the tasks taken in turn so that all see the same machine.

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
            return {name: summary(taken) for name, taken in times.items()}
        for name in due:
            began = clock()
            tasks[name]()
            times[name].append(clock() - began)


def quietly(function, *arguments, **named):
    """Call a function without its warnings, such as those of fits that are cut short."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **named)


def memory(name):
    """MiB that this process holds now ("VmRSS") or held at most ("VmHWM"); Linux only.

    getrusage's ru_maxrss is that of the process that started this one, if that is larger.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024


def forget_peak():
    """Set the peak of memory back to what the process holds now; Linux only."""
    Path("/proc/self/clear_refs").write_text("5")


def run_apart(module, function, **arguments):
    """Call a function of a benchmark in a fresh process; it returns what can be JSON."""
    command = [sys.executable, str(BENCHMARKS), "apart", module, function, json.dumps(arguments)]
    process = subprocess.run(command, capture_output=True, text=True)
    if process.returncode:
        raise RuntimeError(f"{module}.{function}({arguments}): {process.stderr[-2000:]}")
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
        installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        words["memory"] = f"{installed / 2**30:.0f} GiB"
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


# ------------------------------------------------------------------ files of results


def read_results(path):
    """The sections of a JSON file of results."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write_results(path, results):
    """Write sections to a JSON file, a row on a line, so that git shows which have changed."""

    def text(section):
        if isinstance(section, dict):
            lines = [f"{json.dumps(key)}: {json.dumps(v)}" for key, v in section.items()]
            return "{\n  " + ",\n  ".join(lines) + "\n }"
        return "[\n  " + ",\n  ".join(map(json.dumps, section)) + "\n ]"

    path.parent.mkdir(parents=True, exist_ok=True)
    sections = [f"{json.dumps(name)}: {text(_plain(part))}" for name, part in results.items()]
    path.write_text("{\n " + ",\n ".join(sections) + "\n}\n", encoding="utf-8")


def _plain(value):
    """Numbers as JSON knows them, eight digits of each."""
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    value = value.item() if isinstance(value, np.generic) else value
    return float(f"{value:.8g}") if isinstance(value, float) else value


def saved_rows(path, section, tasks, measure):
    """The rows of a section: those that the file has, and one for each task that it lacks.

    A task is a dict; its row is the task and what `measure(**task)` finds, saved at once.
    """
    results = read_results(path)
    rows = results.setdefault(section, [])
    for task in tasks:
        if not any(task.items() <= row.items() for row in rows):
            rows.append(task | measure(**task))
            print(rows[-1], flush=True)
            write_results(path, results)
    return rows


def run_sections(description, sections, path, **flags):
    """The command of a benchmark whose sections are saved as soon as they are measured.

    Each section is called with the options and returns a list or a dict; `flags` are
    further options with their help.
    """
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--sections", nargs="+", default=list(sections), choices=list(sections))
    parser.add_argument("--data-home", help="folder with the files of the ASU collection")
    parser.add_argument("--wide-home", help="folder with the tables of `generalization`")
    parser.add_argument("--quick", action="store_true", help="the least that shows that it runs")
    parser.add_argument("--results", type=Path, default=path, help="JSON file of the results")
    for name, words in flags.items():
        parser.add_argument(f"--{name}", action="store_true", help=words)
    options = parser.parse_args()
    results = read_results(options.results)
    results["machine"] = describe_machine()
    for name in options.sections:
        print(f"{name} …", flush=True)
        results[name] = sections[name](options)
        write_results(options.results, results)


class Rows:
    """A CSV file that grows by the rows of one task at a time; `keys` say which are done."""

    def __init__(self, path, keys):
        self.path, self.keys = Path(path), keys
        self.columns = None
        self.done = set()
        if self.path.exists():
            self._read()

    def _read(self):
        text = self.path.read_text()
        rows = list(csv.reader(io.StringIO(text)))
        whole = [row for row in rows if len(row) == len(rows[0])]
        if not text.endswith("\n"):  # interrupted while writing
            whole = whole[:-1]
        if not whole:
            self.path.unlink()
            return
        if len(whole) < len(rows):
            self._write(whole, "w")
        self.columns = whole[0]
        for row in whole[1:]:
            self.done.add(self._key(dict(zip(self.columns, row))))

    def _key(self, row):
        return tuple(str(row[name]) for name in self.keys)

    def __contains__(self, task):
        return self._key(task) in self.done

    def add(self, rows):
        lines = []
        if self.columns is None:
            self.columns = list(rows[0])
            lines.append(self.columns)
        lines += [[row[name] for name in self.columns] for row in rows]
        self._write(lines, "a")
        self.done.add(self._key(rows[0]))

    def _write(self, lines, mode):
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerows(lines)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, mode) as file:
            file.write(buffer.getvalue())
            file.flush()
            os.fsync(file.fileno())
