"""CONTRIBUTING names what there is: files, functions and tables of the code, make's targets."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / ".github" / "CONTRIBUTING.md"
TEXT = PAGE.read_text(encoding="utf-8")
QUOTED = set(re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", TEXT, flags=re.DOTALL | re.MULTILINE)))
ROOMS = ("api", "docs", "infra", "tests", "workers")


def test_files_are_there() -> None:
    """Each path that the page names, alone or in a command, is one of this repository; so is where each link leads."""
    named = {path for path in re.findall(rf"(?<![\w/])(?:{'|'.join(ROOMS)})/[\w./-]*\w", TEXT) if "..." not in path}
    links = {link.partition("#")[0] for link in re.findall(r"\]\((.+?)\)", TEXT)}
    assert len(named) > 30
    assert links
    assert sorted(path for path in named if not (ROOT / path).exists()) == []
    assert sorted(link for link in links if not (PAGE.parent / link).exists()) == []


def test_names_are_those_of_the_code() -> None:
    """Each name on the page that could only be one of the code is defined there."""
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if "node_modules" not in path.parts
    )
    defined = set(re.findall(r"^ *(?:async )?(?:def|class) (\w+)|^(\w+)\b[^=\n]*=", code, re.MULTILINE))
    known = {name for names in defined for name in names}
    names = {part for quoted in QUOTED for part in quoted.split(".") if re.fullmatch(r"[A-Z]{5,}|\w*_\w+", part)}
    assert {"KINDS", "ROUTES", "_alarm", "deduplication_id", "test_every_route"} <= names
    assert names - known - {"TURNSTILE_HOME", "README"} == set()


def test_targets_are_those_of_make() -> None:
    """Each `make` on the page is one that there is."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    commands = [*QUOTED, *(line.partition("#")[0] for line in TEXT.splitlines())]
    named = {word for line in commands if line.startswith("make ") for word in line.split()[1:]}
    assert {"check", "hooks", "openapi", "simulate", "test"} <= named
    assert named - targets == set()
