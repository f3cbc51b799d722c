"""The tables: users, events with their index, registrations with two, and the ledger with its stream."""

from __future__ import annotations

from aws_cdk import CfnResource
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.stack.stage import Stage
from infra.stack.suppressions import suppress_nag
from workers.aws.items import DATE_INDEX, EVENT_INDEX, STATUS_KEY, USER_INDEX


class Tables(Construct):
    """Four tables, billed per request: a registration rush needs no planning, and a quiet week costs nothing.

    They are encrypted with keys that AWS owns, which is the default. In production they can be restored to any second
    of the last 35 days, and cannot be deleted before their deletion protection is switched off.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self._stage = stage
        self.users = self._table("UsersTable", "userId")
        self.events = self._table("EventsTable", "eventId")
        self.registrations = self._table("RegistrationsTable", "registrationId")
        # The new image suffices: the promoter needs the event's id and the version of its ledger.
        self.ledger = self._table("LedgerTable", "eventId", stream=dynamodb.StreamViewType.NEW_IMAGE)
        _add_index(self.events, DATE_INDEX, "status", "date")
        _add_index(self.registrations, USER_INDEX, "userId", "registeredAt")
        _add_index(self.registrations, EVENT_INDEX, "eventId", STATUS_KEY)

    def _table(self, name: str, key: str, stream: dynamodb.StreamViewType | None = None) -> dynamodb.Table:
        table = dynamodb.Table(
            self,
            name,
            partition_key=_string(key),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            removal_policy=self._stage.protected_removal_policy,
            deletion_protection=self._stage.keeps_data,
            point_in_time_recovery_specification=_RESTORABLE if self._stage.keeps_data else None,
            stream=stream,
        )
        if not self._stage.keeps_data:
            suppress_nag(
                table,
                "AwsSolutions-DDB3",
                "The data of this stage may be lost, and should be deleted with it: AWS keeps a backup of a table with "
                "point-in-time recovery for 35 days after its deletion.",
            )
        if self._stage.on_aws:
            table.add_to_resource_policy(_only_over_tls())
        # A fixed logical id: a table must survive a move between constructs.
        resource = table.node.default_child
        assert isinstance(resource, CfnResource)  # noqa: S101 - for the type checker
        resource.override_logical_id(name)
        return table

    @property
    def stream_arn(self) -> str:
        """The ARN of the ledger's stream."""
        arn: str | None = self.ledger.table_stream_arn
        assert arn is not None  # noqa: S101 - it is created with a stream
        return arn


_RESTORABLE = dynamodb.PointInTimeRecoverySpecification(point_in_time_recovery_enabled=True)


def _only_over_tls() -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid="OnlyOverTls",
        effect=iam.Effect.DENY,
        principals=[iam.AnyPrincipal()],
        actions=["dynamodb:*"],
        resources=["*"],  # the policy's own table with its indexes; its ARN would be a circular reference
        conditions={"Bool": {"aws:SecureTransport": "false"}},
    )


def _add_index(table: dynamodb.Table, name: str, partition: str, sort: str) -> None:
    # Keys only: each change of a projected attribute would be a write to the index, which costs.
    table.add_global_secondary_index(
        index_name=name,
        partition_key=_string(partition),
        sort_key=_string(sort),
        projection_type=dynamodb.ProjectionType.KEYS_ONLY,
    )


def _string(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
