"""The headers of a request that a route reads, each of bounded length.

API Gateway takes 10,240 bytes of request line and headers, the emulator more.
"""

from __future__ import annotations

from api.http.problems import invalid
from api.http.types import Request

MAX_HEADER_CHARS = 4096
"""A header with more is refused."""


def header(request: Request, name: str) -> str | None:
    """The header of that name, as it was sent; None without it. RequestError if it has over MAX_HEADER_CHARS."""
    value = request.headers.get(name.lower())
    if value is not None and len(value) > MAX_HEADER_CHARS:
        raise invalid(name, f"It must not have more than {MAX_HEADER_CHARS} characters.")
    return value
