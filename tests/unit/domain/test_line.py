"""The waiting line against a sorted list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.domain.waitlist import Waitlist

TICKETS = st.lists(st.integers(1, 400), unique=True, max_size=60).map(sorted)


def line_of(tickets: list[int]) -> Waitlist:
    """The line that these tickets make, joining in order."""
    line = Waitlist()
    for ticket in tickets:
        line = line.join(ticket)
    return line


def test_an_empty_line_has_nobody_and_no_position() -> None:
    """An empty line is Line(0, 0): false, without head, without anybody's position."""
    line = Waitlist()
    assert line == Waitlist(0, 0)
    assert (len(line), list(line), line.first(3), line.position(1), 1 in line) == (0, [], [], None, False)
    assert not line


def test_the_first_to_join_is_the_head() -> None:
    """Whoever joins an empty line is its head, whatever the number of the ticket."""
    assert line_of([41]) == Waitlist(41, 1)
    assert line_of([41]).position(41) == 1


def test_when_the_head_leaves_the_next_live_ticket_is_the_head() -> None:
    """The offset moves to the next live ticket, past those that left before."""
    line = line_of([3, 4, 5, 9]).leave(4).leave(5).leave(3)
    assert (line.offset, list(line), line.position(9)) == (9, [9], 1)


def test_the_last_to_leave_leaves_the_empty_line() -> None:
    """A line that runs empty is the same value as one that never was."""
    assert line_of([7]).leave(7) == Waitlist()


@pytest.mark.parametrize("ticket", [1, 3, 5])
def test_a_ticket_that_is_not_later_than_every_live_one_cannot_join(ticket: int) -> None:
    """Nobody joins in front of somebody, or twice."""
    with pytest.raises(ValueError, match="after the end"):
        line_of([3, 5]).join(ticket)


@pytest.mark.parametrize("ticket", [0, 2, 4, 99])
def test_a_ticket_that_is_not_live_cannot_leave(ticket: int) -> None:
    """Leaving is for those who wait: not before the head, not in a hole, not behind the end."""
    with pytest.raises(ValueError, match="not on the waiting list"):
        line_of([3, 5]).leave(ticket)


@given(TICKETS, st.data())
def test_a_line_is_a_sorted_list_of_tickets(tickets: list[int], data: st.DataObject) -> None:
    """Length, order, membership, positions and heads are those of the list, after any joins and leaves."""
    line, live = line_of(tickets), list(tickets)
    for ticket in data.draw(st.lists(st.sampled_from(tickets), unique=True) if tickets else st.just([])):
        line = line.leave(ticket)
        live.remove(ticket)
    if data.draw(st.booleans()):
        line, live = line.join(500), [*live, 500]
    assert list(line) == live
    assert len(line) == len(live)
    assert [line.position(ticket) for ticket in live] == list(range(1, len(live) + 1))
    count = data.draw(st.integers(0, 70))
    assert line.first(count) == live[:count]
    assert [ticket for ticket in range(510) if ticket in line] == live
    assert all(line.position(ticket) is None for ticket in range(510) if ticket not in live)


@given(TICKETS)
def test_equal_lines_are_equal_values(tickets: list[int]) -> None:
    """A line has one form only, whatever the way that led to it: the first bit is set, or it is Line(0, 0)."""
    through_holes = line_of(list(range(1, 401)))
    for ticket in set(range(1, 401)) - set(tickets):
        through_holes = through_holes.leave(ticket)
    assert through_holes == line_of(tickets)
    assert through_holes == Waitlist() or through_holes.bits & 1


@given(st.sets(st.integers(1, 500)))
def test_a_line_of_tickets(tickets: set[int]) -> None:
    """It has these tickets in order, whatever order they came in, and ends behind the last."""
    line = Waitlist.of(sorted(tickets, reverse=True))
    assert list(line) == sorted(tickets)
    assert line.end == max(tickets, default=-1) + 1


def test_a_line_has_each_ticket_once() -> None:
    """Two with the same ticket are no line."""
    with pytest.raises(ValueError, match="ticket 2 does not come after"):
        Waitlist.of([1, 2, 2])
