"""Everything that was ever stored of one event, and when. Rules and answers are checked against it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from workers.domain.commands import Cancel, Register
from workers.domain.records import Ledger, Registration, Status

T = TypeVar("T")
Timeline = list[tuple[int, T]]
"""Values with the time from which they were true (microseconds since 1970), oldest first."""

LEDGER = "the ledger"


@dataclass(slots=True)
class EventHistory:
    """One event. `waitlist` has the users who wait, in the order of the reference model, not of tickets. `damages`
    has the times in which a record (by registration id) or the LEDGER could not be decoded."""

    event_id: str
    ledger: Ledger
    records: dict[str, Registration] = field(default_factory=dict)
    waitlist: list[str] = field(default_factory=list)
    ledgers: Timeline[Ledger] = field(default_factory=list)
    titles: Timeline[str] = field(default_factory=list)
    states: dict[str, Timeline[Registration]] = field(default_factory=dict)
    damages: dict[str, list[tuple[int, int | None]]] = field(default_factory=dict)

    def damaged(self, registration_id: str, began: int, ended: int) -> bool:
        """Return whether a record, or the LEDGER, was undecodable at some instant between the two."""
        return any(
            since <= ended and (until is None or until >= began)
            for since, until in self.damages.get(registration_id, ())
        )

    def states_between(self, registration_id: str, began: int, ended: int) -> list[Registration | None]:
        """Return every state of a record between two instants; None where there was none."""
        return between(self.states.get(registration_id, []), began, ended)

    def is_steady(self, began: int, ended: int) -> bool:
        """Return whether the event existed between two instants, and its status did not change."""
        statuses = {ledger.settings.status for ledger in self.ledgers_between(began, ended)}
        return None not in between(self.titles, began, ended) and len(statuses) <= 1

    def ledgers_between(self, began: int, ended: int) -> list[Ledger]:
        """Return every ledger between two instants."""
        return [ledger for ledger in between(self.ledgers, began, ended) if ledger is not None]


def between(timeline: Timeline[T], began: int, ended: int) -> list[T | None]:
    """Return what was true at some instant between the two; None where nothing was yet."""
    before: T | None = None
    found: list[T | None] = []
    for at, state in timeline:
        if at < began:
            before = state
        elif at <= ended:
            found.append(state)
    return [before, *found]


def has_outcome(command: Register | Cancel, record: Registration | None) -> bool:
    """Return whether a record has the outcome of the attempt that a command is about."""
    if record is None or record.generation < command.generation:
        return False
    if record.generation > command.generation:
        return True
    return not record.is_active if isinstance(command, Cancel) else record.status is not Status.PENDING


def came_of(command: Register | Cancel, record: Registration | None) -> bool:
    """Return whether a record is as this command leaves it. A refused request leaves nothing to cancel."""
    if record is None or record.generation != command.generation:
        return False
    left_by_cancel = record.status is Status.CANCELLED
    return left_by_cancel if isinstance(command, Cancel) else has_outcome(command, record) and not left_by_cancel
