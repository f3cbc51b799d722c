"""`turnstile promote`: request promotions for events that have free seats and people waiting."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from infra.cli.arguments import add_stage
from infra.cli.deployment import Deployment
from infra.cli.errors import CliError, UsageError
from workers.aws.clients import Overloaded
from workers.aws.clock import SYSTEM_CLOCK
from workers.aws.items import DECODE_ERRORS, event_key, ledger_from_item
from workers.aws.send import promotion, send_all
from workers.domain.damage import describe_damage

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from mypy_boto3_sqs import SQSClient

    from workers.aws.items import Item
    from workers.domain.commands import Promote
    from workers.domain.records import Ledger

HELP = "request the promotions that are due"
DESCRIPTION = """\
Request a promotion for every event that has a free seat while people are waiting, as the promoter does
when a seat becomes free. Use it when an alarm says that promotions failed. The records of the failures
are deleted afterwards, which ends the alarm.

examples:
  turnstile promote                    all events; deletes the records of failed promotions
  turnstile promote --event pycon      only this event; deletes nothing
  turnstile promote --stage prod --json

Repeating it is harmless: the registrar decides by the ledger at that time. SQS ignores a promotion of
the same ledger version for five minutes. If you requested one in that time and seats are still free,
check the queue (turnstile top) and the dead letters (turnstile dlq list), then try again.

Exit code 1 when a promotion could not be sent or a record not deleted, 3 when there is no stack."""

_WAIT = 1
"""Seconds of long polling for records."""

_HIDDEN = 120
"""Seconds that the records of failures stay invisible while promotions are requested."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_stage(parser)
    parser.add_argument("--event", metavar="EVENT", help="only for this event")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Request the promotions and print them."""
    if args.event == "":
        raise UsageError("--event is empty; omit it to request promotions for every event")
    deployment = Deployment.resolve(args.stage)
    try:
        if args.event is not None:
            requested, deleted, kept = _request(deployment, _one(deployment, args.event)), 0, 0
        else:
            requested, deleted, kept = _all(deployment)
    except (ClientError, BotoCoreError, Overloaded) as error:
        raise CliError(f"not all promotions could be requested: {error}; run the command again") from error
    if args.json:
        promotions = [{"eventId": command.event_id, "ledgerVersion": command.ledger_version} for command in requested]
        print(json.dumps({"promotions": promotions, "recordsDeleted": deleted, "recordsKept": kept}))
    else:
        for command in requested:
            print(f"requested a promotion for {command.event_id!r} (ledger version {command.ledger_version})")
        records = "" if args.event is not None else f"; {deleted} records of failed promotions deleted"
        print(f"{len(requested)} promotions requested{records}.")
    if kept:
        print(
            f"turnstile: {kept} records of failed promotions could not be deleted; run the command again",
            file=sys.stderr,
        )
    return 1 if kept else 0


def _all(deployment: Deployment) -> tuple[list[Promote], int, int]:
    """Request all promotions. Return them, the number of deleted records, and of records that could not be deleted.

    The records are received before the ledgers are read: a later failure has a record of its own, which stays.
    """
    sqs, url = deployment.clients.sqs, deployment.outputs.failed_promotions_queue_url
    handles: list[str] = []
    try:
        _take(sqs, url, handles)
        requested = _request(deployment, _promotable(deployment))
    except BaseException:
        _put_back(sqs, url, handles)
        raise
    kept = _delete(sqs, url, handles)
    return requested, len(handles) - kept, kept


def _promotable(deployment: Deployment) -> list[Ledger]:
    """Return the ledgers with a free seat and people waiting, by their counts: a manual repair may not set the flag."""
    pages = deployment.clients.dynamodb.get_paginator("scan").paginate(
        TableName=deployment.outputs.ledger_table, ConsistentRead=True
    )
    ledgers = (_read(item) for page in pages for item in page["Items"])
    return [ledger for ledger in ledgers if ledger is not None and ledger.promotable]


def _read(item: Item) -> Ledger | None:
    try:
        return ledger_from_item(item)
    except DECODE_ERRORS as error:
        print(
            f"turnstile: cannot read the ledger of {item['eventId']['S']!r} ({describe_damage(error)})", file=sys.stderr
        )
        return None


def _one(deployment: Deployment, event_id: str) -> list[Ledger]:
    item = deployment.clients.dynamodb.get_item(
        TableName=deployment.outputs.ledger_table, Key=event_key(event_id), ConsistentRead=True
    ).get("Item")
    if item is None:
        raise CliError(f"event {event_id!r} has no ledger: it does not exist, or nobody has registered for it yet")
    ledger = _read(item)
    return [ledger] if ledger is not None and ledger.promotable else []


def _request(deployment: Deployment, ledgers: Sequence[Ledger]) -> list[Promote]:
    """Send a Promote for each ledger, the same command that the promoter sends."""
    now = SYSTEM_CLOCK.now()
    commands = [promotion(ledger.event_id, ledger.version, now) for ledger in ledgers]
    send_all(deployment.clients.sqs, deployment.outputs.queue_url, commands)
    return commands


def _take(sqs: SQSClient, url: str, handles: list[str]) -> None:
    """Receive all records of the queue, adding their receipt handles to `handles` one by one."""
    while True:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=_HIDDEN, WaitTimeSeconds=_WAIT
        )
        messages = answer.get("Messages", [])
        if not messages:
            return
        handles += [message["ReceiptHandle"] for message in messages]


def _put_back(sqs: SQSClient, url: str, handles: Sequence[str]) -> None:
    for start in range(0, len(handles), 10):
        batch = handles[start : start + 10]
        sqs.change_message_visibility_batch(
            QueueUrl=url,
            Entries=[
                {"Id": str(index), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                for index, handle in enumerate(batch)
            ],
        )


def _delete(sqs: SQSClient, url: str, handles: Sequence[str]) -> int:
    """Delete the records, and return how many could not be deleted."""
    kept = 0
    for start in range(0, len(handles), 10):
        batch = handles[start : start + 10]
        answer = sqs.delete_message_batch(
            QueueUrl=url,
            Entries=[{"Id": str(index), "ReceiptHandle": handle} for index, handle in enumerate(batch)],
        )
        kept += len(answer.get("Failed", []))
    return kept
