"""The project's pages (links, names of code, commands) and its files of code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIRST = ROOT / "README.md"
"""The first page."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s#]*)#?([^)\s]*)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")


@cache
def pages() -> tuple[Path, ...]:
    """Return all pages."""
    return tuple(sorted([*ROOT.glob("*.md"), *(ROOT / ".github").rglob("*.md"), *(ROOT / "docs").rglob("*.md")]))


@cache
def text(page: Path) -> str:
    """Return the text of a page."""
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return _FENCE.sub("", text(page))


def links(page: Path) -> Iterator[tuple[str, str]]:
    """Yield the targets of its links, each with its anchor; either may be empty."""
    yield from _LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """Return GitHub's anchors for its headings."""
    bare = (re.sub(r"[^\w -]", "", heading.lower()) for heading in _HEADING.findall(prose(page)))
    return {heading.replace(" ", "-") for heading in bare}


def code_words(page: Path) -> list[str]:
    """Return its inline code, in order."""
    return _CODE.findall(prose(page))


def shell_blocks(page: Path) -> list[str]:
    """Return its blocks of shell commands, each command on one line."""
    return [code.replace("\\\n", "") for kind, code in _FENCE.findall(text(page)) if kind == "sh"]


@cache
def defined(path: Path) -> frozenset[str]:
    """Return what a Python file defines: functions, classes, `Class.member`, constants, and names of arguments."""
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
    """Return the arguments of a `turnstile` command for a running stack that ends by itself, else None."""
    match = re.match(r"\.venv/bin/turnstile (status|token|verify|trace|logs|dlq|promote|reconcile)\b([^#]*)", line)
    return [match[1], *match[2].split()] if match and "--stage" not in line else None


FOLDERS = ("api", "workers", "infra", "tests")
"""The folders with Python files."""


def python_files(*folders: str) -> list[Path]:
    """Return the Python files of these folders, without those from npm."""
    return [
        path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")) if "node_modules" not in path.parts
    ]
