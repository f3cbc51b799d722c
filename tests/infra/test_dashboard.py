"""The dashboard: its rows in the order in which an operator asks, and every metric that there is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.infra.reading import Resources
from workers.observability import NAMESPACE, Metric

ROWS = {
    "Commands": ["Messages", "Age of the oldest (s)", "Groups in flight", "Dead letters"],
    "API": ["5xx", "4xx", "Latency (ms)"],
    "Functions": ["Errors", "Throttles", "Duration, p99 (ms)", "Concurrency"],
    "Promotions": ["Iterator age (ms)", "Failed promotions"],
    "Tables": ["Read throttles", "Write throttles", "Transaction conflicts"],
    "Decisions": [
        "Outcomes", "Rejected", "Decision latency (ms)", "Time to promotion (ms)",
        "Pending answers", "Batch size, average", "Tried again", "Audit",
    ],
}  # fmt: skip


@pytest.fixture(scope="session")
def widgets(resources: Resources, stage_name: str) -> list[dict[str, Any]]:
    """The dashboard's widgets as one reads them: from top to bottom, from left to right."""
    (dashboard,) = resources.of_type("AWS::CloudWatch::Dashboard").values()
    assert dashboard["DashboardName"] == f"turnstile-{stage_name}"
    found: list[dict[str, Any]] = json.loads(dashboard["DashboardBody"])["widgets"]
    return sorted(found, key=lambda widget: (widget["y"], widget["x"]))


def _lines(widgets: list[dict[str, Any]], title: str) -> list[list[Any]]:
    """The metrics of the graph of this title."""
    (graph,) = (widget["properties"] for widget in widgets if widget["properties"].get("title") == title)
    metrics: list[list[Any]] = graph["metrics"]
    return metrics


def test_rows_in_order(widgets: list[dict[str, Any]]) -> None:
    """Each row has its title, a text that says what it means and what is normal, then its graphs; rows in order."""
    found: dict[str, list[str]] = {}
    texts: dict[str, str] = {}
    row = ""
    for widget in widgets:
        properties = widget["properties"]
        if widget["type"] == "metric":
            found[row].append(properties["title"])
        elif properties["markdown"].startswith("### "):
            row = properties["markdown"].removeprefix("### ")
            found[row] = []
        else:
            texts[row] = properties["markdown"]
    assert list(found.items()) == list(ROWS.items())
    assert set(texts) == set(ROWS)
    assert all(any(word in text.lower() for word in ("normal", "none", "zero")) for text in texts.values())


def test_top_row(widgets: list[dict[str, Any]]) -> None:
    """At the top: messages visible and not, age of the oldest, groups in flight, dead letters, beside each other."""
    titles = ROWS["Commands"]
    shown = [(line[1], line[3]) for title in titles for line in _lines(widgets, title)]
    assert shown == [
        ("ApproximateNumberOfMessagesVisible", "QueuesCommands.QueueName"),
        ("ApproximateNumberOfMessagesNotVisible", "QueuesCommands.QueueName"),
        ("ApproximateAgeOfOldestMessage", "QueuesCommands.QueueName"),
        ("ApproximateNumberOfGroupsWithInflightMessages", "QueuesCommands.QueueName"),
        ("ApproximateNumberOfMessagesVisible", "QueuesDeadLetters.QueueName"),
    ]
    assert len({widget["y"] for widget in widgets if widget["properties"].get("title") in titles}) == 1


def test_latency_percentiles(widgets: list[dict[str, Any]]) -> None:
    """The API's latency is shown as p50, p90 and p99."""
    assert [line[-1]["stat"] for line in _lines(widgets, "Latency (ms)")] == ["p50", "p90", "p99"]


def test_every_measured_metric_is_shown(widgets: list[dict[str, Any]], stage_name: str) -> None:
    """Every metric that the functions send is on the dashboard, with this stage's service; a refusal by its reason."""
    ours = [
        line
        for widget in widgets
        for line in widget["properties"].get("metrics", [])
        if line[0] == NAMESPACE
    ]  # fmt: skip
    assert {line[1] for line in ours} == set(Metric)
    reasons = set()
    for line in ours:
        dimensions = dict(zip(line[2:-1:2], line[3:-1:2], strict=True))
        assert dimensions.pop("service") == f"turnstile-{stage_name}"
        if line[1] == Metric.REJECTED:
            reasons.add(dimensions.pop("reason"))
        assert dimensions == {}
    assert reasons == {"event-full", "waitlist-full", "registration-closed"}


def test_transaction_conflicts(widgets: list[dict[str, Any]]) -> None:
    """Conflicts are shown for every table."""
    lines = _lines(widgets, "Transaction conflicts")
    assert {line[1] for line in lines} == {"TransactionConflict"}
    assert {line[3] for line in lines} == {"UsersTable", "EventsTable", "RegistrationsTable", "LedgerTable"}
