"""The two lists of registrations: a user's with their events, an event's with their users.

The indexes say where to look and may lag; what is shown comes from the records themselves. Where their present key is
another one than the index says, it is not shown: a lagging index shows nobody twice or out of order, but while it lags
somebody may be missing for a moment. The walk through several statuses of an event is to miss nobody: it goes pending,
waitlisted, confirmed, rejected, cancelled, the way records move, and shows who has moved on to another one of these, as
she stands now; so it may show her twice.

Beside a user's records are the seats of up to a hundred events. Registrations depend on the ledgers that these come
from, so they are read eventually consistent: half the price, and a moment old.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from api.http.caller import Caller
from api.http.pagination import Page, no_cursor, open_cursor, seal_cursor
from api.http.problems import Problem, forbidden
from api.http.types import Response, json_response, url
from api.registrations.snapshot import Tables
from api.users.user_keys import is_user, is_user_key, user_key
from api.views import Ledgers, registration_view, user_view, waitlist_position
from workers.aws import clients
from workers.aws.clock import Clock
from workers.aws.items import (
    EVENT_INDEX,
    STATUS_KEY,
    USER_INDEX,
    Item,
    event_key,
    is_key,
    ledger_from_item,
    registration_from_item,
    registration_key,
)
from workers.aws.load import batch_get
from workers.domain.records import Registration, Status

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_MAX_QUERIES = 20
_START = "-"

Row = tuple[str, str]
"""A registration's id and the sort key of its row in the index of events; both `_START`: before the first row."""


class Lists:
    """Pages of registrations."""

    def __init__(self, dynamodb: DynamoDBClient, env: dict[str, str], clock: Clock) -> None:
        self._dynamodb = dynamodb
        self._clock = clock
        self._tables = Tables.of(env)
        self._base_url = clients.setting(env, "API_URL")

    def of_event(self, event_id: str, page: Page, caller: Caller, *, as_csv: bool = False) -> Response:
        """200: the registrations of an event, each with its `user`; within a status in the order decided. 404, 403."""
        start = _start_of_event(event_id, page)
        key = event_key(event_id)
        sides = (
            self._read({self._tables.events: [key], self._tables.ledger: [key]})
            if is_key(event_id)
            else {self._tables.events: []}
        )
        if not sides[self._tables.events]:
            return Problem("event-not-found", "No event has this id.").response()
        if not caller.can_list_registrations(sides[self._tables.events][0]):
            raise forbidden("Who has registered is shown to who has created the event.")
        records, following = self._walk_event(event_id, page, *start)
        ledger = next(map(ledger_from_item, sides[self._tables.ledger]), None)
        if any(record.status is Status.WAITLISTED and waitlist_position(record, ledger) is None for record in records):
            # Somebody joined the line after the ledger was read.
            ledger = next(map(ledger_from_item, self._read({self._tables.ledger: [key]})[self._tables.ledger]), None)
        found = self._read({self._tables.users: [user_key(record.user_id) for record in records]})[self._tables.users]
        users = {item["userId"]["S"]: user_view(item) for item in found if is_user(item)}
        entries = [
            registration_view(record, ledger) | {"user": users.get(record.user_id, {"userId": record.user_id})}
            for record in records
        ]
        headers = {"Vary": "Accept"} | page.link(self._url("events", event_id), following)
        if as_csv:
            from api.registrations.csv import CSV_TYPE, table  # noqa: PLC0415 - few ask for it

            return Response(200, table(entries), headers, CSV_TYPE)
        return json_response(200, {"registrations": entries, "next": following}, headers)

    def of_user(self, user_id: str, page: Page, caller: Caller) -> Response:
        """200: the registrations of a user, oldest first, each with its `event`. Or 404."""
        scope = f"user {user_id} {page.statuses}"
        row = open_cursor(scope, page.cursor, parts=2) if page.cursor is not None else None
        key = user_key(user_id)
        found = self._read({self._tables.users: [key]})[self._tables.users] if is_user_key(user_id) else []
        if not any(is_user(user) and caller.sees_user(user) for user in found):
            return Problem("user-not-found", "Nobody has this id.").response()
        records, last = self._walk_user(user_id, page, row)
        following = seal_cursor(scope, *last) if last else None
        keys, ledger = [event_key(record.event_id) for record in records], self._tables.ledger
        sides = self._read({self._tables.events: keys, ledger: keys}, eventual={ledger})
        ledgers = Ledgers.of(sides[ledger])
        if unplaced := [event_key(record.event_id) for record in records if _has_no_place(record, ledgers)]:
            ledgers = Ledgers.of([*sides[ledger], *self._read({ledger: unplaced})[ledger]])
        events = {item["eventId"]["S"]: item for item in sides[self._tables.events]}
        entries = [self._with_event(record, events.get(record.event_id), ledgers) for record in records]
        link = page.link(self._url("users", user_id), following)
        return json_response(200, {"registrations": entries, "next": following}, link)

    def _with_event(self, record: Registration, event: Item | None, ledgers: Ledgers) -> dict[str, Any]:
        shown = {"eventId": record.event_id} if event is None else ledgers.view(event)
        return registration_view(record, ledgers.sound.get(record.event_id)) | {"event": shown}

    def _walk_event(
        self, event_id: str, page: Page, todo: Sequence[Status], row: Row
    ) -> tuple[list[Registration], str | None]:
        """One status after the other: those `todo`, the first behind this row."""
        records: list[Registration] = []
        for _ in range(_MAX_QUERIES):
            if not todo or len(records) == page.limit:
                break
            start: dict[str, Any] = {}
            if row[0] != _START:
                key = registration_key(row[0]) | event_key(event_id) | {STATUS_KEY: {"S": row[1]}}
                start = {"ExclusiveStartKey": key}
            answer = self._dynamodb.query(
                TableName=self._tables.registrations,
                IndexName=EVENT_INDEX,
                KeyConditionExpression="eventId = :event AND begins_with(#key, :status)",
                ExpressionAttributeNames={"#key": STATUS_KEY},
                ExpressionAttributeValues={":event": {"S": event_id}, ":status": {"S": f"{todo[0]}#"}},
                Limit=page.limit - len(records),
                **start,
            )
            found = self._records(answer["Items"], STATUS_KEY, moved_to=page.statuses if len(page.statuses) > 1 else ())
            records = _once([*records, *found])
            last = answer.get("LastEvaluatedKey")
            row = (last["registrationId"]["S"], last[STATUS_KEY]["S"]) if last else (_START, _START)
            todo = todo if last else todo[1:]
        # As the index has them; who has moved on, in her place among the others.
        records.sort(key=lambda record: (page.statuses.index(record.status), record.registered_at))
        return records, seal_cursor(_scope_of_event(event_id, page), todo[0], *row) if todo else None

    def _walk_user(
        self, user_id: str, page: Page, row: Sequence[str] | None
    ) -> tuple[list[Registration], Sequence[str] | None]:
        """A page behind this row (None: from the beginning), and its last row, if there may be more behind that."""
        records: list[Registration] = []
        for _ in range(_MAX_QUERIES):
            start: dict[str, Any] = {}
            if row is not None:
                key = registration_key(row[0]) | user_key(user_id) | {"registeredAt": {"S": row[1]}}
                start = {"ExclusiveStartKey": key}
            answer = self._dynamodb.query(
                TableName=self._tables.registrations,
                IndexName=USER_INDEX,
                KeyConditionExpression="userId = :user",
                ExpressionAttributeValues={":user": {"S": user_id}},
                Limit=page.limit - len(records),
                **start,
            )
            found = self._records(answer["Items"], "registeredAt")
            records = [record for record in _once([*records, *found]) if record.status in page.statuses]
            last = answer.get("LastEvaluatedKey")
            if not last:
                return records, None
            row = [last["registrationId"]["S"], last["registeredAt"]["S"]]
            if len(records) == page.limit:
                break
        return records, row

    def _records(self, rows: list[Item], sort_key: str, moved_to: Sequence[Status] = ()) -> list[Registration]:
        """The records behind index rows, in the order of the rows.

        Of those that have moved on since the index was written, only those that now have one of the statuses
        `moved_to`: their new row may not be there yet.
        """
        keys = [registration_key(row["registrationId"]["S"]) for row in rows]
        items = self._read({self._tables.registrations: keys})[self._tables.registrations]
        found = {item["registrationId"]["S"]: item for item in items}
        records = []
        for row in rows:
            item = found.get(row["registrationId"]["S"])
            record = None if item is None else registration_from_item(item)
            if item and record and (item[sort_key] == row[sort_key] or record.status in moved_to):
                records.append(record)
        return records

    def _url(self, *of: str) -> str:
        return url(self._base_url, *of, "registrations")

    def _read(self, wanted: dict[str, list[Item]], eventual: Collection[str] = ()) -> dict[str, list[Item]]:
        return batch_get(self._dynamodb, self._clock, wanted, eventual=eventual)


def _start_of_event(event_id: str, page: Page) -> tuple[list[Status], Row]:
    """The statuses that are still to be walked through, and behind which row. RequestError if the cursor is none."""
    todo = list(page.statuses)
    if page.cursor is None:
        return todo, (_START, _START)
    status, *place = open_cursor(_scope_of_event(event_id, page), page.cursor, parts=3)
    row = (place[0], place[1])
    if status not in todo or not (row[0] == _START or row[1].startswith(f"{status}#")):
        raise no_cursor()
    return todo[todo.index(Status(status)) :], row


def _scope_of_event(event_id: str, page: Page) -> str:
    return f"event {event_id} {page.statuses}"


def _has_no_place(record: Registration, ledgers: Ledgers) -> bool:
    """Whether somebody waits at an event whose ledger does not know their ticket: as a rule it is older than that."""
    waits = record.status is Status.WAITLISTED and record.event_id not in ledgers.damaged
    return waits and waitlist_position(record, ledgers.sound.get(record.event_id)) is None


def _once(records: list[Registration]) -> list[Registration]:
    """Who was found twice, since she moved on meanwhile, is shown once, as she was found last."""
    last = {record.registration_id: record for record in records}
    return [record for record in records if last[record.registration_id] is record]
