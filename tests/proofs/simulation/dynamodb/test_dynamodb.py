"""What the comparison with DynamoDB Local cannot show of the in-memory DynamoDB: time, lag, who listens, refusals.

Also where AWS's documentation and DynamoDB Local disagree: then it goes by the documentation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.session import get_session

from tests.proofs.simulation.dynamodb.builders import (
    TABLES,
    Time,
    fake_with_tables,
    placeholders,
    put,
    registration,
    user,
)
from tests.proofs.simulation.dynamodb.errors import Exceptions
from tests.proofs.simulation.dynamodb.fake import Change, FakeDynamoDb
from workers.aws.items import EVENT_INDEX, STATUS_KEY, Item

MINUTE = 60_000_000


def listed(db: FakeDynamoDb, **more: Any) -> list[tuple[str, str]]:
    """The rows of event e: registration and sort key."""
    params = {"KeyConditionExpression": "eventId = :event", "ExpressionAttributeValues": {":event": {"S": "e"}}}
    rows = db.query(TableName=TABLES.registrations, IndexName=EVENT_INDEX, **params, **more)["Items"]
    return [(row["registrationId"]["S"], row[STATUS_KEY]["S"]) for row in rows]


def users(db: FakeDynamoDb) -> list[str]:
    """The users in the order of a scan."""
    return [item["userId"]["S"] for item in db.scan(TableName=TABLES.users)["Items"]]


def test_a_token_is_remembered_for_ten_minutes(db: FakeDynamoDb, time: Time) -> None:
    """The same transaction with the same token succeeds and writes nothing, until ten minutes have passed."""
    transaction = {"TransactItems": [put(user("ann"))], "ClientRequestToken": "t"}
    db.transact_write_items(**transaction)
    db.delete_item(TableName=TABLES.users, Key=user("ann"))
    time.now += 10 * MINUTE
    db.transact_write_items(**transaction)
    assert users(db) == []
    time.now += 1
    db.transact_write_items(**transaction)
    assert users(db) == ["ann"]


def test_a_token_is_for_one_transaction(db: FakeDynamoDb) -> None:
    """Another transaction with the same token is refused, and writes nothing."""
    db.transact_write_items(TransactItems=[put(user("ann"))], ClientRequestToken="t")
    with pytest.raises(db.exceptions.IdempotentParameterMismatchException):
        db.transact_write_items(TransactItems=[put(user("bob"))], ClientRequestToken="t")
    assert users(db) == ["ann"]


def test_a_cancelled_transaction_leaves_no_token(db: FakeDynamoDb) -> None:
    """What was cancelled can be done with the same token once its condition holds."""
    check = {"TableName": TABLES.users, "Key": user("bob"), "ConditionExpression": "attribute_exists(userId)"}
    transaction = {"TransactItems": [put(user("ann")), {"ConditionCheck": check}], "ClientRequestToken": "t"}
    with pytest.raises(db.exceptions.TransactionCanceledException) as error:
        db.transact_write_items(**transaction)
    assert [reason["Code"] for reason in error.value.response["CancellationReasons"]] == [
        "None",
        "ConditionalCheckFailed",
    ]
    db.put_item(TableName=TABLES.users, Item=user("bob"))
    db.transact_write_items(**transaction)
    assert users(db) == ["ann", "bob"]


def test_an_index_may_lag(db: FakeDynamoDb) -> None:
    """Until its change is made a row is missing, stale, or still there; each change is handed over in its turn."""
    waiting: list[tuple[str, str, Callable[[], None]]] = []
    db.index_delay = lambda index, key, apply: waiting.append((index, key, apply))
    for status in ("waitlisted#1", "confirmed#1"):
        db.put_item(TableName=TABLES.registrations, Item=registration("r", status))
    db.delete_item(TableName=TABLES.registrations, Key={"registrationId": {"S": "r"}})
    assert [(index, key) for index, key, _ in waiting] == [(EVENT_INDEX, "r")] * 3
    seen = [listed(db)]
    for _, _, apply in waiting:
        apply()
        seen.append(listed(db))
    assert seen == [[], [("r", "waitlisted#1")], [("r", "confirmed#1")], []]


def test_an_index_hears_of_what_changes_it(db: FakeDynamoDb) -> None:
    """A write that leaves the keys of an index alone is not its business; losing one of them is."""
    heard: list[str] = []

    def hear(index: str, _key: str, apply: Callable[[], None]) -> None:
        heard.append(index)
        apply()

    db.put_item(TableName=TABLES.registrations, Item=registration("r"))
    db.index_delay = hear
    change = {"ExpressionAttributeNames": {"#key": STATUS_KEY, "#note": "note"}}
    key = {"TableName": TABLES.registrations, "Key": {"registrationId": {"S": "r"}}}
    db.update_item(**key, UpdateExpression="SET #note = #key", **change)
    assert heard == []
    db.update_item(**key, UpdateExpression="REMOVE #key SET #note = #key", **change)
    assert (heard, listed(db)) == ([EVENT_INDEX], [])


def test_who_listens_hears_of_each_write_once(db: FakeDynamoDb) -> None:
    """A transaction is one write, with what was before and what is now, told when it can be read."""
    heard: list[list[Change]] = []
    seen: list[list[str]] = []

    def hear(changes: list[Change]) -> None:
        heard.append(changes)
        seen.append(users(db))

    db.put_item(TableName=TABLES.users, Item=user("ann", n={"N": "1"}))
    db.on_write = hear
    delete = {"TableName": TABLES.users, "Key": user("ann")}
    db.transact_write_items(TransactItems=[{"Delete": delete}, put(user("bob")), put(user("cid"))])
    assert heard == [
        [
            Change(TABLES.users, user("ann", n={"N": "1"}), None),
            Change(TABLES.users, None, user("bob")),
            Change(TABLES.users, None, user("cid")),
        ]
    ]
    assert seen == [["bob", "cid"]]


def test_what_changes_nothing_is_not_heard_of(db: FakeDynamoDb) -> None:
    """Refused writes, a transaction whose token is known, a check, and deleting what is not there are no writes."""
    transaction = {"TransactItems": [put(user("ann"))], "ClientRequestToken": "t"}
    db.transact_write_items(**transaction)
    heard: list[list[Change]] = []
    db.on_write = heard.append
    absent = {"ConditionExpression": "attribute_not_exists(userId)"}
    db.transact_write_items(**transaction)
    with pytest.raises(db.exceptions.ConditionalCheckFailedException):
        db.put_item(TableName=TABLES.users, Item=user("ann"), **absent)
    with pytest.raises(db.exceptions.TransactionCanceledException):
        db.transact_write_items(TransactItems=[put(user("bob")), put(user("ann"), **absent)])
    check = {"TableName": TABLES.users, "Key": user("bob"), **absent}
    db.transact_write_items(TransactItems=[{"ConditionCheck": check}])
    db.delete_item(TableName=TABLES.users, Key=user("bob"))
    assert heard == []


def test_items_are_the_tables_own(db: FakeDynamoDb) -> None:
    """What is put in can be changed afterwards, and so can what comes out: the table stays as it is."""
    item = user("ann")
    db.put_item(TableName=TABLES.users, Item=item)
    item["n"] = {"N": "1"}
    nothing = {"UpdateExpression": "REMOVE #a", **placeholders("#a")}
    for answer in (
        db.get_item(TableName=TABLES.users, Key=user("ann"))["Item"],
        db.batch_get_item(RequestItems={TABLES.users: {"Keys": [user("ann")]}})["Responses"][TABLES.users][0],
        db.scan(TableName=TABLES.users)["Items"][0],
        db.update_item(TableName=TABLES.users, Key=user("ann"), **nothing, ReturnValues="ALL_NEW")["Attributes"],
    ):
        assert answer == user("ann")
        answer["n"] = {"N": "2"}
    assert db.get_item(TableName=TABLES.users, Key=user("ann"))["Item"] == user("ann")


def test_the_order_that_dynamodb_leaves_open(time: Time) -> None:
    """`place` orders a scan, and equal sort keys in an index, and pages go on in that order."""
    db = fake_with_tables(lambda: time.now, place=lambda key: key[::-1])
    for key in ("a2", "b1", "c3"):
        db.put_item(TableName=TABLES.users, Item=user(key))
        db.put_item(TableName=TABLES.registrations, Item=registration(key))
    assert users(db) == ["b1", "a2", "c3"]
    assert [key for key, _ in listed(db)] == ["b1", "a2", "c3"]
    pages = db.get_paginator("scan").paginate(TableName=TABLES.users, Limit=1)
    assert [item["userId"]["S"] for page in pages for item in page["Items"]] == ["b1", "a2", "c3"]


def test_an_update_may_not_spoil_an_index(db: FakeDynamoDb) -> None:
    """AWS refuses an update that gives an index a key of another type, or one too long; DynamoDB Local takes it."""
    key: Item = {"TableName": TABLES.registrations, "Key": {"registrationId": {"S": "r"}}}
    key["UpdateExpression"] = "SET eventId = :v"
    for value in ({"N": "1"}, {"S": "e" * 2049}):
        with pytest.raises(ClientError) as error:
            db.update_item(**key, ExpressionAttributeValues={":v": value})
        assert error.value.response["Error"]["Code"] == "ValidationException"
        with pytest.raises(db.exceptions.TransactionCanceledException) as cancelled:
            db.transact_write_items(TransactItems=[{"Update": {**key, "ExpressionAttributeValues": {":v": value}}}])
        assert [reason["Code"] for reason in cancelled.value.response["CancellationReasons"]] == ["ValidationError"]


def test_no_two_actions_on_one_item(db: FakeDynamoDb) -> None:
    """AWS refuses that whatever their conditions are; DynamoDB Local looks at these first."""
    check = {"TableName": TABLES.users, "Key": user("ann"), "ConditionExpression": "attribute_exists(userId)"}
    with pytest.raises(ClientError) as error:
        db.transact_write_items(TransactItems=[{"ConditionCheck": check}, put(user("ann"))])
    assert error.value.response["Error"]["Code"] == "ValidationException"


def test_numbers_are_trimmed_everywhere(db: FakeDynamoDb) -> None:
    """AWS trims numbers inside lists and maps too, and those of a transaction; DynamoDB Local does not."""
    item = user("ann", n={"L": [{"N": "007"}, {"M": {"m": {"N": "1.50"}}}]}, m={"N": "+0.0"})
    db.transact_write_items(TransactItems=[put(item)])
    stored = db.get_item(TableName=TABLES.users, Key=user("ann"))["Item"]
    assert stored == user("ann", n={"L": [{"N": "7"}, {"M": {"m": {"N": "1.5"}}}]}, m={"N": "0"})


def test_errors_are_those_of_the_service_model() -> None:
    """Each error class is one that boto3's client has, so that no handler catches what AWS would never raise."""
    shapes = get_session().get_service_model("dynamodb").error_shapes
    known = {shape.metadata.get("error", {}).get("code", shape.name) for shape in shapes}
    assert {name for name in vars(Exceptions) if name[0].isupper()} - {"ClientError"} <= known
