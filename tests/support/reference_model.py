"""A naive model of the rules: plain lists, without tickets, a ledger, versions or a clock.

It judges the core (`tests/unit/domain/test_properties.py`) and the batches of simulated histories.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from workers.domain.commands import Cancel, Command, Configure, Promote, Register
from workers.domain.records import Registration, Status
from workers.domain.seat_settings import EventStatus, SeatSettings

STALE = ("superseded", "stale-generation")
_REASONS_TO_CANCEL = {
    "pending": "cancelled-before-decision",
    "cancelling": "cancelled-before-decision",
    "waitlisted": "left-waitlist",
    "confirmed": "gave-up-seat",
}


class Attempt(NamedTuple):
    """A user's latest attempt: its status, or "cancelling" for an unwanted pending one, and the code of a refusal."""

    status: str
    generation: int
    code: str | None = None


NO_ATTEMPT = Attempt("none", 0)


def attempt_of(record: Registration | None) -> Attempt:
    """Return what the model knows of a record."""
    if record is None:
        return NO_ATTEMPT
    return Attempt("cancelling" if record.cancelling else str(record.status), record.generation, record.code)


def attempts_of(records: Iterable[Registration]) -> dict[str, Attempt]:
    """Return what the model knows of an event's records, by user."""
    return {record.user_id: attempt_of(record) for record in records}


def applies(command: Register | Cancel, attempt: Attempt) -> bool:
    """Return whether a command changes this attempt."""
    if isinstance(command, Cancel):
        return attempt.status in _REASONS_TO_CANCEL and command.generation == attempt.generation
    if attempt.status in {"waitlisted", "confirmed"}:
        return False
    return command.generation == attempt.generation + (attempt.status != "pending")


@dataclass
class ReferenceModel:
    """One event. `attempts` are by user, and `waitlist` has the users who wait, in order.

    `outcomes` has result and reason of each command of the latest batch, `promoted` the attempts that it promoted.
    """

    settings: SeatSettings
    revisions: dict[str, int] = field(default_factory=dict)
    attempts: dict[str, Attempt] = field(default_factory=dict)
    waitlist: list[str] = field(default_factory=list)
    outcomes: list[tuple[str, str]] = field(default_factory=list)
    promoted: list[tuple[str, Attempt]] = field(default_factory=list)

    @property
    def taken(self) -> int:
        """The number of seats that somebody has."""
        return sum(attempt.status == "confirmed" for attempt in self.attempts.values())

    @property
    def can_promote(self) -> bool:
        """True if a seat is free, somebody waits, and the event takes place."""
        free = self.taken < self.settings.capacity
        return bool(self.waitlist) and free and self.settings.status is not EventStatus.CANCELLED

    def states(
        self, commands: Iterable[Command], may_promote: Callable[[str], bool] = lambda _: True
    ) -> Iterator[None]:
        """Decide a batch, and yield at every state on the way. End before a promotion that may not be made."""
        self.outcomes, self.promoted = [], []
        for command in commands:
            if isinstance(command, Register | Promote):
                while self.can_promote:
                    if not may_promote(self.waitlist[0]):
                        return
                    head = self.waitlist.pop(0)
                    self._write(head, "confirmed")
                    self.promoted.append((head, self.attempts[head]))
                    yield
            self.outcomes.append(self._decide(command))
            yield

    def _write(self, user: str, status: str) -> None:
        self.attempts[user] = Attempt(status, self.attempts[user].generation)

    def _decide(self, command: Command) -> tuple[str, str]:
        match command:
            case Register() | Cancel() if not applies(command, self.attempts.get(command.user_id, NO_ATTEMPT)):
                return STALE
            case Register():
                return self._register(command)
            case Cancel():
                return self._cancel(command.user_id)
            case Configure():
                return self._configure(command)
            case Promote() if self.promoted:
                return "settled", "line-moved-up"
            case _:
                return "superseded", "nothing-to-settle"

    def _register(self, command: Register) -> tuple[str, str]:
        status, reason = placement(self.settings, self.settings.capacity - self.taken, len(self.waitlist))
        code = reason if status is Status.REJECTED else None
        self.attempts[command.user_id] = Attempt(str(status), command.generation, code)
        if status is Status.WAITLISTED:
            self.waitlist.append(command.user_id)
        return str(status), reason

    def _cancel(self, user: str) -> tuple[str, str]:
        reason = _REASONS_TO_CANCEL[self.attempts[user].status]
        if user in self.waitlist:
            self.waitlist.remove(user)
        self._write(user, "cancelled")
        return "cancelled", reason

    def _configure(self, command: Configure) -> tuple[str, str]:
        newer: dict[str, Any] = {
            name: value for name, value in command.changes.items() if command.revision > self.revisions.get(name, 0)
        }
        self.settings = replace(self.settings, **newer)
        self.revisions |= dict.fromkeys(newer, command.revision)
        return ("configured", "settings-changed") if newer else ("superseded", "stale-revision")


def placement(settings: SeatSettings, free: int, waiting: int) -> tuple[Status, str]:
    """Return what a newcomer gets once free seats are filled, and why."""
    if settings.status is not EventStatus.ACTIVE:
        return Status.REJECTED, "registration-closed"
    if free > 0:
        return Status.CONFIRMED, "seat-given"
    if not settings.has_waitlist:
        return Status.REJECTED, "event-full"
    if settings.waitlist_capacity is not None and waiting >= settings.waitlist_capacity:
        return Status.REJECTED, "waitlist-full"
    return Status.WAITLISTED, "joined-waitlist"
