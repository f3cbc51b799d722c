"""Requests at the edges of what the in-memory DynamoDB knows: limits, values, conditions, updates, pages.

They are always the same. A cut answer is continued by whoever sends them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from tests.support.tables import TableNames
from workers.aws.items import EVENT_INDEX, STATUS_KEY, Item

_KEY, _OTHER_KEY = "o1", "o2"
_MANY = tuple(f"many-{number}" for number in range(101))
EDGE_KEYS = (_KEY, _OTHER_KEY, *_MANY)
"""Every primary key that may be stored."""

_NUMBERS = ("0", "7", "-3", "9" * 38)
_VALUES: tuple[Item, ...] = (
    *({"S": text} for text in ("9", "10", "")),
    *({"N": text} for text in ("9", "10", "-9")),
    *({"B": content} for content in (b"9", b"10")),
    {"BOOL": True},
    {"NULL": True},
    {"L": [{"N": "9"}]},
    {"M": {"n": {"N": "9"}}},
)
_SORTS = ("w", "w#", "w#1", "w#10", "x", "é", "\uffff", "\U0001f600")


@dataclass(frozen=True, slots=True)
class DynamoDbRequest:
    """One call of a boto3 client."""

    method: str
    params: Item


def edges(tables: TableNames) -> list[Iterator[DynamoDbRequest]]:
    """All of them, in parts each of which is to find the tables empty."""
    parts = (_values, _numbers_of_items, _conditions, _updates, _placeholders, _transactions, _projections)
    by_user = [part(tables.users) for part in parts]
    return by_user + [part(tables.registrations) for part in (_index_keys, _prefixes, _pages)]


def _user(key: str = _KEY, **attributes: Item) -> Item:
    return {"userId": {"S": key}, **attributes}


def _row(key: str, partition: str, sort: str) -> Item:
    return {"registrationId": {"S": key}, "eventId": {"S": partition}, STATUS_KEY: {"S": sort}}


def _put(table: str, item: Item, **more: Any) -> DynamoDbRequest:
    return DynamoDbRequest("put_item", {"TableName": table, "Item": item, **more})


def _get(table: str) -> DynamoDbRequest:
    return DynamoDbRequest("get_item", {"TableName": table, "Key": _user()})


def _update(table: str, expression: str, value: Item | None = None, **more: str) -> DynamoDbRequest:
    params = {"TableName": table, "Key": _user(), "UpdateExpression": expression, "ReturnValues": "UPDATED_NEW", **more}
    return DynamoDbRequest("update_item", params | _given(expression, value))


def _given(expression: str, value: Item | None = None) -> Item:
    """Return the placeholders of an expression: each `#name` is its name, `:v` the value, or 1."""
    names = {token: token[1:] for token in re.findall(r"#\w+", expression)}
    given = {"ExpressionAttributeNames": names} if names else {}
    return given | ({"ExpressionAttributeValues": {":v": value or {"N": "1"}}} if ":v" in expression else {})


def _puts(table: str, items: Sequence[Item]) -> DynamoDbRequest:
    return DynamoDbRequest(
        "transact_write_items", {"TransactItems": [{"Put": {"TableName": table, "Item": i}} for i in items]}
    )


def _batch(table: str, keys: Sequence[Item]) -> DynamoDbRequest:
    return DynamoDbRequest("batch_get_item", {"RequestItems": {table: {"Keys": list(keys)}}})


def _values(table: str) -> Iterator[DynamoDbRequest]:
    for value in (*({"N": text} for text in _NUMBERS), *_VALUES):
        yield _put(table, _user(n=value))
        yield _get(table)
        yield _put(table, _user(n={"L": [{"M": {"n": value}}]}))


def _numbers_of_items(table: str) -> Iterator[DynamoDbRequest]:
    for number in (100, 101):
        yield _puts(table, [_user(key) for key in _MANY[:number]])
        yield _batch(table, [_user(key) for key in _MANY[:number]])
    for keys in ((_KEY, _KEY), (_OTHER_KEY, _KEY, _OTHER_KEY)):
        yield _puts(table, [_user(key) for key in keys])
        yield _batch(table, [_user(key) for key in keys])
    for limit in (1, 2, 3, 7, 50, 100, 101):
        yield DynamoDbRequest("scan", {"TableName": table, "Limit": limit})


def _conditions(table: str) -> Iterator[DynamoDbRequest]:
    """Compare each value with each, and combine conditions in every way."""
    for stored, value in product(_VALUES, _VALUES):
        yield _put(table, _user(n=stored))
        yield _put(table, _user(), ConditionExpression="#n = :v", **_given("#n = :v", value))
    shown = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    yield _put(table, _user(), ConditionExpression="#n = :v", **_given("#n = :v"), **shown)
    holds, fails = "attribute_exists(userId)", "attribute_not_exists(userId)"
    for a, b, c in product((holds, fails), repeat=3):
        for form in ("{} AND {} AND {}", "{} AND ({} OR {})", "({} OR {}) AND {}"):
            yield _put(table, _user(), ConditionExpression=form.format(a, b, c))


def _updates(table: str) -> Iterator[DynamoDbRequest]:
    for stored in (None, {"N": "10"}, {"S": "a"}):
        item = _user() if stored is None else _user(n=stored)
        sums = product(("SET #n = #n + :v",), ({"N": "-10"}, {"N": "1"}, {"S": "a"}))
        others = ("SET #n = if_not_exists(#n, :v)", "SET #n = if_not_exists(#n, :v) + :v")
        for expression, value in (*sums, *((text, {"N": "1"}) for text in others)):
            yield _put(table, item)
            yield _update(table, expression, value)
        yield _put(table, item)
        yield _update(table, "SET #m = #n, #n = :v REMOVE #l")
    for wrong in ("SET #n = :v, #n = :v", "SET #n = :v REMOVE #n", "SET #userId = :v", "REMOVE #userId"):
        yield _update(table, wrong, {"S": "a"})
    for holds in ("attribute_exists(userId)", "attribute_not_exists(userId)"):
        yield _update(table, "SET #n = :v", ConditionExpression=holds)
    for returned in ("NONE", "UPDATED_NEW"):
        yield _put(table, _user(n={"N": "1"}, m={"N": "1"}))
        yield _update(table, "SET #n = :v, #l = :v REMOVE #m", {"N": "2"}, ReturnValues=returned)


def _placeholders(table: str) -> Iterator[DynamoDbRequest]:
    """Names and values of which one is missing, one too many, or none there at all."""
    names = [{"#n": "n"}, {"#n": "n", "#m": "m"}, {"#m": "m"}, {}, None]
    values = [{":v": {"N": "1"}}, {":v": {"N": "1"}, ":w": {"N": "1"}}, {":w": {"N": "1"}}, {}, None]
    for name, value in product(names, values):
        given: Item = {} if name is None else {"ExpressionAttributeNames": name}
        given |= {} if value is None else {"ExpressionAttributeValues": value}
        yield _put(table, _user(n={"N": "1"}), ConditionExpression="#n = :v", **given)
        if any(given.values()) or not given:
            yield _put(table, _user(n={"N": "1"}), **given)
        update = {"TableName": table, "Key": _user(), "UpdateExpression": "SET #n = :v", **given}
        yield DynamoDbRequest("update_item", update)
        yield DynamoDbRequest("transact_write_items", {"TransactItems": [{"Update": update}]})


def _transactions(table: str) -> Iterator[DynamoDbRequest]:
    """Combine writes that succeed, fail and are impossible, and repeat tokens."""
    absent = {"ConditionExpression": "attribute_not_exists(userId)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}

    def actions(key: str) -> list[Item]:
        put: Item = {"TableName": table, "Item": _user(key, n={"S": "a"}, m={"N": "1"})}
        update = {"TableName": table, "Key": _user(key), "UpdateExpression": "SET #n = #n + :v", **_given("#n :v")}
        sets = update | {"UpdateExpression": "SET #n = :v", "ConditionExpression": "attribute_exists(userId)"}
        return [{"Put": put}, {"Put": put | absent}, {"Update": update}, {"Update": sets}]

    def transaction(*actions: Item, **more: str) -> DynamoDbRequest:
        return DynamoDbRequest("transact_write_items", {"TransactItems": list(actions), **more})

    for first, second in product(actions(_KEY), actions(_OTHER_KEY)):
        yield transaction(first, second)
        yield _batch(table, [_user(_KEY), _user(_OTHER_KEY)])
    for number, action in enumerate(actions(_KEY)):
        for sent in (action, action, actions(_OTHER_KEY)[0]):
            yield transaction(sent, ClientRequestToken=f"token-{number}")


def _projections(table: str) -> Iterator[DynamoDbRequest]:
    """Scan keys only, and count."""
    yield _puts(table, [_user(key, n={"N": "1"}, m={"S": "a"}) for key in (_KEY, _OTHER_KEY)])
    for more in ({"ProjectionExpression": "userId"}, {"Select": "COUNT"}, {"Select": "COUNT", "Limit": 1}):
        yield DynamoDbRequest("scan", {"TableName": table, **more})


def _index_keys(table: str) -> Iterator[DynamoDbRequest]:
    """Store items with and without the keys of an index."""
    item = _row(_KEY, "p1", "w#1")
    for name in ("eventId", STATUS_KEY):
        yield _put(table, {key: value for key, value in item.items() if key != name})
        yield _query(table, "eventId = :p", "p1")
        yield _put(table, item)
        yield _query(table, "eventId = :p", "p1")
    yield _put(table, {"registrationId": {"S": _KEY}})
    yield _query(table, "eventId = :p", "p1")


def _query(table: str, condition: str, partition: str, sort: Item | None = None, **more: Any) -> DynamoDbRequest:
    values: Item = {":p": {"S": partition}} | ({":s": sort} if sort is not None else {})
    names = {"#s": STATUS_KEY} if "#s" in condition else {}
    given = {"ExpressionAttributeValues": values, **({"ExpressionAttributeNames": names} if names else {})}
    index = {"TableName": table, "IndexName": EVENT_INDEX, "KeyConditionExpression": condition}
    return DynamoDbRequest("query", index | given | more)


_PREFIXED = "eventId = :p AND begins_with(#s, :s)"


def _rows(table: str) -> Iterator[DynamoDbRequest]:
    for number, sort in enumerate((*_SORTS, *_SORTS[:3])):
        yield _put(table, _row(_MANY[number], "p1", sort))


def _prefixes(table: str) -> Iterator[DynamoDbRequest]:
    """Query every prefix of a sort key, every range of them, and partitions without rows."""
    yield from _rows(table)
    for text in (*_SORTS, "w#2"):
        yield _query(table, _PREFIXED, "p1", {"S": text})
        yield _query(table, _PREFIXED, "p1", {"S": text}, Limit=2)
    for first, last in product(("", *_SORTS, "w#2", "~"), repeat=2):
        values = {":p": {"S": "p1"}, ":s": {"S": first}, ":t": {"S": last}}
        condition = "eventId = :p AND #k BETWEEN :s AND :t"
        yield _query(table, condition, "p1", {"S": first}, ExpressionAttributeValues=values)
    yield _query(table, "eventId = :p AND begins_with(registrationId, :s)", "p1", {"S": "w"})
    for name in ("p1", "p2", "none"):
        yield _query(table, "eventId = :p", name, Select="COUNT")


def _pages(table: str) -> Iterator[DynamoDbRequest]:
    """Read with every page size, and behind every row, stored or not."""
    yield from _rows(table)
    for limit in range(1, len(_SORTS) + 5):
        yield _query(table, "eventId = :p", "p1", Limit=limit)
        yield _query(table, _PREFIXED, "p1", {"S": "w#"}, Limit=limit)
        yield DynamoDbRequest("scan", {"TableName": table, "Limit": limit})
    for sort in _SORTS:
        yield _query(table, "eventId = :p", "p1", ExclusiveStartKey=_row(_MANY[0], "p1", sort))
