"""The waiting list against a sorted list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.domain.waitlist import Waitlist

TICKETS = st.lists(st.integers(1, 400), unique=True, max_size=60).map(sorted)


def test_an_empty_waiting_list() -> None:
    """It is Waitlist(0, 0), however it became empty: false, without head, without anybody's position."""
    for empty in (Waitlist(), Waitlist.of([]), Waitlist.of([7]).leave(7)):
        assert empty == Waitlist(0, 0)
        assert (len(empty), list(empty), empty.first(3), empty.position(1), 1 in empty) == (0, [], [], None, False)
        assert not empty


def test_when_the_head_leaves_the_next_ticket_is_the_head() -> None:
    """The offset moves to the next ticket that waits, past those that left before."""
    waitlist = Waitlist.of([3, 4, 5, 9])
    assert waitlist == Waitlist(3, 0b1000111)
    waitlist = waitlist.leave(4).leave(5).leave(3)
    assert (waitlist.offset, list(waitlist), waitlist.position(9)) == (9, [9], 1)


@pytest.mark.parametrize("ticket", [1, 3, 5])
def test_nobody_joins_in_front_of_others_or_twice(ticket: int) -> None:
    """A ticket that is not later than all others cannot join."""
    with pytest.raises(ValueError, match=f"^ticket {ticket} does not come after the end of the waiting list$"):
        Waitlist.of([3, 5]).join(ticket)
    with pytest.raises(ValueError, match="after the end"):
        Waitlist.of([3, 5, ticket, 5])


@pytest.mark.parametrize("ticket", [0, 2, 4, 99])
def test_only_a_waiting_ticket_can_leave(ticket: int) -> None:
    """Not one before the head, in a gap, or behind the end."""
    with pytest.raises(ValueError, match=f"^ticket {ticket} is not on the waiting list$"):
        Waitlist.of([3, 5]).leave(ticket)


@given(TICKETS, st.data())
def test_it_behaves_as_a_sorted_list(tickets: list[int], data: st.DataObject) -> None:
    """Length, order, membership, positions, head and end are those of the list, after any joins and leaves."""
    waitlist, expected = Waitlist.of(reversed(tickets)), list(tickets)
    for ticket in data.draw(st.lists(st.sampled_from(tickets), unique=True) if tickets else st.just([])):
        waitlist = waitlist.leave(ticket)
        expected.remove(ticket)
    if data.draw(st.booleans()):
        waitlist, expected = waitlist.join(500), [*expected, 500]
    assert list(waitlist) == expected
    assert (len(waitlist), waitlist.end) == (len(expected), max(expected, default=-1) + 1)
    count = data.draw(st.integers(0, 70))
    assert waitlist.first(count) == expected[:count]
    positions = {ticket: position for position, ticket in enumerate(expected, start=1)}
    for ticket in range(510):
        assert (waitlist.position(ticket), ticket in waitlist) == (positions.get(ticket), ticket in positions)
    # There is one form only, whatever the way that led to it.
    assert waitlist == Waitlist.of(expected)
