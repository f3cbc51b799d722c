"""`make prove-races`: many threads race for few seats on DynamoDB Local; every state is checked."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from tests.proofs.races.proof import prove, seated_without_conditions
from tests.proofs.races.race import EVENTS, RUSHED
from tests.support.command_line import at_least, note, print_figures, proof_parser, run_proof
from tests.support.dynamodb_local import Unavailable, dynamodb_local

FEWEST_THREADS = 4
"""With fewer there would be more seats than people in the rush."""
MOST_SENTENCES = 20

_DESCRIPTION = """\
Prove that the conditions of the writes alone keep the rules.

Threads with an API, a registrar and a promoter each work on a few events with few seats, on AWS's
DynamoDB Local. The queue is worse than the real one: no order, no groups, copies. Every fifth write is
refused as a conflict, some answers get lost. Then every committed state is checked, and every command
and answer is compared with what was written.

First comes the counter-proof: the same rush with the conditions removed must oversell."""

_EPILOG = """\
examples:
  python -m tests.proofs.races                        500 commands
  python -m tests.proofs.races --commands 10000       the long run

exit codes: 0 it holds; 1 it does not (stderr says what); 2 wrong usage; 130 interrupted"""


def main(argv: Sequence[str] | None = None) -> int:
    """Prove it. Returns the exit code; argparse itself exits with 2 on wrong usage."""
    parser = proof_parser("prove-races", _DESCRIPTION, _EPILOG)
    parser.add_argument(
        "--commands", type=at_least(1), default=500, metavar="N", help="accepted by the API (default: 500)"
    )
    parser.add_argument(
        "--threads", type=at_least(FEWEST_THREADS), default=20, metavar="N", help="4 or more (default: 20)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of requests, not of the threads' timing (default: 1)")
    args = parser.parse_args(argv)

    def say(line: str) -> None:
        note(f"prove-races: {line}")

    def run() -> int:
        capacity = EVENTS[RUSHED].capacity
        with dynamodb_local(thorough=True) as url:
            say(f"without conditions, {args.threads} threads at once")
            seated = seated_without_conditions(url, args.threads)
            findings = prove(url, args.commands, args.threads, args.seed, say)
        blind = [] if seated > capacity else [f"blind: without conditions, only {seated} got one of {capacity} seats"]
        broken = [*blind, *findings.broken]
        figures = asdict(findings) | {"seated_without_conditions": seated, "broken": broken, "ok": not broken}
        if args.json:
            print(json.dumps(figures))
        else:
            flat = {name: value for name, value in figures.items() if name not in {"trouble", "broken"}}
            print_figures(flat | findings.trouble, as_json=False)
        for sentence in broken[:MOST_SENTENCES]:
            say(sentence)
        if len(broken) > MOST_SENTENCES:
            say(f"and {len(broken) - MOST_SENTENCES} more")
        return 1 if broken else 0

    return run_proof("prove-races", run, Unavailable)


if __name__ == "__main__":
    sys.exit(main())
