"""Code that the commands of proofs, benchmark and demo share: exit codes, number arguments, progress."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping

from infra.cli.processes import Interrupts

WRONG_USAGE = 2
INTERRUPTED = 130
"""Exit codes: argparse's, and the shell's for a command that Ctrl-C ended."""


def at_least(least: int) -> Callable[[str], int]:
    """Return an argparse type for whole numbers from `least` on."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, {least} or more")
        return int(text)

    return number


def note(text: str) -> None:
    """Print a line on stderr."""
    print(text, file=sys.stderr, flush=True)


class Progress:
    """Lines on stderr, each with the time since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def elapsed(self) -> str:
        """Minutes and seconds since the start, as text."""
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        return f"{minutes}:{seconds:02d}"

    def say(self, text: str) -> None:
        """Print what is going on."""
        note(f"{self.elapsed:>5}  {text}")


def proof_parser(name: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """Return a parser for a proof's command: its help as it is written, and `--json`."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(name, description=description, epilog=epilog, formatter_class=raw)
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    return parser


def run_proof(name: str, prove: Callable[[], int], *unavailable: type[Exception]) -> int:
    """Run a proof and return the exit code that it returns; 130 if it is interrupted.

    An exception of the kinds `unavailable` means that the proof cannot run here: report it, and return 1.
    """
    try:
        with Interrupts():
            return prove()
    except unavailable as error:
        note(f"{name}: {error}")
        return 1
    except KeyboardInterrupt:
        note(f"{name}: interrupted; everything that was started has been ended")
        return INTERRUPTED


def print_figures(figures: Mapping[str, object], *, as_json: bool) -> None:
    """Print figures on stdout: one JSON object, or a line each."""
    print(json.dumps(figures) if as_json else "\n".join(f"{name:<26} {value}" for name, value in figures.items()))
