"""What the documentation says is so: parameters, attributes, examples."""

import doctest
import importlib.util
import inspect
import os
import pkgutil
import re
import textwrap
import warnings
from pathlib import Path

import numpy as np
import pytest

import sklearn_set
from sklearn_set import presets

ROOT = Path(__file__).parents[1]
ALL = [getattr(sklearn_set, name) for name in sklearn_set.__all__]
# The perceptrons; other families share what is below about ALL.
ESTIMATORS = [c for c in ALL if c.__name__.startswith(("SET", "NPSET", "DSR"))]
ESTIMATORS = [c for c in ESTIMATORS if c.__name__.endswith(("Classifier", "Regressor"))]
FITTED = {
    "n_features_in_", "feature_names_in_", "coefs_", "intercepts_", "hidden_layer_sizes_",
    "n_connections_", "density_", "n_iter_", "n_layers_", "n_outputs_", "out_activation_", "loss_",
    "loss_curve_", "best_loss_", "validation_scores_", "validation_loss_curve_",
    "best_validation_score_", "feature_importances_", "selected_features_", "history_", "t_",
    "conditioner_", "weight_decay_", "shrinkage_", "temperature_",
}  # fmt: skip


def section(doc, title):
    """Entries of a numpydoc section: name -> (type, text)."""
    doc = inspect.cleandoc(doc)
    match = re.search(rf"(?ms)^{title}\n-+\n(.*?)(?=^\S[^\n]*\n-{{3,}}\n|\Z)", doc)
    entries = {}
    for part in re.split(r"(?m)^(?=\S)", match.group(1) if match else ""):
        if part.strip():
            head, _, text = part.partition("\n")
            names, _, kind = head.partition(" : ")
            for name in names.split(", "):
                entries[name.strip()] = (kind.strip(), textwrap.dedent(text).strip())
    return entries


@pytest.mark.parametrize("cls", ALL)
def test_parameters_are_documented_in_their_order(cls):
    documented = section(cls.__doc__, "Parameters")
    signature = inspect.signature(cls.__init__).parameters
    assert list(documented) == [name for name in signature if name != "self"]
    assert set(documented) <= set(cls._parameter_constraints)
    for name, (kind, text) in documented.items():
        assert text.endswith((".", ".)")), name
        default = signature[name].default
        stated = re.search(r"default=(.+)$", kind).group(1)
        assert eval(stated, {"inf": np.inf}) == default, name  # as it is written
        if isinstance(default, str) and cls in ESTIMATORS:
            # Every choice is listed, and nothing else.
            choices = set(re.findall(r'"(\w+)"', kind)) - {default} | {default}
            allowed = set()
            for constraint in cls._parameter_constraints[name]:
                allowed |= {o for o in getattr(constraint, "options", ()) if isinstance(o, str)}
            assert choices == allowed, name


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_attributes_are_documented(cls):
    documented = section(cls.__doc__, "Attributes")
    classifier = cls.__name__.endswith("Classifier")
    own = set() if cls.__name__.startswith("DSR") else {"null_fraction_", "selection_errors_"}
    assert set(documented) == FITTED | own | ({"classes_"} if classifier else set())
    X, y = np.random.default_rng(0).normal(size=(20, 4)), np.arange(20) % 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = cls((10,), max_iter=2, random_state=0).fit(X, y)
    public = {name for name in dir(model) if name.endswith("_") and not name.startswith("_")}
    assert public | {"feature_names_in_"} == set(documented)


@pytest.mark.parametrize("cls", ALL)
def test_nothing_is_documented_twice(cls):
    names = re.findall(r"(?m)^(\w+) : ", inspect.cleandoc(cls.__doc__))
    assert len(names) == len(set(names))


@pytest.mark.parametrize("cls", ALL)
def test_methods_are_documented(cls):
    for name, method in inspect.getmembers(cls, inspect.isfunction):
        if name.startswith("_") or not method.__module__.startswith("sklearn_set"):
            continue
        documented = section(method.__doc__, "Parameters")
        given = [p for p in inspect.signature(method).parameters if p != "self"]
        assert [n.lstrip("*") for n in documented] == given, name
        assert section(method.__doc__, "Returns"), name


def test_all_sections_are_filled():
    for cls in ESTIMATORS:
        assert "{" not in re.sub(r"\{[\"'0-9].*?\}", "", cls.__doc__), cls
        for title in ("See Also", "References", "Examples"):
            assert re.search(rf"(?m)^\s*{title}\n\s*-+$", cls.__doc__), (cls, title)
    # Every reference that is cited exists.
    for cls in ESTIMATORS:
        for number in re.findall(r"\[(\d)\]_", cls.__doc__):
            assert f".. [{number}]" in cls.__doc__, (cls, number)


def test_signatures_of_the_issue():
    """Names that are fixed, and what may be given by position."""
    for cls in ESTIMATORS:
        parameters = inspect.signature(cls).parameters
        positional = [n for n, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
        assert positional == ["hidden_layer_sizes", "activation"]
        npset = {"alpha": 0.04, "beta": 10, "gamma": 40, "prune_layers": "all"}
        if cls.__name__.startswith("NPSET"):
            assert {n: parameters[n].default for n in npset} == npset
        else:
            assert not set(npset) & set(parameters)
        fit = inspect.signature(cls.fit).parameters
        held_out = ["X_val", "y_val", "sample_weight_val"]
        assert list(fit) == ["self", "X", "y", "sample_weight", *held_out]
        assert all(fit[n].kind is fit[n].KEYWORD_ONLY for n in list(fit)[4:])
        extra = ["classes"] if cls.__name__.endswith("Classifier") else []
        expected = ["self", "X", "y", "sample_weight", *extra]
        assert list(inspect.signature(cls.partial_fit).parameters) == expected


def test_shared_defaults_are_those_of_mlp():
    from sklearn.neural_network import MLPClassifier

    theirs = MLPClassifier().get_params()
    ours = sklearn_set.SETClassifier().get_params()
    ours["beta_1"], ours["beta_2"] = ours.pop("adam_betas")
    different = {
        name
        for name, value in ours.items()
        if name in theirs
        and name != "epsilon"  # the density
        and value != theirs[name]
    }
    # Chosen otherwise, on purpose.
    assert different <= {"hidden_layer_sizes", "learning_rate_init", "n_iter_no_change", "max_iter"}


def all_modules():
    found = pkgutil.walk_packages(sklearn_set.__path__, "sklearn_set.")
    return ["sklearn_set", *(m.name for m in found if not m.name.endswith("_native"))]


@pytest.mark.parametrize("name", all_modules())
def test_doctests(name):
    if name == "sklearn_set.torch":
        pytest.importorskip("torch", reason="PyTorch is missing (extra torch)")
    module = importlib.import_module(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # an example does not warn
        failed, tried = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
        # Passed over above: the methods of a class that names the package as its module.
        for cls in [getattr(module, public) for public in getattr(module, "__all__", ())]:
            if inspect.isclass(cls) and name != cls.__module__ == module.__package__:
                for test in doctest.DocTestFinder().find(cls, module=module):
                    results = doctest.DocTestRunner().run(test)
                    failed, tried = failed + results.failed, tried + results.attempted
    assert not failed
    if name in ("sklearn_set.presets", "sklearn_set._multilayer_perceptron"):
        assert tried > 0


def code_blocks(path):
    """(line, code, what it needs) of the Python blocks of a Markdown or reStructuredText file.

    A line ``<!-- needs torch, skorch -->`` before a block names packages beyond the test extra.
    """
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        pattern = r"(?ms)^(?P<indent>[ \t]*)```python[ \t]*\n(?P<code>.*?)^(?P=indent)```[ \t]*$"
    else:
        pattern = r"(?m)^[ \t]*\.\. code-block:: python\s*\n[ \t]*\n(?P<code>(?:[ \t]+.*\n|\n)+)"
    for match in re.finditer(pattern, text):
        line = text[: match.start("code")].count("\n")
        needs = re.search(r"<!-- needs ([\w, ]+) -->\n\Z", text[: match.start()])
        needed = needs.group(1).split(", ") if needs else []
        yield line, textwrap.dedent(match.group("code")), needed


def documents():
    found = [ROOT / "README.md", *ROOT.glob("doc/**/*.md"), *ROOT.glob("doc/**/*.rst")]
    return [p for p in found if p.exists() and "_build" not in p.parts and any(code_blocks(p))]


def run_blocks(path, namespace):
    """Run the blocks of a file one after another, as a reader would; return missing packages."""
    missing = set()
    for line, code, needed in code_blocks(path):
        absent = {name for name in needed if importlib.util.find_spec(name) is None}
        missing |= absent
        if absent:
            continue
        if re.search(r"(?m)^>>> ", code):
            test = doctest.DocTestParser().get_doctest(code, namespace, path.name, str(path), line)
            runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
            runner.run(test, clear_globs=False)
            assert not runner.failures, f"{path}:{line}"
            namespace.update(test.globs)
        else:
            # Padded, so that a traceback names the line of the document.
            exec(compile("\n" * line + code, str(path), "exec"), namespace)
    return missing


@pytest.mark.parametrize("path", documents(), ids=lambda p: str(p.relative_to(ROOT)))
def test_blocks_of_the_documents(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(os.environ, "MPLBACKEND", "Agg")
    try:
        missing = run_blocks(path, {"__name__": "__main__"})
    except ModuleNotFoundError as error:  # not made for every platform
        if error.name not in ("onnxruntime", "skl2onnx", "skops"):
            raise
        pytest.skip(str(error))
    if missing:
        pytest.skip(f"all but the blocks that need {', '.join(sorted(missing))}")


def test_the_runner_of_blocks_can_fail(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "Text\n```python\nx = 1\n```\n```bash\nfalse\n```\n"
        "- item\n\n  ```python\n  y = x + 1\n  ```\n"
        "```python\n>>> y\n2\n```\n"
    )
    namespace = {}
    assert [line for line, *_ in code_blocks(page)] == [2, 10, 13]
    assert run_blocks(page, namespace) == set()
    assert namespace["y"] == 2
    page.write_text(
        "<!-- needs numpy -->\n```python\ny = 3\n```\n"
        "<!-- needs numpy, no_such_package -->\n```python\ny = 4\n```\n"
    )
    assert run_blocks(page, namespace) == {"no_such_package"}
    assert namespace["y"] == 3
    page.write_text("```python\n>>> 1 + 1\n3\n```\n")
    with pytest.raises(AssertionError, match=r"page\.md:1"):
        run_blocks(page, {})
    page.write_text("a\n\n```python\n1 / 0\n```\n")
    with pytest.raises(ZeroDivisionError) as error:
        run_blocks(page, {})
    assert error.traceback[-1].lineno + 1 == 4
    rst = tmp_path / "page.rst"
    rst.write_text("Text\n\n.. code-block:: python\n\n    z = 5\n\n    z += 1\n\nMore text\n")
    namespace = {}
    run_blocks(rst, namespace)
    assert namespace["z"] == 6


def test_presets_are_documented():
    source = inspect.getsource(presets)
    for name in presets.__all__:
        before = source[: source.index(f"{name}: ")].rstrip().splitlines()[-1]
        assert before.startswith("#:"), name


def test_groups_of_parameters_are_those_of_the_estimators():
    """The pages of the estimators begin a group at each of these names."""
    source = (ROOT / "doc" / "parameters.py").read_text(encoding="utf-8")
    named = set(re.findall(r'(?m)^    "(\w+)": ', source))
    assert named
    assert named <= {name for cls in ALL for name in inspect.signature(cls).parameters}


def test_bars_are_quoted_in_docstrings():
    """In reStructuredText |x| is a substitution; unquoted it breaks the pages."""
    for name in all_modules():
        if "._" in name or name.startswith("sklearn_set.torch"):
            continue
        module = importlib.import_module(name)
        public = [getattr(module, each) for each in getattr(module, "__all__", ())]
        owned = [x for x in public if inspect.isclass(x) or inspect.isfunction(x)]
        owned += [f for c in owned if inspect.isclass(c) for f in vars(c).values() if callable(f)]
        for item in owned:
            text = re.sub(r"(?s)``.*?``|>>> .*?$", "", item.__doc__ or "")
            assert not re.search(r"(?<![\w|])\|[\w(][^|\n]*\|", text), (item, text)
