"""Admission: each answer to a request to register, by what is stored."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.builders import EVENT, NOW, ledger_of, seats
from workers.domain.admission import (
    RESEND_AFTER_MICROSECONDS,
    Admission,
    AlreadyRegistered,
    JoinPending,
    Refuse,
    Replay,
    Resend,
    Submit,
    admit,
)
from workers.domain.decision import Reason
from workers.domain.records import Ledger, Registration, Status
from workers.domain.seat_settings import EventStatus

PENDING = Registration(EVENT, "ann", Status.PENDING, 3, 7, NOW, post_keys=("k1", "k2"))
CANCELLING = replace(PENDING, cancelling=True)
CONFIRMED, WAITLISTED, REJECTED, CANCELLED = (
    replace(PENDING, status=status)
    for status in (Status.CONFIRMED, Status.WAITLISTED, Status.REJECTED, Status.CANCELLED)
)
RESENT = replace(PENDING, resent_at=NOW + RESEND_AFTER_MICROSECONDS)

ROOM, FULL = ledger_of(EVENT, seats(2), 1), ledger_of(EVENT, seats(1), 1)
FULL_LIST = ledger_of(EVENT, seats(1, 1), 1, waiting=1)
CLOSED = ledger_of(EVENT, seats(2, status=EventStatus.CLOSED), 1)
EARLY, LATE = NOW + RESEND_AFTER_MICROSECONDS - 1, NOW + RESEND_AFTER_MICROSECONDS


@pytest.mark.parametrize(
    ("record", "ledger", "key", "now", "expected"),
    [
        # Nothing is stored: a first attempt, unless the ledger says that there is no room.
        (None, None, None, NOW, Submit(1)),
        (None, ROOM, "k1", NOW, Submit(1)),
        (None, FULL, "k1", NOW, Refuse(Reason.EVENT_FULL)),
        (None, FULL_LIST, None, NOW, Refuse(Reason.WAITLIST_FULL)),
        (None, CLOSED, None, NOW, Submit(1)),
        # An ended attempt: the next one, under the same condition.
        (CANCELLED, ROOM, None, NOW, Submit(4)),
        (REJECTED, None, "new", NOW, Submit(4)),
        (CANCELLED, FULL, "new", NOW, Refuse(Reason.EVENT_FULL)),
        (REJECTED, FULL_LIST, None, NOW, Refuse(Reason.WAITLIST_FULL)),
        # A seat or a place in the waiting list is a conflict, also when the event is full.
        (CONFIRMED, ROOM, None, NOW, AlreadyRegistered(CONFIRMED)),
        (WAITLISTED, FULL, "new", LATE, AlreadyRegistered(WAITLISTED)),
        # A known key is a retry, whatever the attempt has come to.
        *[(record, FULL, "k1", LATE, Replay(record)) for record in (CONFIRMED, WAITLISTED, REJECTED, CANCELLED)],
        (CANCELLING, FULL, "k2", LATE, Replay(CANCELLING)),
        (PENDING, FULL, "k2", EARLY, Replay(PENDING)),
        # A pending attempt is joined, until it may be lost; then it is sent again, once an interval, also with its key.
        (PENDING, FULL, "new", EARLY, JoinPending(PENDING)),
        (PENDING, ROOM, None, EARLY, JoinPending(PENDING)),
        (PENDING, FULL, None, LATE, Resend(PENDING)),
        (PENDING, FULL, "k1", LATE, Resend(PENDING)),
        (RESENT, ROOM, None, LATE, JoinPending(RESENT)),
        (RESENT, ROOM, None, LATE + RESEND_AFTER_MICROSECONDS - 1, JoinPending(RESENT)),
        (RESENT, ROOM, None, LATE + RESEND_AFTER_MICROSECONDS, Resend(RESENT)),
        # A pending attempt that is being cancelled is neither joined nor sent again: the next attempt comes behind it.
        (CANCELLING, ROOM, "new", NOW, Submit(4)),
        (CANCELLING, None, None, LATE, Submit(4)),
        (CANCELLING, FULL, "new", LATE, Refuse(Reason.EVENT_FULL)),
    ],
)
def test_admission(
    record: Registration | None, ledger: Ledger | None, key: str | None, now: int, expected: Admission
) -> None:
    """The first rule that applies decides: lost, retried, pending, registered, no room, new."""
    assert admit(record, ledger, key, now) == expected


def test_the_interval() -> None:
    """A pending attempt may be lost after a quarter of an hour."""
    assert RESEND_AFTER_MICROSECONDS == 15 * 60 * 1_000_000
