"""The stored records: one registration per (event, user), and one ledger per event, with the verbs that change them."""

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
"""A registration remembers this many idempotency keys of POST requests, and as many of DELETE requests: the latest."""


class Status(StrEnum):
    """The status of a registration."""

    # `ALLOWED_TRANSITIONS` in `workers.domain.transitions` says how one follows another.

    PENDING = "pending"
    WAITLISTED = "waitlisted"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


ACTIVE_STATUSES = frozenset({Status.PENDING, Status.WAITLISTED, Status.CONFIRMED})
"""With one of these the registration has a place, or may get one. With any other the user can register again."""


@dataclass(frozen=True, slots=True)
class Registration:
    """One person's registration for one event. There is never more than one record per (event, user).

    - `generation` is the number of the attempt. Registering again after a cancellation or a rejection is a new attempt,
      at the end of the waiting list.
    - `version` counts the writes of the record.
    - `registered_at` is in microseconds since 1970 (UTC). It grows strictly in the order of the event's decisions.
    - `ticket` is the place on the waiting list while `waitlisted`.
    - `code` is the reason for a rejection, `note` an operator's remark about it.
    - `post_keys` and `delete_keys` are digests of the idempotency keys of its requests, the oldest first.
    - `cancelling` is True while it is pending although its cancellation was accepted: its Register will do nothing.
    - `resent_at` is the time, in microseconds since 1970, at which the Register of a pending attempt was sent again.
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
        """The record's key, made by the function of the same name."""
        return registration_id(self.event_id, self.user_id)

    @property
    def is_active(self) -> bool:
        """True while the registration has a place or may get one."""
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
    """Return the keys with one more. The oldest is dropped if there are more than MAX_KEYS."""
    return keys if key is None or key in keys else (*keys, key)[-MAX_KEYS:]


@lru_cache(maxsize=1024)  # a batch asks for the same few ids repeatedly
def registration_id(event_id: str, user_id: str) -> str:
    """Return the only id that a registration of this user for this event can have, so that duplicates cannot exist.

    It is `reg_` and 26 characters of base32(SHA-256(event id, 0x00, user id)), which is 130 bits.
    """
    digest = hashlib.sha256(f"{event_id}\0{user_id}".encode()).digest()
    return "reg_" + base64.b32encode(digest).decode()[:26]


@dataclass(frozen=True, slots=True)
class Totals:
    """The totals of an event's registrations. `last_registered_at` is in microseconds since 1970, or 0 for none."""

    confirmed: int = 0
    waitlist: Waitlist = field(default_factory=Waitlist)
    last_registered_at: int = 0


@dataclass(frozen=True, slots=True)
class Ledger:
    """The number of taken seats of one event, and its waiting list. Only the registrar writes it.

    - `version` counts its writes; 0 means that it is not stored yet.
    - `revisions` has the event's revision that last changed each setting, for those that were ever changed.
    - `last_registered_at` is the time of the latest decision, in microseconds since 1970.
    - `free_since` is the time since which it has been `promotable`, or None.
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
        """The number of free seats: 0 if the capacity was lowered below the number of taken ones."""
        return max(0, self.settings.capacity - self.confirmed)

    @property
    def promotable(self) -> bool:
        """True while a seat is free and somebody waits who may have it. The stream's filter selects such ledgers."""
        return bool(self.waitlist) and self.free_seats > 0 and self.settings.status is not EventStatus.CANCELLED

    def take_seat(self) -> Ledger:
        """Return the ledger with one more seat taken. Raises ValueError if none is free."""
        if not self.free_seats:
            raise ValueError(f"none of the {self.settings.capacity} seats is free")
        return replace(self, confirmed=self.confirmed + 1)

    def release_seat(self) -> Ledger:
        """Return the ledger with one seat less taken.

        In a ledger that counts too few, this may become negative: a cancellation does not wait for the repair.
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
        """Return the ledger with the time of one more decision, and that time, which is later than all earlier ones."""
        at = max(now, self.last_registered_at + 1)
        return replace(self, last_registered_at=at), at

    def configure(self, changes: SeatChanges, revision: int) -> Ledger | None:
        """Return the ledger with those changes that no later revision has superseded; None if there are none."""
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
        """Return the ledger for the next commit. `free_since` is kept only while somebody can be promoted."""
        return replace(self, version=self.version + 1, free_since=free_since if self.promotable else None)


def waitlist_position(record: Registration, ledger: Ledger | None) -> int | None:
    """Return the position in the waiting list, 1 for its head; None unless the ledger has the registration's ticket."""
    if record.status is not Status.WAITLISTED or record.ticket is None or ledger is None:
        return None
    return ledger.waitlist.position(record.ticket)
