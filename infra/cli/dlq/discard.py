"""Throws one dead letter away, after writing down what it was, and gives whoever waits for it an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from infra.cli.dlq.dead_letters import HELD
from infra.cli.errors import CliError
from workers.aws.commit import versioned_put
from workers.aws.items import DECODE_ERRORS, registration_from_item, registration_key
from workers.domain.commands import Cancel, Register
from workers.domain.transitions import discarded, is_applicable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from infra.cli.dlq.dead_letters import DeadLetterQueue
    from infra.cli.dlq.journal import Journal
    from workers.aws.dead_letters import DeadLetter
    from workers.domain.records import Registration

_ATTEMPTS = 5
_REMEMBERED = 330_000_000
"""Microseconds: SQS knows a command for five minutes; and it may be half a minute until who asks again is answered."""


def discard(
    queue: DeadLetterQueue, dynamodb: DynamoDBClient, table: str, journal: Journal, letter: DeadLetter, why: str
) -> str:
    """Journal first, then the registration, then the queue: killed anywhere, the same again completes it.

    Answers what became of the registration. Raises CliError, before anything is written, when the letter is not ours
    any more, when the registration cannot be read, and while the same request, made again, would not be heard; later,
    when the registration keeps changing, or the letter could not be deleted.
    """
    if not queue.hide({letter.message_id: letter.receipt_handle}, HELD):
        raise CliError(
            f"the look took so long that {letter.message_id} is somebody else's by now; nothing was changed. "
            "Try again with this whole ID: it is found sooner"
        )
    command = letter.command
    if isinstance(command, Register | Cancel):
        record = _stored(dynamodb, table, command)
        if discarded(record, command, why) is None:
            _require_old(command, record, queue.now())
    journal.note_discarded(
        letter.message_id,
        {
            "why": why,
            "reason": letter.reason,
            "group": letter.group,
            "mainId": letter.main_id,
            "receives": letter.receives,
            "body": letter.body,
        },
    )
    fate = "no registration waits for its outcome"
    if isinstance(command, Register | Cancel):
        fate = _reject(dynamodb, table, command, why)
    if not queue.delete({letter.message_id: letter.receipt_handle}):
        raise CliError(f"SQS did not delete {letter.message_id}; the same command again completes it")
    return fate


def _stored(dynamodb: DynamoDBClient, table: str, command: Register | Cancel) -> Registration | None:
    key = command.registration_id
    answer = dynamodb.get_item(TableName=table, Key=registration_key(key), ConsistentRead=True)
    try:
        return registration_from_item(answer["Item"]) if "Item" in answer else None
    except DECODE_ERRORS as error:
        # Whoever repairs it later would find it pending, and nothing left that could decide it.
        message = f"the registration {key} cannot be read ({error!r}): repair it first, then the same command again"
        raise CliError(message) from error


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
            return f"{name} was pending and is rejected now, with the reason as its note"
    raise CliError(f"{name} keeps changing; try again")


def _require_old(command: Register | Cancel, record: Registration | None, now: int) -> None:
    """Who asks again is answered, and then not heard, while SQS takes her new command for this one."""
    left = (command.accepted_at + _REMEMBERED - now) / 1_000_000
    if left > 0 and is_applicable(record, command):
        raise CliError(
            "this request may be made again, and for five minutes SQS would take it for a repetition and drop it; "
            f"try again in {left:.0f} s"
        )
