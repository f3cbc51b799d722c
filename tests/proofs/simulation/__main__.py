"""`make simulate`: many histories of the whole pipeline, with faults, from seeds."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from tests.proofs.simulation.campaign import ENOUGH, CampaignTotals, quiet, run
from tests.proofs.simulation.faults import Fault
from tests.proofs.simulation.seeded_bugs import SEEDED_BUGS
from tests.proofs.simulation.shrink import Shrinker
from tests.proofs.simulation.simulation import RunSettings, simulate
from tests.support.command_line import at_least, proof_parser

_DESCRIPTION = """\
Run histories of the whole pipeline: the real handlers on queues and tables in memory, in virtual
time. A seed determines everything: requests, interleaving and faults (crashes, lost answers,
conflicts, duplicates, stale indexes, poison and so on). The rules are checked after every committed
write, and at rest.

When a rule breaks, print the shortest history found that breaks the same rule, and how to repeat it."""

_EPILOG = f"""\
examples:
  python -m tests.proofs.simulation                            {ENOUGH} histories, seeds 0 to {ENOUGH - 1}
  python -m tests.proofs.simulation --seeds 2000 --from 500    seeds 500 to 2499
  python -m tests.proofs.simulation --seeds 1 --from 7 --story trace history 7, call by call
  python -m tests.proofs.simulation --plant bare-add           with a bug in the product: is it seen?

exit codes: 0 no rule broke; 1 one did, or at least {ENOUGH} histories had some fault never or were too quiet;
            2 wrong usage"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run them. Returns the exit code; argparse itself exits with 2 on wrong usage."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.seeds != 1 and (args.only or args.without or args.story):
        parser.error("--only, --without and --story are about one history: with --seeds 1")
    if args.plant:
        SEEDED_BUGS[args.plant].plant()
    seconds = 0.0
    settings = RunSettings(args.first, args.only, args.without)
    if args.seeds == 1:
        with quiet():
            history = simulate(settings, tell=args.story)
        print("".join(f"{line}\n" for line in history.trace), end="")
        totals = CampaignTotals()
        totals.add(history)
    else:
        totals, seconds = run(args.first, args.seeds, _progress, args.processes, args.plant)
    _end_progress()
    _report(totals, seconds, as_json=args.json)
    if totals.broken and settings.keep is None:
        _explain(RunSettings(min(totals.broken), without=args.without), args.plant)
    return 1 if totals.broken or totals.shortcomings() else 0


def _parser() -> argparse.ArgumentParser:
    parser = proof_parser("python -m tests.proofs.simulation", _DESCRIPTION, _EPILOG)
    add = parser.add_argument
    add("--seeds", type=at_least(1), default=ENOUGH, metavar="N", help="how many (default: %(default)s)")
    add("--from", type=int, default=0, dest="first", metavar="SEED", help="the first seed (default: 0)")
    add("--processes", type=at_least(1), metavar="N", help="at the same time (default: one per processor)")
    add("--only", type=_numbers, metavar="N,N", help="with one seed: only these requests of its workload")
    add(
        "--without",
        type=_faults,
        default=frozenset(),
        metavar="FAULT,FAULT",
        help="with one seed: none of these faults",
    )
    add("--story", action="store_true", help="with one seed: trace it, call by call")
    add("--plant", choices=sorted(SEEDED_BUGS), metavar="BUG", help="; ".join(sorted(SEEDED_BUGS)))
    return parser


def _report(totals: CampaignTotals, seconds: float, *, as_json: bool) -> None:
    rate = round(totals.steps / seconds) if seconds else None
    if as_json:
        figures = {
            "histories": totals.histories,
            "broken": {seed: {"rule": v.rule, "detail": v.detail} for seed, v in totals.broken.items()},
            "averages": totals.averages(),
            "faults": {fault.name.lower(): totals.fired[fault] for fault in Fault},
            "failed": {" ".join(call): number for call, number in sorted(totals.failed.items())},
            "seconds": round(seconds, 1),
            "stepsPerSecond": rate,
            "shortcomings": totals.shortcomings(),
        }
        print(json.dumps(figures))
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


def _explain(settings: RunSettings, bug: str | None) -> None:
    """Trace the shortest history of the same kind on stderr, and print how to repeat it."""
    with quiet():
        shrunk = Shrinker(simulate(settings), _say).shrink()
        history = simulate(shrunk, tell=True)
    _end_progress()
    print("\nThe shortest history found:", *history.trace, "", sep="\n", file=sys.stderr)
    keep = sorted(shrunk.keep or ())
    for step in history.workload.steps:
        if step.number in keep:
            print(f"  {step}", file=sys.stderr)
    command = f"python -m tests.proofs.simulation --seeds 1 --from {settings.seed} --only {','.join(map(str, keep))}"
    if shrunk.without:
        command += f" --without {','.join(sorted(fault.name.lower() for fault in shrunk.without))}"
    command += (f" --plant {bug}" if bug else "") + " --story"
    print(f"\nRun it again:\n  {command}", file=sys.stderr)
    print(f"All of it:\n  make simulate SEEDS=1 FROM={settings.seed}", file=sys.stderr)


def _progress(totals: CampaignTotals, seconds: float) -> None:
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
