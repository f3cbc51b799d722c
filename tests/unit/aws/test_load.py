"""The number of waiters that a batch may promote, whose records must be loaded."""

from __future__ import annotations

import pytest

from tests.support.builders import EVENT, cancel, change, configure, promote, register, seats
from workers.aws.load import promotions_possible
from workers.domain.commands import Command
from workers.domain.decide import MAX_PROMOTIONS
from workers.domain.records import Ledger
from workers.domain.seat_settings import EventStatus
from workers.domain.waitlist import Waitlist


def a_ledger(waiting: int, capacity: int = 10, confirmed: int = 10, status: EventStatus = EventStatus.ACTIVE) -> Ledger:
    """Return a ledger with so many waiters."""
    settings = seats(capacity, None, status)
    return Ledger(EVENT, settings, 1, confirmed=confirmed, waitlist=Waitlist.of(range(1, waiting + 1)))


CANCELLED = a_ledger(5, confirmed=8, status=EventStatus.CANCELLED)


@pytest.mark.parametrize(
    ("ledger", "commands", "expected"),
    [
        (a_ledger(0, confirmed=2), [register("a"), promote()], 0),
        (a_ledger(5), [register("a")], 0),
        (a_ledger(5), [cancel("a"), cancel("b")], 0),
        (a_ledger(5), [configure(1, seats(50, None))], 0),
        (a_ledger(5), [cancel("a"), register("b")], 1),
        (a_ledger(5), [register("b"), cancel("a")], 1),
        (a_ledger(5), [cancel("a"), cancel("b"), promote()], 2),
        (a_ledger(5, confirmed=8), [promote()], 2),
        (a_ledger(5, confirmed=8), [cancel("a"), promote()], 3),
        (a_ledger(5), [configure(1, seats(13, None)), promote()], 3),
        (a_ledger(5), [configure(1, seats(3, None)), promote()], 0),
        (a_ledger(5), [configure(1, seats(12, None)), configure(2, seats(11, None)), promote()], 2),
        (a_ledger(2), [configure(1, seats(99, None)), promote()], 2),
        (CANCELLED, [cancel("a"), promote()], 0),
        (CANCELLED, [change(1, capacity=50), promote()], 0),
        (CANCELLED, [change(1, status=EventStatus.ACTIVE), promote()], 2),
        (a_ledger(500), [configure(1, seats(999, None)), promote()], MAX_PROMOTIONS),
    ],
)
def test_how_many_waiters_a_batch_may_promote(ledger: Ledger, commands: list[Command], expected: int) -> None:
    """As many as seats are or may become free, if a command promotes at all: the common batch reads no index."""
    assert promotions_possible(ledger, commands) == expected
