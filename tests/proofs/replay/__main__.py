"""`make prove-replay`: the proof of `turnstile dlq replay` in full, on a stack of its own."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from infra.cli.processes import Interrupts
from tests.proofs.replay.proof import Size, prove
from tests.support.command_line import INTERRUPTED, at_least, note
from tests.support.stacks import NoStack, own_stack

_DESCRIPTION = """\
Prove that replaying dead letters loses, doubles and reorders nothing.

People register, cancel and register again; all of it lies in the dead-letter queue. Replays of it are
killed at random moments, the main queue forgets now and then what it has seen, and other people register
meanwhile. The last replay goes to its end. Then every command was decided, exactly once, and in its order.

The stack is brought up for this alone, and ended. Progress goes to stderr, the figures to stdout."""

_EPILOG = """\
examples:
  make prove-replay                                    1,000 letters, 500 killed replays; some minutes
  make prove-replay PROVE_ARGS="--letters 60 --events 6 --kills 10"
  .venv/bin/python -m tests.proofs.replay --json              the figures as one JSON object

exit codes: 0 it holds; 1 it does not, or there is no stack to see it on; 2 wrong usage; 130 interrupted"""


def main(argv: Sequence[str] | None = None) -> int:
    """Prove it. Returns the exit code; argparse itself exits with 2 on wrong usage."""
    args = _parser().parse_args(argv)
    size = Size(args.letters, args.events, args.kills, args.seed, forgetful=True)
    try:
        with Interrupts(), own_stack(note) as deployment:
            findings = prove(deployment, size, note)
    except NoStack as error:
        note(f"prove-replay: {error}")
        return 1
    except KeyboardInterrupt:
        note("prove-replay: interrupted; all that was started is ended")
        return INTERRUPTED
    figures = asdict(findings) | {"ok": findings.ok}
    print(json.dumps(figures) if args.json else "\n".join(f"{name:<16} {value}" for name, value in figures.items()))
    return 0 if findings.ok else 1


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("prove-replay", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=raw)

    def number(option: str, usual: int, help_: str) -> None:
        parser.add_argument(
            option, type=at_least(1), default=usual, metavar="N", help=f"{help_} (default: %(default)s)"
        )

    number("--letters", 1000, "how many dead letters")
    number("--events", 50, "of how many events they are")
    number("--kills", 500, "how many replays are killed")
    parser.add_argument("--seed", type=int, default=1, help="of who asks for what, and of when (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    return parser


if __name__ == "__main__":
    sys.exit(main())
