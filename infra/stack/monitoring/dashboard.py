"""The dashboard: one row for each question of an operator, in the order in which they ask."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from cdk_monitoring_constructs import CustomMetricGroup, DefaultDashboardFactory, MonitoringFacade
from constructs import Construct

from infra.stack.monitoring.metrics import Metrics
from infra.stack.stage import Stage
from workers.domain.decision import Reason
from workers.metrics import Metric

PERCENTILES = ("p50", "p90", "p99")
REFUSALS = (Reason.EVENT_FULL, Reason.WAITLIST_FULL, Reason.REGISTRATION_CLOSED)

COMMANDS = """**Is anyone waiting?** Visible: commands that are waiting. Not visible: commands in process or waiting \
for a retry. Normal: near zero, a hill during a rush, and an oldest message of seconds. Failed: the age of commands \
that the registrar returned; any means that an event is stuck. One event is one group, with one registrar at a time: a \
**large backlog with few groups in flight is a hot event**, with many groups it is a slow registrar. Dead letters: \
always zero; `turnstile dlq list` shows them."""

API = """**What do clients see?** 5xx: server errors, normally none. 4xx: client errors; many 409s are normal when an \
event is full. Latency includes the wait for the decision: p50 far below a second, at most 2 s unless a client asked \
to wait longer. If p99 stays at its maximum, look at the row above."""

FUNCTIONS = """**Do the functions run?** Errors and throttles: none. The registrar returns commands that it cannot \
decide yet without an error: see *Retries* in the last row. Duration is p99: a batch takes far less than a second, a \
registration waits for its decision. The registrar's concurrency is at most the number of groups in flight."""

PROMOTIONS = """**Do free seats reach the waiting list?** Iterator age: how far the promoter is behind the ledger's \
stream. Normal: below a second, no data while nobody cancels. Failed promotions: always zero."""

TABLES = """**Do the tables keep up?** Throttles: none. Conflicts: two writes to the same item at once; some are \
normal in a rush. Each costs a retry, and nobody a seat."""

DECISIONS = """**What was decided?** Decision latency: from the API's acceptance to the commit. Time to promotion: \
from the free seat to the promoted registration, 0 within one commit. Pending responses are 202s: the decision came \
after the client's wait, or the client did not want to wait (`Prefer: respond-async`). Retries, single commits, dead \
letters and ledger drift: normally zero. Full batches: a rush."""


class Dashboard(Construct):
    """The dashboard `turnstile-{stage}`. Alarms are in `infra.stack.monitoring.alarms`."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, metrics: Metrics) -> None:
        super().__init__(scope, construct_id)
        factory = DefaultDashboardFactory(
            self, "Board", dashboard_name_prefix=stage.service, detail_dashboard_range=Duration.hours(3)
        )
        self._facade = MonitoringFacade(self, "Rows", dashboard_factory=factory)
        self._commands(metrics)
        self._api(metrics)
        self._functions(metrics)
        self._promotions(metrics)
        self._tables(metrics)
        self._decisions(metrics)

    def _commands(self, metrics: Metrics) -> None:
        waiting = {"visible": metrics.visible(), "not visible": metrics.not_visible()}
        failed = metrics.custom(Metric.FAILED_COMMAND_AGE, "Maximum")
        ages = {"received up to 3 times": metrics.oldest_message(), "failed": failed}
        self._row(
            "Commands",
            COMMANDS,
            _graph("Messages", waiting),
            _graph("Age of the oldest (s)", ages),
            _graph("Groups in flight", {"groups": metrics.groups_in_flight()}),
            _graph("Dead letters", {"dead letters": metrics.dead_letters()}),
        )

    def _api(self, metrics: Metrics) -> None:
        self._row(
            "API",
            API,
            _graph("5xx", {"5xx": metrics.server_errors("Sum")}),
            _graph("4xx", {"4xx": metrics.client_errors("Sum"), "requests": metrics.requests()}),
            _graph("Latency (ms)", {statistic: metrics.latency(statistic) for statistic in PERCENTILES}),
        )

    def _functions(self, metrics: Metrics) -> None:
        self._row(
            "Functions",
            FUNCTIONS,
            _graph("Errors", metrics.of_functions("Errors", "Sum")),
            _graph("Throttles", metrics.of_functions("Throttles", "Sum")),
            _graph("Duration, p99 (ms)", metrics.of_functions("Duration", "p99")),
            _graph("Concurrency", metrics.of_functions("ConcurrentExecutions", "Maximum")),
        )

    def _promotions(self, metrics: Metrics) -> None:
        self._row(
            "Promotions",
            PROMOTIONS,
            _graph("Iterator age (ms)", {"iterator age": metrics.iterator_age()}),
            _graph("Failed promotions", {"failed promotions": metrics.failed_promotions()}),
        )

    def _tables(self, metrics: Metrics) -> None:
        self._row(
            "Tables",
            TABLES,
            _graph("Read throttles", metrics.of_tables_and_indexes("ReadThrottleEvents")),
            _graph("Write throttles", metrics.of_tables_and_indexes("WriteThrottleEvents")),
            _graph("Transaction conflicts", metrics.of_tables("TransactionConflict")),
        )

    def _decisions(self, metrics: Metrics) -> None:
        def each(*names: Metric, statistic: str = "Sum") -> dict[str, cloudwatch.Metric]:
            return {str(name): metrics.custom(name, statistic) for name in names}

        def percentiles(name: Metric) -> dict[str, cloudwatch.Metric]:
            return {statistic: metrics.custom(name, statistic) for statistic in (*PERCENTILES, "Maximum")}

        rejected = {str(reason): metrics.custom(Metric.REJECTED, "Sum", reason=reason) for reason in REFUSALS}
        given = (Metric.CONFIRMED, Metric.WAITLISTED, Metric.PROMOTED, Metric.CANCELLED, Metric.SUPERSEDED)
        self._row(
            "Decisions",
            DECISIONS,
            _graph("Outcomes", each(*given)),
            _graph("Rejected", rejected),
            _graph("Decision latency (ms)", percentiles(Metric.DECISION_LATENCY)),
            _graph("Time to promotion (ms)", percentiles(Metric.TIME_TO_PROMOTION)),
            _graph("Pending responses", each(Metric.PENDING_ANSWERS)),
            _graph("Batch size, average", each(Metric.BATCH_SIZE, statistic="Average")),
            _graph("Retries", each(Metric.RETRIED, Metric.COMMITS_FALLEN_BACK, Metric.DEAD_LETTERED)),
            _graph("Audit", each(Metric.LEDGERS_AUDITED, Metric.LEDGER_DRIFT, statistic="Maximum")),
        )

    def _row(self, title: str, description: str, *graphs: CustomMetricGroup) -> None:
        self._facade.monitor_custom(
            human_readable_name=title,
            alarm_friendly_name=title,
            description=description,
            description_widget_height=3,
            metric_groups=list(graphs),
        )


def _graph(title: str, metrics: Mapping[str, cloudwatch.Metric]) -> CustomMetricGroup:
    lines = [metric.with_(label=name) for name, metric in metrics.items()]
    return CustomMetricGroup(title=title, metrics=lines, graph_widget_axis=cloudwatch.YAxisProps(min=0))
