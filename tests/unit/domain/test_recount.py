"""Recounting: a sound ledger is found sound, each damage is named and mended, and what no ledger can mend is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import EVENT, NOW, Book, cancel, change, outcomes, promote, register, seats
from tests.support.rules import broken_rules
from workers.domain.commands import Command, Recount
from workers.domain.line import Line
from workers.domain.moves import DISCARDED
from workers.domain.records import EventStatus, Ledger, Registration, Status
from workers.domain.recount import MAX_SPAN, Count, Tally, differences, disagreements, recounted

REWRITTEN, STALE = ("recounted", "ledger-rewritten"), ("superseded", "stale-count")
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
            batch.append(register(user, 1 if record is None else record.generation + (not record.alive)))
        elif what == "cancel" and record is not None:
            batch.append(cancel(user, record.generation))
        elif what == "promise" and not (record is not None and record.alive):
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


def tally(records: dict[str, Registration]) -> Tally:
    """The records, added up."""
    added = Tally()
    for key, record in records.items():
        added.add(key, record)
    return added


def recount(book: Book, version: int | None = None, at: int = NOW) -> Recount:
    """A Recount of what the book has."""
    version = book.ledger.version if version is None else version
    return Recount(f"recount-{version}", book.event, version, tally(book.records).count(), at)


def a_line(*users: str, capacity: int = 1) -> Book:
    """So many seats, taken by the first; the others wait with the tickets 1, 2, ..."""
    book = Book(seats(capacity, waitlist=True))
    book.fill(*users)
    return book


@given(STEPS)
def test_a_sound_ledger_is_found_sound(steps: list[tuple[str, str, int]]) -> None:
    """After any history the registrations add up to what the ledger says, and have no flaw."""
    book = a_history(steps)
    added = tally(book.records)
    assert added.flaws() == ()
    assert differences(book.ledger, added.count()) == ()
    assert recounted(book.ledger, added.count()) == book.ledger
    assert not added.needs_ledger or book.ledger.version


@given(
    STEPS,
    st.integers(-2, 20),
    st.frozensets(st.integers(1, 20)).map(Line.of),
    st.integers(0, 20),
    st.integers(0, NOW),
)
def test_whatever_was_counted_wrongly_is_mended(
    steps: list[tuple[str, str, int]], confirmed: int, line: Line, tickets: int, seconds: int
) -> None:
    """A ledger with any numbers and any line is, after a Recount, again what its registrations say."""
    book = a_history(steps)
    sound = book.ledger
    book.ledger = replace(
        sound,
        confirmed=confirmed,
        line=line,
        next_ticket=max(1, sound.next_ticket - tickets),
        last_registered_at=max(0, sound.last_registered_at - seconds),
        free_since=None,
    )
    count = tally(book.records).count()
    assert bool(differences(book.ledger, count)) == (recounted(book.ledger, count) != book.ledger)
    if (confirmed, line) != (sound.confirmed, sound.line):
        assert differences(book.ledger, count)
    assert outcomes(book.deliver(recount(book))) == [REWRITTEN]
    assert (book.ledger.confirmed, book.ledger.line) == (sound.confirmed, sound.line)
    assert (book.ledger.settings, book.ledger.revisions) == (sound.settings, sound.revisions)
    assert broken_rules(book.ledger, book.records.values()) == []
    assert differences(book.ledger, count) == ()


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ({"confirmed": 0}, "the ledger says 0 confirmed, 1 are"),
        ({"confirmed": 5}, "the ledger says 5 confirmed, 1 are"),
        ({"line": Line.of([2])}, "not in the ledger's line, but waiting: tickets 1, 3"),
        ({"line": Line.of([1, 2, 3, 7])}, "in the ledger's line, but held by nobody who waits: ticket 7"),
        ({"line": Line(0, 0b1110)}, "the ledger's line has the right tickets, but is not written as the registrar"),
        ({"next_ticket": 3}, "the ledger gives ticket 3 next, but 3 waits already"),
        ({"last_registered_at": NOW - 2_000_000}, "the last decision that the ledger knows is 2.000003 s older than"),
    ],
)
def test_each_damage_has_a_sentence(damage: dict[str, Any], sentence: str) -> None:
    """What is wrong with a ledger is said in numbers; mended, there is nothing to say."""
    book = a_line("ann", "bob", "cid", "dee")
    count = tally(book.records).count()
    damaged = replace(book.ledger, **damage)
    (said,) = differences(damaged, count)
    assert said.startswith(sentence)
    assert recounted(damaged, count) == book.ledger


def test_of_many_tickets_the_first_are_named() -> None:
    """A lost line of thousands is no sentence of thousands."""
    (said,) = differences(Ledger(EVENT, seats(0), next_ticket=100), Count(line=Line.of(range(1, 31))))
    assert said.endswith("waiting: tickets 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 20 more")


def test_what_only_grows_never_shrinks() -> None:
    """The last ticket and the latest decision may be of somebody whose record has moved on: that is no damage."""
    book = a_line("ann", "bob")
    book.deliver(cancel("bob"))
    book.put("bob", Status.PENDING, 2)
    count = tally(book.records).count()
    assert (count.line.end, count.last_registered_at) == (0, NOW)
    assert differences(book.ledger, count) == ()
    assert recounted(book.ledger, count) == book.ledger


def test_more_confirmed_than_seats_is_no_damage() -> None:
    """The capacity was lowered under them: the count says so many too, and evicts nobody."""
    book = a_line("ann", "bob", "cid", capacity=3)
    book.deliver(change(1, capacity=1))
    assert differences(book.ledger, tally(book.records).count()) == ()


@pytest.mark.parametrize(
    ("record", "needs_ledger"),
    [
        (Registration(EVENT, "ann", Status.PENDING, 1, 1, NOW + 9), False),
        (Registration(EVENT, "ann", Status.REJECTED, 1, 2, NOW + 9, code=DISCARDED, note="why"), False),
        (Registration(EVENT, "ann", Status.CANCELLED, 1, 2, NOW + 9), True),
        (Registration(EVENT, "ann", Status.REJECTED, 1, 1, NOW + 9, code="event-full"), True),
        (Registration(EVENT, "ann", Status.CONFIRMED, 1, 1, NOW + 9), True),
    ],
)
def test_who_needs_a_ledger(record: Registration, needs_ledger: bool) -> None:
    """What was decided was decided with a ledger. A promise, discarded or not, is older than the event's first."""
    added = tally({record.registration_id: record})
    assert added.needs_ledger is needs_ledger
    counted_time = added.count().last_registered_at
    assert counted_time == (NOW + 9 if needs_ledger and record.status is not Status.CANCELLED else 0)


def waiting(user: str, ticket: int | None, at: int = NOW, status: Status = Status.WAITLISTED) -> Registration:
    """Somebody in the line."""
    return Registration(EVENT, user, status, 1, 1, at, ticket=ticket)


ANN, BOB = (waiting(user, 1).registration_id for user in ("ann", "bob"))


@pytest.mark.parametrize(
    ("records", "sentence"),
    [
        ([waiting("ann", None)], f"registration {ANN} waits without a ticket"),
        ([waiting("ann", 0)], f"registration {ANN} waits without a ticket"),
        ([waiting("ann", 4), waiting("bob", 4, NOW + 1)], "2 registrations wait with the same ticket (4)"),
        ([waiting("ann", 3, status=Status.CONFIRMED)], f"registration {ANN} is confirmed and has a ticket (3)"),
        ([waiting("ann", 3, status=Status.CANCELLED)], f"registration {ANN} is cancelled and has a ticket (3)"),
        (
            [waiting("ann", 1, NOW + 1), waiting("bob", 2, NOW)],
            f"registration {BOB} waits behind {ANN}, but was decided before it",
        ),
        (
            [waiting("ann", 1), waiting("bob", MAX_SPAN + 2, NOW + 1)],
            f"the tickets go from 1 to {MAX_SPAN + 2}, further than any line",
        ),
    ],
)
def test_what_no_ledger_can_agree_with_is_named(records: list[Registration], sentence: str) -> None:
    """Each flaw of the registrations is one sentence, and while there is one they add up to nothing."""
    added = tally({record.registration_id: record for record in records})
    assert added.flaws() == (sentence,)
    with pytest.raises(ValueError, match=r"registration|tickets"):
        added.count()


def test_a_record_under_another_key_is_a_flaw() -> None:
    """A copy of a registration under an id of its own would be counted twice."""
    record = waiting("ann", 1)
    added = tally({record.registration_id: record, "reg_COPY": replace(record, ticket=2, registered_at=NOW + 1)})
    assert added.flaws() == ("registration reg_COPY is stored under an id that its event and its user do not make",)


@pytest.mark.parametrize(("names", "said"), [(None, "no event"), ("e 2", "the event 'e 2'")])
def test_a_record_that_names_another_event_is_a_flaw_of_its_own(names: str | None, said: str) -> None:
    """Whose seat it is does not change with what its item says: without it, no count is true."""
    added = Tally()
    added.add_astray("reg_X", names)
    assert added.flaws() == (f"registration reg_X is one of this event's, but names {said}",)
    assert added.registrations == 0


def test_each_setting_that_ledger_and_event_do_not_share_is_named() -> None:
    """In the words of the REST contract; none where they agree."""
    event = seats(3, None, EventStatus.CLOSED)
    assert disagreements(event, event) == ()
    assert disagreements(seats(3, 2, EventStatus.CLOSED), event) == (
        "waitlistCapacity is 2 in the ledger, no limit in the event item",
    )
    assert disagreements(seats(4), event) == (
        "capacity is 4 in the ledger, 3 in the event item",
        "hasWaitlist is False in the ledger, True in the event item",
        "status is active in the ledger, closed in the event item",
    )


def test_the_first_ticket_is_1() -> None:
    """Who got ticket 0 would wait without one; the sentence says so."""
    ledger = Ledger(EVENT, seats(1, None), 3, next_ticket=0)
    assert differences(ledger, Count()) == ("the ledger gives ticket 0 next, but the first is 1",)
    assert recounted(ledger, Count()).next_ticket == 1


def test_a_record_that_cannot_be_read_is_a_flaw() -> None:
    """It may be anything: confirmed, waiting, or nothing."""
    added = Tally()
    added.add_unreadable("reg_X", KeyError("status"))
    assert (added.registrations, added.flaws()) == (1, ("registration reg_X cannot be read: KeyError('status')",))


@given(st.sets(st.integers(1, 500)))
def test_a_line_of_tickets(tickets: set[int]) -> None:
    """It has these tickets in order, whatever order they came in, and ends behind the last."""
    line = Line.of(sorted(tickets, reverse=True))
    assert list(line) == sorted(tickets)
    assert line.end == max(tickets, default=-1) + 1


def test_a_line_has_each_ticket_once() -> None:
    """Two with the same ticket are no line."""
    with pytest.raises(ValueError, match="ticket 2 is not later"):
        Line.of([1, 2, 2])
