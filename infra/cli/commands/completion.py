"""`turnstile completion`: the completion of commands and options in a shell."""

from __future__ import annotations

import argparse
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from infra.cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Iterator

HELP = "print the completion script of a shell"
DESCRIPTION = """\
Print a script that makes a shell complete commands and options.

examples:
  source <(turnstile completion bash)        in this shell; put it into ~/.bashrc for every shell
  source <(turnstile completion zsh)         the same for zsh and ~/.zshrc

The shell completes `turnstile` and paths that end with it, such as .venv/bin/turnstile."""

_SCRIPT = """\
_turnstile() {{
  local choices=""
  case "${{COMP_WORDS[1]:-}} ${{COMP_WORDS[2]:-}} " in
{cases}
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then choices="{commands}"; fi
  COMPREPLY=($(compgen -W "$choices" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -F _turnstile -o default turnstile"""
_BASH_IN_ZSH = "autoload -U +X bashcompinit && bashcompinit\n"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("shell", choices=("bash", "zsh"), help="the shell")


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    parser: Any = args.parser
    for _, command in _subparsers(parser):
        with suppress(CliError):  # of an extra that is not installed
            command.fill()
    cases = [
        f'    "{path} "*) choices="{" ".join(words)}" ;;'
        for name, command in _subparsers(parser)
        for path, words in _words(name, command)
    ]
    commands = " ".join(name for name, _ in _subparsers(parser))
    print((_BASH_IN_ZSH if args.shell == "zsh" else "") + _SCRIPT.format(cases="\n".join(cases), commands=commands))
    return 0


def _words(name: str, parser: Any) -> Iterator[tuple[str, list[str]]]:
    """Yield what can follow a command or a subcommand, subcommands first."""
    for subcommand, below in _subparsers(parser):
        yield f"{name} {subcommand}", _options(below)
    yield name, [*(subcommand for subcommand, _ in _subparsers(parser)), *_options(parser)]


def _subparsers(parser: Any) -> list[tuple[str, Any]]:
    return [
        found
        for action in parser._actions  # noqa: SLF001 - argparse has no public way to list them
        if isinstance(action, argparse._SubParsersAction)  # noqa: SLF001 - the same
        for found in action.choices.items()
    ]


def _options(parser: Any) -> list[str]:
    return [name for action in parser._actions for name in action.option_strings]  # noqa: SLF001 - the same
