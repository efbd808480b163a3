"""Changes the Python of the training loop in small ways and sees whether a test notices.

    python -P tests/tools/mutate.py --mutants 20 --seconds 600

A seeded sample of mutants of the modules in SELECTION: a comparison or an arithmetic operation
becomes another one, a number is one larger, a condition is negated, `and` becomes `or`, a call's
statement disappears. The tests named there run against each in a forked child (so that the
libraries load only once). Prints the survivors with their lines; a mutant that hangs counts as
noticed.
"""

import argparse
import ast
import copy
import importlib.util
import os
import random
import signal
import sys
import time
from pathlib import Path

TESTS = Path(__file__).parents[1]
PACKAGE = TESTS.parent / "sklearn_set"
SHARED = ("evolution", "rules", "pruning", "input_selection", "dsr", "training", "equivalence")
SHARED = [f"test_{name}.py" for name in SHARED]
SELECTION = {
    "_topology": ["test_topology.py"],
    "_evolution": [*SHARED, "test_topology.py"],
    "rules": ["test_rules.py", "test_user_rules.py", "test_dsr.py", "test_evolution.py"],
    "_mixtures": ["test_mixtures.py"],
    "_pruning": ["test_pruning.py", "test_input_selection.py"],
    "_training": [*SHARED, "test_mixtures.py", "estimators"],
    "_gradients": ["test_selector.py"],
    "_error_bounds": ["test_stability.py"],
    "_stability": ["test_stability.py"],
    "_scoring": ["estimators/test_held_out.py", "estimators/test_stopping.py"],
    "_reporting": ["estimators/test_suspicions.py", "test_rbm.py", "estimators/test_stopping.py"],
    "_hints": ["test_hints.py", "test_parameters.py"],
    "_times": ["test_survival.py"],
    "_columns": ["test_columns.py", "test_conditioning.py"],
    "_parameters": ["test_parameters.py", "test_parameter_types.py"],
    "_targets": [
        "test_regression.py",
        "test_targets.py",
        "estimators/test_attributes.py",
        "estimators/test_errors.py",
        "estimators/test_held_out.py",
        "estimators/test_weights.py",
    ],
}
OTHER = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


def changes_of(node):
    """Functions that change a node in place, each with a description."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in OTHER:
        yield "comparison", lambda n: n.ops.__setitem__(0, OTHER[type(n.ops[0])]())
    if isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp) and type(node.op) in OTHER:
        yield "operator", lambda n: setattr(n, "op", OTHER[type(n.op)]())
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield "number", lambda n: setattr(n, "value", n.value + 1)
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        yield "truth value", lambda n: setattr(n, "value", not n.value)
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        yield (
            "condition",
            lambda n: setattr(n, "test", ast.UnaryOp(op=ast.Not(), operand=n.test)),
        )
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "statement", lambda n: setattr(n, "value", ast.Constant(value=None))
    if isinstance(node, ast.Break):
        yield "break", None
    if isinstance(node, ast.Return) and node.value is not None:
        yield "return", lambda n: setattr(n, "value", ast.Constant(value=None))


def mutants(path):
    """(line, description, source) of every mutant of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    annotations = {
        id(sub)
        for node in ast.walk(tree)
        for field in ("annotation", "returns")
        if getattr(node, field, None) is not None
        for sub in ast.walk(getattr(node, field))
    }
    nodes = list(ast.walk(tree))
    for number, node in enumerate(nodes):
        if id(node) in annotations:
            continue
        for description, change in changes_of(node):
            if change is None:
                continue
            other = copy.deepcopy(tree)
            changed = list(ast.walk(other))[number]
            change(changed)
            source = ast.unparse(ast.fix_missing_locations(other))
            try:
                compile(source, str(path), "exec")
            except SyntaxError:
                continue
            yield node.lineno, description, source


class Finder:
    """Imports one module of the package from changed source."""

    def __init__(self, name, source):
        self.name, self.source = f"sklearn_set.{name}", source

    def find_spec(self, name, path=None, target=None):
        if name == self.name:
            return importlib.util.spec_from_loader(name, self)
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(compile(self.source, self.name, "exec"), module.__dict__)


def noticed(name, source, timeout) -> bool:
    """Whether a test fails, crashes or takes too long on this source of the module `name`."""
    child = os.fork()
    if child == 0:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        sys.meta_path.insert(0, Finder(name, source))
        import pytest

        files = [str(TESTS / file) for file in SELECTION[name]]
        status = 1
        try:
            status = pytest.main(
                ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir",
                 str(TESTS.parent), *files]
            )  # fmt: skip
        finally:
            os._exit(min(int(status), 100))
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status != 0
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=20, help="of each module")
    parser.add_argument("--skip", type=int, default=0, help="that a run before this one tried")
    parser.add_argument("--seconds", type=float, default=600, help="start none after these")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--modules", nargs="+", default=list(SELECTION))
    arguments = parser.parse_args()
    for library in ("hypothesis", "pandas", "pytest", "scipy.stats", "sklearn.ensemble",
                    "sklearn.neural_network", "sklearn.utils.estimator_checks"):  # fmt: skip
        importlib.import_module(library)
    assert "sklearn_set" not in sys.modules
    began = time.monotonic()
    chosen, timeouts = {}, {}
    for name in arguments.modules:
        found = list(mutants(PACKAGE / f"{name}.py"))
        random.Random(arguments.seed).shuffle(found)
        chosen[name] = found[arguments.skip :][: arguments.mutants]
        print(f"{name}: {len(found)} mutants, {len(chosen[name])} tried", flush=True)
        source = (PACKAGE / f"{name}.py").read_text(encoding="utf-8")
        started = time.monotonic()
        if noticed(name, source, timeout=1800):
            sys.exit(f"The tests fail without any change of {name}.")
        timeouts[name] = 30 + 2 * (time.monotonic() - started)
    for name, found in chosen.items():
        n_noticed = n_tried = 0
        for line, description, source in found:
            if time.monotonic() - began > arguments.seconds:
                break
            n_tried += 1
            if noticed(name, source, timeouts[name]):
                n_noticed += 1
            else:
                text = (PACKAGE / f"{name}.py").read_text(encoding="utf-8").splitlines()
                print(f"  survived: {name}.py:{line} {description}: {text[line - 1].strip()}")
                sys.stdout.flush()
        print(f"{name}: {n_noticed} of {n_tried} noticed", flush=True)


if __name__ == "__main__":
    main()
