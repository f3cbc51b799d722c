"""The format of dead letters, and the message that replays one.

`workers.aws.send.park` writes most of them. A message that SQS moved by itself, after too many receives, has none of
the attributes that `park` adds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workers.aws.messages import UndecodableMessage, decode
from workers.aws.send import REPLAY_OF
from workers.domain.commands import Command

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

MOVED = "moved by SQS: received too often"
"""The reason of a message that SQS moved by itself."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message received from the dead-letter queue.

    `sent_at` is the time at which it came into that queue, in microseconds since 1970. `receives` counts its earlier
    deliveries in the main queue, where its id was `main_id`. `replay_of` is the id of the dead letter that was replayed
    with it, if it is a replay that failed.
    """

    message_id: str
    receipt_handle: str
    group: str
    body: str
    sent_at: int
    receives: int
    reason: str
    main_id: str
    replay_of: str | None

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> DeadLetter:
        """Return the dead letter in a response of ReceiveMessage, which must have requested all attributes."""
        system = message["Attributes"]
        own = {name: value.get("StringValue") for name, value in message.get("MessageAttributes", {}).items()}
        return cls(
            message_id=message["MessageId"],
            receipt_handle=message["ReceiptHandle"],
            group=system["MessageGroupId"],
            body=message["Body"],
            sent_at=int(system["SentTimestamp"]) * 1000,
            receives=_count(own.get("receives") or system["ApproximateReceiveCount"]),
            reason=own.get("reason") or MOVED,
            main_id=own.get("messageId") or message["MessageId"],
            replay_of=own.get(REPLAY_OF),
        )

    @property
    def command(self) -> Command | UndecodableMessage:
        """The command in it, or the reason why it cannot be decoded."""
        try:
            return decode(self.body)
        except UndecodableMessage as error:
            return error

    @property
    def event_id(self) -> str:
        """The event that it is about, or its message group if it cannot be decoded."""
        command = self.command
        return self.group if isinstance(command, UndecodableMessage) else command.event_id


def replay_entry(entry_id: str, letter: DeadLetter) -> SendMessageBatchRequestEntryTypeDef:
    """Return the entry of a SendMessageBatch to the main queue that replays a dead letter: same body, same group.

    Under its old deduplication id SQS could drop the message as a repetition. The new one is made from the dead
    letter's id alone, so that a second replay of the same dead letter is dropped.
    """
    return {
        "Id": entry_id,
        "MessageBody": letter.body,
        "MessageGroupId": letter.group,
        "MessageDeduplicationId": hashlib.sha256(f"replayed\0{letter.message_id}".encode()).hexdigest(),
        "MessageAttributes": {REPLAY_OF: {"DataType": "String", "StringValue": letter.message_id}},
    }


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
