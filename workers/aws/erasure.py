"""Forgetting a person: which registrations they still have, and the commands that give them back."""

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
"""What one BatchGetItem takes."""


@dataclass(frozen=True, slots=True)
class RegistrationPage:
    """Some of a person's registrations: the active ones; by registration id, why others cannot be read; and the key in
    the index to go on behind, None if there are no more."""

    active: tuple[Registration, ...]
    unreadable: Mapping[str, Exception]
    following: Item | None


def registrations_of(
    client: DynamoDBClient, clock: Clock, table: str, user_id: str, behind: Item | None = None
) -> RegistrationPage:
    """One page of what a person has, behind a key of the index.

    The index says where to look and may lag: who registered a moment ago may not be in it yet. Whether a registration
    is active is read from itself, strongly consistent. Raises what the client raises, and Overloaded.
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
    """The commands that give these registrations back, each for the attempt that is there; `now` is in microseconds
    since 1970."""
    return [Cancel(new_id(), one.event_id, one.user_id, one.generation, accepted_at=now) for one in records]


def erased_users(client: DynamoDBClient, table: str) -> frozenset[str]:
    """The ids of all who were forgotten. Reads the whole table of users, strongly consistent."""
    pages = client.get_paginator("scan").paginate(
        TableName=table,
        ConsistentRead=True,
        FilterExpression=f"attribute_exists({ERASED_AT})",
        ProjectionExpression="userId",
    )
    return frozenset(item["userId"]["S"] for page in pages for item in page["Items"])
