"""The tables of the in-memory DynamoDB, in the order of a scan, and their indexes, in the order of a query."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tests.proofs.simulation.dynamodb.errors import Invalid
from tests.proofs.simulation.dynamodb.values import Value, checked, key_text
from workers.aws.items import Item

MAX_PARTITION_KEY_BYTES = 2048
MAX_SORT_KEY_BYTES = 1024

IndexDelay = Callable[[str, str, Callable[[], None]], None]
Place = Callable[[str], Any]
"""Where a primary key stands among those whose order DynamoDB leaves open: something that can be compared."""
Row = tuple[str, Any, str]
"""An entry of an index: its sort key, then the place of the primary key, and that key."""
Keys = tuple[str, str] | None
"""Partition and sort key under which an index lists an item; None if it does not."""
Listing = tuple[Keys, ...]
"""The keys of one item in each index of its table."""


class Index:
    """A global secondary index, KEYS_ONLY: its rows by partition, sorted."""

    def __init__(self, name: str, partition: str, sort: str, primary: str, place: Place) -> None:
        self.name = name
        self.partition, self.sort, self.primary = partition, sort, primary
        self.place = place
        self._listed: dict[str, tuple[str, str]] = {}
        self._partitions: dict[str, list[Row]] = {}

    def keys(self, item: Item) -> Keys:
        """Return the keys of an item. Invalid if one of them is no text or too long."""
        partition, sort = item.get(self.partition), item.get(self.sort)
        first = partition and key_text(partition, self.partition, MAX_PARTITION_KEY_BYTES)
        second = sort and key_text(sort, self.sort, MAX_SORT_KEY_BYTES)
        return (first, second) if first and second else None

    def put(self, primary: str, keys: Keys) -> None:
        """List an item under these keys only, or (None) not at all."""
        before = self._listed.pop(primary, None)
        if before is not None:
            rows = self._partitions[before[0]]
            del rows[bisect_left(rows, self.row(before[1], primary))]
        if keys is not None:
            self._listed[primary] = keys
            insort(self._partitions.setdefault(keys[0], []), self.row(keys[1], primary))

    def row(self, sort: str, primary: str) -> Row:
        """Return the row of an item."""
        return sort, self.place(primary), primary

    def rows(self, partition: str) -> Sequence[Row]:
        """Return the rows of a partition in the order of their sort keys."""
        return self._partitions.get(partition, ())

    def entry(self, partition: str, row: Row) -> Item:
        """Return a row as a query shows it."""
        return {self.primary: {"S": row[2]}, self.partition: {"S": partition}, self.sort: {"S": row[0]}}


class Table:
    """Items by primary key. A stored item is never changed, only replaced."""

    def __init__(self, name: str, primary: str, indexes: Sequence[Index], place: Place) -> None:
        self.name = name
        self.primary = primary
        self.place = place
        self.indexes = {index.name: index for index in indexes}
        self._unlisted: Listing = (None,) * len(indexes)
        self._listings: dict[str, Listing] = {}
        self.key_names = {primary}.union(*({index.partition, index.sort} for index in indexes))
        self.items: dict[str, Item] = {}
        self._order: list[tuple[Any, str]] = []

    def key(self, key: dict[str, Value]) -> str:
        """Return the primary key in a request. Invalid unless it is this attribute, a text, and nothing else."""
        value = key.get(self.primary, {})
        if len(key) != 1 or len(value) != 1 or value.get("S").__class__ is not str:
            checked(key)
            raise Invalid("The provided key element does not match the schema")
        return key_text(value, self.primary, MAX_PARTITION_KEY_BYTES)

    def key_in(self, item: Item) -> str:
        """Return the primary key of a new item. Invalid if it has none."""
        if self.primary not in item:
            raise Invalid(f"One or more parameter values were invalid: Missing the key {self.primary} in the item")
        return key_text(item[self.primary], self.primary, MAX_PARTITION_KEY_BYTES)

    def listing(self, item: Item) -> Listing:
        """Return how the indexes list the item. Invalid if one of them cannot."""
        return tuple([index.keys(item) for index in self.indexes.values()])

    def write(self, key: str, item: Item, listing: Listing, delay: IndexDelay) -> None:
        """Store an item, and hand each index row that changes to `delay`."""
        if key not in self.items:
            insort(self._order, (self.place(key), key))
        self.items[key] = item
        before = self._listings.get(key, self._unlisted)
        if listing != before:
            self._listings[key] = listing
            for index, old, new in zip(self.indexes.values(), before, listing, strict=True):
                if old != new:
                    delay(index.name, key, partial(index.put, key, new))

    def keys_behind(self, key: str | None) -> list[str]:
        """Return the primary keys behind this one (None: all) in the order of a scan."""
        start = 0 if key is None else bisect_right(self._order, (self.place(key), key))
        return [key for _, key in self._order[start:]]


def table_of(params: dict[str, Any], place: Place) -> Table:
    """Make the table that a CreateTable describes.

    NotImplementedError unless all keys are texts, the primary key is one attribute, and the indexes are KEYS_ONLY with
    a partition and a sort key.
    """
    types = {part["AttributeName"]: part["AttributeType"] for part in params["AttributeDefinitions"]}
    keys = [(part["AttributeName"], part["KeyType"]) for part in params["KeySchema"]]
    if [kind for _, kind in keys] != ["HASH"] or set(types.values()) != {"S"}:
        raise NotImplementedError(f"a table with the keys {keys} of the types {types}")
    primary, indexes = keys[0][0], []
    for index in params.get("GlobalSecondaryIndexes", []):
        parts = [(part["AttributeName"], part["KeyType"]) for part in index["KeySchema"]]
        kinds = [kind for _, kind in parts]
        if kinds != ["HASH", "RANGE"] or index["Projection"] != {"ProjectionType": "KEYS_ONLY"}:
            raise NotImplementedError(f"an index with the keys {parts} and the projection {index['Projection']}")
        indexes.append(Index(index["IndexName"], parts[0][0], parts[1][0], primary, place))
    table = Table(params["TableName"], primary, indexes, place)
    if table.key_names != types.keys():
        raise Invalid("Number of attributes in KeySchema does not exactly match number of attributes defined")
    return table
