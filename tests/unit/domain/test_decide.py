"""Decisions case by case: who gets a seat, waits, is refused or is promoted, and what is written."""

from __future__ import annotations

from functools import partial
from itertools import permutations

import pytest

from tests.support.builders import (
    EVENT,
    NOW,
    Book,
    cancel,
    change,
    configure,
    full_event,
    outcomes,
    promote,
    register,
    revision_of,
    seats,
    users_of,
)  # fmt: skip
from tests.support.rules import broken_rules
from workers.domain.commands import Command
from workers.domain.decide import decide
from workers.domain.decision import Decision, Outcome, Reason, Result
from workers.domain.records import Ledger, Registration, Status
from workers.domain.seat_settings import SETTINGS, EventStatus

SEAT, JOINED = ("confirmed", "seat-given"), ("waitlisted", "joined-waitlist")
GAVE_UP, LEFT = ("cancelled", "gave-up-seat"), ("cancelled", "left-waitlist")
MOVED, IDLE = ("settled", "line-moved-up"), ("superseded", "nothing-to-settle")
FULL, LIST_FULL, CLOSED = (("rejected", code) for code in ("event-full", "waitlist-full", "registration-closed"))
SET, OLD_REVISION = ("configured", "settings-changed"), ("superseded", "stale-revision")
STALE = ("superseded", "stale-generation")

full = partial(partial, full_event)
Case = tuple[partial[Book], list[Command], list[tuple[str, str]], list[str], int]


def empty(capacity: int, waitlist: int | bool = False, status: EventStatus = EventStatus.ACTIVE) -> partial[Book]:
    """An event for which nobody has registered."""
    return partial(Book, seats(capacity, waitlist, status))


CASES: dict[str, Case] = {
    "a free seat is given": (empty(2), [register("ann")], [SEAT], [], 1),
    "full, no waiting list": (full(waitlist=False), [register("ann")], [FULL], [], 1),
    "full, with a waiting list": (full("bob"), [register("ann")], [JOINED], ["bob", "ann"], 1),
    "full, as is the waiting list": (full("bob", waitlist=1), [register("ann")], [LIST_FULL], ["bob"], 1),
    "full, with a waiting list of 0": (full(waitlist=0), [register("ann")], [LIST_FULL], [], 1),
    "no seats at all": (empty(0, True), [register("ann")], [JOINED], ["ann"], 0),
    "closed": (empty(5, True, EventStatus.CLOSED), [register("ann")], [CLOSED], [], 0),
    "cancelled": (empty(5, True, EventStatus.CANCELLED), [register("ann")], [CLOSED], [], 0),
    "a cancellation promotes nobody by itself": (full("a", "b"), [cancel("seat-1")], [GAVE_UP], ["a", "b"], 0),
    "the promote after it does": (full("a", "b"), [cancel("seat-1"), promote()], [GAVE_UP, MOVED], ["b"], 1),
    "a waiter leaves": (full("a", "b", "c"), [cancel("b")], [LEFT], ["a", "c"], 1),
    "nothing to promote": (full("a"), [promote(), promote(2)], [IDLE, IDLE], ["a"], 1),
    "a newcomer cannot overtake": (
        full("a", "b"), [cancel("seat-1"), register("new")], [GAVE_UP, JOINED], ["b", "new"], 1
    ),
    "a superseded newcomer promotes, too": (
        full("a"), [cancel("seat-1"), register("seat-1")], [GAVE_UP, STALE], [], 1
    ),
    "promoted and gone": (
        full("a", "b"), [cancel("seat-1"), promote(), cancel("a")], [GAVE_UP, MOVED, GAVE_UP], ["b"], 0
    ),
    "back after cancelling a seat": (full(), [cancel("seat-1"), register("seat-1", 2)], [GAVE_UP, SEAT], [], 1),
    "back at the end of the list": (full("a", "b"), [cancel("a"), register("a", 2)], [LEFT, JOINED], ["b", "a"], 1),
    "back after a rejection": (
        full(waitlist=False), [register("a"), cancel("seat-1"), register("a", 2)], [FULL, GAVE_UP, SEAT], [], 1
    ),
    "capacity up promotes in order": (
        full("a", "b", "c"), [change(1, capacity=3), promote()], [SET, MOVED], ["c"], 3
    ),
    "capacity down evicts nobody, and gives no seat until below": (
        full(capacity=2),
        [change(1, capacity=1), register("new"), cancel("seat-1"), promote(), cancel("seat-2"), promote()],
        [SET, JOINED, GAVE_UP, IDLE, GAVE_UP, MOVED],
        [],
        1,
    ),
    "a waiting list lowered under its length": (
        full("a", "b", waitlist=2), [change(1, waitlist_capacity=1), register("new")], [SET, LIST_FULL], ["a", "b"], 1
    ),
    "a waiting list switched off serves those who wait": (
        full("a", "b"),
        [change(1, has_waitlist=False), register("new"), change(2, capacity=2), register("late")],
        [SET, FULL, SET, FULL],
        ["b"],
        2,
    ),
    "a waiting list switched on": (
        full(waitlist=False), [register("a"), change(1, has_waitlist=True), register("a", 2)], [FULL, SET, JOINED],
        ["a"], 1,
    ),
    "a closed event promotes and takes nobody": (
        full("a"), [change(1, capacity=3, status=EventStatus.CLOSED), register("new")], [SET, CLOSED], [], 2
    ),
    "a cancelled event promotes nobody until it is active again": (
        full("a"),
        [
            change(1, capacity=2, status=EventStatus.CANCELLED), promote(), register("new"),
            change(2, status=EventStatus.ACTIVE), register("new", 2),
        ],
        [SET, IDLE, CLOSED, SET, JOINED],
        ["new"],
        2,
    ),
    "an old revision": (
        full("a"), [change(4, capacity=9), change(4, capacity=2), change(3, capacity=3)],
        [SET, OLD_REVISION, OLD_REVISION], ["a"], 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("in_one_batch", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_case(name: str, in_one_batch: bool) -> None:
    """The outcomes, the waiting list and the taken seats are those of the case, in one batch or one by one."""
    make, commands, expected, waitlist, confirmed = CASES[name]
    book = make()
    decisions = [book.deliver(*batch) for batch in ([commands] if in_one_batch else [[one] for one in commands])]
    assert [outcome for decision in decisions for outcome in outcomes(decision)] == expected
    assert (book.waitlist(), book.ledger.confirmed) == (waitlist, confirmed)
    assert broken_rules(book.ledger, book.records.values()) == []
    commands_answered = [outcome.command for decision in decisions for outcome in decision.outcomes]
    assert commands_answered == commands


def test_a_first_decision_as_a_whole() -> None:
    """The record with time and keys, the ledger with its first version, and the outcome with its command."""
    ledger, record = Ledger(EVENT, seats(2)), Registration(EVENT, "ann", Status.CONFIRMED, 1, 1, NOW, post_keys=("k",))
    after = Ledger(EVENT, seats(2), version=1, confirmed=1, last_registered_at=NOW)
    outcome = Outcome(register("ann", key="k"), Result.CONFIRMED, Reason.SEAT_GIVEN)
    decision = decide(ledger, [], [outcome.command], NOW)
    assert decision == Decision(ledger, after, (record,), (), (outcome,), (), configured=False)
    assert decision.changes_anything


def test_no_change_is_no_version() -> None:
    """A batch that changes nothing, or is empty, gives the ledger back as it was, stored or not."""
    for ledger in (Ledger(EVENT, seats(1), version=4), Ledger(EVENT, seats(1))):
        assert decide(ledger, [], [], NOW) == Decision(ledger, ledger, (), (), (), (), configured=False)
        decision = decide(ledger, [], [cancel("ann"), register("bob", 5), promote()], NOW)
        assert (decision.ledger, decision.changes_anything) == (ledger, False)


def test_a_batch_is_one_version_with_growing_times() -> None:
    """Ten commands make one version of the ledger and strictly growing times, also if the clock has gone back."""
    book = Book(seats(2, waitlist=2))
    decision = book.deliver(*map(register, "abcdefghij"))
    assert [result for result, _ in outcomes(decision)] == ["confirmed"] * 2 + ["waitlisted"] * 2 + ["rejected"] * 6
    assert [record.registered_at for record in decision.registrations] == [NOW + step for step in range(10)]
    assert (decision.ledger.version, decision.ledger.last_registered_at) == (1, NOW + 9)
    book.deliver(register("late"), now=NOW - 5_000_000)
    assert book.stored("late").registered_at == NOW + 10


def test_a_rejection_says_why_and_the_next_attempt_starts_clean() -> None:
    """The code of a rejection is its reason; a new attempt has none, and a new generation and version."""
    book = full_event(waitlist=False)
    book.deliver(register("ann"))
    assert (book.stored("ann").code, book.stored("ann").generation) == ("event-full", 1)
    book.deliver(cancel("seat-1"), register("ann", 2))
    record = book.stored("ann")
    assert (record.status, record.generation, record.version, record.code) == ("confirmed", 2, 2, None)


def test_a_promotion_keeps_time_generation_and_keys() -> None:
    """Only the ticket is gone, so that it cannot be promoted twice."""
    book = full_event()
    book.deliver(register("ann", key="k1"))
    waiting = book.stored("ann")
    decision = book.deliver(cancel("seat-1"), promote())
    promoted = book.stored("ann")
    assert decision.promoted == (promoted,)
    assert (promoted.registered_at, promoted.generation, promoted.post_keys) == (waiting.registered_at, 1, ("k1",))
    assert (promoted.status, promoted.ticket, promoted.version) == ("confirmed", None, 2)


def test_a_waiter_of_the_same_batch_is_promoted() -> None:
    """No index knows them yet, but the decision does."""
    decision = Book(seats(1, waitlist=True)).deliver(register("ann"), register("bob"), cancel("ann"), promote())
    assert users_of(decision.promoted) == ["bob"]
    assert [record.version for record in decision.registrations] == [1, 1]


def test_a_promotion_counts_if_it_led_to_the_final_seat() -> None:
    """Somebody who was promoted, left and took a free seat was not promoted; two promotions of one person count
    once."""
    left = (cancel("seat-1"), promote(), cancel("ann"))
    decision = full_event("ann").deliver(*left, register("ann", generation=2))
    assert (users_of(decision.registrations), decision.promoted) == (["ann", "seat-1"][::-1], ())
    decision = full_event("ann").deliver(
        *left, register("bob"), register("ann", generation=2), cancel("bob"), promote()
    )
    assert users_of(decision.promoted) == ["ann"]


def test_a_seat_is_free_since_it_became_so() -> None:
    """While promotion is blocked the time goes on; once it was possible, a seat freed later is free since then."""
    book = full_event("ann", "bob", "cid", capacity=2)
    book.deliver(cancel("seat-1"), now=NOW + 1)
    assert book.ledger.free_since == NOW + 1
    book.deliver(cancel("bob"), promote(), now=NOW + 2, unseen=["ann"])
    assert book.ledger.free_since == NOW + 1
    book.deliver(promote(), cancel("seat-2"), now=NOW + 3)
    assert (book.waitlist(), book.ledger.free_since) == (["cid"], NOW + 3)
    book.deliver(promote(), now=NOW + 4)
    assert book.waitlist() == []
    assert book.ledger.free_since is None


def test_idempotency_keys_are_kept() -> None:
    """The keys of POSTs and those of DELETEs stay on the record, apart from each other, the oldest first."""
    book = Book(seats(1))
    book.deliver(register("ann", key="p1"))
    book.deliver(cancel("ann", key="d1"))
    book.deliver(register("ann", 2))
    assert (book.stored("ann").post_keys, book.stored("ann").delete_keys) == (("p1",), ("d1",))
    book.deliver(cancel("ann", 2, key="d2"), register("ann", 3, key="p3"))
    assert (book.stored("ann").post_keys, book.stored("ann").delete_keys) == (("p1", "p3"), ("d1", "d2"))


def test_changed_settings_as_a_whole() -> None:
    """Settings and revisions are written, with what they leave free; nobody is promoted in the organizer's request."""
    book = full_event("a")
    decision = book.deliver(configure(4, seats(2, waitlist=2, status=EventStatus.CLOSED)))
    assert (decision.promoted, decision.registrations, decision.configured) == ((), (), True)
    ledger = book.ledger
    assert (ledger.settings, ledger.revisions) == (seats(2, 2, EventStatus.CLOSED), dict.fromkeys(SETTINGS, 4))
    assert (ledger.version, ledger.confirmed, ledger.next_ticket, ledger.free_since) == (2, 1, 2, NOW)
    assert not book.deliver(configure(4, seats(9)), configure(3, seats(9))).changes_anything
    book.deliver(change(5, waitlist_capacity=None))
    assert book.ledger.settings == seats(2, None, EventStatus.CLOSED)
    assert book.ledger.revisions == dict.fromkeys(SETTINGS, 4) | {"waitlist_capacity": 5}


def test_changes_come_to_the_same_in_any_order() -> None:
    """Each setting belongs to its latest revision: an overtaken change still changes what nobody changed since."""
    changes = [change(1, capacity=5, status=EventStatus.CLOSED), change(2, capacity=7), change(2, capacity=7)]
    for commands in permutations(changes):
        book = full_event()
        book.deliver(*commands)
        assert (book.ledger.settings.capacity, book.ledger.settings.status) == (7, EventStatus.CLOSED)


def test_equal_settings_still_make_a_revision() -> None:
    """A change to the same values is written all the same: its revision must supersede the older ones."""
    book = Book(seats(1))
    decision = book.deliver(configure(1, seats(1)))
    assert (decision.changes_anything, decision.configured, revision_of(book.ledger)) == (True, True, 1)
