"""Files and functions fit on a screen or a few, or it is said why not."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LONGEST_FILE, LONGEST_FUNCTION = 300, 50
LONGER = {
    "tests/api/test_hostile.py": "a table for each kind of hostile input, and one guard around all of them",
}


def test_length() -> None:
    """No file is longer than 300 lines, and no function than 50, without a reason; and each reason is still needed."""
    found: set[str] = set()
    for room in ("api", "workers", "infra", "tests"):
        for path in (ROOT / room).rglob("*.py"):
            if "node_modules" in path.parts:
                continue
            name, text = str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
            if len(text.splitlines()) > LONGEST_FILE:
                found.add(name)
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION:
                    found.add(f"{name}: {node.name}")
    assert found == set(LONGER)
