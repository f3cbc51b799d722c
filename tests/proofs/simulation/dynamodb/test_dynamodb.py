"""The comparison with DynamoDB Local cannot show these parts of the in-memory DynamoDB: time, lag, listeners, refusals.

It also tests where AWS's documentation and DynamoDB Local disagree: the documentation counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import ClientError
from botocore.session import get_session

from tests.proofs.simulation.dynamodb.errors import Exceptions
from tests.proofs.simulation.dynamodb.fake import Change, FakeDynamoDb
from tests.support.builders import NOW
from tests.support.tables import TableNames, create_tables
from workers.aws.items import EVENT_INDEX, STATUS_KEY, Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLES = TableNames()
MINUTE = 60_000_000
ABSENT = {"ConditionExpression": "attribute_not_exists(userId)"}
BY_EVENT = {"KeyConditionExpression": "eventId = :event", "ExpressionAttributeValues": {":event": {"S": "e"}}}


def fake(now: Callable[[], int] = lambda: NOW) -> FakeDynamoDb:
    """Make an in-memory DynamoDB with the four tables."""
    db = FakeDynamoDb(now)
    create_tables(cast("DynamoDBClient", db))
    return db


def user(key: str, **attributes: Item) -> Item:
    """Make an item of the users."""
    return {"userId": {"S": key}, **attributes}


def registration(key: str, status: str = "waitlisted#1") -> Item:
    """Make a registration for event e."""
    return {"registrationId": {"S": key}, "eventId": {"S": "e"}, STATUS_KEY: {"S": status}}


def put(item: Item, **more: Any) -> Item:
    """Make a part of a transaction that puts a user."""
    return {"Put": {"TableName": TABLES.users, "Item": item, **more}}


def users(db: FakeDynamoDb) -> list[str]:
    """Return the users in the order of a scan."""
    return [item["userId"]["S"] for item in db.scan(TableName=TABLES.users)["Items"]]


def listed(db: FakeDynamoDb) -> list[tuple[str, str]]:
    """Return the index rows of event e: registration and sort key."""
    rows = db.query(TableName=TABLES.registrations, IndexName=EVENT_INDEX, **BY_EVENT)["Items"]
    return [(row["registrationId"]["S"], row[STATUS_KEY]["S"]) for row in rows]


def test_a_token_is_remembered_for_ten_minutes() -> None:
    """A transaction with a known token writes nothing until ten minutes have passed; one that was cancelled does."""
    time = [NOW]
    db = fake(lambda: time[0])
    heard: list[list[Change]] = []
    db.on_write = heard.append
    transaction = {"TransactItems": [put(user("ann"))], "ClientRequestToken": "t"}
    for minutes, writes in ((0, 1), (10, 1), (0.01, 2)):
        time[0] += int(minutes * MINUTE)
        db.transact_write_items(**transaction)
        assert len(heard) == writes
    refused = {"TransactItems": [put(user("ann"), **ABSENT)], "ClientRequestToken": "u"}
    for _ in range(2):
        with pytest.raises(db.exceptions.TransactionCanceledException):
            db.transact_write_items(**refused)


def test_an_index_may_lag() -> None:
    """An index row changes when its change is applied, in order; a write that leaves its keys alone changes nothing."""
    db = fake()
    waiting: list[tuple[str, str, Callable[[], None]]] = []
    db.index_delay = lambda index, key, apply: waiting.append((index, key, apply))
    for status in ("waitlisted#1", "confirmed#1", "confirmed#1"):
        db.put_item(TableName=TABLES.registrations, Item=registration("r", status))
    db.put_item(TableName=TABLES.registrations, Item={"registrationId": {"S": "r"}})
    assert [(index, key) for index, key, _ in waiting] == [(EVENT_INDEX, "r")] * 3
    seen = [listed(db)]
    for _, _, apply in waiting:
        apply()
        seen.append(listed(db))
    assert seen == [[], [("r", "waitlisted#1")], [("r", "confirmed#1")], []]


def test_listeners_hear_of_each_write_once() -> None:
    """A transaction is one write, reported when it can be read; a refused write is none."""
    db = fake()
    heard: list[tuple[list[Change], list[str]]] = []
    db.put_item(TableName=TABLES.users, Item=user("ann", n={"N": "1"}))
    db.on_write = lambda changes: heard.append((changes, users(db)))
    with pytest.raises(db.exceptions.ConditionalCheckFailedException):
        db.put_item(TableName=TABLES.users, Item=user("ann"), **ABSENT)
    with pytest.raises(db.exceptions.TransactionCanceledException):
        db.transact_write_items(TransactItems=[put(user("bob")), put(user("ann"), **ABSENT)])
    db.transact_write_items(TransactItems=[put(user("ann")), put(user("bob"))])
    changes = [Change(TABLES.users, user("ann", n={"N": "1"}), user("ann")), Change(TABLES.users, None, user("bob"))]
    assert heard == [(changes, ["ann", "bob"])]


def test_items_are_copied() -> None:
    """Items can be changed after they were put in or taken out: the table stays as it is."""
    db, item = fake(), user("ann")
    db.put_item(TableName=TABLES.users, Item=item)
    item["n"] = {"N": "1"}
    for answer in (
        db.get_item(TableName=TABLES.users, Key=user("ann"))["Item"],
        db.batch_get_item(RequestItems={TABLES.users: {"Keys": [user("ann")]}})["Responses"][TABLES.users][0],
        db.scan(TableName=TABLES.users)["Items"][0],
    ):
        assert answer == user("ann")
        answer["n"] = {"N": "2"}


def test_no_two_actions_are_about_one_item() -> None:
    """DynamoDB Local looks at the conditions first; AWS refuses the transaction."""
    db = fake()
    db.put_item(TableName=TABLES.users, Item=user("ann"))
    with pytest.raises(ClientError, match="ValidationException"):
        db.transact_write_items(TransactItems=[put(user("ann"), **ABSENT), put(user("ann"))])


def test_errors_are_those_of_the_service_model() -> None:
    """Each error class is one that boto3's client has, so that no handler catches what AWS would never raise."""
    shapes = get_session().get_service_model("dynamodb").error_shapes
    known = {shape.metadata.get("error", {}).get("code", shape.name) for shape in shapes}
    assert {name for name in vars(Exceptions) if name[0].isupper()} - {"ClientError"} <= known


def _condition(text: str) -> tuple[str, Item]:
    return "put_item", {"Item": user("a"), "ConditionExpression": text}


def _update(text: str) -> tuple[str, Item]:
    return "update_item", {"Key": user("a"), "UpdateExpression": text}


UNKNOWN: list[tuple[str, Item]] = [
    *map(_condition, ("#a IN (:v)", "#a BETWEEN :v AND :v", "size(#a) = :v", "NOT #a = :v", "#a < :v", "#a = #b")),
    *map(_condition, ("#a.#b = :v", "#a[0] = :v", "#a = :v)", "((#a = :v))", "Attribute_exists(#a)", "status = :v")),
    *map(_condition, ("#a = :v OR #b = :v", "(#a = :v OR #b = :v AND #c = :v)", "")),
    *map(_update, ("SET #a = list_append(#a, :v)", "ADD #a :v", "DELETE #a :v", "SET #a = #a - :v", "SET #a")),
    *map(_update, ("SET #a = #a + :v + :v", "SET #a = :v SET #b = :v", "REMOVE #a[0]", "REMOVE #a SET #b = :v")),
    ("get_item", {"Key": user("a"), "ReturnConsumedCapacity": "TOTAL"}),
    ("scan", {"FilterExpression": "attribute_exists(userId)"}),
    ("scan", {"Select": "ALL_ATTRIBUTES"}),
    ("scan", {"ProjectionExpression": "#a"}),
    (
        "query",
        {"TableName": "registrations", "IndexName": EVENT_INDEX, "KeyConditionExpression": "#a = :v AND #b > :v"},
    ),
    ("get_item", {"Key": user("")}),
    ("get_item", {"Key": user("a", n={"S": "b"})}),
    ("put_item", {"Item": user("k" * 1025)}),
    ("put_item", {"TableName": TABLES.registrations, "Item": registration("r") | {"eventId": {"N": "1"}}}),
    *(("put_item", {"Item": user("a", n={"N": number})}) for number in ("1.0", "007", "-0", "1e3", "9" * 39, "x")),
    ("put_item", {"Item": user("a", tags={"SS": ["x"]})}),
    ("put_item", {"Item": user("a", both={"S": "x", "N": "1"})}),
    ("put_item", {"Item": user("a", big={"S": "x" * 70_000})}),
    ("put_item", {"Item": user("a"), "ReturnValues": "ALL_OLD"}),
    ("transact_write_items", {"TransactItems": [{"Delete": {"TableName": TABLES.users, "Key": user("a")}}]}),
]


@pytest.mark.parametrize(("method", "params"), UNKNOWN)
def test_unknown_requests_are_refused(method: str, params: Item) -> None:
    """Nothing that it does not know is ignored: neither a parameter nor a part of an expression."""
    table = {} if method == "transact_write_items" else {"TableName": TABLES.users}
    with pytest.raises(NotImplementedError):
        getattr(fake(), method)(**table | params)
