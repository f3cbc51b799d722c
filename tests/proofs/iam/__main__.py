"""`make prove-iam`: takes each grant away from a running stack, one at a time, and sees that something misses it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import httpx

from infra.cli.deployment import Deployment
from infra.cli.processes import Interrupts
from tests.proofs.iam.grants import Grant, grants_of, without
from tests.proofs.iam.journey import Journey, Stuck
from tests.proofs.iam.needs import needs_of
from tests.support.command_line import INTERRUPTED, note
from tests.support.stacks import NoStack, own_stack

_DESCRIPTION = """\
Take away each action that the functions' roles allow on each resource, one at a time, from a local
stack that enforces IAM, and make a journey through everything that the functions do: it must get
stuck. What the emulator does not enforce (Lambda's own reading of queue and stream, its on-failure
destination, logs) must be what AWS's documentation asks for. A grant that nothing misses is one
too many.

The stack is brought up for this alone, and ended. Progress goes to stderr, the result to stdout."""

_EPILOG = """\
examples:
  make prove-iam                                    everything; some minutes
  make prove-iam PROVE_ARGS="--only Registrar"      the grants of one function
  .venv/bin/python -m tests.proofs.iam --json              one JSON object on stdout

exit codes: 0 each grant is missed by something; 1 one is not, or there is no stack to see it on;
            2 wrong usage; 130 interrupted"""


@dataclass(frozen=True, slots=True)
class Result:
    """A grant, and what misses it; None if nothing does."""

    grant: Grant
    missed_by: str | None


def main(argv: Sequence[str] | None = None) -> int:
    """Proves it. Returns the exit code; argparse itself exits with 2 on wrong usage."""
    args = _parser().parse_args(argv)
    began = time.monotonic()
    found: list[Result] = []
    try:
        with Interrupts(), own_stack(note, "--auth", "jwt") as deployment:
            for result in results(deployment, args.only):
                found.append(result)
                note(f"{result.grant}: {result.missed_by or 'NOTHING MISSES IT'}")
    except (NoStack, Stuck) as error:
        print(f"prove-iam: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("prove-iam: interrupted; all that was started is ended", file=sys.stderr)
        return INTERRUPTED
    needless = [result.grant for result in found if result.missed_by is None]
    if args.json:
        grants = [{"grant": str(result.grant), "missedBy": result.missed_by} for result in found]
        print(json.dumps({"grants": grants, "needless": [str(grant) for grant in needless]}))
    else:
        print(f"{len(found)} grants, {len(needless)} of them missed by nothing, {time.monotonic() - began:.0f} s")
    return 1 if needless or not found else 0


def results(deployment: Deployment, only: str | None) -> Iterator[Result]:
    """What becomes of taking each grant away, of all functions or of those with this in their names. Stuck if the
    journey cannot be made with all of them."""
    iam, needs = deployment.clients.iam, needs_of(deployment)
    with httpx.Client(base_url=deployment.outputs.api_url, timeout=15) as api:
        journey = Journey(deployment, api)
        journey.make()
        for grant in grants_of(iam, deployment):
            if only is not None and only not in grant.function:
                continue
            if grant in needs:
                yield Result(grant, "Lambda needs it, by its documentation")
                continue
            try:
                with without(iam, grant):
                    journey.make()
                yield Result(grant, None)
            except Stuck as stuck:
                yield Result(grant, str(stuck))
        journey.make()  # with everything given back: nothing else was broken


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m tests.proofs.iam", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=raw
    )
    parser.add_argument("--only", metavar="NAME", help="functions with this in their names, such as ApiUsers")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


if __name__ == "__main__":
    sys.exit(main())
