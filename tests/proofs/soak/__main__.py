"""`make soak`: a long run of the whole local stack under faults, and a check of everything that it promised."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType

from infra.cli.deployment import Deployment
from infra.cli.processes import Children, Interrupts
from tests.proofs.soak.checker import violations
from tests.proofs.soak.faults import FaultProxy, fault_proxy
from tests.proofs.soak.history import History, read_history, read_items
from tests.proofs.soak.load import LoadGenerator
from tests.proofs.soak.report import SoakReport, report_of
from tests.proofs.soak.stack import come_to_rest, keep_tables, replay_dead_letters, send_through
from tests.support.command_line import WRONG_USAGE, Progress, note, proof_parser, run_proof
from tests.support.stacks import NoStack, own_stack, queue_depth

HISTORY, TABLES = "history.jsonl", "tables.json"
_SAY_SECONDS = 60.0
_TICK_SECONDS = 1.0

_DESCRIPTION = """\
Run the whole local stack for a long time while many of its calls to AWS fail, and check its promises.

A fault proxy (microburst) stands between the functions and the emulator, with IAM enforced: it
throttles, answers 5xx, delays, does not answer, and breaks connections before and after a call took
effect. People register, cancel and come back, an organiser changes seats. Then the faults stop, and
when all is at rest the recorded answers are compared with the tables: each acknowledged registration
is there, exactly once, in an order that can be explained.

Progress goes to stderr every minute. Ctrl-C ends the run early and checks it; twice ends it at once."""

_EPILOG = """\
examples:
  make soak                                        20 minutes, 40 % faults
  make soak SOAK_ARGS="--minutes 2 --seed 7"       a short one
  .venv/bin/python -m tests.proofs.soak --check build/soak   check again what an earlier run has written

written to --out:
  history.jsonl   every request and answer
  tables.json     the tables when all was at rest
  microburst.log  the fault proxy's log

exit codes: 0 all is well; 1 something is not (each is named), or the stack did not start;
            2 wrong usage; 130 interrupted before there was anything to check"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the soak. Returns the exit code; argparse itself exits with 2 on wrong usage."""
    args = _parser().parse_args(argv)
    if args.check:
        return _check_again(args.check)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        for old in (HISTORY, TABLES):
            (args.out / old).unlink(missing_ok=True)
    except OSError as error:
        note(f"soak: cannot write to {args.out}: {error.strerror}")
        return WRONG_USAGE
    return run_proof("soak", lambda: _report(args), NoStack, RuntimeError)


def _report(args: argparse.Namespace) -> int:
    with Interrupts() as interrupts, Children(interrupts) as children:
        report = run(args, children)
    print(json.dumps(asdict(report) | {"ok": report.ok}) if args.json else report.as_text())
    for sentence in (*report.shortcomings, *report.violations):
        note(f"soak: {sentence}")
    if not report.ok:
        note(f"soak: the history is in {args.out}; check it again with --check {args.out}")
    return 0 if report.ok else 1


def run(args: argparse.Namespace, children: Children) -> SoakReport:
    """Start stack and proxy, send the load, wait for rest, and check."""
    say = Progress().say
    with (args.out / HISTORY).open("w", encoding="utf-8") as file, own_stack(say) as deployment:
        history = History(file)
        assert deployment.outputs.endpoint_url is not None
        proxy = fault_proxy(deployment.outputs.endpoint_url, args.out, args.seed, children)
        send_through(deployment, proxy.url)
        load = LoadGenerator(deployment.outputs.api_url, history, args.seed)
        load.prepare()
        say(f"{args.minutes:g} minutes begin, with {args.faults:.0%} faults, seed {args.seed}")
        began = time.monotonic()
        proxy.inject(args.faults)
        stopped = stop_on_signal()
        with load.running():
            _watch(deployment, proxy, load, stopped, say, began + 60 * args.minutes)
        seconds = time.monotonic() - began
        proxy.stop()
        counts = proxy.counts()
        say("no more requests, no more faults; waiting for rest")
        unrest = come_to_rest(deployment)
        letters, more_unrest = replay_dead_letters(deployment, say)
        keep_tables(deployment, args.out / TABLES, unrest + more_unrest)
    exchanges = read_history(args.out / HISTORY)
    found = violations(exchanges, read_items(args.out / TABLES))
    return report_of(exchanges, seconds, counts, args.faults, len(letters), found)


def _watch(
    deployment: Deployment,
    proxy: FaultProxy,
    load: LoadGenerator,
    stopped: threading.Event,
    say: Callable[[str], None],
    end: float,
) -> None:
    """Report progress every minute, until the time is over or somebody stops the run."""
    said = time.monotonic()
    while not stopped.wait(_TICK_SECONDS) and time.monotonic() < end:
        load.check()
        if time.monotonic() - said > _SAY_SECONDS:
            said = time.monotonic()
            counts = proxy.counts()
            depth = queue_depth(deployment.clients, deployment.outputs.queue_url)
            say(f"{load.sent} requests; {counts.share:.1%} of {counts.calls} calls met a fault; {depth} in the queue")


def stop_on_signal() -> threading.Event:
    """Return an event that the next SIGINT or SIGTERM sets; the one after it has its usual effect."""
    stopped = threading.Event()
    before = {kind: signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)}

    def stop(_number: int, _frame: FrameType | None) -> None:
        for kind, handler in before.items():
            signal.signal(kind, handler)
        note("soak: ending early, then checking")
        stopped.set()

    for kind in before:
        signal.signal(kind, stop)
    return stopped


def _check_again(directory: Path) -> int:
    try:
        found = violations(read_history(directory / HISTORY), read_items(directory / TABLES))
    except (OSError, ValueError, KeyError) as error:
        note(f"soak: {directory} has no complete run to check: {error}")
        return WRONG_USAGE
    print("\n".join(found) or "All is well.")
    return 1 if found else 0


def _parser() -> argparse.ArgumentParser:
    parser = proof_parser("soak", _DESCRIPTION, _EPILOG)
    parser.add_argument("--minutes", type=_between(0, 1e6), default=20, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--faults",
        type=_between(0.05, 0.9),
        default=0.4,
        metavar="SHARE",
        help="share of the functions' calls to AWS that meet a fault, 0.05 to 0.9 (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="of requests and faults (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, default=Path("build/soak"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--check", type=Path, metavar="DIR", help="run nothing: check what an earlier run wrote there")
    return parser


def _between(least: float, most: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not least <= value <= most or not value:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least:g} to {most:g}")
        return value

    return number


if __name__ == "__main__":
    sys.exit(main())
