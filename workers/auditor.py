"""The auditor: does each ledger count what the registrations say (rule 2)? It looks, and changes nothing.

The registrar keeps ledger and registrations alike in one transaction, so a difference means a mistake in the code or a
hand on the tables. The index that is counted lags behind: only a difference that stays, beside a ledger that stands
still, is one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from workers.aws import clients
from workers.aws.clock import SYSTEM_CLOCK, Clock
from workers.aws.items import STATUS_KEY, Item, event_key, ledger_from_item
from workers.aws.load import EVENT_INDEX
from workers.domain.records import Ledger, Status
from workers.observability import Metric, logger, measure

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_LOOKS = 4
_PAUSE = 2.0
"""Seconds between two looks at a difference; an index is seldom more than a second behind."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many have a seat, and how many wait."""

    confirmed: int
    waiting: int


class Auditor:
    """The handler with everything that it needs."""

    def __init__(self, dynamodb: DynamoDBClient, ledger_table: str, registrations_table: str, clock: Clock) -> None:
        self._dynamodb = dynamodb
        self._ledger_table = ledger_table
        self._registrations_table = registrations_table
        self._clock = clock

    def handle(self) -> None:
        """Looks at every ledger. A ledger that cannot be read counts as drift too."""
        audited = drifted = 0
        for item in self._ledgers():
            audited += 1
            drifted += self._drifts(item)
        measure({Metric.LEDGERS_AUDITED: audited, Metric.LEDGER_DRIFT: drifted})
        logger.info("audited", extra={"ledgers": audited, "drift": drifted})

    def _drifts(self, item: Item) -> bool:
        event_id = item["eventId"]["S"]
        try:
            for look in range(_LOOKS):
                if look:
                    self._clock.sleep(_PAUSE)
                before = self._ledger(event_id)
                counted = self._count(event_id)
                if before is None or counted == (said := _said(before)):
                    return False
                moved = self._ledger(event_id) != before
        except (KeyError, ValueError, TypeError) as error:
            logger.error("ledger drift", exc_info=error, extra={"event_id": event_id})
            return True
        if moved:
            # Somebody is always busy at this event. It is looked at again next time.
            logger.warning("a ledger moves too fast to be audited", extra={"event_id": event_id})
            return False
        fields = {"event_id": event_id, "ledger": _fields(said), "counted": _fields(counted)}
        logger.error("ledger drift", extra=fields)
        return True

    def _ledgers(self) -> Iterator[Item]:
        for page in self._dynamodb.get_paginator("scan").paginate(
            TableName=self._ledger_table, ProjectionExpression="eventId"
        ):
            yield from page["Items"]

    def _ledger(self, event_id: str) -> Ledger | None:
        item = self._dynamodb.get_item(TableName=self._ledger_table, Key=event_key(event_id), ConsistentRead=True)
        return ledger_from_item(item["Item"]) if "Item" in item else None

    def _count(self, event_id: str) -> Count:
        return Count(self._with(event_id, Status.CONFIRMED), self._with(event_id, Status.WAITLISTED))

    def _with(self, event_id: str, status: Status) -> int:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._registrations_table,
            IndexName=EVENT_INDEX,
            Select="COUNT",
            KeyConditionExpression="eventId = :event AND begins_with(#key, :status)",
            ExpressionAttributeNames={"#key": STATUS_KEY},
            ExpressionAttributeValues={":event": {"S": event_id}, ":status": {"S": f"{status}#"}},
        )
        return sum(page["Count"] for page in pages)


def _said(ledger: Ledger) -> Count:
    return Count(ledger.confirmed, len(ledger.line))


def _fields(count: Count) -> dict[str, int]:
    return {"confirmed": count.confirmed, "waiting": count.waiting}


@cache
def _auditor() -> Auditor:
    env = os.environ
    ledger, registrations = clients.setting(env, "LEDGER_TABLE"), clients.setting(env, "REGISTRATIONS_TABLE")
    return Auditor(clients.dynamodb(), ledger, registrations, SYSTEM_CLOCK)


def handler(_event: dict[str, Any], context: object) -> None:
    """The Lambda entry of the schedule."""
    logger.append_keys(request_id=getattr(context, "aws_request_id", None))
    _auditor().handle()
