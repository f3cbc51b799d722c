"""What was stored a moment ago: DynamoDB may answer it to whoever does not ask for a consistent read.

This is no `Fault`, which would have to happen: the product asks for consistent reads wherever it reads by key, except
for the ledgers beside a list, and elsewhere only a mistake could meet it.
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
"""No answer is older."""
_SHARE = 0.5
"""So often an answer is old, where it may be."""


class StaleReads:
    """The writes of the last second. `now` answers microseconds."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._writes: deque[tuple[int, Change]] = deque()

    def wrote(self, changes: list[Change]) -> None:
        """Something was committed."""
        now = self._now()
        while self._writes and self._writes[0][0] < now - OLDEST:
            self._writes.popleft()
        self._writes.extend((now, change) for change in changes)

    def get_item(self, request: Item, answer: Item, chance: Random) -> Item:
        """The answer to a GetItem, as it may be."""
        if not _may_be_old(request) or chance.random() >= _SHARE:
            return answer
        then = self._then(chance)
        item = self._as_of(then, request["TableName"], request["Key"], answer.get("Item"))
        kept = {name: value for name, value in answer.items() if name != "Item"}
        return kept if item is None else kept | {"Item": item}

    def batch_get_item(self, request: Item, answer: Item, chance: Random) -> Item:
        """The answer to a BatchGetItem, as it may be: table by table."""
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
        """An item as it was then, going back from how it is."""
        for at, change in reversed(self._writes):
            if at <= then:
                break
            if change.table == table and _is(change.after, key):
                item = change.before
        return item


def _may_be_old(asked: Mapping[str, Any]) -> bool:
    """Not worth the trouble with a projection, for which old items would have to be cut down."""
    return not asked.get("ConsistentRead") and "ProjectionExpression" not in asked


def _among(items: list[Item], key: Item) -> Item | None:
    return next((item for item in items if _is(item, key)), None)


def _is(item: Item, key: Item) -> bool:
    return all(item.get(name) == value for name, value in key.items())
