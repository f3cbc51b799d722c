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
    from collections.abc import Callable, Collection, Iterator, Mapping
    from contextlib import AbstractContextManager

    from mypy_boto3_sqs import SQSClient

    from infra.cli.dlq.journal import Journal
    from workers.aws.clock import Clock

BATCH = 10
"""The most that SQS hands out, or takes, in one call."""
HELD = 20
"""Seconds that a letter stays invisible which is not to be handed out again for now; extended as long as it takes."""

LAG = 60
"""AWS's own word for how many seconds the counts of a queue may take to become right."""

_ONCE_MORE = 20
"""So many events at most are asked for once more, so that a look at hundreds of them does not take minutes."""
_WAIT = 1
"""Seconds of long polling: SQS then asks all of its servers, so that an empty answer means that there is nothing."""


@dataclass(frozen=True, slots=True)
class QueueCount:
    """How many letters the queue has, and how many of them are invisible. On AWS both lag by up to LAG seconds."""

    total: int
    invisible: int


class DeadLetterQueue:
    """The queue, in terms of letters: by id, with the receipt handles that they were handed out with."""

    def __init__(self, sqs: SQSClient, url: str, clock: Clock) -> None:
        self._sqs = sqs
        self._url = url
        self._clock = clock

    def count(self) -> QueueCount:
        """How many there are."""
        answer = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["All"])
        counts = answer["Attributes"]
        invisible = int(counts["ApproximateNumberOfMessagesNotVisible"])
        return QueueCount(int(counts["ApproximateNumberOfMessages"]) + invisible, invisible)

    def now(self) -> int:
        """SQS's own time in microseconds since 1970, rounded down to a second: this machine's clock may be wrong. It is
        asked only if a proxy has taken the date away."""
        answer = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        return int(parsedate_to_datetime(date).timestamp()) * 1_000_000 if date else self._clock.now()

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

    def hide(self, handles: Mapping[str, str], seconds: int) -> list[str]:
        """Makes letters invisible for so long from now; 0 puts them back. One whose time was over stays as it is.

        Answers the ids of those that SQS says it has done it for.
        """
        done: list[str] = []
        for batch in _batches(handles):
            answer = self._sqs.change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": handles[letter_id], "VisibilityTimeout": seconds}
                    for index, letter_id in enumerate(batch)
                ],
            )
            done += [batch[int(entry["Id"])] for entry in answer.get("Successful", [])]
        return done

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
            gone += [batch[int(entry["Id"])] for entry in answer.get("Successful", [])]
        return gone


class VisibilityLease:
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
class QueueSnapshot:
    """What can be seen: letters, each group in order, at a time (microseconds since 1970).

    `hidden` counts the others that are in the queue; `elsewhere` how many of them somebody else held before the look.
    `deleted` letters were there no more than because a run that was killed had sent them, but not deleted.
    """

    letters: tuple[DeadLetter, ...]
    hidden: int
    elsewhere: int
    deleted: int
    now: int

    def before(self, letter: DeadLetter) -> list[DeadLetter]:
        """Those that come before a letter in its group."""
        group = [other for other in self.letters if other.group == letter.group]
        return group[: group.index(letter)]


@contextmanager
def browse(
    queue: DeadLetterQueue,
    clock: Clock,
    journal: Journal,
    uninterrupted: Callable[[], AbstractContextManager[None]],
    *,
    wanted: Collection[str] = (),
    groups: Collection[str] = (),
) -> Iterator[QueueSnapshot]:
    """What can be seen of the queue. Until the end of the block it is invisible to others; then it is put back.

    A letter that the journal says was sent is deleted, and is no part of it. With `wanted`, ids or what they begin
    with, the look ends when those are in sight: at once if they are whole, else when it has seen every group. With
    `groups` all that can be seen of these is seen, and of the others perhaps less.
    """
    eyes = QueueBrowser(queue, clock, journal, uninterrupted)
    try:
        yield eyes.look(wanted, groups)
    finally:
        with uninterrupted():
            queue.hide(eyes.taken, 0)


class QueueBrowser:
    """One look. `taken` has the receipt handles of what is to be put back."""

    def __init__(
        self,
        queue: DeadLetterQueue,
        clock: Clock,
        journal: Journal,
        uninterrupted: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.taken: dict[str, str] = {}
        self._queue = queue
        self._journal = journal
        self._uninterrupted = uninterrupted
        self._hold = VisibilityLease(queue, clock)
        self._letters: dict[str, list[DeadLetter]] = {}
        self._shared: dict[str, None] = {}
        self._deleted = 0

    def look(self, wanted: Collection[str], groups: Collection[str]) -> QueueSnapshot:
        """See `looking`."""
        now, count = self._queue.now(), self._queue.count()
        while not (wanted and self.taken.keys() >= set(wanted)) and self._receive():
            pass
        # A group that had to share an answer with others shows more when it is the only one that can be handed out.
        again = [group for group in self._shared if not groups or group in groups]
        for group in again if wanted or groups else again[:_ONCE_MORE]:
            if self._in_sight(wanted) or self._seen() >= count.total:
                break
            self._hold.let_go(group)
            self._queue.hide({letter.message_id: letter.receipt_handle for letter in self._letters[group]}, 0)
            self._receive()
        hidden = max(0, count.total - self._seen())
        letters = tuple(letter for group in self._letters.values() for letter in group)
        return QueueSnapshot(letters, hidden, min(hidden, count.invisible), self._deleted, now)

    def _receive(self) -> bool:
        """Sees more. False when there is nothing new: all is seen, or is so much that the first is visible again."""
        with self._uninterrupted():
            received = self._queue.receive()
            new = any(letter.message_id not in self.taken for letter in received)
            self.taken.update({letter.message_id: letter.receipt_handle for letter in received})
        sent = {
            letter.message_id: letter.receipt_handle for letter in received if self._journal.was_sent(letter.message_id)
        }
        gone = self._queue.delete(sent)
        self._journal.note_deleted(gone)
        self._deleted += len(gone)
        answer: dict[str, list[DeadLetter]] = {}
        for letter in received:
            if letter.message_id not in gone:
                answer.setdefault(letter.group, []).append(letter)
        for group, letters in answer.items():
            self._hold.keep(letters[0])
            self._letters[group] = [letter for letter in letters if letter.message_id not in sent]
            if len(answer) > 1:
                self._shared[group] = None
        self._hold.refresh()
        return new

    def _in_sight(self, wanted: Collection[str]) -> bool:
        return bool(wanted) and all(any(seen.startswith(one) for seen in self.taken) for one in wanted)

    def _seen(self) -> int:
        return sum(map(len, self._letters.values())) + self._deleted


def _batches(handles: Mapping[str, str]) -> Iterator[list[str]]:
    ids = list(handles)
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]
