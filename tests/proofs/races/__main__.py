"""`make prove-races`: many threads race for few seats on DynamoDB Local; every state is checked."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from infra.cli.processes import Interrupts
from tests.proofs.races.proof import prove, seated_without_conditions
from tests.proofs.races.race import EVENTS, RUSHED
from tests.support.command_line import INTERRUPTED, at_least, note
from tests.support.dynamodb_local import Unavailable, dynamodb_local

FEWEST_THREADS = 4
"""With fewer, the rush would not be for more seats than there are."""
MOST_SENTENCES = 20

_DESCRIPTION = """\
Prove that the conditions in the tables alone keep the rules.

Threads with an API, a registrar and a promoter each work on a few events with few seats. The
tables are on AWS's DynamoDB Local. The queue is worse than the real one: no order, no groups,
copies. Every fifth write is refused as a conflict, some answers get lost. Then every state that
was ever committed is checked, and every command and every answer against what was written.

First comes the counter-proof: the same rush for seats with the conditions removed must oversell."""

_EPILOG = """\
examples:
  python -m tests.proofs.races                        500 commands
  python -m tests.proofs.races --commands 10000       the long run
  python -m tests.proofs.races --seed 7 --json        another one; figures as one JSON object on stdout

exit codes: 0 it holds; 1 it does not (stderr says what); 2 wrong usage; 130 interrupted"""


def main(argv: Sequence[str] | None = None) -> int:
    """Prove it. Returns the exit code; argparse itself exits with 2 on wrong usage."""
    args = _parser().parse_args(argv)

    def say(line: str) -> None:
        note(f"prove-races: {line}")

    capacity = EVENTS[RUSHED].capacity
    try:
        with Interrupts(), dynamodb_local(thorough=True) as url:
            say(f"without conditions, {args.threads} threads at once")
            seated = seated_without_conditions(url, args.threads)
            findings = prove(url, args.commands, args.threads, args.seed, say)
    except Unavailable as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; nothing is left running")
        return INTERRUPTED
    blind = [] if seated > capacity else [f"blind: without conditions, only {seated} got one of {capacity} seats"]
    broken = [*blind, *findings.broken]
    figures = asdict(findings) | {"seated_without_conditions": seated, "broken": broken, "ok": not broken}
    flat = {name: value for name, value in figures.items() if name not in {"trouble", "broken"}} | findings.trouble
    print(json.dumps(figures) if args.json else "\n".join(f"{name:<26} {value}" for name, value in flat.items()))
    for sentence in broken[:MOST_SENTENCES]:
        say(sentence)
    if len(broken) > MOST_SENTENCES:
        say(f"and {len(broken) - MOST_SENTENCES} more")
    return 1 if broken else 0


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("prove-races", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=raw)
    parser.add_argument(
        "--commands", type=at_least(1), default=500, metavar="N", help="that the API is to accept (default: 500)"
    )
    parser.add_argument(
        "--threads", type=at_least(FEWEST_THREADS), default=20, metavar="N", help="at least 4 (default: 20)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of what people do; threads run as they will (default: 1)")
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    return parser


if __name__ == "__main__":
    sys.exit(main())
