"""What a command may fail with: one sentence for the person at the terminal, and the exit code that goes with it.

Exit codes of every command: 0 fine; 1 failed, or something remains to be done; 2 wrong usage; 3 there is no stack.
"""

from __future__ import annotations


class CliError(Exception):
    """A command failed. The message is the sentence that is printed; the process exits with `code`."""

    code = 1


class UsageError(CliError):
    """The command was called in a way that cannot work."""

    code = 2


class NoStackError(CliError):
    """There is no stack to work on."""

    code = 3
