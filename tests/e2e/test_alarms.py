"""A metric raises an alarm, and the alarm notifies the topic's subscribers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.cli.deployment import Clients, Outputs
from tests.support.client import eventually, unique
from workers.metrics import NAMESPACE, Metric

pytestmark = pytest.mark.e2e

DRIFT = "turnstile-local-ledger-drift"


@pytest.fixture
def inbox(stack: Outputs, aws: Clients) -> Iterator[str]:
    """The URL of a queue subscribed to the alarm topic."""
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
    """Return the notification that the alarm entered this state, if there is one; delete what is read."""
    for received in aws.sqs.receive_message(QueueUrl=inbox, MaxNumberOfMessages=10).get("Messages", []):
        aws.sqs.delete_message(QueueUrl=inbox, ReceiptHandle=received["ReceiptHandle"])
        alarm: dict[str, Any] = json.loads(json.loads(received["Body"])["Message"])
        if (alarm["AlarmName"], alarm["NewStateValue"]) == (DRIFT, state):
            return alarm
    return None


def in_state(aws: Clients, expected: str, *, drift: int, seconds_ago: int = 0) -> bool | None:
    """Put a value of LedgerDrift, as CloudWatch does from the auditor's log; say whether the alarm is as expected."""
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


def test_an_alarm_notifies_subscribers(aws: Clients, inbox: str) -> None:
    """Ledger drift raises the alarm, whose notification names the runbook; the return to OK is notified, too."""
    # As old as possible: the alarm evaluates one minute, which is soon over.
    eventually(lambda: in_state(aws, "ALARM", drift=1, seconds_ago=57))
    try:
        raised = eventually(lambda: message(aws, inbox, "ALARM"))
        assert "docs/runbook.md#ledger-drift" in raised["AlarmDescription"]
        assert raised["Trigger"]["MetricName"] == Metric.LEDGER_DRIFT
    finally:
        eventually(lambda: in_state(aws, "OK", drift=0))
    eventually(lambda: message(aws, inbox, "OK"))
