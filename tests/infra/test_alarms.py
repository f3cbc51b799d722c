"""What wakes an operator: the alarms, where they send to, and what the runbook says about each."""

from __future__ import annotations

import re
from typing import Any

import pytest

from infra.build.bundles import ROOT
from tests.infra.reading import Resources
from tests.support.fake_sqs import WINDOW
from workers.metrics import NAMESPACE, Metric

FUNCTIONS = {
    "api-users": "ApiUsersFunction",
    "api-events": "ApiEventsFunction",
    "api-registrations": "ApiRegistrationsFunction",
    "registrar": "WorkersRegistrarFunction",
    "promoter": "WorkersPromoterFunction",
    "auditor": "WorkersAuditorFunction",
}
TABLES = {f"{name.lower()}-table": {"TableName": f"{name}Table"} for name in ("Users", "Events", "Ledger")}
REGISTRATIONS = {"TableName": "RegistrationsTable"}
THROTTLED: dict[str, dict[str, str]] = TABLES | {
    "registrations-table": REGISTRATIONS,
    "user-index": REGISTRATIONS | {"GlobalSecondaryIndexName": "UserRegistrationsIndex"},
    "event-index": REGISTRATIONS | {"GlobalSecondaryIndexName": "EventRegistrationsIndex"},
}
MINUTES = {
    **dict.fromkeys(("oldest-message", "api-5xx"), "3 of 3"),
    **dict.fromkeys(("dead-letters", "failed-promotions", "queue-depth"), "1 of 5"),
    "stuck-event": "1 of 20",
    **dict.fromkeys(("iterator-age", "slow-promotions", "ledger-drift", "auditor-errors"), "1 of 1"),
    **{f"{name}-errors": "3 of 3" for name in ("api-users", "api-events", "api-registrations")},
    **{f"{name}-errors": "3 of 5" for name in ("registrar", "promoter")},
    **{f"{name}-throttles": "5 of 5" for name in FUNCTIONS},
    **{f"{name}-{kind}-throttles": "5 of 5" for name in THROTTLED for kind in ("read", "write")},
}
"""Alarm → how many of how many minutes must be bad."""

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
ENTRY = re.compile(
    r"^## (?P<anchor>\S+)\nAlarms: (?P<alarms>.+?)\n\n(?P<text>.+?)(?=^## |\Z)", re.DOTALL | re.MULTILINE
)
PARTS = ("- **What it means:**", "- **Look here first:**", "- **Do this:**", "- **It is over when**")


@pytest.fixture(scope="session")
def entries() -> dict[str, re.Match[str]]:
    """The runbook's entries by their anchors."""
    return {match["anchor"]: match for match in ENTRY.finditer(RUNBOOK)}


def _watched(alarm: dict[str, Any]) -> tuple[str, str, dict[str, str], str]:
    dimensions = {dimension["Name"]: dimension["Value"] for dimension in alarm["Dimensions"]}
    return alarm["Namespace"], alarm["MetricName"], dimensions, alarm["Statistic"]


def test_the_alarms_are_these(alarms: dict[str, dict[str, Any]]) -> None:
    """There are exactly the expected alarms, each begins after so many bad minutes, and each watches one metric."""
    periods = {name: f"{alarm['DatapointsToAlarm']} of {alarm['EvaluationPeriods']}" for name, alarm in alarms.items()}
    assert periods == MINUTES
    assert {alarm["Period"] for alarm in alarms.values()} == {60}
    assert {alarm["ComparisonOperator"] for alarm in alarms.values()} == {"GreaterThanThreshold"}
    assert not any("Metrics" in alarm for alarm in alarms.values())  # the emulator refuses metric math
    # With a unit that its metric is not sent in, an alarm stays in INSUFFICIENT_DATA ("PutMetricAlarm", Unit).
    assert not any("Unit" in alarm for alarm in alarms.values())


def test_every_alarm_reaches_the_topic(alarms: dict[str, dict[str, Any]], resources: Resources) -> None:
    """Every alarm tells the one topic when it begins and when it is over."""
    (topic,) = resources.of_type("AWS::SNS::Topic")
    for alarm in alarms.values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [topic]
        assert alarm.get("ActionsEnabled", True)


def test_queues_are_watched(alarms: dict[str, dict[str, Any]], resources: Resources) -> None:
    """The oldest command may wait twice the visibility timeout, a sixth of SQS's window may wait; the first dead letter
    or failed promotion wakes."""
    age, visible = "ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"
    expected = {
        "oldest-message": (age, "QueuesCommands", 2 * resources.one("QueuesCommands")["VisibilityTimeout"]),
        "queue-depth": (visible, "QueuesCommands", WINDOW / 6),
        "dead-letters": (visible, "QueuesDeadLetters", 0),
        "failed-promotions": (visible, "QueuesFailedPromotions", 0),
    }
    for name, (metric, queue, threshold) in expected.items():
        assert _watched(alarms[name]) == ("AWS/SQS", metric, {"QueueName": f"{queue}.QueueName"}, "Maximum")
        assert alarms[name]["Threshold"] == threshold


def test_stuck_events_are_watched(alarms: dict[str, dict[str, Any]], stage_name: str) -> None:
    """A command that was given back may be as old as one that waits."""
    service = {"service": f"turnstile-{stage_name}"}
    assert _watched(alarms["stuck-event"]) == (NAMESPACE, Metric.FAILED_COMMAND_AGE, service, "Maximum")
    assert alarms["stuck-event"]["Threshold"] == alarms["oldest-message"]["Threshold"]


def test_the_api_is_watched(alarms: dict[str, dict[str, Any]]) -> None:
    """More than 5 % of answers being the service's fault is an alarm."""
    assert _watched(alarms["api-5xx"]) == ("AWS/ApiGateway", "5xx", {"ApiId": "HttpApi"}, "Average")
    assert alarms["api-5xx"]["Threshold"] == 0.05


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_watched(alarms: dict[str, dict[str, Any]], name: str) -> None:
    """Each function wakes somebody when it fails and when it is not let run."""
    for suffix, metric in (("errors", "Errors"), ("throttles", "Throttles")):
        alarm = alarms[f"{name}-{suffix}"]
        assert _watched(alarm) == ("AWS/Lambda", metric, {"FunctionName": FUNCTIONS[name]}, "Sum")
        assert alarm["Threshold"] == 0


def test_a_registrar_that_always_fails_wakes_somebody(alarms: dict[str, dict[str, Any]], resources: Resources) -> None:
    """With one busy event a broken registrar fails once per visibility timeout: enough for the alarm, at any offset."""
    alarm, timeout = alarms["registrar-errors"], resources.one("QueuesCommands")["VisibilityTimeout"]
    for offset in range(60):
        bad = {(offset + timeout * number) // 60 for number in range(20)}
        for last in range(5, 20):
            among = bad & set(range(last - alarm["EvaluationPeriods"] + 1, last + 1))
            assert len(among) >= alarm["DatapointsToAlarm"]


def test_no_function_is_forgotten(resources: Resources) -> None:
    """The functions that are watched are all that there are, but for the reference page, which nobody wakes up for;
    and so are the tables and indexes."""
    assert set(resources.of_type("AWS::Lambda::Function")) == {*FUNCTIONS.values(), "ApiDocsFunction"}
    assert set(resources.of_type("AWS::DynamoDB::Table")) == {item["TableName"] for item in THROTTLED.values()}
    indexes = {index["IndexName"] for index in resources.one("RegistrationsTable")["GlobalSecondaryIndexes"]}
    assert indexes == {item.get("GlobalSecondaryIndexName") for item in THROTTLED.values()} - {None}


@pytest.mark.parametrize("name", THROTTLED)
def test_every_table_is_watched(alarms: dict[str, dict[str, Any]], name: str) -> None:
    """Each table and each index wakes somebody when it throttles reads or writes."""
    for kind in ("read", "write"):
        alarm = alarms[f"{name}-{kind}-throttles"]
        assert _watched(alarm) == ("AWS/DynamoDB", f"{kind.title()}ThrottleEvents", THROTTLED[name], "Sum")
        assert alarm["Threshold"] == 0


def test_promises_are_watched(alarms: dict[str, dict[str, Any]], stage_name: str) -> None:
    """A promoter 60 s behind, a promotion that took 60 s, and one ledger that drifts wake somebody."""
    age = alarms["iterator-age"]
    assert _watched(age) == ("AWS/Lambda", "IteratorAge", {"FunctionName": FUNCTIONS["promoter"]}, "Maximum")
    assert age["Threshold"] == 60_000
    service = {"service": f"turnstile-{stage_name}"}
    slow, drift = alarms["slow-promotions"], alarms["ledger-drift"]
    assert _watched(slow) == (NAMESPACE, Metric.TIME_TO_PROMOTION, service, "Maximum")
    assert slow["Threshold"] == 60_000
    assert _watched(drift) == (NAMESPACE, Metric.LEDGER_DRIFT, service, "Maximum")
    assert drift["Threshold"] == 0


def test_the_metrics_are_those_that_are_sent(resources: Resources, stage_name: str) -> None:
    """Every function sends its metrics as the service that the alarms and the dashboard look for."""
    for name in FUNCTIONS.values():
        variables = resources.one(name)["Environment"]["Variables"]
        assert variables["POWERTOOLS_SERVICE_NAME"] == f"turnstile-{stage_name}"


def test_silence_is_chosen(alarms: dict[str, dict[str, Any]]) -> None:
    """Silence is good news, except about what is looked at every few hours: that stays as it was last seen."""
    ignoring = {name for name, alarm in alarms.items() if alarm["TreatMissingData"] == "ignore"}
    assert ignoring == {"ledger-drift", "auditor-errors"}
    others = {alarm["TreatMissingData"] for name, alarm in alarms.items() if name not in ignoring}
    assert others == {"notBreaching"}


def test_every_alarm_is_in_the_runbook(alarms: dict[str, dict[str, Any]], entries: dict[str, re.Match[str]]) -> None:
    """Every alarm's message gives a reason and names the entry that lists it; no entry lists an alarm that is not."""
    listed = {name: anchor for anchor, entry in entries.items() for name in re.findall(r"`(.+?)`", entry["alarms"])}
    named = {}
    for name, alarm in alarms.items():
        reason, _, entry = alarm["AlarmDescription"].partition(" What to do: docs/runbook.md#")
        assert len(reason) > 40
        assert len(alarm["AlarmDescription"]) <= 1024  # the most that CloudWatch takes
        named[name] = entry
    assert listed == named
    # An entry is headed by a name like those of alarms, a procedure by a sentence.
    assert set(entries) == set(re.findall(r"^## ([a-z0-9-]+)$", RUNBOOK, re.MULTILINE))


def test_every_entry_helps(entries: dict[str, re.Match[str]]) -> None:
    """Every entry says what it means, where to look first, what to do, and how to know that it is over, in order."""
    for anchor, entry in entries.items():
        places = [entry["text"].find(part) for part in PARTS]
        assert -1 not in places, anchor
        assert places == sorted(places), anchor
