"""Read the headers of a request, with a limit on their length.

API Gateway accepts 10,240 bytes of request line and headers, the emulator more.
"""

from __future__ import annotations

from api.http.problems import invalid
from api.http.types import Request

MAX_HEADER_CHARS = 4096
"""Longer headers are refused."""


def header(request: Request, name: str) -> str | None:
    """Return a header as it was sent; None without it. Raises a RequestError if it exceeds MAX_HEADER_CHARS."""
    value = request.headers.get(name.lower())
    if value is not None and len(value) > MAX_HEADER_CHARS:
        raise invalid(name, f"Must have at most {MAX_HEADER_CHARS} characters.")
    return value
