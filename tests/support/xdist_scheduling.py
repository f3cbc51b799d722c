"""Which tests run in one process and one after the other, whatever the order and however many processes there are.

A room is a folder in `tests/`, `tests/proofs/` or `tests/tools/`. pytest-randomly orders the files in a room and the
tests in a file.
"""

from __future__ import annotations

import pytest
from xdist.scheduler import LoadScopeScheduling

SHARING = ("e2e", "integration", "infra", "bench")
"""The rooms whose tests share something slow (a stack, DynamoDB Local, bundles), the slowest first."""


class ByRoom(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Tests that share something slow run in one process, and so does each file."""

    def _split_scope(self, nodeid: str) -> str:
        room = _room(nodeid)
        return room if room in SHARING else nodeid.split("::", maxsplit=1)[0]


def slowest_first(items: list[pytest.Item]) -> None:
    """Puts each room that shares something together, and before what is quick: begun last, the end-to-end tests would
    leave the other processes idle for minutes. Nothing else about the order changes."""
    items.sort(key=lambda item: SHARING.index(room) if (room := _room(item.nodeid)) in SHARING else len(SHARING))


def _room(nodeid: str) -> str:
    return next(folder for folder in nodeid.split("/")[1:] if folder not in {"proofs", "tools"})
