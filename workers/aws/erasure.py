"""Finding the active registrations of a person who is forgotten, and the commands that cancel them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workers.aws.clock import Clock
from workers.aws.items import ERASED_AT, USER_INDEX, Item, registration_key
from workers.aws.load import batch_get, read_registrations
from workers.domain.commands import Cancel
from workers.domain.records import Registration

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_PAGE = 100
"""The limit of one BatchGetItem."""


@dataclass(frozen=True, slots=True)
class RegistrationPage:
    """A page of a person's registrations.

    `active` are the active ones. `unreadable` has the errors of those that cannot be decoded, by registration id.
    `following` is the index key after which the next page begins; None on the last page.
    """

    active: tuple[Registration, ...]
    unreadable: Mapping[str, Exception]
    following: Item | None


def registrations_of(
    client: DynamoDBClient, clock: Clock, table: str, user_id: str, behind: Item | None = None
) -> RegistrationPage:
    """Return a page of a person's registrations, after a key of the index.

    The index may lag, so the latest registrations can be missing. Whether a registration is active is read from the
    record itself, strongly consistent. Raises the client's errors, and Overloaded.
    """
    start: dict[str, Any] = {} if behind is None else {"ExclusiveStartKey": behind}
    answer = client.query(
        TableName=table,
        IndexName=USER_INDEX,
        KeyConditionExpression="userId = :user",
        ExpressionAttributeValues={":user": {"S": user_id}},
        Limit=_PAGE,
        **start,
    )
    keys = [registration_key(row["registrationId"]["S"]) for row in answer["Items"]]
    records, unreadable = read_registrations(batch_get(client, clock, {table: keys})[table])
    active = tuple(record for record in records if record.is_active)
    return RegistrationPage(active, unreadable, answer.get("LastEvaluatedKey"))


def cancellations(records: Iterable[Registration], new_id: Callable[[], str], now: int) -> list[Cancel]:
    """Return the commands that cancel these registrations; `now` is in microseconds since 1970."""
    return [Cancel(new_id(), record.event_id, record.user_id, record.generation, accepted_at=now) for record in records]


def erased_users(client: DynamoDBClient, table: str) -> frozenset[str]:
    """Return the ids of all forgotten users. This reads the whole users table, strongly consistent."""
    pages = client.get_paginator("scan").paginate(
        TableName=table,
        ConsistentRead=True,
        FilterExpression=f"attribute_exists({ERASED_AT})",
        ProjectionExpression="userId",
    )
    return frozenset(item["userId"]["S"] for page in pages for item in page["Items"])
