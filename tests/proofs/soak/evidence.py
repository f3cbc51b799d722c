"""What the exchanges of one person at one event prove, and what they leave open.

The words: an **ask** is a request to register that may have been accepted, a **quit** a request to cancel that may have
been. A **stint** is one attempt that came to something: from the decision that gave her a seat or a place in the line
until a Cancel. The service names it by the time of its decision, `registeredAt`, which it never gives twice within an
event. A **view** is an answer that shows a stint alive; the tables in the end are the last view.

An interval [start, end] is all that is known of when something happened, so each method here says what is certain, or
what is possible, and never anything in between. What makes this sharp is that a request looks at the registration
before it is answered, and is about the attempt that it sees: so a request that was answered before a Cancel began is
about an attempt that this Cancel ends, or an older one, however late its message is delivered (`_surely_ends`).
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
"""The time at which the tables were read, in seconds: later than everything else but what never happens."""
REFUSALS = frozenset({"event-full", "waitlist-full", "registration-closed"})


@dataclass(frozen=True, slots=True)
class View:
    """An answer that shows a registration which holds a seat or waits. `source` says which answer."""

    status: str
    registered_at: int
    start: float
    end: float
    source: str
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Absence:
    """An answer that says that there is no such registration, or no longer."""

    start: float
    end: float
    source: str


class Stint:
    """One attempt of one person, as it was seen. `asks` are those that can have led to it.

    `origin` is the earliest time at which it can have been asked for, `known` when it was first seen. `accepted` is
    when it was certainly in the queue or decided: what is accepted later is decided later.
    """

    def __init__(self, story: Story, views: Sequence[View], asks: Sequence[Exchange]) -> None:
        self.story = story
        self.views = sorted(views, key=lambda view: view.start)
        self.asked = bool(asks)
        self.registered_at = self.views[0].registered_at
        self.origin = min((ask.start for ask in asks), default=-math.inf)
        self.known = min(view.end for view in self.views)
        self.accepted = min(self.known, _queued(asks))
        self.seated_by = min((view.end for view in self.views if view.status == SEATED), default=math.inf)
        waits = [view for view in self.views if view.status == WAITING]
        self.waits_from = min((view.end for view in waits), default=math.inf)
        self.waits_until = max((view.start for view in waits), default=-math.inf)

    def __str__(self) -> str:
        """For a sentence about it."""
        return f"{self.story.user} ({self.views[0].source})"

    def last_before(self, moment: float) -> View | None:
        """The last view of it that was over by then."""
        return next((view for view in reversed(self.views) if view.end <= moment), None)

    def may_end(self, after: float, before: float) -> bool:
        """Whether a quit can have ended it between these times."""
        return any(
            quit_.end > self.origin and quit_.start < before and (quit_.status != 204 or quit_.end > after)
            for quit_ in self.story.quits
        )

    def surely_seated(self, start: float, end: float) -> bool:
        """Whether it certainly held a seat all that time."""
        if self.seated_by > start:
            return False
        view = next(view for view in reversed(self.views) if view.status == SEATED and view.end <= start)
        return not self.may_end(view.start, end)

    def surely_waiting(self, start: float, end: float) -> bool:
        """Whether it certainly waited all that time."""
        return self.waits_from <= start and self.waits_until >= end


class Story:
    """What one person did at one event: `exchanges` in the order in which they began, and the record in the end."""

    def __init__(self, event: str, user: str, exchanges: Sequence[Exchange], record: Registration | None) -> None:
        self.event, self.user, self.record = event, user, record
        own = [exchange for exchange in exchanges if not exchange.replayed]
        self.asks = [x for x in own if x.what == REGISTER and (x.unknown or x.status in {201, 202})]
        self.refused = [x for x in own if x.what == REGISTER and x.status == 409 and x.outcome in REFUSALS]
        self.quits = [x for x in own if x.what == CANCEL and (x.unknown or x.status in {202, 204})]
        self.already = [x for x in own if x.outcome == "already-registered"]
        self._exchanges = exchanges

    @cached_property
    def stints(self) -> list[Stint]:
        """In the order of their decisions."""
        views: dict[int, list[View]] = {}
        for view in self._views():
            views.setdefault(view.registered_at, []).append(view)
        return [Stint(self, seen, self._asks_for(seen)) for _, seen in sorted(views.items())]

    def _views(self) -> Iterable[View]:
        for x in self._exchanges:
            if x.status in {200, 201} and x.outcome in {SEATED, WAITING} and x.registered_at is not None:
                yield View(x.outcome, x.registered_at, x.start, x.end, f"exchange {x.number}", x.position)
        if self.record is not None and self.record.status in {Status.CONFIRMED, Status.WAITLISTED}:
            yield View(str(self.record.status), self.record.registered_at, AT_REST, AT_REST, "the tables")

    @property
    def absences(self) -> list[Absence]:
        """The answers that show nothing alive."""
        found = [
            Absence(x.start, x.end, f"exchange {x.number}")
            for x in self._exchanges
            if (x.what in {CANCEL, READ} and x.status == 404)
            or (x.what == READ and x.status == 200 and x.outcome in {"cancelled", "rejected"})
        ]
        if self.record is None or not self.record.alive:
            found.append(Absence(AT_REST, AT_REST, "the tables"))
        return found

    def _asks_for(self, views: Sequence[View]) -> list[Exchange]:
        """The asks that can have led to what these views show."""
        registered_at, seen = views[0].registered_at, min(view.end for view in views)
        last = max(view.start for view in views)
        return [
            ask
            for ask in self.asks
            if ask.start < seen
            # What it was answered with is older, so what it asked for is older too.
            and not (ask.outcome in {SEATED, WAITING} and (ask.registered_at or 0) < registered_at)
            and not any(self._surely_ends(quit_, ask) and done(quit_) <= last for quit_ in self.certain_quits)
        ]

    def _surely_ends(self, quit_: Exchange, ask: Exchange) -> bool:
        """Whether a quit that was accepted is about the attempt of this ask, or a later one.

        It is, if the ask was over before; unless that has no answer, and was made while another Cancel was under way:
        then it may be about the attempt after the one that both quits saw.
        """
        in_between = (
            other.start < ask.end and (other.status != 204 or other.end > ask.start)
            for other in self.quits
            if other is not quit_
        )
        return ask.end < quit_.start and not (ask.unknown and any(in_between))

    @property
    def certain_quits(self) -> list[Exchange]:
        """The quits that were accepted."""
        return [quit_ for quit_ in self.quits if not quit_.unknown]

    def may_be_alive(self, start: float, end: float) -> bool:
        """Whether she can have held a place, or have had an undecided request, at some moment of that time."""
        asks = [ask for ask in self.asks if ask.start < end]
        over = (
            quit_.status == 204 and quit_.end <= start and all(self._surely_ends(quit_, ask) for ask in asks)
            for quit_ in self.quits
        )
        return bool(asks) and not any(over)


def done(exchange: Exchange) -> float:
    """When an accepted request has certainly taken effect; what was only queued has when all is at rest."""
    return AT_REST if exchange.status == 202 else exchange.end


def _queued(asks: Sequence[Exchange]) -> float:
    """When the attempt that one of these asks has led to was certainly in the queue.

    If the last of them was accepted, and the others were over when it began, these were about the same attempt or an
    older one, and an attempt is decided before the next one can be asked for.
    """
    if not asks:
        return math.inf
    *others, last = sorted(asks, key=lambda ask: ask.start)
    certain = last.status == 202 and all(other.end <= last.start for other in others)
    return last.end if certain else math.inf
