"""Adding up registrations: what is counted, and which flaws keep them from adding up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from tests.support.builders import EVENT, NOW
from workers.domain.records import Registration, Status, registration_id
from workers.domain.recount import MAX_SPAN, TotalsBuilder
from workers.domain.transitions import DISCARDED


def waiting(user: str, ticket: int | None, at: int = NOW, status: Status = Status.WAITLISTED) -> Registration:
    """Return the registration of a waiter."""
    return Registration(EVENT, user, status, 1, 1, at, ticket=ticket)


def added_up(records: Iterable[Registration]) -> TotalsBuilder:
    """Return the records, added up in this order."""
    builder = TotalsBuilder()
    for record in records:
        builder.add(record.registration_id, record)
    return builder


ANN, BOB = (waiting(user, 1).registration_id for user in ("ann", "bob"))


@pytest.mark.parametrize(
    ("record", "needs_ledger"),
    [
        (Registration(EVENT, "ann", Status.PENDING, 1, 1, NOW + 9), False),
        (Registration(EVENT, "ann", Status.REJECTED, 1, 2, NOW + 9, code=DISCARDED, note="why"), False),
        (Registration(EVENT, "ann", Status.CANCELLED, 1, 2, NOW + 9), True),
        (Registration(EVENT, "ann", Status.REJECTED, 1, 1, NOW + 9, code="event-full"), True),
        (Registration(EVENT, "ann", Status.CONFIRMED, 1, 1, NOW + 9), True),
    ],
)
def test_who_needs_a_ledger(record: Registration, needs_ledger: bool) -> None:
    """A decided registration needs a ledger; a pending one, discarded or not, may be older than the ledger."""
    pending = Registration(EVENT, "bob", Status.PENDING, 1, 1, NOW)
    assert added_up([record, pending]).needs_ledger is added_up([pending, record]).needs_ledger is needs_ledger
    added = added_up([record])
    assert added.needs_ledger is needs_ledger
    counted_time = added.totals().last_registered_at
    assert counted_time == (NOW + 9 if needs_ledger and record.status is not Status.CANCELLED else 0)


@pytest.mark.parametrize(
    ("records", "sentence"),
    [
        ([waiting("ann", None)], f"registration {ANN} waits without a ticket"),
        ([waiting("ann", 0)], f"registration {ANN} waits without a ticket"),
        ([waiting("ann", 4), waiting("bob", 4, NOW + 1)], "2 registrations wait with the same ticket (4)"),
        ([waiting("ann", 3, status=Status.CONFIRMED)], f"registration {ANN} is confirmed and has a ticket (3)"),
        ([waiting("ann", 3, status=Status.CANCELLED)], f"registration {ANN} is cancelled and has a ticket (3)"),
        (
            [waiting("ann", 1, NOW + 1), waiting("bob", 2, NOW)],
            f"registration {BOB} waits behind {ANN}, but was decided before it",
        ),
        (
            [waiting("ann", 1), waiting("bob", MAX_SPAN + 2, NOW + 1)],
            f"the tickets go from 1 to {MAX_SPAN + 2}, a wider range than any waiting list has",
        ),
    ],
)
def test_what_no_ledger_can_agree_with_is_named(records: list[Registration], sentence: str) -> None:
    """Each flaw of the registrations is one sentence, and while there is one they add up to nothing."""
    added = added_up(records)
    assert added.flaws() == (sentence,)
    with pytest.raises(ValueError, match=r"registration|tickets"):
        added.totals()


def test_two_waiters_were_not_decided_at_the_same_time() -> None:
    """Within an event the times of decision grow: equal ones do not say who was first, and that is a flaw."""
    assert len(added_up([waiting("ann", 1), waiting("bob", 2)]).flaws()) == 1


@pytest.mark.parametrize("first", [1, 5 * MAX_SPAN])
def test_a_line_may_begin_anywhere_and_reach_so_far(first: int) -> None:
    """The distance from the first live ticket to the last is limited."""
    head, middle = waiting("ann", first), waiting("bob", first + 1, NOW + 1)
    assert added_up([head, middle, waiting("cid", first + MAX_SPAN, NOW + 2)]).flaws() == ()
    (flaw,) = added_up([head, middle, waiting("cid", first + MAX_SPAN + 1, NOW + 2)]).flaws()
    assert flaw == f"the tickets go from {first} to {first + MAX_SPAN + 1}, a wider range than any waiting list has"


def test_a_record_under_another_key_is_a_flaw() -> None:
    """A copy of a registration under an id of its own would be counted twice."""
    record = waiting("ann", 1)
    added = added_up([record])
    added.add("reg_COPY", replace(record, ticket=2, registered_at=NOW + 1))
    assert added.flaws() == ("registration reg_COPY is stored under an id that its event and its user do not make",)


@pytest.mark.parametrize(("names", "said"), [(None, "no event"), ("e 2", "the event 'e 2'")])
def test_a_record_that_names_another_event_is_a_flaw_of_its_own(names: str | None, said: str) -> None:
    """Without it the totals would be wrong. So they would be without one that cannot be decoded, which is counted."""
    added = TotalsBuilder()
    added.add_stray("reg_X", names)
    assert added.flaws() == (f"registration reg_X is one of this event's, but names {said}",)
    assert added.registrations == 0
    for key in ("reg_Y", "reg_Z"):
        added.add_undecodable(key, KeyError("status"))
    for user in ("ann", "bob"):
        added.add(registration_id(EVENT, user), waiting(user, None))
    assert (added.registrations, added.flaws()[1]) == (4, "registration reg_Y cannot be read: status is missing")
