"""`make bench`: measure Turnstile, side by side with what it is compared with."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from infra.build.bundles import BundleError
from infra.cli.processes import Interrupts
from tests.support.command_line import INTERRUPTED, Progress, at_least, note
from tests.support.dynamodb_local import Unavailable
from tests.support.stacks import NoStack
from tests.tools.bench.context import BenchContext, BenchError
from tests.tools.bench.figures import Part
from tests.tools.bench.report import BenchReport, PartResult, processor_ticks

PARTS = {
    "hot event": "hot",
    "spread load": "spread",
    "counts": "counts",
    "growth": "growth",
    "cold start": "cold",
    "over HTTP": "over_http",
    "the API's share": "api_share",
    "sold out": "sold_out",
    "a year of it": "cost",
}
"""The parts in the order in which they run, and their modules. Parts that need the local stack come late, so that it
takes no processor time from the others; the cost comes last, because it uses what was measured before."""

ENOUGH_RUNS = 5
OUT = Path("build")

_DESCRIPTION = """\
Measure Turnstile beside the textbook solution and beside the limits of what it is built on.

Everything runs on this machine: AWS's DynamoDB Local, and the local stack. Progress goes to stderr,
a table to stdout, every figure to build/bench.json (bench-part.json with --only). Ctrl-C stops all
that was started; nothing is written then."""

_EPILOG = """\
parts: {parts}

examples:
  make bench                                          everything; five minutes on 2 processors
  make bench BENCH_ARGS="--only counts"               one part; the beginning of its name is enough
  make bench BENCH_ARGS="--only hot spread --runs 9"  two parts, with more runs

exit codes: 0 all goals are met; 1 some are not, or a part failed (each is named);
            2 wrong usage; 130 interrupted"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark. Return the exit code; argparse itself exits with 2 on wrong usage."""
    args = _parser().parse_args(argv)
    try:
        with Interrupts():
            names = [name for name in PARTS if name in (args.only or PARTS)]
            report = BenchReport(datetime.now(UTC), run(names, args.runs), args.runs)
    except KeyboardInterrupt:
        note("bench: interrupted; nothing was written, and all that was started is stopped")
        return INTERRUPTED
    OUT.mkdir(exist_ok=True)
    path = OUT / ("bench.json" if args.only is None else "bench-part.json")
    path.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
    # A pipe or a file has no width of its own, and the table needs some.
    Console(width=None if sys.stdout.isatty() else 140).print(report.table())
    note(f"bench: wrote {path}")
    if args.runs < ENOUGH_RUNS:
        note(f"bench: with fewer than {ENOUGH_RUNS} runs, timings are rough")
    for sentence in report.missed:
        note(f"bench: {sentence}")
    return 1 if report.missed else 0


def run(names: Sequence[str], runs: int) -> list[PartResult]:
    """Run parts by name, one after the other."""
    progress = Progress()
    results: list[PartResult] = []
    with BenchContext(progress.say, runs) as context:
        for number, name in enumerate(names, 1):
            progress.say(f"part {number} of {len(names)}: {name}")
            results.append(run_one(name, context, results))
            progress.say(f"{name} took {results[-1].seconds:.0f} s")
    return results


def run_one(name: str, context: BenchContext, earlier: Sequence[PartResult]) -> PartResult:
    """Run one part. A part that fails does not keep the others from running: its error is its result."""
    began, (stolen, ticks) = time.monotonic(), processor_ticks()
    part: Part | None = None
    failure: str | None = None
    try:
        module = importlib.import_module(f"tests.tools.bench.{PARTS[name]}")
        found = [result.part for result in earlier if result.part is not None]
        part = module.measure(context, found) if name == "a year of it" else module.measure(context)
    except (BenchError, BundleError, NoStack, Unavailable) as error:
        failure = " ".join(str(error).split())
    except Exception as error:  # noqa: BLE001 - whatever it is, the other parts are worth having
        traceback.print_exc()
        failure = f"{type(error).__name__}: {error}"
    stolen_now, ticks_now = processor_ticks()
    share = (stolen_now - stolen) / max(1, ticks_now - ticks)
    return PartResult(name, time.monotonic() - began, part, failure, share)


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    epilog = _EPILOG.format(parts=", ".join(PARTS))
    parser = argparse.ArgumentParser("bench", description=_DESCRIPTION, epilog=epilog, formatter_class=raw)
    add = parser.add_argument
    add("--only", nargs="+", type=_part, metavar="PART", help="run these parts and no others")
    runs_help = "how often to repeat timings (default: %(default)s)"
    add("--runs", type=at_least(1), default=ENOUGH_RUNS, metavar="N", help=runs_help)
    return parser


def _part(text: str) -> str:
    """Return the part whose name begins with `text`."""
    found = [name for name in PARTS if name.lower().startswith(text.lower())]
    if len(found) > 1:
        raise argparse.ArgumentTypeError(f"{text!r} could be {' or '.join(found)}")
    if not found:
        raise argparse.ArgumentTypeError(f"there is no part {text!r}; the parts are: {', '.join(PARTS)}")
    return found[0]


if __name__ == "__main__":
    sys.exit(main())
