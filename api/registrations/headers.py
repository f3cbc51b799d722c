"""The headers of a POST or DELETE of a registration: `Prefer` and `Idempotency-Key`.

A key belongs to one registration, and keys of POST and DELETE are separate. For each method the registration remembers
the last eight keys (`MAX_KEYS`) of accepted requests: of attempts, decided or pending, and of cancellations. A request
with a remembered key changes nothing, however late it comes: the answer is the registration as it stands now. So a late
retry cannot undo anything.

A key is not remembered if its request asked for nothing new: the API refused it (404, already registered, no room), or
an earlier request for the same was still undecided (then its key is saved if possible; of many concurrent requests only
a few are). A request with a forgotten key, or without one, is handled like a first request.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from api.http.headers import header
from api.http.polling import Wait, parse_prefer
from api.http.problems import invalid
from api.http.types import Request

_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")


@dataclass(frozen=True, slots=True)
class RegistrationHeaders:
    """The request's wait and the digest of its idempotency key."""

    wait: Wait
    key: str | None


def parse_registration_headers(request: Request, now: int) -> RegistrationHeaders:
    """Parse the headers; `now` is in microseconds since 1970.

    Raises a RequestError for an invalid key, or a header that is too long.
    """
    return RegistrationHeaders(
        parse_prefer(header(request, "Prefer"), now), idempotency_key(header(request, "Idempotency-Key"))
    )


def idempotency_key(header: str | None) -> str | None:
    """Return the digest of an `Idempotency-Key`, quoted or bare; None without one. Raises a RequestError if invalid."""
    if header is None:
        return None
    value = header.strip()
    if len(value) > 1 and value.startswith('"') and value.endswith('"'):
        value = value[1:-1]
    if not _IDEMPOTENCY_KEY.fullmatch(value):
        raise invalid("Idempotency-Key", "Must be 1 to 255 printable ASCII characters.")
    return hashlib.sha256(value.encode()).hexdigest()[:32]
