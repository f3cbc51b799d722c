"""A made-up deployment for `turnstile top`: queues, metrics, ledgers and logs that can be looked at and can fail."""

from __future__ import annotations

from typing import Any

from infra.cli.top.snapshot import Collector
from tests.support.deployment import OUTPUTS, FakeLogs, deployment_of
from workers.aws.items import ledger_to_item
from workers.domain.records import Ledger

NOW = 1_800_000_000.0


class FakeSqs:
    """Queues that can be counted. Nothing else: to receive from one would fail."""

    def __init__(self) -> None:
        self.depths = {
            OUTPUTS.queue_url: (7, 3),
            OUTPUTS.dead_letter_queue_url: (1, 1),
            OUTPUTS.failed_promotions_queue_url: (0, 0),
        }
        self.fault: Exception | None = None

    def get_queue_attributes(self, QueueUrl: str, **_: object) -> dict[str, Any]:  # noqa: N803 - the SDK's name
        """The counts of one queue."""
        if self.fault is not None:
            raise self.fault
        visible, in_flight = map(str, self.depths[QueueUrl])
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return {"Attributes": dict(zip(names, (visible, in_flight), strict=True))}


class FakeCloudWatch:
    """The metrics that SQS sends, newest first, by name."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}
        self.fault: Exception | None = None
        self.dimensions: list[tuple[str, str]] = []

    def get_metric_data(self, MetricDataQueries: list[Any], ScanBy: str, **_: object) -> dict[str, Any]:  # noqa: N803
        """The values asked for."""
        if self.fault is not None:
            raise self.fault
        assert ScanBy == "TimestampDescending"
        metrics = {query["Id"]: query["MetricStat"]["Metric"] for query in MetricDataQueries}
        self.dimensions = [
            (dimension["Name"], dimension["Value"]) for metric in metrics.values() for dimension in metric["Dimensions"]
        ]
        results = [{"Id": key, "Values": self.values.get(metric["MetricName"], [])} for key, metric in metrics.items()]
        return {"MetricDataResults": results}


class FakeDynamoDB:
    """A ledger table, handed out in pages of two."""

    def __init__(self, *ledgers: Ledger) -> None:
        self.items = [ledger_to_item(ledger) for ledger in ledgers]
        self.scans = 0
        self.fault: Exception | None = None

    def scan(self, TableName: str, Limit: int, ExclusiveStartKey: int = 0) -> dict[str, Any]:  # noqa: N803
        """One page."""
        assert TableName == "ledger"
        assert Limit >= 1
        if self.fault is not None:
            raise self.fault
        self.scans += 1
        end = ExclusiveStartKey + min(Limit, 2)
        page: dict[str, Any] = {"Items": self.items[ExclusiveStartKey:end]}
        return page | ({"LastEvaluatedKey": end} if end < len(self.items) else {})


class World:
    """All of it, with the time in hand."""

    def __init__(self, *ledgers: Ledger) -> None:
        self.now = NOW
        self.sqs, self.cloudwatch = FakeSqs(), FakeCloudWatch()
        self.dynamodb, self.logs = FakeDynamoDB(*ledgers), FakeLogs()
        self.deployment = deployment_of(self.logs, sqs=self.sqs, cloudwatch=self.cloudwatch, dynamodb=self.dynamodb)
        self.collector = Collector(self.deployment, lambda: self.now)

    def look(self) -> dict[str, Any]:
        """What the board says as JSON."""
        return self.collector.collect().as_json()
