"""AWS services for the commands that only read: they answer from attributes of the fake, and can fail."""

from __future__ import annotations

from typing import Any

from tests.support.deployment import OUTPUTS, FakeLogs, deployment_of
from workers.aws.items import ledger_to_item, registration_to_item
from workers.domain.records import Ledger, Registration


class FakeQueues:
    """Queues that can only be counted: a command that receives a message fails."""

    def __init__(self) -> None:
        self.depths = {
            OUTPUTS.queue_url: (7, 3),
            OUTPUTS.dead_letter_queue_url: (1, 1),
            OUTPUTS.failed_promotions_queue_url: (0, 0),
        }
        self.fault: Exception | None = None

    def get_queue_attributes(self, QueueUrl: str, **_: object) -> dict[str, Any]:  # noqa: N803 - the SDK's name
        """Return the counts of one queue."""
        if self.fault is not None:
            raise self.fault
        visible, in_flight = map(str, self.depths[QueueUrl])
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return {"Attributes": dict(zip(names, (visible, in_flight), strict=True))}


class FakeMetrics:
    """CloudWatch: the metrics that SQS publishes, newest first, and alarms of which some are in alarm."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}
        self.fault: Exception | None = None
        self.dimensions: list[tuple[str, str]] = []
        self.ringing: set[str] = set()
        self.alarms_asked: list[int] = []

    def get_metric_data(self, MetricDataQueries: list[Any], ScanBy: str, **_: object) -> dict[str, Any]:  # noqa: N803
        """Return the requested values."""
        if self.fault is not None:
            raise self.fault
        assert ScanBy == "TimestampDescending"
        metrics = {query["Id"]: query["MetricStat"]["Metric"] for query in MetricDataQueries}
        self.dimensions = [
            (dimension["Name"], dimension["Value"]) for metric in metrics.values() for dimension in metric["Dimensions"]
        ]
        results = [{"Id": key, "Values": self.values.get(metric["MetricName"], [])} for key, metric in metrics.items()]
        return {"MetricDataResults": results}

    def describe_alarms(self, AlarmNames: list[str]) -> dict[str, Any]:  # noqa: N803 - the SDK's name
        """Return the named alarms with their states; `alarm-0` is new and has no data yet."""
        self.alarms_asked.append(len(AlarmNames))
        states = dict.fromkeys(AlarmNames, "OK") | {"alarm-0": "INSUFFICIENT_DATA"}
        states |= dict.fromkeys(self.ringing, "ALARM")
        return {"MetricAlarms": [{"AlarmName": name, "StateValue": states[name]} for name in AlarmNames]}


class FakeTables:
    """Tables of registrations and ledgers: consistent reads of one item, and scans in pages of two."""

    def __init__(self, *records: Registration | Ledger) -> None:
        self.ledgers: list[Any] = []
        self.registrations: list[Any] = []
        self.scans = 0
        self.fault: Exception | None = None
        for record in records:
            self.put(record)

    def put(self, record: Registration | Ledger) -> None:
        """Store a record."""
        if isinstance(record, Ledger):
            self.ledgers.append(ledger_to_item(record))
        else:
            self.registrations.append(registration_to_item(record))

    def get_item(self, TableName: str, Key: dict[str, Any], *, ConsistentRead: bool) -> dict[str, Any]:  # noqa: N803
        """Return one item, if it exists."""
        assert ConsistentRead
        items = self.ledgers if TableName == OUTPUTS.ledger_table else self.registrations
        return next(({"Item": item} for item in items if Key.items() <= item.items()), {})

    def scan(self, TableName: str, Limit: int, ExclusiveStartKey: int = 0) -> dict[str, Any]:  # noqa: N803
        """Return one page of the ledgers."""
        assert TableName == OUTPUTS.ledger_table
        assert Limit >= 1
        if self.fault is not None:
            raise self.fault
        self.scans += 1
        end = ExclusiveStartKey + min(Limit, 2)
        page: dict[str, Any] = {"Items": self.ledgers[ExclusiveStartKey:end]}
        return page | ({"LastEvaluatedKey": end} if end < len(self.ledgers) else {})


class FakeDeployment:
    """A deployment with these services."""

    def __init__(self, *records: Registration | Ledger) -> None:
        self.sqs, self.cloudwatch, self.logs = FakeQueues(), FakeMetrics(), FakeLogs()
        self.dynamodb = FakeTables(*records)
        self.deployment = deployment_of(self.logs, sqs=self.sqs, cloudwatch=self.cloudwatch, dynamodb=self.dynamodb)
