"""The errors of the API: one table from each stable `code` to its status and title (RFC 9457)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from api.http.types import Response

CODES: dict[str, tuple[int, str]] = {
    "invalid-json": (400, "The body is not valid JSON"),
    "invalid-request": (400, "The request is invalid"),
    "unauthenticated": (401, "Authentication required"),
    "forbidden": (403, "Permission denied"),
    "route-not-found": (404, "Route not found"),
    "user-not-found": (404, "User not found"),
    "event-not-found": (404, "Event not found"),
    "not-registered": (404, "Registration not found"),
    "method-not-allowed": (405, "Method not allowed"),
    "user-exists": (409, "This user id is taken"),
    "account-has-user": (409, "This account already has a user"),
    "event-exists": (409, "This event id is taken"),
    "already-registered": (409, "This user is already registered for this event"),
    "registration-cancelled": (409, "The registration was cancelled meanwhile"),
    "event-full": (409, "The event is full and has no waiting list"),
    "waitlist-full": (409, "The event and its waiting list are full"),
    "registration-closed": (409, "The event does not accept registrations"),
    "discarded": (409, "The request could not be processed and was discarded"),
    "precondition-failed": (412, "The event has changed"),
    "body-too-large": (413, "The body is larger than 64 KB"),
    "unsupported-media-type": (415, "The body must be uncompressed application/json"),
    "too-many-requests": (429, "Too many requests"),
    "internal-error": (500, "Something went wrong on our side"),
    "overloaded": (503, "Temporarily overloaded"),
}

MAX_ERRORS = 20
"""The most invalid places that one problem names."""

RETRY_AFTER_SECONDS = 1
"""The `Retry-After` of answers that are worth repeating soon."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An error. `errors` are `{"pointer": ..., "detail": ...}` of invalid input, `extra` are further members."""

    code: str
    detail: str
    errors: tuple[dict[str, str], ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """Return the response with the problem document, which has neither `type` nor `requestId` yet."""
        status, title = CODES[self.code]
        members: dict[str, Any] = {
            "title": title, "status": status, "detail": self.detail, "code": self.code, **self.extra,
        }  # fmt: skip
        if self.errors:
            members["errors"] = list(self.errors)
        return Response(status, headers=self.headers, problem=members)


class RequestError(Exception):
    """The request is refused; `problem` tells the client why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


def forbidden(detail: str) -> RequestError:
    """Return the error for callers who may see a resource, but not do this to it."""
    return RequestError(Problem("forbidden", detail))


def invalid(pointer: str, detail: str) -> RequestError:
    """Return the error about one place of the request: a JSON pointer into the body, `?parameter` or a header."""
    return invalid_places((pointer, detail))


def invalid_places(*places: tuple[str, str]) -> RequestError:
    """Return the error about several places, each with its pointer and detail."""
    errors = tuple({"pointer": pointer, "detail": detail} for pointer, detail in places)
    return RequestError(Problem("invalid-request", "The request is invalid.", errors))
