"""`make prove-replay`: the full proof of `turnstile dlq replay`, on a stack of its own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict

from tests.proofs.replay.proof import ProofSize, prove
from tests.support.command_line import at_least, note, print_figures, proof_parser, run_proof
from tests.support.stacks import NoStack, own_stack

_DESCRIPTION = """\
Prove that replaying dead letters loses, doubles and reorders nothing.

People register, cancel and register again; all of it lies in the dead-letter queue. Replays of it are
killed at random moments, the main queue sometimes forgets deduplication ids, and other people register
meanwhile. The last replay runs to its end. Then every command was decided, exactly once, in order.

The stack is started for this alone. Progress goes to stderr, the figures to stdout."""

_EPILOG = """\
examples:
  make prove-replay                                    1,000 dead letters, 500 killed replays; some minutes
  make prove-replay PROVE_ARGS="--letters 60 --events 6 --kills 10"

exit codes: 0 it holds; 1 it does not, or there is no stack; 2 wrong usage; 130 interrupted"""


def main(argv: Sequence[str] | None = None) -> int:
    """Prove it. Returns the exit code; argparse itself exits with 2 on wrong usage."""
    parser = proof_parser("prove-replay", _DESCRIPTION, _EPILOG)
    for option, default, what in (
        ("--letters", 1000, "how many dead letters"),
        ("--events", 50, "of how many events they are"),
        ("--kills", 500, "how many replays are killed"),
    ):
        parser.add_argument(option, type=at_least(1), default=default, metavar="N", help=f"{what} (default: {default})")
    parser.add_argument("--seed", type=int, default=1, help="of requests and of kills (default: %(default)s)")
    args = parser.parse_args(argv)

    def run() -> int:
        size = ProofSize(args.letters, args.events, args.kills, args.seed, forgetful=True)
        with own_stack(note) as deployment:
            findings = prove(deployment, size, note)
        print_figures(asdict(findings) | {"ok": findings.ok}, as_json=args.json)
        return 0 if findings.ok else 1

    return run_proof("prove-replay", run, NoStack)


if __name__ == "__main__":
    sys.exit(main())
