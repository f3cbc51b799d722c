"""Recounting, at its edges: what is counted, how far a line may go, how many tickets a sentence names."""

from __future__ import annotations

import pytest

from tests.support.builders import EVENT, NOW, seats
from workers.domain.commands import Recount
from workers.domain.decide import decide
from workers.domain.line import Line
from workers.domain.records import Ledger, Registration, Status
from workers.domain.recount import MAX_SPAN, Count, Tally, differences


def waiting(user: str, ticket: int, at: int = NOW) -> Registration:
    """Somebody in the line."""
    return Registration(EVENT, user, Status.WAITLISTED, 1, 1, at, ticket=ticket)


def tally(*records: Registration) -> Tally:
    """The records, added up in this order."""
    added = Tally()
    for record in records:
        added.add(record.registration_id, record)
    return added


def test_everything_that_was_seen_is_counted() -> None:
    """`registrations` is how many there were, readable or not, in any order."""
    added = tally(waiting("ann", 1), waiting("bob", 2, NOW + 1))
    added.add_unreadable("reg_X", KeyError("status"))
    added.add_unreadable("reg_Y", KeyError("status"))
    cid = waiting("cid", 3, NOW + 2)
    added.add(cid.registration_id, cid)
    assert added.registrations == 5


@pytest.mark.parametrize("step", [1, -1])
def test_one_that_needs_a_ledger_is_enough(step: int) -> None:
    """However many promises come before or behind it."""
    records = [
        Registration(EVENT, user, status, 1, 1, NOW)
        for user, status in (("ann", Status.CONFIRMED), ("bob", Status.PENDING))
    ]
    assert tally(*records[::step]).needs_ledger


def test_two_waiters_were_not_decided_at_the_same_time() -> None:
    """Within an event the times of decision grow: equal ones do not say who was first, and that is a flaw."""
    assert len(tally(waiting("ann", 1), waiting("bob", 2)).flaws()) == 1


@pytest.mark.parametrize("first", [1, 5 * MAX_SPAN])
def test_a_line_may_begin_anywhere_and_reach_so_far(first: int) -> None:
    """What counts is the distance from the first live ticket to the last: so much, and no more."""
    head, middle = waiting("ann", first), waiting("bob", first + 1, NOW + 1)
    assert tally(head, middle, waiting("cid", first + MAX_SPAN, NOW + 2)).flaws() == ()
    (flaw,) = tally(head, middle, waiting("cid", first + MAX_SPAN + 1, NOW + 2)).flaws()
    assert flaw == f"the tickets go from {first} to {first + MAX_SPAN + 1}, further than any line"


@pytest.mark.parametrize(
    ("lost", "named"),
    [(1, "ticket 1"), (2, "tickets 1, 2"), (10, "tickets 1, 2, 3, 4, 5, 6, 7, 8, 9, 10")],
)
def test_up_to_ten_tickets_are_named_and_nothing_more(lost: int, named: str) -> None:
    """The whole sentence, from one ticket to ten."""
    count = Count(line=Line.of(range(1, lost + 1)))
    (said,) = differences(Ledger(EVENT, seats(0), next_ticket=100), count)
    assert said == f"not in the ledger's line, but waiting: {named}"


def test_the_eleventh_is_one_more() -> None:
    """Behind the first ten it is said how many there are."""
    (said,) = differences(Ledger(EVENT, seats(0), next_ticket=100), Count(line=Line.of(range(1, 12))))
    assert said.endswith(" 9, 10 and 1 more")


@pytest.mark.parametrize("version", [3, 4])
def test_the_outcome_of_a_recount_names_it(version: int) -> None:
    """Applied or superseded: the outcome carries the very command that it answers."""
    command = Recount("recount-1", EVENT, version, Count(), NOW)
    (outcome,) = decide(Ledger(EVENT, seats(1), version=3), [], [command], NOW).outcomes
    assert outcome.command == command
