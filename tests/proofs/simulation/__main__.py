"""`make simulate`: many histories of the whole pipeline, with faults, from seeds."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from tests.proofs.simulation.campaign import ENOUGH, Totals, quiet, run, some
from tests.proofs.simulation.faults import Fault
from tests.proofs.simulation.seeded_bugs import SEEDED_BUGS
from tests.proofs.simulation.shrink import Shrinker
from tests.proofs.simulation.simulation import RunResult, RunSettings, simulate
from tests.support.command_line import at_least

DESCRIPTION = """\
Run histories of the whole pipeline: the real handlers on queues and tables in memory, in virtual
time. A seed decides everything: what people ask for, who goes on when, and which faults there are
(crashes, lost answers, conflicts, duplicates, stale indexes, poison and so on). After every
committed write the rules are checked that may never break, and at rest what remains of them.

examples:
  python -m tests.proofs.simulation                            200 histories, seeds 0 to 199
  python -m tests.proofs.simulation --seeds 2000 --from 500    seeds 500 to 2499
  python -m tests.proofs.simulation --seeds 1 --from 7 --story tell history 7, call by call
  python -m tests.proofs.simulation --plant bare-add           with a mistake in the product: does it see it?

When a rule breaks, it looks for the shortest history that breaks the same rule, tells it, and says
how to run it again.

Exit code 0 when no rule broke, 1 when one did, or when at least 200 histories had some fault never
or were too quiet, 2 on wrong usage."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs them."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.seeds != 1 and (args.only or args.without or args.story):
        parser.error("--only, --without and --story are about one history: with --seeds 1")
    if args.plant:
        SEEDED_BUGS[args.plant].plant()
    if args.seeds == 1:
        return _one(RunSettings(args.first, args.only, args.without), args)
    if args.first_only:
        totals, seconds = some(range(args.first, args.first + args.seeds)), 0.0
    else:
        totals, seconds = run(args.first, args.seeds, _progress, args.processes, args.plant)
    _end_progress()
    _report(totals, seconds, args)
    if totals.broken and not args.brief:
        _explain(RunSettings(min(totals.broken)), args)
    return 1 if totals.broken or totals.shortcomings() else 0


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m tests.proofs.simulation", description=DESCRIPTION, formatter_class=raw)
    parser.add_argument(
        "--seeds", type=at_least(1), default=ENOUGH, metavar="N", help="how many (default: %(default)s)"
    )
    parser.add_argument("--from", type=int, default=0, dest="first", metavar="SEED", help="the first seed (default: 0)")
    parser.add_argument(
        "--processes", type=at_least(1), metavar="N", help="at the same time (default: one per processor)"
    )
    parser.add_argument("--only", type=_numbers, metavar="N,N", help="with one seed: these requests of its plan only")
    parser.add_argument(
        "--without",
        type=_faults,
        default=frozenset(),
        metavar="FAULT,FAULT",
        help="with one seed: none of these faults",
    )
    parser.add_argument("--story", action="store_true", help="with one seed: tell it, call by call")
    parser.add_argument(
        "--plant",
        choices=sorted(SEEDED_BUGS),
        metavar="BUG",
        help="; ".join(sorted(SEEDED_BUGS)),
    )
    parser.add_argument("--first-only", action="store_true", help="one after the other, up to the first broken rule")
    parser.add_argument(
        "--brief", action="store_true", help="do not look for the shortest history that breaks the rule"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _one(settings: RunSettings, args: argparse.Namespace) -> int:
    with quiet():
        history = simulate(settings, tell=args.story)
    for line in history.story:
        print(line)
    totals = Totals()
    totals.add(history)
    _report(totals, 0, args)
    if history.violation is not None and settings.keep is None and not args.brief:
        _explain(settings, args)
    return 1 if history.violation else 0


def _report(totals: Totals, seconds: float, args: argparse.Namespace) -> None:
    rate = round(totals.steps / seconds) if seconds else None
    if args.json:
        broken = {seed: {"rule": v.rule, "detail": v.detail} for seed, v in totals.broken.items()}
        fired = {fault.name.lower(): totals.fired[fault] for fault in Fault}
        found = {"histories": totals.histories, "broken": broken, "averages": totals.averages(), "faults": fired}
        found["failed"] = {" ".join(call): number for call, number in sorted(totals.failed.items())}
        more = {"seconds": round(seconds, 1), "stepsPerSecond": rate, "shortcomings": totals.shortcomings()}
        print(json.dumps(found | more))
        return
    for fault in Fault:
        print(f"{totals.fired[fault]:9,}  {fault}")
    for call, number in sorted(totals.failed.items()):
        print(f"{number:9,}  failed after all attempts: {' '.join(call)}")
    averages = ", ".join(f"{number} {name}" for name, number in totals.averages().items())
    pace = f" in {seconds:.0f} s: {rate:,} steps/s" if rate else ""
    print(f"{totals.histories:,} histories{pace}; on average {averages}; {len(totals.broken)} broke a rule.")
    for sentence in totals.shortcomings():
        print(f"NOT ENOUGH: {sentence}")
    for seed, violation in sorted(totals.broken.items()):
        print(f"BROKEN in history {seed}: {violation.rule}\n  {violation.detail}")


def _explain(settings: RunSettings, args: argparse.Namespace) -> None:
    """Looks for a short history of the same kind, and tells it. On standard error, so that a pipe can read the rest."""
    with quiet():
        shrunk = Shrinker(simulate(settings), _say).shrink()
        history = simulate(shrunk, tell=True)
    _end_progress()
    print("\nThe shortest history found:", *history.story, sep="\n", file=sys.stderr)
    print(f"\n{_requests(history)}\n\nRun it again:\n  {_command(shrunk, args)}", file=sys.stderr)
    print(f"All of it:\n  make simulate SEEDS=1 FROM={settings.seed}", file=sys.stderr)


def _requests(history: RunResult) -> str:
    keep = history.settings.keep or frozenset()
    return "\n".join(f"  {step}" for step in history.workload.steps if step.number in keep)


def _command(settings: RunSettings, args: argparse.Namespace) -> str:
    only = ",".join(map(str, sorted(settings.keep or ())))
    without = ",".join(sorted(fault.name.lower() for fault in settings.without))
    plant = f" --plant {args.plant}" if args.plant else ""
    excluded = f" --without {without}" if without else ""
    return f"python -m tests.proofs.simulation --seeds 1 --from {settings.seed} --only {only}{excluded}{plant} --story"


def _progress(totals: Totals, seconds: float) -> None:
    _say(f"{totals.histories:,} histories, {totals.histories / seconds:.1f}/s, {len(totals.broken)} broke a rule")


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def _end_progress() -> None:
    if sys.stderr.isatty():
        print(file=sys.stderr)


def _numbers(text: str) -> frozenset[int]:
    return frozenset(map(int, text.split(",")))


def _faults(text: str) -> frozenset[Fault]:
    try:
        return frozenset(Fault[name.strip().upper()] for name in text.split(",") if name.strip())
    except KeyError as error:
        names = ", ".join(fault.name.lower() for fault in Fault)
        raise argparse.ArgumentTypeError(f"there is no fault {error}; there are {names}") from None


if __name__ == "__main__":
    sys.exit(main())
