"""Recounting: what an event's registrations add up to, and where its ledger differs.

The registrations determine the part of a ledger that is counted: the taken seats, the waiting list, and lower bounds of
the next ticket and the time of the last decision. They do not determine the settings, which can only be compared with
those of the event item. More confirmed registrations than seats are no damage: the capacity may have been lowered.

No ledger can match some registrations, such as a waiter without a ticket, or two with the same. These are `flaws`.
While an event has any, its ledger cannot be recounted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from itertools import pairwise

from workers.domain.damage import describe_damage
from workers.domain.records import Ledger, Registration, Status, Totals
from workers.domain.seat_settings import SETTINGS, SeatSettings
from workers.domain.waitlist import Waitlist

RECOUNT_LIFETIME = 15 * 60 * 1_000_000
"""Microseconds for which totals may be used. Later, out of the dead-letter queue, they could meet another ledger of the
same version, if the ledger was deleted or its table restored in between."""

MAX_SPAN = 1_000_000
"""The most tickets from the first waiting one to the last: a longer bitmap does not fit in a queue message."""

_SHOWN = 10


def differences(ledger: Ledger, totals: Totals) -> tuple[str, ...]:
    """Return where the ledger differs from what its registrations add up to, one sentence each."""
    should = ledger.recount(totals)
    found = []
    if ledger.confirmed != should.confirmed:
        found.append(f"the ledger says {ledger.confirmed} confirmed, {should.confirmed} are")
    if ledger.waitlist != should.waitlist:
        listed, waiting = set(ledger.waitlist), set(should.waitlist)
        if missing := waiting - listed:
            found.append(f"waiting, but not on the ledger's waiting list: {_tickets(missing)}")
        if extra := listed - waiting:
            found.append(f"on the ledger's waiting list, but held by nobody who waits: {_tickets(extra)}")
        if waiting == listed:
            found.append("the ledger's waiting list has the right tickets, but in another form than the registrar's")
    if ledger.next_ticket != should.next_ticket:
        why = f"{should.next_ticket - 1} waits already" if should.waitlist else "the first is 1"
        found.append(f"the ledger gives ticket {ledger.next_ticket} next, but {why}")
    if ledger.last_registered_at != should.last_registered_at:
        seconds = (should.last_registered_at - ledger.last_registered_at) / 1_000_000
        found.append(f"the ledger's last decision is {seconds:,.6f} s older than that of the registrations")
    return tuple(found)


def settings_differences(ledger: SeatSettings, event: SeatSettings) -> tuple[str, ...]:
    """Return where the settings of ledger and event item differ, one sentence each. They are written together."""
    pairs = ((setting.wire_name, getattr(ledger, name), getattr(event, name)) for name, setting in SETTINGS.items())
    return tuple(
        f"{wire_name} is {_plain(of_ledger)} in the ledger, {_plain(of_event)} in the event item"
        for wire_name, of_ledger, of_event in pairs
        if of_ledger != of_event
    )


class TotalsBuilder:
    """The sum of an event's registrations so far; they can be added in any order.

    `needs_ledger` is True once there was one that the registrar wrote, because it writes a ledger with it.
    """

    def __init__(self) -> None:
        self.registrations = 0
        self.needs_ledger = False
        self._confirmed = 0
        self._last = 0
        self._waiting: list[tuple[int, int, str]] = []
        self._flaws: list[str] = []

    def add(self, key: str, record: Registration) -> None:
        """Add a registration; `key` is the id under which it is stored."""
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
        # A discarded registration (it has a note), or one cancelled while pending, has the time of its request.
        decided = record.status in {Status.CONFIRMED, Status.WAITLISTED, Status.REJECTED} and record.note is None
        self._last = max(self._last, record.registered_at if decided else 0)
        self.needs_ledger |= decided or record.status is Status.CANCELLED

    def add_stray(self, key: str, event_id: str | None) -> None:
        """Add a registration of this event whose item names another event, or none."""
        names = "no event" if event_id is None else f"the event {event_id!r}"
        self._flaws.append(f"registration {key} is one of this event's, but names {names}")

    def add_undecodable(self, key: str, error: Exception) -> None:
        """Add a registration that cannot be decoded."""
        self.registrations += 1
        self._flaws.append(f"registration {key} cannot be read: {describe_damage(error)}")

    def flaws(self) -> tuple[str, ...]:
        """Return why these registrations cannot be added up, one sentence each."""
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
            found.append(f"the tickets go from {line[0][0]} to {line[-1][0]}, a wider range than any waiting list has")
        return tuple(found)

    def totals(self) -> Totals:
        """Return what the registrations add up to. Raises ValueError if there are flaws."""
        if flaws := self.flaws():
            raise ValueError(flaws[0])
        return Totals(self._confirmed, Waitlist.of(ticket for ticket, _, _ in self._waiting), self._last)


def _plain(value: object) -> str:
    return "no limit" if value is None else str(value)


def _tickets(tickets: Collection[int]) -> str:
    shown = ", ".join(map(str, sorted(tickets)[:_SHOWN]))
    more = f" and {len(tickets) - _SHOWN} more" if len(tickets) > _SHOWN else ""
    return f"ticket{'' if len(tickets) == 1 else 's'} {shown}{more}"
