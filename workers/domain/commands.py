"""What can be asked of an event's ledger. Frozen, versioned messages in the imperative.

The receiver owns them: whoever sends one (the API, the promoter, an operator) imports them from here.
"""

from __future__ import annotations

from dataclasses import dataclass

from workers.domain.records import Ledger, Totals, registration_id
from workers.domain.recount import RECOUNT_LIFETIME
from workers.domain.seat_settings import SeatChanges

VERSION = 1
"""The version of the message format that this code writes, and the only one that it reads."""


@dataclass(frozen=True, slots=True)
class _RegistrationCommand:
    """What one person asks for. `generation` is the attempt that it is about, `key` a digest of an idempotency key."""

    command_id: str
    event_id: str
    user_id: str
    generation: int
    accepted_at: int
    key: str | None = None

    @property
    def registration_id(self) -> str:
        """The record that it is about."""
        return registration_id(self.event_id, self.user_id)


@dataclass(frozen=True, slots=True)
class Register(_RegistrationCommand):
    """Give `user_id` a seat or a place in the line, as attempt number `generation` of that registration."""


@dataclass(frozen=True, slots=True)
class Cancel(_RegistrationCommand):
    """Give up attempt number `generation` of that registration, whatever it has come to."""


@dataclass(frozen=True, slots=True)
class Promote:
    """Fill free seats from the head of the line: `ledger_version` of the event's ledger says that it can be done."""

    command_id: str
    event_id: str
    ledger_version: int
    accepted_at: int


@dataclass(frozen=True, slots=True)
class Configure:
    """Change some of the seat settings; `revision` is the event's revision that asks for it, given out once only."""

    command_id: str
    event_id: str
    revision: int
    changes: SeatChanges
    accepted_at: int


@dataclass(frozen=True, slots=True)
class Recount:
    """Write into the ledger what its registrations add up to.

    `totals` were made while the ledger had the version `ledger_version` (0: there was none); it is true of no other.
    """

    command_id: str
    event_id: str
    ledger_version: int
    totals: Totals
    accepted_at: int

    def is_valid_for(self, ledger: Ledger, now: int) -> bool:
        """Whether it is true of this ledger, and was counted not too long ago; `now` is in microseconds since 1970."""
        return self.ledger_version == ledger.version and now - self.accepted_at <= RECOUNT_LIFETIME


Command = Register | Cancel | Promote | Configure | Recount
"""Any of them."""
