"""Eventually consistent reads: DynamoDB may answer with what was stored a moment ago.

This is no `Fault`, which would have to happen: except for the ledgers of lists, the product's reads by key are
consistent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from tests.proofs.simulation.dynamodb.fake import Change
from tests.proofs.simulation.scheduler import SECOND
from workers.aws.items import Item

OLDEST = SECOND
"""The greatest age of an answer."""
_SHARE = 0.5
"""The share of such answers that are old."""


class StaleReads:
    """Remembers the writes of the last second. `now` returns microseconds."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._writes: deque[tuple[int, Change]] = deque()

    def wrote(self, changes: list[Change]) -> None:
        """Record a committed write."""
        now = self._now()
        while self._writes and self._writes[0][0] < now - OLDEST:
            self._writes.popleft()
        self._writes.extend((now, change) for change in changes)

    def get_item(self, request: Item, answer: Item, chance: Random) -> Item:
        """Return a possible answer to a GetItem."""
        if not _may_be_old(request) or chance.random() >= _SHARE:
            return answer
        then = self._then(chance)
        item = self._as_of(then, request["TableName"], request["Key"], answer.get("Item"))
        kept = {name: value for name, value in answer.items() if name != "Item"}
        return kept if item is None else kept | {"Item": item}

    def batch_get_item(self, request: Item, answer: Item, chance: Random) -> Item:
        """Return a possible answer to a BatchGetItem, table by table."""
        responses = dict(answer["Responses"])
        for table, asked in request["RequestItems"].items():
            if not _may_be_old(asked) or chance.random() >= _SHARE:
                continue
            then, found = self._then(chance), responses.get(table, [])
            items = [self._as_of(then, table, key, _among(found, key)) for key in asked["Keys"]]
            responses[table] = [item for item in items if item is not None]
        return answer | {"Responses": responses}

    def _then(self, chance: Random) -> int:
        return self._now() - chance.randrange(OLDEST)

    def _as_of(self, then: int, table: str, key: Item, item: Item | None) -> Item | None:
        """Return an item as it was then, by undoing writes."""
        for at, change in reversed(self._writes):
            if at <= then:
                break
            if change.table == table and _is(change.after, key):
                item = change.before
        return item


def _may_be_old(asked: Mapping[str, Any]) -> bool:
    return not asked.get("ConsistentRead")


def _among(items: list[Item], key: Item) -> Item | None:
    return next((item for item in items if _is(item, key)), None)


def _is(item: Item, key: Item) -> bool:
    return all(item.get(name) == value for name, value in key.items())
