"""Decisions that end before their last command, and commands that cannot be decided at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import pytest

from tests.support.builders import (
    EVENT,
    NOW,
    cancel,
    configure,
    full_event,
    outcomes,
    promote,
    register,
    seats,
    users_of,
)
from workers.domain.commands import Command
from workers.domain.decide import MAX_PROMOTIONS, CommandFailed, _Draft, decide
from workers.domain.records import Ledger, Registration, Status
from workers.domain.waitlist import Waitlist


@dataclass(frozen=True)
class Refund:
    """No command of ours."""

    command_id: str


def test_a_missing_head_ends_the_decision() -> None:
    """The first waiter's record is missing: the commands before the promotion are decided, the rest is undecided."""
    book = full_event("ann", "bob")
    commands = (cancel("seat-1"), register("new"), cancel("bob"))
    decision = book.deliver(*commands, unseen=["ann"])
    assert outcomes(decision) == [("cancelled", "gave-up-seat")]
    assert decision.undecided == commands[1:]
    assert (book.status("ann"), book.status("bob"), book.status("new")) == ("waitlisted", "waitlisted", None)


def test_nobody_is_promoted_in_place_of_an_unknown_head() -> None:
    """The head unknown, the second known: nobody moves, nothing is written."""
    book = full_event("ann", "bob")
    book.deliver(cancel("seat-1"))
    decision = book.deliver(promote(), unseen=["ann"])
    assert (decision.changes_anything, decision.outcomes, decision.undecided) == (False, (), (promote(),))


def test_a_record_with_the_heads_ticket_that_does_not_wait_is_not_promoted() -> None:
    """If index and ledger disagree, the decision waits and does not guess."""
    ledger = Ledger(EVENT, seats(1, waitlist=True), version=3, next_ticket=2, waitlist=Waitlist(1, 1))
    torn = Registration(EVENT, "ann", Status.CANCELLED, 1, 2, NOW, ticket=1)
    decision = decide(ledger, [torn], [promote()], NOW)
    assert decision.undecided == (promote(),)
    assert not decision.changes_anything


def test_too_many_promotions_go_on_after_the_commit() -> None:
    """More promotions than one transaction takes: the first so many are written, the command stays undecided."""
    book = full_event("a", "b", "c", "d", "e")
    decision = book.deliver(configure(1, seats(5, waitlist=True)), promote(), max_promotions=3)
    assert outcomes(decision) == [("configured", "settings-changed")]
    assert (users_of(decision.promoted), decision.undecided) == (["a", "b", "c"], (promote(),))
    assert book.ledger.promotable
    decision = book.deliver(promote(), max_promotions=3)
    assert (users_of(decision.promoted), decision.undecided, book.waitlist()) == (["d"], (), ["e"])


def test_a_decision_never_outgrows_a_transaction() -> None:
    """Nine other commands beside the most promotions: records, ledger and event item are at most 100 items."""
    book = full_event(*[f"w{number}" for number in range(120)], capacity=10)
    raised = configure(1, seats(200, waitlist=True))
    decision = book.deliver(raised, *[cancel(f"seat-{number}") for number in range(1, 9)], promote())
    assert len(decision.promoted) == MAX_PROMOTIONS
    assert len(decision.registrations) + 2 == 90


def test_a_command_that_raises_is_named() -> None:
    """CommandFailed says which command of the batch cannot be processed, and why."""
    torn = Registration(EVENT, "bob", Status.WAITLISTED, 1, 1, NOW, ticket=7)
    ledger = Ledger(EVENT, seats(9), version=1)
    with pytest.raises(CommandFailed, match="Cancel cancel-bob-1 cannot be processed") as caught:
        decide(ledger, [torn], [register("ann"), cancel("bob"), register("cid")], NOW)
    assert (caught.value.index, caught.value.command) == (1, cancel("bob"))
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_command_that_nobody_knows_is_not_passed_over() -> None:
    """An object that is no command cannot be processed, and the error shows it: it is not taken for decided."""
    with pytest.raises(CommandFailed) as caught:
        decide(Ledger(EVENT, seats(1)), [], [cast("Command", Refund("refund-1"))], NOW)
    assert "Refund(command_id='refund-1')" in str(caught.value.__cause__)


def test_no_move_outside_the_table_is_written() -> None:
    """The last guard, whatever the code in front of it: a move that the table does not have raises, and is named."""
    rejected = Registration(EVENT, "ann", Status.REJECTED, 1, 1, NOW)
    draft = _Draft(Ledger(EVENT, seats(1)), [rejected], NOW, MAX_PROMOTIONS)
    with pytest.raises(ValueError, match="a registration does not move from rejected to cancelled"):
        draft._write(replace(rejected, status=Status.CANCELLED), was=rejected)
    assert draft.decision([], []).registrations == ()
