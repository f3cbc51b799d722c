"""`turnstile down`: the end of the local stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.cli.state_dir import StateDir

if TYPE_CHECKING:
    import argparse

HELP = "end the local stack"
DESCRIPTION = """\
End the local stack and everything it started, and remove its temporary files. Its data are gone:
they were in memory. The logs stay in .turnstile/ until the next start.

Exit code 3 when there is no stack."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The command has no arguments."""


def run(_args: argparse.Namespace) -> int:
    """End it."""
    stack = StateDir().end()
    print(f"The stack at {stack.endpoint} has ended.")
    return 0
