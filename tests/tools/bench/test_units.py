"""Units by rule, with the examples of AWS's documentation where it has one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tools.bench.engine import Engine
from tests.tools.bench.units import Meter, index_units, item_size, read_units, value_size, write_units

KB = 1024
ENTRY = ("eventId", "key", "id")


def test_sizes() -> None:
    """UTF-8 bytes; a byte per two digits and one; raw bytes; 1; 3 and one per element; names count, too."""
    for value, size in (
        ({"S": "Zürich"}, 7),
        ({"N": "7"}, 2),
        ({"N": "-123"}, 3),
        ({"N": "1000"}, 2),
        ({"N": "0.05"}, 2),
        ({"B": b"\0\1\2"}, 3),
        ({"BOOL": True}, 1),
        ({"M": {}}, 3),
        ({"M": {"a": {"N": "1"}}}, 3 + 1 + 1 + 2),
        ({"L": [{"S": "ab"}, {"BOOL": False}]}, 3 + 1 + 2 + 1 + 1),
    ):
        assert value_size(value) == size, value
    assert item_size({"id": {"S": "abc"}, "n": {"N": "12"}}) == 2 + 3 + 1 + 2
    with pytest.raises(ValueError, match="SS"):
        value_size({"SS": ["a"]})


def test_units_of_items() -> None:
    """A write costs a unit per KB begun, in a transaction 2; a read 1 per 4 KB begun, eventually consistent half."""
    for size, units in ((0, 1), (512, 1), (KB, 1), (KB + 1, 2), (round(1.5 * KB), 2)):
        assert write_units(size, transactional=False) == units
        assert write_units(size, transactional=True) == 2 * units
    for kilobytes, units in ((0, 1), (3.5, 1), (4, 1), (10, 3), (40.8, 11)):
        assert read_units(round(kilobytes * KB), consistent=True) == units
        assert read_units(round(kilobytes * KB), consistent=False) == units / 2


def test_units_of_an_index() -> None:
    """A new entry costs 1, a changed key 2, an unchanged entry 0, a deleted one 1, an item without the key 0."""
    entry: Any = {"id": "r", "eventId": "e", "key": "a"}
    assert [
        index_units(before, after, ENTRY)
        for before, after in (
            (None, entry), (entry, entry | {"key": "b"}), (entry, entry | {"other": "x"}), (entry, None), (None, {}),
        )
    ] == [1, 2, 0, 1, 0]  # fmt: skip


@pytest.mark.integration
def test_the_meter(engine: Engine) -> None:
    """AWS's example: items of 1.5 and 6.5 KB are read as 4 and 8 KB, three units; a missing one is one more. A scan's
    page is rounded as a whole. A write costs as much as the larger of the old and the new item."""
    table, client = engine.tables.users, engine.client()
    for key, size in (("a", 1.5), ("b", 6.5)):
        engine.reader.put_item(TableName=table, Item={"userId": {"S": key}, "name": {"S": "x" * round(size * KB - 20)}})
    with Meter(client, engine.reader) as meter:
        keys: Any = [{"userId": {"S": key}} for key in ("a", "b", "c")]
        client.batch_get_item(RequestItems={table: {"Keys": keys, "ConsistentRead": True}})
    assert (meter.read_units, meter.keys, meter.calls) == (4, 3, {"BatchGetItem": 1})
    for consistent, units in ((False, 1.0), (True, 2.0)):
        with Meter(client, engine.reader) as meter:
            client.scan(TableName=table, ConsistentRead=consistent)
        assert meter.reads == {table: units}
    with Meter(client, engine.reader) as meter:
        client.put_item(TableName=table, Item={"userId": {"S": "a"}})
    client.put_item(TableName=table, Item={"userId": {"S": "b"}})
    assert (meter.write_units, meter.read_units, meter.items, meter.calls) == (2, 0, 0, {"PutItem": 1})
