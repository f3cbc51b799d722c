"""What the functions of the API do alike: they answer from the one table of routes, and say when AWS has no time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.http.dispatch import Handlers, Identify, dispatch, unexpected
from api.http.problems import RETRY_AFTER_SECONDS, Problem
from api.http.routes import ROUTES
from api.http.types import Request, Response
from workers.aws.clients import is_transient
from workers.telemetry import logger


def answer(handlers: Handlers, event: Mapping[str, Any], identify: Identify) -> dict[str, Any]:
    """Answers one API Gateway event: 404 or 405 if the handlers have no such route, 401 if it needs a token and has
    none, 503 if AWS has no time."""
    return dispatch(handlers, event, ROUTES, identify, _failed)


def _failed(error: Exception, request: Request) -> Response:
    if is_transient(error):
        logger.warning("overloaded", exc_info=error)
        retry = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        return Problem("overloaded", "Please try again in a moment.", headers=retry).response()
    return unexpected(error, request)
