"""What was ever stored of one event, and when: the facts that rules and answers are held against."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from workers.domain.commands import Cancel, Register
from workers.domain.records import Ledger, Registration, Status
from workers.domain.seat_settings import EventStatus

T = TypeVar("T")
Timeline = list[tuple[int, T]]
"""What was true from which time on (microseconds since 1970), oldest first."""

LEDGER = "the ledger"


@dataclass(slots=True)
class EventHistory:
    """One event. `waitlist` has the waiters in the order in which they joined, kept apart from tickets. `damages` says
    when a record, by registration id, or the LEDGER could not be read."""

    event_id: str
    ledger: Ledger
    records: dict[str, Registration] = field(default_factory=dict)
    waitlist: list[str] = field(default_factory=list)
    promoted: set[int] = field(default_factory=set)
    ledgers: Timeline[Ledger] = field(default_factory=list)
    titles: Timeline[str] = field(default_factory=list)
    states: dict[str, Timeline[Registration]] = field(default_factory=dict)
    damages: dict[str, list[tuple[int, int | None]]] = field(default_factory=dict)

    def damaged(self, registration_id: str, began: int, ended: int) -> bool:
        """Whether its record, or the LEDGER, could not be read at some instant between the two."""
        return any(
            since <= ended and (until is None or until >= began)
            for since, until in self.damages.get(registration_id, ())
        )

    def states_between(self, registration_id: str, began: int, ended: int) -> list[Registration | None]:
        """Every state of a record that was true at some instant between the two; None: there was none."""
        return between(self.states.get(registration_id, []), began, ended)

    def ledgers_between(self, began: int, ended: int) -> list[Ledger]:
        """Every ledger that was true at some instant between the two."""
        return [ledger for ledger in between(self.ledgers, began, ended) if ledger is not None]


def between(timeline: Timeline[T], began: int, ended: int) -> list[T | None]:
    """What was true at some instant between the two; None where nothing was yet."""
    before: T | None = None
    found: list[T | None] = []
    for at, state in timeline:
        if at < began:
            before = state
        elif at <= ended:
            found.append(state)
    return [before, *found]


def applies(command: Register | Cancel, record: Registration | None) -> bool:
    """Whether a command would change something if it were decided on this record (design, section 2)."""
    generation = command.generation
    if isinstance(command, Cancel):
        return record is not None and record.is_active and record.generation == generation
    if record is None:
        return generation == 1
    if record.status is Status.PENDING:
        return record.generation + record.cancelling == generation
    return not record.is_active and record.generation + 1 == generation


def has_outcome(command: Register | Cancel, record: Registration | None) -> bool:
    """Whether a record says what became of the attempt that a command is about."""
    if record is None or record.generation < command.generation:
        return False
    if record.generation > command.generation:
        return True
    return not record.is_active if isinstance(command, Cancel) else record.status is not Status.PENDING


def came_of(command: Register | Cancel, record: Registration | None) -> bool:
    """Whether a record stands as this very command has left it. A request that was refused leaves nothing to cancel."""
    if record is None or record.generation != command.generation:
        return False
    left_by_cancel = record.status is Status.CANCELLED
    return left_by_cancel if isinstance(command, Cancel) else has_outcome(command, record) and not left_by_cancel


def no_room(ledger: Ledger, code: str) -> bool:
    """Whether a newcomer could be refused for this reason, by a count of seats and places as anybody would do it."""
    settings = ledger.settings
    if code == "registration-closed":
        return settings.status is not EventStatus.ACTIVE
    waiting = len(ledger.waitlist)
    free = max(0, settings.capacity - ledger.confirmed)
    moving_up = 0 if settings.status is EventStatus.CANCELLED else min(free, waiting)
    if settings.status is not EventStatus.ACTIVE or free > moving_up:
        return False
    if code == "event-full":
        return not settings.has_waitlist
    limit = settings.waitlist_capacity
    return code == "waitlist-full" and settings.has_waitlist and limit is not None and waiting - moving_up >= limit
