"""Pagination: the `limit`, `status` and opaque `cursor` of the lists, and the link to the next page."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlencode

from api.http.problems import RequestError, invalid
from api.http.types import Request
from workers.aws.items import MAX_KEY_BYTES, is_key
from workers.domain.records import ACTIVE_STATUSES, Status

DEFAULT_LIMIT = 50
MAX_LIMIT = 100
MAX_CURSOR_CHARS = 8192
"""No key that fits into a request line makes a longer cursor."""

_CHECK_BYTES = 12
_MAX_SORT_KEY_BYTES = 1024

S = TypeVar("S", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The part of a list that a request asks for. `statuses` filter registrations; `kept` are the query parameters of
    the request that its next page needs too."""

    limit: int
    cursor: str | None
    statuses: tuple[Status, ...] = ()
    kept: Mapping[str, str] = field(default_factory=dict)

    def link(self, here: str, next_cursor: str | None) -> dict[str, str]:
        """Return the `Link` header to the next page, if there is one; `here` is the URL of the list."""
        if next_cursor is None:
            return {}
        return {"Link": f'<{here}?{urlencode({**self.kept, "cursor": next_cursor})}>; rel="next"'}


def _parse_limit(request: Request) -> int:
    """Parse `?limit=`, 1 to 100, by default 50. Raises a RequestError for anything else."""
    text = request.query.get("limit")
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_LIMIT)) and 1 <= int(text) <= MAX_LIMIT):
        raise invalid("?limit", f"Must be a number from 1 to {MAX_LIMIT}.")
    return int(text)


def _parse_cursor(request: Request) -> str | None:
    """Return `?cursor=`, the `next` of an earlier page. Raises a RequestError if it is too long."""
    cursor = request.query.get("cursor") or None
    if cursor is not None and len(cursor) > MAX_CURSOR_CHARS:
        raise invalid_cursor()
    return cursor


def parse_statuses(request: Request, default: tuple[S, ...]) -> tuple[S, ...]:
    """Parse `?status=`, one or several, in the order of their enum. Raises a RequestError for unknown statuses."""
    text, known = request.query.get("status"), type(default[0])
    if text is None:
        return default
    named = text.split(",", len(known))
    if len(named) > len(known):
        raise invalid("?status", f"Must name at most {len(known)} statuses.")
    asked = set(named)
    if unknown := asked - set(known):
        raise invalid("?status", f"{min(unknown)[:40]!r} is not one of {', '.join(known)}.")
    return tuple(status for status in known if status in asked)


def parse_page(request: Request, *filters: str, statuses: tuple[Status, ...] = ()) -> PageRequest:
    """Parse the page that a request asks for; `filters` are the list's other parameters, which its next page needs too.

    Raises a RequestError for invalid parameters.
    """
    kept = {name: request.query[name] for name in ("limit", *filters) if name in request.query}
    return PageRequest(_parse_limit(request), _parse_cursor(request), statuses, kept)


def parse_registrations_page(request: Request) -> PageRequest:
    """Parse the page of registrations that a request asks for. Raises a RequestError for invalid parameters."""
    active = tuple(status for status in Status if status in ACTIVE_STATUSES)
    return parse_page(request, "status", statuses=parse_statuses(request, active))


def seal_cursor(scope: str, *position: str) -> str:
    """Return a cursor that only the same list with the same filter accepts.

    `position` is the key to continue after, as texts; the last one is a sort key.
    """
    payload = json.dumps(position, separators=(",", ":"), ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(_check(scope, payload) + payload).decode().rstrip("=")


def open_cursor(scope: str, cursor: str, parts: int) -> list[str]:
    """Return the position in a cursor, of `parts` texts. Raises a RequestError unless it is one of this list.

    The check detects cursors that were damaged or belong to another list. It need not be a secret: a forged position
    stays within the list that its route shows.
    """
    try:
        sealed = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        check, payload = sealed[:_CHECK_BYTES], sealed[_CHECK_BYTES:]
        position = json.loads(payload) if check == _check(scope, payload) else None
    except (ValueError, RecursionError):
        position = None
    if not isinstance(position, list) or len(position) != parts or not all(_is_key(part) for part in position):
        raise invalid_cursor()
    if not _is_key(position[-1], _MAX_SORT_KEY_BYTES):
        raise invalid_cursor()
    if seal_cursor(scope, *position) != cursor:  # the same bytes have several texts in base64
        raise invalid_cursor()
    return position


def invalid_cursor() -> RequestError:
    """Return the error for a cursor that is not one of this list."""
    return invalid("?cursor", "Not a cursor of this list with this filter.")


def _is_key(part: object, max_bytes: int = MAX_KEY_BYTES) -> bool:
    return isinstance(part, str) and is_key(part, max_bytes)


def _check(scope: str, payload: bytes) -> bytes:
    return hashlib.sha256(scope.encode() + b"\0" + payload).digest()[:_CHECK_BYTES]
