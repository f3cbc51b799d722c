"""The tables: users, events, registrations with their two indexes, and the ledger with its stream."""

from __future__ import annotations

from aws_cdk import CfnResource
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.stack.stage import Stage
from infra.stack.suppressions import accept
from workers.aws.items import EVENT_INDEX, STATUS_KEY, USER_INDEX


class Tables(Construct):
    """Four tables, billed per request: a registration rush needs no planning and a quiet week costs nothing.

    Encrypted with keys that AWS owns, as every table is unless it is told otherwise; in production every second of the
    last 35 days can be restored, and no call deletes a table before its protection is taken off.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self._stage = stage
        self.users = self._table("UsersTable", "userId")
        self.events = self._table("EventsTable", "eventId")
        self.registrations = self._table("RegistrationsTable", "registrationId")
        # The new image suffices: the promoter wants to know which event, and which version of its ledger.
        self.ledger = self._table("LedgerTable", "eventId", stream=dynamodb.StreamViewType.NEW_IMAGE)
        self._index(USER_INDEX, "userId", "registeredAt")
        self._index(EVENT_INDEX, "eventId", STATUS_KEY)

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
            accept(
                table,
                "AwsSolutions-DDB3",
                "What is on this stage may be lost, and should be gone with it: of a table that can be restored AWS "
                "keeps a backup for 35 days after it was deleted.",
            )
        if self._stage.on_aws:
            table.add_to_resource_policy(_only_over_tls())
        # A fixed name in the template: a table must survive being moved between constructs.
        resource = table.node.default_child
        assert isinstance(resource, CfnResource)  # noqa: S101 - for the type checker
        resource.override_logical_id(name)
        return table

    def _index(self, name: str, partition: str, sort: str) -> None:
        # Keys only: every projected attribute that changes would be a paid index write.
        self.registrations.add_global_secondary_index(
            index_name=name,
            partition_key=_string(partition),
            sort_key=_string(sort),
            projection_type=dynamodb.ProjectionType.KEYS_ONLY,
        )

    @property
    def stream_arn(self) -> str:
        """The ARN of the ledger's stream."""
        arn: str | None = self.ledger.table_stream_arn
        assert arn is not None  # noqa: S101 - the table was made with a stream
        return arn


_RESTORABLE = dynamodb.PointInTimeRecoverySpecification(point_in_time_recovery_enabled=True)


def _only_over_tls() -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid="OnlyOverTls",
        effect=iam.Effect.DENY,
        principals=[iam.AnyPrincipal()],
        actions=["dynamodb:*"],
        resources=["*"],  # the table with its indexes, whose policy this is; its own ARN would be a circle
        conditions={"Bool": {"aws:SecureTransport": "false"}},
    )


def _string(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
