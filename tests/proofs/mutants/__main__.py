"""`make mutants`: changes the code in hundreds of small ways, and asks of each whether a test notices."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from rich.console import Console

from infra.cli.processes import Children, Interrupts
from infra.cli.progress import progress
from tests.proofs.mutants.verdict import GOAL, Unreadable, Verdict, explanations
from tests.proofs.mutants.workshop import ROOT, Mutant, MutantsError, Workshop
from tests.support.command_line import INTERRUPTED, WRONG_USAGE

EXPLAINED = Path(__file__).with_name("explained.toml")
BUILD = ROOT / "build/mutants"

_DESCRIPTION = """\
Change the code in hundreds of small ways, one at a time, and run the tests that touch the change.

A change that no test notices means that a test is missing, or that the change makes no difference;
of the latter, tests/proofs/mutants/explained.toml says why. What is changed and which tests run is in
pyproject.toml, [tool.mutmut]. Everything happens in a copy, build/mutants; progress goes to stderr,
each survivor and a table to stdout. Ctrl-C ends all that was started and removes the copy."""

_EPILOG = f"""\
examples:
  make mutants                                        all of them; some minutes
  .venv/bin/python -m tests.proofs.mutants --json            the findings as one JSON object on stdout
  .venv/bin/python -m tests.proofs.mutants --only 'workers.domain.waitlist.*'    those of one module

exit codes: 0 at least {GOAL:g} % were noticed and every survivor is explained;
            1 not so, or an explanation fits nothing (each is named), or the tests fail without any change;
            2 wrong usage; 130 interrupted"""


def main(argv: Sequence[str] | None = None, build: Path = BUILD) -> int:
    """Try the mutants. Returns the exit code; argparse itself exits with 2 on wrong usage."""
    args = _parser().parse_args(argv)
    try:
        known = explanations(args.explained)
    except Unreadable as error:
        print(f"mutants: {error}", file=sys.stderr)
        return WRONG_USAGE
    try:
        mutants = attempt(build, args.only)
    except MutantsError as error:
        print(f"mutants: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        shutil.rmtree(build, ignore_errors=True)
        print("mutants: interrupted; all that was started is ended, and the copy is removed", file=sys.stderr)
        return INTERRUPTED
    if args.only:
        tried = {mutant.function for mutant in mutants}
        known = [one for one in known if one.function in tried]
    verdict = Verdict(mutants, known)
    if args.json:
        print(json.dumps(verdict.as_json()))
    else:
        print(verdict.survivors(), end="\n\n")
        Console(width=None if sys.stdout.isatty() else 120).print(verdict.table())
    for sentence in verdict.faults:
        print(f"mutants: {sentence}", file=sys.stderr)
    return 1 if verdict.faults else 0


def attempt(build: Path, names: Sequence[str]) -> list[Mutant]:
    """Makes and tries the mutants, all or those whose names match. MutantsError if that cannot be done."""
    with Interrupts() as interrupts, Children(interrupts) as children, ExitStack() as stack:
        print("mutants: making them, and running the tests without any", file=sys.stderr, flush=True)
        workshop = Workshop(build)
        workshop.run(children, names, _Progress(stack))
        return workshop.mutants()


class _Progress:
    """Begins to show progress when it is known how many there are."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._tick: Callable[[int], None] | None = None

    def __call__(self, done: int, total: int) -> None:
        if self._tick is None:
            shown: AbstractContextManager[Callable[[int], None]] = progress("mutants", total)
            self._tick = self._stack.enter_context(shown)
        self._tick(done)


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("mutants", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=raw)
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="PATTERN",
        help="try those whose names match: MODULE.x_FUNCTION__mutmut_N",
    )
    parser.add_argument(
        "--explained", type=Path, default=EXPLAINED, metavar="FILE", help="why survivors survive (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON instead of a table")
    return parser


if __name__ == "__main__":
    sys.exit(main())
