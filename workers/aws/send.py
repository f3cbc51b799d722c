"""Send: commands to the queue, dead letters to theirs, and back to the queue what must wait a little."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workers.aws.clients import Overloaded
from workers.aws.messages import deduplication_id, encode, group_for
from workers.domain.commands import Command

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

REPLAY_OF = "replayOf"
"""The message attribute that names the dead letter that a message is a replay of."""

_BATCH = 10
_QUICK_RECEIVES = 20


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message as the queue delivered it, not yet understood.

    `receives` counts its deliveries, this one included. `replay_of` is the id of the dead letter that an operator
    replayed with it. `sent_at` is when the queue took it, in microseconds since 1970.
    """

    message_id: str
    receipt_handle: str
    group: str
    receives: int
    body: str
    replay_of: str | None = None
    sent_at: int = 0

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> ReceivedMessage:
        """The message in a record of an SQS event."""
        attributes = record["attributes"]
        return cls(
            message_id=record["messageId"],
            receipt_handle=record["receiptHandle"],
            group=attributes["MessageGroupId"],
            receives=int(attributes["ApproximateReceiveCount"]),
            body=record["body"],
            replay_of=record.get("messageAttributes", {}).get(REPLAY_OF, {}).get("stringValue"),
            sent_at=int(attributes["SentTimestamp"]) * 1000,
        )


def send(client: SQSClient, queue_url: str, command: Command) -> None:
    """Puts one command into its group."""
    client.send_message(
        QueueUrl=queue_url,
        MessageBody=encode(command),
        MessageGroupId=group_for(command),
        MessageDeduplicationId=deduplication_id(command),
    )


def send_all(client: SQSClient, queue_url: str, commands: Sequence[Command]) -> None:
    """Puts commands into their groups. Overloaded if any of them was not taken; those that were, stay."""
    for start in range(0, len(commands), _BATCH):
        answer = client.send_message_batch(
            QueueUrl=queue_url,
            Entries=[
                {
                    "Id": str(index),
                    "MessageBody": encode(command),
                    "MessageGroupId": group_for(command),
                    "MessageDeduplicationId": deduplication_id(command),
                }
                for index, command in enumerate(commands[start : start + _BATCH])
            ],
        )
        refused = answer.get("Failed", [])
        if refused:
            raise Overloaded(f"SQS did not take {len(refused)} of the commands")


def park(client: SQSClient, dead_letter_queue_url: str, message: ReceivedMessage, reason: str, parked_at: str) -> str:
    """Puts a message that cannot be processed into the dead-letter queue as it is, with the reason beside it.

    Answers the id that it has there.
    """
    attributes = {"reason": reason, "messageId": message.message_id, "parkedAt": parked_at}
    if message.replay_of is not None:
        attributes[REPLAY_OF] = message.replay_of
    answer = client.send_message(
        QueueUrl=dead_letter_queue_url,
        MessageBody=message.body,
        MessageGroupId=message.group,
        MessageDeduplicationId=hashlib.sha256(f"parked\0{message.message_id}".encode()).hexdigest(),
        MessageAttributes={
            "receives": {"DataType": "Number", "StringValue": str(message.receives)},
            **{name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()},
        },
    )
    return answer["MessageId"]


def seconds_hidden(message: ReceivedMessage) -> int:
    """How long a failed message stays invisible: 1, 2, 4 ... 30 s, so that what passes soon costs little time.

    From the 21st receive on (after 8 minutes) 60, 120 ... 900 s: an outage must not use up the receives that the queue
    allows (`infra.stack.queues` has the sum).
    """
    if message.receives <= _QUICK_RECEIVES:
        return min(30, 1 << min(5, message.receives - 1))
    return min(900, 30 << min(5, message.receives - _QUICK_RECEIVES))


def back_off(client: SQSClient, queue_url: str, messages: Iterable[ReceivedMessage]) -> None:
    """Makes failed messages visible again when it is time for another attempt, not when the queue's timeout ends."""
    waiting = list(messages)
    for start in range(0, len(waiting), _BATCH):
        client.change_message_visibility_batch(
            QueueUrl=queue_url,
            Entries=[
                {
                    "Id": str(index),
                    "ReceiptHandle": message.receipt_handle,
                    "VisibilityTimeout": seconds_hidden(message),
                }
                for index, message in enumerate(waiting[start : start + _BATCH])
            ],
        )
