"""What wakes an operator, on the real stack: a metric becomes an alarm, and the alarm a message to who subscribed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.cli.deployment import Clients, Outputs
from tests.support.client import Front, eventually, unique
from workers.metrics import NAMESPACE, Metric

pytestmark = pytest.mark.e2e

DRIFT = "turnstile-local-ledger-drift"
AUDITOR = "workers.entry.auditor"


@pytest.fixture
def inbox(stack: Outputs, aws: Clients) -> Iterator[str]:
    """The URL of a queue that is subscribed to the alarms' topic."""
    url = aws.sqs.create_queue(QueueName=unique("inbox"))["QueueUrl"]
    arn = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    may_send = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": stack.alarm_topic_arn}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [may_send]})
    aws.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    subscription = aws.sns.subscribe(
        TopicArn=stack.alarm_topic_arn, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True
    )["SubscriptionArn"]
    yield url
    aws.sns.unsubscribe(SubscriptionArn=subscription)
    aws.sqs.delete_queue(QueueUrl=url)


def message(aws: Clients, inbox: str, state: str) -> dict[str, Any] | None:
    """The message that an alarm has come into this state, if it is there. What is read is gone."""
    for received in aws.sqs.receive_message(QueueUrl=inbox, MaxNumberOfMessages=10).get("Messages", []):
        aws.sqs.delete_message(QueueUrl=inbox, ReceiptHandle=received["ReceiptHandle"])
        alarm: dict[str, Any] = json.loads(json.loads(received["Body"])["Message"])
        if (alarm["AlarmName"], alarm["NewStateValue"]) == (DRIFT, state):
            return alarm
    return None


def in_state(aws: Clients, expected: str, *, drift: int, seconds_ago: int = 0) -> bool | None:
    """Puts a value of LedgerDrift, as CloudWatch does from the auditor's log. True if the alarm is as expected."""
    aws.cloudwatch.put_metric_data(
        Namespace=NAMESPACE,
        MetricData=[
            {
                "MetricName": Metric.LEDGER_DRIFT,
                "Dimensions": [{"Name": "service", "Value": "turnstile-local"}],
                "Timestamp": datetime.now(UTC) - timedelta(seconds=seconds_ago),
                "Value": drift,
                "Unit": "Count",
            }
        ],
    )
    (alarm,) = aws.cloudwatch.describe_alarms(AlarmNames=[DRIFT])["MetricAlarms"]
    return alarm["StateValue"] == expected or None


def test_an_alarm_reaches_who_subscribed(aws: Clients, inbox: str) -> None:
    """A ledger that drifts raises the alarm, and its message says what to do; that it is over is told too."""
    # As old as it may be to count: the alarm looks back for one minute, and that minute is soon over.
    eventually(lambda: in_state(aws, "ALARM", drift=1, seconds_ago=57))
    try:
        raised = eventually(lambda: message(aws, inbox, "ALARM"))
        assert "docs/runbook.md#ledger-drift" in raised["AlarmDescription"]
        assert raised["Trigger"]["MetricName"] == Metric.LEDGER_DRIFT
    finally:
        eventually(lambda: in_state(aws, "OK", drift=0))
    eventually(lambda: message(aws, inbox, "OK"))


def test_alarms_and_dashboard_are_deployed(stack: Outputs, aws: Clients) -> None:
    """The local stack has the alarms and the dashboard as AWS has; every alarm tells the topic of both its turns."""
    pages = aws.cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix="turnstile-local-")
    alarms = [alarm for page in pages for alarm in page["MetricAlarms"]]
    assert {"turnstile-local-dead-letters", "turnstile-local-oldest-message", DRIFT} <= {
        alarm["AlarmName"] for alarm in alarms
    }
    for alarm in alarms:
        assert alarm["AlarmActions"] == alarm["OKActions"] == [stack.alarm_topic_arn]
    body = json.loads(aws.cloudwatch.get_dashboard(DashboardName="turnstile-local")["DashboardBody"])
    queue = stack.queue_url.rpartition("/")[2]
    assert ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue] in [
        metric[:4] for widget in body["widgets"] for metric in widget["properties"].get("metrics", [])
    ]


def test_the_auditor_may_do_its_work(aws: Clients, front: Front) -> None:
    """With its own role the auditor counts the registrations of every event, and measures what the alarm reads."""
    event_id = front.event(1, hasWaitlist=True)
    for user_id in front.users(2):
        front.seat(event_id, user_id)
    functions = aws.functions.list_functions()["Functions"]
    (name,) = (function["FunctionName"] for function in functions if function["Handler"] == AUDITOR)
    answer = aws.functions.invoke(FunctionName=name, LogType="Tail")
    log = base64.b64decode(answer["LogResult"]).decode()
    assert "FunctionError" not in answer, log
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    (metrics,) = (line for line in lines if "_aws" in line)
    (directive,) = metrics["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == (NAMESPACE, [["service"]])
    assert metrics["service"] == "turnstile-local"
    assert metrics[Metric.LEDGERS_AUDITED][0] >= 1
    assert metrics[Metric.LEDGER_DRIFT] == [0]
