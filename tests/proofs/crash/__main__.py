"""`make crash`: kills a Lambda before and after each call that it makes to AWS, in every kind of command."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table

from infra.cli.processes import Interrupts
from tests.proofs.crash.matrix import Result, results
from tests.proofs.crash.stories import STORIES
from tests.proofs.crash.target import target
from tests.proofs.crash.wire import PROC, Side
from tests.support.command_line import INTERRUPTED, Progress
from tests.support.stacks import NoStack, own_stack

_DESCRIPTION = """\
Kill the functions of a local stack with SIGKILL, before and after each call to AWS that each
kind of command makes, and see that nothing comes of it: no seat is given twice, nobody loses
a place, no request is lost.

Each story is told once undisturbed, which says what its calls are and what is to come of it;
then once for each call, with the caller killed before the call reaches AWS, and once more,
killed when AWS has answered and the caller has not heard it. Afterwards all must be as if nobody
had died; a client whose function died hears an error, and asks again.

The stack is brought up for this alone, and ended. Progress goes to stderr, a table to stdout."""

_EPILOG = """\
stories:
{stories}

examples:
  make crash                                      everything; about ten minutes
  make crash CRASH_ARGS="--only promotion fence"  two stories
  .venv/bin/python -m tests.proofs.crash --json          the points as one JSON object on stdout

exit codes: 0 every point fired and nothing was found; 1 some did not, or something was (each is
            told), or there is no Linux or no stack to do it on; 2 wrong usage; 130 interrupted"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the matrix. Returns the exit code; argparse itself exits with 2 on wrong usage."""
    args = _parser().parse_args(argv)
    if not (PROC / "net" / "tcp").exists():
        print("crash: this needs Linux, where /proc tells which process made a call", file=sys.stderr)
        return 1
    progress = Progress()
    try:
        with Interrupts():
            found, failures = run([name for name in STORIES if name in (args.only or STORIES)], progress)
    except NoStack as error:
        print(f"crash: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("crash: interrupted; all that was started is ended", file=sys.stderr)
        return INTERRUPTED
    fired, violated = sum(result.fired for result in found), sum(bool(result.findings) for result in found)
    if args.json:
        print(json.dumps({"points": [_as_json(result) for result in found], "failures": failures}))
    else:
        Console(width=None if sys.stdout.isatty() else 140).print(table(found))
    verdict = f"{len(found)} points, {fired} fired, {violated - (len(found) - fired)} violations"
    print(f"crash: {verdict}, {progress.elapsed} minutes", file=sys.stderr)
    for failure in failures:
        print(f"crash: {failure}", file=sys.stderr)
    return 1 if violated or failures or not found else 0


def run(names: Sequence[str], progress: Progress) -> tuple[list[Result], list[str]]:
    """Tells stories by name, on a stack of their own; what was found, and which of them could not be told."""
    found: list[Result] = []
    failures: list[str] = []
    with own_stack(progress.say) as deployment, target(deployment) as stack:
        for number, name in enumerate(names, 1):
            progress.say(f"{number} of {len(names)}, {name}")
            try:
                for result in results(stack, name, STORIES[name]):
                    found.append(result)
                    tell(result)
            except Exception as error:  # noqa: BLE001 - whatever it is, the other stories are worth telling
                failures.append(f"{name} could not be told: {type(error).__name__}: {error}")
    return found, failures


def tell(result: Result) -> None:
    """Says what was found at a point, if something was."""
    step = result.point.step
    for finding in result.findings:
        where = f"{result.story}, {step.function} {step.number}, {result.point.side} {step.call}"
        print(f"crash: {where}: {finding}", file=sys.stderr)
    for line in result.log:
        print(f"       {line}", file=sys.stderr)


def table(found: Sequence[Result]) -> Table:
    """A line for each call: what was found when its caller was killed before it, and after."""
    lines = Table("story", "function", "", "call", *Side, "the client heard")
    for (story, step), results_of_step in groupby(found, lambda result: (result.story, result.point.step)):
        sides = {result.point.side: result for result in results_of_step}
        verdicts = [_verdict(sides[side]) if side in sides else "" for side in Side]
        heard = ", ".join(dict.fromkeys(result.heard or "" for result in sides.values()))
        lines.add_row(story, step.function, str(step.number), step.call, *verdicts, heard)
    return lines


def _verdict(result: Result) -> str:
    if not result.fired:
        return "did not fire"
    return "VIOLATED" if result.findings else "well"


def _as_json(result: Result) -> dict[str, object]:
    step = result.point.step
    return {
        "story": result.story,
        "function": step.function,
        "number": step.number,
        "call": step.call,
        "side": result.point.side,
        "fired": result.fired,
        "attempts": result.attempts,
        "heard": result.heard,
        "findings": list(result.findings),
    }


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    stories = "\n".join(f"  {name:<16} {story.__doc__}" for name, story in STORIES.items())
    epilog = _EPILOG.format(stories=stories)
    parser = argparse.ArgumentParser("crash", description=_DESCRIPTION, epilog=epilog, formatter_class=raw)
    parser.add_argument("--only", nargs="+", choices=STORIES, metavar="STORY", help="tell these stories and no others")
    parser.add_argument("--json", action="store_true", help="print the points as JSON instead of a table")
    return parser


if __name__ == "__main__":
    sys.exit(main())
