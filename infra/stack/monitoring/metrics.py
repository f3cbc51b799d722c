"""The metrics that alarms watch and the dashboard shows: those of AWS, and those of `workers.metrics`."""

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
from workers.aws.items import DATE_INDEX, EVENT_INDEX, USER_INDEX
from workers.metrics import NAMESPACE, Metric

MINUTE = Duration.minutes(1)
"""The period of all metrics."""


class Metrics:
    """The metrics of one deployment, each by the minute. Several of a kind are a dictionary, by labels."""

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
        """Return the number of commands that wait for the registrar."""
        return self._queues.commands.metric_approximate_number_of_messages_visible(period=MINUTE)

    def not_visible(self) -> cloudwatch.Metric:
        """Return the number of commands that the registrar is processing, or that wait for a retry."""
        return self._queues.commands.metric_approximate_number_of_messages_not_visible(period=MINUTE)

    def oldest_message(self) -> cloudwatch.Metric:
        """Return the age of the oldest command in seconds, except for those received more than three times.

        SQS excludes those ("Available CloudWatch metrics for Amazon SQS"); `Metric.FAILED_COMMAND_AGE` includes them.
        """
        return self._queues.commands.metric_approximate_age_of_oldest_message(period=MINUTE)

    def groups_in_flight(self) -> cloudwatch.Metric:
        """Return the number of events that are being processed. The CDK has no method for this metric."""
        return self._queues.commands.metric(
            "ApproximateNumberOfGroupsWithInflightMessages", statistic="Maximum", period=MINUTE
        )

    def dead_letters(self) -> cloudwatch.Metric:
        """Return the number of messages in the dead-letter queue."""
        return _visible(self._queues.dead_letters)

    def failed_promotions(self) -> cloudwatch.Metric:
        """Return the number of promotions that the promoter could not send."""
        return _visible(self._queues.failed_promotions)

    def client_errors(self, statistic: str) -> cloudwatch.Metric:
        """Return the 4xx responses: `Sum` is their number, `Average` their share of all responses."""
        return self._http.metric_client_error(statistic=statistic, period=MINUTE)

    def server_errors(self, statistic: str) -> cloudwatch.Metric:
        """Return the 5xx responses in the same way."""
        return self._http.metric_server_error(statistic=statistic, period=MINUTE)

    def requests(self) -> cloudwatch.Metric:
        """Return the number of requests to the API."""
        return self._http.metric_count(statistic="Sum", period=MINUTE)

    def latency(self, statistic: str) -> cloudwatch.Metric:
        """Return the time from a request's arrival at API Gateway to its response, in milliseconds."""
        return self._http.metric_latency(statistic=statistic, period=MINUTE)

    def of_functions(self, metric: str, statistic: str) -> dict[str, cloudwatch.Metric]:
        """Return one of Lambda's metrics for each function that every stage has, by its label."""
        return {
            spec.label: self._functions[spec.name].metric(metric, statistic=statistic, period=MINUTE) for spec in ALWAYS
        }

    def iterator_age(self) -> cloudwatch.Metric:
        """Return how far the promoter is behind the ledger's stream, in milliseconds."""
        return self._functions["promoter"].metric("IteratorAge", statistic="Maximum", period=MINUTE)

    def of_tables(self, metric: str) -> dict[str, cloudwatch.Metric]:
        """Return one of DynamoDB's counts for each table."""
        tables: dict[str, dynamodb.Table] = {
            "users-table": self._tables.users,
            "events-table": self._tables.events,
            "registrations-table": self._tables.registrations,
            "ledger-table": self._tables.ledger,
        }
        return {name: table.metric(metric, statistic="Sum", period=MINUTE) for name, table in tables.items()}

    def of_tables_and_indexes(self, metric: str) -> dict[str, cloudwatch.Metric]:
        """Return the same for each table and each index: DynamoDB does not add an index's counts to its table's."""
        events, registrations = self._tables.events, self._tables.registrations
        indexes = {
            name: cloudwatch.Metric(
                namespace="AWS/DynamoDB",
                metric_name=metric,
                dimensions_map={"TableName": table.table_name, "GlobalSecondaryIndexName": index},
                statistic="Sum",
                period=MINUTE,
            )
            for name, table, index in (
                ("date-index", events, DATE_INDEX),
                ("user-index", registrations, USER_INDEX),
                ("event-index", registrations, EVENT_INDEX),
            )
        }
        return self.of_tables(metric) | indexes

    def custom(self, metric: Metric, statistic: str, **dimensions: str) -> cloudwatch.Metric:
        """Return a metric that the functions send themselves. `dimensions` are added to the stage's service."""
        return cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=metric,
            dimensions_map={"service": self._service, **dimensions},
            statistic=statistic,
            period=MINUTE,
        )


def _visible(queue: sqs.Queue) -> cloudwatch.Metric:
    return queue.metric_approximate_number_of_messages_visible(period=MINUTE)
