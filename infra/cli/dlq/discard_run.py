"""Discard many dead letters: those of some events, those with some reason, or all that were there at the start.

A FIFO queue shows ten messages of a group, and more once some of those are deleted. So the run receives, discards what
is selected, makes the rest of the group visible again, and goes on until a group shows nothing more to discard. Such a
group stays hidden until the end of the run, so that it is not received again and again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from infra.cli.dlq.dead_letters import BATCH, HELD, DeadLetterQueue, VisibilityLease
from infra.cli.dlq.discard import settle
from infra.cli.errors import CliError
from infra.cli.text import count_of, plain

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from infra.cli.dlq.journal import Journal
    from infra.cli.dlq.summary import Selection
    from workers.aws.clock import Clock
    from workers.aws.dead_letters import DeadLetter

_SECOND = 1_000_000
_SLACK = 2 * _SECOND
"""SQS tells its time in whole seconds, and its answer may be a second old."""


@dataclass(slots=True)
class DiscardSummary:
    """The result: by message id, what became of the registrations (`fates`), and why a selected message was `kept`.

    `already` lists requested messages that an earlier run had discarded. `full` lists groups that show ten messages
    which were not selected: there may be more behind them. `aborted` says why the run ended early.
    """

    fates: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    already: list[str] = field(default_factory=list)
    full: list[str] = field(default_factory=list)
    aborted: str | None = None

    @property
    def done(self) -> bool:
        """Tell whether everything that was selected has been discarded."""
        return not (self.kept or self.full or self.aborted)


@dataclass(kw_only=True)
class DiscardRun:
    """One run. `uninterrupted` wraps sections that a signal must not interrupt; `progress` receives the number done."""

    queue: DeadLetterQueue
    dynamodb: DynamoDBClient
    table: str
    journal: Journal
    clock: Clock
    selection: Selection
    why: str
    uninterrupted: Callable[[], AbstractContextManager[None]]
    progress: Callable[[int], None]

    def __post_init__(self) -> None:
        """Initialize the state of the run."""
        self._lease = VisibilityLease(self.queue, self.clock)
        self._held: dict[str, str] = {}
        self._started = 0
        self.summary = DiscardSummary()

    def run(self) -> DiscardSummary:
        """Discard everything selected that was there at the start. Errors and interruptions end up in the summary."""
        try:
            self._started = self.queue.now() + _SLACK
            while self._step():
                self.progress(len(self.summary.fates))
        except KeyboardInterrupt:
            self.summary.aborted = "interrupted"
        except (ClientError, BotoCoreError, CliError) as error:
            self.summary.aborted = str(error)
        finally:
            with self.uninterrupted():
                self.queue.hide(self._held, 0)
        return self.summary

    def _step(self) -> bool:
        """Receive messages once, and discard the selected ones. Return False when none can be received any more."""
        with self.uninterrupted():
            messages = self.queue.receive()
            self._held |= {message.message_id: message.receipt_handle for message in messages}
            deadline = self.clock.now() + HELD * _SECOND // 2
            now = self.queue.now() if messages else 0
            settled: list[DeadLetter] = []
            late: list[DeadLetter] = []
            for message in messages:
                if self.clock.now() > deadline:
                    late.append(message)  # it is about to become visible to others
                elif self._settle(message, now):
                    settled.append(message)
            gone = self.queue.delete({message.message_id: message.receipt_handle for message in settled})
            self.journal.note_deleted(message_id for message_id in gone if self.journal.was_sent(message_id))
            for message in settled:
                if message.message_id not in gone:
                    self.summary.kept[message.message_id] = "SQS did not delete it; run the same command again"
                    self.summary.fates.pop(message.message_id, None)
            moved = {message.group for message in messages if message.message_id in gone or message in late}
            self._put_back(messages, gone, moved)
        self._lease.refresh()
        return bool(messages)

    def _settle(self, message: DeadLetter, now: int) -> bool:
        """Do all of a discard but the deletion. Return whether the message is to be deleted."""
        if message.message_id in self.summary.kept or not self.selection.includes(message):
            return False
        if self.journal.was_sent(message.message_id):
            return True  # a killed replay sent it: it is on its way, and its registration must not be rejected
        if message.sent_at >= self._started:
            self.summary.kept[message.message_id] = "it came after the start"
            return False
        try:
            fate = settle(now, self.dynamodb, self.table, self.journal, message, self.why)
        except CliError as error:
            self.summary.kept[message.message_id] = str(error)
            return False
        self.summary.fates[message.message_id] = fate
        return True

    def _put_back(self, messages: Sequence[DeadLetter], gone: Sequence[str], moved: Collection[str]) -> None:
        """Make the rest of the groups that `moved` visible again, and hold the others."""
        held: set[str] = set()
        back: dict[str, str] = {}
        for message in messages:
            if message.message_id in gone:
                self._held.pop(message.message_id)
            elif message.group in moved or message.group in held:
                back[message.message_id] = self._held.pop(message.message_id)
            else:
                held.add(message.group)
                self._lease.keep(message)
        in_hand = Counter(message.group for message in messages)
        self.summary.full += [group for group in sorted(held) if in_hand[group] == BATCH]
        self.queue.hide(back, 0)


def describe_discards(summary: DiscardSummary, left: int) -> str:
    """Return the summary as text; `left` messages are in the queue now."""
    lines = [f"{id_} has already been discarded." for id_ in summary.already]
    rejected = sum("is now rejected" in fate for fate in summary.fates.values())
    if len(summary.fates) == 1:
        [(message_id, fate)] = summary.fates.items()
        lines.append(f"Discarded {message_id}; {fate}.")
    elif summary.fates or not (summary.already or summary.kept):
        lines.append(
            f"{count_of(len(summary.fates), 'message')} discarded, {count_of(rejected, 'registration')} rejected."
        )
    lines += [f"Kept {message_id}: {why}" for message_id, why in summary.kept.items()]
    lines += [
        plain(f"Event {group}: its first ten messages were not selected, and hide those behind them.")
        for group in summary.full
    ]
    if summary.aborted:
        lines.append(f"Stopped early: {summary.aborted}. Run the same command again to continue.")
    return "\n".join([*lines, f"{count_of(left, 'message')} in the dead-letter queue now."])
