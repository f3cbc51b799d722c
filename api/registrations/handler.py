"""The routes of registrations and of their lists, and the Lambda entry of their function."""

from __future__ import annotations

import os
import uuid
from functools import cache
from typing import Any

from api.http.app import App
from api.http.body import read_body
from api.http.dispatch import Handlers
from api.http.headers import header
from api.http.pagination import parse_registrations_page
from api.http.types import Request, Response
from api.models.registration import NewRegistration
from api.registrations.headers import parse_registration_headers
from api.registrations.lists import RegistrationLists
from api.registrations.service import RegistrationService
from api.settings import AccessSettings, RegistrationSettings
from workers.aws import clients
from workers.aws.clock import SYSTEM_CLOCK, Clock


def routes(registrations: RegistrationService, lists: RegistrationLists, clock: Clock) -> Handlers:
    """Return the handler of each route."""

    def register(request: Request) -> Response:
        user_id = read_body(request, NewRegistration).user_id
        headers = parse_registration_headers(request, clock.now())
        return registrations.register(request.ids["eventId"], user_id, headers, request.caller)

    def read(request: Request) -> Response:
        return registrations.read(request.ids["eventId"], request.ids["userId"], request.caller)

    def cancel(request: Request) -> Response:
        headers = parse_registration_headers(request, clock.now())
        return registrations.cancel(request.ids["eventId"], request.ids["userId"], headers, request.caller)

    def list_of_event(request: Request) -> Response:
        from api.registrations.csv import prefers_csv  # noqa: PLC0415 - a cold start need not load what is seldom used

        as_csv = prefers_csv(header(request, "Accept"))
        page = parse_registrations_page(request)
        return lists.of_event(request.ids["eventId"], page, request.caller, as_csv=as_csv)

    def list_of_user(request: Request) -> Response:
        return lists.of_user(request.ids["userId"], parse_registrations_page(request), request.caller)

    return {
        "POST /events/{eventId}/registrations": register,
        "GET /events/{eventId}/registrations": list_of_event,
        "GET /events/{eventId}/registrations/{userId}": read,
        "DELETE /events/{eventId}/registrations/{userId}": cancel,
        "GET /users/{userId}/registrations": list_of_user,
    }


@cache
def _app() -> App:
    settings, dynamodb = RegistrationSettings.load(os.environ), clients.dynamodb()
    service = RegistrationService(dynamodb, clients.sqs(), settings, SYSTEM_CLOCK, lambda: str(uuid.uuid4()))
    handlers = routes(service, RegistrationLists(dynamodb, settings, SYSTEM_CLOCK), SYSTEM_CLOCK)
    return App.of(handlers, AccessSettings.load(os.environ), SYSTEM_CLOCK)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer one request, as the Lambda entry of registrations and of their lists."""
    return _app().respond(event)
