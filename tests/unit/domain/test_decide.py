"""What a batch of commands for one event comes to: the cases of the contract, one by one."""

from __future__ import annotations

import pytest

from tests.support.builders import EVENT, NOW, Book, cancel, full_event, outcomes, promote, register, seats, users_of
from tests.support.rules import broken_rules
from workers.domain.decide import decide
from workers.domain.decision import Decision, Outcome, Reason, Result
from workers.domain.records import Ledger, Registration, Status
from workers.domain.seat_settings import EventStatus


def test_a_free_seat_is_given() -> None:
    """Register on an event with a free seat confirms, and the ledger counts it."""
    book = Book(seats(2))
    decision = book.deliver(register("ann", key="k1"))
    assert outcomes(decision) == [("confirmed", "seat-given")]
    assert book.record("ann") == Registration(EVENT, "ann", Status.CONFIRMED, 1, 1, NOW, post_keys=("k1",))
    assert decision.ledger == Ledger(EVENT, seats(2), version=1, confirmed=1, last_registered_at=NOW)


def test_a_full_event_without_waiting_list_refuses() -> None:
    """Register on a full event without a waiting list is rejected as `event-full`; the rejection is remembered."""
    book = full_event(waitlist=False)
    assert outcomes(book.deliver(register("ann"))) == [("rejected", "event-full")]
    record = book.stored("ann")
    assert (record.status, record.code, record.generation) == ("rejected", "event-full", 1)
    assert book.ledger.confirmed == 1


def test_a_full_event_with_waiting_list_takes_a_waiter() -> None:
    """Register on a full event with a waiting list joins its end, with the next ticket."""
    book = full_event("bob")
    assert outcomes(book.deliver(register("ann"))) == [("waitlisted", "joined-waitlist")]
    record = book.stored("ann")
    assert (record.status, record.ticket, book.waitlist()) == ("waitlisted", 2, ["bob", "ann"])
    assert (book.ledger.next_ticket, book.ledger.confirmed) == (3, 1)


@pytest.mark.parametrize("waitlist", [0, 1])
def test_a_full_waiting_list_refuses(waitlist: int) -> None:
    """Register on a full event whose waiting list has reached its limit, be it zero, is rejected as `waitlist-full`."""
    book = full_event(*["bob"][:waitlist], waitlist=waitlist)
    assert outcomes(book.deliver(register("ann"))) == [("rejected", "waitlist-full")]
    assert "ann" not in book.waitlist()


def test_zero_capacity_means_zero_seats() -> None:
    """The first one to register for an event of capacity 0 waits."""
    book = Book(seats(0, waitlist=True))
    assert outcomes(book.deliver(register("ann"))) == [("waitlisted", "joined-waitlist")]


@pytest.mark.parametrize("status", [EventStatus.CLOSED, EventStatus.CANCELLED])
def test_a_closed_or_cancelled_event_takes_nobody(status: EventStatus) -> None:
    """Register on an event that is closed or cancelled is rejected as `registration-closed`, free seats or not."""
    book = Book(seats(5, waitlist=True, status=status))
    assert outcomes(book.deliver(register("ann"))) == [("rejected", "registration-closed")]


def test_a_batch_is_decided_in_order_and_written_once() -> None:
    """Ten commands make one new version of the ledger, and strictly growing times in the order of decision."""
    book = Book(seats(2, waitlist=2))
    decision = book.deliver(*[register(user) for user in "abcdefghij"])
    assert [result for result, _ in outcomes(decision)] == ["confirmed"] * 2 + ["waitlisted"] * 2 + ["rejected"] * 6
    assert decision.ledger.version == 1
    assert [record.registered_at for record in decision.registrations] == [NOW + step for step in range(10)]
    assert decision.ledger.last_registered_at == NOW + 9


def test_time_does_not_run_backwards() -> None:
    """A clock behind the last decision does not matter: the time is one microsecond after it."""
    book = Book(seats(2))
    book.deliver(register("ann"), now=NOW)
    book.deliver(register("bob"), now=NOW - 5_000_000)
    assert [record.registered_at for record in book.records.values()] == [NOW, NOW + 1]


def test_a_cancelled_seat_frees_it_and_leaves_promotion_to_the_bell() -> None:
    """Cancel of a confirmed registration frees the seat; it promotes nobody, but the ledger says that it can be."""
    book = full_event("ann", "bob")
    assert outcomes(book.deliver(cancel("seat-1"))) == [("cancelled", "gave-up-seat")]
    assert (book.status("seat-1"), book.waitlist(), book.ledger.promotable) == ("cancelled", ["ann", "bob"], True)
    assert outcomes(book.deliver(promote())) == [("settled", "line-moved-up")]
    assert (book.status("ann"), book.waitlist(), book.ledger.promotable) == ("confirmed", ["bob"], False)


def test_a_waiter_who_cancels_leaves_the_line() -> None:
    """Cancel of a waiting registration takes the ticket out of the line, and frees no seat."""
    book = full_event("ann", "bob", "cid")
    assert outcomes(book.deliver(cancel("bob", key="k2"))) == [("cancelled", "left-waitlist")]
    record = book.stored("bob")
    assert (record.ticket, record.delete_keys, book.waitlist(), book.ledger.confirmed) == (
        None,
        ("k2",),
        ["ann", "cid"],
        1,
    )


def test_a_promotion_keeps_time_and_generation_and_gives_up_the_ticket() -> None:
    """Who moves up keeps generation, time and keys; the ticket is gone, so it cannot be promoted twice."""
    book = full_event()
    book.deliver(register("ann", key="k1"))
    waiting = book.stored("ann")
    decision = book.deliver(cancel("seat-1"), promote())
    promoted = book.stored("ann")
    assert decision.promoted == (promoted,)
    assert (promoted.registered_at, promoted.generation, promoted.post_keys) == (waiting.registered_at, 1, ("k1",))
    assert (promoted.status, promoted.ticket, promoted.version) == ("confirmed", None, 2)


def test_a_promote_that_finds_nothing_to_do_changes_nothing() -> None:
    """Promote is idempotent: on a settled event it is superseded and nothing is written."""
    book = full_event("ann")
    decision = book.deliver(promote(), promote(version=2))
    assert outcomes(decision) == [("superseded", "nothing-to-settle")] * 2
    assert not decision.changes_anything


def test_a_seat_is_free_since_it_became_so() -> None:
    """While a line cannot be settled its time goes on; once it is, a seat freed behind that is free since now."""
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


def test_settle_first_a_newcomer_does_not_overtake_the_line() -> None:
    """A Register that overtakes the Promote first moves the line up; the seat goes to the head, the newcomer waits."""
    book = full_event("ann")
    book.deliver(cancel("seat-1"))
    decision = book.deliver(register("new"))
    assert outcomes(decision) == [("waitlisted", "joined-waitlist")]
    assert (users_of(decision.promoted), book.waitlist()) == (["ann"], ["new"])


def test_settle_first_holds_inside_a_batch() -> None:
    """[Cancel, Register] in one batch: the seat goes to the head of the line, not to the newcomer behind the Cancel."""
    book = full_event("ann", "bob")
    book.deliver(cancel("seat-1"), register("new"))
    assert (book.status("ann"), book.status("new"), book.waitlist()) == ("confirmed", "waitlisted", ["bob", "new"])


def test_a_refused_newcomer_settles_too() -> None:
    """Even a Register that comes to nothing moves the line up before it is looked at."""
    book = full_event("ann")
    book.deliver(cancel("seat-1"))
    assert outcomes(book.deliver(register("seat-1", generation=1))) == [("superseded", "stale-generation")]
    assert book.status("ann") == "confirmed"


def test_a_waiter_who_joined_in_this_batch_is_promoted_from_memory() -> None:
    """Somebody who joined the line a moment ago is in no index: the core knows them from memory, and moves them up."""
    book = Book(seats(1, waitlist=True))
    decision = book.deliver(register("ann"), register("bob"), cancel("ann"), promote())
    assert (book.status("ann"), book.status("bob")) == ("cancelled", "confirmed")
    assert users_of(decision.promoted) == ["bob"]
    assert [record.version for record in decision.registrations] == [1, 1]


def test_a_waiter_promoted_and_cancelled_in_one_batch_frees_the_seat_again() -> None:
    """From waitlisted to cancelled in one write, yet a seat was freed: the ledger says so, the next in line gets it."""
    book = full_event("ann", "bob")
    book.deliver(cancel("seat-1"), promote(), cancel("ann"))
    assert (book.status("ann"), book.status("bob"), book.ledger.promotable) == ("cancelled", "waitlisted", True)
    book.deliver(promote(version=2))
    assert book.status("bob") == "confirmed"


def test_who_moved_up_left_and_took_a_free_seat_did_not_move_up() -> None:
    """All in one batch: the seat that they end with is one that they came back for, in another generation."""
    book = full_event("ann")
    decision = book.deliver(cancel("seat-1"), promote(), cancel("ann"), register("ann", generation=2))
    assert (book.status("ann"), decision.promoted) == ("confirmed", ())


def test_who_moved_up_left_and_moved_up_again_is_named_once() -> None:
    """All in one batch: what counts is the last time."""
    book = full_event("ann")
    left = (cancel("seat-1"), promote(), cancel("ann"))
    decision = book.deliver(*left, register("bob"), register("ann", generation=2), cancel("bob"), promote())
    assert (book.status("ann"), users_of(decision.promoted)) == ("confirmed", ["ann"])


def test_who_comes_back_after_cancelling_starts_at_the_end_of_the_line() -> None:
    """A new generation of the same record: new time, new ticket, behind everybody who waits."""
    book = full_event("ann", "bob")
    book.deliver(cancel("ann"))
    assert outcomes(book.deliver(register("ann", 2))) == [("waitlisted", "joined-waitlist")]
    record = book.stored("ann")
    assert (record.generation, record.version, record.ticket, book.waitlist()) == (2, 3, 3, ["bob", "ann"])


def test_cancel_and_come_back_in_one_batch() -> None:
    """[Cancel 1, Register 2] in one batch is one write of the record; without a line the seat is given again."""
    book = full_event()
    decision = book.deliver(cancel("seat-1"), register("seat-1", 2))
    assert outcomes(decision) == [("cancelled", "gave-up-seat"), ("confirmed", "seat-given")]
    record = book.stored("seat-1")
    assert (record.generation, record.version, book.ledger.confirmed) == (2, 2, 1)


def test_who_comes_back_after_a_rejection_is_looked_at_anew() -> None:
    """A rejection is no verdict for ever: generation 2 gets the seat that has become free, and the code is gone."""
    book = full_event(waitlist=False)
    book.deliver(register("ann"), cancel("seat-1"))
    book.deliver(register("ann", 2))
    record = book.stored("ann")
    assert (record.status, record.generation, record.code) == ("confirmed", 2, None)


def test_idempotency_keys_are_kept() -> None:
    """The keys of POSTs and those of DELETEs stay on the record, apart from each other, the oldest first."""
    book = Book(seats(1))
    book.deliver(register("ann", key="p1"))
    book.deliver(cancel("ann", key="d1"))
    book.deliver(register("ann", 2))
    record = book.stored("ann")
    assert (record.post_keys, record.delete_keys) == (("p1",), ("d1",))
    book.deliver(cancel("ann", 2, key="d2"), register("ann", 3, key="p3"))
    record = book.stored("ann")
    assert (record.post_keys, record.delete_keys) == (("p1", "p3"), ("d1", "d2"))


def test_a_decision_on_nothing_is_nothing() -> None:
    """No commands, no outcomes, nothing to write: the ledger comes back as it was."""
    ledger = Ledger(EVENT, seats(1), version=4)
    assert decide(ledger, [], [], NOW) == Decision(ledger, ledger, (), (), (), (), configured=False)


def test_outcomes_name_their_command() -> None:
    """Each outcome carries the very command that it answers."""
    decision = Book(seats(1)).deliver(register("ann"))
    assert decision.outcomes == (Outcome(register("ann"), Result.CONFIRMED, Reason.SEAT_GIVEN),)


def test_the_ledger_is_created_with_its_first_write() -> None:
    """A ledger that is not stored yet has version 0; what changes nothing does not store it."""
    book = Book(seats(1))
    assert book.deliver(cancel("ann"), register("bob", 5), promote()).ledger.version == 0
    assert book.deliver(register("ann")).ledger.version == 1
    assert broken_rules(book.ledger, book.records.values()) == []
