"""The routes of the HTTP API: which function serves which method and path.

One table, read by the stack, which creates the routes, by the function that answers everything else (404, or 405 with
`Allow`), and by the tests that compare code, stack and documents. The reference page has a table of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

Function = Literal["users", "events", "registrations", "docs"]


@dataclass(frozen=True, slots=True)
class Route:
    """A route. `path` is in API Gateway's notation: `/users/{userId}`; a `public` route needs no token.

    `query` are its query parameters, and others are refused; None accepts any.
    """

    method: str
    path: str
    function: Function
    public: bool = False
    query: tuple[str, ...] | None = ()

    @property
    def key(self) -> str:
        """API Gateway's route key: `GET /users/{userId}`."""
        return f"{self.method} {self.path}"

    @property
    def is_list(self) -> bool:
        """Return whether it answers pages of a list: a `GET` of a path that does not end with an id."""
        return self.method == "GET" and not self.path.endswith("}")

    def ids_in(self, path: str) -> Mapping[str, str] | None:
        """Return the ids in a decoded path of this route, by name; None for any other path."""
        found = _pattern(self.path).fullmatch(path)
        return found.groupdict() if found else None


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path))


_PAGE = ("limit", "cursor")
_REGISTRATIONS_PAGE = ("status", *_PAGE)

ROUTES: tuple[Route, ...] = (
    Route("POST", "/users", "users"),
    Route("GET", "/users/{userId}", "users"),
    Route("DELETE", "/users/{userId}", "users"),
    Route("POST", "/events", "events"),
    Route("GET", "/events", "events", public=True, query=("from", "to", "status", *_PAGE)),
    Route("GET", "/events/{eventId}", "events", public=True),
    Route("PATCH", "/events/{eventId}", "events"),
    Route("POST", "/events/{eventId}/registrations", "registrations"),
    Route("GET", "/events/{eventId}/registrations", "registrations", query=_REGISTRATIONS_PAGE),
    Route("GET", "/events/{eventId}/registrations/{userId}", "registrations"),
    Route("DELETE", "/events/{eventId}/registrations/{userId}", "registrations"),
    Route("GET", "/users/{userId}/registrations", "registrations", query=_REGISTRATIONS_PAGE),
    Route("GET", "/problems/{code}", "users", public=True),
)

DOCS_ROUTES: tuple[Route, ...] = (
    Route("GET", "/docs", "docs", public=True, query=None),
    Route("GET", "/docs/{file}", "docs", public=True, query=None),
)
"""The reference page and its parts: on every stage but production, and no part of the contract."""

FALLBACK: Function = "users"
"""The function behind API Gateway's `$default` route: it answers requests that match no route."""
