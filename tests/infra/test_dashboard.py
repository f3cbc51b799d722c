"""The dashboard: its rows in order, and the metrics of every graph."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.functions import ALWAYS
from tests.infra.reading import Resources
from workers.metrics import NAMESPACE, Metric

Shown = set[tuple[str, str, str, str]]
"""A graph's metrics: namespace, metric, the dimension that distinguishes it, statistic."""

COMMANDS, DEAD, FAILED = (f"Queues{name}.QueueName" for name in ("Commands", "DeadLetters", "FailedPromotions"))
VISIBLE = "ApproximateNumberOfMessagesVisible"
TABLES = ("UsersTable", "EventsTable", "RegistrationsTable", "LedgerTable")
INDEXES = ("EventsByDateIndex", "UserRegistrationsIndex", "EventRegistrationsIndex")
PERCENTILES = ("p50", "p90", "p99")


def _queue(metric: str, queue: str) -> Shown:
    return {("AWS/SQS", metric, queue, "Maximum")}


def _functions(metric: str, statistic: str) -> Shown:
    return {("AWS/Lambda", metric, f"{spec.construct}Function", statistic) for spec in ALWAYS}


def _tables(metric: str, names: tuple[str, ...]) -> Shown:
    return {("AWS/DynamoDB", metric, name, "Sum") for name in names}


def _api(metric: str, *statistics: str) -> Shown:
    return {("AWS/ApiGateway", metric, "HttpApi", statistic) for statistic in statistics}


def _ours(statistic: str, *metrics: Metric) -> Shown:
    return {(NAMESPACE, metric, "service", statistic) for metric in metrics}


ROWS: dict[str, dict[str, Shown]] = {
    "Commands": {
        "Messages": _queue(VISIBLE, COMMANDS) | _queue("ApproximateNumberOfMessagesNotVisible", COMMANDS),
        "Age of the oldest (s)": _queue("ApproximateAgeOfOldestMessage", COMMANDS)
        | _ours("Maximum", Metric.FAILED_COMMAND_AGE),
        "Groups in flight": _queue("ApproximateNumberOfGroupsWithInflightMessages", COMMANDS),
        "Dead letters": _queue(VISIBLE, DEAD),
    },
    "API": {
        "5xx": _api("5xx", "Sum"),
        "4xx": _api("4xx", "Sum") | _api("Count", "Sum"),
        "Latency (ms)": _api("Latency", *PERCENTILES),
    },
    "Functions": {
        "Errors": _functions("Errors", "Sum"),
        "Throttles": _functions("Throttles", "Sum"),
        "Duration, p99 (ms)": _functions("Duration", "p99"),
        "Concurrency": _functions("ConcurrentExecutions", "Maximum"),
    },
    "Promotions": {
        "Iterator age (ms)": {("AWS/Lambda", "IteratorAge", "WorkersPromoterFunction", "Maximum")},
        "Failed promotions": _queue(VISIBLE, FAILED),
    },
    "Tables": {
        "Read throttles": _tables("ReadThrottleEvents", TABLES + INDEXES),
        "Write throttles": _tables("WriteThrottleEvents", TABLES + INDEXES),
        "Transaction conflicts": _tables("TransactionConflict", TABLES),
    },
    "Decisions": {
        "Outcomes": _ours(
            "Sum", Metric.CONFIRMED, Metric.WAITLISTED, Metric.PROMOTED, Metric.CANCELLED, Metric.SUPERSEDED
        ),
        "Rejected": {
            (NAMESPACE, Metric.REJECTED, reason, "Sum")
            for reason in ("event-full", "waitlist-full", "registration-closed")
        },
        "Decision latency (ms)": {
            shown for each in (*PERCENTILES, "Maximum") for shown in _ours(each, Metric.DECISION_LATENCY)
        },
        "Time to promotion (ms)": {
            shown for each in (*PERCENTILES, "Maximum") for shown in _ours(each, Metric.TIME_TO_PROMOTION)
        },
        "Pending responses": _ours("Sum", Metric.PENDING_ANSWERS),
        "Batch size, average": _ours("Average", Metric.BATCH_SIZE),
        "Retries": _ours("Sum", Metric.RETRIED, Metric.COMMITS_FALLEN_BACK, Metric.DEAD_LETTERED),
        "Audit": _ours("Maximum", Metric.LEDGERS_AUDITED, Metric.LEDGER_DRIFT),
    },
}
"""The metrics of each graph, by row and title."""


@pytest.fixture(scope="session")
def widgets(resources: Resources, stage_name: str) -> list[dict[str, Any]]:
    """Return the dashboard's widgets from top to bottom and from left to right."""
    (dashboard,) = resources.of_type("AWS::CloudWatch::Dashboard").values()
    assert dashboard["DashboardName"] == f"turnstile-{stage_name}"
    found: list[dict[str, Any]] = json.loads(dashboard["DashboardBody"])["widgets"]
    return sorted(found, key=lambda widget: (widget["y"], widget["x"]))


def _shown(line: list[Any], service: str) -> tuple[str, str, str, str]:
    """Return one line of a graph in the form of the table above."""
    namespace, metric, *names, options = line
    dimensions = dict(zip(names[::2], names[1::2], strict=True))
    if namespace == NAMESPACE:
        assert dimensions.pop("service") == service
        telling = dimensions.pop("reason", "service")
    else:
        if "GlobalSecondaryIndexName" in dimensions:
            assert dimensions.pop("TableName") in {"EventsTable", "RegistrationsTable"}
        (name,) = dimensions
        known = ("QueueName", "ApiId", "FunctionName", "TableName", "GlobalSecondaryIndexName")
        assert name in known
        telling = dimensions.pop(name)
    assert not dimensions
    assert options["period"] == 60
    return namespace, metric, telling, options.get("stat", "Average")


def test_rows_in_order(widgets: list[dict[str, Any]]) -> None:
    """The rows are in order, each with its title, a text that says what is normal, and its graphs."""
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
    assert list(found.items()) == [(title, list(graphs)) for title, graphs in ROWS.items()]
    assert set(texts) == set(ROWS)
    assert all(any(word in text.lower() for word in ("normal", "none", "zero")) for text in texts.values())


@pytest.mark.parametrize("title", [title for row in ROWS.values() for title in row])
def test_every_graph_shows_what_its_title_says(title: str, widgets: list[dict[str, Any]], stage_name: str) -> None:
    """Each graph shows exactly the metrics for its title, by the minute, each once."""
    (lines,) = (each["properties"]["metrics"] for each in widgets if each["properties"].get("title") == title)
    shown = [_shown(line, f"turnstile-{stage_name}") for line in lines]
    (expected,) = (graphs[title] for graphs in ROWS.values() if title in graphs)
    assert set(shown) == expected
    assert len(shown) == len(expected)


def test_every_custom_metric_is_shown() -> None:
    """Every metric that the functions send is on the dashboard."""
    shown = {line[1] for row in ROWS.values() for graph in row.values() for line in graph if line[0] == NAMESPACE}
    assert shown == set(Metric)
