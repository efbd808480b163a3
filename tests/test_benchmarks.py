"""What the benchmarks share, and that their pages are those of the results in the repository."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
NAMES = sorted(path.parent.name for path in BENCHMARKS.glob("*/page.py"))

pytestmark = pytest.mark.skipif(
    not BENCHMARKS.is_dir(), reason="the benchmarks are not part of this copy"
)


@pytest.fixture
def load(monkeypatch):
    """Imports a module of the benchmarks, and forgets all of them after the test."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module
    for name in list(sys.modules):
        if name.split(".")[0] in (*NAMES, "common"):
            del sys.modules[name]


@pytest.mark.parametrize("name", NAMES)
def test_pages_are_those_of_the_results(load, name, tmp_path):
    page = load(f"{name}.page")
    page.write(page=tmp_path / "page.md")
    written = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert written == page.PAGE.read_text(encoding="utf-8"), f"run `python benchmarks pages {name}`"


def test_a_page_needs_all_of_its_parts(load, tmp_path):
    common = load("common")
    template, page = tmp_path / "page.md.in", tmp_path / "out" / "page.md"
    template.write_text("{a} and {b}, not { c }")
    common.write_page(template, page, {"a": "{b}", "b": 2})
    assert page.read_text() == "{b} and 2, not { c }"
    with pytest.raises(KeyError, match="b"):
        common.write_page(template, page, {"a": 1})


def test_results_are_read_as_they_were_written(load, tmp_path):
    common = load("common")
    path = tmp_path / "results.json"
    assert common.read_results(path) == {}
    results = {
        "rows": [{"n": np.int64(3), "seconds": np.float64(1 / 3)}, {"met": None, "of": [1, (2,)]}],
        "machine": {"cores": "2", "met": True},
    }
    common.write_results(path, results)
    assert common.read_results(path) == {
        "rows": [{"n": 3, "seconds": 0.33333333}, {"met": None, "of": [1, [2]]}],
        "machine": {"cores": "2", "met": True},
    }
    assert json.dumps({"n": 3, "seconds": 0.33333333}) in path.read_text()  # a row, a line


def test_interleaved_tasks_are_run_as_often_as_asked(load):
    common = load("common")
    ran, now = [], iter(range(1000))
    tasks = {name: lambda name=name: ran.append(name) for name in "ab"}
    seconds = common.interleave(tasks, budget=0, least=3, clock=lambda: next(now))
    assert seconds == {"a": 1, "b": 1}
    assert "".join(ran) == "abababab"  # once each before it is timed
