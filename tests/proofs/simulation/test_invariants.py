"""The reference model and the shared rules: they see what no seeded bug shows alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.proofs.simulation.reference_model import Batch, ReferenceModel, standing
from tests.support.builders import EVENT, cancel, change, promote, register
from tests.support.rules import broken_rules, illegal_moves
from workers.domain.commands import Cancel, Command, Register
from workers.domain.records import Ledger, Registration, Status, registration_id
from workers.domain.seat_settings import SeatSettings
from workers.domain.waitlist import Waitlist

ANN = Registration(EVENT, "ann", Status.CONFIRMED, generation=1, version=1, registered_at=10)
BOB = Registration(EVENT, "bob", Status.WAITLISTED, generation=1, version=1, registered_at=20, ticket=1)
SETTINGS = SeatSettings(1, has_waitlist=True, waitlist_capacity=1)
FULL = Ledger(EVENT, SETTINGS, version=1, confirmed=1, next_ticket=2, last_registered_at=20, waitlist=Waitlist(1, 1))
RECORDS = {ANN.registration_id: ANN, BOB.registration_id: BOB}
"""Ann has the only seat, Bob waits, and the waiting list is full."""

PENDING, GONE = replace(ANN, status=Status.PENDING, post_keys=("k",)), replace(ANN, status=Status.CANCELLED)


def run(*commands: Command) -> tuple[ReferenceModel, list[dict[str, str]]]:
    """Return the model after these commands, and the statuses in its states."""
    model = ReferenceModel(FULL, RECORDS, [BOB.registration_id])
    names = {registration_id(EVENT, name): name for name in ("ann", "bob", "cid")}
    states = [{names[key]: str(record.status) for key, record in model.records.items()} for _ in model.states(commands)]
    return model, states


@pytest.mark.parametrize(
    ("record", "broken"),
    [
        (PENDING, {"nobody has two active registrations"}),
        (GONE, set()),
        (replace(BOB, user_id="cid", registered_at=30, ticket=0), {"tickets are in the order of decision"}),
    ],
)
def test_records_that_break_a_rule(record: Registration, broken: set[str]) -> None:
    """A second active registration of a person is seen, and so is a waiting list out of order."""
    rules = {"nobody has two active registrations", "tickets are in the order of decision"}
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


def test_a_batch_is_decided_in_order() -> None:
    """Each state on the way is there: Ann cancels, Bob is promoted, and Cid joins behind him."""
    model, states = run(cancel("ann"), register("cid"))
    assert states == [
        {"ann": "cancelled", "bob": "waitlisted"},
        {"ann": "cancelled", "bob": "confirmed"},
        {"ann": "cancelled", "bob": "confirmed", "cid": "waitlisted"},
    ]
    assert model.expected == {(registration_id(EVENT, "cid"), 1): (Status.WAITLISTED, None)}


def test_a_change_counts_from_its_place_in_the_batch() -> None:
    """Commands before a change follow the old settings, those after it the new; an old revision changes nothing."""
    newer, older = change(2, has_waitlist=False), change(1, has_waitlist=True)
    model, _ = run(cancel("bob"), register("bob", 2), cancel("bob", 2), newer, older, register("cid"))
    bob, cid = (registration_id(EVENT, name) for name in ("bob", "cid"))
    assert model.expected == {(bob, 2): (Status.WAITLISTED, None), (cid, 1): (Status.REJECTED, "event-full")}
    assert standing(model.records)[bob] == (2, Status.CANCELLED, None)
    unchanged, _ = run(register("ann"), cancel("bob", 2), register("ann", 7), promote())
    assert standing(unchanged.records) == standing(RECORDS)


def test_decisions_start_anew_behind_a_parked_command() -> None:
    """Commands before a parked one are decided together, and those behind it, unless it came again."""
    commands: list[tuple[str, Command]] = [("1", register("cid")), ("2", cancel("ann")), ("3", cancel("bob"))]
    ways = Batch("registrar-1", commands).decided({"2"})
    people = [[command.user_id for command in way if isinstance(command, Register | Cancel)] for way in ways]
    assert people == [["cid", "ann", "bob"], ["cid", "bob"], ["bob"]]
    undecodable = Batch("registrar-1", [("0", None), *commands])
    assert [len(way) for way in undecodable.decided(set())] == [3, 3, 3]
