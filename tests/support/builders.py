"""Builders for events, commands, settings and ledgers, and a book that keeps one event in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from workers.aws.items import Item, event_key
from workers.domain.commands import Cancel, Command, Configure, Promote, Register
from workers.domain.decide import MAX_PROMOTIONS, decide
from workers.domain.decision import Decision
from workers.domain.records import Ledger, Registration, Status, registration_id
from workers.domain.seat_settings import SETTINGS, EventStatus, SeatSettings
from workers.domain.waitlist import Waitlist

EVENT = "e1"
NOW = 1_767_225_600_000_000
"""2026-01-01, in microseconds since 1970."""

NEW_EVENT: dict[str, object] = {
    "title": "T", "date": "2030-05-01", "location": "L", "organizer": "O", "capacity": 1,
}  # fmt: skip
"""The smallest body that creates an event."""


def event_item(event_id: str, capacity: int, **attributes: Any) -> Item:
    """Return an event as it is stored after such a body, with more attributes."""
    texts: Item = {name: {"S": name} for name in ("title", "date", "location", "organizer")}
    return {**event_key(event_id), **texts, "capacity": {"N": str(capacity)}, "status": {"S": "active"}, **attributes}


def seats(capacity: int, waitlist: int | bool | None = False, status: EventStatus = EventStatus.ACTIVE) -> SeatSettings:
    """Return seat settings. `waitlist`: False for none, True or None for an unlimited one, a number for its limit."""
    limit = None if waitlist is None or isinstance(waitlist, bool) else waitlist
    return SeatSettings(capacity, waitlist is not False, limit, status)


def register(user: str, generation: int = 1, event: str = EVENT, key: str | None = None) -> Register:
    """Return a Register, accepted at NOW."""
    return Register(f"register-{user}-{generation}", event, user, generation, NOW, key)


def cancel(user: str, generation: int = 1, event: str = EVENT, key: str | None = None) -> Cancel:
    """Return a Cancel, accepted at NOW."""
    return Cancel(f"cancel-{user}-{generation}", event, user, generation, NOW, key)


def promote(version: int = 1, event: str = EVENT) -> Promote:
    """Return a Promote, accepted at NOW."""
    return Promote(f"promote-{version}", event, version, NOW)


def configure(revision: int, settings: SeatSettings, event: str = EVENT) -> Configure:
    """Return a Configure of all settings, accepted at NOW."""
    return change(revision, event, **{name: getattr(settings, name) for name in SETTINGS})


def change(revision: int, event: str = EVENT, **changes: Any) -> Configure:
    """Return a Configure of some settings, accepted at NOW."""
    return Configure(f"configure-{revision}", event, revision, changes, NOW)


def ledger_of(event: str, settings: SeatSettings, confirmed: int, waiting: int = 0, version: int = 1) -> Ledger:
    """Return a ledger with that many confirmed, and the tickets 1, 2, ... waiting."""
    line = Waitlist(1, (1 << waiting) - 1) if waiting else Waitlist()
    return Ledger(event, settings, version, confirmed=confirmed, next_ticket=waiting + 1, waitlist=line)


def revision_of(ledger: Ledger) -> int:
    """Return the latest revision of any setting."""
    return max(ledger.revisions.values(), default=0)


class Book:
    """One event's ledger and records in memory, written like the tables: on the condition of the previous version."""

    def __init__(self, settings: SeatSettings, event: str = EVENT) -> None:
        self.event = event
        self.ledger = Ledger(event, settings)
        self.records: dict[str, Registration] = {}

    def record(self, user: str) -> Registration | None:
        """Return the record of a user, if there is one."""
        return self.records.get(registration_id(self.event, user))

    def stored(self, user: str) -> Registration:
        """Return the record of a user. KeyError if there is none."""
        return self.records[registration_id(self.event, user)]

    def status(self, user: str) -> str | None:
        """Return the status of a user's registration, None without one."""
        record = self.record(user)
        return str(record.status) if record else None

    def put(self, user: str, status: Status, generation: int = 1) -> Registration:
        """Write a record without the ledger, as the API does with `pending`."""
        before = self.record(user)
        version = before.version + 1 if before else 1
        record = Registration(self.event, user, status, generation, version, before.registered_at if before else NOW)
        self.records[record.registration_id] = record
        return record

    def waitlist(self) -> list[str]:
        """Return the users that wait, in order."""
        by_ticket = {record.ticket: record.user_id for record in self.records.values()}
        return [by_ticket[ticket] for ticket in self.ledger.waitlist]

    def deliver(
        self,
        *commands: Command,
        unseen: Collection[str] = (),
        max_promotions: int = MAX_PROMOTIONS,
        now: int = NOW,
    ) -> Decision:
        """Decide a batch and write the result. `unseen`: users whose records the decision does not see."""
        at_hand = [record for record in self.records.values() if record.user_id not in unseen]
        decision = decide(self.ledger, at_hand, commands, now, max_promotions)
        self._write(decision)
        return decision

    def fill(self, *users: str) -> None:
        """Register users, one after the other."""
        self.deliver(*[register(user) for user in users])

    def _write(self, decision: Decision) -> None:
        if not decision.changes_anything:
            assert decision.ledger == self.ledger
            return
        assert decision.ledger.version == self.ledger.version + 1
        for record in decision.registrations:
            before = self.records.get(record.registration_id)
            assert record.version == (before.version if before else 0) + 1
        self.ledger = decision.ledger
        self.records |= {record.registration_id: record for record in decision.registrations}


def full_event(*line: str, capacity: int = 1, waitlist: int | bool = True) -> Book:
    """Return a book in which `seat-1`, `seat-2`, ... have all seats, and the others wait in this order."""
    book = Book(seats(capacity, waitlist))
    book.fill(*[f"seat-{number}" for number in range(1, capacity + 1)], *line)
    assert book.waitlist() == list(line)
    return book


def outcomes(decision: Decision) -> list[tuple[str, str]]:
    """Return result and reason of each decided command."""
    return [(str(outcome.result), str(outcome.reason)) for outcome in decision.outcomes]


def users_of(records: Iterable[Registration]) -> list[str]:
    """Return the users of some records, in order."""
    return [record.user_id for record in records]
