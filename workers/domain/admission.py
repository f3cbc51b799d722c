"""Admission: what the API does with a request to register.

This is policy without effects. The API reads the registration and the event's ledger, asks `admit`, and carries out the
answer. It decides only what needs no queue: whether the request is a retry, whether the person is registered already,
and whether the event has room at all. Who gets a seat is decided later, in the event's own turn (`decide`).

The order of the checks matters:

1. **A pending attempt that may be lost** is sent again before its idempotency keys are looked at. Otherwise a client
   that retries with its key would be told "pending" forever.
2. **A known key** is a retry and changes nothing, whatever has happened since.
3. **A pending attempt** is joined. A pending attempt with an accepted cancellation counts as cancelled, because the
   registrar decides both in order.
4. **A seat or a place in the waiting list** is a conflict.
5. **Room** is checked last. The ledger has counted every decision so far, so the queue could only say the same.

Commands carry the generation of their attempt, so the registrar recognises a command that arrives twice or late.
"""

from __future__ import annotations

from dataclasses import dataclass

from workers.domain.decide import early_refusal
from workers.domain.decision import Reason
from workers.domain.records import Ledger, Registration, Status

RESEND_AFTER_MICROSECONDS = 15 * 60 * 1_000_000
"""The time that an attempt may be pending before its command is sent again, and the time between further attempts."""


@dataclass(frozen=True, slots=True)
class Replay:
    """Answer with the registration as it stands: an earlier request with the same key was accepted."""

    record: Registration


@dataclass(frozen=True, slots=True)
class AlreadyRegistered:
    """Answer that the person has a seat or a place in the waiting list."""

    record: Registration


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer that there is no room, and ask the queue nothing."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class JoinPending:
    """Wait for the pending attempt, which remembers the new key."""

    record: Registration


@dataclass(frozen=True, slots=True)
class Resend:
    """Send the command of the pending attempt again: it may be lost."""

    record: Registration


@dataclass(frozen=True, slots=True)
class Submit:
    """Send the command of a new attempt, which has this generation."""

    generation: int


Admission = Replay | AlreadyRegistered | Refuse | JoinPending | Resend | Submit
"""Every answer that `admit` can give."""


def admit(record: Registration | None, ledger: Ledger | None, key: str | None, now: int) -> Admission:
    """Decide what to do with a request to register.

    `record` and `ledger` are what is stored, None where there is none yet. `key` is the digest of the request's
    idempotency key. `now` is in microseconds since 1970.
    """
    if record is not None:
        pending = record.status is Status.PENDING
        undecided = pending and not record.cancelling
        if undecided and _may_be_lost(record, now):
            return Resend(record)
        if key in record.post_keys:
            return Replay(record)
        if undecided:
            return JoinPending(record)
        if record.is_active and not pending:
            return AlreadyRegistered(record)
    if ledger is not None and (reason := early_refusal(ledger)):
        return Refuse(reason)
    return Submit(1 if record is None else record.generation + 1)


def _may_be_lost(record: Registration, now: int) -> bool:
    return now - (record.resent_at or record.registered_at) >= RESEND_AFTER_MICROSECONDS
