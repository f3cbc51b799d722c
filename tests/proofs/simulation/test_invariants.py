"""The rules themselves: that each sees what no mistake in the product could show alone."""

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
FULL = Ledger(
    EVENT,
    SeatSettings(1, has_waitlist=True, waitlist_capacity=1),
    version=1,
    confirmed=1,
    next_ticket=2,
    last_registered_at=20,
    waitlist=Waitlist(1, 1),
)
RECORDS = {ANN.registration_id: ANN, BOB.registration_id: BOB}
"""Ann has the only seat, Bob waits, and the line is full."""


def model(*commands: Command) -> tuple[ReferenceModel, list[dict[str, str]]]:
    """What these come to, and how everybody stood on the way."""
    run = ReferenceModel(FULL, RECORDS, [BOB.registration_id])
    names = {registration_id(EVENT, name): name for name in ("ann", "bob", "cid")}
    way = [{names[key]: str(record.status) for key, record in run.records.items()} for _ in run.states(commands)]
    return run, way


def test_one_person_has_one_active_registration() -> None:
    """A second record of one person at one event is seen, whatever its key; one that has ended is not."""
    sentence = "nobody has two active registrations"
    again = replace(ANN, status=Status.PENDING)
    assert sentence in broken_rules(FULL, [ANN, again])
    assert sentence not in broken_rules(FULL, [ANN, replace(again, status=Status.CANCELLED)])


def test_a_line_out_of_order_is_seen() -> None:
    """Who was decided earlier and has the higher ticket stands behind somebody who came later."""
    cid = replace(BOB, user_id="cid", registered_at=30, ticket=0)
    assert "tickets are in the order of decision" in broken_rules(FULL, [ANN, BOB, cid])
    assert "tickets are in the order of decision" not in broken_rules(FULL, [ANN, BOB])


@pytest.mark.parametrize(
    ("before", "generation", "legal"),
    [
        (None, 1, True),
        (None, 2, False),
        (replace(ANN, status=Status.CANCELLED), 2, True),
        (replace(ANN, status=Status.CANCELLED), 3, False),
        (replace(ANN, status=Status.REJECTED), 2, True),
        (ANN, 2, False),
        (BOB, 2, False),
        (replace(ANN, status=Status.PENDING), 2, False),
        (replace(ANN, status=Status.PENDING, cancelling=True), 2, True),
    ],
)
def test_a_promise_is_for_the_next_attempt(before: Registration | None, generation: int, legal: bool) -> None:
    """`pending` is written for the attempt after one that has ended, and for no other."""
    version = before.version + 1 if before else 1
    pending = Registration(EVENT, before.user_id if before else "ann", Status.PENDING, generation, version, 30)
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
def test_what_may_be_noted_in_what_is_pending(noted: dict[str, Any], legal: bool) -> None:
    """That its cancellation is accepted, keys, and that it was sent again; the rest is decided, or stays."""
    before = replace(ANN, status=Status.PENDING, post_keys=("k",))
    after = replace(before, version=before.version + 1, **noted)
    key = before.registration_id
    assert (illegal_moves({key: before}, {key: after}) == []) is legal
    revoked = replace(after, version=after.version + 1, cancelling=not after.cancelling)
    assert (illegal_moves({key: after}, {key: revoked}) == []) is (not after.cancelling and after.status == "pending")


def test_a_batch_is_decided_in_order() -> None:
    """Ann goes, Cid comes and finds Bob in her seat; each state on the way is there."""
    run, way = model(cancel("ann"), register("cid"))
    assert way == [
        {"ann": "cancelled", "bob": "waitlisted"},
        {"ann": "cancelled", "bob": "confirmed"},
        {"ann": "cancelled", "bob": "confirmed", "cid": "waitlisted"},
    ]
    assert run.expected == {(registration_id(EVENT, "cid"), 1): (Status.WAITLISTED, None)}


def test_a_change_counts_from_its_place_in_the_batch() -> None:
    """Who comes before it is judged by the old settings, who comes after it by the new; an old revision is nothing."""
    newer, older = change(2, has_waitlist=False), change(1, has_waitlist=True)
    run, _ = model(cancel("bob"), register("bob", 2), cancel("bob", 2), newer, older, register("cid"))
    assert run.expected == {
        (registration_id(EVENT, "bob"), 2): (Status.WAITLISTED, None),
        (registration_id(EVENT, "cid"), 1): (Status.REJECTED, "event-full"),
    }
    assert standing(run.records)[registration_id(EVENT, "bob")] == (2, Status.CANCELLED, None)


def test_what_does_not_apply_changes_nothing() -> None:
    """A command about another attempt, and a Promote where nothing is free."""
    run, _ = model(register("ann"), cancel("bob", 2), register("ann", 7), promote())
    assert standing(run.records) == standing(RECORDS)


def test_behind_a_parked_command_it_begins_anew() -> None:
    """Those before it were decided together, those behind it together, unless it came again and could be decided."""
    commands: list[tuple[str, Command]] = [("1", register("cid")), ("2", cancel("ann")), ("3", cancel("bob"))]
    batch = Batch("registrar-1", commands)
    kinds = [
        [command.user_id for command in way if isinstance(command, Register | Cancel)] for way in batch.decided({"2"})
    ]
    assert kinds == [["cid", "ann", "bob"], ["cid", "bob"], ["bob"]]
    unread = Batch("registrar-1", [("0", None), *commands])
    assert [len(way) for way in unread.decided(set())] == [3, 3, 3]
