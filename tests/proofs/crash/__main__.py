"""`make crash`: kill a Lambda before and after each call that it makes to AWS, in every kind of command."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table

from tests.proofs.crash.matrix import PointResult, results
from tests.proofs.crash.proxy import PROC, Side
from tests.proofs.crash.scenarios import SCENARIOS
from tests.proofs.crash.tapped_stack import tapped_stack
from tests.support.command_line import Progress, note, proof_parser, run_proof
from tests.support.stacks import NoStack, own_stack

_DESCRIPTION = """\
Kill the functions of a local stack with SIGKILL, before and after each call to AWS that each kind of
command makes. No seat may be given twice, nobody may lose a place, and no request may get lost.

Each scenario runs once undisturbed: that gives its calls and its expected result. Then it runs twice
for each call, with the caller killed before the call reaches AWS, and after AWS has answered. Each
time the result must be the same; a client whose function died gets an error, and tries again.

The stack is started for this alone. Progress goes to stderr, a table to stdout."""

_EPILOG = """\
scenarios:
{scenarios}

examples:
  make crash                                      everything; about ten minutes
  make crash CRASH_ARGS="--only promotion fence"  two scenarios

exit codes: 0 every point fired and nothing was found; 1 some did not, or something was (each is
            named), or there is no Linux or no stack; 2 wrong usage; 130 interrupted"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the matrix. Returns the exit code; argparse itself exits with 2 on wrong usage."""
    scenarios = "\n".join(f"  {name:<16} {scenario.__doc__}" for name, scenario in SCENARIOS.items())
    parser = proof_parser("crash", _DESCRIPTION, _EPILOG.format(scenarios=scenarios))
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, metavar="SCENARIO", help="run only these scenarios")
    args = parser.parse_args(argv)
    if not (PROC / "net" / "tcp").exists():
        note("crash: this needs Linux, where /proc tells which process made a call")
        return 1
    return run_proof("crash", lambda: _run(args), NoStack)


def _run(args: argparse.Namespace) -> int:
    progress = Progress()
    found, failures = run([name for name in SCENARIOS if name in (args.only or SCENARIOS)], progress)
    fired, violated = sum(result.fired for result in found), sum(bool(result.findings) for result in found)
    if args.json:
        print(json.dumps({"points": [result.as_json() for result in found], "failures": failures}))
    else:
        Console(width=None if sys.stdout.isatty() else 140).print(table(found))
    summary = f"{len(found)} points, {fired} fired, {violated - (len(found) - fired)} violations"
    note(f"crash: {summary}, {progress.elapsed} minutes")
    for failure in failures:
        note(f"crash: {failure}")
    return 1 if violated or failures or not found else 0


def run(names: Sequence[str], progress: Progress) -> tuple[list[PointResult], list[str]]:
    """Run scenarios on a stack of their own; return the results, and the scenarios that failed by themselves."""
    found: list[PointResult] = []
    failures: list[str] = []
    with own_stack(progress.say) as deployment, tapped_stack(deployment) as stack:
        for number, name in enumerate(names, 1):
            progress.say(f"{number} of {len(names)}, {name}")
            try:
                for result in results(stack, name, SCENARIOS[name]):
                    found.append(result)
                    _report(result)
            except Exception as error:  # noqa: BLE001 - whatever it is, go on with the other scenarios
                failures.append(f"{name} failed: {type(error).__name__}: {error}")
    return found, failures


def _report(result: PointResult) -> None:
    site = result.point.site
    for finding in result.findings:
        note(f"crash: {result.scenario}, {site.function} {site.number}, {result.point.side} {site.call}: {finding}")
    for line in result.log:
        note(f"       {line}")


def table(found: Sequence[PointResult]) -> Table:
    """Return a row for each call: what happened when its caller was killed before it, and after."""
    rows = Table("scenario", "function", "", "call", *Side, "the client got")
    for (scenario, site), of_site in groupby(found, lambda result: (result.scenario, result.point.site)):
        sides = {result.point.side: result for result in of_site}
        verdicts = [sides[side].verdict if side in sides else "" for side in Side]
        replies = ", ".join(dict.fromkeys(result.heard or "" for result in sides.values()))
        rows.add_row(scenario, site.function, str(site.number), site.call, *verdicts, replies)
    return rows


if __name__ == "__main__":
    sys.exit(main())
