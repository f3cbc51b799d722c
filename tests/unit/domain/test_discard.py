"""What is left of a request that an operator threw away: an answer for who was promised one, and nothing else."""

from __future__ import annotations

import pytest

from tests.support.builders import NOW, Book, cancel, change, outcomes, promote, register, seats
from tests.support.rules import broken_rules, illegal_moves
from workers.domain.commands import Command
from workers.domain.records import Status
from workers.domain.transitions import ALLOWED_TRANSITIONS, discarded

WHY = "sent by a broken client"


def discard(book: Book, command: Command, user: str = "ann") -> bool:
    """Discards as an operator does; True if the record had to be written."""
    record = discarded(book.record(user), command, WHY)
    if record is not None:
        book.records[record.registration_id] = record
    return record is not None


def test_a_promised_answer_is_given() -> None:
    """The pending registration of a discarded Register is rejected, with code and note, as one more version of it."""
    book = Book(seats(1))
    before = book.put("ann", Status.PENDING)
    assert discard(book, register("ann"))
    record = book.stored("ann")
    assert (record.status, record.code, record.note) == ("rejected", "discarded", WHY)
    assert (record.generation, record.version, record.ticket) == (1, before.version + 1, None)
    assert (Status.PENDING, record.status) in ALLOWED_TRANSITIONS
    assert illegal_moves({before.registration_id: before}, book.records) == []
    assert broken_rules(book.ledger, book.records.values()) == []


@pytest.mark.parametrize("status", [Status.CONFIRMED, Status.WAITLISTED, Status.REJECTED, Status.CANCELLED])
def test_what_is_decided_stays(status: Status) -> None:
    """A registration that is not pending has its answer."""
    book = Book(seats(1))
    book.put("ann", status)
    assert not discard(book, register("ann"))


@pytest.mark.parametrize("command", [register("ann", 1), register("ann", 3), register("bob", 2), cancel("ann", 2)])
def test_what_the_command_is_not_about_stays(command: Command) -> None:
    """Another attempt's request, another person's, or a Cancel leaves a pending registration pending."""
    book = Book(seats(1))
    book.put("ann", Status.PENDING, generation=2)
    assert not discard(book, command)


@pytest.mark.parametrize("command", [promote(), change(1, capacity=2)])
def test_commands_about_nobody_leave_nothing(command: Command) -> None:
    """A Promote or Configure leaves no registration behind."""
    book = Book(seats(1))
    book.put("ann", Status.PENDING)
    assert not discard(book, command)


def test_without_a_record_nothing_is_written() -> None:
    """Who was promised nothing is told nothing."""
    assert not discard(Book(seats(1)), register("ann"))


def test_a_copy_that_comes_later_changes_nothing() -> None:
    """The rejection is an outcome: a copy of the discarded Register is superseded."""
    book = Book(seats(1))
    book.put("ann", Status.PENDING)
    discard(book, register("ann"))
    assert outcomes(book.deliver(register("ann"))) == [("superseded", "stale-generation")]


def test_the_next_attempt_starts_clean() -> None:
    """Who was discarded registers anew, as the next generation, and the note is gone."""
    book = Book(seats(1))
    book.put("ann", Status.PENDING)
    discard(book, register("ann"))
    assert outcomes(book.deliver(register("ann", 2), now=NOW + 1)) == [("confirmed", "seat-given")]
    record = book.stored("ann")
    assert (record.code, record.note) == (None, None)
