"""The rules that may never break, checked after every committed write.

They know the tables' formats and what a command asks for, and nothing of how `decide` decides.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from tests.proofs.simulation.reference_model import Batch, Course, Verdict, standing
from tests.proofs.simulation.state_history import Book, applies, came_of
from tests.support.rules import broken_rules, illegal_moves
from workers.aws.items import Item, ledger_from_event, ledger_from_item, registration_from_item
from workers.domain.commands import Cancel, Configure, Register
from workers.domain.records import EventStatus, Ledger, Registration, Status
from workers.domain.transitions import DISCARDED

if TYPE_CHECKING:
    from tests.proofs.simulation.dynamodb.fake import Change
    from tests.proofs.simulation.world import World

OVERSOLD = "1: no seat is given beyond the capacity"
MISCOUNTED = "2: the ledger counts the registrations"
JUMPED = "3: nobody is confirmed past an earlier waiter"
TWICE = "4: one promotion per ticket at most"
MOVES = "5: statuses move along the table, generations grow"
ONE = "6: a registration is one person's at one event"
CLOSED = "nobody joins an event that is closed or cancelled, nobody is promoted at a cancelled one"
LINE_FULL = "7: the line keeps its limit"
NO_LINE = "nobody waits at an event that has no waiting list"
REFUSED = "nobody is refused while there is room"
COURSE = "a batch comes to what its commands come to one after the other"
UNASKED = "nothing is done that nobody asked for"
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

    def opened(self, event: Item) -> None:
        """A new event, which has no ledger yet."""
        ledger = ledger_from_event(event)
        now = self._world.engine.now
        self.books[ledger.event_id] = Book(
            ledger.event_id, ledger, ledgers=[(now, ledger)], titles=[(now, event["title"]["S"])]
        )

    def wrote(self, changes: list[Change]) -> None:
        """Something was committed."""
        commits: dict[str, Commit] = {}
        tables = self._world.tables
        for change in changes:
            if change.table == tables.ledger:
                self._ledger_changed(commits, change)
            elif change.table == tables.registrations:
                self._record_changed(commits, change)
            elif change.table == tables.events and change.after is not None:
                book = self.books[change.after["eventId"]["S"]]
                book.titles.append((self._world.engine.now, change.after["title"]["S"]))
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
        if key != _own_id(record):
            self._world.broken(ONE, f"{key} is not the id of {record.user_id} at {record.event_id}")
        others = [book.event_id for book in self.books.values() if key in book.records]
        if (others and others != [record.event_id]) or (before is not None and before.user_id != record.user_id):
            self._world.broken(ONE, f"{key} was {others}, is {record.event_id} {record.user_id}")
            return
        if record.event_id not in self.books:
            self._world.broken(UNASKED, f"{record}: there is no such event")
            return
        self._commit(commits, record.event_id).changed[key] = (before, record)

    def _check(self, book: Book, commit: Commit) -> None:
        world, now = self._world, self._world.engine.now
        was, line = dict(book.records), book.waitlist
        batches = world.messages.batches(book.event_id)
        configures = [command for batch in batches for command in batch.configures()]
        book.records |= {key: after for key, (_, after) in commit.changed.items()}
        for sentence in illegal_moves({k: was[k] for k in commit.changed if k in was}, _after(commit)):
            world.broken(MOVES, sentence)
        if commit.after is not commit.before:
            for sentence in broken_rules(commit.after, book.records.values()):
                world.broken(_RULES.get(sentence, MISCOUNTED), f"{book.event_id}: {sentence}")
            self._check_seats(book, commit, configures)
            self._check_status(book, commit, configures)
            self._check_line(book, commit, configures)
            self._check_order(book, was, {key for batch in batches for key, _ in batch.commands})
            book.ledger = commit.after
            book.ledgers.append((now, commit.after))
        elif not all(after.status is Status.PENDING or after.code == DISCARDED for after in _after(commit).values()):
            world.broken(MISCOUNTED, f"{book.event_id}: decided without the ledger")
        for key, (before, after) in commit.changed.items():
            self._check_asked(key, before, after)
            book.states.setdefault(key, []).append((now, after))
        if commit.after is not commit.before:
            self._check_course(book, commit, Course(commit.before, was, line), batches)

    def _check_course(self, book: Book, commit: Commit, begin: Course, batches: list[Batch]) -> None:
        """What was written is what the commands of the batch come to, by a count of seats and places."""
        has = standing(book.records)
        waiting = (key for key, record in book.records.items() if record.ticket is not None)
        line = sorted(waiting, key=lambda key: book.records[key].ticket or 0)
        verdicts: dict[tuple[str, int], Verdict] = {}
        for commands in (commands for batch in batches for commands in batch.decided(self._world.parked)):
            course = Course(commit.before, begin.records, begin.waitlist)
            for _ in course.states(commands):
                if (
                    course.waitlist == line
                    and course.settings == commit.after.settings
                    and standing(course.records) == has
                ):
                    return
            verdicts |= course.verdicts
        for key, (_, after) in commit.changed.items():
            should = verdicts.get((key, after.generation))
            if (rule := _astray(after, should)) is not None:
                self._world.broken(rule, f"{book.event_id}: {after}; by a count it is {should}")
        self._world.broken(COURSE, f"{book.event_id}: {commit} in {batches}")

    def _check_seats(self, book: Book, commit: Commit, configures: list[Configure]) -> None:
        given = [key for key, (before, after) in commit.changed.items() if _seated(after) and not _seated(before)]
        asked = max((command.changes.get("capacity", 0) for command in configures), default=0)
        allowed = max(commit.before.settings.capacity, commit.after.settings.capacity, asked)
        taken = sum(map(_seated, book.records.values()))
        if given and taken > allowed:
            self._world.broken(OVERSOLD, f"{book.event_id}: {taken} seats taken of {allowed}")

    def _check_asked(self, key: str, before: Registration | None, after: Registration) -> None:
        """Who comes or goes has asked for it, in that very attempt."""
        asked_for, goes = self._world.messages.asked_for, after.status is Status.CANCELLED
        comes = before is None or before.generation < after.generation or before.status is Status.PENDING
        if (goes and not asked_for(Cancel, key, after.generation)) or (
            comes and not goes and not asked_for(Register, key, after.generation)
        ):
            self._world.broken(UNASKED, f"{key}: {before} -> {after}")

    def _check_status(self, book: Book, commit: Commit, configures: list[Configure]) -> None:
        statuses = {commit.before.settings.status, commit.after.settings.status}
        statuses |= {command.changes["status"] for command in configures if "status" in command.changes}
        if EventStatus.ACTIVE in statuses:
            return
        came = [
            key for key, (before, after) in commit.changed.items() if after.ticket and not (before and before.ticket)
        ]
        came += [key for key, (before, after) in commit.changed.items() if _seated(after) and not _seated(before)]
        moved = {key for key, (before, after) in commit.changed.items() if _moved_up(before, after)}
        if came and (statuses == {EventStatus.CANCELLED} or not moved.issuperset(came)):
            self._world.broken(CLOSED, f"{book.event_id}: {came} at an event that is {statuses}")

    def _check_line(self, book: Book, commit: Commit, configures: list[Configure]) -> None:
        world, event = self._world, book.event_id
        promoted = [key for key, (before, after) in commit.changed.items() if _moved_up(before, after)]
        waiting = {key for key, record in book.records.items() if record.status is Status.WAITLISTED}
        stayed = [key for key in book.waitlist if key in waiting and key not in commit.changed]
        joined = sorted(
            (k for k, (b, a) in commit.changed.items() if a.status is Status.WAITLISTED),
            key=lambda key: book.records[key].ticket or 0,
        )
        for key in promoted:
            ahead = book.waitlist[: book.waitlist.index(key)] if key in book.waitlist else []
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
        book.waitlist = stayed + joined
        limits = [ledger.settings.waitlist_capacity for ledger in (commit.before, commit.after)]
        limits += [c.changes["waitlist_capacity"] for c in configures if "waitlist_capacity" in c.changes]
        lines = [ledger.settings.has_waitlist for ledger in (commit.before, commit.after)]
        if joined and not any(lines + [c.changes.get("has_waitlist", False) for c in configures]):
            world.broken(NO_LINE, f"{event}: {joined} wait")
        if joined and None not in limits and len(book.waitlist) > max(limit or 0 for limit in limits):
            world.broken(LINE_FULL, f"{event}: {len(book.waitlist)} wait in a line of {limits}")

    def _check_order(self, book: Book, was: Mapping[str, Registration], batch: Collection[str]) -> None:
        """What changes something is decided before whatever comes behind it in the group.

        Only what is in the batch was decided. The same command may stand elsewhere in the queue: replayed from the dead
        letters, to which SQS moved its message while a registrar was at work on it. Or further back in the batch, when
        a message came again that had been parked: then it was the first of the two that was decided.
        """
        left: list[str] = []
        decided: set[str] = set()
        for key, command in self._world.messages.waiting(book.event_id):
            if not isinstance(command, Register | Cancel):
                continue
            before, after = was.get(command.registration_id), book.records.get(command.registration_id)
            if applies(command, before) and applies(command, after) and not self._set_aside(book, key, command):
                left.append(f"{key} {command}")
            elif key in batch and before != after and applies(command, before) and came_of(command, after):
                if left and command.registration_id not in decided:
                    self._world.broken(OVERTAKEN, f"{book.event_id}: {key} {command} was decided before {left}")
                decided.add(command.registration_id)

    def _set_aside(self, book: Book, message_id: str, command: Register | Cancel) -> bool:
        """Parked, or about a record that cannot be read."""
        now = self._world.engine.now
        return message_id in self._world.parked or book.damaged(command.registration_id, now, now)


_RULES = {
    "nobody is confirmed past an earlier waiter": JUMPED,
    "tickets are in the order of decision": JUMPED,
    "nobody has two active registrations": ONE,
}
"""What it breaks if such a sentence of `broken_rules` does not hold; the ledger's count, if it is none of these."""


def _astray(after: Registration, should: Verdict | None) -> str | None:
    """Which rule it breaks that somebody stands as she does, when by a count she should have got something else."""
    if should is None or should == (after.status, after.code):
        return None
    rules = {"event-full": NO_LINE, "waitlist-full": LINE_FULL, "registration-closed": CLOSED}
    match after.status:
        case Status.REJECTED:
            return REFUSED
        case Status.CONFIRMED:
            return CLOSED if should[1] == "registration-closed" else OVERSOLD
        case Status.WAITLISTED:
            return rules.get(should[1] or "", COURSE)
        case _:
            return None


def _own_id(record: Registration) -> str:
    """The only id that the registration of this person at this event can have (design, section 5)."""
    digest = sha256(record.event_id.encode() + b"\0" + record.user_id.encode()).digest()
    return "reg_" + b32encode(digest).decode()[:26]


def _after(commit: Commit) -> dict[str, Registration]:
    return {key: after for key, (_, after) in commit.changed.items()}


def _moved_up(before: Registration | None, after: Registration) -> bool:
    waited = before is not None and before.status is Status.WAITLISTED and before.generation == after.generation
    return waited and _seated(after)


def _seated(record: Registration | None) -> bool:
    return record is not None and record.status is Status.CONFIRMED
