"""The exact units of a batch, a promotion, a waiting-list position and a list."""

from __future__ import annotations

import pytest

from tests.tools.bench import counts, lists
from tests.tools.bench.engine import Engine, names
from tests.tools.bench.units import Meter
from workers.domain.seat_settings import EventStatus

pytestmark = pytest.mark.integration


def calls(meter: Meter) -> dict[str, int]:
    """Return how often each operation was called."""
    return dict(meter.calls)


def test_a_full_batch_costs_42_units(engine: Engine) -> None:
    """Ten registrations: one read, one transaction of 11 items; 2 units for the ledger, 4 for each record; 11 reads."""
    meter = counts.fresh_batch(engine)
    assert calls(meter) == {"BatchGetItem": 1, "TransactWriteItems": 1}
    assert (meter.items, meter.keys, meter.write_units, meter.read_units) == (11, 11, 42, 11)


def test_a_redelivered_batch_is_one_read(engine: Engine) -> None:
    """A batch that comes a second time writes nothing."""
    meter = counts.redelivered_batch(engine)
    assert calls(meter) == {"BatchGetItem": 1}
    assert (meter.write_units, meter.read_units) == (0, 11)


@pytest.mark.parametrize(("waiting", "units"), [(20, 12), (1_000, 12), (5_000, 12), (50_000, 20)])
def test_a_promotion_costs_the_same_whoever_waits(engine: Engine, waiting: int, units: int) -> None:
    """A cancelled seat and its promotion: 12 units up to 5,000 waiting; at 50,000 the ledger has two KB more.

    Reads: the ledger twice, the cancelled record, an index entry and the record that it names.
    """
    meter = counts.cancel_and_promote(engine, waiting, counts.HOLES)
    assert (meter.write_units, meter.items, meter.read_units) == (units, 4, 2 + 1 + 0.5 + 1)
    assert calls(meter) == {"BatchGetItem": 3, "Query": 1, "TransactWriteItems": 2}


@pytest.mark.parametrize("waiting", [10, 50_000])
def test_a_position_is_one_read_of_two_items(engine: Engine, waiting: int) -> None:
    """At any length."""
    meter = counts.position(engine, waiting)
    assert (calls(meter), meter.keys, meter.read_units) == ({"BatchGetItem": 1}, 2, 2)


def test_the_textbook_costs_what_it_is_said_to(engine: Engine) -> None:
    """6 units for a registration; 10 for a cancellation and its promotion, and 2 for everybody else who waits."""
    engine.add_users(names(1))
    assert counts.textbook_register(engine).write_units == 6
    assert counts.textbook_cancel(engine, 10).write_units == 10 + 2 * 9


@pytest.mark.parametrize("length", lists.PAGES)
def test_a_page_of_events_costs_half(engine: Engine, length: int) -> None:
    """A page of events costs half a unit for each ledger, strongly consistent one. Asked for it 40 times a second, a
    process reads it every other second."""
    lists.prepare(engine)
    page, strong = lists.page(engine, length), lists.strong_page(engine, length)
    ledger, events = engine.tables.ledger, engine.tables.events
    assert calls(page) == {"Query": len(EventStatus), "BatchGetItem": length // 50}
    assert (page.reads[ledger], strong.reads[ledger]) == (length / 2, length)
    assert length / 2 < page.reads[events] < length / 2 + 5
    assert lists.page(engine, length, per_second=40, seconds=4).reads[ledger] == length / 2 * 2


def test_a_users_list_costs_half_of_its_ledgers(engine: Engine) -> None:
    """A user's list of 100 reads ledgers for 50 units, and what must be current for one unit each."""
    page = lists.users_page(engine, lists.prepare(engine), 100)
    tables = engine.tables
    assert (page.reads[tables.ledger], page.reads[tables.events], page.reads[tables.users]) == (50, 100, 1)
    assert 100 < page.reads[tables.registrations] < 105
