"""A FIFO dead-letter queue, looked at without taking anything out of it.

While one message of a group is invisible, the queue hands out no other one of that group, and never more than ten at a
time. So of each group its first ten can be seen, and no more until they are deleted. Whatever is received is kept
invisible while one looks, else it would be handed out again and again, and is put back in the end. If the process is
killed, it comes back by itself after HELD seconds.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from workers.aws.dead_letters import DeadLetter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_sqs import SQSClient

    from workers.aws.clock import Clock

BATCH = 10
"""The most that SQS hands out, or takes, in one call."""
HELD = 20
"""Seconds that a letter stays invisible which is not to be handed out again for now; extended as long as it takes."""

_WAIT = 1
"""Seconds of long polling: SQS then asks all of its servers, so that an empty answer means that there is nothing."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many letters the queue has, and how many of them are invisible. On AWS both lag by up to a minute."""

    total: int
    invisible: int


class DeadLetterQueue:
    """The queue, in terms of letters: by id, with the receipt handles that they were handed out with."""

    def __init__(self, sqs: SQSClient, url: str) -> None:
        self._sqs = sqs
        self._url = url

    def count(self) -> Count:
        """How many there are."""
        answer = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["All"])
        counts = answer["Attributes"]
        visible, invisible, delayed = (
            int(counts["ApproximateNumberOfMessages"]),
            int(counts["ApproximateNumberOfMessagesNotVisible"]),
            int(counts["ApproximateNumberOfMessagesDelayed"]),
        )
        return Count(visible + invisible + delayed, invisible)

    def now(self) -> int:
        """SQS's own time in microseconds since 1970, rounded down to a second: this machine's clock may be wrong."""
        answer = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        date = answer["ResponseMetadata"]["HTTPHeaders"]["date"]
        return int(parsedate_to_datetime(date).timestamp()) * 1_000_000

    def receive(self, number: int = BATCH) -> list[DeadLetter]:
        """Up to `number` letters, in order within their group, invisible for HELD seconds from now."""
        answer = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=number,
            VisibilityTimeout=HELD,
            WaitTimeSeconds=_WAIT,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return [DeadLetter.of(message) for message in answer.get("Messages", [])]

    def hide(self, handles: Mapping[str, str], seconds: int) -> None:
        """Makes letters invisible for so long from now; 0 puts them back. One whose time was over stays as it is."""
        for batch in _batches(handles):
            self._sqs.change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": handles[letter_id], "VisibilityTimeout": seconds}
                    for index, letter_id in enumerate(batch)
                ],
            )

    def delete(self, handles: Mapping[str, str]) -> list[str]:
        """Deletes letters; answers the ids of those that SQS says are gone."""
        gone: list[str] = []
        for batch in _batches(handles):
            answer = self._sqs.delete_message_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": handles[letter_id]} for index, letter_id in enumerate(batch)
                ],
            )
            gone += [batch[int(deleted["Id"])] for deleted in answer.get("Successful", [])]
        return gone


class Hold:
    """Groups that are kept from being handed out again, each by its first letter: that holds back all the others."""

    def __init__(self, queue: DeadLetterQueue, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock
        self._heads: dict[str, tuple[DeadLetter, int]] = {}

    def keep(self, head: DeadLetter) -> None:
        """Holds the group of this letter, its first one that was just received."""
        self._heads[head.group] = head, self._clock.now() + HELD * 1_000_000

    def let_go(self, group: str) -> None:
        """No longer holds a group."""
        del self._heads[group]

    def refresh(self) -> None:
        """Extends what would come back within half of HELD: call it more often than that."""
        now = self._clock.now()
        heads = [head for head, until in self._heads.values() if until - now < HELD * 500_000]
        self._queue.hide({head.message_id: head.receipt_handle for head in heads}, HELD)
        for head in heads:
            self.keep(head)


@dataclass(frozen=True, slots=True)
class Look:
    """What can be seen: letters, each group in order; how many more there are; the time (microseconds since 1970)."""

    letters: tuple[DeadLetter, ...]
    hidden: int
    now: int

    def before(self, letter: DeadLetter) -> list[DeadLetter]:
        """Those that come before a letter in its group."""
        group = [other for other in self.letters if other.group == letter.group]
        return group[: group.index(letter)]


@contextmanager
def looking(queue: DeadLetterQueue, clock: Clock) -> Iterator[Look]:
    """What can be seen of the queue. Until the end of the block it is invisible to others; then it is put back."""
    taken: dict[str, str] = {}
    try:
        yield _look(queue, Hold(queue, clock), taken)
    finally:
        queue.hide(taken, 0)


def _look(queue: DeadLetterQueue, hold: Hold, taken: dict[str, str]) -> Look:
    now, total = queue.now(), queue.count().total
    groups: dict[str, list[DeadLetter]] = {}

    def receive() -> bool:
        letters = queue.receive()
        taken.update({letter.message_id: letter.receipt_handle for letter in letters})
        for group in dict.fromkeys(letter.group for letter in letters):
            groups[group] = [letter for letter in letters if letter.group == group]
            hold.keep(groups[group][0])
        hold.refresh()
        return bool(letters)

    def hidden() -> int:
        return max(0, total - sum(map(len, groups.values())))

    while receive():
        pass
    # A group that had to share an answer with others shows more when it is the only one that can be handed out.
    for group in [group for group, letters in groups.items() if len(letters) < BATCH]:
        if hidden():
            hold.let_go(group)
            queue.hide({letter.message_id: letter.receipt_handle for letter in groups[group]}, 0)
            receive()
    return Look(tuple(letter for letters in groups.values() for letter in letters), hidden(), now)


def _batches(handles: Mapping[str, str]) -> Iterator[list[str]]:
    ids = list(handles)
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]
