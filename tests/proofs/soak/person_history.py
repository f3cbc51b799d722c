"""Deduce what the exchanges of one person at one event prove, and what they leave open.

`registers` and `cancels` are the requests that may have been accepted. A **stay** is an attempt that got a seat or a
place in the waiting list, from that decision until a cancellation. `registeredAt`, which is unique within an event,
identifies it. A **view** is an answer that shows a stay active; the final tables are the last view.

The interval [start, end] is all that is known about when something happened, so each method says what is certain or
what is possible. A request reads the registration before it is answered, and is about the attempt that it reads. A
request that was answered before a cancellation began is therefore about an attempt that this cancellation ends, or
about an older one, however late its message is delivered (`_surely_ends`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from tests.proofs.soak.history import CANCEL, READ, REGISTER, Exchange
from workers.domain.records import Registration, Status

SEATED, WAITING = "confirmed", "waitlisted"
AT_REST = 1e12
"""When the final tables were read, in seconds: later than every request, earlier than infinity."""
REFUSALS = frozenset({"event-full", "waitlist-full", "registration-closed"})
CANCELLED_MEANWHILE = "registration-cancelled"
"""The code of a 409 about a request that was accepted and decided, and then cancelled by another one."""


@dataclass(frozen=True, slots=True)
class View:
    """An answer that shows an active registration. `source` says which answer."""

    status: str
    registered_at: int
    start: float
    end: float
    source: str
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Absence:
    """An answer that shows no active registration."""

    start: float
    end: float
    source: str


class Stay:
    """One stay, as it was seen. `registers` are the requests that can have led to it.

    `origin` is the earliest time at which it can have been requested, `known` when it was first seen. By `accepted` it
    was certainly in the queue or decided: whatever is accepted later is decided later.
    """

    def __init__(self, person: PersonHistory, views: Sequence[View], registers: Sequence[Exchange]) -> None:
        self.person = person
        self.views = sorted(views, key=lambda view: view.start)
        self.asked = bool(registers)
        self.registered_at = self.views[0].registered_at
        self.origin = min((register.start for register in registers), default=-math.inf)
        self.known = min(view.end for view in self.views)
        self.accepted = min(self.known, _queued(registers))
        self.seated_by = min((view.end for view in self.views if view.status == SEATED), default=math.inf)
        waits = [view for view in self.views if view.status == WAITING]
        self.waits_from = min((view.end for view in waits), default=math.inf)
        self.waits_until = max((view.start for view in waits), default=-math.inf)

    def __str__(self) -> str:
        """For a sentence."""
        return f"{self.person.user} ({self.views[0].source})"

    def last_before(self, moment: float) -> View | None:
        """Return the last view that ended by then."""
        return next((view for view in reversed(self.views) if view.end <= moment), None)

    def may_end(self, after: float, before: float) -> bool:
        """Return whether a cancellation can have ended it between these times."""
        return any(
            cancel.end > self.origin and cancel.start < before and (cancel.status != 204 or cancel.end > after)
            for cancel in self.person.cancels
        )

    def surely_seated(self, start: float, end: float) -> bool:
        """Return whether it certainly held a seat all that time."""
        if self.seated_by > start:
            return False
        view = next(view for view in reversed(self.views) if view.status == SEATED and view.end <= start)
        return not self.may_end(view.start, end)

    def surely_waiting(self, start: float, end: float) -> bool:
        """Return whether it certainly waited all that time."""
        return self.waits_from <= start and self.waits_until >= end


class PersonHistory:
    """One person at one event: `exchanges` in the order in which they began, and the final record."""

    def __init__(self, event: str, user: str, exchanges: Sequence[Exchange], record: Registration | None) -> None:
        self.event, self.user, self.record = event, user, record
        own = [exchange for exchange in exchanges if not exchange.replayed]
        self.registers = [
            x
            for x in own
            if x.what == REGISTER and (x.unknown or x.status in {201, 202} or x.outcome == CANCELLED_MEANWHILE)
        ]
        self.refused = [x for x in own if x.what == REGISTER and x.status == 409 and x.outcome in REFUSALS]
        self.cancels = [x for x in own if x.what == CANCEL and (x.unknown or x.status in {202, 204})]
        self.already = [x for x in own if x.outcome == "already-registered"]
        self._exchanges = exchanges

    @cached_property
    def stays(self) -> list[Stay]:
        """All stays, in the order of their decisions."""
        views: dict[int, list[View]] = {}
        for view in self._views():
            views.setdefault(view.registered_at, []).append(view)
        return [Stay(self, seen, self._registers_for(seen)) for _, seen in sorted(views.items())]

    def _views(self) -> Iterable[View]:
        for x in self._exchanges:
            if x.status in {200, 201} and x.outcome in {SEATED, WAITING} and x.registered_at is not None:
                yield View(x.outcome, x.registered_at, x.start, x.end, f"exchange {x.number}", x.position)
        if self.record is not None and self.record.status in {Status.CONFIRMED, Status.WAITLISTED}:
            yield View(str(self.record.status), self.record.registered_at, AT_REST, AT_REST, "the tables")

    @property
    def absences(self) -> list[Absence]:
        """The answers that show no active registration."""
        found = [
            Absence(x.start, x.end, f"exchange {x.number}")
            for x in self._exchanges
            if (x.what in {CANCEL, READ} and x.status == 404)
            or (x.what == READ and x.status == 200 and x.outcome in {"cancelled", "rejected"})
        ]
        if self.record is None or not self.record.is_active:
            found.append(Absence(AT_REST, AT_REST, "the tables"))
        return found

    def _registers_for(self, views: Sequence[View]) -> list[Exchange]:
        """Return the requests that can have led to these views."""
        registered_at, seen = views[0].registered_at, min(view.end for view in views)
        last = max(view.start for view in views)
        return [
            register
            for register in self.registers
            if register.start < seen
            # Its answer shows an older stay, so it asked for an older one too.
            and not (register.outcome in {SEATED, WAITING} and (register.registered_at or 0) < registered_at)
            and not any(self._surely_ends(cancel, register) and done(cancel) <= last for cancel in self.certain_cancels)
        ]

    def _surely_ends(self, cancel: Exchange, register: Exchange) -> bool:
        """Return whether an accepted cancellation is about the attempt of this request, or a later one.

        It is if the request was over before; unless the request has no answer and was made during another cancellation:
        then it may be about the attempt after the one that both cancellations read.
        """
        in_between = (
            other.start < register.end and (other.status != 204 or other.end > register.start)
            for other in self.cancels
            if other is not cancel
        )
        return register.end < cancel.start and not (register.unknown and any(in_between))

    @property
    def certain_cancels(self) -> list[Exchange]:
        """The accepted cancellations."""
        return [cancel for cancel in self.cancels if not cancel.unknown]

    def may_be_alive(self, start: float, end: float) -> bool:
        """Return whether they can have had a seat, a place or an undecided request at some moment of that time."""
        registers = [register for register in self.registers if register.start < end]
        over = (
            cancel.status == 204
            and cancel.end <= start
            and all(self._surely_ends(cancel, register) for register in registers)
            for cancel in self.cancels
        )
        return bool(registers) and not any(over)


def done(exchange: Exchange) -> float:
    """Return when an accepted request has certainly taken effect: a queued one, when everything is at rest."""
    return AT_REST if exchange.status == 202 else exchange.end


def _queued(registers: Sequence[Exchange]) -> float:
    """Return when the attempt that one of these requests led to was certainly in the queue.

    If the last was accepted and the others were over when it began, those were about the same attempt or an older one;
    and an attempt is decided before the next one can be requested.
    """
    if not registers:
        return math.inf
    *others, last = sorted(registers, key=lambda register: register.start)
    certain = last.status == 202 and all(other.end <= last.start for other in others)
    return last.end if certain else math.inf
