"""Collect what `turnstile top` shows: queues, decisions, and the fullest events of a deployment.

No message is ever received; the queues' own counts are used.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from infra.cli.deployment import LOCAL
from infra.cli.errors import CliError
from infra.cli.function_logs import REGISTRAR, REGISTRATIONS, lines, log_groups
from infra.cli.ledgers import scan_ledgers
from workers.aws.items import timestamp
from workers.domain.records import Ledger
from workers.domain.seat_settings import EventStatus
from workers.metrics import Metric

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.type_defs import DimensionTypeDef, MetricDataQueryTypeDef, MetricTypeDef

    from infra.cli.deployment import Deployment

OUTCOMES = (
    Metric.CONFIRMED,
    Metric.WAITLISTED,
    Metric.REJECTED,
    Metric.PROMOTED,
    Metric.CANCELLED,
    Metric.SUPERSEDED,
)
WINDOW = 60.0
"""Seconds of logs that the rates and latencies are taken from."""

_REFRESH = 15.0
"""Seconds between two readings of data that changes slowly or is expensive on AWS: SQS publishes metrics once a minute,
and a scan is charged for every ledger."""
_MAX_PAGES = 20
_FULLEST = 50
_METRICS = {"age": "ApproximateAgeOfOldestMessage", "groups": "ApproximateNumberOfGroupsWithInflightMessages"}
_METRICS_BACK = 300.0  # they arrive a minute or two late

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """The number of messages in a queue: visible ones, and those that a consumer has received."""

    visible: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class QueueMetrics:
    """CloudWatch metrics of the queue; None where there are none, as on the emulator.

    `age` is that of the oldest message that was received at most three times, in seconds; `groups` are those in flight.
    """

    age: float | None
    groups: float | None


@dataclass(frozen=True, slots=True)
class DecisionStats:
    """The number of each outcome in the last WINDOW seconds, and latencies (accepted to committed) in milliseconds."""

    counts: Mapping[Metric, int]
    p50: float | None
    p90: float | None


@dataclass(frozen=True, slots=True)
class FullestEvents:
    """The fullest events among those whose ledgers were read, and the ids of events with unreadable ledgers.

    `complete` is False when there are more ledgers than the `read` ones. `at` is when they were read, in seconds since
    1970.
    """

    fullest: Sequence[Ledger]
    unreadable: Sequence[str]
    read: int
    complete: bool
    at: float


@dataclass(frozen=True, slots=True)
class DeploymentSnapshot:
    """The state of a deployment. Anything that could not be read is None, and `problems` says why.

    `events_age` says how many seconds ago the events were read.
    """

    at: str
    stage: str
    queue: QueueDepth | None
    metrics: QueueMetrics | None
    dead_letters: int | None
    failed_promotions: int | None
    decisions: DecisionStats | None
    events: FullestEvents | None
    problems: tuple[str, ...]
    events_age: float | None

    def as_json(self) -> dict[str, Any]:
        """Return the object that `turnstile top --json` prints."""
        queue, metrics, events = self.queue, self.metrics, self.events
        return {
            "at": self.at,
            "stage": self.stage,
            "queue": {
                "visible": queue.visible if queue else None,
                "inFlight": queue.in_flight if queue else None,
                "oldestSeconds": metrics.age if metrics else None,
                "groupsInFlight": metrics.groups if metrics else None,
            },
            "deadLetters": self.dead_letters,
            "failedPromotions": self.failed_promotions,
            "decisions": _decisions_as_json(self.decisions) if self.decisions else None,
            "events": [_event_as_json(ledger) for ledger in events.fullest] if events else None,
            "eventsRead": events.read if events else None,
            "eventsComplete": events.complete if events else None,
            "eventsAgeSeconds": self.events_age,
            "problems": list(self.problems),
        }


def _decisions_as_json(decisions: DecisionStats) -> dict[str, Any]:
    counts = {outcome.lower(): count for outcome, count in decisions.counts.items()}
    return {
        "seconds": WINDOW,
        "counts": counts,
        "perSecond": {outcome: round(count / WINDOW, 3) for outcome, count in counts.items()},
        "latencyMs": {"p50": decisions.p50, "p90": decisions.p90},
    }


def _event_as_json(ledger: Ledger) -> dict[str, Any]:
    settings = ledger.settings
    return {
        "eventId": ledger.event_id,
        "status": str(settings.status),
        "confirmed": ledger.confirmed,
        "capacity": settings.capacity,
        "waiting": len(ledger.waitlist),
        "promotionDue": ledger.promotable,
        "hasWaitlist": settings.has_waitlist,
        "waitlistCapacity": settings.waitlist_capacity,
    }


class Collector:
    """Collects snapshots of a deployment. Anything that fails is read again for the next snapshot."""

    def __init__(self, deployment: Deployment, clock: Callable[[], float] = time.time) -> None:
        self._deployment = deployment
        self._clock = clock
        self._problems: list[str] = []
        self._metrics: QueueMetrics | None = None
        self._events: FullestEvents | None = None
        self._refresh = 0.0 if deployment.stage == LOCAL else _REFRESH
        self._refresh_at = 0.0

    def collect(self) -> DeploymentSnapshot:
        """Collect a snapshot. Errors of AWS end up in its `problems`."""
        self._problems = []
        now, outputs = self._clock(), self._deployment.outputs
        if now >= self._refresh_at or self._events is None or self._metrics is None:
            self._metrics = self._read("queue metrics", lambda: self._queue_metrics(now))
            self._events = self._read("events", lambda: self._fullest_events(now))
            self._refresh_at = now + self._refresh
        if self._events and (unreadable := self._events.unreadable):
            self._problems.append(
                f"events: {len(unreadable)} ledgers cannot be read, the first is that of {unreadable[0]}"
            )
        return DeploymentSnapshot(
            at=timestamp(int(now * 1e6)),
            stage=self._deployment.stage,
            queue=self._read("queue", lambda: self._depth(outputs.queue_url)),
            metrics=self._metrics,
            dead_letters=self._read("dead letters", lambda: self._total(outputs.dead_letter_queue_url)),
            failed_promotions=self._read("failed promotions", lambda: self._total(outputs.failed_promotions_queue_url)),
            decisions=self._read("decisions", lambda: self._decisions(now)),
            events=self._events,
            problems=tuple(self._problems),
            events_age=round(now - self._events.at, 1) if self._events else None,
        )

    def _read(self, what: str, read: Callable[[], Value]) -> Value | None:
        try:
            return read()
        except (CliError, ClientError, BotoCoreError) as error:
            self._problems.append(f"{what}: {error}")
            return None

    def _depth(self, url: str) -> QueueDepth:
        found = self._deployment.clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return QueueDepth(
            int(found["ApproximateNumberOfMessages"]), int(found["ApproximateNumberOfMessagesNotVisible"])
        )

    def _total(self, url: str) -> int:
        """Return the number of all messages, received ones included: they are still in the queue."""
        depth = self._depth(url)
        return depth.visible + depth.in_flight

    def _queue_metrics(self, now: float) -> QueueMetrics:
        queue = self._deployment.outputs.queue_url.rpartition("/")[2]
        answer = self._deployment.clients.cloudwatch.get_metric_data(
            MetricDataQueries=[_query(key, name, queue) for key, name in _METRICS.items()],
            StartTime=datetime.fromtimestamp(now - _METRICS_BACK, UTC),
            EndTime=datetime.fromtimestamp(now, UTC),
            ScanBy="TimestampDescending",
        )
        newest = {result["Id"]: result["Values"][0] for result in answer["MetricDataResults"] if result["Values"]}
        return QueueMetrics(newest.get("age"), newest.get("groups"))

    @cached_property
    def _logs(self) -> list[str]:
        """The log groups of the functions that decide: the registrar, and the API, which refuses for full events."""
        groups = log_groups(self._deployment)
        missing = [handler for handler in (REGISTRAR, REGISTRATIONS) if handler not in groups]
        if missing:
            raise CliError(f"the stack has no function {missing[0]}")
        return [groups[REGISTRAR], groups[REGISTRATIONS]]

    def _decisions(self, now: float) -> DecisionStats:
        logs, counts = self._deployment.clients.logs, dict.fromkeys(OUTCOMES, 0)
        latencies: list[float] = []
        found = (page for log in self._logs for page in lines(logs, log, '"CloudWatchMetrics"', now - WINDOW))
        for number, page in enumerate(found):
            if number == _MAX_PAGES:
                self._problems.append("decisions: too many log lines to read in time; the figures are incomplete")
                break
            for line in page:
                fields = line.fields
                for outcome in OUTCOMES:
                    counts[outcome] += round(sum(fields.get(outcome, [])))
                latencies += fields.get(Metric.DECISION_LATENCY, [])
        latencies.sort()
        return DecisionStats(counts, _percentile(latencies, 0.5), _percentile(latencies, 0.9))

    def _fullest_events(self, now: float) -> FullestEvents:
        found = scan_ledgers(self._deployment.clients.dynamodb, self._deployment.outputs.ledger_table)
        fullest = sorted(found.readable, key=_fullness)[:_FULLEST]
        return FullestEvents(fullest, found.unreadable, found.read, found.complete, now)


def _fullness(ledger: Ledger) -> tuple[bool, int, float, str]:
    """Return a sort key: longest waiting list first, then fewest free seats; cancelled events come last."""
    taken = ledger.confirmed / ledger.settings.capacity if ledger.settings.capacity else 1.0
    return ledger.settings.status is EventStatus.CANCELLED, -len(ledger.waitlist), -taken, ledger.event_id


def _percentile(ordered: Sequence[float], share: float) -> float | None:
    """Return the smallest value that a `share` of all values do not exceed."""
    return round(ordered[math.ceil(share * len(ordered)) - 1], 1) if ordered else None


def _query(key: str, metric: str, queue: str) -> MetricDataQueryTypeDef:
    dimensions: list[DimensionTypeDef] = [{"Name": "QueueName", "Value": queue}]
    what: MetricTypeDef = {"Namespace": "AWS/SQS", "MetricName": metric, "Dimensions": dimensions}
    return {"Id": key, "MetricStat": {"Metric": what, "Period": 60, "Stat": "Maximum"}}
