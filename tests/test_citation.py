"""CITATION.cff and the recipe for conda say what the package says."""

import re
import tomllib
from pathlib import Path

import pytest

import sklearn_set

ROOT = Path(__file__).parents[1]


def value(text, key):
    return re.search(rf"(?m)^{key}: \"?(.*?)\"?$", text).group(1)


def test_citation_agrees_with_the_package():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert value(text, "cff-version") == "1.2.0"
    assert value(text, "version") == project["version"] == sklearn_set.__version__
    assert value(text, "license") == project["license"]
    assert value(text, "title").startswith(f"{project['name']}: ")
    for key in ("message", "type", "authors", "references"):
        assert re.search(rf"(?m)^{key}:", text), key
    # Every paper has authors, a year and an address.
    papers = text.split("references:")[1].split("  - type:")[1:]
    assert len(papers) >= 2
    for paper in papers:
        assert "family-names:" in paper and re.search(r"year: \d{4}", paper)
        assert re.search(r"doi: 10\.|url: \"https://", paper), paper


def test_the_tag_of_the_changelog_is_the_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"(?m)^## ([\d.]+)", changelog).group(1) == sklearn_set.__version__


def test_recipe_of_conda_agrees_with_the_package():
    recipe = ROOT / "conda" / "recipe.yaml"
    if not recipe.exists():
        pytest.skip("the sdist has no recipe")
    text = recipe.read_text(encoding="utf-8")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = settings["project"]
    assert f"\n  version: {project['version']}\n" in text
    needed = [f"python{project['requires-python']}", *settings["build-system"]["requires"]]
    needed += [one for one in project["dependencies"] if ";" not in one]
    for one in needed:
        name, least = re.fullmatch(r"([\w-]+)(.*)", one).groups()
        assert f"- {name} {least}\n" in text, one
