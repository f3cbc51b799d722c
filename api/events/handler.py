"""The routes of `/events`, and the Lambda entry of their function."""

from __future__ import annotations

import os
import uuid
from functools import cache
from typing import Any

from api.events.filter import FILTERS, parse_filter
from api.events.lists import EventList
from api.events.service import EventService
from api.http.app import App
from api.http.body import read_body
from api.http.dispatch import Handlers
from api.http.etag import parse_entity_tags
from api.http.headers import header
from api.http.pagination import parse_page
from api.http.polling import parse_prefer
from api.http.problems import forbidden
from api.http.types import Request, Response
from api.models.event import EventChange, NewEvent
from api.settings import AccessSettings, EventSettings
from workers.aws import clients
from workers.aws.clock import SYSTEM_CLOCK, Clock


def routes(events: EventService, event_list: EventList, clock: Clock) -> Handlers:
    """Return the handler of each route."""

    def create(request: Request) -> Response:
        if not request.caller.can_create_events:
            raise forbidden("Only organizers can create events.")
        return events.create(read_body(request, NewEvent), request.caller)

    def change(request: Request) -> Response:
        wait = parse_prefer(header(request, "Prefer"), clock.now())
        tags = parse_entity_tags("If-Match", header(request, "If-Match"))
        wanted = None if tags is None else tags.revisions()
        return events.change(request.ids["eventId"], read_body(request, EventChange), wait, wanted, request.caller)

    def read(request: Request) -> Response:
        known = parse_entity_tags("If-None-Match", header(request, "If-None-Match"))
        return events.read(request.ids["eventId"], known)

    return {
        "POST /events": create,
        "GET /events": lambda request: event_list.page(parse_page(request, *FILTERS), parse_filter(request)),
        "GET /events/{eventId}": read,
        "PATCH /events/{eventId}": change,
    }


@cache
def _app() -> App:
    settings, dynamodb = EventSettings.load(os.environ), clients.dynamodb()
    events = EventService(dynamodb, clients.sqs(), settings, SYSTEM_CLOCK, lambda: str(uuid.uuid4()))
    handlers = routes(events, EventList(dynamodb, settings, SYSTEM_CLOCK), SYSTEM_CLOCK)
    return App.of(handlers, AccessSettings.load(os.environ), SYSTEM_CLOCK)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer one request, as the Lambda entry of `/events`."""
    return _app().respond(event)
