"""Pending registrations that end without their Register: cancelled before their decision, or discarded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.builders import NOW, Book, cancel, change, outcomes, promote, register, seats
from tests.support.rules import broken_rules, illegal_moves
from workers.domain.commands import Command
from workers.domain.records import Registration, Status
from workers.domain.transitions import discarded

STALE, SEAT = ("superseded", "stale-generation"), ("confirmed", "seat-given")
WHY = "sent by a broken client"


def pending(generation: int = 1, *, cancelling: bool = False) -> Book:
    """An event with a seat, and ann's pending attempt, sent again once; its cancellation may be accepted."""
    book = Book(seats(1))
    record = replace(book.put("ann", Status.PENDING, generation), cancelling=cancelling, resent_at=NOW)
    book.records[record.registration_id] = record
    return book


def discard(book: Book, command: Command) -> Registration | None:
    """Discard a command as an operator does."""
    record = discarded(book.record("ann"), command, WHY)
    if record is not None:
        book.records[record.registration_id] = record
    return record


def test_in_order_it_is_cancelled_and_comes_back() -> None:
    """[Register 1, Cancel 1, Register 2] with the Cancel accepted: the first takes no seat, the last does."""
    book = pending(cancelling=True)
    decision = book.deliver(register("ann"), cancel("ann"), register("ann", 2))
    assert outcomes(decision) == [STALE, ("cancelled", "cancelled-before-decision"), SEAT]
    assert broken_rules(book.ledger, book.records.values()) == []


def test_a_new_attempt_does_not_wait_for_a_late_cancellation() -> None:
    """Register 2 applies while the first attempt's commands are dead letters; replayed, they come to nothing."""
    book = pending(cancelling=True)
    assert outcomes(book.deliver(register("ann", 2))) == [SEAT]
    assert outcomes(book.deliver(register("ann"), cancel("ann"))) == [STALE, STALE]
    record = book.stored("ann")
    assert (record.status, record.generation, record.cancelling) == ("confirmed", 2, False)


@pytest.mark.parametrize(
    ("command", "cancelling"), [(cancel("ann"), True), (cancel("ann"), False), (register("ann"), False)]
)
def test_what_is_decided_is_neither_cancelling_nor_resent(command: Command, cancelling: bool) -> None:
    """Both marks are those of a pending registration."""
    book = pending(cancelling=cancelling)
    book.deliver(command)
    record = book.stored("ann")
    assert (record.status is Status.PENDING, record.cancelling, record.resent_at) == (False, False, None)


@pytest.mark.parametrize("cancelling", [True, False])
def test_a_discarded_command_leaves_nobody_pending(cancelling: bool) -> None:
    """The Register of a pending attempt, or the accepted Cancel of one: it is rejected, with code and note."""
    book = pending(cancelling=cancelling)
    before = book.stored("ann")
    record = discard(book, cancel("ann") if cancelling else register("ann"))
    assert record == replace(
        before, status=Status.REJECTED, code="discarded", note=WHY, version=before.version + 1,
        cancelling=False, resent_at=None,
    )  # fmt: skip
    assert illegal_moves({before.registration_id: before}, book.records) == []
    assert broken_rules(book.ledger, book.records.values()) == []
    assert outcomes(book.deliver(register("ann"), register("ann", 2), now=NOW + 1)) == [STALE, SEAT]
    assert (book.stored("ann").code, book.stored("ann").note) == (None, None)


@pytest.mark.parametrize(
    ("book", "command"),
    [
        *[
            (pending(2), command)
            for command in (register("ann", 1), register("ann", 3), register("bob", 2), cancel("ann", 2))
        ],
        *[(pending(), command) for command in (promote(), change(1, capacity=2))],
        (pending(cancelling=True), register("ann")),
        (Book(seats(1)), register("ann")),
    ],
)
def test_other_registrations_are_not_touched(book: Book, command: Command) -> None:
    """A command about another attempt, another person or nobody, or a Register with a Cancel behind it, leaves them."""
    assert discard(book, command) is None


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.PENDING])
def test_what_is_decided_stays(status: Status) -> None:
    """A registration that is not pending has its answer."""
    book = Book(seats(1))
    book.put("ann", status)
    assert discard(book, register("ann")) is None
