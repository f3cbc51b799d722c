"""Access to a FIFO dead-letter queue: count, receive, hide and delete its messages.

While a message of a group is invisible, SQS hands out no other message of that group, and it never hands out more than
ten at a time. So the first ten messages of each group can be seen, and no more until they are deleted. A received
message stays invisible while the command works, because it would be handed out again and again otherwise, and is made
visible at the end. If the process is killed, SQS does so after HELD seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from workers.aws.dead_letters import DeadLetter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_sqs import SQSClient

    from workers.aws.clock import Clock

BATCH = 10
"""The most messages that SQS hands out, or accepts, in one call."""
HELD = 20
"""Seconds that a received message stays invisible; renewed while the command runs."""

LAG = 60
"""Seconds until the counts of a queue are right, according to AWS."""

_WAIT = 1
"""Seconds of long polling: SQS then asks all of its servers, so an empty answer means that nothing can be received."""


@dataclass(frozen=True, slots=True)
class QueueCount:
    """The number of messages in the queue, and how many of them are invisible. On AWS both lag by up to LAG seconds."""

    total: int
    invisible: int


class DeadLetterQueue:
    """The queue. Messages are addressed by id, together with the receipt handles that they were received with."""

    def __init__(self, sqs: SQSClient, url: str, clock: Clock) -> None:
        self._sqs = sqs
        self._url = url
        self._clock = clock

    def count(self) -> QueueCount:
        """Return the queue's own counts."""
        answer = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["All"])
        counts = answer["Attributes"]
        invisible = int(counts["ApproximateNumberOfMessagesNotVisible"])
        return QueueCount(int(counts["ApproximateNumberOfMessages"]) + invisible, invisible)

    def now(self) -> int:
        """Return the time of SQS in microseconds since 1970, rounded down to a second.

        The clock of this machine may be wrong; it is used only if a proxy has removed the date from the answer.
        """
        answer = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        return int(parsedate_to_datetime(date).timestamp()) * 1_000_000 if date else self._clock.now()

    def receive(self, number: int = BATCH) -> list[DeadLetter]:
        """Receive up to `number` messages, in order within their group, and hide them for HELD seconds."""
        answer = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=number,
            VisibilityTimeout=HELD,
            WaitTimeSeconds=_WAIT,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return [DeadLetter.of(message) for message in answer.get("Messages", [])]

    def hide(self, handles: Mapping[str, str], seconds: int) -> list[str]:
        """Hide messages for `seconds` from now; 0 makes them visible. Return the ids for which SQS did so.

        SQS leaves a message alone if its visibility timeout has passed.
        """
        done: list[str] = []
        for batch in _batches(handles):
            answer = self._sqs.change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": handles[message_id], "VisibilityTimeout": seconds}
                    for index, message_id in enumerate(batch)
                ],
            )
            done += [batch[int(entry["Id"])] for entry in answer.get("Successful", [])]
        return done

    def delete(self, handles: Mapping[str, str]) -> list[str]:
        """Delete messages. Return the ids of those that SQS deleted."""
        gone: list[str] = []
        for batch in _batches(handles):
            answer = self._sqs.delete_message_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": handles[message_id]} for index, message_id in enumerate(batch)
                ],
            )
            gone += [batch[int(entry["Id"])] for entry in answer.get("Successful", [])]
        return gone


class VisibilityLease:
    """Keeps groups from being handed out again: hiding the first message of a group holds back all the others."""

    def __init__(self, queue: DeadLetterQueue, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock
        self._heads: dict[str, tuple[DeadLetter, int]] = {}

    def keep(self, head: DeadLetter) -> None:
        """Hold the group of this message, which is its first and was just received."""
        self._heads[head.group] = head, self._clock.now() + HELD * 1_000_000

    def release(self, group: str) -> None:
        """Stop holding a group."""
        self._heads.pop(group, None)

    def refresh(self) -> None:
        """Extend the leases that end within half of HELD. Call this more often than that."""
        now = self._clock.now()
        heads = [head for head, until in self._heads.values() if until - now < HELD * 500_000]
        hidden = set(self._queue.hide({head.message_id: head.receipt_handle for head in heads}, HELD))
        for head in heads:
            if head.message_id in hidden:
                self.keep(head)
            else:
                self.release(head.group)  # too late: it is visible to others again


def _batches(handles: Mapping[str, str]) -> Iterator[list[str]]:
    ids = list(handles)
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]
