"""What the in-memory DynamoDB refuses because it does not know it, or because DynamoDB would."""

from __future__ import annotations

import pytest
from botocore.exceptions import ParamValidationError

from tests.proofs.simulation.dynamodb.builders import TABLES, placeholders, user
from tests.proofs.simulation.dynamodb.fake import FakeDynamoDb
from workers.aws.items import Item

CONDITIONS = """
#a IN (:v)
#a BETWEEN :v AND :v
size(#a) > :v
contains(#a, :v)
attribute_type(#a, :v)
#a.#b = :v
#a[0] = :v
#a = :v)
Attribute_exists(#a)
#a == :v
status = :v
"""


UPDATES = """
SET #a = list_append(#a, :v)
DELETE #a :v
SET #a = #a + :v + :v
SET #a = :v SET #b = :v
REMOVE #a[0]
SET #a
"""


@pytest.mark.parametrize("expression", CONDITIONS.strip().splitlines())
def test_conditions_that_it_does_not_know(db: FakeDynamoDb, expression: str) -> None:
    """It says so, instead of letting them pass: also a name that may be a reserved word."""
    with pytest.raises(NotImplementedError, match="in-memory DynamoDB"):
        db.put_item(TableName=TABLES.users, Item=user("a"), ConditionExpression=expression, **placeholders(expression))


@pytest.mark.parametrize("expression", UPDATES.strip().splitlines())
def test_updates_that_it_does_not_know(db: FakeDynamoDb, expression: str) -> None:
    """It says so, instead of leaving a part out."""
    with pytest.raises(NotImplementedError, match="in-memory DynamoDB"):
        db.update_item(TableName=TABLES.users, Key=user("a"), UpdateExpression=expression, **placeholders(expression))


UNKNOWN: list[tuple[str, str, Item]] = [
    ("ReturnConsumedCapacity", "get_item", {"Key": user("a"), "ReturnConsumedCapacity": "TOTAL"}),
    ("FilterExpression", "scan", {"FilterExpression": "attribute_exists(userId)"}),
    ("Select", "scan", {"Select": "ALL_ATTRIBUTES"}),
    ("without an index", "query", {"KeyConditionExpression": "userId = :a"}),
    ("ProjectionExpression", "query", {"KeyConditionExpression": "userId = :a", "ProjectionExpression": "userId"}),
    ("sets", "put_item", {"Item": user("a", tags={"SS": ["x"]})}),
    ("without an UpdateExpression", "update_item", {"Key": user("a")}),
]


@pytest.mark.parametrize(("named", "method", "params"), UNKNOWN)
def test_requests_that_it_does_not_know(db: FakeDynamoDb, named: str, method: str, params: Item) -> None:
    """A parameter or a kind of value that it has not learnt is refused by name."""
    with pytest.raises(NotImplementedError, match=named):
        getattr(db, method)(TableName=TABLES.users, **params)


def test_tables_and_walks_that_it_does_not_know(db: FakeDynamoDb) -> None:
    """Keys that are no texts, and pages of anything but queries and scans, are refused."""
    key, number = {"AttributeName": "n", "KeyType": "HASH"}, {"AttributeName": "n", "AttributeType": "N"}
    with pytest.raises(NotImplementedError, match="types"):
        db.create_table(TableName="numbered", KeySchema=[key], AttributeDefinitions=[number])
    with pytest.raises(NotImplementedError, match="paginator of list_tables"):
        db.get_paginator("list_tables")


def test_a_batch_that_would_be_cut(db: FakeDynamoDb) -> None:
    """More than 16 MB in one BatchGetItem would leave keys unprocessed: that is refused, as nobody should need it."""
    keys = [user(f"u{number}") for number in range(45)]
    for key in keys:
        db.put_item(TableName=TABLES.users, Item=key | {"big": {"S": "x" * 400_000}})
    with pytest.raises(NotImplementedError, match="16 MB"):
        db.batch_get_item(RequestItems={TABLES.users: {"Keys": keys}})


REFUSED_BEFORE: list[tuple[str, Item]] = [
    ("get_item", {"TableName": TABLES.users}),
    ("put_item", {"TableName": TABLES.users, "Item": user("a", n={"N": 1})}),
    ("scan", {"TableName": TABLES.users, "Limit": 0}),
    ("transact_write_items", {"TransactItems": []}),
    ("batch_get_item", {"RequestItems": {}}),
]


@pytest.mark.parametrize(("method", "params"), REFUSED_BEFORE)
def test_what_botocore_refuses_before_it_is_sent(db: FakeDynamoDb, method: str, params: Item) -> None:
    """What is missing or of the wrong kind is botocore's own error, as with a real client."""
    with pytest.raises(ParamValidationError):
        getattr(db, method)(**params)
