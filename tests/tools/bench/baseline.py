"""The peer: event registration as a textbook has it, synchronous, in one function.

One read, one transaction that puts the registration and takes a seat off the event's counter, again after a random
pause if another transaction was in the way; places in the line are stored on the registrations, and a cancellation
promotes the first and rewrites everybody behind. It is made to be fast:

- the same tables and indexes and the same client settings as Turnstile's, with a connection for each thread;
- a conflict is tried again with the same transaction, without another read: the condition is checked by the table;
- a cancellation and the promotion that follows from it are one transaction, where two are usual;
- the line is read from the index alone, whose entries say all that moving it up needs;
- nothing is logged, measured or recognised after a lost answer, which Turnstile does and pays for.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tests.support.tables import TableNames
from workers.aws.items import EVENT_INDEX, STATUS_KEY, Item, event_key, registration_key, status_key, timestamp
from workers.domain.records import Status, registration_id

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CHUNK = 100
"""What DynamoDB takes in one transaction."""

Pauses = tuple[float, float]
"""Before the second try, and the longest, in seconds; each is random up to that."""

CHEAP: Pauses = (0.03, 0.3)
"""Half as many transactions as `FAST` makes in a rush, for a seventh less registrations a second."""

FAST: Pauses = (0.03, 0.06)
"""The most registrations a second at one event with 32 clients, of those that were tried."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person hears: `confirmed`, `waitlisted`, `cancelled` or why not; the place in the line, if it is one.

    `attempts` is how many transactions it took.
    """

    outcome: str
    position: int | None = None
    attempts: int = 0


class Refused(Exception):
    """DynamoDB refused the transaction; `reasons` has a code for each of its items."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__(", ".join(reasons))
        self.reasons = tuple(reasons)


class Textbook:
    """Registers and cancels. Safe to be called from many threads.

    An event item needs `capacity`, `currentAttendees`, `waitlistLength`, and `hasWaitlist` if it is to have a line.
    """

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

    def register(self, event_id: str, user_id: str) -> Answer:
        """Gives a seat or a place in the line, or says `already-registered`, `event-full` or `not-found`."""
        user, event, record = self._read(event_id, user_id)
        if user is None or event is None:
            return Answer("not-found")
        if record is not None and record["status"]["S"] != Status.CANCELLED:
            return Answer("already-registered")
        attempts = 0
        while True:
            full = _number(event, "currentAttendees") >= _number(event, "capacity")
            if full and not event.get("hasWaitlist", {}).get("BOOL", False):
                return Answer("event-full", attempts=attempts)
            position = _number(event, "waitlistLength") + 1 if full else None
            attempts += 1
            try:
                self._transact([self._put(event_id, user_id, position), self._count_in(event_id, position)])
            except Refused as refusal:
                own, counter = refusal.reasons
                if own == "ConditionalCheckFailed":
                    return Answer("already-registered", attempts=attempts)
                self._pause(attempts)
                if counter == "ConditionalCheckFailed":
                    _, event, _ = self._read(event_id, user_id)
                    assert event is not None, "events are not deleted"
            else:
                return Answer("waitlisted" if full else "confirmed", position, attempts)

    def cancel(self, event_id: str, user_id: str) -> Answer:
        """Gives up a seat, which the first of the line gets, or a place in the line; everybody behind moves up."""
        attempts = 0
        while True:
            _, event, record = self._read(event_id, user_id)
            if event is None or record is None or record["status"]["S"] == Status.CANCELLED:
                return Answer("not-registered", attempts=attempts)
            line = self._line(event_id) if _number(event, "waitlistLength") else []
            writes, behind = self._leave(event_id, record, line)
            attempts += 1
            try:
                self._transact(writes)
            except Refused:
                # Somebody else moved, or the index lags: what was read is no longer so.
                self._pause(attempts)
            else:
                self._move_up(behind)
                return Answer("cancelled", attempts=attempts)

    def _read(self, event_id: str, user_id: str) -> tuple[Item | None, Item | None, Item | None]:
        """User, event and registration, each None if it is not there."""
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

    def _line(self, event_id: str) -> list[Item]:
        """The index entries of all who wait, the first first."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._tables.registrations,
            IndexName=EVENT_INDEX,
            KeyConditionExpression="eventId = :event AND begins_with(#key, :waitlisted)",
            ExpressionAttributeNames={"#key": STATUS_KEY},
            ExpressionAttributeValues={":event": {"S": event_id}, ":waitlisted": {"S": f"{Status.WAITLISTED}#"}},
        )
        return [entry for page in pages for entry in page["Items"]]

    def _put(self, event_id: str, user_id: str, position: int | None) -> Item:
        now = timestamp(time.time_ns() // 1000)
        status = Status.CONFIRMED if position is None else Status.WAITLISTED
        return {
            "Put": {
                "TableName": self._tables.registrations,
                "Item": textbook_record(event_id, user_id, status, now, position),
                "ConditionExpression": "attribute_not_exists(registrationId) OR #status = :cancelled",
                "ExpressionAttributeNames": {"#status": "status"},
                "ExpressionAttributeValues": {":cancelled": {"S": str(Status.CANCELLED)}},
            }
        }

    def _count_in(self, event_id: str, position: int | None) -> Item:
        """One more seat taken, while there is one; or one more in the line, if it is as long as it was."""
        values = {":one": {"N": "1"}}
        if position is None:
            change, condition = "currentAttendees = currentAttendees + :one", "currentAttendees < #capacity"
        else:
            change = "waitlistLength = waitlistLength + :one"
            condition = "currentAttendees >= #capacity AND waitlistLength = :before"
            values[":before"] = {"N": str(position - 1)}
        return {
            "Update": {
                "TableName": self._tables.events,
                "Key": event_key(event_id),
                "UpdateExpression": f"SET {change}",
                "ConditionExpression": condition,
                "ExpressionAttributeNames": {"#capacity": "capacity"},
                "ExpressionAttributeValues": values,
            }
        }

    def _leave(self, event_id: str, record: Item, line: Sequence[Item]) -> tuple[list[Item], list[Item]]:
        """The writes of a cancellation with its promotion, and those who then move up by one."""
        leaving = self._move(record, Status.CANCELLED)
        if record["status"]["S"] == Status.WAITLISTED:
            behind = [entry for entry in line if entry[STATUS_KEY]["S"] > record[STATUS_KEY]["S"]]
            return [leaving, self._count_out(event_id, "waitlistLength")], behind
        if not line:
            return [leaving, self._count_out(event_id, "currentAttendees")], []
        promoted = self._move(line[0], Status.CONFIRMED)
        return [leaving, promoted, self._count_out(event_id, "waitlistLength")], list(line[1:])

    def _move(self, entry: Item, status: Status) -> Item:
        """A registration comes to another status, if it is where `entry` (itself or its index entry) has it."""
        before = entry[STATUS_KEY]["S"]
        return {
            "Update": {
                "TableName": self._tables.registrations,
                "Key": registration_key(entry["registrationId"]["S"]),
                "UpdateExpression": "SET #status = :status, #key = :key REMOVE waitlistPosition",
                "ConditionExpression": "#key = :before",
                "ExpressionAttributeNames": {"#status": "status", "#key": STATUS_KEY},
                "ExpressionAttributeValues": {
                    ":status": {"S": str(status)},
                    ":key": {"S": status_key(status, before.partition("#")[2])},
                    ":before": {"S": before},
                },
            }
        }

    def _count_out(self, event_id: str, counter: str) -> Item:
        """One less; the line must have had somebody in it exactly if it is the line that gets shorter."""
        condition = "waitlistLength > :none" if counter == "waitlistLength" else "waitlistLength = :none"
        return {
            "Update": {
                "TableName": self._tables.events,
                "Key": event_key(event_id),
                "UpdateExpression": "SET #counter = #counter - :one",
                "ConditionExpression": condition,
                "ExpressionAttributeNames": {"#counter": counter},
                "ExpressionAttributeValues": {":one": {"N": "1"}, ":none": {"N": "0"}},
            }
        }

    def _move_up(self, behind: Sequence[Item]) -> None:
        """Rewrites the places of all these, a chunk at a time; whoever does not wait any more is left out."""
        for start in range(0, len(behind), CHUNK):
            chunk = list(behind[start : start + CHUNK])
            attempts = 0
            while chunk:
                attempts += 1
                try:
                    self._transact([self._one_up(entry) for entry in chunk])
                    break
                except Refused as refusal:
                    told = zip(chunk, refusal.reasons, strict=True)
                    chunk = [entry for entry, reason in told if reason != "ConditionalCheckFailed"]
                    self._pause(attempts)

    def _one_up(self, entry: Item) -> Item:
        return {
            "Update": {
                "TableName": self._tables.registrations,
                "Key": registration_key(entry["registrationId"]["S"]),
                "UpdateExpression": "SET waitlistPosition = waitlistPosition - :one",
                "ConditionExpression": "#status = :waitlisted",
                "ExpressionAttributeNames": {"#status": "status"},
                "ExpressionAttributeValues": {":one": {"N": "1"}, ":waitlisted": {"S": str(Status.WAITLISTED)}},
            }
        }

    def _transact(self, writes: list[Item]) -> None:
        """Writes all or none. Refused if a condition failed or another transaction was in the way."""
        transaction: Any = writes
        try:
            self._dynamodb.transact_write_items(TransactItems=transaction)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "TransactionCanceledException":
                raise
            reasons: list[Any] = error.response.get("CancellationReasons", [])
            raise Refused([reason.get("Code", "?") for reason in reasons]) from error

    def _pause(self, attempts: int) -> None:
        """Full jitter: anything up to a bound that doubles with each attempt."""
        self._sleep(random.uniform(0, min(self._longest_pause, self._first_pause * 2 ** (attempts - 1))))


def textbook_record(event_id: str, user_id: str, status: Status, at: str, position: int | None) -> Item:
    """A registration as the textbook stores it, with the keys of both indexes; `at` is a timestamp."""
    item = {
        **registration_key(registration_id(event_id, user_id)),
        **event_key(event_id),
        "userId": {"S": user_id},
        "status": {"S": str(status)},
        "registeredAt": {"S": at},
        STATUS_KEY: {"S": status_key(status, at)},
    }
    return item if position is None else item | {"waitlistPosition": {"N": str(position)}}


def _number(item: Item, name: str) -> int:
    return int(item.get(name, {}).get("N", "0"))
