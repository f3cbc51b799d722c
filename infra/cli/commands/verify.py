"""`turnstile verify`: check that a deployment works and that nothing needs an operator."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

from infra.cli.arguments import add_stage
from infra.cli.deployment import Deployment
from infra.cli.processes import Interrupts
from infra.cli.text import plain
from infra.cli.verify.checks import logs, parts
from infra.cli.verify.end_to_end import EndToEndRun, new_name
from infra.cli.verify.gateway import refusals
from infra.cli.verify.health import DeadLetters, health_checks
from infra.cli.verify.identities import WANTED, identities_for, read_tokens
from infra.cli.verify.result import CheckResult, CheckVerdict, NotChecked, perform
from infra.identity import STAGES_WITH_TEST_USERS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

HELP = "check a deployment from end to end"
DESCRIPTION = f"""\
Check a deployment and print one line for each check: tables and indexes, queues, functions, event
source mappings and routes, with their authorizer; how the API answers unmatched and unauthenticated
requests; one registration from end to end, with waiting list, cancellation and promotion, on a
temporary event; and that no function logged an error during the run.
The event is on the public list during the run. Everything that the run created is deleted afterwards,
also on Ctrl-C; it prints what remains.

A registration needs an organizer and two people. Locally and on stage dev, test users are created in
the stack's own user pool and deleted afterwards. On any other stage, or with another issuer, pass
access tokens:

  {WANTED}

The organizer must be a member of the group organizers. If a token's owner already has a user, that
user is registered and kept; otherwise a user is created and deleted. Production has no test users:
without tokens, the registration is skipped.

It warns of work that needs an operator: messages in the dead-letter queue, failed promotions, ledgers
that cannot be read (of the first 2,000) or have a free seat while people are waiting, events whose
command the registrar returned to the queue within the last 20 minutes and has not decided since, and
alarms. To recount registrations, use `turnstile reconcile --all`.

--json prints one object: stage, ok, interrupted, checks (each with name, verdict, detail, todo, seconds
and ok) and remains.

examples:
  turnstile verify
  turnstile verify --stage dev
  turnstile verify --stage prod --tokens tokens.json
  fetch-tokens | turnstile verify --stage prod --tokens - --json

Exit code 0 when every check passed or was skipped; 1 when a check FAILED, there is a warning, something
remains or the run was interrupted; 2 for tokens that cannot be used; 3 when there is no stack."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_stage(parser)
    parser.add_argument(
        "--tokens", metavar="FILE", help="access tokens of an organizer and two people, as JSON; - is standard input"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")


def run(args: argparse.Namespace) -> int:
    """Run the checks, print the results and return the exit code."""
    given = read_tokens(args.tokens, time.time()) if args.tokens else None
    deployment = Deployment.resolve(args.stage)
    name = new_name()
    identities = identities_for(deployment, given, name)
    interrupts = Interrupts()
    scenario = EndToEndRun(deployment, identities, name, interrupts.hold) if identities else None
    results: list[CheckResult] = []
    remains: list[str] = []
    interrupted = False
    with interrupts:
        try:
            try:
                for result in _results(deployment, scenario):
                    results.append(result)
                    if not args.json:
                        _print(result)
            finally:
                with interrupts.hold():
                    remains = scenario.clean_up() if scenario else []
        except KeyboardInterrupt:
            interrupted = True
    ok = all(result.ok for result in results) and not remains and not interrupted
    if args.json:
        summary = {"stage": args.stage, "ok": ok, "interrupted": interrupted}
        print(json.dumps(summary | {"checks": [result.as_json() for result in results], "remains": remains}))
    else:
        for item in remains:
            print(f"remains {plain(item)}")
        print("Interrupted before all checks were done." if interrupted else _conclusion(results, ok=ok))
    if interrupted:
        print("turnstile: interrupted", file=sys.stderr)
    return 0 if ok else 1


def _print(result: CheckResult) -> None:
    print(f"{result.verdict:<7} {result.name}: {plain(result.detail)}", flush=True)
    if result.todo:
        print(f"        -> {plain(result.todo)}", flush=True)


def _conclusion(results: list[CheckResult], *, ok: bool) -> str:
    if not ok:
        return "Some checks did not pass."
    skipped = any(result.verdict is CheckVerdict.SKIPPED for result in results)
    return "All checks passed, except for skipped ones; nobody was registered." if skipped else "All checks passed."


def _results(deployment: Deployment, scenario: EndToEndRun | None) -> Iterator[CheckResult]:
    since = time.time()
    dead_letters = DeadLetters(deployment)
    for check in (*parts(deployment), *refusals(deployment), *dead_letters.checks_before()):
        yield perform(check)
    if scenario is None:
        yield perform(("one registration from end to end", lambda: _skip(deployment)))
    for check in scenario.checks() if scenario else []:
        result = perform(check)
        yield result
        if not result.ok:
            break
    for check in (dead_letters.check_after(), *health_checks(deployment), logs(deployment, since)):
        yield perform(check)


def _skip(deployment: Deployment) -> str:
    pool = "has no user pool of its own" if deployment.stage in STAGES_WITH_TEST_USERS else "allows no test users"
    todo = f"pass access tokens of an organizer and two people: --tokens FILE, with {WANTED}"
    raise NotChecked(f"the stage {deployment.stage} {pool}, so nobody was registered", todo)
