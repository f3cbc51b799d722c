"""The rooms of `tests/` are apart: what two of them need is in `tests/support`, or it is said why not."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
GROUPS = ("proofs", "tools")
BORROWED = {
    ("bench", "infra"): "a month's cost has all alarms that the template's test knows",
    ("demo", "soak"): "the demo is judged by the soak's checker, on a history like the soak's",
    ("e2e", "crash"): "a sample of the proof, on the stack under test",
    ("e2e", "demo"): "a sample of the demo, on the stack under test",
    ("e2e", "iam"): "a sample of the proof, on the stack under test",
    ("e2e", "replay"): "a sample of the proof, on the stack under test",
    ("fakes", "simulation"): "it proves the simulation's DynamoDB",
    ("infra", "simulation"): "the stack's time-outs are those of the simulation",
    ("integration", "fakes"): "a sample of the proof, on the room's DynamoDB Local",
    ("integration", "races"): "a sample of the proof, on the room's DynamoDB Local",
    ("integration", "simulation"): "mistakes are planted in its DynamoDB, to see that the sample sees them",
}


def test_rooms_are_apart() -> None:
    """A room takes nothing from another one without a reason, `tests/support` takes nothing from any, and each reason
    is still needed."""
    folders = [TESTS, *(TESTS / group for group in GROUPS)]
    rooms = {path.name for folder in folders for path in folder.iterdir() if (path / "__init__.py").is_file()}
    taken = {(own, other) for own, other in _imports() if other in rooms - {own, "support", *GROUPS}}
    assert taken == set(BORROWED)


def _imports() -> Iterator[tuple[str, str]]:
    """Which room imports from which."""
    for path in TESTS.rglob("*.py"):
        own = _room(path.relative_to(TESTS).parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.ImportFrom(module="tests", names=names):
                    yield from ((own, name.name) for name in names)
                case ast.ImportFrom(module=str(module)) if module.startswith("tests."):
                    yield own, _room(module.split(".")[1:])


def _room(parts: Sequence[str]) -> str:
    return next((part for part in parts if part not in GROUPS), "")
