"""Commands: the requests that change an event's ledger.

They belong to the registrar, which receives them. Their senders (the API, the promoter, operators) import them here.
"""

from __future__ import annotations

from dataclasses import dataclass

from workers.domain.records import Ledger, Totals, registration_id
from workers.domain.recount import RECOUNT_LIFETIME
from workers.domain.seat_settings import SeatChanges

VERSION = 1
"""The only version of the message format that this code writes and reads."""


@dataclass(frozen=True, slots=True)
class _RegistrationCommand:
    """A request of one person. `generation` is the number of the attempt, `key` the digest of an idempotency key."""

    command_id: str
    event_id: str
    user_id: str
    generation: int
    accepted_at: int
    key: str | None = None

    @property
    def registration_id(self) -> str:
        """The id of the registration that the command is about."""
        return registration_id(self.event_id, self.user_id)


@dataclass(frozen=True, slots=True)
class Register(_RegistrationCommand):
    """Give the user a seat or a place on the waiting list."""


@dataclass(frozen=True, slots=True)
class Cancel(_RegistrationCommand):
    """Cancel the attempt, whether it is pending, waitlisted or confirmed."""


@dataclass(frozen=True, slots=True)
class Promote:
    """Fill free seats from the head of the waiting list. `ledger_version` is that of the ledger that had some."""

    command_id: str
    event_id: str
    ledger_version: int
    accepted_at: int


@dataclass(frozen=True, slots=True)
class Configure:
    """Change some of the seat settings. `revision` is the event's revision with this change; no other change has it."""

    command_id: str
    event_id: str
    revision: int
    changes: SeatChanges
    accepted_at: int


@dataclass(frozen=True, slots=True)
class Recount:
    """Write what the registrations add up to into the ledger.

    The totals were counted while the ledger had this version (0: there was none). They are true of no other version.
    """

    command_id: str
    event_id: str
    ledger_version: int
    totals: Totals
    accepted_at: int

    def is_valid_for(self, ledger: Ledger, now: int) -> bool:
        """Return whether the totals are those of this ledger, and recent; `now` is in microseconds since 1970."""
        return self.ledger_version == ledger.version and now - self.accepted_at <= RECOUNT_LIFETIME


Command = Register | Cancel | Promote | Configure | Recount
"""Every command."""
