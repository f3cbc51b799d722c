"""Pages: `limit`, `status` and the opaque `cursor` of every list, and the link to the next one."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from api.http.problems import RequestError, invalid
from api.http.types import Request
from workers.aws.items import MAX_KEY_BYTES, is_key
from workers.domain.records import ACTIVE_STATUSES, Status

DEFAULT_LIMIT = 50
MAX_LIMIT = 100
MAX_CURSOR_CHARS = 8192
"""No key that fits into a request line has a longer one."""

MAX_STATUSES = len(Status)
"""So many may a list be asked for at once: all there are."""

_CHECK_BYTES = 12
_MAX_SORT_KEY_BYTES = 1024


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list is asked for; of registrations, in which statuses. `kept` are the parameters of the request
    that the next page has too."""

    limit: int
    cursor: str | None
    statuses: tuple[Status, ...] = ()
    kept: Mapping[str, str] = field(default_factory=dict)

    def link(self, here: str, next_cursor: str | None) -> dict[str, str]:
        """A `Link` header to the page behind this one, if there is one; `here` is the URL of the list."""
        if next_cursor is None:
            return {}
        return {"Link": f'<{here}?{urlencode({**self.kept, "cursor": next_cursor})}>; rel="next"'}


def _parse_limit(request: Request) -> int:
    """`?limit=`, 1 to 100, 50 if absent. RequestError if it is anything else."""
    text = request.query.get("limit")
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_LIMIT)) and 1 <= int(text) <= MAX_LIMIT):
        raise invalid("?limit", f"It must be a number from 1 to {MAX_LIMIT}.")
    return int(text)


def _parse_cursor(request: Request) -> str | None:
    """`?cursor=`, as a list before answered it in `next`. RequestError if none is as long."""
    cursor = request.query.get("cursor") or None
    if cursor is not None and len(cursor) > MAX_CURSOR_CHARS:
        raise invalid_cursor()
    return cursor


def _parse_statuses(request: Request) -> tuple[Status, ...]:
    """`?status=`, one or several, in the order in which records move; without it, what is alive. Or RequestError."""
    text = request.query.get("status")
    if text is None:
        return tuple(status for status in Status if status in ACTIVE_STATUSES)
    named = text.split(",", MAX_STATUSES)
    if len(named) > MAX_STATUSES:
        raise invalid("?status", f"It must not name more than {MAX_STATUSES} statuses.")
    asked = set(named)
    if unknown := asked - set(Status):
        raise invalid("?status", f"{min(unknown)[:40]!r} is none of {', '.join(Status)}.")
    return tuple(status for status in Status if status in asked)


def parse_page(request: Request) -> PageRequest:
    """The page of events that a request asks for. RequestError if it asks for none that can be."""
    return PageRequest(_parse_limit(request), _parse_cursor(request), kept=_kept(request, "limit"))


def parse_registrations_page(request: Request) -> PageRequest:
    """The page of registrations that a request asks for. RequestError if it asks for none that can be."""
    kept = _kept(request, "limit", "status")
    return PageRequest(_parse_limit(request), _parse_cursor(request), _parse_statuses(request), kept)


def seal_cursor(scope: str, *position: str) -> str:
    """A cursor that only the same list with the same filter takes back.

    `position` is the key to go on behind, as texts; the last of several is a sort key.
    """
    payload = json.dumps(position, separators=(",", ":"), ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(_check(scope, payload) + payload).decode().rstrip("=")


def open_cursor(scope: str, cursor: str, parts: int = 1) -> list[str]:
    """The position in a cursor, of `parts` texts. RequestError if it is not one of this list.

    The check finds cursors that were damaged or belong to another list. It is no secret and need not be: a forged
    position stays within the list that its route shows.
    """
    try:
        sealed = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        check, payload = sealed[:_CHECK_BYTES], sealed[_CHECK_BYTES:]
        position = json.loads(payload) if check == _check(scope, payload) else None
    except (ValueError, RecursionError):
        position = None
    if not isinstance(position, list) or len(position) != parts or not all(_is_key(part) for part in position):
        raise invalid_cursor()
    if parts > 1 and not _is_key(position[-1], _MAX_SORT_KEY_BYTES):
        raise invalid_cursor()
    if seal_cursor(scope, *position) != cursor:  # base64 has several texts for the same bytes
        raise invalid_cursor()
    return position


def invalid_cursor() -> RequestError:
    """What a cursor gets that is none of this list."""
    return invalid("?cursor", "It is not a cursor of this list with this filter.")


def _kept(request: Request, *names: str) -> dict[str, str]:
    return {name: request.query[name] for name in names if name in request.query}


def _is_key(part: object, max_bytes: int = MAX_KEY_BYTES) -> bool:
    return isinstance(part, str) and is_key(part, max_bytes)


def _check(scope: str, payload: bytes) -> bytes:
    return hashlib.sha256(scope.encode() + b"\0" + payload).digest()[:_CHECK_BYTES]
