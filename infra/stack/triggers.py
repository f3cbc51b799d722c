"""The triggers of the workers: two queues (registrar, eraser), the ledger's stream (promoter), a schedule (auditor)."""

from __future__ import annotations

import json

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.stack.functions import Functions
from infra.stack.queues import Queues
from infra.stack.stage import Stage
from infra.stack.tables import Tables
from workers.aws.items import PROMOTABLE

PROMOTABLE_LEDGERS = {"dynamodb": {"NewImage": {"promotable": {"S": [PROMOTABLE]}}}}
"""Few commits leave a free seat while people wait. They mark the ledger, and only they cost an invocation."""


class Triggers(Construct):
    """Three event source mappings and a rule.

    They are plain resources because the CDK's event sources would add grants, which belong in `infra.functions`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        functions: Functions,
        tables: Tables,
        queues: Queues,
    ) -> None:
        super().__init__(scope, construct_id)
        self._trigger_registrar(functions["registrar"], stage, queues)
        self._trigger_promoter(functions["promoter"], tables, queues)
        self._trigger_eraser(functions["eraser"], queues)
        self._trigger_auditor(functions["auditor"])

    def _trigger_registrar(self, registrar: lambda_.Function, stage: Stage, queues: Queues) -> None:
        mapping = lambda_.CfnEventSourceMapping
        mapping(
            self,
            "Commands",
            function_name=registrar.function_arn,
            event_source_arn=queues.commands.queue_arn,
            batch_size=10,  # the maximum of a FIFO queue; one transaction commits them all
            function_response_types=["ReportBatchItemFailures"],
            # A rush at many events must not take the account's concurrency from the API.
            scaling_config=mapping.ScalingConfigProperty(maximum_concurrency=stage.limits.registrars),
        )

    def _trigger_promoter(self, promoter: lambda_.Function, tables: Tables, queues: Queues) -> None:
        mapping = lambda_.CfnEventSourceMapping
        mapping(
            self,
            "SeatsFree",
            function_name=promoter.function_arn,
            event_source_arn=tables.stream_arn,
            # From the oldest record in the stream: a change while the mapping is being created must not be missed, and
            # reading a record twice does no harm.
            starting_position="TRIM_HORIZON",
            filter_criteria=mapping.FilterCriteriaProperty(
                filters=[mapping.FilterProperty(pattern=json.dumps(PROMOTABLE_LEDGERS, separators=(",", ":")))]
            ),
            batch_size=10,  # one SendMessageBatch
            # A failing record blocks its shard: bisect the batch to find it, and retry as long as the stream has it (24
            # hours), because a lost promotion means a free seat while people wait, until the event's next command. An
            # hour before it expires it goes to a queue with an alarm.
            bisect_batch_on_function_error=True,
            maximum_retry_attempts=-1,
            maximum_record_age_in_seconds=int(Duration.hours(23).to_seconds()),
            destination_config=mapping.DestinationConfigProperty(
                on_failure=mapping.OnFailureProperty(destination=queues.failed_promotions.queue_arn)
            ),
        )

    def _trigger_eraser(self, eraser: lambda_.Function, queues: Queues) -> None:
        mapping = lambda_.CfnEventSourceMapping
        mapping(
            self,
            "UsersErased",
            function_name=eraser.function_arn,
            event_source_arn=queues.erasures.queue_arn,
            batch_size=10,
            scaling_config=mapping.ScalingConfigProperty(maximum_concurrency=2),  # the least that there can be
        )

    def _trigger_auditor(self, auditor: lambda_.Function) -> None:
        every_six_hours = events.CfnRule(
            self,
            "AuditDue",
            description="Turnstile: compare each ledger with its registrations",
            schedule_expression="rate(6 hours)",
            targets=[events.CfnRule.TargetProperty(arn=auditor.function_arn, id="auditor")],
        )
        # A rule, because a schedule of EventBridge Scheduler would need a role to invoke the function.
        lambda_.CfnPermission(
            self,
            "MayAudit",
            action="lambda:InvokeFunction",
            function_name=auditor.function_arn,
            principal="events.amazonaws.com",
            source_arn=every_six_hours.attr_arn,
        )
