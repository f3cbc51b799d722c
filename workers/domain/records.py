"""What is remembered: one registration per (event, user), and one ledger per event."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from typing import TypedDict

from workers.domain.waitlist import Waitlist

MAX_KEYS = 8
"""So many idempotency keys of POST, and as many of DELETE, a registration remembers: those of its latest attempts."""


class Status(StrEnum):
    """Where a registration stands."""

    # How it moves from one to the next: `ALLOWED_MOVES` in `workers.domain.transitions`.

    PENDING = "pending"
    WAITLISTED = "waitlisted"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


ALIVE = frozenset({Status.PENDING, Status.WAITLISTED, Status.CONFIRMED})
"""What holds, or may come to hold, a place. The rest can register anew."""


class EventStatus(StrEnum):
    """`closed`: nobody joins, waiters are still promoted. `cancelled`: nobody joins and nobody is promoted."""

    ACTIVE = "active"
    CLOSED = "closed"
    CANCELLED = "cancelled"


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
    def alive(self) -> bool:
        """True while it holds a place or may come to hold one."""
        return self.status in ALIVE


def remembering(keys: tuple[str, ...], key: str | None) -> tuple[str, ...]:
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
class SeatSettings:
    """What the organiser decides about seats. `waitlist_capacity` None means: no limit."""

    capacity: int
    has_waitlist: bool = False
    waitlist_capacity: int | None = None
    status: EventStatus = EventStatus.ACTIVE


class SeatChanges(TypedDict, total=False):
    """Some of the settings, by their names in `SeatSettings`."""

    capacity: int
    has_waitlist: bool
    waitlist_capacity: int | None
    status: EventStatus


SETTING_NAMES: Mapping[str, str] = {
    "capacity": "capacity",
    "has_waitlist": "hasWaitlist",
    "waitlist_capacity": "waitlistCapacity",
    "status": "status",
}
"""The names of `SeatSettings` outside of the code: in messages, in tables and in the REST contract."""


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

    def configured(self, changes: SeatChanges, revision: int) -> Ledger | None:
        """The ledger with those of the changes that no later revision has made already; None if there are none such."""
        newer = {name: value for name, value in changes.items() if revision > self.revisions.get(name, 0)}
        if not newer:
            return None
        return replace(
            self,
            settings=replace(self.settings, **newer),  # type: ignore[arg-type]  # the names are those of SeatChanges
            revisions={**self.revisions, **dict.fromkeys(newer, revision)},
        )
