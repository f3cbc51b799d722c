"""What a request may say besides its body, and what an answer says besides its own: parameters and headers."""

from __future__ import annotations

from typing import Any

from api.http.etag import MAX_REVISIONS
from api.http.headers import MAX_HEADER_CHARS
from api.http.pagination import DEFAULT_LIMIT, MAX_CURSOR_CHARS, MAX_LIMIT, MAX_STATUSES
from api.http.polling import DEFAULT_WAIT_SECONDS, MAX_WAIT_SECONDS
from api.http.problems import RETRY_AFTER_SECONDS
from workers.domain.records import Status

Json = dict[str, Any]
"""A parameter, as the document has it."""

_ENTITY_TAG = r'(W/)?"[!#-~]*"'
_ENTITY_TAGS = rf"^(\*|{_ENTITY_TAG}( *, *{_ENTITY_TAG})*)$"
"""What clients should send; lists with gaps in them are taken too, as RFC 9110 wants it."""

_KEY = "[!-~]([ -~]{0,253}[!-~])?"
_BARE = "[!#-~]([ -~]{0,253}[!-~])?"
_HALF_QUOTED = '"([ -~]{0,253}[!#-~])?'
_IDEMPOTENCY_KEY = f'^("{_KEY}"|{_BARE}|{_HALF_QUOTED})$'
"""What `api.registrations.headers.idempotency_key` takes: only quotes on both sides are none of the key."""


def _parameter(name: str, where: str, description: str, schema: Json, **more: Any) -> Json:
    required = {"required": True} if where == "path" else {}
    return {"name": name, "in": where, **required, "description": description, "schema": schema, **more}


_LIMIT = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
_STATUSES = {
    "type": "array",
    "items": {"$ref": f"#/components/schemas/{Status.__name__}"},
    "minItems": 1,
    "maxItems": MAX_STATUSES,
}

PARAMETERS: dict[str, Json] = {
    "eventId": _parameter(
        "eventId",
        "path",
        "The id of an event. Any that does not exist, for whatever reason, is a 404.",
        {"type": "string", "minLength": 1},
        example="pycon",
    ),
    "userId": _parameter(
        "userId",
        "path",
        "The id of a user. Any that does not exist, for whatever reason, is a 404.",
        {"type": "string", "minLength": 1},
        example="ada",
    ),
    "limit": _parameter("limit", "query", "How many entries a page has at the most.", _LIMIT),
    "cursor": _parameter(
        "cursor",
        "query",
        "Where to go on: what the page before said in `next`, for the same list with the same `status`.",
        {"type": "string", "maxLength": MAX_CURSOR_CHARS},
    ),
    "status": _parameter(
        "status",
        "query",
        "Which registrations, by their status: one or several, separated by commas. Without it: those that are alive, "
        "which are `pending`, `waitlisted` and `confirmed`.",
        _STATUSES,
        style="form",
        explode=False,
    ),
    "prefer": _parameter(
        "Prefer",
        "header",
        "How long to wait for the outcome (RFC 7240): `respond-async` answers 202 at once, `wait=N` after at most N "
        f"seconds (of more than {MAX_WAIT_SECONDS}, {MAX_WAIT_SECONDS}), both together wait up to N. Without it "
        f"{DEFAULT_WAIT_SECONDS} s. Other preferences are ignored.",
        {"type": "string", "maxLength": MAX_HEADER_CHARS},
        examples={"at once": {"value": "respond-async"}, "patient": {"value": f"wait={MAX_WAIT_SECONDS}"}},
    ),
    "idempotencyKey": _parameter(
        "Idempotency-Key",
        "header",
        "Any text that this request alone has, quoted or bare. Sent again with the same key for the same registration, "
        "the request does nothing and is answered with what has become of it.",
        {"type": "string", "pattern": _IDEMPOTENCY_KEY},
        example='"9b2ad1c4-6d2e-4a38-8bd8-0d1f0c8f3f8a"',
    ),
    "ifMatch": _parameter(
        "If-Match",
        "header",
        "Change the event only if its own fields are still as they were when this `ETag` was given (412 otherwise). "
        "Seats that were taken or given back meanwhile do not matter. It may name at most "
        f"{MAX_REVISIONS} different revisions.",
        {"type": "string", "pattern": _ENTITY_TAGS, "maxLength": MAX_HEADER_CHARS},
        example='"3.17"',
    ),
    "ifNoneMatch": _parameter(
        "If-None-Match",
        "header",
        "Answer 304, without a body, if neither the event nor its seats have changed since this `ETag` was given.",
        {"type": "string", "pattern": _ENTITY_TAGS, "maxLength": MAX_HEADER_CHARS},
        example='"3.17"',
    ),
}
"""By their names in the document's components."""


def _header(description: str, example: str, **schema: Any) -> Json:
    return {"description": description, "schema": {"type": "string", **schema}, "example": example}


_BASE = "https://api.example.org"

HEADERS: dict[str, Json] = {
    "Location": _header(
        "The absolute address of what was made, or of what to poll.",
        f"{_BASE}/events/pycon/registrations/ada",
        format="uri",
    ),
    "Retry-After": {
        "description": "After how many seconds to look, or to try, again.",
        "schema": {"type": "integer", "minimum": 0},
        "example": RETRY_AFTER_SECONDS,
    },
    "Preference-Applied": _header("Which preferences were followed (RFC 7240).", "wait=10"),
    "Idempotent-Replayed": {
        "description": "The answer to an earlier request with the same `Idempotency-Key`, as it stands now; nothing "
        "was done for this one.",
        "schema": {"type": "string", "const": "true"},
        "example": "true",
    },
    "Link": _header(
        'Where to go on: `rel="next"` is the next page of a list, `rel="related"` what stands in the way.',
        f'<{_BASE}/events/pycon/registrations?cursor=x>; rel="next"',
    ),
    "ETag": _header(
        "The state of the event, as `r.v` in quotes: r counts every PATCH, v what becomes of the seats. To be sent "
        "back as it is.",
        '"3.17"',
    ),
    "WWW-Authenticate": _header("How to say who asks.", "Bearer"),
    "Vary": _header("The answer depends on this header of the request.", "Accept"),
}
"""Headers of answers, by their names."""
