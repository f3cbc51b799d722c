"""Every error that the API can answer: one table from a stable `code` to its status and title (RFC 9457)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from api.http.types import Response

CODES: dict[str, tuple[int, str]] = {
    "invalid-json": (400, "The body is not valid JSON"),
    "invalid-request": (400, "The request does not have the form that is asked for"),
    "unauthenticated": (401, "It is not known who asks"),
    "forbidden": (403, "The caller may not do this"),
    "route-not-found": (404, "There is no such route"),
    "user-not-found": (404, "There is no such user"),
    "event-not-found": (404, "There is no such event"),
    "not-registered": (404, "There is no such registration"),
    "method-not-allowed": (405, "This route does not take this method"),
    "user-exists": (409, "This user id is taken"),
    "account-has-user": (409, "This account has a user already"),
    "event-exists": (409, "This event id is taken"),
    "already-registered": (409, "This user is already registered for this event"),
    "event-full": (409, "The event is full and has no waiting list"),
    "waitlist-full": (409, "The event and its waiting list are full"),
    "registration-closed": (409, "The event does not take registrations"),
    "discarded": (409, "The request could not be processed, and was discarded"),
    "precondition-failed": (412, "The event has changed since"),
    "body-too-large": (413, "The body is larger than 64 KB"),
    "unsupported-media-type": (415, "The body must be application/json"),
    "too-many-requests": (429, "Too many changes in too short a time"),
    "internal-error": (500, "Something went wrong on our side"),
    "overloaded": (503, "Too much is going on just now"),
}

RETRY_AFTER_SECONDS = 1
"""When to come again, in `Retry-After`."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An error answer. `errors` are `{"pointer": ..., "detail": ...}` for invalid input, `extra` further members."""

    code: str
    detail: str
    errors: tuple[dict[str, str], ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """The problem document."""
        status, title = CODES[self.code]
        body: dict[str, Any] = {
            "type": f"urn:turnstile:problem:{self.code}",
            "title": title,
            "status": status,
            "detail": self.detail,
            "code": self.code,
            **self.extra,
        }
        if self.errors:
            body["errors"] = list(self.errors)
        return Response(status, json.dumps(body), self.headers, "application/problem+json")


class RequestError(Exception):
    """The request cannot be taken; `problem` tells the client why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


def forbidden(detail: str) -> RequestError:
    """A RequestError for who may see it, and not do this with it."""
    return RequestError(Problem("forbidden", detail))


def invalid(pointer: str, detail: str) -> RequestError:
    """A RequestError about one place of the request: a JSON pointer into the body, or `?name` or a header's name."""
    return RequestError(
        Problem("invalid-request", "The request is invalid.", ({"pointer": pointer, "detail": detail},))
    )
