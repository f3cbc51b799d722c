"""The functions of `infra.functions` as constructs: each with its own log group and role, settings and grants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.build.bundles import LAMBDA_PYTHON, bundle
from infra.functions import FUNCTIONS, FunctionSpec, Resource, Setting
from infra.stack.queues import Queues
from infra.stack.stage import Stage
from infra.stack.suppressions import suppress_lint, suppress_nag, suppress_policy
from infra.stack.tables import Tables
from workers.aws.items import DATE_INDEX, EVENT_INDEX, USER_INDEX

BATCH_ACTIONS = {
    "sqs:ChangeMessageVisibility": "sqs:ChangeMessageVisibilityBatch",
    "sqs:SendMessage": "sqs:SendMessageBatch",
}
"""On AWS the right to send a message includes sending ten at once; the emulator wants an action that AWS does not
know. The local stage alone grants it as well."""

WRITES_PER_SECOND = 5
WRITES_BURST = 40
"""The sustained and burst write rates of one caller in one process of a function (`api/http/rate_limit.py`)."""


class Functions:
    """The functions of one stage, by their names.

    `api_settings` are the settings that other constructs provide for the functions behind the API: its URL without
    trailing slash, and those about tokens.
    """

    def __init__(
        self, scope: Construct, *, stage: Stage, tables: Tables, queues: Queues, api_settings: Mapping[Setting, str]
    ) -> None:
        packages = {package: Construct(scope, package.capitalize()) for package in ("api", "workers")}
        environment = {**_settings(tables, queues), **_write_limit(stage), **api_settings}
        arns = _arns(tables, queues)
        self._constructs = {
            spec.name: FunctionConstruct(packages[spec.package], spec, stage=stage, settings=environment, arns=arns)
            for spec in FUNCTIONS.values()
            if stage.has_reference or not spec.optional
        }

    def __contains__(self, name: str) -> bool:
        """Tell whether the stage has the function of this name."""
        return name in self._constructs

    def __getitem__(self, name: str) -> lambda_.Function:
        """Return the function of this name."""
        return self._constructs[name].function

    @property
    def log_groups(self) -> list[str]:
        """The names of all log groups."""
        return [construct.function.log_group.log_group_name for construct in self._constructs.values()]


class FunctionConstruct(Construct):
    """One Lambda function with its own log group and its own role, which allows its grants and nothing else."""

    def __init__(
        self,
        scope: Construct,
        spec: FunctionSpec,
        *,
        stage: Stage,
        settings: Mapping[Setting, str],
        arns: Mapping[Resource, str],
    ) -> None:
        super().__init__(scope, spec.name.capitalize())
        log_group = logs.LogGroup(self, "Logs", retention=stage.log_retention, removal_policy=stage.removal_policy)
        may_log = _allow(["logs:CreateLogStream", "logs:PutLogEvents"], log_group.log_group_arn)
        grants = [
            _allow([f"{resource.service}:{action}" for action in actions.split()], arns[resource])
            for resource, actions in spec.grants.items()
        ]
        role = self._role([may_log, *grants], for_emulator=not stage.on_aws)
        directory = bundle(spec.bundle or spec.package, stage.platform)
        variables = {"POWERTOOLS_SERVICE_NAME": stage.service, "POWERTOOLS_LOG_LEVEL": "INFO"}
        variables |= {name: settings[name] for name in spec.settings if name in settings}
        self.function = lambda_.Function(
            self,
            "Function",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=stage.architecture,
            # The directory's name ends in the hash of its contents, so the CDK need not read them again.
            code=lambda_.Code.from_asset(str(directory), asset_hash=directory.name),
            handler=spec.handler,
            memory_size=spec.memory_mb,
            timeout=Duration.seconds(spec.timeout_seconds),
            role=role,
            log_group=log_group,
            reserved_concurrent_executions=stage.reserved_registrars if spec.reserved else None,
            environment=variables,
        )
        # The role's policy is part of the role: the function need not wait for anything else.
        self.function.node.default_child.add_deletion_override("DependsOn")
        suppress_nag(self.function, "AwsSolutions-L1", f"The bundles are compiled for Python {LAMBDA_PYTHON}.")
        if Resource.LEDGER_STREAMS in spec.grants:
            _accept_all_streams(self, role)

    def _role(self, statements: list[iam.PolicyStatement], *, for_emulator: bool) -> iam.Role:
        batches = [action for statement in statements for action in statement.actions if action in BATCH_ACTIONS]
        if for_emulator:
            for statement in statements:
                statement.add_actions(*(BATCH_ACTIONS[verb] for verb in statement.actions if verb in BATCH_ACTIONS))
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={"does": iam.PolicyDocument(statements=statements)},
        )
        if for_emulator and batches:
            suppress_lint(role.node.default_child, "W3037", "The emulator wants actions that AWS does not know.")
        return role


def _settings(tables: Tables, queues: Queues) -> dict[Setting, str]:
    return {
        "USERS_TABLE": tables.users.table_name,
        "EVENTS_TABLE": tables.events.table_name,
        "REGISTRATIONS_TABLE": tables.registrations.table_name,
        "LEDGER_TABLE": tables.ledger.table_name,
        "QUEUE_URL": queues.commands.queue_url,
        "DEAD_LETTER_QUEUE_URL": queues.dead_letters.queue_url,
        "ERASURE_QUEUE_URL": queues.erasures.queue_url,
    }


def _arns(tables: Tables, queues: Queues) -> dict[Resource, str]:
    registrations, ledger = tables.registrations.table_arn, tables.ledger.table_arn
    return {
        Resource.USERS: tables.users.table_arn,
        Resource.EVENTS: tables.events.table_arn,
        Resource.REGISTRATIONS: registrations,
        Resource.LEDGER: ledger,
        Resource.DATE_INDEX: f"{tables.events.table_arn}/index/{DATE_INDEX}",
        Resource.USER_INDEX: f"{registrations}/index/{USER_INDEX}",
        Resource.EVENT_INDEX: f"{registrations}/index/{EVENT_INDEX}",
        Resource.LEDGER_STREAM: tables.stream_arn,
        Resource.LEDGER_STREAMS: f"{ledger}/stream/*",
        Resource.COMMANDS: queues.commands.queue_arn,
        Resource.DEAD_LETTERS: queues.dead_letters.queue_arn,
        Resource.FAILED_PROMOTIONS: queues.failed_promotions.queue_arn,
        Resource.ERASURES: queues.erasures.queue_arn,
    }


def _write_limit(stage: Stage) -> dict[Setting, str]:
    """Return the settings; none locally, where a benchmark or a test is one caller with hundreds of writes."""
    if not stage.on_aws:
        return {}
    return {"WRITES_PER_SECOND": str(WRITES_PER_SECOND), "WRITES_BURST": str(WRITES_BURST)}


def _allow(actions: Iterable[str], resource: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=list(actions), resources=[resource])


def _accept_all_streams(construct: Construct, role: iam.Role) -> None:
    suppress_nag(
        construct,
        "AwsSolutions-IAM5[Resource::<LedgerTable.Arn>/stream/*]",
        "ListStreams is granted on all streams of a table, of which the ledger has one at a time.",
    )
    suppress_policy(
        role.node.default_child,
        "RESOURCE_MISMATCH[dynamodb:ListStreams]",
        # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/iam-policy-example-lamda-process-dynamodb-streams.html
        reason="AWS's own example for a function on a stream grants it on the table's streams, not on *.",
    )
