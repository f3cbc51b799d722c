"""The auditor: a scheduled check that each ledger counts what the registrations say (rule 2). It changes nothing.

The registrar writes ledger and registrations in one transaction, so a difference means a bug, or that somebody edited
the tables. But the index that is counted lags. So a difference is drift only if it remains after a pause in which the
ledger was not written. A ledger that is always being written is left to the next audit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from workers.aws import clients
from workers.aws.clock import SYSTEM_CLOCK, Clock
from workers.aws.items import DECODE_ERRORS, EVENT_INDEX, STATUS_KEY, event_key, ledger_from_item
from workers.domain.records import Ledger, Status
from workers.metrics import Metric
from workers.settings import AuditorSettings
from workers.telemetry import logger, measure

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_RECHECKS = 5
_PAUSE = 3.0
"""Seconds before a difference is checked again; an index seldom lags by more than a second."""
_TIME_LIMIT = 240_000_000
"""Microseconds after which no further ledger is audited: the function has five minutes."""


class AuditIncomplete(Exception):
    """Time ran out before all ledgers were audited. The metrics have what was found until then."""


@dataclass(frozen=True, slots=True)
class SeatCounts:
    """The number of taken seats, and the number of waiters."""

    confirmed: int
    waiting: int


class Auditor:
    """The handler and its dependencies."""

    def __init__(self, dynamodb: DynamoDBClient, ledger_table: str, registrations_table: str, clock: Clock) -> None:
        self._dynamodb = dynamodb
        self._ledger_table = ledger_table
        self._registrations_table = registrations_table
        self._clock = clock

    def handle(self) -> None:
        """Audit every ledger. An undecodable one counts as drift, too. Raises AuditIncomplete if time runs out."""
        started = self._clock.now()
        audited = drifted = 0
        suspects: dict[str, Ledger] = {}
        complete = True
        for event_id in self._event_ids():
            if self._clock.now() - started > _TIME_LIMIT:
                complete = False
                break
            audited += 1
            try:
                found = self._difference(event_id)
            except DECODE_ERRORS as error:
                logger.error("ledger drift", exc_info=error, extra={"event_id": event_id})
                drifted += 1
                continue
            if found is not None:
                suspects[event_id] = found[0]
        drifted += self._recheck(suspects)
        measure({Metric.LEDGERS_AUDITED: audited, Metric.LEDGER_DRIFT: drifted})
        logger.info("audited", extra={"ledgers": audited, "drift": drifted, "complete": complete})
        if not complete:
            raise AuditIncomplete(f"{audited} ledgers were audited; there was no time for the others")

    def _recheck(self, suspects: dict[str, Ledger]) -> int:
        """Return how many of the differences remain. `suspects` has the ledgers as they were when last read."""
        drifted = 0
        for _ in range(_RECHECKS):
            if not suspects:
                break
            self._clock.sleep(_PAUSE)
            moved: dict[str, Ledger] = {}
            for event_id, before in suspects.items():
                found = self._difference(event_id)
                if found is None:
                    continue
                ledger, counted = found
                if ledger == before == self._ledger(event_id):
                    fields = {"event_id": event_id, "ledger": asdict(_counts_in(ledger)), "counted": asdict(counted)}
                    logger.error("ledger drift", extra=fields)
                    drifted += 1
                else:
                    moved[event_id] = ledger
            suspects = moved
        for event_id in suspects:
            logger.warning("a ledger moves too fast to be audited", extra={"event_id": event_id})
        return drifted

    def _difference(self, event_id: str) -> tuple[Ledger, SeatCounts] | None:
        """Return the ledger and what was counted just after it was read; None if they agree, or there is no ledger."""
        ledger = self._ledger(event_id)
        if ledger is None:
            return None
        counted = self._count(event_id)
        return None if counted == _counts_in(ledger) else (ledger, counted)

    def _event_ids(self) -> Iterator[str]:
        for page in self._dynamodb.get_paginator("scan").paginate(
            TableName=self._ledger_table, ProjectionExpression="eventId"
        ):
            yield from (item["eventId"]["S"] for item in page["Items"])

    def _ledger(self, event_id: str) -> Ledger | None:
        item = self._dynamodb.get_item(TableName=self._ledger_table, Key=event_key(event_id), ConsistentRead=True)
        return ledger_from_item(item["Item"]) if "Item" in item else None

    def _count(self, event_id: str) -> SeatCounts:
        return SeatCounts(
            self._count_status(event_id, Status.CONFIRMED), self._count_status(event_id, Status.WAITLISTED)
        )

    def _count_status(self, event_id: str, status: Status) -> int:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._registrations_table,
            IndexName=EVENT_INDEX,
            Select="COUNT",
            KeyConditionExpression="eventId = :event AND begins_with(#key, :status)",
            ExpressionAttributeNames={"#key": STATUS_KEY},
            ExpressionAttributeValues={":event": {"S": event_id}, ":status": {"S": f"{status}#"}},
        )
        return sum(page["Count"] for page in pages)


def _counts_in(ledger: Ledger) -> SeatCounts:
    return SeatCounts(ledger.confirmed, len(ledger.waitlist))


@cache
def _auditor() -> Auditor:
    settings = AuditorSettings.load(os.environ)
    return Auditor(clients.dynamodb(), settings.ledger_table, settings.registrations_table, SYSTEM_CLOCK)


def handler(_event: dict[str, Any], context: object) -> None:
    """Handle an event of the schedule."""
    logger.append_keys(request_id=getattr(context, "aws_request_id", None))
    _auditor().handle()
