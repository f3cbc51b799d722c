"""What every function of the API does alike: finds the route, answers, turns errors into problem documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from api.messages import Request, Response
from api.problems import RETRY_AFTER_SECONDS, Problem, RequestError
from api.routes import ROUTES
from workers.aws.clients import passes_by_itself
from workers.observability import logger

Handlers = Mapping[str, Callable[[Request], Response]]
"""The routes of one function, by API Gateway's route key: `GET /users/{userId}`."""


def answer(handlers: Handlers, event: Mapping[str, Any]) -> dict[str, Any]:
    """Answers one API Gateway event; every log line of it carries the request's id, and that of its event if any."""
    request = Request.of(event)
    key, ids = _route(request)
    logger.append_keys(request_id=request.id, event_id=ids.get("eventId"), command_id=None, registration_id=None)
    handler = handlers.get(key, _no_such_route)
    try:
        response = handler(replace(request, ids=ids))
    except RequestError as refusal:
        response = refusal.problem.response()
    except Exception as error:  # noqa: BLE001 - API Gateway would show its text to the client
        response = _failed(error, request)
    return response.as_event()


def _route(request: Request) -> tuple[str, Mapping[str, str]]:
    """Its key and the ids in its path; the empty key if there is no such route."""
    for route in ROUTES:
        if route.method == request.method and (ids := route.ids_in(request.path)) is not None:
            return route.key, ids
    return "", {}


def _no_such_route(request: Request) -> Response:
    """404, or 405 with `Allow` if the path is known with other methods."""
    allowed = sorted(route.method for route in ROUTES if route.ids_in(request.path) is not None)
    if allowed and request.method not in allowed:
        allow = {"Allow": ", ".join(allowed)}
        return Problem("method-not-allowed", f"It takes {allow['Allow']}.", headers=allow).response()
    return Problem("route-not-found", "No route has this path.").response()


def _failed(error: Exception, request: Request) -> Response:
    if passes_by_itself(error):
        logger.warning("overloaded", exc_info=error)
        retry = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        return Problem("overloaded", "Please try again in a moment.", headers=retry).response()
    logger.error("unexpected error", exc_info=error)
    return Problem("internal-error", f"The log has more under request id {request.id}.").response()
