"""`GET /problems/{code}`, the `type` of every problem: the entry of a code in `docs/errors.md`, as plain text."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from api.http.problems import CODES, Problem
from api.http.types import Request, Response

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "errors.md"
_ENTRY = re.compile(r"^### (?P<code>\S+)\n(?P<text>.+?)(?=^##)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[([^]]+)\]\([^)]+\)")


def explain(request: Request) -> Response:
    """Answer 200 with the explanation of a code, or 404."""
    code = request.ids["code"]
    if code not in CODES:
        return Problem("route-not-found", "No problem has this code.").response()
    return Response(200, _entries()[code], content_type="text/plain; charset=utf-8")


@cache
def _entries() -> dict[str, str]:
    """Return the entries of the page by code. Its links lead to other pages, so only their words are kept."""
    page = _LINK.sub(r"\1", _PAGE.read_text(encoding="utf-8"))
    return {entry["code"]: entry["code"] + "\n" + entry["text"] for entry in _ENTRY.finditer(page)}
