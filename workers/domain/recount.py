"""Recounting: what an event's registrations add up to, and where its ledger says something else.

Of a ledger only what is counted can be told from the registrations: who has a seat, who waits, and that ticket and time
are later than any given. Its settings cannot; they stay, and all that can be said of them is whether the event item has
the same. More confirmed than seats is no damage: the capacity may have been lowered under them.

Some things no ledger could agree with: a waiter without a ticket, two with the same. They are `flaws`, and while an
event has any, nobody can say what its ledger should be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from itertools import pairwise

from workers.domain.records import Ledger, Registration, Status, Totals
from workers.domain.seat_settings import SETTINGS, SeatSettings
from workers.domain.waitlist import Waitlist

RECOUNT_LIFETIME = 15 * 60 * 1_000_000
"""Microseconds for which a count may be used. One that comes back later, out of the dead-letter queue, may meet another
ledger of the same version: somebody has deleted it in between, or restored its table."""

MAX_SPAN = 1_000_000
"""From the first live ticket to the last: the bitmap of a longer line is more than a message to the queue may hold."""

_SHOWN = 10


def differences(ledger: Ledger, totals: Totals) -> tuple[str, ...]:
    """Where the ledger does not say what its registrations add up to, one sentence each; empty when they agree."""
    should = ledger.recount(totals)
    found = []
    if ledger.confirmed != should.confirmed:
        found.append(f"the ledger says {ledger.confirmed} confirmed, {should.confirmed} are")
    if ledger.waitlist != should.waitlist:
        in_line, waiting = set(ledger.waitlist), set(should.waitlist)
        if missing := waiting - in_line:
            found.append(f"not in the ledger's line, but waiting: {_tickets(missing)}")
        if extra := in_line - waiting:
            found.append(f"in the ledger's line, but held by nobody who waits: {_tickets(extra)}")
        if waiting == in_line:
            found.append("the ledger's line has the right tickets, but is not written as the registrar writes it")
    if ledger.next_ticket != should.next_ticket:
        why = f"{should.next_ticket - 1} waits already" if should.waitlist else "the first is 1"
        found.append(f"the ledger gives ticket {ledger.next_ticket} next, but {why}")
    if ledger.last_registered_at != should.last_registered_at:
        seconds = (should.last_registered_at - ledger.last_registered_at) / 1_000_000
        found.append(f"the last decision that the ledger knows is {seconds:,.6f} s older than the last that there was")
    return tuple(found)


def settings_differences(ledger: SeatSettings, event: SeatSettings) -> tuple[str, ...]:
    """Where ledger and event item, which are written together, have other settings, one sentence each."""
    pairs = ((setting.wire_name, getattr(ledger, name), getattr(event, name)) for name, setting in SETTINGS.items())
    return tuple(
        f"{wire_name} is {_plain(of_ledger)} in the ledger, {_plain(of_event)} in the event item"
        for wire_name, of_ledger, of_event in pairs
        if of_ledger != of_event
    )


class TotalsBuilder:
    """Adds up the registrations of one event, one by one, in any order.

    `needs_ledger` is True once one was seen that only the registrar writes, together with a ledger.
    """

    def __init__(self) -> None:
        self.registrations = 0
        self.needs_ledger = False
        self._confirmed = 0
        self._last = 0
        self._waiting: list[tuple[int, int, str]] = []
        self._flaws: list[str] = []

    def add(self, key: str, record: Registration) -> None:
        """Counts one; `key` is the id under which it is stored."""
        self.registrations += 1
        if record.registration_id != key:
            self._flaws.append(f"registration {key} is stored under an id that its event and its user do not make")
        waits = record.status is Status.WAITLISTED
        if waits and record.ticket is not None and record.ticket > 0:
            self._waiting.append((record.ticket, record.registered_at, key))
        elif waits:
            self._flaws.append(f"registration {key} waits without a ticket")
        elif record.ticket is not None:
            self._flaws.append(f"registration {key} is {record.status} and has a ticket ({record.ticket})")
        self._confirmed += record.status is Status.CONFIRMED
        # What an operator discarded (it has a note), or a Cancel came before, keeps the time of its promise.
        decided = record.status in {Status.CONFIRMED, Status.WAITLISTED, Status.REJECTED} and record.note is None
        self._last = max(self._last, record.registered_at if decided else 0)
        self.needs_ledger |= decided or record.status is Status.CANCELLED

    def add_stray(self, key: str, event_id: str | None) -> None:
        """Notes one of this event's that says it is another's, or nobody's."""
        names = "no event" if event_id is None else f"the event {event_id!r}"
        self._flaws.append(f"registration {key} is one of this event's, but names {names}")

    def add_undecodable(self, key: str, error: Exception) -> None:
        """Notes one that may be anything."""
        self.registrations += 1
        self._flaws.append(f"registration {key} cannot be read: {error!r}")

    def flaws(self) -> tuple[str, ...]:
        """What keeps these registrations from adding up to anything, one sentence each."""
        found = list(self._flaws)
        tickets = Counter(ticket for ticket, _, _ in self._waiting)
        for ticket, number in sorted(tickets.items()):
            if number > 1:
                found.append(f"{number} registrations wait with the same ticket ({ticket})")
        line = sorted(self._waiting)
        for (_, before, one), (_, after, other) in pairwise(line):
            if before >= after and not found:
                found.append(f"registration {other} waits behind {one}, but was decided before it")
        if line and line[-1][0] - line[0][0] > MAX_SPAN:
            found.append(f"the tickets go from {line[0][0]} to {line[-1][0]}, further than any line")
        return tuple(found)

    def totals(self) -> Totals:
        """What they add up to. ValueError while there are flaws."""
        if flaws := self.flaws():
            raise ValueError(flaws[0])
        return Totals(self._confirmed, Waitlist.of(ticket for ticket, _, _ in self._waiting), self._last)


def _plain(value: object) -> str:
    return "no limit" if value is None else str(value)


def _tickets(tickets: Collection[int]) -> str:
    shown = ", ".join(map(str, sorted(tickets)[:_SHOWN]))
    more = f" and {len(tickets) - _SHOWN} more" if len(tickets) > _SHOWN else ""
    return f"ticket{'' if len(tickets) == 1 else 's'} {shown}{more}"
