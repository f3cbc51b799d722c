"""Recounting: a sound ledger is found sound, and each damage is named and mended."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import EVENT, NOW, Book, cancel, change, outcomes, promote, register, seats
from tests.support.rules import broken_rules
from tests.unit.domain.counts import REWRITTEN, a_line, recount, tally
from workers.domain.commands import Command
from workers.domain.records import Ledger, Status, Totals
from workers.domain.recount import differences, settings_differences
from workers.domain.seat_settings import EventStatus
from workers.domain.waitlist import Waitlist

USERS = ("ann", "bob", "cid", "dee", "eve", "fay")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["register", "register", "cancel", "promise", "promote", "capacity", "batch ends"]),
        st.sampled_from(USERS),
        st.integers(0, 4),
    ),
    max_size=40,
)


def a_history(steps: list[tuple[str, str, int]]) -> Book:
    """An event where people come and go, come back, are promised an answer, and seats become more and fewer."""
    book = Book(seats(2, waitlist=True))
    batch: list[Command] = []
    for number, (what, user, seat) in enumerate(steps, start=1):
        record = book.record(user)
        if what == "register":
            batch.append(register(user, 1 if record is None else record.generation + (not record.is_active)))
        elif what == "cancel" and record is not None:
            batch.append(cancel(user, record.generation))
        elif what == "promise" and not (record is not None and record.is_active):
            book.put(user, Status.PENDING, 1 if record is None else record.generation + 1)
        elif what == "capacity":
            batch.append(change(number, capacity=seat))
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
    book = a_history(steps)
    added = tally(book.records.values())
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
def test_whatever_was_counted_wrongly_is_mended(
    steps: list[tuple[str, str, int]], confirmed: int, line: Waitlist, tickets: int, seconds: int
) -> None:
    """A ledger with any numbers and any line is, after a Recount, again what its registrations say."""
    book = a_history(steps)
    sound = book.ledger
    book.ledger = replace(
        sound,
        confirmed=confirmed,
        waitlist=line,
        next_ticket=max(1, sound.next_ticket - tickets),
        last_registered_at=max(0, sound.last_registered_at - seconds),
        free_since=None,
    )
    count = tally(book.records.values()).totals()
    assert bool(differences(book.ledger, count)) == (book.ledger.recount(count) != book.ledger)
    if (confirmed, line) != (sound.confirmed, sound.waitlist):
        assert differences(book.ledger, count)
    assert outcomes(book.deliver(recount(book))) == [REWRITTEN]
    assert (book.ledger.confirmed, book.ledger.waitlist) == (sound.confirmed, sound.waitlist)
    assert (book.ledger.settings, book.ledger.revisions) == (sound.settings, sound.revisions)
    assert broken_rules(book.ledger, book.records.values()) == []
    assert differences(book.ledger, count) == ()


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
            "the ledger's waiting list has the right tickets, but in another form",
        ),
        ({"next_ticket": 3}, "the ledger gives ticket 3 next, but 3 waits already"),
        ({"last_registered_at": NOW - 2_000_000}, "the ledger's last decision is 2.000003 s older than"),
    ],
)
def test_each_damage_has_a_sentence(damage: dict[str, Any], sentence: str) -> None:
    """What is wrong with a ledger is said in numbers; mended, there is nothing to say."""
    book = a_line("ann", "bob", "cid", "dee")
    count = tally(book.records.values()).totals()
    damaged = replace(book.ledger, **damage)
    (said,) = differences(damaged, count)
    assert said.startswith(sentence)
    assert damaged.recount(count) == book.ledger


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
    """A lost line of thousands is no sentence of thousands: of what is missing the first ten are named."""
    count = Totals(waitlist=Waitlist.of(range(1, lost + 1)))
    (said,) = differences(Ledger(EVENT, seats(0), next_ticket=100), count)
    assert said == f"waiting, but not on the ledger's waiting list: {named}"


def test_what_only_grows_never_shrinks() -> None:
    """The last ticket and the latest decision may be of somebody whose record has moved on: that is no damage."""
    book = a_line("ann", "bob")
    book.deliver(cancel("bob"))
    book.put("bob", Status.PENDING, 2)
    count = tally(book.records.values()).totals()
    assert (count.waitlist.end, count.last_registered_at) == (0, NOW)
    assert differences(book.ledger, count) == ()
    assert book.ledger.recount(count) == book.ledger


def test_more_confirmed_than_seats_is_no_damage() -> None:
    """The capacity was lowered under them: the count says so many too, and evicts nobody."""
    book = a_line("ann", "bob", "cid", capacity=3)
    book.deliver(change(1, capacity=1))
    assert differences(book.ledger, tally(book.records.values()).totals()) == ()


def test_the_first_ticket_is_1() -> None:
    """Who got ticket 0 would wait without one; the sentence says so."""
    ledger = Ledger(EVENT, seats(1, None), 3, next_ticket=0)
    assert differences(ledger, Totals()) == ("the ledger gives ticket 0 next, but the first is 1",)
    assert ledger.recount(Totals()).next_ticket == 1


def test_each_setting_that_ledger_and_event_do_not_share_is_named() -> None:
    """In the words of the REST contract; none where they agree."""
    event = seats(3, None, EventStatus.CLOSED)
    assert settings_differences(event, event) == ()
    assert settings_differences(seats(3, 2, EventStatus.CLOSED), event) == (
        "waitlistCapacity is 2 in the ledger, no limit in the event item",
    )
    assert settings_differences(seats(4), event) == (
        "capacity is 4 in the ledger, 3 in the event item",
        "hasWaitlist is False in the ledger, True in the event item",
        "status is active in the ledger, closed in the event item",
    )
