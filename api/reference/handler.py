"""`/docs`: the API reference as a page where you can try every route. There is none in production.

The page is Swagger UI, which infra/package-lock.json pins, around `docs/openapi.json`. It links its parts relatively,
so that it works wherever the API is mounted, and loads nothing from another origin.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from api.http.dispatch import Handlers, anonymous, dispatch, internal_error
from api.http.problems import Problem
from api.http.routes import DOCS_ROUTES
from api.http.types import Request, Response

_ROOT = Path(__file__).resolve().parents[2]
_OWN = _ROOT / "api" / "reference"
_SWAGGER_UI = _ROOT / "infra" / "node_modules" / "swagger-ui-dist"

_HEADERS = {
    # Swagger UI has images in its style sheet.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # Cached, but revalidated each time: the answer is an empty 304 until something changes.
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class _Part:
    path: Path
    content_type: str


_PAGE = _Part(_OWN / "page.html", "text/html; charset=utf-8")
_PARTS = {
    "openapi.json": _Part(_ROOT / "docs" / "openapi.json", "application/json"),
    "start.js": _Part(_OWN / "start.js", "text/javascript; charset=utf-8"),
    "swagger-ui.css": _Part(_SWAGGER_UI / "swagger-ui.css", "text/css; charset=utf-8"),
    "swagger-ui.js": _Part(_SWAGGER_UI / "swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
}


def _file(request: Request) -> Response:
    """Answer 200, 304 if the client has the present version, or 404."""
    part = _PARTS.get(request.ids["file"])
    if part is None:
        return Problem("route-not-found", f"The parts of the page are {', '.join(_PARTS)}.").response()
    return _answer(part, request)


def _answer(part: _Part, request: Request) -> Response:
    text, tag = _read(part.path)
    headers = _HEADERS | {"ETag": tag}
    if tag in re.findall(r'"[^"]*"', request.headers.get("if-none-match", "")):
        return Response(304, headers=headers)
    return Response(200, text, headers, part.content_type)


@cache
def _read(path: Path) -> tuple[str, str]:
    """Return a file's text and its entity tag."""
    content = path.read_bytes()
    return content.decode(), f'"{hashlib.sha256(content).hexdigest()[:16]}"'


_HANDLERS: Handlers = {
    "GET /docs": lambda request: _answer(_PAGE, request),
    "GET /docs/{file}": _file,
}


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer one request, as the Lambda entry of `/docs`."""
    return dispatch(_HANDLERS, event, DOCS_ROUTES, anonymous, internal_error, base_url=os.environ["API_URL"])
