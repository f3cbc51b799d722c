"""The shared rules see what no seeded bug shows alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.proofs.simulation.message_log import Batch
from tests.support.builders import EVENT, cancel, register
from tests.support.rules import broken_rules, illegal_moves
from workers.domain.commands import Cancel, Command, Register
from workers.domain.records import Ledger, Registration, Status
from workers.domain.seat_settings import SeatSettings
from workers.domain.waitlist import Waitlist

ANN = Registration(EVENT, "ann", Status.CONFIRMED, generation=1, version=1, registered_at=10)
BOB = Registration(EVENT, "bob", Status.WAITLISTED, generation=1, version=1, registered_at=20, ticket=1)
SETTINGS = SeatSettings(1, has_waitlist=True, waitlist_capacity=1)
FULL = Ledger(EVENT, SETTINGS, version=1, confirmed=1, next_ticket=2, last_registered_at=20, waitlist=Waitlist(1, 1))
"""Ann has the only seat, Bob waits, and the waiting list is full."""

PENDING, GONE = replace(ANN, status=Status.PENDING, post_keys=("k",)), replace(ANN, status=Status.CANCELLED)


@pytest.mark.parametrize(
    ("record", "broken"),
    [
        (PENDING, {"nobody has two active registrations"}),
        (GONE, set()),
        (replace(ANN, user_id="cid", registered_at=30), {"nobody is confirmed past an earlier waiter"}),
        (replace(BOB, user_id="cid", registered_at=30, ticket=0), {"tickets are in the order of decision"}),
    ],
)
def test_records_that_break_a_rule(record: Registration, broken: set[str]) -> None:
    """A second active registration of a person is seen, and so are a promotion and a waiting list out of order."""
    rules = {
        "nobody has two active registrations",
        "nobody is confirmed past an earlier waiter",
        "tickets are in the order of decision",
    }
    assert {sentence for sentence in broken_rules(FULL, [ANN, BOB, record]) if sentence in rules} == broken


@pytest.mark.parametrize(
    ("before", "generation", "legal"),
    [
        (None, 1, True),
        (None, 2, False),
        (GONE, 2, True),
        (GONE, 3, False),
        (replace(GONE, status=Status.REJECTED), 2, True),
        (ANN, 2, False),
        (BOB, 2, False),
        (PENDING, 2, False),
        (replace(PENDING, cancelling=True), 2, True),
    ],
)
def test_pending_is_for_the_next_attempt(before: Registration | None, generation: int, legal: bool) -> None:
    """`pending` may only be written for the attempt after one that has ended."""
    version, user = (before.version + 1, before.user_id) if before else (1, "ann")
    pending = Registration(EVENT, user, Status.PENDING, generation, version, 30)
    found = {} if before is None else {pending.registration_id: before}
    assert (illegal_moves(found, {pending.registration_id: pending}) == []) is legal


@pytest.mark.parametrize(
    ("noted", "legal"),
    [
        ({"cancelling": True}, True),
        ({"post_keys": ("k", "l")}, True),
        ({"delete_keys": ("k",)}, True),
        ({"resent_at": 40, "post_keys": ("k", "l")}, True),
        ({"registered_at": 40}, False),
        ({"cancelling": True, "registered_at": 40}, False),
        ({"status": Status.CONFIRMED, "resent_at": 40}, True),
    ],
)
def test_notes_in_a_pending_registration(noted: dict[str, Any], legal: bool) -> None:
    """An accepted cancellation, keys and the time of a resend may be noted; all else stays until the decision."""
    key, after = PENDING.registration_id, replace(PENDING, version=2, **noted)
    assert (illegal_moves({key: PENDING}, {key: after}) == []) is legal
    revoked = replace(after, version=3, cancelling=not after.cancelling)
    assert (illegal_moves({key: after}, {key: revoked}) == []) is (not after.cancelling and after.status == "pending")


def test_decisions_start_anew_behind_a_parked_command() -> None:
    """Commands before a parked one are decided together, and those behind it, unless it came again."""
    commands: list[tuple[str, Command]] = [("1", register("cid")), ("2", cancel("ann")), ("3", cancel("bob"))]
    ways = Batch("registrar-1", commands).decided({"2"})
    people = [[command.user_id for command in way if isinstance(command, Register | Cancel)] for way in ways]
    assert people == [["cid", "ann", "bob"], ["cid", "bob"], ["bob"]]
    undecodable = Batch("registrar-1", [("0", None), *commands])
    assert [len(way) for way in undecodable.decided(set())] == [3, 3, 3]
