"""An early refusal, from the ledger alone, is what the registrar would have answered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import EVENT, Book, cancel, change, outcomes, promote, register, seats
from workers.domain.decide import early_refusal
from workers.domain.decision import Reason
from workers.domain.records import Ledger
from workers.domain.seat_settings import EventStatus, SeatSettings
from workers.domain.waitlist import Waitlist

FULL, NO_PLACE, CLOSED = Reason.EVENT_FULL, Reason.WAITLIST_FULL, Reason.REGISTRATION_CLOSED
STATUSES = st.sampled_from(EventStatus)


def ledger(settings: SeatSettings, confirmed: int, waiting: int) -> Ledger:
    """A ledger with so many of both."""
    return Ledger(EVENT, settings, 1, confirmed=confirmed, waitlist=Waitlist.of(range(1, waiting + 1)))


@pytest.mark.parametrize(
    ("settings", "confirmed", "waiting", "expected"),
    [
        (seats(2), 1, 0, None),
        (seats(2), 2, 0, FULL),
        (seats(2), 3, 0, FULL),
        (seats(0), 0, 0, FULL),
        (seats(2, waitlist=True), 2, 500, None),
        (seats(2, waitlist=1), 2, 0, None),
        (seats(2, waitlist=1), 2, 1, NO_PLACE),
        (seats(2, waitlist=1), 2, 3, NO_PLACE),
        (seats(0, waitlist=0), 0, 0, NO_PLACE),
        (seats(2, waitlist=1), 1, 1, None),  # the waiter is promoted and leaves a place
        (seats(2, waitlist=1), 1, 2, NO_PLACE),
        (seats(3, waitlist=1), 1, 1, None),
        (seats(2), 1, 1, FULL),  # the list was switched off: the seat is the waiter's
        (seats(2), 0, 1, None),
        (seats(1, status=EventStatus.CLOSED), 1, 0, CLOSED),
        (seats(2, status=EventStatus.CLOSED), 1, 0, None),
        (seats(1, waitlist=1, status=EventStatus.CANCELLED), 1, 1, CLOSED),
        (seats(2, waitlist=1, status=EventStatus.CANCELLED), 1, 1, None),
        (seats(2, status=EventStatus.CANCELLED), 1, 1, None),  # nobody moves up: the seat is still free
    ],
)
def test_by_example(settings: SeatSettings, confirmed: int, waiting: int, expected: Reason | None) -> None:
    """There is no seat after promotions, and no place on the waiting list."""
    assert early_refusal(ledger(settings, confirmed, waiting)) is expected


@given(
    before=st.integers(0, 4),
    after=st.integers(0, 5),
    limit=st.none() | st.integers(0, 3),
    people=st.integers(0, 8),
    leavers=st.sets(st.integers(0, 7)),
    has_waitlist=st.booleans(),
    status=STATUSES,
)
def test_it_says_what_the_registrar_would_say(
    before: int, after: int, limit: int | None, people: int, leavers: set[int], has_waitlist: bool, status: EventStatus
) -> None:
    """Whatever has happened at an event: who is refused from the ledger would be refused for the same reason by a
    decision on that ledger; whom it does not refuse, a decision refuses only because the event is closed."""
    book = Book(seats(before, waitlist=limit if limit is not None else True))
    book.fill(*[f"user-{number}" for number in range(people)])
    book.deliver(change(1, capacity=after, has_waitlist=has_waitlist, status=status))
    for number in sorted(leavers & set(range(people))):
        book.deliver(cancel(f"user-{number}"))
    refusal = early_refusal(book.ledger)
    outcome = outcomes(book.deliver(promote(), register("newcomer")))[-1]
    if refusal is None:
        assert outcome[0] in {"confirmed", "waitlisted"} or outcome[1] == CLOSED
    else:
        assert outcome == ("rejected", str(refusal))
