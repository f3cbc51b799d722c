"""The alarms: what each watches, the topic that they publish to, and the entries of the runbook."""

from __future__ import annotations

import re
from typing import Any

import pytest

from infra.build.bundles import ROOT
from infra.functions import ALWAYS, FUNCTIONS, FunctionSpec
from tests.infra.reading import Resources
from tests.support.fake_sqs import WINDOW
from workers.metrics import NAMESPACE, Metric

Watched = tuple[str, str, dict[str, str], str, float]
"""Namespace, metric, dimensions, statistic and threshold."""

TABLES = ("Users", "Events", "Registrations", "Ledger")
INDEXES = {
    "date-index": ("EventsTable", "EventsByDateIndex"),
    "user-index": ("RegistrationsTable", "UserRegistrationsIndex"),
    "event-index": ("RegistrationsTable", "EventRegistrationsIndex"),
}


def _function(spec: FunctionSpec) -> dict[str, str]:
    return {"FunctionName": f"{spec.construct}Function"}


def watched(stage: str) -> dict[str, Watched]:
    """Return what each alarm of a stage watches."""

    def queue(metric: str, name: str, threshold: float) -> Watched:
        return "AWS/SQS", metric, {"QueueName": f"Queues{name}.QueueName"}, "Maximum", threshold

    def custom(metric: Metric, threshold: float) -> Watched:
        return NAMESPACE, metric, {"service": f"turnstile-{stage}"}, "Maximum", threshold

    throttled = {f"{name.lower()}-table": {"TableName": f"{name}Table"} for name in TABLES}
    for label, (table, index) in INDEXES.items():
        throttled[label] = {"TableName": table, "GlobalSecondaryIndexName": index}
    visible, promoter = "ApproximateNumberOfMessagesVisible", _function(FUNCTIONS["promoter"])
    return {
        "oldest-message": queue("ApproximateAgeOfOldestMessage", "Commands", 180),
        "queue-depth": queue(visible, "Commands", WINDOW / 6),
        "dead-letters": queue(visible, "DeadLetters", 0),
        "failed-promotions": queue(visible, "FailedPromotions", 0),
        "stuck-event": custom(Metric.FAILED_COMMAND_AGE, 180),
        "slow-promotions": custom(Metric.TIME_TO_PROMOTION, 60_000),
        "ledger-drift": custom(Metric.LEDGER_DRIFT, 0),
        "api-5xx": ("AWS/ApiGateway", "5xx", {"ApiId": "HttpApi"}, "Average", 0.05),
        "iterator-age": ("AWS/Lambda", "IteratorAge", promoter, "Maximum", 60_000),
        **{
            f"{spec.label}-{metric.lower()}": ("AWS/Lambda", metric, _function(spec), "Sum", 0)
            for spec in ALWAYS
            for metric in ("Errors", "Throttles")
        },
        **{
            f"{label}-{kind.lower()}-throttles": ("AWS/DynamoDB", f"{kind}ThrottleEvents", dimensions, "Sum", 0)
            for label, dimensions in throttled.items()
            for kind in ("Read", "Write")
        },
    }


RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
ENTRY = re.compile(
    r"^## (?P<anchor>\S+)\nAlarms: (?P<alarms>.+?)\n\n(?P<text>.+?)(?=^## |\Z)", re.DOTALL | re.MULTILINE
)
PARTS = ("- **What it means:**", "- **Look here first:**", "- **Do this:**", "- **It is over when**")


@pytest.fixture(scope="session")
def entries() -> dict[str, re.Match[str]]:
    """The runbook's entries by their anchors."""
    return {match["anchor"]: match for match in ENTRY.finditer(RUNBOOK)}


def test_alarms_watch_their_metrics(alarms: dict[str, dict[str, Any]], stage_name: str) -> None:
    """There are exactly these alarms, each on one metric by the minute and above its threshold.

    `test_alarm_replays.py` shows after how many minutes each is raised.
    """
    assert {
        name: (
            alarm["Namespace"],
            alarm["MetricName"],
            {dimension["Name"]: dimension["Value"] for dimension in alarm["Dimensions"]},
            alarm["Statistic"],
            alarm["Threshold"],
        )
        for name, alarm in alarms.items()
    } == watched(stage_name)
    for alarm in alarms.values():
        assert (alarm["Period"], alarm["ComparisonOperator"]) == (60, "GreaterThanThreshold")
        # The emulator rejects metric math. With a unit other than its metric's, an alarm stays in INSUFFICIENT_DATA.
        assert not {"Metrics", "Unit"} & set(alarm)


def test_every_table_and_index_has_alarms(resources: Resources) -> None:
    """The tables and indexes above are those of the template."""
    tables = resources.of_type("AWS::DynamoDB::Table")
    assert set(tables) == {f"{name}Table" for name in TABLES}
    assert {
        (name, index["IndexName"])
        for name, table in tables.items()
        for index in table.get("GlobalSecondaryIndexes", [])
    } == set(INDEXES.values())


def test_every_alarm_reaches_the_topic(alarms: dict[str, dict[str, Any]], resources: Resources) -> None:
    """Every alarm notifies the topic when it starts and when it ends."""
    (topic,) = resources.of_type("AWS::SNS::Topic")
    for alarm in alarms.values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [topic]
        assert alarm.get("ActionsEnabled", True)


def test_ages_are_twice_the_visibility_timeout(alarms: dict[str, dict[str, Any]], resources: Resources) -> None:
    """A command may wait twice the visibility timeout, in either metric: a registrar killed once raises no alarm."""
    timeout = resources.one("QueuesCommands")["VisibilityTimeout"]
    assert {alarms[name]["Threshold"] for name in ("oldest-message", "stuck-event")} == {2 * timeout}


def test_broken_registrar_raises_the_alarm(alarms: dict[str, dict[str, Any]], resources: Resources) -> None:
    """With one busy event a broken registrar fails once per visibility timeout: enough for the alarm, at any offset."""
    alarm, timeout = alarms["registrar-errors"], resources.one("QueuesCommands")["VisibilityTimeout"]
    for offset in range(60):
        bad = {(offset + timeout * number) // 60 for number in range(20)}
        for last in range(5, 20):
            among = bad & set(range(last - alarm["EvaluationPeriods"] + 1, last + 1))
            assert len(among) >= alarm["DatapointsToAlarm"]


def test_every_alarm_is_in_the_runbook(alarms: dict[str, dict[str, Any]], entries: dict[str, re.Match[str]]) -> None:
    """Every alarm's description gives a reason and names its entry in the runbook; no entry lists another alarm."""
    listed = {name: anchor for anchor, entry in entries.items() for name in re.findall(r"`(.+?)`", entry["alarms"])}
    named = {}
    for name, alarm in alarms.items():
        reason, _, entry = alarm["AlarmDescription"].partition(" What to do: docs/runbook.md#")
        assert len(reason) > 40
        assert len(alarm["AlarmDescription"]) <= 1024  # CloudWatch's maximum
        named[name] = entry
    assert listed == named
    # The heading of an entry is a name like those of alarms, the heading of a procedure is a sentence.
    assert set(entries) == set(re.findall(r"^## ([a-z0-9-]+)$", RUNBOOK, re.MULTILINE))


def test_every_entry_helps(entries: dict[str, re.Match[str]]) -> None:
    """Every entry has the four parts in order: the meaning, where to look first, what to do, and when it is over."""
    for anchor, entry in entries.items():
        places = [entry["text"].find(part) for part in PARTS]
        assert -1 not in places, anchor
        assert places == sorted(places), anchor
