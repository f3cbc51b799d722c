"""Parameters of requests, and headers of responses."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from api.contract.examples import BASE_URL, REQUEST_ID
from api.http.etag import MAX_REVISIONS
from api.http.headers import MAX_HEADER_CHARS
from api.http.pagination import DEFAULT_LIMIT, MAX_CURSOR_CHARS, MAX_LIMIT
from api.http.polling import DEFAULT_WAIT_SECONDS, MAX_WAIT_SECONDS
from api.http.problems import RETRY_AFTER_SECONDS
from api.models.event import DAY
from workers.domain.records import Status
from workers.domain.seat_settings import EventStatus

Json = dict[str, Any]
"""A parameter or header of the document."""

_ENTITY_TAG = r'(W/)?"[!#-~]*"'
_ENTITY_TAGS = rf"^(\*|{_ENTITY_TAG}( *, *{_ENTITY_TAG})*)$"
"""The form that clients should send. The API also accepts lists with empty elements, as RFC 9110 requires."""

_KEY = "[!-~]([ -~]{0,253}[!-~])?"
_BARE = "[!#-~]([ -~]{0,253}[!-~])?"
_HALF_QUOTED = '"([ -~]{0,253}[!#-~])?'
_IDEMPOTENCY_KEY = f'^("{_KEY}"|{_BARE}|{_HALF_QUOTED})$'
"""The rule of `api.registrations.headers.idempotency_key`: only quotes on both sides are not part of the key."""


def _parameter(name: str, where: str, description: str, schema: Json, **more: Any) -> Json:
    required = {"required": True} if where == "path" else {}
    return {"name": name, "in": where, **required, "description": description, "schema": schema, **more}


_LIMIT = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
_DAY = {"type": "string", "pattern": f"^{DAY}$"}


def _statuses(description: str, statuses: type[StrEnum]) -> Json:
    items = {"$ref": f"#/components/schemas/{statuses.__name__}"}
    schema = {"type": "array", "items": items, "minItems": 1, "maxItems": len(statuses)}
    return _parameter("status", "query", description, schema, style="form", explode=False)


PARAMETERS: dict[str, Json] = {
    "code": _parameter(
        "code", "path", "The `code` of a problem.", {"type": "string", "minLength": 1}, example="event-full"
    ),
    "eventId": _parameter(
        "eventId",
        "path",
        "The id of an event. An unknown or malformed id is a 404.",
        {"type": "string", "minLength": 1},
        example="pycon",
    ),
    "userId": _parameter(
        "userId",
        "path",
        "The id of a user. An unknown or malformed id is a 404.",
        {"type": "string", "minLength": 1},
        example="ada",
    ),
    "limit": _parameter("limit", "query", "The maximum number of entries on a page.", _LIMIT),
    "cursor": _parameter(
        "cursor",
        "query",
        "The `next` of the previous page, for the same list with the same filter.",
        {"type": "string", "maxLength": MAX_CURSOR_CHARS},
    ),
    "from": _parameter("from", "query", "List the events of this day and later ones.", _DAY, example="2030-05-01"),
    "to": _parameter("to", "query", "List the events up to and including this day.", _DAY, example="2030-05-31"),
    "eventStatus": _statuses(
        "The statuses of the events to list: one or several, separated by commas. By default all.", EventStatus
    ),
    "status": _statuses(
        "The statuses of the registrations to list: one or several, separated by commas. By default the active ones: "
        "`pending`, `waitlisted` and `confirmed`.",
        Status,
    ),
    "prefer": _parameter(
        "Prefer",
        "header",
        "How long to wait for the outcome (RFC 7240): `respond-async` answers 202 at once, `wait=N` after at most N "
        f"seconds (at most {MAX_WAIT_SECONDS}); both together wait up to N seconds. The default is "
        f"{DEFAULT_WAIT_SECONDS} s. Other preferences are ignored.",
        {"type": "string", "maxLength": MAX_HEADER_CHARS},
        examples={"at once": {"value": "respond-async"}, "patient": {"value": f"wait={MAX_WAIT_SECONDS}"}},
    ),
    "idempotencyKey": _parameter(
        "Idempotency-Key",
        "header",
        "A text that is unique to this request, quoted or bare. A retry with the same key for the same registration "
        "changes nothing; its response is the outcome of the first request.",
        {"type": "string", "pattern": _IDEMPOTENCY_KEY},
        example='"9b2ad1c4-6d2e-4a38-8bd8-0d1f0c8f3f8a"',
    ),
    "ifMatch": _parameter(
        "If-Match",
        "header",
        "Change the event only if no other `PATCH` has changed it since this `ETag` (412 otherwise). Seats that were "
        f"taken or given up meanwhile do not matter. At most {MAX_REVISIONS} different revisions.",
        {"type": "string", "pattern": _ENTITY_TAGS, "maxLength": MAX_HEADER_CHARS},
        example='"3.17"',
    ),
    "ifNoneMatch": _parameter(
        "If-None-Match",
        "header",
        "Answer 304 without a body if neither the event nor its seats have changed since this `ETag`.",
        {"type": "string", "pattern": _ENTITY_TAGS, "maxLength": MAX_HEADER_CHARS},
        example='"3.17"',
    ),
}
"""Parameters by their names in the document's components."""


def _header(description: str, example: str, **schema: Any) -> Json:
    return {"description": description, "schema": {"type": "string", **schema}, "example": example}


HEADERS: dict[str, Json] = {
    "Location": _header(
        "The absolute URL of the created resource, or of the resource to poll.",
        f"{BASE_URL}/events/pycon/registrations/ada",
        format="uri",
    ),
    "Retry-After": {
        "description": "The number of seconds after which to poll, or to retry.",
        "schema": {"type": "integer", "minimum": 0},
        "example": RETRY_AFTER_SECONDS,
    },
    "X-Request-Id": _header(
        "The id of the request, in every answer of the service. Name it when you report a problem.", REQUEST_ID
    ),
    "RateLimit-Policy": _header("The limit of one caller's writes: `q` in `w` seconds.", '"writes";q=40;w=8'),
    "RateLimit": _header("What is left of it (`r`), and in how many seconds there is more (`t`).", '"writes";r=0;t=1'),
    "Preference-Applied": _header("The preferences that were applied (RFC 7240).", "wait=10"),
    "Idempotent-Replayed": {
        "description": "The request is a retry: one with the same `Idempotency-Key` was accepted before. The response "
        "is its outcome as it stands now, and this request changed nothing.",
        "schema": {"type": "string", "const": "true"},
        "example": "true",
    },
    "Link": _header(
        '`rel="next"`: the next page of a list. `rel="related"`: the registration that a request conflicts with.',
        f'<{BASE_URL}/events/pycon/registrations?cursor=x>; rel="next"',
    ),
    "ETag": _header(
        "The version of the event, `r.v` in quotes: every PATCH increments r, every change of the seats v. Send it "
        "back unchanged.",
        '"3.17"',
    ),
    "WWW-Authenticate": _header("The authentication scheme.", "Bearer"),
    "Vary": _header("The request header that the response depends on.", "Accept"),
}
"""Headers of responses, by name."""
