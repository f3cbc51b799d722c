"""Units by rule, with the examples of AWS's documentation where it has one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tools.bench.engine import Engine
from tests.tools.bench.units import Meter, index_units, item_size, read_units, value_size, write_units

KB = 1024
ENTRY = ("eventId", "key", "id")


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": "pycon"}, 5),
        ({"S": "Zürich"}, 7),
        ({"N": "7"}, 2),
        ({"N": "27"}, 2),
        ({"N": "-123"}, 3),
        ({"N": "1000"}, 2),
        ({"N": "0.05"}, 2),
        ({"B": b"\0\1\2"}, 3),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"M": {}}, 3),
        ({"L": []}, 3),
        ({"M": {"a": {"N": "1"}}}, 3 + 1 + 1 + 2),
        ({"L": [{"S": "ab"}, {"BOOL": False}]}, 3 + 1 + 2 + 1 + 1),
    ],
)
def test_values_are_as_large_as_documented(value: dict[str, Any], size: int) -> None:
    """UTF-8 bytes; a byte per two digits and one; raw bytes; 1; 3 and one per element."""
    assert value_size(value) == size


def test_names_count() -> None:
    """An item is as large as the names of its attributes and their values."""
    assert item_size({"id": {"S": "abc"}, "n": {"N": "12"}}) == 2 + 3 + 1 + 2


def test_sets_are_not_guessed() -> None:
    """What no item of Turnstile's has is refused, not miscounted."""
    with pytest.raises(ValueError, match="SS"):
        value_size({"SS": ["a"]})


@pytest.mark.parametrize(("size", "units"), [(512, 1), (KB, 1), (KB + 1, 2), (round(1.5 * KB), 2), (0, 1)])
def test_a_write_costs_a_unit_per_kb(size: int, units: int) -> None:
    """An item of 0.5 KB is one unit, one of 1.5 KB two, and a transaction doubles it."""
    assert write_units(size, transactional=False) == units
    assert write_units(size, transactional=True) == 2 * units


def test_three_small_items_in_a_transaction() -> None:
    """AWS's example: a transaction of three items of 500 bytes needs six units."""
    assert sum(write_units(500, transactional=True) for _ in range(3)) == 6


@pytest.mark.parametrize(("kilobytes", "units"), [(0, 1), (3.5, 1), (4, 1), (10, 3), (40.8, 11)])
def test_a_read_costs_a_unit_per_4_kb(kilobytes: float, units: int) -> None:
    """AWS's examples: 3.5 KB is rounded up to 4 KB, 10 to 12, a query's 40.8 to 44; nothing costs a unit too."""
    assert read_units(round(kilobytes * KB), consistent=True) == units
    assert read_units(round(kilobytes * KB), consistent=False) == units / 2


@pytest.mark.parametrize(
    ("before", "after", "units"),
    [
        (None, {"id": "r", "eventId": "e", "key": "a"}, 1),
        ({"id": "r", "eventId": "e", "key": "a"}, {"id": "r", "eventId": "e", "key": "b"}, 2),
        ({"id": "r", "eventId": "e", "key": "a"}, {"id": "r", "eventId": "e", "key": "a", "other": "x"}, 0),
        ({"id": "r", "eventId": "e", "key": "a"}, None, 1),
        (None, {"id": "r", "eventId": "e"}, 0),
    ],
)
def test_an_index_costs_what_changes_in_it(before: Any, after: Any, units: int) -> None:
    """A new entry 1, a changed key 2, an entry that stays 0, a deleted one 1, an item without the key 0."""
    assert index_units(before, after, ENTRY) == units


@pytest.mark.integration
def test_a_batch_read_rounds_each_item(engine: Engine) -> None:
    """AWS's example: items of 1.5 and 6.5 KB are read as 4 and 8 KB, three units; one that is not there is one more."""
    table = engine.tables.users
    for key, size in (("a", 1.5), ("b", 6.5)):
        engine.reader.put_item(TableName=table, Item={"userId": {"S": key}, "name": {"S": "x" * round(size * KB - 20)}})
    client = engine.client()
    with Meter(client, engine.reader) as meter:
        keys: Any = [{"userId": {"S": key}} for key in ("a", "b", "c")]
        client.batch_get_item(RequestItems={table: {"Keys": keys, "ConsistentRead": True}})
    assert (meter.read_units, meter.keys, meter.calls) == (4, 3, {"BatchGetItem": 1})


@pytest.mark.integration
def test_a_scan_rounds_its_page(engine: Engine) -> None:
    """A page of a scan is rounded up as a whole, and costs half unless it is asked for strongly consistent."""
    table, client = engine.tables.users, engine.client()
    engine.add_items(table, [{"userId": {"S": f"u{n}"}, "name": {"S": "x" * 1500}} for n in range(4)])
    for consistent, units in ((False, 1.0), (True, 2.0)):
        with Meter(client, engine.reader) as meter:
            client.scan(TableName=table, ConsistentRead=consistent)
        assert meter.reads == {table: units}


@pytest.mark.integration
def test_single_writes_are_metered_by_the_larger_item(engine: Engine) -> None:
    """An item of 1.5 KB that becomes small is two units, as it was large; the meter's own reads are not counted."""
    table, client = engine.tables.users, engine.client()
    engine.reader.put_item(TableName=table, Item={"userId": {"S": "a"}, "name": {"S": "x" * 1500}})
    with Meter(client, engine.reader) as meter:
        client.put_item(TableName=table, Item={"userId": {"S": "a"}})
    client.put_item(TableName=table, Item={"userId": {"S": "b"}})
    assert (meter.write_units, meter.read_units, meter.items, meter.calls) == (2, 0, 0, {"PutItem": 1})
