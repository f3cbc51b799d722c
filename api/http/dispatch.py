"""Find the route of a request, call its handler, and turn failures into problem documents.

Of AWS, this module knows only API Gateway's events, so that a function that calls no service need not load the SDK.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from api.http.caller import ANONYMOUS, Caller
from api.http.problems import MAX_ERRORS, Problem, RequestError, invalid_places
from api.http.routes import Route
from api.http.types import Request, Response
from workers.telemetry import logger

Handlers = Mapping[str, Callable[[Request], Response]]
"""The handlers of one function by API Gateway's route key: `GET /users/{userId}`."""

Authenticate = Callable[[Request], Caller | None]
"""Returns who sends a request, None without a valid token."""

OnError = Callable[[Exception, Request], Response]
"""Returns the answer to an unexpected exception."""


def dispatch(
    handlers: Handlers,
    event: Mapping[str, Any],
    routes: Sequence[Route],
    authenticate: Authenticate,
    on_error: OnError,
    *,
    base_url: str,
) -> dict[str, Any]:
    """Answer one event of API Gateway. Its log lines carry the request's id, and that of the event if there is one.

    `base_url` is that of the API, without a trailing slash.
    """
    request = Request.of(event)
    route, ids = _route(request, routes)
    logger.append_keys(request_id=request.id, event_id=ids.get("eventId"), command_id=None, registration_id=None)
    handler = handlers.get(route.key) if route else None
    try:
        if route is None or handler is None:
            response = _no_such_route(request, routes)
        else:
            caller = _caller(request, route, authenticate)
            _refuse_unknown_parameters(request, route)
            response = handler(replace(request, ids=ids, caller=caller))
    except RequestError as refusal:
        response = refusal.problem.response()
    except Exception as error:  # noqa: BLE001 - API Gateway would send its text to the client
        response = on_error(error, request)
    response = response.for_request(request.id, base_url)
    if request.method == "HEAD":  # its answer has no body (RFC 9110, section 9.3.2)
        response = replace(response, body="")
    return response.as_event()


def internal_error(error: Exception, request: Request) -> Response:
    """Answer 500, and log the error with the request's id."""
    logger.error("unexpected error", exc_info=error)
    return Problem("internal-error", f"Report it with the request id {request.id}.").response()


def anonymous(_request: Request) -> None:
    """Authenticate nobody: for a function whose routes are all public."""


def _route(request: Request, routes: Sequence[Route]) -> tuple[Route | None, Mapping[str, str]]:
    """Return the route and the ids in its path; None if there is no such route."""
    for route in routes:
        if route.method == request.method and (ids := route.ids_in(request.path)) is not None:
            return route, ids
    return None, {}


def _caller(request: Request, route: Route, authenticate: Authenticate) -> Caller:
    """Return who sends the request. Raises a RequestError if the route needs a token and there is no valid one."""
    caller = authenticate(request)
    if caller is None and not route.public:
        detail = "Send an access token for this API in the header Authorization: Bearer TOKEN."
        raise RequestError(Problem("unauthenticated", detail, headers={"WWW-Authenticate": "Bearer"}))
    return caller or ANONYMOUS


def _refuse_unknown_parameters(request: Request, route: Route) -> None:
    """Raise a RequestError that names the query parameters that the route does not have."""
    unknown = [] if route.query is None else sorted(request.query.keys() - set(route.query))
    if unknown:
        raise invalid_places(*((f"?{name[:100]}", "Unknown query parameter.") for name in unknown[:MAX_ERRORS]))


def _no_such_route(request: Request, routes: Sequence[Route]) -> Response:
    """Answer 404; for a path with other methods 405 with `Allow`, or 204 to `OPTIONS`.

    Where CORS is configured, API Gateway answers a browser's preflight request itself or adds its headers to this
    answer: its documentation says both, and catch-all routes have received preflight requests
    (aws/serverless-application-model#1603). A browser requires a 2xx status.
    """
    methods = {route.method for route in routes if route.ids_in(request.path) is not None}
    if not methods or request.method in methods:
        return Problem("route-not-found", "No route has this path.").response()
    allow = {"Allow": ", ".join(sorted(methods | {"OPTIONS"}))}
    if request.method == "OPTIONS":
        return Response(204, headers=allow)
    return Problem("method-not-allowed", f"Allowed methods: {allow['Allow']}.", headers=allow).response()
