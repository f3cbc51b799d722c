"""The structured log of the functions, and the metrics that CloudWatch extracts from it (EMF).

Neither has personal data. Metrics have few dimensions: an event or a user is never one, because each new value would be
another metric to pay for. To look into a single event or registration, query the log by its fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from workers.domain.commands import Command
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


_IDENTIFYING = ("command_id", "event_id", "revision", "registration_id", "generation")
"""The attributes of commands that the log has, where a command has them."""


def log_fields(command: Command) -> dict[str, object]:
    """Return the log fields that identify a command."""
    fields: dict[str, object] = {"command": type(command).__name__}
    return fields | {name: getattr(command, name) for name in _IDENTIFYING if hasattr(command, name)}
