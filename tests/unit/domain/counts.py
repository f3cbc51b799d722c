"""Registrations to be added up, what they come to, and the command that writes it into the ledger."""

from __future__ import annotations

from collections.abc import Iterable

from tests.support.builders import EVENT, NOW, Book, seats
from workers.domain.commands import Recount
from workers.domain.records import Registration, Status
from workers.domain.recount import TotalsBuilder

REWRITTEN, STALE = ("recounted", "ledger-rewritten"), ("superseded", "stale-count")


def a_line(*users: str, capacity: int = 1) -> Book:
    """So many seats, taken by the first; the others wait with the tickets 1, 2, ..."""
    book = Book(seats(capacity, waitlist=True))
    book.fill(*users)
    return book


def waiting(user: str, ticket: int | None, at: int = NOW, status: Status = Status.WAITLISTED) -> Registration:
    """Somebody in the line."""
    return Registration(EVENT, user, status, 1, 1, at, ticket=ticket)


def tally(records: Iterable[Registration]) -> TotalsBuilder:
    """The records, added up in this order."""
    added = TotalsBuilder()
    for record in records:
        added.add(record.registration_id, record)
    return added


def recount(book: Book, version: int | None = None) -> Recount:
    """A Recount of what the book has, made NOW; `version` is that of its ledger if it is not another one."""
    version = book.ledger.version if version is None else version
    return Recount(f"recount-{version}", book.event, version, tally(book.records.values()).totals(), NOW)
