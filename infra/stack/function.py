"""One Lambda function with its own log group and its own role, which may do what is listed and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.build.bundles import LAMBDA_PYTHON, Package, bundle
from infra.stack.stage import Stage
from infra.stack.suppressions import accept, accept_lint

BATCH_ACTIONS = {
    "sqs:ChangeMessageVisibility": "sqs:ChangeMessageVisibilityBatch",
    "sqs:SendMessage": "sqs:SendMessageBatch",
}
"""On AWS the right to send a message is the right to send ten at once; the emulator wants an action that AWS does not
know. So the local stage has it in addition, and no other."""


class Function(Construct):
    """A function: `handler` is `package.module.function`, and it runs from the bundle `package`.

    `reserved` executions of the account's are set aside for it, and it gets no more.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        package: Package,
        handler: str,
        memory_mb: int,
        timeout: Duration,
        environment: Mapping[str, str],
        grants: Sequence[iam.PolicyStatement],
        reserved: int | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        log_group = logs.LogGroup(self, "Logs", retention=stage.log_retention, removal_policy=stage.removal_policy)
        may_log = allow(["logs:CreateLogStream", "logs:PutLogEvents"], log_group.log_group_arn)
        role = self._role([may_log, *grants], for_emulator=not stage.on_aws)
        directory = bundle(package, stage.platform)
        self.function = lambda_.Function(
            self,
            "Function",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=stage.architecture,
            # The directory's name ends in the hash of all that went into it: no need to read it all again.
            code=lambda_.Code.from_asset(str(directory), asset_hash=directory.name),
            handler=handler,
            memory_size=memory_mb,
            timeout=timeout,
            role=role,
            log_group=log_group,
            reserved_concurrent_executions=reserved,
            environment={
                "POWERTOOLS_SERVICE_NAME": stage.service,
                "POWERTOOLS_LOG_LEVEL": "INFO",
                **environment,
            },
        )
        # The role's policy is part of it, so whoever has the role need not wait for anything else.
        self.function.node.default_child.add_deletion_override("DependsOn")
        accept(self.function, "AwsSolutions-L1", f"The bundles are compiled for Python {LAMBDA_PYTHON}.")

    def _role(self, statements: Sequence[iam.PolicyStatement], *, for_emulator: bool) -> iam.Role:
        batches = [verb for statement in statements for verb in statement.actions if verb in BATCH_ACTIONS]
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
            accept_lint(role.node.default_child, "W3037", "The emulator wants actions that AWS does not know.")
        return role


def allow(actions: Sequence[str], *resources: str) -> iam.PolicyStatement:
    """One statement of a role: these actions on these resources (ARNs)."""
    return iam.PolicyStatement(actions=list(actions), resources=list(resources))
