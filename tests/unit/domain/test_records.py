"""Registrations, ledgers, and what can be read off them."""

from __future__ import annotations

import pytest

from tests.support.builders import EVENT, seats
from workers.domain.records import Ledger, Registration, Status, registration_id, remember_key, waitlist_position
from workers.domain.seat_settings import EventStatus, SeatSettings
from workers.domain.waitlist import Waitlist


def test_a_pair_of_event_and_user_has_one_id() -> None:
    """The id is `reg_` and 26 characters of base32, the same every time, and known for ever."""
    assert registration_id("e1", "ann") == registration_id("e1", "ann") == "reg_BCAZZRJUZFIBENRRTDIRWRASGA"


def test_ids_do_not_run_into_each_other() -> None:
    """The boundary between the event's id and the user's makes a difference."""
    assert registration_id("e1", "2ann") != registration_id("e12", "ann")


@pytest.mark.parametrize(
    ("status", "alive"),
    [("pending", True), ("waitlisted", True), ("confirmed", True), ("rejected", False), ("cancelled", False)],
)
def test_what_holds_or_may_come_to_hold_a_place_is_alive(status: str, alive: bool) -> None:
    """Pending, waitlisted and confirmed are alive; the rest can register anew."""
    assert Registration(EVENT, "ann", Status(status), 1, 1, 0).is_active is alive


def test_what_is_not_said_is_not_there() -> None:
    """A new ledger has counted nothing yet; a registration has no extras."""
    assert Ledger(EVENT, SeatSettings(3)) == Ledger(EVENT, SeatSettings(3), 0, {}, 0, 1, 0, Waitlist(0, 0), None)
    plain = Registration(EVENT, "ann", Status.CONFIRMED, 1, 1, 0)
    assert plain == Registration(EVENT, "ann", Status.CONFIRMED, 1, 1, 0, None, None, (), (), False, None, None)


def test_as_many_keys_as_there_is_room_for_are_remembered() -> None:
    """A key is remembered once, behind the others; eight are, and the oldest gives way to a ninth."""
    keys: tuple[str, ...] = ()
    for key in [None, *"abacdefghb", None]:
        keys = remember_key(keys, key)
    assert keys == tuple("abcdefgh")
    assert remember_key(keys, "i") == tuple("bcdefghi")


@pytest.mark.parametrize(("capacity", "confirmed", "free"), [(3, 1, 2), (3, 3, 0), (2, 3, 0), (0, 0, 0)])
def test_free_seats_are_never_negative(capacity: int, confirmed: int, free: int) -> None:
    """A capacity lowered under what is taken leaves no free seat, and no negative one."""
    assert Ledger(EVENT, seats(capacity), confirmed=confirmed).free_seats == free


@pytest.mark.parametrize(
    ("status", "confirmed", "line", "promotable"),
    [
        ("active", 1, Waitlist(1, 1), True),
        ("closed", 1, Waitlist(1, 1), True),
        ("cancelled", 1, Waitlist(1, 1), False),
        ("active", 2, Waitlist(1, 1), False),
        ("active", 3, Waitlist(1, 1), False),
        ("active", 1, Waitlist(), False),
    ],
)
def test_promotable_is_a_free_seat_beside_a_waiter(
    status: str, confirmed: int, line: Waitlist, promotable: bool
) -> None:
    """A seat is free, somebody waits, and the event is not cancelled: only then a Promote is sent."""
    settings = seats(2, waitlist=True, status=EventStatus(status))
    assert Ledger(EVENT, settings, confirmed=confirmed, waitlist=line).promotable is promotable


def test_a_ledger_takes_and_releases_seats() -> None:
    """One at a time, and none beyond the capacity; a damaged ledger may come to count less than nobody."""
    ledger = Ledger(EVENT, seats(2), version=4)
    taken = ledger.take_seat().take_seat()
    assert taken == Ledger(EVENT, seats(2), version=4, confirmed=2)
    with pytest.raises(ValueError, match=r"^none of the 2 seats is free$"):
        taken.take_seat()
    assert taken.release_seat().confirmed == 1
    assert ledger.release_seat().confirmed == -1


def test_a_ledger_gives_each_ticket_once() -> None:
    """Tickets grow, also past those that have left; only a ticket that waits can leave."""
    first, one = Ledger(EVENT, seats(0)).enqueue()
    second, two = first.dequeue(one).enqueue()
    assert (one, two) == (1, 2)
    assert second == Ledger(EVENT, seats(0), next_ticket=3, waitlist=Waitlist(2, 1))
    with pytest.raises(ValueError, match="not on the waiting list"):
        second.dequeue(one)


@pytest.mark.parametrize(("now", "at"), [(12, 12), (11, 11), (10, 11), (0, 11)])
def test_each_decision_is_later_than_the_one_before(now: int, at: int) -> None:
    """The time is now, or a microsecond after the last decision if the clock is behind."""
    ledger = Ledger(EVENT, seats(0), last_registered_at=10)
    assert ledger.stamp(now) == (Ledger(EVENT, seats(0), last_registered_at=at), at)


@pytest.mark.parametrize(
    ("status", "ticket", "ledger", "position"),
    [
        (Status.WAITLISTED, 4, True, 2),
        (Status.WAITLISTED, 3, True, None),
        (Status.WAITLISTED, None, True, None),
        (Status.WAITLISTED, 4, False, None),
        (Status.CONFIRMED, 4, True, None),
    ],
)
def test_a_waiter_has_a_position(status: Status, ticket: int | None, ledger: bool, position: int | None) -> None:
    """Only while waitlisted, with a ticket that the ledger has."""
    record = Registration(EVENT, "ann", status, 1, 1, 0, ticket=ticket)
    found = Ledger(EVENT, seats(0), waitlist=Waitlist.of([2, 4])) if ledger else None
    assert waitlist_position(record, found) == position
