"""The routes of `/users` and `/problems`, and the Lambda entry of their function, which also answers other paths."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from api.http.app import App
from api.http.body import read_body
from api.http.dispatch import Handlers
from api.http.explanations import explain
from api.http.types import Request, Response
from api.models.user import NewUser
from api.settings import AccessSettings, UserSettings
from api.users.service import UserService
from workers.aws import clients
from workers.aws.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from api.users.erasure import UserEraser


def routes(users: UserService, eraser: Callable[[], UserEraser]) -> Handlers:
    """Return the handler of each route. `eraser` is called when a user is to be erased, and not before."""

    def create(request: Request) -> Response:
        return users.create(read_body(request, NewUser), request.caller)

    def read(request: Request) -> Response:
        return users.read(request.ids["userId"], request.caller)

    def erase(request: Request) -> Response:
        return eraser().erase(request.ids["userId"], request.caller)

    return {
        "POST /users": create,
        "GET /users/{userId}": read,
        "DELETE /users/{userId}": erase,
        "GET /problems/{code}": explain,
    }


@cache
def _app() -> App:
    settings, dynamodb = UserSettings.load(os.environ), clients.dynamodb()

    @cache
    def eraser() -> UserEraser:
        from api.users.erasure import UserEraser  # noqa: PLC0415 - a cold start need not load what is seldom used

        return UserEraser(dynamodb, clients.sqs(), settings, SYSTEM_CLOCK, lambda: str(uuid.uuid4()))

    handlers = routes(UserService(dynamodb, settings, SYSTEM_CLOCK), eraser)
    return App.of(handlers, AccessSettings.load(os.environ), SYSTEM_CLOCK)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer one request, as the Lambda entry of `/users` and of every path that no route takes."""
    return _app().respond(event)
