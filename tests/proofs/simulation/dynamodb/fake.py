"""DynamoDB in memory, for one thread: tables, transactions, conditions, indexes, as the boto3 client shows them.

It knows the requests that Turnstile makes, and answers them like AWS's DynamoDB Local, error by error
(`tests/integration/test_fakes.py` compares them). Everything else it refuses with NotImplementedError, also what
DynamoDB would refuse; it never ignores a part of a request. It has no conflicts, throttles or latency: the simulation
adds those.

Items are copied one level deep on the way in and out. Nobody may change a value inside a request or an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Any

from tests.proofs.simulation.dynamodb import reads
from tests.proofs.simulation.dynamodb.errors import Exceptions, Invalid, RequestRefused, error
from tests.proofs.simulation.dynamodb.expressions import NAMES, VALUES
from tests.proofs.simulation.dynamodb.tables import IndexDelay, Place, Table, table_of
from tests.proofs.simulation.dynamodb.writes import ACTIONS, CONDITIONAL, ConditionFailed, Write, one_of, parsed
from workers.aws.items import Item

MAX_TRANSACTION_ITEMS = 100
MAX_BATCH_KEYS = 100
TOKEN_MICROSECONDS = 10 * 60 * 1_000_000

_PAGED = ("ExclusiveStartKey", "Limit", "Select")


@dataclass(frozen=True, slots=True)
class Change:
    """One changed item of a write; `before` is None if there was none. Not to be altered."""

    table: str
    before: Item | None
    after: Item

    def __str__(self) -> str:
        before, key = self.before or {}, next(iter(next(iter(self.after.values())).values()))
        changed = sorted(name for name in self.after if before.get(name) != self.after[name])
        return f"{self.table} {key}: " + ", ".join(f"{n}={next(iter(self.after[n].values()))!r}" for n in changed)


def _operation(name: str, *parameters: str) -> Callable[[Callable[[FakeDynamoDb, Item], Item]], Callable[..., Any]]:
    """Make a method of the client, with known keyword arguments only, and botocore's errors."""
    known = frozenset(parameters)

    def decorate(method: Callable[[FakeDynamoDb, Item], Item]) -> Callable[..., Any]:
        @wraps(method)
        def call(self: FakeDynamoDb, **params: Any) -> Item:
            _only(name, params, known)
            try:
                answer = method(self, params)
            except RequestRefused as refused:
                raise error(name, refused.code, refused.message, **refused.more) from None
            answer["ResponseMetadata"] = {"HTTPStatusCode": 200, "RetryAttempts": 0}
            return answer

        return call

    return decorate


def _only(name: str, params: Item, known: frozenset[str]) -> None:
    if not params.keys() <= known:
        raise NotImplementedError(f"the in-memory DynamoDB's {name} does not know {sorted(params.keys() - known)}")


class Paginator:
    """Calls the `query` or `scan` of a client until the last page."""

    def __init__(self, call: Callable[..., Item]) -> None:
        self._call = call

    def paginate(self, **params: Any) -> Iterator[Item]:
        """Yield the pages."""
        while True:
            page = self._call(**params)
            yield page
            if "LastEvaluatedKey" not in page:
                return
            params["ExclusiveStartKey"] = page["LastEvaluatedKey"]


class FakeDynamoDb:
    """DynamoDB in memory, for one thread. `now` answers microseconds since 1970.

    `place` orders what DynamoDB leaves in an order of its own, by primary key: a scan, and equal sort keys in an index.
    `on_write` is called once for each write that changes something, when it has been done; a transaction is one write.
    `index_delay` is called with the name of an index, the primary key and a function, for each change of an index row:
    the row changes when that function is called. The changes of one primary key are to be made in their order.
    """

    exceptions = Exceptions

    def __init__(self, now: Callable[[], int], place: Place = str) -> None:
        self._now = now
        self._place = place
        self._tables: dict[str, Table] = {}
        self._tokens: dict[str, tuple[Any, int]] = {}
        self.on_write: Callable[[list[Change]], None] = lambda _: None
        self.index_delay: IndexDelay = lambda _index, _key, apply: apply()

    @_operation(
        "CreateTable", "TableName", "KeySchema", "AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes"
    )
    def create_table(self, params: Item) -> Item:
        """Make an empty table."""
        table = table_of(params)
        self._tables[table.name] = table
        return {"TableDescription": {"TableName": table.name, "TableStatus": "ACTIVE"}}

    @_operation("GetItem", "TableName", "Key", "ConsistentRead")
    def get_item(self, params: Item) -> Item:
        """`Item`, if there is one."""
        table = self._table(params)
        found = table.items.get(table.key(params["Key"]))
        return {} if found is None else {"Item": dict(found)}

    @_operation("PutItem", "TableName", "Item", *CONDITIONAL)
    def put_item(self, params: Item) -> Item:
        """Store an item, in place of what is there."""
        self._write("Put", params)
        return {}

    @_operation("UpdateItem", "TableName", "Key", "UpdateExpression", "ReturnValues", *CONDITIONAL)
    def update_item(self, params: Item) -> Item:
        """Change some attributes of an item, which is created if absent."""
        wanted = one_of(params, "ReturnValues", {"NONE", "UPDATED_NEW"})
        write = self._write("Update", params)
        shown = {name: write.after[name] for name in write.touched if name in write.after}
        return {"Attributes": shown} if wanted == "UPDATED_NEW" and shown else {}

    @_operation("BatchGetItem", "RequestItems")
    def batch_get_item(self, params: Item) -> Item:
        """`Responses` by table; no key is ever left unprocessed."""
        wanted: dict[str, Item] = params["RequestItems"]
        numbers = [len(asked["Keys"]) for asked in wanted.values()]
        if not numbers or 0 in numbers or sum(numbers) > MAX_BATCH_KEYS:
            raise Invalid(f"A BatchGetItem reads 1 to {MAX_BATCH_KEYS} items, and some of each table")
        responses: dict[str, list[Item]] = {}
        for name, asked in wanted.items():
            _only("BatchGetItem", asked, _BATCH_KNOWS)
            table = self._tables[name]
            keys = [table.key(key) for key in asked["Keys"]]
            if len(keys) != len(set(keys)):
                raise Invalid("Provided list of item keys contains duplicates")
            responses[name] = [dict(table.items[key]) for key in keys if key in table.items]
        return {"Responses": responses, "UnprocessedKeys": {}}

    @_operation("TransactWriteItems", "TransactItems", "ClientRequestToken")
    def transact_write_items(self, params: Item) -> Item:
        """Write all or none; do nothing if the token was used for the same transaction within ten minutes."""
        items: list[Item] = params["TransactItems"]
        if not 0 < len(items) <= MAX_TRANSACTION_ITEMS:
            raise Invalid(f"A transaction has 1 to {MAX_TRANSACTION_ITEMS} items")
        token = params.get("ClientRequestToken")
        asked = [self._asked(item) for item in items]
        if token is not None and self._known(token, items):
            return {}
        _judge(asked)
        self._commit(asked)
        if token is not None:
            self._tokens[token] = (items, self._now())
        return {}

    @_operation("Query", "TableName", "IndexName", "KeyConditionExpression", NAMES, VALUES, *_PAGED)
    def query(self, params: Item) -> Item:
        """Return a page of the rows of a partition of an index, by sort key."""
        return reads.index_page(params, self._table(params), self._place)

    @_operation("Scan", "TableName", "ProjectionExpression", "ConsistentRead", *_PAGED)
    def scan(self, params: Item) -> Item:
        """Return a page of the items of a table."""
        return reads.table_page(params, self._table(params), self._place)

    def get_paginator(self, operation: str) -> Paginator:
        """Return a paginator of "query" or "scan"."""
        if operation not in {"query", "scan"}:
            raise NotImplementedError(f"a paginator of {operation}")
        return Paginator(getattr(self, operation))

    def _table(self, params: Item) -> Table:
        return self._tables[params["TableName"]]

    def _write(self, action: str, params: Item) -> Write:
        write = parsed(action, params, self._table(params))
        write.judge()
        self._commit([write])
        return write

    def _commit(self, judged: list[Write]) -> None:
        changes: list[Change] = []
        for write in judged:
            write.table.write(write.key, write.after, self.index_delay)
            changes.append(Change(write.table.name, write.before, write.after))
        self.on_write(changes)

    def _asked(self, item: Item) -> Write:
        """Parse one item of a transaction."""
        ((action, params),) = item.items()
        if action not in ACTIONS:
            raise NotImplementedError(f"the in-memory DynamoDB does not know {action} in a transaction")
        _only(action, params, ACTIONS[action])
        return parsed(action, params, self._table(params))

    def _known(self, token: str, items: list[Item]) -> bool:
        """Return whether the token was used for this request. RequestRefused if it was used for another."""
        done = self._tokens.get(token)
        if done is None or self._now() - done[1] > TOKEN_MICROSECONDS:
            return False
        if done[0] != items:
            message = "Request parameters do not match the idempotent token"
            raise RequestRefused("IdempotentParameterMismatchException", message)
        return True


_BATCH_KNOWS = frozenset({"Keys", "ConsistentRead"})


def _judge(asked: list[Write]) -> None:
    """Refuse if the writes of a transaction cannot be done; with the reasons, item by item, if it is what is stored
    that does not let them."""
    if len({(write.table.name, write.key) for write in asked}) != len(asked):
        raise Invalid("Transaction request cannot include multiple operations on one item")
    reasons: list[Item] = []
    for write in asked:
        try:
            write.judge()
            reasons.append({"Code": "None"})
        except ConditionFailed as failed:
            reasons.append({"Code": "ConditionalCheckFailed", "Message": failed.message, **failed.more})
        except Invalid as invalid:
            reasons.append({"Code": "ValidationError", "Message": invalid.message})
    codes = [reason["Code"] for reason in reasons]
    if codes.count("None") != len(codes):
        message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{', '.join(codes)}]"
        raise RequestRefused("TransactionCanceledException", message, CancellationReasons=reasons)
