"""Discard dead letters: record each in the journal first, and mark the registration that waits for it as rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from infra.cli.dlq.dead_letters import HELD
from infra.cli.errors import CliError
from workers.aws.commit import versioned_put
from workers.aws.items import DECODE_ERRORS, registration_from_item, registration_key
from workers.domain.commands import Cancel, Register
from workers.domain.damage import describe_damage
from workers.domain.transitions import discarded, is_applicable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from infra.cli.dlq.dead_letters import DeadLetterQueue
    from infra.cli.dlq.journal import Journal
    from workers.aws.dead_letters import DeadLetter
    from workers.domain.records import Registration

_ATTEMPTS = 5
_REMEMBERED = 330_000_000
"""Microseconds: SQS deduplicates for five minutes, and a repeated request may be answered half a minute after that."""


def discard(
    queue: DeadLetterQueue, dynamodb: DynamoDBClient, table: str, journal: Journal, message: DeadLetter, why: str
) -> str:
    """Discard a message and return what became of its registration.

    The order is journal, registration, queue, so that the same command completes a run that was killed at any point.

    Raises CliError before writing anything if the message is no longer held, if the registration cannot be read, or if
    SQS would drop the same request as a duplicate. Raises it afterwards if the registration keeps changing, or SQS does
    not delete the message.
    """
    if not queue.hide({message.message_id: message.receipt_handle}, HELD):
        raise CliError(
            f"the search took so long that {message.message_id} is visible to others again; nothing was changed. "
            "Try again with the whole ID, which is found sooner"
        )
    fate = settle(queue.now(), dynamodb, table, journal, message, why)
    if not queue.delete({message.message_id: message.receipt_handle}):
        raise CliError(f"SQS did not delete {message.message_id}; run the same command again to complete it")
    return fate


def settle(now: int, dynamodb: DynamoDBClient, table: str, journal: Journal, message: DeadLetter, why: str) -> str:
    """Do all of a discard but the deletion, and return what became of the registration. `now` is the time of SQS.

    Raises CliError as `discard` does.
    """
    command = message.command
    if isinstance(command, Register | Cancel):
        record = _stored(dynamodb, table, command)
        if discarded(record, command, why) is None:
            _require_old(command, record, now)
    journal.note_discarded(
        message.message_id,
        {
            "why": why,
            "reason": message.reason,
            "group": message.group,
            "mainId": message.main_id,
            "receives": message.receives,
            "body": message.body,
        },
    )
    if isinstance(command, Register | Cancel):
        return _reject(dynamodb, table, command, why)
    return "no registration waits for its outcome"


def _stored(dynamodb: DynamoDBClient, table: str, command: Register | Cancel) -> Registration | None:
    key = command.registration_id
    answer = dynamodb.get_item(TableName=table, Key=registration_key(key), ConsistentRead=True)
    try:
        return registration_from_item(answer["Item"]) if "Item" in answer else None
    except DECODE_ERRORS as error:
        # A repair would find it pending later, with no command left to decide it.
        raise CliError(
            f"cannot read the registration {key} ({describe_damage(error)}): repair it, then try again"
        ) from error


def _reject(dynamodb: DynamoDBClient, table: str, command: Register | Cancel, why: str) -> str:
    name = f"the registration {command.registration_id}"
    for _ in range(_ATTEMPTS):
        record = _stored(dynamodb, table, command)
        if record is None:
            return f"{name} does not exist, so nothing was marked"
        rejected = discarded(record, command, why)
        if rejected is None:
            return f"{name} stays as it is: {record.status}, generation {record.generation}"
        try:
            dynamodb.put_item(**versioned_put(table, rejected))
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ConditionalCheckFailedException":
                raise
        else:
            return f"{name} was pending and is now rejected, with the reason as its note"
    raise CliError(f"{name} keeps changing; try again")


def _require_old(command: Register | Cancel, record: Registration | None, now: int) -> None:
    """Raise CliError while SQS would drop the same request as a duplicate, although the API would accept it."""
    left = (command.accepted_at + _REMEMBERED - now) / 1_000_000
    if left > 0 and is_applicable(record, command):
        raise CliError(
            f"if this request is made again within {left:.0f} s, SQS drops it as a duplicate (its window is five "
            "minutes), so it cannot be discarded yet; try again after that"
        )
