"""The project's pages: their links, the names of code in them, and the commands that they have one type."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIRST = ROOT / "README.md"
"""Where everybody begins."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s#]*)#?([^)\s]*)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")


@cache
def pages() -> tuple[Path, ...]:
    """All of them."""
    return tuple(sorted([*ROOT.glob("*.md"), *(ROOT / ".github").rglob("*.md"), *(ROOT / "docs").rglob("*.md")]))


@cache
def text(page: Path) -> str:
    """A page as it is written."""
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", text(page))


def links(page: Path) -> Iterator[tuple[str, str]]:
    """The targets of its links, each with its anchor; either may be empty."""
    yield from _LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """What GitHub makes of its headings."""
    bare = (re.sub(r"[^\w -]", "", heading.lower()) for heading in _HEADING.findall(prose(page)))
    return {heading.replace(" ", "-") for heading in bare}


def code_words(page: Path) -> list[str]:
    """What it has between backticks in its sentences, in order."""
    return _CODE.findall(prose(page))


def shell_blocks(page: Path) -> list[str]:
    """Return its blocks of shell commands, each command on one line."""
    return [code.replace("\\\n", "") for kind, code in _FENCE.findall(text(page)) if kind == "sh"]


@cache
def defined(path: Path) -> frozenset[str]:
    """What a Python file defines: functions, classes, `Class.member`, constants, and names of parameters in calls."""
    names: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name, body=body):
                names |= {name} | {f"{name}.{member}" for member in map(_name_of, body) if member}
            case ast.FunctionDef(name=name) | ast.keyword(arg=str(name)) | ast.Constant(value=str(name)):
                names.add(name)
            case ast.Assign() | ast.AnnAssign():
                names.add(_name_of(node) or "")
    return frozenset(names)


def _name_of(node: ast.stmt) -> str | None:
    match node:
        case ast.FunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
        case ast.Assign(targets=[ast.Name(id=name), *_]):
            return name
        case _:
            return None


def operated(line: str) -> list[str] | None:
    """The arguments of a `turnstile` command for a stack that is up, if it is one that ends by itself; else None."""
    match = re.match(r"\.venv/bin/turnstile (status|token|verify|trace|dlq|promote|reconcile)\b([^#]*)", line)
    return [match[1], *match[2].split()] if match and "--stage" not in line else None
