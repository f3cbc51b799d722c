"""The dead-letter queue's format: what a dead letter says of itself, and how it goes back to the queue it came from.

`workers.aws.send.park` writes most of them. A message that SQS moved by itself, because it was received too often, has
none of the attributes that `park` adds.
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
"""The reason of a message that nobody parked."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message as the dead-letter queue hands it out.

    `sent_at` is when it came into that queue, in microseconds since 1970. `receives` says how often it was delivered
    before it died. `main_id` is the id that it had in the main queue. `replay_of` names the dead letter that it was
    before, if it is one that was replayed and died again.
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
        """The letter in an answer of ReceiveMessage that was asked for all attributes."""
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
        """What was asked for; if nobody can read that, why."""
        try:
            return decode(self.body)
        except UndecodableMessage as error:
            return error

    @property
    def event_id(self) -> str:
        """The event that it is about; the message's group where the body does not say."""
        command = self.command
        return self.group if isinstance(command, UndecodableMessage) else command.event_id


def replay_entry(entry_id: str, letter: DeadLetter) -> SendMessageBatchRequestEntryTypeDef:
    """The entry of a SendMessageBatch to the main queue that replays a letter: same body, same group.

    The deduplication id is a new one: under the old one, SQS would drop the message if its first life was short. It is
    made from nothing but the letter's own id, so that a second attempt to replay the same letter is recognised.
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
