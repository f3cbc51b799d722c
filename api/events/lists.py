"""The public list of events.

Everyone may ask for it, and registrations depend on the tables that it reads. So no read is strongly consistent, and a
process answers from memory for a moment after it has read a page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.events.responses import Ledgers
from api.http.cache import Cache
from api.http.pagination import PageRequest, open_cursor, seal_cursor
from api.http.types import Response, json_response, url
from api.settings import EventSettings
from workers.aws.clock import Clock
from workers.aws.items import event_key
from workers.aws.load import batch_get

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CACHE_SECONDS = 2
"""The seconds for which a process reuses a page. Its seats may be that old, plus the lag of an eventually consistent
read: usually a second at most."""

CACHE_PAGES = 20
"""The most pages that a process keeps. A page has at most 1 MB of events, so twenty of any size fit into its memory."""

_SCOPE = "events"

_Content = tuple[list[dict[str, Any]], str | None]
"""The events of a page, and the cursor of the next one."""


class EventList:
    """Pages of events with their seats."""

    def __init__(self, dynamodb: DynamoDBClient, settings: EventSettings, clock: Clock) -> None:
        self._dynamodb = dynamodb
        self._clock = clock
        self._events = settings.events_table
        self._ledger = settings.ledger_table
        self._base_url = settings.api_url
        self._cache = Cache[tuple[int, str | None], _Content](CACHE_SECONDS, CACHE_PAGES, clock)

    def page(self, page: PageRequest) -> Response:
        """Answer 200 with a page of events, in no particular order, and the cursor of the next page."""
        key = page.limit, page.cursor
        events, next_cursor = self._cache.get(key, lambda: self._read(*key))
        link = page.link(url(self._base_url, "events"), next_cursor)
        return json_response(200, {"events": events, "next": next_cursor}, link)

    def _read(self, limit: int, cursor: str | None) -> _Content:
        start: dict[str, Any] = {}
        if cursor is not None:
            start["ExclusiveStartKey"] = event_key(open_cursor(_SCOPE, cursor)[0])
        found = self._dynamodb.scan(TableName=self._events, Limit=limit, **start)
        wanted = {self._ledger: [event_key(item["eventId"]["S"]) for item in found["Items"]]}
        # Without a ledger nobody has registered, and the event is shown as it was created.
        seats = Ledgers.of(batch_get(self._dynamodb, self._clock, wanted, eventual=wanted)[self._ledger])
        last = found.get("LastEvaluatedKey")
        next_cursor = seal_cursor(_SCOPE, last["eventId"]["S"]) if last else None
        return [seats.view(item) for item in found["Items"]], next_cursor
