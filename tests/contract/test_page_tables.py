"""Pages list what the code has: codes, routes, and the saved query that one of them names."""

from __future__ import annotations

import re

from api.http.problems import CODES
from api.http.routes import ROUTES
from infra.stack.monitoring.queries import QUERIES
from tests.support.pages import FIRST, ROOT, defined, python_files, text
from workers.domain.records import Status
from workers.domain.transitions import ALLOWED_TRANSITIONS

ERRORS = ROOT / "docs" / "errors.md"


def test_errors_are_explained() -> None:
    """docs/errors.md has a section for each code, with its status and title, in the order of the table; no other."""
    sections = re.findall(r"^### (.+)\n\*\*(\d+)\*\* (.+)\.\n\n\S", text(ERRORS), re.MULTILINE)
    assert [(code, (int(status), title)) for code, status, title in sections] == list(CODES.items())
    assert re.findall(r"^### (.+)$", text(ERRORS), re.MULTILINE) == list(CODES)


def test_the_readme_has_every_route() -> None:
    """The table of routes in the README is that of the code, and names codes that exist."""
    rows = re.findall(r"^\| (`(?:GET|POST|PATCH|DELETE) .+?) \| (.+) \| (.*) \|$", text(FIRST), re.MULTILINE)
    named = [key for routes, _, _ in rows for key in re.findall(r"`([A-Z]+ /[^`]*)`", routes)]
    assert sorted(named) == sorted(route.key for route in ROUTES)
    codes = {code for _, _, refusals in rows for code in re.findall(r"`([a-z-]+)`", refusals)}
    assert codes
    assert codes <= set(CODES)


def test_the_guide_shows_each_transition() -> None:
    """The picture in docs/api.md has the transitions of the table; what has ended begins again at the dot."""
    shown = set(re.findall(r"^    (\S+) --> (\w+): ", text(ROOT / "docs" / "api.md"), re.MULTILINE))
    ended = {Status.REJECTED, Status.CANCELLED}
    moves = {(str(before or "[*]"), str(after)) for before, after in ALLOWED_TRANSITIONS if before not in ended}
    assert shown == moves - {("pending", "pending")}


def test_the_query_for_a_request_id_exists() -> None:
    """The saved query that docs/errors.md sends operators to is there."""
    (name,) = re.findall(r"`turnstile-\{stage\}/(.+?)`", text(ERRORS))
    assert name in QUERIES


def test_quoted_log_messages_are_logged() -> None:
    """The functions log each message in the tables of log messages, in the runbook and the architecture."""
    logged = frozenset().union(*(defined(path) for path in python_files("api", "workers")))
    for name in ("architecture.md", "runbook.md"):
        (table,) = re.findall(r"^\| Message \| .+\n\|[-|]+\|\n((?:\|.+\n)+)", text(ROOT / "docs" / name), re.MULTILINE)
        quoted = [message for row in table.splitlines() for message in re.findall(r"`([^`]+)`", row.split("|")[1])]
        assert len(quoted) > 3
        assert set(quoted) - logged == set()
