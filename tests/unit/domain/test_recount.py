"""Recounts: a sound ledger is found sound, each damage is named and repaired, and a late Recount does nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import EVENT, NOW, Book, cancel, change, outcomes, promote, register, seats
from tests.support.rules import broken_rules
from workers.domain.commands import Command, Recount
from workers.domain.decide import decide
from workers.domain.records import Ledger, Status, Totals
from workers.domain.recount import RECOUNT_LIFETIME, TotalsBuilder, differences, settings_differences
from workers.domain.seat_settings import EventStatus
from workers.domain.waitlist import Waitlist

REWRITTEN, STALE = ("recounted", "ledger-rewritten"), ("superseded", "stale-count")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["register", "register", "cancel", "pending", "promote", "capacity", "batch ends"]),
        st.sampled_from(["ann", "bob", "cid", "dee", "eve", "fay"]),
        st.integers(0, 4),
    ),
    max_size=40,
)


def filled(*users: str, capacity: int = 1) -> Book:
    """An event whose seats the first users have; the others wait with the tickets 1, 2, ..."""
    book = Book(seats(capacity, waitlist=True))
    book.fill(*users)
    return book


def builder(book: Book) -> TotalsBuilder:
    """The registrations of an event, added up."""
    added = TotalsBuilder()
    for key, record in book.records.items():
        added.add(key, record)
    return added


def recount(book: Book, version: int | None = None) -> Recount:
    """A Recount of the event, made NOW for its ledger, or for another version of it."""
    version = book.ledger.version if version is None else version
    return Recount(f"recount-{version}", book.event, version, builder(book).totals(), NOW)


def after(steps: list[tuple[str, str, int]]) -> Book:
    """An event where people come and go, come back and are pending, and the capacity changes."""
    book = Book(seats(2, waitlist=True))
    batch: list[Command] = []
    for number, (what, user, capacity) in enumerate(steps, start=1):
        record = book.record(user)
        following = 1 if record is None else record.generation + (not record.is_active)
        if what == "register":
            batch.append(register(user, following))
        elif what == "cancel" and record is not None:
            batch.append(cancel(user, record.generation))
        elif what == "pending" and (record is None or not record.is_active):
            book.put(user, Status.PENDING, following)
        elif what == "capacity":
            batch.append(change(number, capacity=capacity))
        elif what == "promote":
            batch.append(promote(number))
        else:
            book.deliver(*batch)
            batch = []
    book.deliver(*batch)
    return book


@given(STEPS)
def test_a_sound_ledger_is_found_sound(steps: list[tuple[str, str, int]]) -> None:
    """After any history the registrations add up to what the ledger says, and have no flaw."""
    book = after(steps)
    added = builder(book)
    assert added.flaws() == ()
    assert differences(book.ledger, added.totals()) == ()
    assert book.ledger.recount(added.totals()) == book.ledger
    assert not added.needs_ledger or book.ledger.version


@given(
    STEPS,
    st.integers(-2, 20),
    st.frozensets(st.integers(1, 20)).map(Waitlist.of),
    st.integers(0, 20),
    st.integers(0, NOW),
)
def test_any_wrong_ledger_is_repaired(
    steps: list[tuple[str, str, int]], confirmed: int, waitlist: Waitlist, tickets: int, time: int
) -> None:
    """A ledger with any numbers and any waiting list is, after a Recount, again what its registrations say."""
    book = after(steps)
    sound, totals = book.ledger, builder(book).totals()
    book.ledger = replace(
        sound,
        confirmed=confirmed,
        waitlist=waitlist,
        next_ticket=max(1, sound.next_ticket - tickets),
        last_registered_at=max(0, sound.last_registered_at - time),
        free_since=None,
    )
    assert bool(differences(book.ledger, totals)) == (book.ledger.recount(totals) != book.ledger)
    if (confirmed, waitlist) != (sound.confirmed, sound.waitlist):
        assert differences(book.ledger, totals)
    assert outcomes(book.deliver(recount(book))) == [REWRITTEN]
    assert (book.ledger.confirmed, book.ledger.waitlist) == (sound.confirmed, sound.waitlist)
    assert (book.ledger.settings, book.ledger.revisions) == (sound.settings, sound.revisions)
    assert broken_rules(book.ledger, book.records.values()) == []
    assert differences(book.ledger, totals) == ()


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ({"confirmed": 0}, "the ledger says 0 confirmed, 1 are"),
        ({"confirmed": 5}, "the ledger says 5 confirmed, 1 are"),
        ({"waitlist": Waitlist.of([2])}, "waiting, but not on the ledger's waiting list: tickets 1, 3"),
        (
            {"waitlist": Waitlist.of([1, 2, 3, 7])},
            "on the ledger's waiting list, but held by nobody who waits: ticket 7",
        ),
        (
            {"waitlist": Waitlist(0, 0b1110)},
            "the ledger's waiting list has the right tickets, but in another form than the registrar's",
        ),
        ({"next_ticket": 3}, "the ledger gives ticket 3 next, but 3 waits already"),
        (
            {"last_registered_at": NOW - 2_000_000},
            "the ledger's last decision is 2.000003 s older than that of the registrations",
        ),
    ],
)
def test_each_damage_has_a_sentence(damage: dict[str, Any], sentence: str) -> None:
    """The sentence has the numbers; once repaired, there is nothing to say."""
    book = filled("ann", "bob", "cid", "dee")
    totals = builder(book).totals()
    damaged = replace(book.ledger, **damage)
    assert differences(damaged, totals) == (sentence,)
    assert damaged.recount(totals) == book.ledger


@pytest.mark.parametrize(
    ("lost", "named"),
    [
        (1, "ticket 1"),
        (2, "tickets 1, 2"),
        (10, "tickets 1, 2, 3, 4, 5, 6, 7, 8, 9, 10"),
        (11, "tickets 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 1 more"),
        (30, "tickets 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 20 more"),
    ],
)
def test_ten_tickets_are_named_and_the_others_counted(lost: int, named: str) -> None:
    """The sentence about a lost waiting list of thousands is short."""
    totals = Totals(waitlist=Waitlist.of(range(1, lost + 1)))
    (said,) = differences(Ledger(EVENT, seats(0), next_ticket=100), totals)
    assert said == f"waiting, but not on the ledger's waiting list: {named}"


def test_what_only_grows_never_shrinks() -> None:
    """The last ticket and the latest decision may be those of a record that has changed since: that is no damage."""
    book = filled("ann", "bob")
    book.deliver(cancel("bob"))
    book.put("bob", Status.PENDING, 2)
    totals = builder(book).totals()
    assert (totals.waitlist.end, totals.last_registered_at) == (0, NOW)
    assert differences(book.ledger, totals) == ()
    assert book.ledger.recount(totals) == book.ledger


def test_more_confirmed_than_seats_is_no_damage() -> None:
    """The capacity was lowered below them: the totals agree, and evict nobody."""
    book = filled("ann", "bob", "cid", capacity=3)
    book.deliver(change(1, capacity=1))
    assert differences(book.ledger, builder(book).totals()) == ()


def test_the_first_ticket_is_1() -> None:
    """A waiter with ticket 0 would count as one without."""
    ledger = Ledger(EVENT, seats(1, None), 3, next_ticket=0)
    assert differences(ledger, Totals()) == ("the ledger gives ticket 0 next, but the first is 1",)
    assert ledger.recount(Totals()).next_ticket == 1


def test_settings_that_differ_are_named() -> None:
    """The sentences use the names of the API."""
    event = seats(3, None, EventStatus.CLOSED)
    assert settings_differences(event, event) == ()
    assert settings_differences(seats(4, 2), event) == (
        "capacity is 4 in the ledger, 3 in the event item",
        "waitlistCapacity is 2 in the ledger, no limit in the event item",
        "status is active in the ledger, closed in the event item",
    )


def test_a_recount_without_a_difference_is_written_too() -> None:
    """A new version wakes the promoter, and its Promote is one that SQS has not seen. Nobody is promoted by it."""
    book = filled("ann", "bob")
    before = book.ledger
    decision = book.deliver(recount(book))
    assert outcomes(decision) == [REWRITTEN]
    assert (decision.registrations, decision.configured) == ((), False)
    assert book.ledger == replace(before, version=before.version + 1)


def test_a_recount_of_another_version_changes_nothing() -> None:
    """The ledger has changed since the registrations were counted, or this very Recount has changed it."""
    book = filled("ann", "bob")
    stale = recount(book)
    book.deliver(cancel("ann"), promote())
    for command in (stale, recount(book, version=book.ledger.version + 1)):
        decision = book.deliver(command)
        assert (outcomes(decision), decision.changes_anything) == ([STALE], False)
        assert decision.outcomes[0].command == command
    assert outcomes(book.deliver(recount(book), recount(book))) == [REWRITTEN, STALE]


@pytest.mark.parametrize("first", [register("eve"), cancel("bob"), change(1, capacity=1)])
def test_a_recount_behind_a_change_in_the_same_batch_changes_nothing(first: Command) -> None:
    """The change is not committed yet, but the ledger is no longer the one that was counted."""
    book = filled("ann", "bob")
    assert outcomes(book.deliver(first, recount(book)))[1] == STALE


def test_a_recount_expires() -> None:
    """Out of the dead-letter queue, it may meet another ledger of the same version."""
    book = filled("ann", "bob")
    command = recount(book)
    assert outcomes(book.deliver(command, now=NOW + RECOUNT_LIFETIME + 1)) == [STALE]
    assert outcomes(book.deliver(command, now=NOW + RECOUNT_LIFETIME)) == [REWRITTEN]


@pytest.mark.parametrize("newcomer", [True, False])
def test_a_seat_that_a_recount_finds_goes_to_the_waiting_list(newcomer: bool) -> None:
    """Not to a newcomer of the same batch; without one, it is free since then, and a Promote gives it away."""
    book = filled("ann", "bob")
    book.deliver(cancel("ann"))
    book.ledger = replace(book.ledger, confirmed=1, free_since=None)
    decision = book.deliver(recount(book), *[register("cid")][:newcomer], now=NOW + 5)
    assert outcomes(decision) == [REWRITTEN, ("waitlisted", "joined-waitlist")][: 1 + newcomer]
    assert book.status("bob") == ("confirmed" if newcomer else "waitlisted")
    assert (book.ledger.promotable, book.ledger.free_since) == ((False, None) if newcomer else (True, NOW + 5))
    assert broken_rules(book.ledger, book.records.values()) == []


def test_a_waiter_missing_from_the_ledger_can_cancel_after_a_recount() -> None:
    """Before, the Cancel could not be processed; behind the Recount, in the same batch, it can."""
    book = filled("ann", "bob")
    book.ledger = replace(book.ledger, waitlist=Waitlist())
    assert outcomes(book.deliver(recount(book), cancel("bob"))) == [REWRITTEN, ("cancelled", "left-waitlist")]
    assert broken_rules(book.ledger, book.records.values()) == []


def test_the_outcome_of_a_recount_names_it() -> None:
    """The outcome carries the very command."""
    command = Recount("recount-1", EVENT, 3, Totals(), NOW)
    (outcome,) = decide(Ledger(EVENT, seats(1), version=3), [], [command], NOW).outcomes
    assert outcome.command == command
