"""A pending registration whose cancellation is accepted (`cancelling`) is as good as cancelled."""

from __future__ import annotations

from dataclasses import replace

from tests.support.builders import NOW, Book, cancel, outcomes, register, seats
from tests.support.rules import broken_rules
from workers.domain.records import Status
from workers.domain.transitions import discarded

STALE = ("superseded", "stale-generation")


def cancelling() -> Book:
    """Ann's first attempt is pending, and its Cancel is accepted."""
    book = Book(seats(1))
    record = replace(book.put("ann", Status.PENDING), cancelling=True, version=2)
    book.records[record.registration_id] = record
    return book


def test_what_is_cancelled_is_not_about_to_be() -> None:
    """`cancelling` says that the Cancel is on its way; when it has come, the record says so no more."""
    book = cancelling()
    book.deliver(cancel("ann"))
    record = book.stored("ann")
    assert (record.status, record.cancelling) == ("cancelled", False)


def test_in_order_it_is_cancelled_and_comes_back() -> None:
    """[Register 1, Cancel 1, Register 2]: the first takes no seat any more, the last does."""
    book = cancelling()
    decision = book.deliver(register("ann"), cancel("ann"), register("ann", 2))
    came_of_it = [STALE, ("cancelled", "cancelled-before-decision"), ("confirmed", "seat-given")]
    assert outcomes(decision) == came_of_it
    assert broken_rules(book.ledger, book.records.values()) == []


def test_who_comes_back_is_not_lost_when_her_cancellation_is_late() -> None:
    """Register 2 finds the first attempt undecided, because its commands lie among the dead letters: it applies, and
    they come to nothing when they are replayed."""
    book = cancelling()
    assert outcomes(book.deliver(register("ann", 2))) == [("confirmed", "seat-given")]
    assert outcomes(book.deliver(register("ann"), cancel("ann"))) == [STALE, STALE]
    record = book.stored("ann")
    assert (record.status, record.generation, record.cancelling) == ("confirmed", 2, False)


def test_a_discarded_cancellation_still_ends_it() -> None:
    """An operator who throws that Cancel away leaves nobody pending for ever; throwing the Register away leaves it to
    the Cancel."""
    book = cancelling()
    record = discarded(book.record("ann"), cancel("ann"), "why")
    assert record is not None
    assert (record.status, record.code, record.cancelling) == ("rejected", "discarded", False)
    assert discarded(book.record("ann"), register("ann"), "why") is None


def test_that_it_was_sent_again_is_forgotten_with_its_end() -> None:
    """Cancelled, rejected by an operator or decided: `resent_at` is a matter of what is pending."""
    for command in (cancel("ann"), register("ann")):
        book = Book(seats(1))
        record = replace(book.put("ann", Status.PENDING), resent_at=NOW)
        book.records[record.registration_id] = record
        book.deliver(command)
        ended = book.stored("ann")
        assert (ended.status is not Status.PENDING, ended.resent_at) == (True, None)
        rejected = discarded(record, register("ann"), "why")
        assert rejected is not None
        assert (rejected.cancelling, rejected.resent_at) == (False, None)
