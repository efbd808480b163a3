"""What the tools that take longer than a test name is there, and what builds the pages."""

import importlib.util
import json
import re
from pathlib import Path
from xml.etree import ElementTree

TESTS = Path(__file__).parent
DOC = TESTS.parent / "doc"


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_mutate_names_modules_and_tests_that_exist():
    mutate = load(TESTS / "tools" / "mutate.py")
    for module, tests in mutate.SELECTION.items():
        assert (mutate.PACKAGE / f"{module}.py").is_file()
        assert all((TESTS / name).exists() for name in tests), tests


def test_sanitize_names_tests_that_exist():
    script = (TESTS / "tools" / "sanitize.sh").read_text(encoding="utf-8")
    named = re.findall(r"\btests/(\S+?\.py)(?:::(\w+))?", script)
    assert len(named) > 5
    for file, test in named:
        text = (TESTS / file).read_text(encoding="utf-8")
        assert f"def {test}(" in text if test else text


def test_versions_of_the_pages_are_listed_from_the_newest_on(tmp_path):
    publish = load(DOC / "publish.py").publish
    html, site = tmp_path / "html", tmp_path / "site"
    html.mkdir()
    for text, version in enumerate(("dev", "0.9.0", "0.10.0", "dev")):
        (html / "index.html").write_text(str(text))
        publish(html, site, version, "/set/")
    versions = json.loads((site / "versions.json").read_text())
    assert [entry["version"] for entry in versions] == ["dev", "0.10.0", "0.9.0"]
    assert [entry["preferred"] for entry in versions] == [False, True, False]
    assert versions[1]["url"] == "/set/0.10.0/"
    assert "url=./0.10.0/" in (site / "index.html").read_text()
    texts = [(site / entry["version"] / "index.html").read_text() for entry in versions]
    assert texts == ["3", "2", "1"]


def test_every_example_and_every_page_of_evidence_has_its_place():
    order = load(DOC / "gallery_order.py")
    names = sorted(path.name for path in (TESTS.parent / "examples").glob("plot_*.py"))
    assert sorted(names, key=order.Order("")) == [f"plot_{name}.py" for name in order.STORIES]
    index = (DOC / "benchmarks" / "index.md").read_text(encoding="utf-8")
    pages = {path.name for path in (DOC / "benchmarks").glob("*.md")} - {"index.md"}
    assert {name for name in pages if f"({name})" not in index} == set()


def test_pages_show_what_their_code_prints():
    run_blocks = load(DOC / "printed.py").run_blocks
    silent = "```python\nx = 2\n```\n"
    page = run_blocks(silent + "\n```python\nprint(x + 1)\n```\n")
    assert page.startswith(silent)
    assert page.endswith("print(x + 1)\n```\n\n```{code-block} none\n:class: printed\n\n3\n```\n")


def test_the_moving_network_has_the_connections_that_it_says():
    drawn = ElementTree.fromstring(load(DOC / "evolution.py").draw())
    lives = [tuple(map(int, re.findall(r"\d+", line.get("class")))) for line in drawn.iter("path")]
    texts = [text.text for text in drawn.iter("text") if "epoch" in text.get("class")]
    assert len(texts) > 5
    for frame, text in enumerate(texts):
        there = sum(first <= frame < end for first, end in lives)
        assert f" {there} connections" in text
    assert any(first > 0 for first, _ in lives)


def test_parts_of_sources_that_pages_show_are_found():
    for page in DOC.rglob("*.rst"):
        text = page.read_text(encoding="utf-8")
        for name, start in re.findall(r"literalinclude:: (\S+)\n +:start-at: (.+)", text):
            assert start in (page.parent / name).read_text(encoding="utf-8"), start
