"""The functions: what each is given, and what each may do.

The lists of actions are exactly what the code calls; TransactWriteItems is authorised through the actions inside it.
Only the registrar may write the ledger.

Memory buys processor time too (1,769 MB is one processor). Registrations and the registrar get more than the others,
because a person waits for both: half a processor keeps a cold start (importing, above all) near a second.
"""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.stack.function import Function, allow
from infra.stack.identity.identity import Identity
from infra.stack.queues import Queues
from infra.stack.stage import Stage
from infra.stack.suppressions import accept, accept_policy
from infra.stack.tables import Tables
from workers.aws.items import EVENT_INDEX, USER_INDEX

WORKER_TIMEOUT = Duration.seconds(15)
"""A batch of ten takes far below a second; this leaves room for retries against a slow table. The queue's visibility
timeout is six times as long, and so long an event stands still when its registrar is killed."""

WRITES_PER_SECOND = 5
WRITES_BURST = 40
"""The sustained and burst write rates of one caller in one process of a function (`api/http/rate_limit.py`)."""


class ApiFunctions(Construct):
    """The front door: one function per resource family, and one for the reference page where there is one.

    `api_url` is the public base URL, without trailing slash; `identity` says who their callers are.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        tables: Tables,
        queues: Queues,
        api_url: str,
        identity: Identity,
    ) -> None:
        super().__init__(scope, construct_id)
        common = {"API_URL": api_url, **identity.environment, **_write_limit(stage)}
        self.users = self._users(stage, tables, queues, common)
        self.events = self._events(stage, tables, queues, common)
        self.registrations = self._registrations(stage, tables, queues, common)
        self.docs = self._docs(stage) if stage.has_reference else None

    def _users(self, stage: Stage, tables: Tables, queues: Queues, common: Mapping[str, str]) -> Function:
        return Function(
            self,
            "Users",
            stage=stage,
            package="api",
            handler="api.entry.users",
            memory_mb=512,
            timeout=Duration.seconds(20),  # forgetting somebody with hundreds of registrations
            environment={
                "USERS_TABLE": tables.users.table_name,
                "REGISTRATIONS_TABLE": tables.registrations.table_name,
                "QUEUE_URL": queues.commands.queue_url,
                **common,
            },
            grants=[
                allow([f"dynamodb:{verb}" for verb in _USER_VERBS], tables.users.table_arn),
                allow(["dynamodb:BatchGetItem"], tables.registrations.table_arn),
                allow(["dynamodb:Query"], f"{tables.registrations.table_arn}/index/{USER_INDEX}"),
                _may_send(queues.commands),
            ],
        )

    def _events(self, stage: Stage, tables: Tables, queues: Queues, common: Mapping[str, str]) -> Function:
        return Function(
            self,
            "Events",
            stage=stage,
            package="api",
            handler="api.entry.events",
            memory_mb=512,
            timeout=Duration.seconds(20),  # a change of seats waits for the queue, as a registration does
            environment={
                "EVENTS_TABLE": tables.events.table_name,
                "LEDGER_TABLE": tables.ledger.table_name,
                "QUEUE_URL": queues.commands.queue_url,
                **common,
            },
            grants=[
                allow([f"dynamodb:{verb}" for verb in _EVENT_VERBS], tables.events.table_arn),
                allow(["dynamodb:BatchGetItem"], tables.ledger.table_arn),
                _may_send(queues.commands),
            ],
        )

    def _registrations(self, stage: Stage, tables: Tables, queues: Queues, common: Mapping[str, str]) -> Function:
        users, events, ledger = (table.table_arn for table in (tables.users, tables.events, tables.ledger))
        registrations = tables.registrations.table_arn
        return Function(
            self,
            "Registrations",
            stage=stage,
            package="api",
            handler="api.entry.registrations",
            memory_mb=1024,
            timeout=Duration.seconds(20),  # a client may ask to wait ten seconds for the decision
            environment={
                "USERS_TABLE": tables.users.table_name,
                "EVENTS_TABLE": tables.events.table_name,
                "REGISTRATIONS_TABLE": tables.registrations.table_name,
                "LEDGER_TABLE": tables.ledger.table_name,
                "QUEUE_URL": queues.commands.queue_url,
                **common,
            },
            grants=[
                allow(["dynamodb:BatchGetItem"], users, events, ledger),
                allow(["dynamodb:BatchGetItem", "dynamodb:PutItem"], registrations),
                allow(["dynamodb:Query"], *(f"{registrations}/index/{name}" for name in (USER_INDEX, EVENT_INDEX))),
                _may_send(queues.commands),
            ],
        )

    def _docs(self, stage: Stage) -> Function:
        return Function(
            self,
            "Docs",
            stage=stage,
            package="docs",
            handler="api.entry.docs",
            memory_mb=256,
            timeout=Duration.seconds(10),
            environment={},
            grants=[],
        )


class WorkerFunctions(Construct):
    """Behind the API: the registrar decides, the promoter passes on that seats are free, the auditor counts again."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, tables: Tables, queues: Queues) -> None:
        super().__init__(scope, construct_id)
        self.registrar = self._registrar(stage, tables, queues)
        self.promoter = self._promoter(stage, tables, queues)
        self.auditor = self._auditor(stage, tables)

    def _registrar(self, stage: Stage, tables: Tables, queues: Queues) -> Function:
        registrations = tables.registrations.table_arn
        return Function(
            self,
            "Registrar",
            stage=stage,
            package="workers",
            handler="workers.entry.registrar",
            memory_mb=1024,
            timeout=WORKER_TIMEOUT,
            environment={
                "EVENTS_TABLE": tables.events.table_name,
                "REGISTRATIONS_TABLE": tables.registrations.table_name,
                "LEDGER_TABLE": tables.ledger.table_name,
                "QUEUE_URL": queues.commands.queue_url,
                "DEAD_LETTER_QUEUE_URL": queues.dead_letters.queue_url,
            },
            grants=[
                allow(["dynamodb:BatchGetItem", "dynamodb:PutItem"], tables.ledger.table_arn, registrations),
                allow(["dynamodb:BatchGetItem", "dynamodb:UpdateItem"], tables.events.table_arn),
                allow(["dynamodb:Query"], f"{registrations}/index/{EVENT_INDEX}"),
                allow([f"sqs:{verb}" for verb in _CONSUME_VERBS], queues.commands.queue_arn),
                _may_send(queues.dead_letters),
            ],
            reserved=stage.reserved_registrars,
        )

    def _promoter(self, stage: Stage, tables: Tables, queues: Queues) -> Function:
        promoter = Function(
            self,
            "Promoter",
            stage=stage,
            package="workers",
            handler="workers.entry.promoter",
            memory_mb=512,
            timeout=Duration.seconds(30),  # ten messages to send, and the time to try again
            environment={"QUEUE_URL": queues.commands.queue_url},
            grants=[
                allow([f"dynamodb:{verb}" for verb in _STREAM_VERBS], tables.stream_arn),
                # Lambda asks for this when the mapping is made; it is granted on streams of a table, not on one.
                allow(["dynamodb:ListStreams"], f"{tables.ledger.table_arn}/stream/*"),
                _may_send(queues.commands),
                _may_send(queues.failed_promotions),
            ],
        )
        accept(
            promoter,
            "AwsSolutions-IAM5[Resource::<LedgerTable.Arn>/stream/*]",
            "ListStreams is granted on all streams of a table, of which the ledger has one at a time.",
        )
        accept_policy(
            promoter.function.role.node.default_child,
            "RESOURCE_MISMATCH[dynamodb:ListStreams]",
            # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/iam-policy-example-lamda-process-dynamodb-streams.html
            why="AWS's own example for a function on a stream grants it on the table's streams, not on *.",
        )
        return promoter

    def _auditor(self, stage: Stage, tables: Tables) -> Function:
        return Function(
            self,
            "Auditor",
            stage=stage,
            package="workers",
            handler="workers.entry.auditor",
            memory_mb=512,
            timeout=Duration.minutes(5),  # it looks at every event, and nobody waits for it
            environment={
                "LEDGER_TABLE": tables.ledger.table_name,
                "REGISTRATIONS_TABLE": tables.registrations.table_name,
            },
            grants=[
                allow(["dynamodb:GetItem", "dynamodb:Scan"], tables.ledger.table_arn),
                allow(["dynamodb:Query"], f"{tables.registrations.table_arn}/index/{EVENT_INDEX}"),
            ],
        )


_USER_VERBS = ("DeleteItem", "GetItem", "PutItem", "UpdateItem")
_EVENT_VERBS = ("BatchGetItem", "PutItem", "Scan", "UpdateItem")
_CONSUME_VERBS = ("ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "ReceiveMessage")
_STREAM_VERBS = ("DescribeStream", "GetRecords", "GetShardIterator")


def _write_limit(stage: Stage) -> dict[str, str]:
    """The settings; locally there is no limit, for a benchmark and a test are one caller with hundreds of writes."""
    if not stage.on_aws:
        return {}
    return {"WRITES_PER_SECOND": str(WRITES_PER_SECOND), "WRITES_BURST": str(WRITES_BURST)}


def _may_send(queue: sqs.Queue) -> iam.PolicyStatement:
    return allow(["sqs:SendMessage"], queue.queue_arn)
