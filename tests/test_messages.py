"""The page of errors and warnings follows the code."""

import importlib.util
import re
from pathlib import Path

import pytest

TOOL = Path(__file__).parent / "tools" / "messages.py"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("messages", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_in_step(tool):
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page(), (
        "doc/messages.md is out of date: run python tests/tools/messages.py"
    )


def test_the_page_has_what_is_raised(tool):
    """Some that are raised in odd ways, so that the reader of the source did not miss them."""
    page = tool.page()
    assert "training diverged. Lower learning_rate_init" in page
    assert "| ConvergenceWarning | `Training ended after {epoch} epochs" in page
    assert "| MemoryError | `Layers of" in page
    assert len(re.findall(r"^\| \w+ \| `", page, re.M)) > 50


def test_errors_about_values_name_them(tool):
    """A ValueError shows what it found, or names the parameters that do not go together."""
    mute = [
        message
        for path in sorted((tool.ROOT / "sklearn_set").rglob("*.py"))
        for kind, message in tool.messages(path)
        if kind == "ValueError" and not re.search(r"{|\w+_\w+|classes|\w=", message)
    ]
    assert mute == []
