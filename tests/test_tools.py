"""What the tools that take longer than a test name is there."""

import importlib.util
import re
from pathlib import Path

TESTS = Path(__file__).parent


def test_mutate_names_modules_and_tests_that_exist():
    spec = importlib.util.spec_from_file_location("mutate", TESTS / "tools" / "mutate.py")
    mutate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mutate)
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
