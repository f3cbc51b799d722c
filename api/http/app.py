"""The HTTP application of one function: its routes behind authentication and the write limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.http.auth import authenticator
from api.http.dispatch import Authenticate, Handlers, dispatch, internal_error
from api.http.problems import RETRY_AFTER_SECONDS, Problem
from api.http.rate_limit import WriteLimit, limited
from api.http.routes import ROUTES
from api.http.types import Request, Response
from api.settings import AccessSettings
from workers.aws.clients import is_transient
from workers.aws.clock import Clock
from workers.telemetry import logger


@dataclass(frozen=True, slots=True)
class App:
    """The handlers of one function's routes, who may call them, and the base URL of the API."""

    handlers: Handlers
    authenticate: Authenticate
    base_url: str

    @classmethod
    def of(cls, handlers: Handlers, access: AccessSettings, clock: Clock) -> App:
        """Put handlers behind the authentication and the write limit of the settings."""
        if access.writes_per_second is not None:
            handlers = limited(handlers, WriteLimit(access.writes_per_second, access.writes_burst, clock))
        return cls(handlers, authenticator(access, clock), access.api_url)

    def respond(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one event of API Gateway: 404, 405 or 401 for what no handler takes, 503 while AWS is overloaded."""
        return dispatch(self.handlers, event, ROUTES, self.authenticate, _on_error, base_url=self.base_url)


def _on_error(error: Exception, request: Request) -> Response:
    if is_transient(error):
        logger.warning("overloaded", exc_info=error)
        retry = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        return Problem("overloaded", "Try again in a moment.", headers=retry).response()
    return internal_error(error, request)
