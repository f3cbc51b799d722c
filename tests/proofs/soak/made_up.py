"""Histories and tables made up for tests of the checker, and the faults of a run that lacked none."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tests.proofs.soak.checker import violations
from tests.proofs.soak.faults import KINDS, SPECIAL
from tests.proofs.soak.history import CANCEL, CONFIGURE, READ, REGISTER, Exchange, FinalState
from workers.domain.records import Ledger, Registration, Status
from workers.domain.seat_settings import SeatSettings
from workers.domain.waitlist import Waitlist

NEVER = math.inf
Row = tuple[str, str, int]
"""A registration in the tables: whose, its status, the time of its decision. Its generation is 1."""

EVERY_FAULT = Counter({kind.name: 10 for kind in KINDS} | dict.fromkeys(SPECIAL, 10))
"""Ninety faults, ten of each kind."""

_CODES = {404: "not-registered", 503: "overloaded"}


class Told:
    """A history in the making, of an event with one seat and a waiting line. Times are whole seconds."""

    def __init__(self, **settings: object) -> None:
        self.exchanges: list[Exchange] = []
        self.configure(-2, -1, 200, capacity=1, hasWaitlist=True, waitlistCapacity=None, status="active")
        if settings:
            self.configure(-1, 0, 200, **settings)

    def configure(self, start: float, end: float, status: int, /, **settings: object) -> None:
        """The organiser changes settings."""
        self._add(CONFIGURE, "", start, end, status, settings=settings)

    def register(self, user: str, start: float, end: float, answer: str | int, at: int = 0, **more: Any) -> None:
        """Somebody registers: told confirmed or waitlisted, decided `at`; or the code of a refusal; or a status."""
        if isinstance(answer, int):
            self._add(REGISTER, user, start, end, answer, **more)
        elif answer in {"confirmed", "waitlisted"}:
            self._add(REGISTER, user, start, end, 201, outcome=answer, registered_at=at, **more)
        else:
            self._add(REGISTER, user, start, end, 409, outcome=answer, **more)

    def cancel(self, user: str, start: float, end: float, status: int = 204, **more: Any) -> None:
        """Somebody cancels."""
        self._add(CANCEL, user, start, end, status, **more)

    def read(self, user: str, start: float, end: float, outcome: str, at: int) -> None:
        """Somebody looks."""
        self._add(READ, user, start, end, 200, outcome=outcome, registered_at=at)

    def _add(self, what: str, user: str, start: float, end: float, status: int, **more: Any) -> None:
        more = {"outcome": _CODES.get(status)} | more
        self.exchanges.append(Exchange(len(self.exchanges) + 1, what, "event", user, start, end, status, **more))

    def found(self, *rows: Row | Registration, capacity: int = 1, **settings: Any) -> str:
        """What the checker finds if the tables are so in the end: one text, empty when all is well."""
        return "\n".join(violations(self.exchanges, tables(rows, capacity, **settings)))


def tables(rows: Sequence[Row | Registration], capacity: int, **settings: Any) -> FinalState:
    """Sound tables with these registrations."""
    asked = [row if isinstance(row, Registration) else _registration(*row) for row in rows]
    records, line = list[Registration](), Waitlist()
    for ticket, record in enumerate(sorted(asked, key=lambda record: record.registered_at), 1):
        match record.status:
            case Status.WAITLISTED:
                line = line.join(ticket)
                records.append(replace(record, ticket=ticket))
            case Status.REJECTED:
                records.append(replace(record, code="event-full"))
            case _:
                records.append(record)
    ledger = Ledger(
        "event",
        SeatSettings(capacity, **{"has_waitlist": True} | settings),
        version=1,
        confirmed=sum(record.status is Status.CONFIRMED for record in records),
        waitlist=line,
        next_ticket=len(records) + 1,
        last_registered_at=max((record.registered_at for record in records), default=0),
    )
    return FinalState(tuple(records), {"event": ledger}, {"event": ledger.settings})


def _registration(user: str, status: str, registered_at: int) -> Registration:
    return Registration("event", user, Status(status), generation=1, version=1, registered_at=registered_at)
