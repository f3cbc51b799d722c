"""Prepare text for a terminal: numbers with their nouns, foreign text without control characters, parts of logs."""

from __future__ import annotations

import re

_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_TELLING = re.compile(
    r"(?<!\.)error|failed|exception|denied|cannot|could not|not found|no such|invalid|unable|❌|already in use",
    re.IGNORECASE,
)


def plain(text: str) -> str:
    """Replace characters that a terminal would interpret. Ids, names and reasons may contain anything."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def count_of(number: int, noun: str) -> str:
    """Return the number with its noun, in the singular or with an s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def decisive_lines(log: str, limit: int = 6) -> str:
    """Return the last lines of `log` that mention a failure, or else its last lines; at most `limit`, indented."""
    lines = [line.rstrip() for line in _COLOUR.sub("", log).splitlines() if line.strip()]
    telling = [line for line in lines if _TELLING.search(line)] or lines
    unique = list(dict.fromkeys(telling))
    return "\n".join(f"    {line.strip()[:300]}" for line in unique[-limit:]) or "    (the log is empty)"
