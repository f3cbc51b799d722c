"""What is remembered: one registration per (event, user), and one ledger per event."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache

from workers.domain.seat_settings import EventStatus, SeatChanges, SeatSettings
from workers.domain.waitlist import Waitlist

MAX_KEYS = 8
"""So many idempotency keys of POST, and as many of DELETE, a registration remembers: those of its latest attempts."""


class Status(StrEnum):
    """Where a registration stands."""

    # How it moves from one to the next: `ALLOWED_TRANSITIONS` in `workers.domain.transitions`.

    PENDING = "pending"
    WAITLISTED = "waitlisted"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


ACTIVE_STATUSES = frozenset({Status.PENDING, Status.WAITLISTED, Status.CONFIRMED})
"""What holds, or may come to hold, a place. The rest can register anew."""


@dataclass(frozen=True, slots=True)
class Registration:
    """One person's place, or wish for one, at one event. At most one record per (event, user), for ever.

    `generation` counts the attempts: each one after a cancellation or a rejection is a new generation, at the end of
    the line. `version` counts the writes of the record. `registered_at` is in microseconds since 1970 (UTC), strictly
    increasing within the event once decided. `ticket` is the place in the line while `waitlisted`. `code` says why a
    rejection was one, `note` what an operator said of it. `post_keys` and `delete_keys` are digests of the idempotency
    keys that it was asked with, the oldest first. `cancelling`: it is pending, and its Cancel is accepted: its Register
    comes to nothing. `resent_at`, in microseconds since 1970: it is pending, and its Register was sent once more then.
    """

    event_id: str
    user_id: str
    status: Status
    generation: int
    version: int
    registered_at: int
    ticket: int | None = None
    code: str | None = None
    post_keys: tuple[str, ...] = ()
    delete_keys: tuple[str, ...] = ()
    cancelling: bool = False
    note: str | None = None
    resent_at: int | None = None

    @property
    def registration_id(self) -> str:
        """The key of the record: see `registration_id()`."""
        return registration_id(self.event_id, self.user_id)

    @property
    def is_active(self) -> bool:
        """True while it holds a place or may come to hold one."""
        return self.status in ACTIVE_STATUSES

    def promote(self) -> Registration:
        """Return the registration after it has moved from the waiting list into a seat."""
        return replace(self, status=Status.CONFIRMED, ticket=None)

    def cancel(self, key: str | None) -> Registration:
        """Return the registration after its cancellation; `key` is a digest of an idempotency key."""
        return replace(
            self,
            status=Status.CANCELLED,
            cancelling=False,
            ticket=None,
            delete_keys=remember_key(self.delete_keys, key),
            resent_at=None,
        )


def remember_key(keys: tuple[str, ...], key: str | None) -> tuple[str, ...]:
    """The keys with one more. The oldest is forgotten when there are more than MAX_KEYS."""
    return keys if key is None or key in keys else (*keys, key)[-MAX_KEYS:]


@lru_cache(maxsize=1024)  # a batch asks for the same few again and again
def registration_id(event_id: str, user_id: str) -> str:
    """The one id that the pair (event, user) can have, so that a duplicate cannot exist.

    `reg_` and 26 characters of base32(SHA-256(event id, 0x00, user id)): 130 bits.
    """
    digest = hashlib.sha256(f"{event_id}\0{user_id}".encode()).digest()
    return "reg_" + base64.b32encode(digest).decode()[:26]


@dataclass(frozen=True, slots=True)
class Totals:
    """What an event's registrations add up to. `last_registered_at` is in microseconds since 1970, or 0 for none."""

    confirmed: int = 0
    waitlist: Waitlist = field(default_factory=Waitlist)
    last_registered_at: int = 0


@dataclass(frozen=True, slots=True)
class Ledger:
    """How many seats of one event are taken and who waits, in order. Only the registrar writes it.

    `version` counts its writes (0: not stored yet), `revisions` says of each setting which revision of the event set it
    (absent: none yet), `last_registered_at` is in microseconds since 1970. `free_since`, too: while it is `promotable`,
    since when.
    """

    event_id: str
    settings: SeatSettings
    version: int = 0
    revisions: Mapping[str, int] = field(default_factory=dict)
    confirmed: int = 0
    next_ticket: int = 1
    last_registered_at: int = 0
    waitlist: Waitlist = field(default_factory=Waitlist)
    free_since: int | None = None

    @property
    def free_seats(self) -> int:
        """Seats that nobody has; 0 when the capacity was lowered under what is taken."""
        return max(0, self.settings.capacity - self.confirmed)

    @property
    def promotable(self) -> bool:
        """True when a seat is free while somebody waits who may have it: the stream's filter looks for this."""
        return bool(self.waitlist) and self.free_seats > 0 and self.settings.status is not EventStatus.CANCELLED

    def take_seat(self) -> Ledger:
        """Return the ledger with one more seat taken. Raises ValueError if none is free."""
        if not self.free_seats:
            raise ValueError(f"none of the {self.settings.capacity} seats is free")
        return replace(self, confirmed=self.confirmed + 1)

    def release_seat(self) -> Ledger:
        """Return the ledger with one seat less taken.

        It may come to less than 0 if somebody has damaged the ledger: a cancellation must not wait for the repair.
        """
        return replace(self, confirmed=self.confirmed - 1)

    def enqueue(self) -> tuple[Ledger, int]:
        """Return the ledger with a new ticket at the end of the waiting list, and that ticket."""
        ticket = self.next_ticket
        return replace(self, next_ticket=ticket + 1, waitlist=self.waitlist.join(ticket)), ticket

    def dequeue(self, ticket: int) -> Ledger:
        """Return the ledger without this ticket. Raises ValueError if it is not on the waiting list."""
        return replace(self, waitlist=self.waitlist.leave(ticket))

    def stamp(self, now: int) -> tuple[Ledger, int]:
        """Return the ledger with the time of one more decision, and that time: now, but later than any before."""
        at = max(now, self.last_registered_at + 1)
        return replace(self, last_registered_at=at), at

    def configure(self, changes: SeatChanges, revision: int) -> Ledger | None:
        """Return the ledger with those changes that no later revision has overtaken; None if all of them were."""
        newer = {name: value for name, value in changes.items() if revision > self.revisions.get(name, 0)}
        if not newer:
            return None
        settings = self.settings.change(newer)
        return replace(self, settings=settings, revisions={**self.revisions, **dict.fromkeys(newer, revision)})

    def recount(self, totals: Totals) -> Ledger:
        """Return the ledger with these totals. What only grows never shrinks: later tickets and times may be in use."""
        return replace(
            self,
            confirmed=totals.confirmed,
            waitlist=totals.waitlist,
            next_ticket=max(self.next_ticket, totals.waitlist.end, 1),
            last_registered_at=max(self.last_registered_at, totals.last_registered_at),
        )

    def next_version(self, free_since: int) -> Ledger:
        """Return the ledger as it is written next; `free_since` counts if it leaves a seat free beside a waiter."""
        return replace(self, version=self.version + 1, free_since=free_since if self.promotable else None)


def waitlist_position(record: Registration, ledger: Ledger | None) -> int | None:
    """Return the position in the waiting list, 1 for its head; None unless the ledger has the registration's ticket."""
    if record.status is not Status.WAITLISTED or record.ticket is None or ledger is None:
        return None
    return ledger.waitlist.position(record.ticket)
