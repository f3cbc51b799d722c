"""Every public name of the code says what it is (ruff's D1 sees to modules, classes, functions and methods)."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from tests.support.pages import ROOT, python_files

SPEAKING = {"Literal", "Annotated", "TypeVar", "frozenset", "Problem", "MappingProxyType"}
"""Calls whose result shows its own values, as a text or a table does."""


def undocumented(source: str) -> list[str]:
    """The public names of a module that have neither a docstring below them nor a value that speaks for itself. One
    docstring is enough for names on adjacent lines."""
    body = ast.parse(source).body
    return [name for index, node in enumerate(body) for name in _assigned(node) if not _explained(body, index)]


def _assigned(node: ast.stmt) -> Iterator[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    yield from (target.id for target in targets if isinstance(target, ast.Name) and not target.id.startswith("_"))


def _explained(body: Sequence[ast.stmt], index: int) -> bool:
    node = body[index]
    assert isinstance(node, ast.Assign | ast.AnnAssign)
    if node.value is None or _speaks(node.value):
        return True
    while index + 1 < len(body) and list(_assigned(body[index + 1])) and _follows(body[index], body[index + 1]):
        index += 1
    below = body[index + 1] if index + 1 < len(body) else None
    return isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)


def _follows(node: ast.stmt, other: ast.stmt) -> bool:
    return other.lineno == (node.end_lineno or node.lineno) + 1


def _speaks(value: ast.expr) -> bool:
    """Return whether a value explains itself: a text, a table, or a combination of them."""
    match value:
        case ast.Constant(value=str()) | ast.JoinedStr() | ast.Dict() | ast.Tuple() | ast.List() | ast.Set():
            return True
        case ast.BinOp(left=left, right=right):  # Json | {...}
            return _speaks(left) or _speaks(right)
        case ast.Call(func=ast.Name(id=name)) | ast.Subscript(value=ast.Name(id=name)):
            return name in SPEAKING
        case _:
            return False


def test_public_names_are_explained() -> None:
    """Each public constant and type of each module says what it is."""
    modules = python_files("api", "workers", "infra")
    found = {str(path.relative_to(ROOT)): undocumented(path.read_text(encoding="utf-8")) for path in modules}
    assert {path: names for path, names in found.items() if names} == {}


def test_what_is_not_explained_is_found() -> None:
    """A number without a word is found; one docstring is enough for neighbours; a text needs none."""
    assert undocumented("WAIT = 3\n\nOTHER = 4\n'''Seconds.'''\n") == ["WAIT"]
    assert undocumented("A = 1\nB = 2\n'''Both.'''\n_C = 3\nD = 'a text'\nE = f(x)\n") == ["E"]
