"""Made-up requests to DynamoDB: small, often refused, about few keys, so that they get in each other's way.

What they are made of is such that AWS's engine can answer it; whether the in-memory one answers the same is for
`tests.proofs.fakes.check` to see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.proofs.fakes.material import (
    BAD_KEYS,
    KEYS,
    LONG_KEYS,
    NAMES,
    PARTITIONS,
    SORTS,
    TOO_LONG,
    Expressions,
    Values,
)
from tests.support.tables import TableNames
from workers.aws.items import EVENT_INDEX, STATUS_KEY, USER_INDEX, Item

MANY = tuple(f"many-{number}" for number in range(101))
MADE_UP_KEYS = (*KEYS, *MANY, *LONG_KEYS)
"""Every primary key that may be stored."""
_INDEXES = {EVENT_INDEX: ("eventId", STATUS_KEY), USER_INDEX: ("userId", "registeredAt")}


@dataclass(frozen=True, slots=True)
class DynamoDbRequest:
    """One call of a boto3 client."""

    method: str
    params: Item


class Requests:
    """Makes requests about four tables. `cursors` are requests whose answers were cut, with where they go on."""

    def __init__(self, chance: Random, tables: TableNames) -> None:
        self._chance = chance
        self._tables = tables
        self._values = Values(chance)
        self._may = self._values.may
        self._primary = {
            tables.users: "userId",
            tables.events: "eventId",
            tables.registrations: "registrationId",
            tables.ledger: "eventId",
        }
        self._with_token: list[DynamoDbRequest] = []
        self.cursors: list[tuple[DynamoDbRequest, Item]] = []
        self._kinds: dict[Callable[[], DynamoDbRequest], int] = {
            self._put: 20,
            self._update: 20,
            self._get: 8,
            self._batch: 6,
            self._transaction: 20,
            self._query: 14,
            self._scan: 8,
            self._go_on: 20,
        }

    def next(self) -> DynamoDbRequest:
        """Make a request."""
        (make,) = self._chance.choices(list(self._kinds), list(self._kinds.values()))
        return make()

    def _table(self) -> str:
        return self._chance.choice((*self._primary, self._tables.registrations))

    def _key(self, table: str) -> Item:
        name = self._primary[table]
        if self._may(0.02):
            return self._chance.choice([{name: self._chance.choice(BAD_KEYS)}, {"other": {"S": "a"}}, {}])
        key: Item = {name: {"S": self._chance.choice(KEYS)}}
        return key | {"other": {"S": "a"}} if self._may(0.01) else key

    def _item(self, table: str) -> Item:
        item = self._key(table)
        if table == self._tables.registrations:
            item = self._values.index_keys() | item
        item |= {name: self._values.any() for name in self._chance.sample(NAMES, self._chance.randrange(4))}
        return item

    # Writes

    def _conditional(self, params: Item, given: Expressions) -> Item:
        if self._may(0.6):
            params["ConditionExpression"] = given.condition()
        if self._may(0.3):
            params["ReturnValuesOnConditionCheckFailure"] = self._chance.choice(("ALL_OLD", "ALL_OLD", "NONE"))
        return params | given.params(spoil=self._may(0.01))

    def _put(self) -> DynamoDbRequest:
        return DynamoDbRequest("put_item", self._put_of(self._table()))

    def _put_of(self, table: str) -> Item:
        given = Expressions(self._chance, self._primary[table])
        return self._conditional({"TableName": table, "Item": self._item(table)}, given)

    def _update(self) -> DynamoDbRequest:
        returned = {"ReturnValues": self._chance.choice(("NONE", "UPDATED_NEW"))} if self._may(0.5) else {}
        return DynamoDbRequest("update_item", self._update_of(self._table()) | returned)

    def _update_of(self, table: str) -> Item:
        given = Expressions(self._chance, self._primary[table])
        params = {"TableName": table, "Key": self._key(table), "UpdateExpression": given.change()}
        return self._conditional(params, given)

    def _action(self) -> Item:
        table = self._table()
        return {"Put": self._put_of(table)} if self._may(0.6) else {"Update": self._update_of(table)}

    def _transaction(self) -> DynamoDbRequest:
        if self._with_token and self._may(0.2):
            before = self._chance.choice(self._with_token[-5:])
            other = DynamoDbRequest(
                before.method, before.params | {"TransactItems": [self._plain_put(self._tables.users)]}
            )
            return before if self._may(0.7) else other
        actions = self._distinct([self._action() for _ in range(self._chance.choice((1, 1, 2, 2, 3, 4)))])
        params: Item = {"TransactItems": actions}
        if self._may(0.5):
            params["ClientRequestToken"] = f"{self._chance.getrandbits(32):08x}"
            self._with_token.append(DynamoDbRequest("transact_write_items", params))
        return DynamoDbRequest("transact_write_items", params)

    def _distinct(self, actions: list[Item]) -> list[Item]:
        """No two about one item. DynamoDB Local would look at their conditions before it refuses them."""
        found: dict[str, Item] = {}
        for action in actions:
            ((_, params),) = action.items()
            key = params.get("Item", params.get("Key")).get(self._primary[params["TableName"]])
            found[f"{params['TableName']} {key}"] = action
        return list(found.values())

    def _plain_put(self, table: str) -> Item:
        return {"Put": {"TableName": table, "Item": {"userId": {"S": MANY[0]}}}}

    # Reads

    def _projection(self) -> Item:
        if self._may(0.7):
            return {}
        given = Expressions(self._chance, "eventId")
        return {"ProjectionExpression": given.projection(), **given.params()}

    def _get(self) -> DynamoDbRequest:
        table = self._table()
        more = {"ConsistentRead": self._may(0.5)} if self._may(0.5) else {}
        return DynamoDbRequest("get_item", {"TableName": table, "Key": self._key(table), **more, **self._projection()})

    def _batch(self) -> DynamoDbRequest:
        wanted: Item = {}
        for table in sorted({self._table() for _ in range(self._chance.choice((1, 2, 3)))}):
            keys = [self._key(table) for _ in range(self._chance.choice((1, 2, 2, 3, 5)))]
            if self._may(0.9):
                keys = list({str(key): key for key in keys}.values())
            wanted[table] = {"Keys": keys, "ConsistentRead": self._may(0.5), **self._projection()}
        return DynamoDbRequest("batch_get_item", {"RequestItems": wanted})

    def _query(self) -> DynamoDbRequest:
        index = self._chance.choice(list(_INDEXES))
        partition, sort = _INDEXES[index]
        given = Expressions(self._chance, "registrationId")
        text = f"{given.name(partition)} = {given.value(self._values.key(PARTITIONS))}"
        if self._may(0.6):
            text += f" AND begins_with({given.name(sort)}, {given.value(self._values.key((*SORTS, 'w#')))})"
        params: Item = {"TableName": self._tables.registrations, "IndexName": index, "KeyConditionExpression": text}
        params |= given.params(spoil=self._may(0.01))
        if self._may(0.3):
            params["ScanIndexForward"] = self._may(0.3)
        if self._may(0.03):
            params |= self._chance.choice(({"IndexName": "no-index"}, {"ConsistentRead": True}))
        return DynamoDbRequest("query", params | self._count() | self._limit() | self._start(index))

    def _count(self) -> Item:
        return {"Select": "COUNT"} if self._may(0.1) else {}

    def _limit(self) -> Item:
        return {"Limit": self._chance.choice((1, 1, 1, 2, 2, 3, 4, 5, 100, 0))} if self._may(0.6) else {}

    def _start(self, index: str) -> Item:
        """Now and then a place to go on at that no answer gave."""
        if self._may(0.85):
            return {}
        partition, sort = _INDEXES[index]
        key = self._key(self._tables.registrations)
        if TOO_LONG in key.values():
            return {}
        row = {partition: {"S": self._chance.choice(PARTITIONS)}, sort: self._values.key(SORTS)}
        return {"ExclusiveStartKey": key | row if self._may(0.95) else key}

    def _scan(self) -> DynamoDbRequest:
        table = self._table()
        key = {self._primary[table]: {"S": self._chance.choice(KEYS)}}
        start = {"ExclusiveStartKey": key} if self._may(0.2) else {}
        shown = self._count() | self._projection()
        return DynamoDbRequest("scan", {"TableName": table, **self._limit(), **start, **shown})

    def _go_on(self) -> DynamoDbRequest:
        if not self.cursors:
            return self._query()
        request, key = self.cursors.pop(self._chance.randrange(len(self.cursors)))
        return DynamoDbRequest(request.method, request.params | {"ExclusiveStartKey": key})
