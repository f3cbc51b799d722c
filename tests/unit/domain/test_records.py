"""Registrations, ledgers, and what can be read off them."""

from __future__ import annotations

import pytest

from tests.support.builders import EVENT, seats
from workers.domain.records import Ledger, Registration, Status, registration_id, remember_key
from workers.domain.seat_settings import EventStatus, SeatSettings
from workers.domain.waitlist import Waitlist


def test_a_pair_of_event_and_user_has_one_id() -> None:
    """The id is `reg_` and 26 characters of base32, the same every time, and known for ever."""
    assert registration_id("e1", "ann") == registration_id("e1", "ann") == "reg_BCAZZRJUZFIBENRRTDIRWRASGA"


def test_ids_do_not_run_into_each_other() -> None:
    """Where the event's id ends and the user's begins makes a difference."""
    assert registration_id("e1", "2ann") != registration_id("e12", "ann")


@pytest.mark.parametrize(
    ("status", "alive"),
    [("pending", True), ("waitlisted", True), ("confirmed", True), ("rejected", False), ("cancelled", False)],
)
def test_what_holds_or_may_come_to_hold_a_place_is_alive(status: str, alive: bool) -> None:
    """Pending, waitlisted and confirmed are alive; the rest can register anew."""
    assert Registration(EVENT, "ann", Status(status), 1, 1, 0).is_active is alive


def test_what_is_not_said_is_not_there() -> None:
    """Settings of a capacity alone: no waiting list, active. A new ledger: nothing yet. A registration: no extras."""
    assert SeatSettings(3) == SeatSettings(3, has_waitlist=False, waitlist_capacity=None, status=EventStatus.ACTIVE)
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
    """A seat is free, somebody waits, and the event is not cancelled: then, and only then, the bell rings."""
    settings = seats(2, waitlist=True, status=EventStatus(status))
    assert Ledger(EVENT, settings, confirmed=confirmed, waitlist=line).promotable is promotable
