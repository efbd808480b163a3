"""Imports inside of the package go down its layers only."""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_set

PACKAGE = Path(sklearn_set.__file__).parent

# Each module may import from those above it, not from its neighbours.
LAYERS = [
    {"_hints", "_memory", "_native", "_sklearn_compat", "_version"},
    {"_topology", "_threads", "_parameters", "_columns", "_kernel", "_concordance"}
    | {"_error_bounds"},
    {"_relevance", "_gradients", "_data", "_losses", "_optimizers", "_paths"},
    {"_network", "_targets"},
    # All but the last take a Layer, a Network or Data.
    {"rules", "_amounts", "_mixtures", "_pruning", "_times"},
    {"_evolution", "_network_parameters", "_column_weights"},
    {"_training", "_training_parameters", "_samples"},
    {"_conditioning", "_regularization", "_reporting"},
    {"_fitted"},
    {"_scoring", "_caching"},
    {"_base"},
    {"_classification", "_regression", "_survival"},
    {"_multilayer_perceptron", "_dsr", "_rbm"},
    {"_feature_selection"},
    {"_stability"},
    {"__init__"},
    {"callback", "inspection", "onnx", "torch"},  # around fitted estimators, imported by users
]
# The same within a package.
INSIDE = {
    "inspection": [
        {"_display", "_validation"},
        {"_attributions", "_curves", "_importances", "_stability", "_structure"},
        {"__init__"},
    ],
    "torch": [
        {"_layer", "_inputs"},
        {"_linear"},
        {"_convolution", "_order"},
        {"_conversion", "_evolution"},
        {"__init__"},
    ],
}
ALONE = {"presets", "datasets"}  # import nothing from the package
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def modules():
    """Names of the package's modules, dotted, without its own name."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield path, ".".join(parts)


def imported(path):
    """Modules of the package that a file imports, anywhere in it, dotted without its name."""
    package = path.relative_to(PACKAGE).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first, *rest = alias.name.split(".")
                if first == "sklearn_set":
                    yield ".".join(rest) or "__init__"
        elif isinstance(node, ast.ImportFrom):
            module = node.module.split(".") if node.module else []
            if node.level:
                base = package[: len(package) - node.level + 1]
                target = [*base, *module]
            elif module[:1] == ["sklearn_set"]:
                target = module[1:]
            else:
                continue
            if target:
                yield ".".join(target)
            else:  # from . import name
                yield from (alias.name for alias in node.names)


def edges():
    return [(name, target) for path, name in modules() for target in imported(path)]


def test_every_module_has_a_place():
    """A new module is to be put into LAYERS, where this file says what it may import."""
    top = {name.split(".")[0] for _, name in modules()}
    assert top - ALONE == set(RANK) - {"_native"}


def test_the_documentation_shows_these_layers():
    """A new module is to be put into the table of contributing.md, too."""
    page = (Path(__file__).parents[1] / "doc" / "contributing.md").read_text(encoding="utf-8")
    table = page.partition("| module | owns |")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    rows = [
        {re.sub(r"\.py$|/$", "", name) for name in re.findall("`(.*?)`", cell)} for cell in cells
    ]
    assert [row - {"_core"} for row in rows] == [*LAYERS, ALONE]


def test_imports_go_down():
    found = [(name.split(".")[0], target.split(".")[0]) for name, target in edges()]
    assert ("_network", "_topology") in found and ("_base", "_training") in found
    wrong = [
        (name, target)
        for name, target in found
        if name in RANK and name != target and RANK.get(target, len(LAYERS)) >= RANK[name]
    ]
    assert not wrong


@pytest.mark.parametrize("name", sorted(ALONE))
def test_what_stands_alone(name):
    wrong = [
        (source, target)
        for source, target in edges()
        if source.split(".")[0] == name and target.split(".")[0] != name
    ]
    assert not wrong


def test_only_the_compat_module_uses_private_parts_of_scikit_learn():
    allowed = {("_samples", "sklearn.utils.validation", "_check_sample_weight")}
    wrong = set()
    for path, name in modules():
        if name == "_sklearn_compat":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sklearn."):
                private = "._" in node.module
                wrong |= {
                    (name, node.module, alias.name)
                    for alias in node.names
                    if private or alias.name.startswith("_")
                }
    assert wrong <= allowed


@pytest.mark.parametrize("module", ["sklearn_set", "sklearn_set.presets", "sklearn_set.datasets"])
def test_optional_packages_are_not_imported(module):
    """Beyond what scikit-learn itself imports (1.9 takes pandas where it finds it)."""
    code = (
        "import sys, scipy.io, sklearn.datasets, sklearn.metrics, sklearn.model_selection\n"
        f"before = set(sys.modules); import {module}; print(*set(sys.modules) - before)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    loaded = {name.split(".")[0] for name in result.stdout.split()}
    assert "sklearn_set" in loaded, result.stderr
    optional = {"matplotlib", "pandas", "torch", "numba", "onnx", "pytest", "hypothesis"}
    optional |= {"dask", "distributed", "ray", "pyarrow", "skorch"}
    assert not loaded & optional


@pytest.mark.parametrize("package", INSIDE)
def test_imports_inside_of_a_package_go_down(package):
    rank = {name: n for n, names in enumerate(INSIDE[package]) for name in names}
    inside = [name for _, name in modules() if name.startswith(f"{package}.")]
    assert {name.split(".")[1] for name in inside} == set(rank)
    found = [
        (name.split(".")[1], f"{target}.__init__".split(".")[1])
        for name, target in edges()
        if name.split(".")[0] == target.split(".")[0] == package
    ]
    assert found
    assert not [(name, target) for name, target in found if rank[target] >= rank[name]]


def test_completion_finds_the_public_names():
    """Those too that are loaded when they are asked for."""
    assert set(sklearn_set.__all__) <= set(dir(sklearn_set))
    with pytest.raises(AttributeError, match="no attribute 'SETTransformer'"):
        _ = sklearn_set.SETTransformer


def test_public_names():
    assert set(sklearn_set.__all__) >= {
        "NPSETClassifier",
        "NPSETRegressor",
        "SETClassifier",
        "SETRegressor",
    }
    for _, name in modules():
        if name.startswith("datasets.") or name == "__init__":
            continue
        if name.startswith("torch.") and importlib.util.find_spec("torch") is None:
            continue  # an extra
        module = __import__(f"sklearn_set.{name}", fromlist=["__all__"])
        for public in getattr(module, "__all__", ()):
            assert hasattr(module, public), (name, public)


def test_python_without_docstrings():
    """Some are filled in while modules load."""
    modules = ["sklearn_set.inspection", "sklearn_set._stability", "sklearn_set.rules"]
    if importlib.util.find_spec("torch") is not None:
        modules.append("sklearn_set.torch")
    code = f"import {', '.join(modules)}"
    subprocess.run([sys.executable, "-OO", "-c", code], check=True)


def test_a_missing_pytorch_names_the_extra():
    code = (
        "import sys, sklearn_set\n"  # SciPy looks at sys.modules["torch"]
        "sys.modules['torch'] = None\n"
        "import sklearn_set.torch"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ImportError: sklearn_set.torch needs PyTorch. Install it with `pip install" in (
        result.stderr
    )
    assert "sklearn-set[torch]" in result.stderr


def test_a_missing_extension_says_how_to_build(tmp_path):
    copy = tmp_path / "sklearn_set"
    copy.mkdir()
    for path in PACKAGE.glob("*.py"):
        (copy / path.name).write_bytes(path.read_bytes())
    # Without site customisations: an editable install would lend its extension.
    code = (
        "import sys\n"
        "sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "sys.modules['sklearn_set._native'] = None\n"
        "import sklearn_set"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert "ImportError: sklearn_set's compiled extension is missing" in result.stderr
    assert "pip install" in result.stderr
