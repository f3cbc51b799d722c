"""What wakes the workers: the queue the registrar, the ledger's stream the promoter, the clock the auditor."""

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

PROMOTIONS_DUE = {"dynamodb": {"NewImage": {"promotable": {"S": [PROMOTABLE]}}}}
"""Most commits leave no free seat beside a waiter. Those that do say so; only they cost an invocation."""


class Triggers(Construct):
    """Two event source mappings and a rule. Plain resources, because the CDK's own event sources would add grants;
    what is needed is granted in `infra.functions`."""

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
        self._wake_registrar(functions["registrar"], stage, queues)
        self._wake_promoter(functions["promoter"], tables, queues)
        self._wake_auditor(functions["auditor"])

    def _wake_registrar(self, registrar: lambda_.Function, stage: Stage, queues: Queues) -> None:
        mapping = lambda_.CfnEventSourceMapping
        mapping(
            self,
            "Commands",
            function_name=registrar.function_arn,
            event_source_arn=queues.commands.queue_arn,
            batch_size=10,  # the most that a FIFO queue hands out; one transaction decides them all
            function_response_types=["ReportBatchItemFailures"],
            # A rush at many events must not take the account's concurrency from those who stand at the door.
            scaling_config=mapping.ScalingConfigProperty(maximum_concurrency=stage.limits.registrars),
        )

    def _wake_promoter(self, promoter: lambda_.Function, tables: Tables, queues: Queues) -> None:
        mapping = lambda_.CfnEventSourceMapping
        mapping(
            self,
            "SeatsFree",
            function_name=promoter.function_arn,
            event_source_arn=tables.stream_arn,
            # From the oldest record that the stream keeps: what changes while the mapping is being set up must not be
            # missed, and reading a record twice does no harm.
            starting_position="TRIM_HORIZON",
            filter_criteria=mapping.FilterCriteriaProperty(
                filters=[mapping.FilterProperty(pattern=json.dumps(PROMOTIONS_DUE, separators=(",", ":")))]
            ),
            batch_size=10,  # one SendMessageBatch
            # A record that cannot be passed on holds up its shard: halve the batch to find it, and try as long as the
            # stream has it (24 hours), because a promotion that is given up is a free seat beside a waiter until the
            # event's next command. An hour before the stream forgets it, it is set aside where it is seen.
            bisect_batch_on_function_error=True,
            maximum_retry_attempts=-1,
            maximum_record_age_in_seconds=int(Duration.hours(23).to_seconds()),
            destination_config=mapping.DestinationConfigProperty(
                on_failure=mapping.OnFailureProperty(destination=queues.failed_promotions.queue_arn)
            ),
        )

    def _wake_auditor(self, auditor: lambda_.Function) -> None:
        every_six_hours = events.CfnRule(
            self,
            "AuditDue",
            description="Turnstile: does each ledger count what the registrations say?",
            schedule_expression="rate(6 hours)",
            targets=[events.CfnRule.TargetProperty(arn=auditor.function_arn, id="auditor")],
        )
        # A rule, not a schedule of EventBridge Scheduler: that one would need a role of its own to call the function.
        lambda_.CfnPermission(
            self,
            "MayAudit",
            action="lambda:InvokeFunction",
            function_name=auditor.function_arn,
            principal="events.amazonaws.com",
            source_arn=every_six_hours.attr_arn,
        )
