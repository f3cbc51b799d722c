"""What the commands of the proofs have in common: exit codes, numbers among the arguments, lines with the time."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

WRONG_USAGE = 2
INTERRUPTED = 130
"""Exit codes: what argparse ends with, and what a shell says of a command that a Ctrl-C has ended."""


def at_least(least: int) -> Callable[[str], int]:
    """What argparse makes of an argument that is to be a whole number, this one or more."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, {least} or more")
        return int(text)

    return number


def note(text: str) -> None:
    """A line on stderr."""
    print(text, file=sys.stderr, flush=True)


class Progress:
    """Lines on stderr, each with the time since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def elapsed(self) -> str:
        """Minutes and seconds since the start."""
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        return f"{minutes}:{seconds:02d}"

    def say(self, text: str) -> None:
        """Says what goes on."""
        note(f"{self.elapsed:>5}  {text}")
