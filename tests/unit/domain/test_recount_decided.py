"""A Recount among other commands: when it is true, and what it leads to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.builders import EVENT, NOW, cancel, change, outcomes, promote, register, seats
from tests.support.rules import broken_rules
from tests.unit.domain.counts import REWRITTEN, STALE, a_line, recount
from workers.domain.commands import Command, Recount
from workers.domain.decide import decide
from workers.domain.records import Ledger, Totals
from workers.domain.recount import RECOUNT_LIFETIME
from workers.domain.waitlist import Waitlist


def test_a_recount_that_finds_no_difference_is_written_too() -> None:
    """A new version wakes the promoter, and its Promote is none that SQS knows already."""
    book = a_line("ann", "bob")
    before = book.ledger
    decision = book.deliver(recount(book))
    assert outcomes(decision) == [REWRITTEN]
    assert (decision.registrations, decision.configured) == ((), False)
    assert book.ledger == replace(before, version=before.version + 1)


def test_a_recount_of_another_version_changes_nothing() -> None:
    """The ledger has moved since the registrations were counted: whatever they came to, it is not true any more."""
    book = a_line("ann", "bob")
    stale = recount(book)
    book.deliver(cancel("ann"), promote())
    for command in (stale, recount(book, version=book.ledger.version + 1)):
        decision = book.deliver(command)
        assert (outcomes(decision), decision.changes_anything) == ([STALE], False)


def test_a_recount_delivered_twice_is_written_once() -> None:
    """It is its own obstacle: the version that it was counted at is gone."""
    book = a_line("ann", "bob")
    assert outcomes(book.deliver(recount(book), recount(book))) == [REWRITTEN, STALE]
    assert outcomes(book.deliver(recount(book, version=book.ledger.version - 1))) == [STALE]


@pytest.mark.parametrize("first", [register("eve"), cancel("bob"), change(1, capacity=1)])
def test_a_recount_behind_a_change_in_the_same_batch_changes_nothing(first: Command) -> None:
    """What stands before it is not committed yet, but the ledger that was counted it is no more."""
    book = a_line("ann", "bob")
    assert outcomes(book.deliver(first, recount(book)))[1] == STALE


def test_a_recount_grows_old() -> None:
    """Out of the dead-letter queue, it may meet a ledger of the same version that is another one."""
    book = a_line("ann", "bob")
    command = recount(book)
    assert outcomes(book.deliver(command, now=NOW + RECOUNT_LIFETIME + 1)) == [STALE]
    assert outcomes(book.deliver(command, now=NOW + RECOUNT_LIFETIME)) == [REWRITTEN]


def test_after_a_recount_the_line_moves_before_anybody_joins() -> None:
    """A seat that the damaged ledger did not know goes to the head of the line, not to who registers in that batch."""
    book = a_line("ann", "bob")
    book.deliver(cancel("ann"))
    book.ledger = replace(book.ledger, confirmed=1, free_since=None)
    decision = book.deliver(recount(book), register("cid"), now=NOW + 5)
    assert (outcomes(decision), book.status("bob")) == ([REWRITTEN, ("waitlisted", "joined-waitlist")], "confirmed")
    assert broken_rules(book.ledger, book.records.values()) == []


def test_a_seat_that_a_recount_finds_is_free_since_then() -> None:
    """The repaired ledger is promotable: the stream says so, and time begins to count."""
    book = a_line("ann", "bob")
    book.deliver(cancel("ann"))
    book.ledger = replace(book.ledger, confirmed=1, free_since=None)
    book.deliver(recount(book), now=NOW + 5)
    assert (book.ledger.promotable, book.ledger.free_since) == (True, NOW + 5)


def test_who_was_not_in_the_line_can_leave_it_after_a_recount() -> None:
    """Her Cancel could not be processed before; behind the Recount, in the same batch, it can."""
    book = a_line("ann", "bob")
    book.ledger = replace(book.ledger, waitlist=Waitlist())
    assert outcomes(book.deliver(recount(book), cancel("bob"))) == [REWRITTEN, ("cancelled", "left-waitlist")]
    assert broken_rules(book.ledger, book.records.values()) == []


def test_a_recount_promotes_nobody_by_itself() -> None:
    """It is no wish and settles nothing: what follows from it comes with the Promote that its ledger asks for."""
    book = a_line("ann", "bob")
    book.deliver(cancel("ann"))
    decision = decide(book.ledger, book.records.values(), [recount(book)], NOW)
    assert (decision.promoted, decision.ledger.promotable) == ((), True)


@pytest.mark.parametrize("version", [3, 4])
def test_the_outcome_of_a_recount_names_it(version: int) -> None:
    """Applied or superseded: the outcome carries the very command that it answers."""
    command = Recount("recount-1", EVENT, version, Totals(), NOW)
    (outcome,) = decide(Ledger(EVENT, seats(1), version=3), [], [command], NOW).outcomes
    assert outcome.command == command
