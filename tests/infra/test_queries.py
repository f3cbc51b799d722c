"""The saved queries: on every log, naming only fields that the log lines have."""

from __future__ import annotations

import re
from typing import Any

import pytest

from infra.bundles import ROOT
from infra.queries import QUERIES
from tests.infra.reading import Resources

LEDGER = ("version", "capacity", "confirmed", "waiting", "status")
FIELDS = {
    "message", "level", "service", "request_id", "command", "command_id", "event_id", "registration_id", "generation",
    "revision", "outcome", "reason", "latency_ms", "receives", "replay_of", "waited_ms", "message_id", "dead_letter_id",
    "group", *(f"ledger_{when}.{name}" for when in ("before", "after") for name in LEDGER),
    "@timestamp", "@message", "@log",
}  # fmt: skip
"""What the log lines have; those with @ are CloudWatch's own."""

LANGUAGE = {
    "fields", "filter", "sort", "limit", "stats", "by", "as", "asc", "desc", "and", "or", "in", "like", "count", "pct",
}  # fmt: skip
WORDS = re.compile(r"[@A-Za-z][\w.]*")


def _words(query: str) -> set[str]:
    """Every word of a query that is neither in a comment, nor quoted, nor a pattern."""
    bare = re.sub(r'#.*$|"[^"]*"|/[^/]*/', " ", query, flags=re.MULTILINE)
    return set(WORDS.findall(bare))


@pytest.mark.parametrize("name", QUERIES)
def test_queries_name_fields_that_exist(name: str) -> None:
    """Besides the language's own words and the names that it gives itself, a query names known fields only."""
    given = set(re.findall(r" as (\w+)", QUERIES[name]))
    assert _words(QUERIES[name]) - LANGUAGE - given <= FIELDS


@pytest.mark.parametrize("name", QUERIES)
def test_messages_exist(name: str) -> None:
    """The messages that a query asks for are written somewhere in the code."""
    code = "".join(path.read_text() for room in ("api", "workers") for path in (ROOT / room).rglob("*.py"))
    for clause in re.findall(r'message (?:=|in)\s*("[^"]+"|\[[^\]]+\])', QUERIES[name]):
        for message in re.findall(r'"([^"]+)"', clause):
            assert f'"{message}"' in code


def test_queries_ask_all_functions(templates: dict[str, dict[str, Any]]) -> None:
    """On AWS every query is saved under the stage's name, for the logs of all functions."""
    resources = Resources(templates["dev"])
    saved = resources.of_type("AWS::Logs::QueryDefinition").values()
    assert {query["Name"]: query["QueryString"] for query in saved} == {
        f"turnstile-dev/{name}": text for name, text in QUERIES.items()
    }
    for query in saved:
        assert set(query["LogGroupNames"]) == set(resources.of_type("AWS::Logs::LogGroup"))


def test_queries_in_the_runbook_exist() -> None:
    """Every query that the runbook names is saved."""
    runbook = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    named = set(re.findall(r"quer(?:y|ies) `(.+?)`", runbook))
    assert named
    assert named <= set(QUERIES)
