"""What pages list is what the code has: codes, routes, and the saved query that one of them names."""

from __future__ import annotations

import re

from api.http.problems import CODES
from api.http.routes import ROUTES
from infra.stack.monitoring.queries import QUERIES
from tests.support.pages import FIRST, ROOT, text

ERRORS = ROOT / "docs" / "errors.md"


def test_errors_are_explained() -> None:
    """docs/errors.md has a section for each code, with its status and title, in the order of the table; no other."""
    sections = re.findall(r"^### (.+)\n\*\*(\d+)\*\* (.+)\.\n\n\S", text(ERRORS), re.MULTILINE)
    assert [(code, (int(status), title)) for code, status, title in sections] == list(CODES.items())


def test_every_section_of_the_errors_is_one_of_a_code() -> None:
    """No section of docs/errors.md escapes the test above by its form."""
    assert re.findall(r"^### (.+)$", text(ERRORS), re.MULTILINE) == list(CODES)


def test_the_readme_has_every_route() -> None:
    """The table of routes in the README is that of the code, and names codes that exist."""
    rows = re.findall(r"^\| (`(?:GET|POST|PATCH|DELETE) .+?) \| (.+) \| (.*) \|$", text(FIRST), re.MULTILINE)
    named = [key for routes, _, _ in rows for key in re.findall(r"`([A-Z]+ /[^`]*)`", routes)]
    assert sorted(named) == sorted(route.key for route in ROUTES)
    codes = {code for _, _, refusals in rows for code in re.findall(r"`([a-z-]+)`", refusals)}
    assert codes
    assert codes <= set(CODES)


def test_the_query_for_a_request_id_exists() -> None:
    """The saved query that docs/errors.md sends operators to is there."""
    (name,) = re.findall(r"`turnstile-\{stage\}/(.+?)`", text(ERRORS))
    assert name in QUERIES
