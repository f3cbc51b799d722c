"""Short words for tests of the in-memory DynamoDB."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from tests.simulation.dynamodb.fake import FakeDynamoDb
from tests.support.tables import TableNames, create_tables
from workers.aws.items import STATUS_KEY, Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


TABLES = TableNames()


class Time:
    """Microseconds, held in the hand."""

    now = 1_767_225_600_000_000


def made(now: Callable[[], int], **more: Any) -> FakeDynamoDb:
    """One with the four tables."""
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
    """Those that the expression has."""
    names = {token: "n" for token in ("#a", "#b") if token in expression}
    values = {":v": {"N": "1"}} if ":v" in expression else {}
    given = {"ExpressionAttributeNames": names, "ExpressionAttributeValues": values}
    return {name: pairs for name, pairs in given.items() if pairs}
