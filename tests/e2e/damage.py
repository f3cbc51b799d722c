"""What a hand on a table can do to a registration, and undo."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from workers.aws.items import Item, registration_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@contextmanager
def damaged(dynamodb: DynamoDBClient, table: str, registration_id: str, fields: Item) -> Iterator[None]:
    """A registration with these fields instead of its own, as long as the block runs; there need not be one before.

    Left behind, it would be found by all that counts registrations, in whatever test comes next.
    """
    key = registration_key(registration_id)
    before = dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
    dynamodb.put_item(TableName=table, Item={**(before or key), **fields})
    try:
        yield
    finally:
        if before is None:
            dynamodb.delete_item(TableName=table, Key=key)
        else:
            dynamodb.put_item(TableName=table, Item=before)
