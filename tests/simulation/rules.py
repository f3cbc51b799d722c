"""The rules that may never break, checked after every committed write, and what clients were told.

They know the tables' formats and what a command asks for, and nothing of how `decide` decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.simulation.book import Book, applies, came_of
from tests.simulation.queues import QUEUE
from tests.support.rules import broken_rules, illegal_moves
from workers.aws.items import Item, ledger_from_event, ledger_from_item, registration_from_item
from workers.aws.messages import Unreadable, decode, group_of
from workers.domain.commands import Cancel, Command, Configure, Register
from workers.domain.records import EventStatus, Ledger, Registration, Status

if TYPE_CHECKING:
    from tests.simulation.dynamodb.fake import Change
    from tests.simulation.world import World

OVERSOLD = "1: no seat is given beyond the capacity"
MISCOUNTED = "2: the ledger counts the registrations"
JUMPED = "3: nobody is confirmed past an earlier waiter"
TWICE = "4: one promotion per ticket at most"
MOVES = "5: statuses move along the table, generations grow"
ONE = "6: a registration is one person's at one event"
CLOSED = "nobody joins an event that is closed or cancelled, nobody is promoted at a cancelled one"
LINE_FULL = "7: the line keeps its limit"
UNASKED = "nothing is done that nobody asked for"
REPORTED = "a failed message takes the later ones of its group with it"
OVERTAKEN = "nobody overtakes in a group of the queue"


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that does not hold; `detail` says where, `at` when (microseconds since 1970)."""

    rule: str
    detail: str
    at: int


@dataclass(slots=True)
class Commit:
    """What one committed write did to one event."""

    before: Ledger
    after: Ledger
    changed: dict[str, tuple[Registration | None, Registration]]


class Rules:
    """Everything that is checked while a history goes on."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.books: dict[str, Book] = {}
        self._commands: dict[str, Command | None] = {}
        self._asked: set[tuple[type[Command], str, int]] = set()

    def arrived(self, body: str) -> None:
        """A message came into the queue of commands."""
        if isinstance(command := self.command(body), Register | Cancel):
            self._asked.add((type(command), command.registration_id, command.generation))

    def asked_for(self, kind: type[Register | Cancel], registration_id: str, generation: int | None = None) -> bool:
        """Whether the queue ever took such a command; of any generation, if none is named."""
        if generation is not None:
            return (kind, registration_id, generation) in self._asked
        return any(command[:2] == (kind, registration_id) for command in self._asked)

    def opened(self, event: Item) -> None:
        """A new event, which has no ledger yet."""
        ledger = ledger_from_event(event)
        self.books[ledger.event_id] = Book(ledger.event_id, ledger, ledgers=[(self._world.engine.now, ledger)])

    def wrote(self, changes: list[Change]) -> None:
        """Something was committed."""
        commits: dict[str, Commit] = {}
        tables = self._world.tables
        for change in changes:
            if change.table == tables.ledger:
                self._ledger_changed(commits, change)
            elif change.table == tables.registrations:
                self._record_changed(commits, change)
        for event_id, commit in commits.items():
            self._check(self.books[event_id], commit)

    def _commit(self, commits: dict[str, Commit], event_id: str) -> Commit:
        book = self.books[event_id]
        return commits.setdefault(event_id, Commit(book.ledger, book.ledger, {}))

    def _ledger_changed(self, commits: dict[str, Commit], change: Change) -> None:
        if change.after is None:
            self._world.broken(MISCOUNTED, "a ledger disappeared")
            return
        ledger = ledger_from_item(change.after)
        commit = self._commit(commits, ledger.event_id)
        if ledger.version != commit.before.version + 1:
            self._world.broken(MISCOUNTED, f"ledger version {commit.before.version} -> {ledger.version}")
        commit.after = ledger

    def _record_changed(self, commits: dict[str, Commit], change: Change) -> None:
        if change.after is None:
            self._world.broken(MOVES, f"{change.before} disappeared")
            return
        record = registration_from_item(change.after)
        key = change.after["registrationId"]["S"]
        before = self.books[record.event_id].records.get(key) if record.event_id in self.books else None
        others = [book.event_id for book in self.books.values() if key in book.records]
        if (others and others != [record.event_id]) or (before is not None and before.user_id != record.user_id):
            self._world.broken(ONE, f"{key} was {others}, is {record.event_id} {record.user_id}")
            return
        self._commit(commits, record.event_id).changed[key] = (before, record)

    def _check(self, book: Book, commit: Commit) -> None:
        world, now = self._world, self._world.engine.now
        was = dict(book.records)
        book.records |= {key: after for key, (_, after) in commit.changed.items()}
        for sentence in illegal_moves({k: was[k] for k in commit.changed if k in was}, _after(commit)):
            world.broken(MOVES, sentence)
        if commit.after is not commit.before:
            for sentence in broken_rules(commit.after, book.records.values()):
                world.broken(JUMPED if "past an earlier" in sentence else MISCOUNTED, f"{book.event_id}: {sentence}")
            self._check_seats(book, commit)
            self._check_status(book, commit)
            self._check_line(book, commit)
            self._check_order(book, was)
            book.ledger = commit.after
            book.ledgers.append((now, commit.after))
        elif any(after.status is not Status.PENDING for after in _after(commit).values()):
            world.broken(MISCOUNTED, f"{book.event_id}: decided without the ledger")
        for key, (before, after) in commit.changed.items():
            self._check_asked(key, before, after)
            book.states.setdefault(key, []).append((now, after))

    def _check_seats(self, book: Book, commit: Commit) -> None:
        given = [key for key, (before, after) in commit.changed.items() if _seated(after) and not _seated(before)]
        allowed = max(commit.before.settings.capacity, commit.after.settings.capacity, self._asked_capacity(book))
        taken = sum(map(_seated, book.records.values()))
        if given and taken > allowed:
            self._world.broken(OVERSOLD, f"{book.event_id}: {taken} seats taken of {allowed}")

    def _check_asked(self, key: str, before: Registration | None, after: Registration) -> None:
        """Who comes or goes has asked for it, in that very attempt."""
        goes = after.status is Status.CANCELLED
        comes = before is None or before.generation < after.generation or before.status is Status.PENDING
        if (goes and not self.asked_for(Cancel, key, after.generation)) or (
            comes and not goes and not self.asked_for(Register, key, after.generation)
        ):
            self._world.broken(UNASKED, f"{key}: {before} -> {after}")

    def _check_status(self, book: Book, commit: Commit) -> None:
        statuses = {commit.before.settings.status, commit.after.settings.status}
        statuses |= {command.changes["status"] for command in self._configures(book) if "status" in command.changes}
        if EventStatus.ACTIVE in statuses:
            return
        came = [
            key for key, (before, after) in commit.changed.items() if after.ticket and not (before and before.ticket)
        ]
        came += [key for key, (before, after) in commit.changed.items() if _seated(after) and not _seated(before)]
        moved = {key for key, (before, after) in commit.changed.items() if _moved_up(before, after)}
        if came and (statuses == {EventStatus.CANCELLED} or not moved.issuperset(came)):
            self._world.broken(CLOSED, f"{book.event_id}: {came} at an event that is {statuses}")

    def _asked_capacity(self, book: Book) -> int:
        """The most seats that a change in the queue asks for: in one batch, several may come and go."""
        return max((command.changes.get("capacity", 0) for command in self._configures(book)), default=0)

    def _configures(self, book: Book) -> list[Configure]:
        commands = (command for _, command in self._waiting(book))
        return [command for command in commands if isinstance(command, Configure)]

    def _check_line(self, book: Book, commit: Commit) -> None:
        world, event = self._world, book.event_id
        promoted = [key for key, (before, after) in commit.changed.items() if _moved_up(before, after)]
        waiting = {key for key, record in book.records.items() if record.status is Status.WAITLISTED}
        stayed = [key for key in book.line if key in waiting and commit.changed.get(key, (None, None))[0] is None]
        joined = sorted(
            (k for k, (b, a) in commit.changed.items() if a.status is Status.WAITLISTED),
            key=lambda key: book.records[key].ticket or 0,
        )
        for key in promoted:
            ahead = book.line[: book.line.index(key)] if key in book.line else []
            if passed := [other for other in ahead if other in stayed]:
                world.broken(JUMPED, f"{event}: {key} was promoted past {passed}")
            before, _ = commit.changed[key]
            ticket = before.ticket if before else None
            if ticket in book.promoted:
                world.broken(TWICE, f"{event}: ticket {ticket}")
            book.promoted.add(ticket or 0)
        newcomers = [k for k, (b, a) in commit.changed.items() if _seated(a) and k not in promoted]
        if newcomers and stayed:
            world.broken(JUMPED, f"{event}: {newcomers} came later than {stayed}, who wait")
        book.line = stayed + joined
        limits = [ledger.settings.waitlist_capacity for ledger in (commit.before, commit.after)]
        limits += [c.changes["waitlist_capacity"] for c in self._configures(book) if "waitlist_capacity" in c.changes]
        if joined and None not in limits and len(book.line) > max(limit or 0 for limit in limits):
            world.broken(LINE_FULL, f"{event}: {len(book.line)} wait in a line of {limits}")

    def _check_order(self, book: Book, was: Mapping[str, Registration]) -> None:
        """What changes something is decided before whatever comes behind it in the group."""
        left: list[str] = []
        for key, command in self._waiting(book):
            if not isinstance(command, Register | Cancel):
                continue
            before, after = was.get(command.registration_id), book.records.get(command.registration_id)
            if applies(command, before) and applies(command, after) and not self._set_aside(book, key, command):
                left.append(f"{key} {command}")
            elif left and before != after and applies(command, before) and came_of(command, after):
                self._world.broken(OVERTAKEN, f"{book.event_id}: {key} {command} was decided before {left}")

    def _set_aside(self, book: Book, message_id: str, command: Register | Cancel) -> bool:
        """Parked, or about a record that cannot be read."""
        now = self._world.engine.now
        return message_id in self._world.parked or book.damaged(command.registration_id, now, now)

    def _waiting(self, book: Book) -> list[tuple[str, Command]]:
        """The commands of an event that are in the queue, in order, by message id."""
        group = group_of(book.event_id)
        messages = self._world.sqs.queue(QUEUE).messages
        read = [(message.id, self.command(message.body)) for message in messages if message.group == group]
        return [(key, command) for key, command in read if command is not None]

    def command(self, body: str) -> Command | None:
        """The command in a message; None if it is none."""
        if body not in self._commands:
            try:
                self._commands[body] = decode(body)
            except Unreadable:
                self._commands[body] = None
        return self._commands[body]

    def answered(self, messages: list[dict[str, Any]], answer: dict[str, Any]) -> set[str]:
        """The ids that the registrar wants again; it may name only what it got, and a group from there to its end."""
        failed = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
        ids = {message["MessageId"] for message in messages}
        stopped: set[str] = set()
        for message in messages:
            group = message["Attributes"]["MessageGroupId"]
            if message["MessageId"] in failed:
                stopped.add(group)
            elif group in stopped:
                self._world.broken(REPORTED, f"{message['MessageId']} is behind one that failed")
        if not ids.issuperset(failed):
            self._world.broken(REPORTED, f"{set(failed) - ids} were not received")
        return set(failed)


def _after(commit: Commit) -> dict[str, Registration]:
    return {key: after for key, (_, after) in commit.changed.items()}


def _moved_up(before: Registration | None, after: Registration) -> bool:
    waited = before is not None and before.status is Status.WAITLISTED and before.generation == after.generation
    return waited and _seated(after)


def _seated(record: Registration | None) -> bool:
    return record is not None and record.status is Status.CONFIRMED
