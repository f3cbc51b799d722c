"""What the pipeline says of itself: one structured log, and metrics as CloudWatch reads them out of it (EMF).

Nothing personal is in either. A metric's dimensions stay few (an event or a person never is one: each new value would
be a metric to pay for); whoever asks about one event or one registration asks the log, by its fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from workers.domain.commands import Command, Configure, Promote, Recount

NAMESPACE = "Turnstile"

logger = Logger()
"""The one logger of a function: JSON lines, with the keys of the request at hand. Never a name or an address."""


class Metric(StrEnum):
    """Every metric there is. The dimension is `service`, which names the stage; `REJECTED` has `reason` too."""

    CONFIRMED = "Confirmed"
    WAITLISTED = "Waitlisted"
    REJECTED = "Rejected"
    PROMOTED = "Promoted"
    CANCELLED = "Cancelled"
    SUPERSEDED = "Superseded"
    DECISION_LATENCY = "DecisionLatency"
    TIME_TO_PROMOTION = "TimeToPromotion"
    BATCH_SIZE = "BatchSize"
    RETRIED = "Retried"
    FAILED_COMMAND_AGE = "FailedCommandAge"
    COMMITS_FALLEN_BACK = "CommitsFallenBack"
    DEAD_LETTERED = "DeadLettered"
    PENDING_ANSWERS = "PendingAnswers"
    LEDGERS_AUDITED = "LedgersAudited"
    LEDGER_DRIFT = "LedgerDrift"


_UNITS = {
    Metric.DECISION_LATENCY: MetricUnit.Milliseconds,
    Metric.TIME_TO_PROMOTION: MetricUnit.Milliseconds,
    Metric.FAILED_COMMAND_AGE: MetricUnit.Seconds,
}


def measure(values: Mapping[Metric, float | Iterable[float]], **dimensions: str) -> None:
    """Writes metrics as one line of the log; of a metric there may be several values. Nothing for an empty mapping.

    Milliseconds, seconds or counts, as the metric has it. `dimensions` are added to `service`.
    """
    metrics = EphemeralMetrics(namespace=NAMESPACE)
    for name, value in dimensions.items():
        metrics.add_dimension(name, value)
    for metric, measured in values.items():
        for one in measured if isinstance(measured, Iterable) else (measured,):
            metrics.add_metric(metric, _UNITS.get(metric, MetricUnit.Count), one)
    if metrics.metric_set:
        metrics.flush_metrics()


def log_fields(command: Command) -> dict[str, object]:
    """The log fields that say which command a line is about."""
    fields: dict[str, object] = {
        "command": type(command).__name__,
        "command_id": command.command_id,
        "event_id": command.event_id,
    }
    match command:
        case Configure(revision=revision):
            return fields | {"revision": revision}
        case Promote() | Recount():
            return fields
        case _:
            return fields | {"registration_id": command.registration_id, "generation": command.generation}
