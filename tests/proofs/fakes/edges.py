"""Requests at the edges of what DynamoDB takes: each limit from both sides, each wrong value in each place.

They are always the same. Whoever sends them goes on where an answer was cut.
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
_LONG_KEYS = ("k" * 1024, "k" * 1025, "k" * 2048)
EDGE_KEYS = (_KEY, _OTHER_KEY, *_MANY, *_LONG_KEYS)
"""Every primary key that may be stored."""

_LONG = tuple({"S": key} for key in _LONG_KEYS)
_TOO_LONG: Item = {"S": "k" * 2049}
_BAD_KEYS: tuple[Item, ...] = ({"S": ""}, {"N": "1"}, _TOO_LONG, {"BOOL": True}, {}, {"S": "a", "N": "1"})
_NUMBERS = ("0", "7", "-3", "9" * 38, "2.50", "007", "1.0", "-0", "1e3", "1E-2", "+4", ".5", "1e125", "1e-130")
_BAD_NUMBERS = ("", " 1", "abc", "1_0", "1e126", "1e-131", "1" * 39, "NaN", "Infinity", "0x1", "1e")
_BAD_VALUES: tuple[Item, ...] = ({}, {"S": "a", "N": "1"}, {"NULL": False})
_VALUES: tuple[Item, ...] = (
    *({"S": text} for text in ("9", "10", "")),
    *({"N": text} for text in ("9", "10", "10.0", "-9")),
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
    return by_user + [part(tables.registrations) for part in (_keys, _index_keys, _ranges, _pages)]


def _user(key: str = _KEY, **attributes: Item) -> Item:
    return {"userId": {"S": key}, **attributes}


def _row(key: str, partition: str, sort: str) -> Item:
    return {"registrationId": {"S": key}, "eventId": {"S": partition}, STATUS_KEY: {"S": sort}}


def _put(table: str, item: Item, **more: Any) -> DynamoDbRequest:
    return DynamoDbRequest("put_item", {"TableName": table, "Item": item, **more})


def _get(table: str, **more: Any) -> DynamoDbRequest:
    return DynamoDbRequest("get_item", {"TableName": table, "Key": _user(), **more})


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
    numbers: list[Item] = [{"N": text} for text in (*_NUMBERS, *_BAD_NUMBERS)]
    for value in (*numbers, *_BAD_VALUES, *_VALUES):
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
        for form in ("{} AND {} OR {}", "{} OR {} AND {}", "{} AND ({} OR {})", "({} OR {}) AND {}"):
            yield _put(table, _user(), ConditionExpression=form.format(a, b, c))


def _updates(table: str) -> Iterator[DynamoDbRequest]:
    for stored in (None, {"N": "10"}, {"N": "9" * 38}, {"N": "9e125"}, {"S": "a"}):
        item = _user() if stored is None else _user(n=stored)
        sums = product(("SET #n = #n + :v",), ({"N": "-10"}, {"N": "0.1"}, {"N": "9e125"}, {"S": "a"}))
        others = ("SET #n = if_not_exists(#n, :v)", "SET #n = if_not_exists(#n, :v) + :v")
        for expression, value in (*sums, *((text, {"N": "1"}) for text in others)):
            yield _put(table, item)
            yield _update(table, expression, value)
        yield _put(table, item)
        yield _update(table, "SET #m = #n, #n = :v REMOVE #l")
    wrong = ["SET #n = :v, #n = :v", "SET #n = :v REMOVE #n", "SET #userId = :v", "REMOVE #userId"]
    wrong += ["SET #n = :v + #m", "SET #n = #m + :v"]
    for expression, holds in product(wrong, ("attribute_exists(userId)", "attribute_not_exists(userId)")):
        yield _update(table, expression, {"S": "a"}, ConditionExpression=holds)
    for returned in ("NONE", "UPDATED_NEW", "OTHER"):
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
    for name in names:
        given = {} if name is None else {"ExpressionAttributeNames": name}
        yield _get(table, ProjectionExpression="#n, userId", **given)
        if any(given.values()) or not given:
            yield _get(table, **given)
        yield _get(table, ProjectionExpression="#n, #n", **given)


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
    """Read some attributes, there or not, in each kind of read."""
    yield _puts(table, [_user(key, n={"N": "1"}, m={"S": "a"}) for key in (_KEY, _OTHER_KEY)])
    for shown, consistent in product(("#n", "#n, #gone", "userId, #m", "#gone"), (True, False)):
        given = {"ProjectionExpression": shown, **_given(shown)}
        yield _get(table, ConsistentRead=consistent, **given)
        keys = [_user(key) for key in (_KEY, _OTHER_KEY, _MANY[0])]
        batch = {table: {"Keys": keys, "ConsistentRead": consistent, **given}}
        yield DynamoDbRequest("batch_get_item", {"RequestItems": batch})
        for more in ({}, {"Select": "COUNT"}):
            yield DynamoDbRequest("scan", {"TableName": table, **given, **more})
    yield DynamoDbRequest("scan", {"TableName": table, "Select": "COUNT", "Limit": 1})


def _keys(table: str) -> Iterator[DynamoDbRequest]:
    good = {"registrationId": {"S": _KEY}}
    wrong = [{"registrationId": value} for value in (*_BAD_KEYS, *_LONG)]
    for key in (good, {}, {"other": {"S": "a"}}, good | {"other": {"S": "a"}}, *wrong):
        named = {"TableName": table, "Key": key}
        change = {"UpdateExpression": "REMOVE #n", **_given("#n")}
        yield _put(table, key)
        yield DynamoDbRequest("get_item", named)
        yield DynamoDbRequest("update_item", named | change)
        if _TOO_LONG not in key.values():  # DynamoDB Local takes it for the end of the table
            yield DynamoDbRequest("scan", {"TableName": table, "ExclusiveStartKey": key})
        yield _batch(table, [key])
        yield _puts(table, [key])
        yield DynamoDbRequest("transact_write_items", {"TransactItems": [{"Update": named | change}]})


def _index_keys(table: str) -> Iterator[DynamoDbRequest]:
    item = _row(_KEY, "p1", "w#1")
    for name, value in product(("eventId", STATUS_KEY), (*_BAD_KEYS, *_LONG)):
        yield _put(table, item | {name: value})
        yield _puts(table, [item | {name: value}])
        yield _put(table, item | {name: value}, ConditionExpression="attribute_not_exists(registrationId)")
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


def _ranges(table: str) -> Iterator[DynamoDbRequest]:
    """Every range of sort keys, forwards and backwards, and what is none."""
    yield from _rows(table)
    sorts: list[Item] = [*({"S": text} for text in (*_SORTS, "w#2")), *_BAD_KEYS, *_LONG]
    for sort in sorts:
        yield _query(table, _PREFIXED, "p1", sort)
        yield _query(table, _PREFIXED, "p1", sort, Limit=2, ScanIndexForward=False)
    yield _query(table, "eventId = :p AND begins_with(registrationId, :s)", "p1", {"S": "w"})
    for name in ("", "none"):
        yield _query(table, "eventId = :p", name or "p2", Select="COUNT")
    settings: tuple[Item, ...] = (
        {"ConsistentRead": True},
        {"ConsistentRead": False},
        {"Limit": 0},
        {"IndexName": "none"},
    )
    for setting in settings:
        yield _query(table, "eventId = :p", "p1", **setting)


def _pages(table: str) -> Iterator[DynamoDbRequest]:
    """Every page size, forwards and backwards, and every place to go on at."""
    yield from _rows(table)
    for limit, forward in product(range(1, len(_SORTS) + 5), (True, False)):
        yield _query(table, "eventId = :p", "p1", Limit=limit, ScanIndexForward=forward)
        yield _query(table, _PREFIXED, "p1", {"S": "w#"}, Limit=limit, ScanIndexForward=forward)
        yield DynamoDbRequest("scan", {"TableName": table, "Limit": limit})
    for sort, forward in product(_SORTS, (True, False)):
        start = _row(_MANY[0], "p1", sort)
        yield _query(table, _PREFIXED, "p1", {"S": "w#1"}, ScanIndexForward=forward, ExclusiveStartKey=start)
    wrong: tuple[Item, ...] = (_row(_KEY, "p2", "w"), {"registrationId": {"S": _KEY}}, _row(_KEY, "p1", ""))
    for start in wrong:
        yield _query(table, "eventId = :p", "p1", ExclusiveStartKey=start)
