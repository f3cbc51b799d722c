"""`make bench`: measures everything, side by side with what it is to be compared with."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from infra.build.bundles import BundleError
from infra.cli.processes import Interrupts
from tests.support.command_line import INTERRUPTED, WRONG_USAGE, Progress, at_least
from tests.support.dynamodb_local import Unavailable
from tests.support.stacks import NoStack
from tests.tools.bench.figures import Part
from tests.tools.bench.machine import processor_ticks
from tests.tools.bench.pictures import page
from tests.tools.bench.report import Report, Result
from tests.tools.bench.setting import BenchError, Setting

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
"""The parts in the order in which they run, and their modules. Those that need the local stack come late, so that it
takes no processor time from the others; the cost comes last, because it reckons with what was measured before."""

ENOUGH_RUNS = 5

_DESCRIPTION = """\
Measure Turnstile beside the textbook solution and beside the limits of what it is built on.

Everything runs on this machine: AWS's DynamoDB Local, and the local stack. Progress goes to
stderr, a table to stdout, every figure to build/bench.json, pictures to build/bench.html
(bench-part.json and .html with --only). Ctrl-C ends all that was started; nothing is written then."""

_EPILOG = """\
parts: {parts}

examples:
  make bench                                          everything; five minutes on 2 processors
  make bench BENCH_ARGS="--only counts"               one part; the beginning of its name is enough
  make bench BENCH_ARGS="--only hot spread --runs 9"  two parts, more patiently
  .venv/bin/python -m tests.tools.bench --json              the figures as one JSON object on stdout

exit codes: 0 all goals are met; 1 some are not, or a part failed (each is named);
            2 wrong usage; 130 interrupted"""


class Parts(Progress):
    """Progress that also says which part it is."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number
        self._where = ""
        self._name = ""

    def part(self, number: int, name: str) -> None:
        """Says which part begins; counted from 1."""
        self._where, self._name = f"{number} of {self._number}, {name}", name
        self.say("begins")

    def say(self, text: str) -> None:
        """Says what goes on."""
        super().say(f"{self._where}: {text.removeprefix(f'{self._name}: ')}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark. Returns the exit code; argparse itself exits with 2 on wrong usage."""
    args = _parser().parse_args(argv)
    names = args.only or list(PARTS)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"bench: cannot write to {args.out}: {error.strerror}", file=sys.stderr)
        return WRONG_USAGE
    try:
        with Interrupts():
            report = Report(datetime.now(UTC), run([name for name in PARTS if name in names], args.runs), args.runs)
            written = write(report, args.out, "bench" if args.only is None else "bench-part")
    except KeyboardInterrupt:
        print("bench: interrupted; nothing was written, and all that was started is ended", file=sys.stderr)
        return INTERRUPTED
    if args.json:
        print(json.dumps(report.as_json()))
    else:
        # A pipe or a file has no width of its own, and the table needs some.
        Console(width=None if sys.stdout.isatty() else 140).print(report.table())
    for path in written:
        print(f"bench: wrote {path}", file=sys.stderr)
    if args.runs < ENOUGH_RUNS:
        print(f"bench: with fewer than {ENOUGH_RUNS} runs, what is timed is rough", file=sys.stderr)
    for sentence in report.missed:
        print(f"bench: {sentence}", file=sys.stderr)
    return 1 if report.missed else 0


def run(names: Sequence[str], runs: int) -> list[Result]:
    """Runs parts by name, one after the other; what one of them prints goes to stderr."""
    progress = Parts(len(names))
    results: list[Result] = []
    with _everything_on_stderr(), Setting(progress.say, runs) as setting:
        for number, name in enumerate(names, 1):
            progress.part(number, name)
            results.append(run_one(name, setting, results))
            progress.say(f"took {results[-1].seconds:.0f} s")
    return results


def run_one(name: str, setting: Setting, earlier: Sequence[Result]) -> Result:
    """Runs one part. One that fails does not keep the others from running: its error is its result."""
    began, (stolen, ticks) = time.monotonic(), processor_ticks()
    part: Part | None = None
    failure: str | None = None
    try:
        module = importlib.import_module(f"tests.tools.bench.{PARTS[name]}")
        found = [result.part for result in earlier if result.part is not None]
        part = module.measure(setting, found) if name == "a year of it" else module.measure(setting)
    except (BenchError, BundleError, NoStack, Unavailable) as error:
        failure = " ".join(str(error).split())
    except Exception as error:  # noqa: BLE001 - whatever it is, the other parts are worth having
        traceback.print_exc()
        failure = f"{type(error).__name__}: {error}"
    stolen_now, ticks_now = processor_ticks()
    share = (stolen_now - stolen) / max(1, ticks_now - ticks)
    return Result(name, time.monotonic() - began, part, failure, share)


@contextmanager
def _everything_on_stderr() -> Iterator[None]:
    """Also what is written to the descriptor itself, by loggers made earlier and by child processes."""
    sys.stdout.flush()
    stdout = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        sys.stdout.flush()
        os.dup2(stdout, 1)
        os.close(stdout)


def write(report: Report, directory: Path, name: str) -> list[Path]:
    """Writes `{name}.json` and `{name}.html`; answers where they are."""
    figures, pictures = directory / f"{name}.json", directory / f"{name}.html"
    figures.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
    pictures.write_text(page(report), encoding="utf-8")
    return [figures, pictures]


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    epilog = _EPILOG.format(parts=", ".join(PARTS))
    parser = argparse.ArgumentParser("bench", description=_DESCRIPTION, epilog=epilog, formatter_class=raw)
    parser.add_argument("--only", nargs="+", type=_part, metavar="PART", help="run these parts and no others")
    parser.add_argument(
        "--runs",
        type=at_least(1),
        default=ENOUGH_RUNS,
        metavar="N",
        help="how often to repeat what is timed (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead of a table")
    parser.add_argument(
        "--out", type=Path, default=Path("build"), metavar="DIRECTORY", help="where to write (default: build)"
    )
    return parser


def _part(text: str) -> str:
    """The part whose name begins like this."""
    found = [name for name in PARTS if name.lower().startswith(text.lower())]
    if len(found) > 1:
        raise argparse.ArgumentTypeError(f"{text!r} could be {' or '.join(found)}")
    if not found:
        raise argparse.ArgumentTypeError(f"there is no part {text!r}; there are: {', '.join(PARTS)}")
    return found[0]


if __name__ == "__main__":
    sys.exit(main())
