"""The files of code in this repository."""

from __future__ import annotations

from pathlib import Path

from tests.support.pages import ROOT

ROOMS = ("api", "workers", "infra", "tests")
"""Where Python is."""


def python_files(*rooms: str) -> list[Path]:
    """Those of some rooms, without what comes from npm."""
    return [path for room in rooms for path in sorted((ROOT / room).rglob("*.py")) if "node_modules" not in path.parts]
