"""The types that _native.pyi states against those that the compiled module states itself."""

import ast
import re
from pathlib import Path

import pytest

import sklearn_set
from sklearn_set import _native

STUB = ast.parse(Path(sklearn_set.__file__).with_name("_native.pyi").read_text(encoding="utf-8"))
CLASSES = {node.name: node for node in STUB.body if isinstance(node, ast.ClassDef)}
FUNCTIONS = {node.name: node for node in STUB.body if isinstance(node, ast.FunctionDef)}
ASSIGNED = {node.target.id for node in STUB.body if isinstance(node, ast.AnnAssign)}
PUBLIC = {name for name in CLASSES if not name.startswith("_")}
REQUIRED = "required"
CHECKED = re.compile(r"(int|float|bool|str|NDArray\[np\.\w+\])( \| None)?")


def stubbed(node, number):
    """Parameters as (name, type, default); `number` stands for the type variable."""
    arguments = node.args
    assert not (arguments.vararg or arguments.kwarg or arguments.kwonlyargs)
    defaults = [ast.literal_eval(default) for default in arguments.defaults]
    defaults = [REQUIRED] * (len(arguments.args) - len(defaults)) + defaults
    types = [ast.unparse(a.annotation) if a.annotation else "" for a in arguments.args]
    return [
        (argument.arg, type_.replace("[_T]", f"[np.{number}]"), default)
        for argument, type_, default in zip(arguments.args, types, defaults, strict=True)
    ]


def compiled(overload):
    """The same of one overload, from nanobind's own signature."""
    text, _, values = overload
    text = re.sub(r"ndarray\[dtype=(\w+)[^]]*\]", r"NDArray[np.\1]", text)
    inside = re.fullmatch(r"def \w+\((.*)\) -> .*", text)[1]
    values = iter(values or ())
    result = []
    for parameter in filter(None, re.split(r", (?=\w+(?:: |$))", inside)):
        name, _, type_ = parameter.partition(": ")
        type_, has_default, _ = type_.partition(" = ")
        result.append((name, type_, next(values) if has_default else REQUIRED))
    return result


def assert_same(node, function):
    overloads = function.__nb_signature__
    numbers = [re.search(r"float(32|64)", text) for text, *_ in overloads]
    assert len({found and found[0] for found in numbers}) == len(overloads)
    for overload, number in zip(overloads, numbers):
        mine, theirs = stubbed(node, number and number[0]), compiled(overload)
        assert [name for name, *_ in mine] == [name for name, *_ in theirs]
        for (name, stated, default), (_, actual, actual_default) in zip(mine, theirs):
            assert (default, type(default)) == (actual_default, type(actual_default)), name
            if CHECKED.fullmatch(stated) or CHECKED.fullmatch(actual):
                assert stated == actual, name


def test_every_name_is_stubbed_and_every_stubbed_name_exists():
    public = {name for name in vars(_native) if not name.startswith("_")}
    assert public == PUBLIC | FUNCTIONS.keys() | ASSIGNED


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    assert_same(FUNCTIONS[name], getattr(_native, name))


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_methods(name):
    """A class states nothing itself but takes it from a base for both types of numbers."""
    cls, node = getattr(_native, name), CLASSES[name]
    number = {"F32": "float32", "F64": "float64"}[name[-3:]]
    assert ast.unparse(node.bases[0]) == f"_{name[:-3]}[np.{number}]"
    methods = {m.name: m for m in CLASSES[f"_{name[:-3]}"].body}
    compiled_ones = {m for m in vars(cls) if not m.startswith("_")} | {"__init__"}
    assert methods.keys() == compiled_ones
    for method, stub in methods.items():
        assert_same(stub, getattr(cls, method))


@pytest.mark.parametrize("name", sorted(ASSIGNED))
def test_codes_are_places_in_a_list(name):
    codes = getattr(_native, name)
    assert list(codes.values()) == list(range(len(codes)))
