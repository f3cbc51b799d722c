"""The textbook solution: event registration as it is usually written, synchronous, in one function.

One read, then one transaction that puts the registration and takes a seat off the event's counter; if another
transaction interferes, the same again after a random pause. Waiting-list positions are stored on the registrations, and
a cancellation promotes the first waiter and rewrites everybody behind. (Joining the waiting list is not measured.)
It is written to be fast:

- it has the same tables, indexes and client settings as Turnstile, with a connection for each thread;
- after a conflict it retries the same transaction without another read: the table checks the condition;
- a cancellation and the promotion that follows are one transaction, where two are usual;
- the waiting list is read from the index alone, whose entries have all that moving it up needs;
- it neither logs nor measures, and does not recognise a lost response; Turnstile does, and pays for it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tests.support.builders import NOW, event_item
from tests.support.tables import TableNames
from workers.aws.items import EVENT_INDEX, STATUS_KEY, Item, event_key, registration_key, status_key, timestamp
from workers.domain.records import Status, registration_id

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CHUNK = 100
"""The most items that DynamoDB accepts in one transaction."""

Pauses = tuple[float, float]
"""The upper bounds of the first pause and of the longest, in seconds; each pause is random."""

CHEAP: Pauses = (0.03, 0.3)
"""Makes half as many transactions as `FAST` in a rush, for a seventh fewer registrations a second."""

FAST: Pauses = (0.03, 0.06)
"""Gave the most registrations a second at one event with 32 clients, of all pauses that were tried."""

_ONE: Item = {":one": {"N": "1"}}


@dataclass(frozen=True, slots=True)
class TextbookResult:
    """`confirmed`, `cancelled` or why not, and how many transactions that took."""

    outcome: str
    attempts: int = 0


class TransactionRefused(Exception):
    """DynamoDB cancelled the transaction; `reasons` has a code for each of its items."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__(", ".join(reasons))
        self.reasons = tuple(reasons)


class Textbook:
    """Registers and cancels; safe to call from many threads. Its events are made by `textbook_event`."""

    def __init__(
        self,
        dynamodb: DynamoDBClient,
        tables: TableNames,
        sleep: Callable[[float], None] = time.sleep,
        pauses: Pauses = CHEAP,
    ) -> None:
        self._first_pause, self._longest_pause = pauses
        self._dynamodb = dynamodb
        self._tables = tables
        self._sleep = sleep

    def register(self, event_id: str, user_id: str) -> TextbookResult:
        """Give a seat, or answer `already-registered`, `event-full` or `not-found`."""
        user, event, record = self._read(event_id, user_id)
        if user is None or event is None:
            return TextbookResult("not-found")
        if record is not None and record["status"]["S"] != Status.CANCELLED:
            return TextbookResult("already-registered")
        attempts = 0
        while True:
            attempts += 1
            try:
                self._transact([self._put(event_id, user_id), self._take_seat(event_id)])
            except TransactionRefused as refusal:
                own, counter = refusal.reasons
                if own == "ConditionalCheckFailed":
                    return TextbookResult("already-registered", attempts)
                if counter == "ConditionalCheckFailed":
                    return TextbookResult("event-full", attempts)
                self._pause(attempts)
            else:
                return TextbookResult("confirmed", attempts)

    def cancel(self, event_id: str, user_id: str) -> TextbookResult:
        """Give up a seat, which the first waiter gets; everybody behind moves up. For one caller at a time."""
        _, _, record = self._read(event_id, user_id)
        if record is None or record["status"]["S"] != Status.CONFIRMED:
            return TextbookResult("not-confirmed")
        waiters = self._waiters(event_id)
        promotion = [self._move(first, Status.CONFIRMED) for first in waiters[:1]]
        leaving = [self._move(record, Status.CANCELLED), self._count_out(event_id, waiting=bool(waiters))]
        self._transact(leaving + promotion)
        for start in range(1, len(waiters), CHUNK):
            self._transact([self._one_up(entry) for entry in waiters[start : start + CHUNK]])
        return TextbookResult("cancelled", 1)

    def _read(self, event_id: str, user_id: str) -> tuple[Item | None, Item | None, Item | None]:
        """Return user, event and registration, each None if it does not exist."""
        tables = self._tables
        keys: dict[str, Item] = {
            tables.users: {"userId": {"S": user_id}},
            tables.events: event_key(event_id),
            tables.registrations: registration_key(registration_id(event_id, user_id)),
        }
        request: Any = {table: {"ConsistentRead": True, "Keys": [key]} for table, key in keys.items()}
        found = self._dynamodb.batch_get_item(RequestItems=request)["Responses"]
        user, event, record = (next(iter(found.get(table, [])), None) for table in keys)
        return user, event, record

    def _waiters(self, event_id: str) -> list[Item]:
        """Return the index entries of all waiters, in order."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._tables.registrations,
            IndexName=EVENT_INDEX,
            KeyConditionExpression="eventId = :event AND begins_with(#key, :waitlisted)",
            ExpressionAttributeNames={"#key": STATUS_KEY},
            ExpressionAttributeValues={":event": {"S": event_id}, ":waitlisted": {"S": f"{Status.WAITLISTED}#"}},
        )
        return [entry for page in pages for entry in page["Items"]]

    def _put(self, event_id: str, user_id: str) -> Item:
        now = timestamp(time.time_ns() // 1000)
        return {
            "Put": {
                "TableName": self._tables.registrations,
                "Item": _record(event_id, user_id, Status.CONFIRMED, now, None),
                "ConditionExpression": "attribute_not_exists(registrationId) OR #status = :cancelled",
                "ExpressionAttributeNames": {"#status": "status"},
                "ExpressionAttributeValues": {":cancelled": {"S": str(Status.CANCELLED)}},
            }
        }

    def _take_seat(self, event_id: str) -> Item:
        return self._update_event(
            event_id, "currentAttendees = currentAttendees + :one", "currentAttendees < #capacity"
        )

    def _count_out(self, event_id: str, *, waiting: bool) -> Item:
        """Count one waiter less, who gets the seat, or, if nobody is waiting, one seat less."""
        if waiting:
            return self._update_event(event_id, "waitlistLength = waitlistLength - :one", "waitlistLength >= :one")
        return self._update_event(event_id, "currentAttendees = currentAttendees - :one", "waitlistLength < :one")

    def _update_event(self, event_id: str, change: str, condition: str) -> Item:
        names = {"#capacity": "capacity"} if "#capacity" in condition else {}
        return _update(self._tables.events, event_key(event_id), f"SET {change}", condition, names, _ONE)

    def _move(self, entry: Item, status: Status) -> Item:
        """Change the status of a registration, if it still has that of `entry` (itself or its index entry)."""
        before = entry[STATUS_KEY]["S"]
        return _update(
            self._tables.registrations,
            registration_key(entry["registrationId"]["S"]),
            "SET #status = :status, #key = :key REMOVE waitlistPosition",
            "#key = :before",
            {"#status": "status", "#key": STATUS_KEY},
            {
                ":status": {"S": str(status)},
                ":key": {"S": status_key(status, before.partition("#")[2])},
                ":before": {"S": before},
            },
        )

    def _one_up(self, entry: Item) -> Item:
        return _update(
            self._tables.registrations,
            registration_key(entry["registrationId"]["S"]),
            "SET waitlistPosition = waitlistPosition - :one",
            "#status = :waitlisted",
            {"#status": "status"},
            {**_ONE, ":waitlisted": {"S": str(Status.WAITLISTED)}},
        )

    def _transact(self, writes: list[Item]) -> None:
        """Write all or none. TransactionRefused if a condition failed or another transaction conflicts."""
        transaction: Any = writes
        try:
            self._dynamodb.transact_write_items(TransactItems=transaction)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "TransactionCanceledException":
                raise
            reasons: list[Any] = error.response.get("CancellationReasons", [])
            raise TransactionRefused([reason.get("Code", "?") for reason in reasons]) from error

    def _pause(self, attempts: int) -> None:
        """Pause with full jitter, up to a bound that doubles with each attempt."""
        longest = min(self._longest_pause, self._first_pause * 2 ** (attempts - 1))
        self._sleep(random.uniform(0, longest))  # noqa: TID251 - measured, not asserted


def textbook_event(event_id: str, capacity: int, *, has_waitlist: bool, taken: int = 0, waiting: int = 0) -> Item:
    """Return an event with the counters that the textbook solution keeps on it."""
    counters: Item = {"currentAttendees": {"N": str(taken)}, "waitlistLength": {"N": str(waiting)}}
    return event_item(event_id, capacity, hasWaitlist={"BOOL": has_waitlist}, **counters)


def textbook_registrations(event_id: str, waiting: int, seated: str = "seated") -> list[Item]:
    """Return the registrations of a full event with one seat and `waiting` people on its waiting list."""
    people = [(0, seated, Status.CONFIRMED)]
    people += [(place, f"waiting-{place}", Status.WAITLISTED) for place in range(1, waiting + 1)]
    return [_record(event_id, user, status, timestamp(NOW + place), place or None) for place, user, status in people]


def _record(event_id: str, user_id: str, status: Status, at: str, position: int | None) -> Item:
    """Return a registration with the keys of both indexes; `at` is a timestamp."""
    item = {
        **registration_key(registration_id(event_id, user_id)),
        **event_key(event_id),
        "userId": {"S": user_id},
        "status": {"S": str(status)},
        "registeredAt": {"S": at},
        STATUS_KEY: {"S": status_key(status, at)},
    }
    return item if position is None else item | {"waitlistPosition": {"N": str(position)}}


def _update(table: str, key: Item, change: str, condition: str, names: dict[str, str], values: Item) -> Item:
    update: Item = {
        "TableName": table,
        "Key": key,
        "UpdateExpression": change,
        "ConditionExpression": condition,
        "ExpressionAttributeValues": values,
    }
    return {"Update": update | ({"ExpressionAttributeNames": names} if names else {})}
