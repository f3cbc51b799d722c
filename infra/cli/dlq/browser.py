"""Browse the dead-letter queue without taking anything out of it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.cli.dlq.dead_letters import VisibilityLease

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from contextlib import AbstractContextManager

    from infra.cli.dlq.dead_letters import DeadLetterQueue
    from infra.cli.dlq.journal import Journal
    from workers.aws.clock import Clock
    from workers.aws.dead_letters import DeadLetter

_SECOND_TRIES = 20
"""The most groups that are received a second time, so that browsing hundreds of events does not take minutes."""


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    """The messages that could be received, each group in order, at the time `now` (microseconds since 1970).

    `hidden` counts the other messages in the queue; `elsewhere` says how many of those were invisible before. `deleted`
    counts messages that a killed run had sent without deleting them; they are deleted now.
    """

    messages: tuple[DeadLetter, ...]
    hidden: int
    elsewhere: int
    deleted: int
    now: int

    def before(self, message: DeadLetter) -> list[DeadLetter]:
        """Return the messages that precede this one in its group."""
        group = [other for other in self.messages if other.group == message.group]
        return group[: group.index(message)]


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
    """Take a snapshot of the queue. Its messages are invisible to others until the end of the block.

    Messages that the journal records as sent are deleted and left out. With `wanted` (ids or prefixes of ids) the
    search ends as soon as those are found: at once for whole ids, after one pass over all groups for prefixes. With
    `groups`, everything visible of these groups is read, and of other groups perhaps less.
    """
    browser = QueueBrowser(queue, clock, journal, uninterrupted)
    try:
        yield browser.read(wanted, groups)
    finally:
        with uninterrupted():
            queue.hide(browser.taken, 0)


class QueueBrowser:
    """Reads one snapshot. `taken` has the receipt handles of the messages to make visible again."""

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
        self._lease = VisibilityLease(queue, clock)
        self._messages: dict[str, list[DeadLetter]] = {}
        self._shared: dict[str, None] = {}
        self._deleted = 0

    def read(self, wanted: Collection[str], groups: Collection[str]) -> QueueSnapshot:
        """Read the snapshot that `browse` describes."""
        now, count = self._queue.now(), self._queue.count()
        while not (wanted and self.taken.keys() >= set(wanted)) and self._receive():
            pass
        # A group that shared an answer with others shows more of its messages when it is the only one to be received.
        again = [group for group in self._shared if not groups or group in groups]
        for group in again if wanted or groups else again[:_SECOND_TRIES]:
            if self._found(wanted) or self._seen() >= count.total:
                break
            self._lease.release(group)
            self._queue.hide({message.message_id: message.receipt_handle for message in self._messages[group]}, 0)
            self._receive()
        hidden = max(0, count.total - self._seen())
        messages = tuple(message for group in self._messages.values() for message in group)
        return QueueSnapshot(messages, hidden, min(hidden, count.invisible), self._deleted, now)

    def _receive(self) -> bool:
        """Receive more messages. Return False when none is new: all were seen, or the first are visible again."""
        with self._uninterrupted():
            received = self._queue.receive()
            new = any(message.message_id not in self.taken for message in received)
            self.taken.update({message.message_id: message.receipt_handle for message in received})
        sent = {
            message.message_id: message.receipt_handle
            for message in received
            if self._journal.was_sent(message.message_id)
        }
        gone = self._queue.delete(sent)
        self._journal.note_deleted(gone)
        self._deleted += len(gone)
        answer: dict[str, list[DeadLetter]] = {}
        for message in received:
            if message.message_id not in gone:
                answer.setdefault(message.group, []).append(message)
        for group, messages in answer.items():
            self._lease.keep(messages[0])
            self._messages[group] = [message for message in messages if message.message_id not in sent]
            if len(answer) > 1:
                self._shared[group] = None
        self._lease.refresh()
        return new

    def _found(self, wanted: Collection[str]) -> bool:
        return bool(wanted) and all(any(seen.startswith(prefix) for seen in self.taken) for prefix in wanted)

    def _seen(self) -> int:
        return sum(map(len, self._messages.values())) + self._deleted
