"""The public list of events, by date.

Everyone may ask for it, and registrations depend on the tables that it reads. So no read is strongly consistent, and a
process answers from memory for a moment after it has read a page.

The index has a partition for each status. Within one, DynamoDB sorts by `date` and leaves events of the same date in an
order of its own, which does not change. A list of several statuses takes those of a date in the order of `EventStatus`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from api.events.filter import EventFilter
from api.events.responses import Ledgers
from api.http.cache import Cache
from api.http.pagination import PageRequest, invalid_cursor, open_cursor, seal_cursor
from api.http.types import Response, json_response, url
from api.settings import EventSettings
from workers.aws.clock import Clock
from workers.aws.items import DATE_INDEX, event_key
from workers.aws.load import batch_get
from workers.domain.seat_settings import EventStatus

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CACHE_SECONDS = 2
"""The seconds for which a process reuses a page. Its seats may be that old, plus the lag of an eventually consistent
read: usually a second at most."""

CACHE_PAGES = 20
"""The most pages that a process keeps. Twenty of the longest, with the longest descriptions, take 50 MB."""

_MAX_ROUNDS = 5
"""How often a page is filled up, because the index listed events that have changed since."""

_JUST_AFTER = "!"
"""No date continues with a lower character: what begins with a date and this lies after it, and before all others."""

_Content = tuple[list[dict[str, Any]], str | None]
"""The events of a page, and the cursor of the next one."""


class _Row(NamedTuple):
    """A row of the index."""

    status: str
    event_id: str
    date: str


class EventList:
    """Pages of events with their seats."""

    def __init__(self, dynamodb: DynamoDBClient, settings: EventSettings, clock: Clock) -> None:
        self._dynamodb = dynamodb
        self._clock = clock
        self._events = settings.events_table
        self._ledger = settings.ledger_table
        self._base_url = settings.api_url
        self._cache = Cache[tuple[int, str | None, EventFilter], _Content](CACHE_SECONDS, CACHE_PAGES, clock)

    def page(self, page: PageRequest, wanted: EventFilter) -> Response:
        """Answer 200 with a page of events, by date, and the cursor of the next page."""
        key = page.limit, page.cursor, wanted
        events, next_cursor = self._cache.get(key, lambda: self._read(*key))
        link = page.link(url(self._base_url, "events"), next_cursor)
        return json_response(200, {"events": events, "next": next_cursor}, link)

    def _read(self, limit: int, cursor: str | None, wanted: EventFilter) -> _Content:
        last = _opened(cursor, wanted)
        shown: dict[str, dict[str, Any]] = {}
        for _ in range(_MAX_ROUNDS):
            found = self._rows(limit - len(shown), last, wanted)
            rows, more = found[: limit - len(shown)], len(found) > limit - len(shown)
            shown |= self._views([row for row in rows if row.event_id not in shown], wanted)
            last = rows[-1] if rows else last
            if not more or len(shown) == limit:
                break
        return list(shown.values()), seal_cursor(wanted.scope, *last) if more and last else None

    def _rows(self, count: int, after: _Row | None, wanted: EventFilter) -> list[_Row]:
        """Return the next rows: more than `count` of them unless the list ends there."""
        found = [row for status in wanted.statuses for row in self._rows_of(status, count + 1, after, wanted)]
        return sorted(found, key=lambda row: row.date)  # what has the same date stays in order

    def _rows_of(self, status: EventStatus, most: int, after: _Row | None, wanted: EventFilter) -> Iterator[_Row]:
        first, start = wanted.first, dict[str, Any]()
        if after is not None:
            order = wanted.statuses.index
            shown = order(status) < order(EventStatus(after.status))
            first = max(first, after.date + _JUST_AFTER if shown else after.date)
            if status == after.status:
                start = {"ExclusiveStartKey": event_key(after.event_id) | _index_key(after)}
        if first > wanted.last:
            return
        answer = self._dynamodb.query(
            TableName=self._events,
            IndexName=DATE_INDEX,
            KeyConditionExpression="#status = :status AND #date BETWEEN :first AND :last",
            ExpressionAttributeNames={"#status": "status", "#date": "date"},
            ExpressionAttributeValues={
                ":status": {"S": str(status)},
                ":first": {"S": first},
                ":last": {"S": wanted.last},
            },
            Limit=most,
            **start,
        )
        for item in answer["Items"]:
            yield _Row(str(status), item["eventId"]["S"], item["date"]["S"])

    def _views(self, rows: list[_Row], wanted: EventFilter) -> dict[str, dict[str, Any]]:
        """Return the events of the rows that still match, by id, in the order of the rows."""
        keys = [event_key(row.event_id) for row in rows]
        tables = {self._events: keys, self._ledger: keys}
        found = batch_get(self._dynamodb, self._clock, tables, eventual=tables)
        # Without a ledger nobody has registered, and the event is shown as it was created.
        seats = Ledgers.of(found[self._ledger])
        views = {item["eventId"]["S"]: seats.view(item) for item in found[self._events]}
        return {
            row.event_id: views[row.event_id]
            for row in rows
            if (view := views.get(row.event_id)) and wanted.matches(view["date"], view.get("status", row.status))
        }


def _opened(cursor: str | None, wanted: EventFilter) -> _Row | None:
    """Return the row that a cursor continues after. Raises a RequestError unless it is one of this list."""
    if cursor is None:
        return None
    row = _Row(*open_cursor(wanted.scope, cursor, parts=len(_Row._fields)))
    if not wanted.matches(row.date, row.status):
        raise invalid_cursor()
    return row


def _index_key(row: _Row) -> dict[str, Any]:
    return {"status": {"S": row.status}, "date": {"S": row.date}}
