"""`turnstile down`: stop the local stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.cli.state_dir import StateDir

if TYPE_CHECKING:
    import argparse

HELP = "stop the local stack"
DESCRIPTION = """\
Stop the local stack and everything it started, and remove its temporary files. Its data are lost,
because they are in memory. The logs stay in .turnstile/ until the next start.

example:
  turnstile down

Exit code 3 when there is no stack."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add no arguments."""


def run(_args: argparse.Namespace) -> int:
    """Stop the stack."""
    stack = StateDir().end()
    print(f"The stack at {stack.endpoint} has been stopped.")
    return 0
