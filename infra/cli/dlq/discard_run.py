"""Discard many dead letters: those of some events, those with some reason, or all that were there at the start.

A FIFO queue shows ten messages of a group, and more once some of those are deleted. So the run receives, discards what
is selected, makes the rest of the group visible again, and goes on. A group that shows nothing to discard is held, or
it would be received again and again. If it shared the answer with other groups, it may have shown only a part: once
nothing else can be received, it is received once more, alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from infra.cli.dlq.dead_letters import BATCH, HELD, DeadLetterQueue, VisibilityLease
from infra.cli.dlq.discard import settle
from infra.cli.dlq.recovery import TOO_MANY_EVENTS, recover
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
_MOST_FRUITLESS = 3
"""Answers with nothing but groups that should be held: their leases end faster than they can be extended."""


@dataclass(slots=True)
class DiscardSummary:
    """The result: by message id, what became of the registrations (`fates`), and why a selected message was `kept`.

    `already` lists requested messages that an earlier run had discarded. `full` lists groups that show ten messages
    which were kept or not selected: there may be more behind them. `unseen` lists selected groups without a message.
    `elsewhere` counts messages that someone else held until the end. `aborted` says why the run ended early.
    """

    fates: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    already: list[str] = field(default_factory=list)
    full: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    elsewhere: int = 0
    aborted: str | None = None

    @property
    def done(self) -> bool:
        """Tell whether everything that was selected has been discarded."""
        return not (self.kept or self.full or self.unseen or self.elsewhere or self.aborted)


@dataclass(kw_only=True)
class DiscardRun:
    """One run. The counts of the queue may be `lag` seconds behind.

    `uninterrupted` wraps sections that a signal must not interrupt; `progress` receives the number done so far.
    """

    queue: DeadLetterQueue
    dynamodb: DynamoDBClient
    table: str
    journal: Journal
    clock: Clock
    selection: Selection
    why: str
    lag: int
    uninterrupted: Callable[[], AbstractContextManager[None]]
    progress: Callable[[int], None]

    def __post_init__(self) -> None:
        """Initialize the state of the run."""
        self._lease = VisibilityLease(self.queue, self.clock)
        self._heads: dict[str, DeadLetter] = {}
        self._unsure: dict[str, None] = {}
        self._seen: set[str] = set()
        self._started = self._fruitless = 0
        self.summary = DiscardSummary()

    def run(self) -> DiscardSummary:
        """Discard everything selected that was there at the start. Errors and interruptions end up in the summary."""
        summary = self.summary
        try:
            self._started = self.queue.now() + _SLACK
            self._loop()
        except KeyboardInterrupt:
            summary.aborted = "interrupted"
        except (ClientError, BotoCoreError, CliError) as error:
            summary.aborted = str(error)
        finally:
            try:
                with self.uninterrupted():
                    recover(self.queue, self.journal)
            except KeyboardInterrupt:
                summary.aborted = summary.aborted or "interrupted"
            except (ClientError, BotoCoreError) as error:
                summary.aborted = summary.aborted or str(error)
        if not summary.aborted:
            summary.unseen = sorted((self.selection.groups or frozenset()) - self._seen)
        return summary

    def _loop(self) -> None:
        last, before = self.clock.now(), self.queue.count().invisible
        while not self.summary.aborted:
            if self._step():
                last = self.clock.now()
                self.progress(len(self.summary.fates))
            elif self._unsure:
                self._release(next(iter(self._unsure)))
            else:
                # Someone else has received these, or was killed meanwhile: then they become visible within HELD.
                others = max(0, self.queue.count().invisible - len(self._heads))
                late = self.clock.now() - last > (HELD + 5 + self.lag) * _SECOND
                if late or not (others or before):
                    self.summary.elsewhere = others
                    return
                before = others  # what is no longer in flight may be visible now

    def _step(self) -> bool:
        """Receive messages once, and discard the selected ones. Return False when none can be received any more."""
        with self.uninterrupted():
            messages = self.queue.receive()
            self.journal.note_taken({message.message_id: message.receipt_handle for message in messages})
            groups: dict[str, list[DeadLetter]] = {}
            for message in messages:
                groups.setdefault(message.group, []).append(message)
            self._fruitless = self._fruitless + 1 if groups and groups.keys() <= self._heads.keys() else 0
            if self._fruitless > _MOST_FRUITLESS:
                self.summary.aborted = TOO_MANY_EVENTS
            self._seen.update(groups)
            gone = self._discard(messages)
            moved = {message.group for message in messages if message.message_id in gone}
            back: dict[str, str] = {}
            for group, found in groups.items():
                rest = [message for message in found if message.message_id not in gone]
                if rest and group not in moved:
                    self._hold(group, rest, alone=len(groups) == 1)
                    rest = rest[1:]
                back |= {message.message_id: message.receipt_handle for message in rest}
            self.queue.hide(back, 0)
            self.journal.note_freed([*back, *gone])
        self._lease.refresh()
        return bool(messages)

    def _hold(self, group: str, messages: Sequence[DeadLetter], *, alone: bool) -> None:
        """Hold a group that shows nothing to discard, for good if it had the answer for itself."""
        self._lease.keep(messages[0])
        self._heads[group] = messages[0]
        if self.selection.groups is not None and group not in self.selection.groups:
            return
        if not alone:
            self._unsure[group] = None
        elif len(messages) == BATCH and group not in self.summary.full:
            self.summary.full.append(group)

    def _release(self, group: str) -> None:
        """Make a group visible again that is held, and every other one is."""
        head = self._heads.pop(group)
        del self._unsure[group]
        self._lease.release(group)
        self.queue.hide({head.message_id: head.receipt_handle}, 0)

    def _discard(self, messages: Sequence[DeadLetter]) -> set[str]:
        """Discard the selected messages. Return the ids of those that are deleted."""
        deadline, now = self.clock.now() + HELD * _SECOND // 2, self.queue.now() if messages else 0
        fates: dict[str, str | None] = {}
        try:
            for message in messages:
                if self.clock.now() > deadline:
                    break  # the others are about to become visible to others
                if self._is_due(message):
                    fates[message.message_id] = self._settle(message, now)
        finally:
            handles = {message.message_id: message.receipt_handle for message in messages}
            wanted = {id_: handles[id_] for id_ in fates if id_ not in self.summary.kept}
            gone = set(self.queue.delete(wanted))
            self.journal.note_deleted(id_ for id_ in gone if self.journal.was_sent(id_))
            self.summary.fates |= {id_: fate for id_, fate in fates.items() if id_ in gone and fate is not None}
            self.summary.kept |= dict.fromkeys(
                wanted.keys() - gone, "SQS did not delete it; run the same command again"
            )
        return gone

    def _is_due(self, message: DeadLetter) -> bool:
        if message.message_id in self.summary.kept or not self.selection.includes(message):
            return False
        if message.sent_at >= self._started:
            self.summary.kept[message.message_id] = "it came after the start"
            return False
        return True

    def _settle(self, message: DeadLetter, now: int) -> str | None:
        """Do all of a discard but the deletion. Return what became of the registration; None of a sent message."""
        if self.journal.was_sent(message.message_id):
            return None  # a killed replay sent it: it is on its way, and its registration must not be rejected
        try:
            return settle(now, self.dynamodb, self.table, self.journal, message, self.why)
        except CliError as error:
            self.summary.kept[message.message_id] = str(error)
            return None


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
        plain(f"Event {group}: its first ten messages stay, and hide those behind them.") for group in summary.full
    ]
    lines += [plain(f"Event {event} has no visible messages.") for event in summary.unseen]
    if summary.elsewhere:
        lines.append(f"{summary.elsewhere} are being received by someone else; try again in a minute.")
    if summary.aborted:
        lines.append(f"Stopped early: {summary.aborted}. Run the same command again to continue.")
    return "\n".join([*lines, f"{count_of(left, 'message')} in the dead-letter queue now."])
