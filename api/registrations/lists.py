"""The two lists of registrations: a user's with their events, and an event's with their users.

The indexes only say where to look, and may lag behind the records, which are what is shown. A record whose key differs
from the index's is left out: a lagging index shows no registration twice or out of order, but may miss one for a
moment. A list of several statuses of an event must miss none. It goes through them in the order in which records move
(pending, waitlisted, confirmed, rejected, cancelled) and shows a record that has moved to another of these as it stands
now; so it may show one twice, on different pages.

A user's list shows the seats of up to a hundred events. Registering depends on the same ledgers, so the list reads them
eventually consistent: at half the price, and a moment old.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from api.events.responses import Ledgers
from api.http.caller import Caller
from api.http.pagination import PageRequest, invalid_cursor, open_cursor, seal_cursor
from api.http.problems import Problem, RequestError, forbidden
from api.http.types import Response, json_response, url
from api.registrations.positions import settle_positions
from api.registrations.responses import registration_view
from api.settings import RegistrationSettings
from api.users.responses import user_view
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
from workers.aws.user_keys import is_user, is_user_key, user_key
from workers.domain.records import Ledger, Registration, Status

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_MAX_QUERIES = 20
_START = "-"

Row = tuple[str, str]
"""A registration's id and sort key in the index of events; both are `_START` before the first row."""


class RegistrationLists:
    """Pages of registrations."""

    def __init__(self, dynamodb: DynamoDBClient, settings: RegistrationSettings, clock: Clock) -> None:
        self._dynamodb = dynamodb
        self._clock = clock
        self._settings = settings

    def of_event(self, event_id: str, page: PageRequest, caller: Caller, *, as_csv: bool = False) -> Response:
        """Answer 200 with an event's registrations and their users, in order of decision within a status; 404, 403."""
        start = _start_of_event(event_id, page)
        ledger = self._check_event(event_id, caller)
        records, next_cursor = self._walk_event(event_id, page, *start)
        known = Ledgers({event_id: ledger} if ledger else {}, frozenset())

        def belongs(now: Registration, before: Registration) -> bool:
            # In a list of one status, who has come back has another place.
            return now.status in page.statuses and (len(page.statuses) > 1 or now.registered_at == before.registered_at)

        settled, known = self._settle(records, known, belongs)
        if settled != records:
            records = _ordered(settled, page)
        entries = self._with_users(records, known.decoded.get(event_id))
        headers = {"Vary": "Accept"} | page.link(self._url("events", event_id), next_cursor)
        if as_csv:
            from api.registrations.csv import CSV_TYPE, to_csv  # noqa: PLC0415 - few ask for it

            return Response(200, to_csv(entries), headers, CSV_TYPE)
        return json_response(200, {"registrations": entries, "next": next_cursor}, headers)

    def _check_event(self, event_id: str, caller: Caller) -> Ledger | None:
        """Return the event's ledger. Raises a RequestError without such an event, or if the caller may not see this."""
        events, ledgers = self._settings.events_table, self._settings.ledger_table
        key = event_key(event_id)
        found = self._read({events: [key], ledgers: [key]}) if is_key(event_id) else {events: []}
        if not found[events]:
            raise RequestError(Problem("event-not-found", "No event has this id."))
        if not caller.can_list_registrations(found[events][0]):
            raise forbidden("Only the organizer who created the event can list its registrations.")
        return next(map(ledger_from_item, found[ledgers]), None)

    def _with_users(self, records: Sequence[Registration], ledger: Ledger | None) -> list[dict[str, Any]]:
        table = self._settings.users_table
        found = self._read({table: [user_key(record.user_id) for record in records]})[table]
        users = {item["userId"]["S"]: user_view(item) for item in found if is_user(item)}
        return [
            registration_view(record, ledger) | {"user": users.get(record.user_id, {"userId": record.user_id})}
            for record in records
        ]

    def of_user(self, user_id: str, page: PageRequest, caller: Caller) -> Response:
        """Answer 200 with a user's registrations and their events, the oldest first, or 404."""
        scope = f"user {user_id} {page.statuses}"
        row = open_cursor(scope, page.cursor, parts=2) if page.cursor is not None else None
        users, events, ledger = self._settings.users_table, self._settings.events_table, self._settings.ledger_table
        found = self._read({users: [user_key(user_id)]})[users] if is_user_key(user_id) else []
        if not any(is_user(user) and caller.can_see_user(user) for user in found):
            return Problem("user-not-found", "No user has this id.").response()
        records, last = self._walk_user(user_id, page, row)
        next_cursor = seal_cursor(scope, *last) if last else None
        keys = [event_key(record.event_id) for record in records]
        read = self._read({events: keys, ledger: keys}, eventual={ledger})
        ledgers = Ledgers.of(read[ledger])

        def belongs(now: Registration, before: Registration) -> bool:
            # Who has registered again has another place in this list.
            return now.status in page.statuses and now.registered_at == before.registered_at

        records, ledgers = self._settle(records, ledgers, belongs)
        by_id = {item["eventId"]["S"]: item for item in read[events]}
        entries = [_with_event(record, by_id.get(record.event_id), ledgers) for record in records]
        link = page.link(self._url("users", user_id), next_cursor)
        return json_response(200, {"registrations": entries, "next": next_cursor}, link)

    def _settle(
        self, records: list[Registration], ledgers: Ledgers, belongs: Callable[[Registration, Registration], bool]
    ) -> tuple[list[Registration], Ledgers]:
        tables = self._settings.registrations_table, self._settings.ledger_table
        return settle_positions(records, ledgers, belongs, self._read, tables)

    def _walk_event(
        self, event_id: str, page: PageRequest, todo: Sequence[Status], row: Row
    ) -> tuple[list[Registration], str | None]:
        """Read a page of the statuses `todo`, one after the other, the first of them after `row`."""
        records: list[Registration] = []
        for _ in range(_MAX_QUERIES):
            if not todo or len(records) == page.limit:
                break
            start: dict[str, Any] = {}
            if row[0] != _START:
                key = registration_key(row[0]) | event_key(event_id) | {STATUS_KEY: {"S": row[1]}}
                start = {"ExclusiveStartKey": key}
            answer = self._dynamodb.query(
                TableName=self._settings.registrations_table,
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
        # In the order of the index, with the records that have moved on in their new places.
        return _ordered(records, page), seal_cursor(_scope_of_event(event_id, page), todo[0], *row) if todo else None

    def _walk_user(
        self, user_id: str, page: PageRequest, row: Sequence[str] | None
    ) -> tuple[list[Registration], Sequence[str] | None]:
        """Read a page after `row` (None: the first page). Return its last row too, if there may be more after it."""
        records: list[Registration] = []
        for _ in range(_MAX_QUERIES):
            start: dict[str, Any] = {}
            if row is not None:
                key = registration_key(row[0]) | user_key(user_id) | {"registeredAt": {"S": row[1]}}
                start = {"ExclusiveStartKey": key}
            answer = self._dynamodb.query(
                TableName=self._settings.registrations_table,
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
        """Read the records of index rows, in the order of the rows.

        A record that has moved on since its row was written is left out, unless its status is among `moved_to`: its new
        row may not be there yet.
        """
        keys = [registration_key(row["registrationId"]["S"]) for row in rows]
        items = self._read({self._settings.registrations_table: keys})[self._settings.registrations_table]
        found = {item["registrationId"]["S"]: item for item in items}
        records = []
        for row in rows:
            item = found.get(row["registrationId"]["S"])
            record = None if item is None else registration_from_item(item)
            if item and record and (item[sort_key] == row[sort_key] or record.status in moved_to):
                records.append(record)
        return records

    def _url(self, *of: str) -> str:
        return url(self._settings.api_url, *of, "registrations")

    def _read(self, wanted: dict[str, list[Item]], eventual: Collection[str] = ()) -> dict[str, list[Item]]:
        return batch_get(self._dynamodb, self._clock, wanted, eventual=eventual)


def _start_of_event(event_id: str, page: PageRequest) -> tuple[list[Status], Row]:
    """Return the statuses still to read and the row to start after. Raises a RequestError for an invalid cursor."""
    todo = list(page.statuses)
    if page.cursor is None:
        return todo, (_START, _START)
    status, *place = open_cursor(_scope_of_event(event_id, page), page.cursor, parts=3)
    row = (place[0], place[1])
    if status not in todo or not (row[0] == _START or row[1].startswith(f"{status}#")):
        raise invalid_cursor()
    return todo[todo.index(Status(status)) :], row


def _scope_of_event(event_id: str, page: PageRequest) -> str:
    return f"event {event_id} {page.statuses}"


def _with_event(record: Registration, event: Item | None, ledgers: Ledgers) -> dict[str, Any]:
    shown = {"eventId": record.event_id} if event is None else ledgers.view(event)
    return registration_view(record, ledgers.decoded.get(record.event_id)) | {"event": shown}


def _ordered(records: list[Registration], page: PageRequest) -> list[Registration]:
    return sorted(records, key=lambda record: (page.statuses.index(record.status), record.registered_at))


def _once(records: list[Registration]) -> list[Registration]:
    """Drop all but the last record of a registration that was found twice because it moved on meanwhile."""
    last = {record.registration_id: record for record in records}
    return [record for record in records if last[record.registration_id] is record]
