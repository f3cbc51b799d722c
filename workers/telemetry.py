"""The structured log of the functions, and the metrics that CloudWatch extracts from it (EMF).

Neither has personal data. Metrics have few dimensions: an event or a user is never one, because each new value would be
another metric to pay for. To look into a single event or registration, query the log by its fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from workers.domain.commands import Command, Configure, Promote, Recount
from workers.metrics import NAMESPACE, Metric

logger = Logger()
"""The only logger of a function. It writes JSON lines with the keys of the current request, and no personal data."""


_UNITS = {
    Metric.DECISION_LATENCY: MetricUnit.Milliseconds,
    Metric.TIME_TO_PROMOTION: MetricUnit.Milliseconds,
    Metric.FAILED_COMMAND_AGE: MetricUnit.Seconds,
}


def measure(values: Mapping[Metric, float | Iterable[float]], **dimensions: str) -> None:
    """Write metrics as one line of the log, each with one value or several; write nothing if there are none.

    A metric's unit is fixed (`_UNITS`). `dimensions` are added to `service`.
    """
    metrics = EphemeralMetrics(namespace=NAMESPACE)
    for name, value in dimensions.items():
        metrics.add_dimension(name, value)
    for metric, measured in values.items():
        for number in measured if isinstance(measured, Iterable) else (measured,):
            metrics.add_metric(metric, _UNITS.get(metric, MetricUnit.Count), number)
    if metrics.metric_set:
        metrics.flush_metrics()


def log_fields(command: Command) -> dict[str, object]:
    """Return the log fields that identify a command."""
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
