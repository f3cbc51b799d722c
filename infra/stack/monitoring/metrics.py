"""The metrics that alarms watch and the dashboard shows: AWS's own, and those of `workers.telemetry`."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_sqs as sqs

from infra.functions import ALWAYS
from infra.stack.functions import Functions
from infra.stack.http.http_api import HttpApi
from infra.stack.queues import Queues
from infra.stack.stage import Stage
from infra.stack.tables import Tables
from workers.aws.items import EVENT_INDEX, USER_INDEX
from workers.telemetry import NAMESPACE, Metric

MINUTE = Duration.minutes(1)
"""The period of all metrics."""


class Metrics:
    """The metrics of one deployment, each by the minute. Those that come in numbers have names: `registrar`."""

    def __init__(
        self,
        *,
        stage: Stage,
        http: HttpApi,
        tables: Tables,
        queues: Queues,
        functions: Functions,
    ) -> None:
        self._service = stage.service
        self._http = http.api
        self._tables = tables
        self._queues = queues
        self._functions = functions

    def visible(self) -> cloudwatch.Metric:
        """Commands that wait for the registrar."""
        return self._queues.commands.metric_approximate_number_of_messages_visible(period=MINUTE)

    def not_visible(self) -> cloudwatch.Metric:
        """Commands that the registrar has in hand, or that wait for another try."""
        return self._queues.commands.metric_approximate_number_of_messages_not_visible(period=MINUTE)

    def oldest_message(self) -> cloudwatch.Metric:
        """The age of the oldest command in seconds, without those that were received more than three times.

        SQS leaves those out ("Available CloudWatch metrics for Amazon SQS"); `Metric.FAILED_COMMAND_AGE` has them.
        """
        return self._queues.commands.metric_approximate_age_of_oldest_message(period=MINUTE)

    def groups_in_flight(self) -> cloudwatch.Metric:
        """Events that the registrar is at. The CDK has no method for this metric of FIFO queues."""
        return self._queues.commands.metric(
            "ApproximateNumberOfGroupsWithInflightMessages", statistic="Maximum", period=MINUTE
        )

    def dead_letters(self) -> cloudwatch.Metric:
        """Messages in the dead-letter queue."""
        return _waiting(self._queues.dead_letters)

    def failed_promotions(self) -> cloudwatch.Metric:
        """What the promoter could not pass on."""
        return _waiting(self._queues.failed_promotions)

    def client_errors(self, statistic: str) -> cloudwatch.Metric:
        """4xx answers: `Sum` is how many, `Average` the share of all answers."""
        return self._http.metric_client_error(statistic=statistic, period=MINUTE)

    def server_errors(self, statistic: str) -> cloudwatch.Metric:
        """5xx answers, in the same way."""
        return self._http.metric_server_error(statistic=statistic, period=MINUTE)

    def requests(self) -> cloudwatch.Metric:
        """Requests to the API."""
        return self._http.metric_count(statistic="Sum", period=MINUTE)

    def latency(self, statistic: str) -> cloudwatch.Metric:
        """From a request's arrival at API Gateway to its answer, in milliseconds."""
        return self._http.metric_latency(statistic=statistic, period=MINUTE)

    def of_functions(self, metric: str, statistic: str) -> dict[str, cloudwatch.Metric]:
        """Return one of Lambda's metrics for each function that every stage has, by its label."""
        return {
            spec.label: self._functions[spec.name].metric(metric, statistic=statistic, period=MINUTE) for spec in ALWAYS
        }

    def iterator_age(self) -> cloudwatch.Metric:
        """How far the promoter is behind the ledger's stream, in milliseconds."""
        return self._functions["promoter"].metric("IteratorAge", statistic="Maximum", period=MINUTE)

    def of_tables(self, metric: str) -> dict[str, cloudwatch.Metric]:
        """One of DynamoDB's counts for each table."""
        tables: dict[str, dynamodb.Table] = {
            "users-table": self._tables.users,
            "events-table": self._tables.events,
            "registrations-table": self._tables.registrations,
            "ledger-table": self._tables.ledger,
        }
        return {name: table.metric(metric, statistic="Sum", period=MINUTE) for name, table in tables.items()}

    def of_tables_and_indexes(self, metric: str) -> dict[str, cloudwatch.Metric]:
        """The same, and for each index: DynamoDB does not add an index's to its table's."""
        registrations = self._tables.registrations.table_name
        indexes = {
            name: cloudwatch.Metric(
                namespace="AWS/DynamoDB",
                metric_name=metric,
                dimensions_map={"TableName": registrations, "GlobalSecondaryIndexName": index},
                statistic="Sum",
                period=MINUTE,
            )
            for name, index in (("user-index", USER_INDEX), ("event-index", EVENT_INDEX))
        }
        return self.of_tables(metric) | indexes

    def measured(self, metric: Metric, statistic: str, **dimensions: str) -> cloudwatch.Metric:
        """What the functions measure themselves. `dimensions` are those beside the stage's service."""
        return cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=metric,
            dimensions_map={"service": self._service, **dimensions},
            statistic=statistic,
            period=MINUTE,
        )


def _waiting(queue: sqs.Queue) -> cloudwatch.Metric:
    return queue.metric_approximate_number_of_messages_visible(period=MINUTE)
