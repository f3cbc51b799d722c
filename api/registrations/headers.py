"""What a POST or DELETE of a registration says besides its path and body: `Prefer` and `Idempotency-Key`.

What a key is good for. It belongs to one registration, that of POST and that of DELETE apart. Of each, the registration
remembers the last eight (`MAX_KEYS`) with which something was accepted: an attempt that was decided, one that is
pending, a cancellation. A request with a remembered key asks for nothing, however late it comes and whatever came after
it: it is answered with the registration as it stands now. So a late retry of an old key undoes nothing.

Not remembered is a key whose request asked for nothing new: it was refused at the door (404, already registered, no
room), or another one had asked for the same and was not decided yet (its key may be remembered, but of many at once
those of few are). With such a key, with one older than eight others, and without one, a request is what it would be at
first.
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
    """How long to wait, and the digest of the idempotency key."""

    wait: Wait
    key: str | None


def parse_registration_headers(request: Request, now: int) -> RegistrationHeaders:
    """What the headers ask for; `now` is in microseconds since 1970. RequestError if the key is none, or a header too
    long."""
    return RegistrationHeaders(
        parse_prefer(header(request, "Prefer"), now), idempotency_key(header(request, "Idempotency-Key"))
    )


def idempotency_key(header: str | None) -> str | None:
    """The digest of an `Idempotency-Key`, quoted or bare; None without one. RequestError if it is no key."""
    if header is None:
        return None
    value = header.strip()
    if len(value) > 1 and value.startswith('"') and value.endswith('"'):
        value = value[1:-1]
    if not _IDEMPOTENCY_KEY.fullmatch(value):
        raise invalid("Idempotency-Key", "It must be 1 to 255 printable ASCII characters.")
    return hashlib.sha256(value.encode()).hexdigest()[:32]
