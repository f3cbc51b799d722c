"""The errors of commands, each with a sentence for the terminal and an exit code.

Exit codes of all commands: 0 success; 1 failure, or something remains to be done; 2 wrong usage; 3 no stack.
"""

from __future__ import annotations


class CliError(Exception):
    """A command failed. The message is printed, and the process exits with `code`."""

    code = 1


class UsageError(CliError):
    """The arguments are not valid."""

    code = 2


class NoStackError(CliError):
    """There is no stack to work on."""

    code = 3
