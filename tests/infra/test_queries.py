"""The saved queries: their log groups, fields and filters."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest

from infra.build.bundles import ROOT
from infra.stack.monitoring.queries import QUERIES
from tests.infra.reading import Resources
from workers.domain.commands import Command

LEDGER = ("version", "capacity", "confirmed", "waiting", "status")
FIELDS = {
    "message", "level", "service", "request_id", "command", "command_id", "event_id", "registration_id", "generation",
    "revision", "outcome", "reason", "latency_ms", "receives", "replay_of", "waited_ms", "message_id", "dead_letter_id",
    "group", *(f"ledger_{when}.{name}" for when in ("before", "after") for name in LEDGER),
    "@timestamp", "@message", "@log",
}  # fmt: skip
"""The fields of the log lines; those with @ are CloudWatch's."""

LANGUAGE = {
    "fields", "filter", "sort", "limit", "stats", "by", "as", "asc", "desc", "and", "or", "in", "like", "count", "pct",
}  # fmt: skip
WORDS = re.compile(r"[@A-Za-z][\w.]*")
VALUES: dict[str, set[str]] = {
    "command": {kind.__name__ for kind in get_args(Command)},
    "level": {"WARNING", "ERROR", "CRITICAL"},
}
ID = "REGISTRATION_ID"
EVENT = "EVENT_ID"


def _words(query: str) -> set[str]:
    """Return the words of a query outside of comments, strings and patterns."""
    bare = re.sub(r'#.*$|"[^"]*"|/[^/]*/', " ", query, flags=re.MULTILINE)
    return set(WORDS.findall(bare))


@pytest.mark.parametrize("name", QUERIES)
def test_fields_exist(name: str) -> None:
    """Apart from the language's words and the names that it defines, a query names existing fields only."""
    given = set(re.findall(r" as (\w+)", QUERIES[name]))
    assert _words(QUERIES[name]) - LANGUAGE - given <= FIELDS


def _asked_for(field: str) -> set[str]:
    """Return the values of a field that queries filter on."""
    clauses = re.findall(rf'\b{field} (?:=|in)\s*("[^"]+"|\[[^\]]+\])', "\n".join(QUERIES.values()))
    return {value for clause in clauses for value in re.findall(r'"([^"]+)"', clause)}


@pytest.mark.parametrize("field", VALUES)
def test_values_exist(field: str) -> None:
    """Queries use the names of commands and levels in the logs."""
    assert set() < _asked_for(field) <= VALUES[field]


def test_no_other_values() -> None:
    """Apart from commands, levels and messages, queries filter on ids only, which the operator fills in."""
    asked = set(re.findall(r'([\w.]+) (?:=|in)\s*["\[]', "\n".join(QUERIES.values())))
    assert asked == {*VALUES, "message", "registration_id", "event_id", "command_id", "request_id"}


def _finds(name: str, **line: str) -> bool:
    """Tell whether the query's filter matches a log line. (Its language reads like Python, except `=` and `like`.)"""
    (condition,) = re.findall(r"^(?:\| )?filter (.+?)(?=^\|)", QUERIES[name], re.DOTALL | re.MULTILINE)
    condition = re.sub(r"@message like /(.+?)/", r'search("\1", text)', condition.replace(" = ", " == "))
    fields = dict.fromkeys(FIELDS, "") | line
    found = eval(f"({condition})", {"search": re.search, "text": str(line)}, fields)  # noqa: S307 - our own text
    return bool(found)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ({"message": "accepted", "registration_id": ID, "command": "Register", "event_id": EVENT}, True),
        ({"message": "answered pending", "registration_id": ID, "event_id": EVENT}, True),
        ({"message": "decided", "command": "Cancel", "registration_id": "other", "event_id": EVENT}, True),
        ({"message": "decided", "command": "Promote", "event_id": EVENT}, True),
        ({"message": "decided", "command": "Configure", "event_id": EVENT}, True),
        ({"message": "decided", "command": "Recount", "event_id": EVENT}, True),
        ({"message": "promoted", "registration_id": "other", "event_id": EVENT}, True),
        ({"message": "promotion asked for", "event_id": EVENT}, True),
        ({"message": "the index lags behind the line", "level": "WARNING", "event_id": EVENT}, True),
        ({"message": "an event's records cannot be read", "level": "ERROR", "event_id": EVENT}, True),
        ({"message": "ledger drift", "level": "ERROR", "event_id": EVENT}, True),
        ({"message": "decided", "command": "Register", "registration_id": "other", "event_id": EVENT}, False),
        ({"message": "decided", "command": "Cancel", "registration_id": "other", "event_id": "other"}, False),
        ({"message": "promoted", "registration_id": "other", "event_id": "other"}, False),
        ({"message": "the index lags behind the line", "level": "WARNING", "event_id": "other"}, False),
    ],
)
def test_why_was_she_not_promoted(line: dict[str, str], found: bool) -> None:
    """It finds the registration's lines, and of its event everything that moves the waiting list or blocks it."""
    assert _finds("why-was-she-not-promoted", **({"level": "INFO"} | line)) is found


@pytest.mark.parametrize(
    ("name", "found", "missed"),
    [
        ("one-command", {"command_id": "COMMAND_ID"}, {"command_id": "other"}),
        ("one-request", {"request_id": "REQUEST_ID"}, {"request_id": "other"}),
        ("decisions-by-outcome", {"message": "decided"}, {"message": "accepted"}),
        ("slowest-decisions", {"message": "decided"}, {"message": "accepted"}),
        ("parked", {"message": "a message was parked in the dead-letter queue"}, {"message": "decided"}),
        ("errors", {"level": "ERROR"}, {"level": "WARNING"}),
        ("errors", {"level": "CRITICAL"}, {"level": "INFO"}),
        ("errors", {"@message": "x Task timed out after 15.00 seconds"}, {"@message": "START RequestId"}),
    ],
)
def test_filters(name: str, found: dict[str, str], missed: dict[str, str]) -> None:
    """Each query matches its lines, and no others."""
    assert _finds(name, **found)
    assert not _finds(name, **missed)


def test_messages_exist() -> None:
    """The messages that queries filter on exist in the code."""
    code = "".join(path.read_text() for room in ("api", "workers") for path in (ROOT / room).rglob("*.py"))
    asked = _asked_for("message")
    assert asked
    assert [message for message in asked if f'"{message}"' not in code] == []


def test_log_groups(templates: dict[str, dict[str, Any]]) -> None:
    """On AWS every query is saved under the stage's name, for the log groups of all functions."""
    resources = Resources(templates["dev"])
    saved = resources.of_type("AWS::Logs::QueryDefinition").values()
    assert {query["Name"]: query["QueryString"] for query in saved} == {
        f"turnstile-dev/{name}": text for name, text in QUERIES.items()
    }
    for query in saved:
        assert set(query["LogGroupNames"]) == set(resources.of_type("AWS::Logs::LogGroup")) - {"HttpAccessLog"}


def test_queries_in_the_runbook_exist() -> None:
    """Every query in the runbook is saved."""
    runbook = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    named = set(re.findall(r"quer(?:y|ies) `(.+?)`", runbook))
    assert named
    assert named <= set(QUERIES)
