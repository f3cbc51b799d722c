"""Entry point of the `turnstile` command: reads the arguments and hands over to one module of `infra.cli.commands`."""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol, cast

from infra import DISTRIBUTION
from infra.cli import commands
from infra.cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_DESCRIPTION = """\
Run Turnstile on this machine, and look after a deployment.

The local stack is the same CloudFormation stack that goes to AWS, deployed by the CDK into an
emulator that listens on this machine only."""

_EPILOG = """\
examples:
  turnstile up                      start the stack; Ctrl-C ends it
  turnstile up --detach             start it and come back when the first request has succeeded
  turnstile up --auth jwt           the same with authorization; `turnstile token ada` then gives a token
  turnstile status --json           where its API, queues and tables are, for scripts
  turnstile verify                  check it with one registration from end to end
  turnstile verify --stage dev      the same on AWS, with your usual AWS credentials
  turnstile preflight --stage prod  check an account before you deploy to AWS
  turnstile top                     queue, decisions and fullest events, live
  turnstile trace pycon ada         the story of one registration
  turnstile dlq list                what could not be processed; `turnstile dlq --help` has the rest
  turnstile promote                 ask again for promotions that did not happen
  turnstile reconcile pycon         recount an event; --repair has its ledger mended
  turnstile down                    end it

`turnstile COMMAND --help` tells more about each command.

exit codes: 0 fine; 1 failed, or something remains; 2 wrong usage; 3 there is no stack

environment:
  TURNSTILE_HOME    where the local stack keeps its state and logs (default: .turnstile in the
                    repository); stacks with different homes and ports run side by side"""


class Command(Protocol):
    """What a module in `infra.cli.commands` provides. Its name is the command's name."""

    HELP: str
    """One line for the list of commands."""
    DESCRIPTION: str
    """What the command does, with examples; shown by its own `--help`."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it; return the exit code. Raise CliError for a failure that one sentence explains."""


def discover() -> Iterator[tuple[str, Command]]:
    """Every command with its name, in alphabetical order. A new file in `commands/` is a new command."""
    for module in pkgutil.iter_modules(commands.__path__):
        yield module.name, cast("Command", importlib.import_module(f"{commands.__name__}.{module.name}"))


class _Parser(argparse.ArgumentParser):
    """What a command does not know is refused by that command, under its own usage; else it would be by `turnstile`."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse all of it."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return known, unknown


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line, all commands included."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = _Parser("turnstile", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=raw)
    parser.add_argument("--version", action="version", version=f"turnstile {version(DISTRIBUTION)}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, command in discover():
        sub = subparsers.add_parser(name, help=command.HELP, description=command.DESCRIPTION, formatter_class=raw)
        command.configure(sub)
        sub.set_defaults(run=command.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the process exit code; argparse itself exits with 2 on wrong usage."""
    try:
        args = build_parser().parse_args(argv)
        code = int(args.run(args))
        sys.stdout.flush()  # now, so that a failure is found here
        return code  # noqa: TRY300 - the flush may fail as well as the command
    except CliError as error:
        print(f"turnstile: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("turnstile: interrupted", file=sys.stderr)
        return 1
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # of a pipe, whoever read it has left, and wants no sentence
            where = f": {error.filename}" if error.filename else ""
            print(f"turnstile: {error.strerror or error}{where}", file=sys.stderr)
        _give_up_output()
        return 1


def _give_up_output() -> None:
    """Python flushes once more at its end, and would end in a traceback."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
