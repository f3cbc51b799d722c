"""Generations identify commands: duplicates, late deliveries and replays change nothing."""

from __future__ import annotations

from itertools import permutations

import pytest

from tests.support.builders import Book, cancel, configure, outcomes, promote, register, seats
from tests.support.rules import MOVES, broken_rules
from workers.domain.records import Status
from workers.domain.seat_settings import EventStatus
from workers.domain.transitions import ALLOWED_TRANSITIONS

STALE = ("superseded", "stale-generation")
SEAT = ("confirmed", "seat-given")
FENCE = ("cancelled", "cancelled-before-decision")

# What stands in the record, at generation 3 -> what each command of generation 2, 3, 4, 5 comes to.
TABLE: dict[str, dict[str, tuple[tuple[str, str], ...]]] = {
    "pending": {"Register": (STALE, SEAT, STALE, STALE), "Cancel": (STALE, FENCE, STALE, STALE)},
    "waitlisted": {"Register": (STALE,) * 4, "Cancel": (STALE, ("cancelled", "left-waitlist"), STALE, STALE)},
    "confirmed": {"Register": (STALE,) * 4, "Cancel": (STALE, ("cancelled", "gave-up-seat"), STALE, STALE)},
    "rejected": {"Register": (STALE, STALE, SEAT, STALE), "Cancel": (STALE,) * 4},
    "cancelled": {"Register": (STALE, STALE, SEAT, STALE), "Cancel": (STALE,) * 4},
}
CELLS = [
    (status, kind, generation, expected)
    for status, row in TABLE.items()
    for kind, cells in row.items()
    for generation, expected in zip((2, 3, 4, 5), cells, strict=True)
]


def a_record(status: str) -> Book:
    """An event where ann's record stands at generation 3 in `status`, with a free seat unless it waits."""
    book = Book(seats(1 if status == "waitlisted" else 2, waitlist=status == "waitlisted"))
    book.deliver(register("ann"), cancel("ann"), register("ann", 2), cancel("ann", 2))
    match status:
        case "pending":
            book.put("ann", Status.PENDING, 3)
        case "waitlisted" | "confirmed":
            book.deliver(register("bob"), register("ann", 3))
        case "rejected":
            closed, opened = (seats(2, status=status) for status in (EventStatus.CLOSED, EventStatus.ACTIVE))
            book.deliver(configure(1, closed), register("ann", 3), configure(2, opened))
        case _:
            book.deliver(register("ann", 3), cancel("ann", 3))
    assert book.status("ann") == status
    assert broken_rules(book.ledger, book.records.values()) == []
    return book


@pytest.mark.parametrize(("status", "kind", "generation", "expected"), CELLS)
def test_every_cell_of_the_table(status: str, kind: str, generation: int, expected: tuple[str, str]) -> None:
    """Whatever stands in the record, a command of each generation comes to exactly what the table says."""
    book = a_record(status)
    before = book.record("ann")
    decision = book.deliver(register("ann", generation) if kind == "Register" else cancel("ann", generation))
    assert outcomes(decision) == [expected]
    after = book.stored("ann")
    if expected == STALE:
        assert after == before
    else:
        assert (str(after.status), after.generation) == (expected[0], generation)


@pytest.mark.parametrize(("generation", "expected"), [(1, SEAT), (0, STALE), (2, STALE), (7, STALE)])
def test_without_a_record_only_the_first_generation_registers(generation: int, expected: tuple[str, str]) -> None:
    """Nobody has been here yet: Register 1 applies, any other is from another time."""
    assert outcomes(Book(seats(1)).deliver(register("ann", generation))) == [expected]


@pytest.mark.parametrize("generation", [0, 1, 2])
def test_without_a_record_there_is_nothing_to_cancel(generation: int) -> None:
    """A Cancel that finds no record is superseded, and writes none."""
    decision = Book(seats(1)).deliver(cancel("ann", generation))
    assert (outcomes(decision), decision.changes_anything) == ([STALE], False)


def test_a_fence_stops_a_register_that_comes_later() -> None:
    """Cancelled while pending: the Register of that generation, late from the dead-letter queue, is superseded."""
    book = Book(seats(1))
    book.put("ann", Status.PENDING)
    assert outcomes(book.deliver(cancel("ann"))) == [FENCE]
    assert outcomes(book.deliver(register("ann"))) == [STALE]
    assert (book.status("ann"), book.ledger.confirmed) == ("cancelled", 0)
    assert outcomes(book.deliver(register("ann", 2))) == [SEAT]


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_a_replay_in_any_order_changes_nothing(order: tuple[int, ...]) -> None:
    """Everything that was ever decided, delivered again in any order, finds nothing to do."""
    book = Book(seats(1, waitlist=True))
    history = (register("ann"), register("bob"), cancel("ann"), register("ann", 2))
    book.deliver(*history)
    decision = book.deliver(*[history[index] for index in order], promote())
    assert not decision.changes_anything
    assert (book.status("bob"), book.status("ann")) == ("confirmed", "waitlisted")


def test_the_transitions_are_those_of_the_design() -> None:
    """Within a generation and between two, statuses move as the table of the design says, and in no other way."""
    within = {(Status(old), Status(new)) for old, news in MOVES.items() for new in news}
    between = {
        (old, new)
        for old in (None, Status.REJECTED, Status.CANCELLED)
        for new in (Status.PENDING, Status.CONFIRMED, Status.WAITLISTED, Status.REJECTED)
    }
    assert set(ALLOWED_TRANSITIONS) == within | between | {(Status.PENDING, Status.PENDING)}
    assert all(ALLOWED_TRANSITIONS.values())
