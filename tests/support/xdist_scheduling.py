"""Keep some tests in one process, one after the other, whatever the order and the number of processes.

A package is a folder in `tests/`, `tests/proofs/` or `tests/tools/`. pytest-randomly orders the files in a package and
the tests in a file.
"""

from __future__ import annotations

import os

import pytest
from xdist.scheduler import LoadScopeScheduling

SHARING = ("e2e", "integration", "infra", "bench")
"""The packages whose tests share something slow (a stack, DynamoDB Local, bundles), the slowest first."""

_NICENESS = 5


class ByPackage(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Tests that share something slow run in one process, and so does each file."""

    def _split_scope(self, nodeid: str) -> str:
        package = _package(nodeid)
        return package if package in SHARING else nodeid.split("::", maxsplit=1)[0]


def slowest_first(items: list[pytest.Item]) -> None:
    """Put each package that shares something together, and before the quick ones: started last, the end-to-end tests
    would leave the other processes idle for minutes. Nothing else about the order changes."""
    rank = {package: number for number, package in enumerate(SHARING)}
    items.sort(key=lambda item: rank.get(_package(item.nodeid), len(SHARING)))


def yield_to_stack(item: pytest.Item) -> None:
    """Lower the priority of a process of `pytest -n` once it runs other than end-to-end tests.

    These wait more than they compute, so `make test` has one process more than two processors; they come first, and
    have limits in seconds.
    """
    if "PYTEST_XDIST_WORKER" in os.environ and _package(item.nodeid) != "e2e" and os.nice(0) < _NICENESS:
        os.nice(_NICENESS)


def _package(nodeid: str) -> str:
    return next(folder for folder in nodeid.split("/")[1:] if folder not in {"proofs", "tools"})
