"""Decisions: the result of each command, the reason for it, and what must be written."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from workers.domain.commands import Command
from workers.domain.records import Ledger, Registration


class Result(StrEnum):
    """The result of a command."""

    CONFIRMED = "confirmed"
    WAITLISTED = "waitlisted"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    SETTLED = "settled"
    CONFIGURED = "configured"
    RECOUNTED = "recounted"
    SUPERSEDED = "superseded"


class Reason(StrEnum):
    """The reason for a result. The reason for a rejection is also its `code` in the API."""

    SEAT_GIVEN = "seat-given"
    JOINED_WAITLIST = "joined-waitlist"
    EVENT_FULL = "event-full"
    WAITLIST_FULL = "waitlist-full"
    REGISTRATION_CLOSED = "registration-closed"
    GAVE_UP_SEAT = "gave-up-seat"
    LEFT_WAITLIST = "left-waitlist"
    CANCELLED_BEFORE_DECISION = "cancelled-before-decision"
    LINE_MOVED_UP = "line-moved-up"
    SETTINGS_CHANGED = "settings-changed"
    LEDGER_REWRITTEN = "ledger-rewritten"
    STALE_GENERATION = "stale-generation"
    STALE_REVISION = "stale-revision"
    STALE_COUNT = "stale-count"
    NOTHING_TO_SETTLE = "nothing-to-settle"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one command, and the reason for it."""

    command: Command
    result: Result
    reason: Reason


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on a batch of commands for one event.

    `before` is the ledger that it is based on. `ledger` and `registrations` are to be written as they are, with their
    new versions. `registrations` are the changed ones, `promoted` those of them that were promoted from the waiting
    list. `outcomes` has one entry per decided command, in order. `undecided` commands follow free seats that could not
    all be filled. `configured` is True if settings changed.
    """

    before: Ledger
    ledger: Ledger
    registrations: tuple[Registration, ...]
    promoted: tuple[Registration, ...]
    outcomes: tuple[Outcome, ...]
    undecided: tuple[Command, ...]
    configured: bool

    @property
    def changes_anything(self) -> bool:
        """True if there is something to write."""
        return self.ledger.version != self.before.version
