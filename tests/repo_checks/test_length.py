"""Files and functions stay short."""

from __future__ import annotations

import ast

from tests.support.pages import FOLDERS, ROOT, python_files

LONGEST_FILE, LONGEST_FUNCTION = 300, 50


def test_length() -> None:
    """No file is longer than 300 lines, and no function than 50."""
    found: set[str] = set()
    for path in python_files(*FOLDERS):
        name, code = str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
        if len(code.splitlines()) > LONGEST_FILE:
            found.add(name)
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION:
                found.add(f"{name}: {node.name}")
    assert found == set()
