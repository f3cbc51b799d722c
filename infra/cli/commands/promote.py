"""`turnstile promote`: ring once more where a seat is free beside a waiter."""

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
from workers.aws.send import send_all
from workers.promoter import promotion

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from mypy_boto3_sqs import SQSClient

    from workers.aws.items import Item
    from workers.domain.commands import Promote
    from workers.domain.records import Ledger

HELP = "ask for the promotions that are due"
DESCRIPTION = """\
Ask for a promotion at every event where a seat is free while somebody waits, as the promoter does when
the seat becomes free. This is for when it could not: its alarm says that promotions failed. The records
of what failed are deleted afterwards, which ends the alarm.

examples:
  turnstile promote                    every event; deletes the records of failed promotions
  turnstile promote --event pycon      this one only; deletes nothing
  turnstile promote --stage prod --json

It does no harm to ask twice: the registrar looks at the ledger as it is then. SQS ignores a promotion
of the same ledger version for five minutes; if one was asked for in that time and seats are still free,
look at the queue (turnstile top) and the dead letters (turnstile dlq list) first, then ask again.

Exit code 1 when not all could be sent or deleted, 3 when there is no stack."""

_WAIT = 1
"""Seconds that SQS looks for records before it says that there are none."""

_HIDDEN = 120
"""Seconds that the records of failures stay invisible while promotions are asked for."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_stage(parser)
    parser.add_argument("--event", metavar="EVENT", help="ask at this event only")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Ask for them."""
    if args.event == "":
        raise UsageError("--event is empty; leave it out to ask at every event")
    deployment = Deployment.resolve(args.stage)
    try:
        if args.event is not None:
            asked, forgotten, kept = _ask(deployment, _one(deployment, args.event)), 0, 0
        else:
            asked, forgotten, kept = _all(deployment)
    except (ClientError, BotoCoreError, Overloaded) as error:
        raise CliError(f"not all promotions could be asked for: {error}; run it again") from error
    if args.json:
        promotions = [{"eventId": command.event_id, "ledgerVersion": command.ledger_version} for command in asked]
        print(json.dumps({"promotions": promotions, "recordsDeleted": forgotten, "recordsKept": kept}))
    else:
        for command in asked:
            print(f"asked for a promotion at {command.event_id!r} (ledger version {command.ledger_version})")
        records = "" if args.event is not None else f"; {forgotten} records of failed promotions deleted"
        print(f"{len(asked)} promotions asked for{records}.")
    if kept:
        print(f"turnstile: {kept} records of failed promotions could not be deleted; run it again", file=sys.stderr)
    return 1 if kept else 0


def _all(deployment: Deployment) -> tuple[list[Promote], int, int]:
    """Asks everywhere. Answers what it asked for, how many records it deleted, and how many it could not delete.

    The records are taken before the ledgers are read: what fails later has a record of its own, which stays.
    """
    sqs, url = deployment.clients.sqs, deployment.outputs.failed_promotions_queue_url
    handles: list[str] = []
    try:
        _take(sqs, url, handles)
        asked = _ask(deployment, _promotable(deployment))
    except BaseException:
        _put_back(sqs, url, handles)
        raise
    kept = _delete(sqs, url, handles)
    return asked, len(handles) - kept, kept


def _promotable(deployment: Deployment) -> list[Ledger]:
    """The ledgers with a seat free beside a waiter, by what they count: a hand may have mended one and not said so."""
    pages = deployment.clients.dynamodb.get_paginator("scan").paginate(
        TableName=deployment.outputs.ledger_table, ConsistentRead=True
    )
    ledgers = (_read(item) for page in pages for item in page["Items"])
    return [ledger for ledger in ledgers if ledger is not None and ledger.promotable]


def _read(item: Item) -> Ledger | None:
    try:
        return ledger_from_item(item)
    except DECODE_ERRORS as error:
        print(f"turnstile: the ledger of {item['eventId']['S']!r} cannot be read ({error!r})", file=sys.stderr)
        return None


def _one(deployment: Deployment, event_id: str) -> list[Ledger]:
    item = deployment.clients.dynamodb.get_item(
        TableName=deployment.outputs.ledger_table, Key=event_key(event_id), ConsistentRead=True
    ).get("Item")
    if item is None:
        raise CliError(f"event {event_id!r} has no ledger: there is no such event, or nobody has registered for it yet")
    ledger = _read(item)
    return [ledger] if ledger is not None and ledger.promotable else []


def _ask(deployment: Deployment, ledgers: Sequence[Ledger]) -> list[Promote]:
    """Sends a Promote for each of the ledgers: the very command that the promoter sends."""
    now = SYSTEM_CLOCK.now()
    commands = [promotion(ledger.event_id, ledger.version, now) for ledger in ledgers]
    send_all(deployment.clients.sqs, deployment.outputs.queue_url, commands)
    return commands


def _take(sqs: SQSClient, url: str, handles: list[str]) -> None:
    """Receives what is in the queue; the receipt handles are added to `handles` as they come."""
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
    """Deletes them; answers how many could not be deleted."""
    kept = 0
    for start in range(0, len(handles), 10):
        batch = handles[start : start + 10]
        answer = sqs.delete_message_batch(
            QueueUrl=url,
            Entries=[{"Id": str(index), "ReceiptHandle": handle} for index, handle in enumerate(batch)],
        )
        kept += len(answer.get("Failed", []))
    return kept
