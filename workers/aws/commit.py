"""Commit decisions in one DynamoDB transaction, on condition that nothing has changed since they were made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from workers.aws.items import (
    Item,
    event_key,
    ledger_to_item,
    registration_to_item,
    seat_settings_to_attributes,
)
from workers.aws.load import DecisionTables
from workers.domain.decision import Decision
from workers.domain.records import Registration
from workers.domain.seat_settings import SETTINGS, SeatSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MAX_ITEMS = 100
"""DynamoDB's limit of items in one transaction."""


class CommitCancelled(Exception):
    """The transaction was cancelled: a record has changed since it was read, or another transaction was in conflict."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("transaction cancelled: " + ", ".join(reasons))
        self.reasons = tuple(reasons)


def transaction_items(tables: DecisionTables, decisions: Sequence[Decision]) -> list[Any]:
    """Return the writes of the decisions: each event's ledger and changed records, and its settings if they changed."""
    items: list[Any] = []
    for decision in decisions:
        if not decision.changes_anything:
            continue
        ledger = decision.ledger
        items.append({"Put": _versioned(tables.ledger, ledger_to_item(ledger), "eventId", ledger.version)})
        items += [{"Put": versioned_put(tables.registrations, record)} for record in decision.registrations]
        if decision.configured:
            items.append({"Update": _event_settings(tables.events, ledger.event_id, ledger.settings)})
    return items


def commit(client: DynamoDBClient, items: list[Any]) -> None:
    """Write all items or none. Raises CommitCancelled if a condition failed or another transaction was in conflict."""
    try:
        # The SDK adds a ClientRequestToken, so its own retry after a lost response does not write twice.
        client.transact_write_items(TransactItems=items)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "TransactionCanceledException":
            raise
        reasons: list[Any] = error.response.get("CancellationReasons", [])
        raise CommitCancelled([reason.get("Code", "?") for reason in reasons]) from error


def versioned_put(table: str, record: Registration) -> dict[str, Any]:
    """Return a put of a registration, on condition that the stored one is exactly one version older, or absent."""
    return _versioned(table, registration_to_item(record), "registrationId", record.version)


def _versioned(table: str, item: Item, key: str, version: int) -> dict[str, Any]:
    if version == 1:
        return {"TableName": table, "Item": item, "ConditionExpression": f"attribute_not_exists({key})"}
    return {
        "TableName": table,
        "Item": item,
        "ConditionExpression": "#version = :before",
        "ExpressionAttributeNames": {"#version": "version"},
        "ExpressionAttributeValues": {":before": {"N": str(version - 1)}},
    }


def _event_settings(table: str, event_id: str, settings: SeatSettings) -> dict[str, Any]:
    attributes = seat_settings_to_attributes(settings)
    names = [setting.wire_name for setting in SETTINGS.values()]
    removed = [f"#{name}" for name in names if name not in attributes]
    expression = "SET " + ", ".join(f"#{name} = :{name}" for name in attributes)
    return {
        "TableName": table,
        "Key": event_key(event_id),
        "ConditionExpression": "attribute_exists(eventId)",
        "UpdateExpression": expression + (" REMOVE " + ", ".join(removed) if removed else ""),
        "ExpressionAttributeNames": {f"#{name}": name for name in names},
        "ExpressionAttributeValues": {f":{name}": value for name, value in attributes.items()},
    }
