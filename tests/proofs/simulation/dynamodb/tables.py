"""The tables of the in-memory DynamoDB and their indexes. They are small: each read sorts what it returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tests.proofs.simulation.dynamodb.values import Value, key_text
from workers.aws.items import Item

IndexDelay = Callable[[str, str, Callable[[], None]], None]
Place = Callable[[str], Any]
"""Returns the place of a primary key where DynamoDB leaves the order open: something that can be compared."""
Keys = tuple[str, str] | None
"""Partition and sort key under which an index lists an item; None if it does not."""
Listing = tuple[Keys, ...]
"""The keys of one item in each index of its table."""


class Index:
    """A global secondary index, KEYS_ONLY: the keys of the listed items by primary key."""

    def __init__(self, name: str, partition: str, sort: str) -> None:
        self.name = name
        self.partition, self.sort = partition, sort
        self._listed: dict[str, tuple[str, str]] = {}

    def keys(self, item: Item) -> Keys:
        """Return the keys of an item."""
        if self.partition not in item or self.sort not in item:
            return None
        return key_text(item[self.partition]), key_text(item[self.sort])

    def put(self, primary: str, keys: Keys) -> None:
        """List an item under these keys only, or (None) not at all."""
        self._listed.pop(primary, None)
        if keys is not None:
            self._listed[primary] = keys

    def rows(self, partition: str) -> list[tuple[str, str]]:
        """Return sort key and primary key of the rows of a partition."""
        return [(sort, primary) for primary, (own, sort) in self._listed.items() if own == partition]


class Table:
    """Items by primary key. A stored item is never changed, only replaced."""

    def __init__(self, name: str, primary: str, indexes: Sequence[Index]) -> None:
        self.name = name
        self.primary = primary
        self.indexes = {index.name: index for index in indexes}
        self.key_names = {primary}.union(*({index.partition, index.sort} for index in indexes))
        self.items: dict[str, Item] = {}
        self._unlisted: Listing = (None,) * len(indexes)
        self._listings: dict[str, Listing] = {}

    def key(self, key: dict[str, Value]) -> str:
        """Return the primary key in a request."""
        if key.keys() != {self.primary}:
            raise NotImplementedError(f"the in-memory DynamoDB's {self.name} has no key {sorted(key)}")
        return key_text(key[self.primary])

    def listing(self, item: Item) -> Listing:
        """Return how the indexes list the item."""
        return tuple([index.keys(item) for index in self.indexes.values()])

    def write(self, key: str, item: Item, delay: IndexDelay) -> None:
        """Store an item, and hand each index row that changes to `delay`."""
        self.items[key] = item
        before, listing = self._listings.get(key, self._unlisted), self.listing(item)
        self._listings[key] = listing
        for index, old, new in zip(self.indexes.values(), before, listing, strict=True):
            if old != new:
                delay(index.name, key, partial(index.put, key, new))


def table_of(params: dict[str, Any]) -> Table:
    """Make the table that a CreateTable describes; of `tests.support.tables`, which has keys that are texts."""
    (primary,) = [part["AttributeName"] for part in params["KeySchema"]]
    indexes = []
    for index in params.get("GlobalSecondaryIndexes", []):
        partition, sort = (part["AttributeName"] for part in index["KeySchema"])
        indexes.append(Index(index["IndexName"], partition, sort))
    return Table(params["TableName"], primary, indexes)
