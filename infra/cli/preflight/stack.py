"""The checks of the stack: its state after an earlier deployment, and resources that an earlier stack left behind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from infra.cli.preflight.check import Level, PreflightCheck

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

    from infra.cli.deployment import Clients
    from infra.cli.preflight.plan import DeploymentPlan

PAGE = "docs/first-deployment.md"
_KEPT = ["dynamodb:table", "cognito-idp:userpool", "sqs", "logs:log-group"]
"""The types of resources that a production stack retains."""

_UNPROTECT = "aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name {stack}"
_FAILED_CREATION = (
    "the first deployment failed and was rolled back ({status}). The CDK deletes such a stack before it creates it anew"
)
_PAUSED = (
    "an earlier deployment failed, and was not rolled back ({status}). Fix the cause "
    "(aws cloudformation describe-stack-events --stack-name {stack}), then deploy again with --no-rollback: "
    "it continues from there"
)

_UNCONFIRMED = "an earlier deployment was not confirmed, and nothing exists yet; deploy with --no-rollback"
_HALF_DELETED = (
    "an earlier stack is half deleted; find out what blocks the deletion (aws cloudformation describe-stack-events "
    "--stack-name {stack}), then: aws cloudformation delete-stack --stack-name {stack}"
)
_STUCK = "an update failed, and so did its rollback; in infra/ run: npx cdk rollback {stack} (-c as when deploying)"

STATES: tuple[tuple[str, Level, str], ...] = (
    ("REVIEW_IN_PROGRESS", "ok", _UNCONFIRMED),
    ("CREATE_FAILED|UPDATE_FAILED", "warning", _PAUSED),
    ("ROLLBACK_COMPLETE|ROLLBACK_FAILED", "warning", _FAILED_CREATION),
    ("DELETE_FAILED", "FAILED", _HALF_DELETED),
    (".*_ROLLBACK_FAILED", "FAILED", _STUCK),
    (".*_IN_PROGRESS", "FAILED", "An operation is in progress ({status}); wait until it ends, and try again"),
    (".*", "ok", "it exists ({status}): this is an upgrade"),
)
"""The meaning of a stack's state for the next deployment: a pattern of states, the level, and what to do."""


def checks(plan: DeploymentPlan, clients: Clients) -> list[PreflightCheck]:
    """Return the checks, in the order in which they are printed."""
    return [
        PreflightCheck("stack", ("cloudformation:DescribeStacks",), lambda: _state(plan.stack, clients)),
        PreflightCheck(
            "left behind",
            ("tag:GetResources", "cloudformation:DescribeStacks", "cloudformation:ListStackResources"),
            lambda: _left_behind(plan.stack, clients),
        ),
    ]


def _state(name: str, clients: Clients) -> tuple[Level, str]:
    stack = _find(name, clients)
    if stack is None:
        return "ok", f"there is no {name}; deploy it for the first time with --no-rollback ({PAGE})"
    status = stack["StackStatus"]
    level, sentence = next((level, text) for states, level, text in STATES if re.fullmatch(states, status))
    if sentence is _FAILED_CREATION and stack.get("EnableTerminationProtection"):
        level, sentence = "FAILED", f"{_FAILED_CREATION}, which termination protection forbids; run: {_UNPROTECT}"
    return level, sentence.format(stack=name, status=status)


def _left_behind(name: str, clients: Clients) -> tuple[Level, str]:
    # CloudFormation tags what it creates, and the tags outlive the stack.
    pages = clients.tags.get_paginator("get_resources").paginate(
        TagFilters=[{"Key": "aws:cloudformation:stack-name", "Values": [name]}], ResourceTypeFilters=_KEPT
    )
    tagged = [item["ResourceARN"] for page in pages for item in page["ResourceTagMappingList"]]
    owned = _owned(name, clients)
    lost = sorted(arn for arn in tagged if _last(arn.removesuffix(":*")) not in owned)
    if not lost:
        return "ok", "no table, queue, log or user pool of an earlier stack of this name"
    return "warning", (
        f"{len(lost)} left by an earlier stack of this name; the next deployment does not use them. They may hold "
        f"data: check before you delete any ({PAGE}): {', '.join(lost)}"
    )


def _owned(name: str, clients: Clients) -> set[str]:
    """Return the last part of the name of each resource that the stack owns; none if the CDK will delete the stack."""
    stack = _find(name, clients)
    if stack is None or stack["StackStatus"].startswith("ROLLBACK_"):
        return set()
    pages = clients.cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
    found = [item for page in pages for item in page["StackResourceSummaries"]]
    return {_last(item["PhysicalResourceId"]) for item in found if item.get("PhysicalResourceId")}


def _find(name: str, clients: Clients) -> StackTypeDef | None:
    try:
        return clients.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def _last(identifier: str) -> str:
    return re.split("[:/]", identifier)[-1]
