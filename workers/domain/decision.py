"""What a decision says: what became of each command and why, and what is to be written."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from workers.domain.commands import Command
from workers.domain.records import Ledger, Registration


class Result(StrEnum):
    """What became of a command."""

    CONFIRMED = "confirmed"
    WAITLISTED = "waitlisted"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    SETTLED = "settled"
    CONFIGURED = "configured"
    RECOUNTED = "recounted"
    SUPERSEDED = "superseded"


class Reason(StrEnum):
    """Why. Those of a rejection are also its `code` in the REST contract."""

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
    """What became of one command, and why."""

    command: Command
    result: Result
    reason: Reason


@dataclass(frozen=True, slots=True)
class Decision:
    """What a batch of commands for one event comes to.

    `ledger` and `registrations` are as they must be written (versions already counted up); `registrations` has only
    what changed, `promoted` those of them that got their seat from the line. `outcomes` has one entry per decided
    command, in order; `undecided` are the commands behind a settle that could not be completed. `configured`: the
    settings changed. `before` is the ledger that all this was decided on.
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
        """False when there is nothing to write."""
        return self.ledger.version != self.before.version
