"""DynamoDB's charges, counted by rule from requests and stored items: emulators report them wrongly.

Sizes: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
Units: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
Transactions: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
Indexes: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from workers.aws.items import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_READ_BYTES = 4096
_WRITE_BYTES = 1024


def item_size(item: Item) -> int:
    """Return the bytes of an item in the wire format: attribute names and values."""
    return sum(len(name.encode()) + value_size(value) for name, value in item.items())


def value_size(value: dict[str, Any]) -> int:
    """Return the bytes of one value. ValueError for a type that Turnstile does not store (sets)."""
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            digits = content.lstrip("-").replace(".", "").strip("0")
            return (len(digits) + 1) // 2 + 1
        case "B":
            return len(content)
        case "BOOL" | "NULL":
            return 1
        case "L":
            return 3 + sum(1 + value_size(element) for element in content)
        case "M":
            return 3 + item_size(content) + len(content)
        case _:
            raise ValueError(f"the size of a value of type {kind} is not known")


def write_units(size: int, *, transactional: bool) -> int:
    """Return the units of writing an item of `size` bytes: 1 per KB begun, 2 in a transaction (prepare and commit)."""
    return max(1, -(-size // _WRITE_BYTES)) * (2 if transactional else 1)


def read_units(size: int, *, consistent: bool) -> float:
    """Return the units of reading `size` bytes: 1 per 4 KB begun, at least 1; half of it if eventually consistent."""
    return max(1, -(-size // _READ_BYTES)) * (1.0 if consistent else 0.5)


def index_units(before: Item | None, after: Item | None, keys: Sequence[str]) -> int:
    """Return the units of updating a KEYS_ONLY index with these key attributes (of index and table).

    1 to put or delete an entry, 2 if its key changes, 0 if nothing changes. No entry of Turnstile's exceeds 1 KB.
    """
    old, new = _entry(before, keys), _entry(after, keys)
    return 0 if old == new else (old is not None) + (new is not None)


def _entry(item: Item | None, keys: Sequence[str]) -> list[Any] | None:
    return [item[key] for key in keys] if item is not None and all(key in item for key in keys) else None


class Schemas:
    """The key attributes of tables and of their index entries, each table described once."""

    def __init__(self, reader: DynamoDBClient) -> None:
        self._reader = reader
        self._known: dict[str, tuple[list[str], list[list[str]]]] = {}

    def of(self, table: str) -> tuple[list[str], list[list[str]]]:
        """Return the key attributes of a table, and those of the entries of each of its indexes."""
        if table not in self._known:
            described = self._reader.describe_table(TableName=table)["Table"]
            key = [part["AttributeName"] for part in described["KeySchema"]]
            indexes = [index["KeySchema"] for index in described.get("GlobalSecondaryIndexes", [])]
            self._known[table] = key, [[part["AttributeName"] for part in own] + key for own in indexes]
        return self._known[table]

    def key_of(self, write: Item) -> Item:
        """Return the key of the item that a Put, Update, Delete or ConditionCheck names."""
        named = write["Item"] if "Item" in write else write["Key"]
        return {name: named[name] for name in self.of(write["TableName"])[0]}


def writes_of(operation: str, params: Item) -> list[Item]:
    """Return the single writes of a request; none for a read."""
    if operation == "TransactWriteItems":
        return [write for action in params["TransactItems"] for write in action.values()]
    return [params] if operation in {"PutItem", "UpdateItem", "DeleteItem"} else []


class Meter:
    """Counts what a client does while the block runs.

    `requests` with operation and parameters, `calls` by operation, `keys` in batch reads, `items` in transactions,
    `write_units` and `read_units`; `reads` has the read units of each table. `reader` is another client of the same
    tables, whose reads do not count. A cancelled transaction costs what its items cost, without the indexes: DynamoDB
    charges for failed transactions, too.
    """

    def __init__(self, client: DynamoDBClient, reader: DynamoDBClient) -> None:
        self._events: Any = client.meta.events
        self._reader = reader
        self._schemas = Schemas(reader)
        self._lock = threading.Lock()
        self.requests: list[tuple[str, Item]] = []
        self.keys = 0
        self.items = 0
        self.write_units = 0
        self.reads: dict[str, float] = {}

    @property
    def calls(self) -> Counter[str]:
        """The number of calls of each operation."""
        return Counter(operation for operation, _ in self.requests)

    @property
    def read_units(self) -> float:
        """Read units of all tables together."""
        return sum(self.reads.values())

    def __enter__(self) -> Self:
        self._events.register("before-parameter-build.dynamodb", self._note)
        self._events.register("after-call.dynamodb", self._count)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._events.unregister("before-parameter-build.dynamodb", self._note)
        self._events.unregister("after-call.dynamodb", self._count)

    def _note(self, params: Item, model: Any, context: Item, **_: Any) -> None:
        context["metered"] = params, self._stored(writes_of(model.name, params))

    def _count(self, model: Any, parsed: Item, context: Item, http_response: Any, **_: Any) -> None:
        params, before = context["metered"]
        writes, done = writes_of(model.name, params), http_response.status_code < 300
        after = self._stored(writes) if done else before
        transaction = model.name == "TransactWriteItems"
        changes = zip(writes, before, after, strict=True)
        written = sum(self._written(write["TableName"], old, new, transaction) for write, old, new in changes)
        with self._lock:
            self.requests.append((model.name, params))
            self.items += len(writes) if transaction else 0
            self.keys += sum(len(wanted["Keys"]) for wanted in params.get("RequestItems", {}).values())
            self.write_units += written
            for table, units in (_read_units(model.name, params, parsed) if done else {}).items():
                self.reads[table] = self.reads.get(table, 0.0) + units

    def _written(self, table: str, before: Item | None, after: Item | None, transactional: bool) -> int:
        size = max(item_size(item or {}) for item in (before, after))
        indexes = sum(index_units(before, after, keys) for keys in self._schemas.of(table)[1])
        return write_units(size, transactional=transactional) + indexes

    def _stored(self, writes: Sequence[Item]) -> list[Item | None]:
        """Return the items that the writes name, as they are now."""
        if not writes:
            return []
        places = [(write["TableName"], self._schemas.key_of(write)) for write in writes]
        request: Item = {}
        for table, key in places:
            request.setdefault(table, {"ConsistentRead": True, "Keys": []})["Keys"].append(key)
        found = self._reader.batch_get_item(RequestItems=request)["Responses"]
        stored = {
            (table, str(self._schemas.key_of({"TableName": table, "Item": item}))): item
            for table, items in found.items()
            for item in items
        }
        return [stored.get((table, str(key))) for table, key in places]


def _read_units(operation: str, params: Item, answer: Item) -> dict[str, float]:
    """Return the read units of each table."""
    match operation:
        case "GetItem":
            size = item_size(answer.get("Item", {}))
        case "BatchGetItem":
            left = answer.get("UnprocessedKeys", {})
            return {
                table: _batch_units(wanted, answer["Responses"].get(table, []), left.get(table, {}))
                for table, wanted in params["RequestItems"].items()
            }
        case "Query" | "Scan":
            size = sum(item_size(item) for item in answer["Items"])
        case _:
            return {}
    return {params["TableName"]: read_units(size, consistent=params.get("ConsistentRead", False))}


def _batch_units(wanted: Item, found: Sequence[Item], left: Item) -> float:
    """Round up each item of a batch by itself; a missing item costs as much as a small one."""
    consistent = wanted.get("ConsistentRead", False)
    absent = len(wanted["Keys"]) - len(left.get("Keys", [])) - len(found)
    sizes = [item_size(item) for item in found] + [0] * absent
    return sum(read_units(size, consistent=consistent) for size in sizes)
