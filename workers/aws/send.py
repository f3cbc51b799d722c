"""Send commands to the queue, park messages in the dead-letter queue, and delay the retry of failed messages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workers.aws.clients import Overloaded
from workers.aws.messages import command_group, deduplication_id, encode
from workers.domain.commands import Command, Promote

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

REPLAY_OF = "replayOf"
"""The message attribute with the id of the dead letter that the message replays."""

_BATCH = 10
_QUICK_RECEIVES = 20


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message as the queue delivered it, before decoding.

    `receives` counts its deliveries, including this one. `replay_of` is the id of the dead letter that it replays.
    `sent_at` is the time at which it was sent, in microseconds since 1970.
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
        """Return the message in a record of an SQS event."""
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
    """Send one command."""
    client.send_message(
        QueueUrl=queue_url,
        MessageBody=encode(command),
        MessageGroupId=command_group(command),
        MessageDeduplicationId=deduplication_id(command),
    )


def send_all(client: SQSClient, queue_url: str, commands: Sequence[Command]) -> None:
    """Send commands in batches. Raises Overloaded if SQS refused some; the others are sent all the same."""
    for start in range(0, len(commands), _BATCH):
        answer = client.send_message_batch(
            QueueUrl=queue_url,
            Entries=[
                {
                    "Id": str(index),
                    "MessageBody": encode(command),
                    "MessageGroupId": command_group(command),
                    "MessageDeduplicationId": deduplication_id(command),
                }
                for index, command in enumerate(commands[start : start + _BATCH])
            ],
        )
        refused = answer.get("Failed", [])
        if refused:
            raise Overloaded(f"SQS did not take {len(refused)} of the commands")


def park(client: SQSClient, dead_letter_queue_url: str, message: ReceivedMessage, reason: str, parked_at: str) -> str:
    """Send a message that cannot be processed to the dead-letter queue, unchanged, with the reason as an attribute.

    Returns its id there.
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


def promotion(event_id: str, ledger_version: int, now: int) -> Promote:
    """Return the Promote for a ledger of this version; `now` is in microseconds since 1970."""
    event = hashlib.sha256(event_id.encode()).hexdigest()[:12]
    return Promote(f"promote-{event}-{ledger_version}", event_id, ledger_version, accepted_at=now)


def seconds_hidden(message: ReceivedMessage) -> int:
    """Return how long a failed message stays invisible: 1, 2, 4 ... 30 s, because most faults are short.

    From the 21st receive on (after 8 minutes) it is 60, 120 ... 900 s: an outage must not use up the receives that the
    queue allows (`infra.stack.queues` has the sum).
    """
    if message.receives <= _QUICK_RECEIVES:
        return min(30, 1 << min(5, message.receives - 1))
    return min(900, 30 << min(5, message.receives - _QUICK_RECEIVES))


def back_off(client: SQSClient, queue_url: str, messages: Iterable[ReceivedMessage]) -> None:
    """Make failed messages visible again after a delay that is shorter than the queue's timeout."""
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
