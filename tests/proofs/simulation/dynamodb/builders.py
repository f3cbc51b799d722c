"""What tests of the in-memory DynamoDB put into it: the fake with its tables, items, parts of requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from tests.proofs.simulation.dynamodb.fake import FakeDynamoDb
from tests.support.builders import NOW
from tests.support.tables import TableNames, create_tables
from workers.aws.items import STATUS_KEY, Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLES = TableNames()


class Time:
    """The time that the fake is told, in microseconds since 1970: it goes on when a test says so."""

    now = NOW


def fake_with_tables(now: Callable[[], int], **more: Any) -> FakeDynamoDb:
    """An in-memory DynamoDB with the four tables, empty."""
    fake = FakeDynamoDb(now, **more)
    create_tables(cast("DynamoDBClient", fake))
    return fake


def user(key: str, **attributes: Item) -> Item:
    """A user."""
    return {"userId": {"S": key}, **attributes}


def registration(key: str, status: str = "waitlisted#1") -> Item:
    """A registration of event e."""
    return {"registrationId": {"S": key}, "eventId": {"S": "e"}, STATUS_KEY: {"S": status}}


def put(item: Item, table: str = TABLES.users, **more: Any) -> Item:
    """An item of a transaction."""
    return {"Put": {"TableName": table, "Item": item, **more}}


def placeholders(expression: str) -> Item:
    """Names and values for the placeholders that the expression has."""
    names = {token: "n" for token in ("#a", "#b") if token in expression}
    values = {":v": {"N": "1"}} if ":v" in expression else {}
    given = {"ExpressionAttributeNames": names, "ExpressionAttributeValues": values}
    return {name: pairs for name, pairs in given.items() if pairs}
