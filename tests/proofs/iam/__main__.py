"""`make prove-iam`: take each grant away from a running stack, one at a time, and see that something breaks."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import httpx

from infra.cli.deployment import Deployment
from tests.proofs.iam.grants import Grant, grants_of, without
from tests.proofs.iam.journey import Journey, JourneyFailed
from tests.proofs.iam.needs import needs_of
from tests.support.command_line import note, proof_parser, run_proof
from tests.support.stacks import NoStack, own_stack

_DESCRIPTION = """\
Take away each action that the functions' roles allow on each resource, one at a time, from a local
stack that enforces IAM, and make a journey through everything that the functions do: it must fail.
What the emulator does not enforce (Lambda's own reading of queue and stream, its on-failure
destination, logs) must be what AWS's documentation asks for. A grant that nothing needs is one
too many.

The stack is started for this alone. Progress goes to stderr, the result to stdout."""

_EPILOG = """\
examples:
  make prove-iam                                    everything; some minutes
  make prove-iam PROVE_ARGS="--only Registrar"      the grants of one function

exit codes: 0 each grant is needed; 1 one is not, or there is no stack; 2 wrong usage; 130 interrupted"""


@dataclass(frozen=True, slots=True)
class GrantResult:
    """A grant, and what breaks without it; None if nothing does."""

    grant: Grant
    missed_by: str | None


def main(argv: Sequence[str] | None = None) -> int:
    """Prove it. Returns the exit code; argparse itself exits with 2 on wrong usage."""
    parser = proof_parser("prove-iam", _DESCRIPTION, _EPILOG)
    parser.add_argument("--only", metavar="NAME", help="functions with this in their names, such as ApiUsers")
    args = parser.parse_args(argv)

    def prove() -> int:
        began, found = time.monotonic(), list[GrantResult]()
        with own_stack(note, "--auth", "jwt") as deployment:
            for result in results(deployment, args.only):
                found.append(result)
                note(f"{result.grant}: {result.missed_by or 'NOTHING NEEDS IT'}")
        needless = [str(result.grant) for result in found if result.missed_by is None]
        if args.json:
            grants = [{"grant": str(result.grant), "missedBy": result.missed_by} for result in found]
            print(json.dumps({"grants": grants, "needless": needless}))
        else:
            print(f"{len(found)} grants, {len(needless)} of them needless, {time.monotonic() - began:.0f} s")
        return 1 if needless or not found else 0

    return run_proof("prove-iam", prove, NoStack, JourneyFailed)


def results(deployment: Deployment, only: str | None) -> Iterator[GrantResult]:
    """Take away each grant, or those of functions with `only` in their names. JourneyFailed if it fails with all."""
    iam, needs = deployment.clients.iam, needs_of(deployment)
    with httpx.Client(base_url=deployment.outputs.api_url, timeout=15) as api:
        journey = Journey(deployment, api)
        journey.make()
        for grant in grants_of(iam, deployment):
            if only is not None and only not in grant.function:
                continue
            if grant in needs:
                yield GrantResult(grant, "Lambda needs it, by its documentation")
                continue
            try:
                with without(iam, grant):
                    journey.make()
                yield GrantResult(grant, None)
            except JourneyFailed as failure:
                yield GrantResult(grant, str(failure))
        journey.make()  # with all grants restored: nothing else was broken


if __name__ == "__main__":
    sys.exit(main())
