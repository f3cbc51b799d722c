"""The public list of events.

Anybody may ask for it, and registrations depend on the tables it reads. So no read is strongly consistent, and a
process that has just read a page answers from memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.http.cache import Cache
from api.http.pagination import Page, open_cursor, seal_cursor
from api.http.types import Response, json_response, url
from api.views import Ledgers
from workers.aws import clients
from workers.aws.clock import Clock
from workers.aws.items import event_key
from workers.aws.load import batch_get

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CACHE_SECONDS = 2
"""How long a process shows a page again. Its seats may be so old, and older by what an eventually consistent read is
behind: a second, as a rule."""

CACHE_PAGES = 20
"""How many pages a process keeps. A page has at most 1 MB of events, so even the largest twenty fit into its memory."""

_SCOPE = "events"

_Content = tuple[list[dict[str, Any]], str | None]
"""The events of a page, and the cursor of the next one."""


class EventList:
    """Pages of events with their seats."""

    def __init__(self, dynamodb: DynamoDBClient, env: dict[str, str], clock: Clock) -> None:
        self._dynamodb = dynamodb
        self._clock = clock
        self._events = clients.setting(env, "EVENTS_TABLE")
        self._ledger = clients.setting(env, "LEDGER_TABLE")
        self._base_url = clients.setting(env, "API_URL")
        self._cache = Cache[tuple[int, str | None], _Content](CACHE_SECONDS, CACHE_PAGES, clock)

    def page(self, page: Page) -> Response:
        """200: a page of events in no particular order, and the cursor of the next."""
        key = page.limit, page.cursor
        events, following = self._cache.get(key, lambda: self._read(*key))
        link = page.link(url(self._base_url, "events"), following)
        return json_response(200, {"events": events, "next": following}, link)

    def _read(self, limit: int, cursor: str | None) -> _Content:
        start: dict[str, Any] = {}
        if cursor is not None:
            start["ExclusiveStartKey"] = event_key(open_cursor(_SCOPE, cursor)[0])
        found = self._dynamodb.scan(TableName=self._events, Limit=limit, **start)
        wanted = {self._ledger: [event_key(item["eventId"]["S"]) for item in found["Items"]]}
        # A ledger that is not there yet leaves the event as it was made: nobody has registered.
        seats = Ledgers.of(batch_get(self._dynamodb, self._clock, wanted, eventual=wanted)[self._ledger])
        last = found.get("LastEvaluatedKey")
        following = seal_cursor(_SCOPE, last["eventId"]["S"]) if last else None
        return [seats.view(item) for item in found["Items"]], following
