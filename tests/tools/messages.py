"""Writes doc/messages.md: every error and warning of the package, read from its source.

python tests/tools/messages.py         # tests/test_messages.py fails until this was run
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "doc" / "messages.md"

HEAD = """\
# Errors and warnings

All that the package raises and warns of, read from its source by
`tests/tools/messages.py`; a test keeps this page in step. Values in braces are filled in at run
time. Errors that merely re-raise another message are omitted; scikit-learn's own validation
errors are not listed.
"""


def text_of(node: ast.expr) -> str | None:
    """The literal text of a message, with its placeholders in braces; None: it has none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                parts.append("{" + ast.unparse(part.value) + "}")
            else:
                assert isinstance(part, ast.Constant)
                parts.append(str(part.value))
        return "".join(parts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = text_of(node.left), text_of(node.right)
        if left is not None:
            return left + (right if right is not None else "{" + ast.unparse(node.right) + "}")
    return None


def name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def messages(path: Path):
    """(kind, message) of each raise and warning in a file, from top to bottom."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    # Functions that only put a message together, by name.
    built = {
        f.name: text_of(f.body[-1].value)
        for f in ast.walk(tree)
        if isinstance(f, ast.FunctionDef)
        and isinstance(f.body[-1], ast.Return)
        and f.body[-1].value is not None
    }
    returned = {
        f.name: name_of(f.returns)
        for f in ast.walk(tree)
        if isinstance(f, ast.FunctionDef) and f.returns is not None
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            call, kind = node.exc, name_of(node.exc.func)
        elif isinstance(node, ast.Call) and name_of(node.func) == "warn":
            call, kind = node, "UserWarning"
            kinds = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "category")]
            if kinds:
                kind = name_of(kinds[0])
        else:
            continue
        if not call.args:
            continue
        kind = returned.get(kind, kind)
        argument = call.args[0]
        message = text_of(argument)
        if message is None and isinstance(argument, ast.Call):
            message = built.get(name_of(argument.func))
        if message is not None and re.sub(r"{.*?}", "", message).strip():
            found.append((node.lineno, kind, message))
    return [(kind, message) for _, kind, message in sorted(found)]


def page() -> str:
    lines = [HEAD]
    package = ROOT / "sklearn_set"
    for path in sorted(package.rglob("*.py")):
        rows = list(dict.fromkeys(messages(path)))
        if not rows:
            continue
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        lines += [f"## `{module}`", "", "| | message |", "|---|---|"]
        for kind, message in rows:
            shown = " ".join(message.split()).replace("|", "\\|").replace("`", "'")
            lines.append(f"| {kind} | `{shown}` |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
