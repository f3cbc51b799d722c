"""`turnstile verify`: does a deployment work?"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from infra.cli.arguments import add_stage
from infra.cli.deployment import LOCAL, Deployment
from infra.cli.verify.checks import Result, closed, logs, parts, perform
from infra.cli.verify.journey import Journey

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

HELP = "check a deployment, with one registration from end to end"
DESCRIPTION = """\
Check a deployment, one line each: tables and indexes, queues, functions, event source mappings and
routes, with their authorizer; then, over HTTP, one registration from end to end with waiting list,
cancellation and promotion, on a throw-away event; and that no function logged an error meanwhile.
What it made is deleted afterwards; if something stays, it says what.

On AWS nobody can be signed in from here: instead of the registration it is checked that callers
without a token are refused.

examples:
  turnstile verify
  turnstile verify --stage dev
  turnstile verify --json

Exit code 0 when all is well, 1 when a check failed or something stays, 3 when there is no stack."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_stage(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")


def run(args: argparse.Namespace) -> int:
    """Check it."""
    deployment = Deployment.resolve(args.stage)
    journey = Journey(deployment)
    results = []
    try:
        for result in _results(deployment, journey):
            results.append(result)
            if not args.json:
                verdict = "ok     " if result.ok else "FAILED "
                print(f"{verdict} {result.name}: {result.detail}", flush=True)
    finally:
        remains = journey.clean_up()
    ok = all(result.ok for result in results) and not remains
    if args.json:
        checks = [asdict(result) for result in results]
        print(json.dumps({"stage": args.stage, "ok": ok, "checks": checks, "remains": remains}))
    else:
        for item in remains:
            print(f"remains {item}")
        print("All is well." if ok else "Not all is well.")
    return 0 if ok else 1


def _results(deployment: Deployment, journey: Journey) -> Iterator[Result]:
    since = time.time()
    for check in parts(deployment):
        yield perform(check)
    for check in journey.checks() if deployment.stage == LOCAL else [closed(deployment)]:
        result = perform(check)
        yield result
        if not result.ok:
            break
    yield perform(logs(deployment, since))
