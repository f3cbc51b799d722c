"""`turnstile reconcile`: recount events from their registrations, repair their ledgers, and finish erasures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from infra.cli.arguments import add_stage
from infra.cli.deployment import Deployment
from infra.cli.errors import CliError, UsageError
from infra.cli.progress import progress
from infra.cli.reconcile.erasure import ErasureCleanup
from infra.cli.reconcile.output import ReconcileReport
from infra.cli.reconcile.recount import Recounter
from infra.cli.reconcile.repairer import LedgerRepairer
from infra.cli.text import plain
from workers.aws.clients import Overloaded
from workers.aws.clock import SYSTEM_CLOCK
from workers.aws.erasure import erased_users

if TYPE_CHECKING:
    import argparse

HELP = "recount registrations and repair ledgers"
DESCRIPTION = """\
Count an event's confirmed and waiting registrations and compare the result with its ledger. This shows
every difference, every seat that is free while people are waiting, and damaged registrations. It also
shows active registrations of users who were erased (DELETE /users/{userId}).

examples:
  turnstile reconcile pycon              check one event; changes nothing
  turnstile reconcile pycon --repair     have the registrar repair it, and check again
  turnstile reconcile --all --json       check every event

A repair goes through the queue (if more than 120,000 messages are before it, SQS does not find it: see
the runbook). The registrar writes the counts into the ledger, unless the ledger has changed since the
count, and then promotes people who are waiting while seats are free. Settings stay as they are: more
confirmed registrations than seats are not damage, because the capacity may have been lowered. Damage
that a recount cannot repair is reported, and the event is left alone until you repair it by hand: a
record that cannot be read or is filed wrongly, two records with the same ticket, a capacity that differs
from the event's. Registrations of erased users are cancelled, and the waiting list moves up.

It reads the whole registrations table, strongly consistent, even for one event (1 GB is 262,144 read
units), because an index may miss a person, whose seat would then be given away. It also reads the users
table. If an event's ledger changes during each of three counts, its state is unknown; try again at a
quieter time.

Exit code 0 when nothing is wrong or everything was repaired, 1 when something remains, 3 when there is
no stack."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("event", nargs="?", metavar="EVENT_ID", help="the event to check")
    parser.add_argument("--all", action="store_true", help="check every event")
    parser.add_argument("--repair", action="store_true", help="have the registrar repair what is wrong")
    add_stage(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Check the events, repair them if requested, and print the report."""
    if (not args.event) is not args.all:
        raise UsageError("choose what to check: one EVENT_ID, or --all for every event")
    deployment = Deployment.resolve(args.stage)
    try:
        report = _reconcile(deployment, args.event, repair=args.repair)
    except (ClientError, BotoCoreError, Overloaded) as error:
        raise CliError(f"an AWS request failed: {error}; run the command again") from error
    if args.json:
        print(json.dumps({"stage": args.stage} | report.as_json()))
    else:
        print("\n".join(map(plain, report.lines())))
    return 0 if report.done else 1


def _reconcile(deployment: Deployment, event_id: str | None, *, repair: bool) -> ReconcileReport:
    clients, outputs = deployment.clients, deployment.outputs
    with progress("reading registrations", None) as note:
        # Before the registrations: the cancellations for a user who is erased meanwhile are on their way.
        erased = erased_users(clients.dynamodb, outputs.users_table)
        recounter = Recounter(clients.dynamodb, SYSTEM_CLOCK, outputs.tables, note, erased)
        found = recounter.recount(None if event_id is None else [event_id])
        if event_id is not None and event_id not in found.findings:
            raise CliError(f"there is no event {event_id!r}, and no registration for an event with this id")
        if not repair:
            return ReconcileReport(found, None, None, single=event_id is not None)
        # The ledgers first: a count is true of one ledger version, and each cancellation creates another one.
        repairer = LedgerRepairer(recounter, clients.sqs, outputs.queue_url, SYSTEM_CLOCK)
        repaired = repairer.repair(found.findings)
        cleanup = ErasureCleanup(
            clients.dynamodb,
            clients.sqs,
            SYSTEM_CLOCK,
            table=outputs.registrations_table,
            queue_url=outputs.queue_url,
        )
        return ReconcileReport(found, repaired, cleanup.cancel(found.erased), single=event_id is not None)
