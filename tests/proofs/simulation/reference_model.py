"""A naive model of the rules: plain lists, without tickets, ledger and versions.

The registrar may stop anywhere in a batch (the index lags, a command is undecodable, a transaction is full), so a
commit is right if it is one of the states that the model passes through.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from tests.proofs.simulation.state_history import applies
from workers.domain.commands import Cancel, Command, Configure, Promote, Register
from workers.domain.records import Ledger, Registration, Status
from workers.domain.seat_settings import EventStatus, SeatSettings

_MOST_DOUBTS = 6
"""For so many parked messages, both possibilities are tried: parked, or decided when they came again."""

Expected = tuple[Status, str | None]
"""The expected status, and the code of a refusal."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The commands of an event that a registrar received, with their message ids; None for an undecodable one."""

    process: str
    commands: Sequence[tuple[str, Command | None]]

    def configures(self) -> list[Configure]:
        """Return the changes of settings."""
        return [command for _, command in self.commands if isinstance(command, Configure)]

    def decided(self, parked: Collection[str]) -> Iterator[list[Command]]:
        """Yield the commands that may have been decided together.

        Decisions start anew behind a parked message, unless that came again and was decided.
        """
        aside = [n for n, (key, command) in enumerate(self.commands) if command is None or key in parked]
        for begin in (0, *(n + 1 for n in aside)):
            doubtful = [n for n in aside if n >= begin][:_MOST_DOUBTS]
            for again in product((True, False), repeat=len(doubtful)):
                out = {n for n, is_in in zip(doubtful, again, strict=True) if not is_in}
                rest = (command for n, (_, command) in enumerate(self.commands) if n >= begin and n not in out)
                yield [command for command in rest if command is not None]


def standing(records: Mapping[str, Registration]) -> dict[str, tuple[int, Status, str | None]]:
    """Return what the model predicts of records: attempt, status, and the code of a refusal."""
    return {key: (record.generation, record.status, record.code) for key, record in records.items()}


class ReferenceModel:
    """One event. `expected` has the result of each attempt, by registration and generation."""

    def __init__(self, ledger: Ledger, records: Mapping[str, Registration], line: Iterable[str]) -> None:
        self.settings = ledger.settings
        self.records = dict(records)
        self.waitlist = list(line)
        self.expected: dict[tuple[str, int], Expected] = {}
        self._revisions = dict(ledger.revisions)
        self._taken = sum(record.status is Status.CONFIRMED for record in records.values())

    def states(self, commands: Iterable[Command]) -> Iterator[None]:
        """Decide commands, and yield at every state on the way."""
        for command in commands:
            if isinstance(command, Register | Promote):
                yield from self._settle()
            if isinstance(command, Register) and applies(command, self.records.get(command.registration_id)):
                self._register(command)
            elif isinstance(command, Cancel) and applies(command, self.records.get(command.registration_id)):
                self._cancel(command)
            elif isinstance(command, Configure):
                self._configure(command)
            yield

    def _free(self) -> int:
        return max(0, self.settings.capacity - self._taken)

    def _settle(self) -> Iterator[None]:
        while self._free() and self.waitlist and self.settings.status is not EventStatus.CANCELLED:
            head = self.waitlist.pop(0)
            self._taken += 1
            self.records[head] = replace(self.records[head], status=Status.CONFIRMED, ticket=None)
            yield

    def _register(self, command: Register) -> None:
        key = command.registration_id
        status, code = expected_of(self.settings, self._free(), len(self.waitlist))
        self.expected[key, command.generation] = status, code
        self.records[key] = Registration(
            command.event_id, command.user_id, status, command.generation, version=0, registered_at=0, code=code
        )
        self._taken += status is Status.CONFIRMED
        if status is Status.WAITLISTED:
            self.waitlist.append(key)

    def _cancel(self, command: Cancel) -> None:
        key = command.registration_id
        was = self.records[key]
        self.records[key] = replace(was, status=Status.CANCELLED, ticket=None, cancelling=False)
        self._taken -= was.status is Status.CONFIRMED
        if was.status is Status.WAITLISTED:
            self.waitlist.remove(key)

    def _configure(self, command: Configure) -> None:
        newer: dict[str, Any] = {
            name: value for name, value in command.changes.items() if command.revision > self._revisions.get(name, 0)
        }
        self.settings = replace(self.settings, **newer)
        self._revisions |= dict.fromkeys(newer, command.revision)


def expected_of(settings: SeatSettings, free: int, waiting: int) -> Expected:
    """Return what a newcomer gets once free seats are filled."""
    if settings.status is not EventStatus.ACTIVE:
        return Status.REJECTED, "registration-closed"
    if free:
        return Status.CONFIRMED, None
    if not settings.has_waitlist:
        return Status.REJECTED, "event-full"
    if settings.waitlist_capacity is not None and waiting >= settings.waitlist_capacity:
        return Status.REJECTED, "waitlist-full"
    return Status.WAITLISTED, None


def no_room(ledger: Ledger, code: str) -> bool:
    """Return whether a newcomer could be refused for this reason, once free seats are filled."""
    free, waiting = max(0, ledger.settings.capacity - ledger.confirmed), len(ledger.waitlist)
    moving_up = 0 if ledger.settings.status is EventStatus.CANCELLED else min(free, waiting)
    return expected_of(ledger.settings, free - moving_up, waiting - moving_up)[1] == code
