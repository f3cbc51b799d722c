"""cdk-nag (AwsSolutions) and cfn-lint find nothing but what the code accepts, beside the construct, with its reason."""

from __future__ import annotations

import copy
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from aws_cdk.assertions import Template

from infra.stack.stack import TurnstileStack
from infra.stack.suppressions import suppress_lint, suppress_nag
from tests.infra.findings import Accepted, Finding, cfn_lint, covers, nag
from tests.infra.synthesis import STAGES


@pytest.fixture(scope="module")
def nags(stacks: dict[str, TurnstileStack]) -> dict[str, set[Finding]]:
    """What cdk-nag finds in the stack of every stage when nothing is accepted."""
    return {name: nag(stack) for name, stack in stacks.items()}


@pytest.mark.parametrize("name", STAGES)
def test_whatever_cdk_nag_finds_is_accepted(
    nags: dict[str, set[Finding]], stacks: dict[str, TurnstileStack], accepted: Accepted, name: str
) -> None:
    """Each of cdk-nag's findings, errors and warnings, is accepted where it is found or above."""
    allowed = accepted.within(stacks[name])
    assert {finding for finding in nags[name] if not any(covers(one, finding) for one in allowed)} == set()


@pytest.mark.parametrize("name", STAGES)
def test_nothing_is_accepted_that_is_not_found(
    nags: dict[str, set[Finding]], stacks: dict[str, TurnstileStack], accepted: Accepted, name: str
) -> None:
    """What is accepted of cdk-nag's findings is one, and has a reason."""
    allowed = accepted.within(stacks[name])
    assert allowed
    assert {one for one in allowed if not any(covers(one, finding) for finding in nags[name])} == set()
    assert all(accepted.reasons[one].endswith(".") for one in allowed)


@pytest.mark.parametrize("name", STAGES)
def test_cfn_lint_finds_what_is_accepted(templates: dict[str, dict[str, Any]], name: str) -> None:
    """Without what the template says of it, cfn-lint finds exactly what the code accepts, each with a reason."""
    template = copy.deepcopy(templates[name])
    allowed = set()
    for resource, entry in template["Resources"].items():
        if remark := entry.get("Metadata", {}).pop("cfn-lint", None):
            assert remark["reason"].endswith(".")
            allowed |= {(resource, rule) for rule in remark["config"]["ignore_checks"]}
    assert cfn_lint(template) == allowed


def test_a_domain_and_browsers_add_no_finding(
    nags: dict[str, set[Finding]], public_stack: TurnstileStack, public_template: dict[str, Any]
) -> None:
    """Under a domain, behind a CDN and with CORS, cdk-nag and cfn-lint find nothing that they do not find without."""
    assert nag(public_stack) == nags["prod"]
    assert cfn_lint(public_template) == set()


def test_cdk_nag_hears_what_is_accepted() -> None:
    """cdk-nag finds a queue without a dead-letter queue, until it is accepted in the way of the code."""
    stack = cdk.Stack(cdk.App(analytics_reporting=False), "Small")
    queue = sqs.Queue(stack, "Queue", enforce_ssl=True)
    assert nag(stack) == {("Small/Queue/Resource", "AwsSolutions-SQS3")}
    suppress_nag(queue, "AwsSolutions-SQS3", "Nobody minds.")
    assert nag(stack) == set()


@pytest.mark.parametrize("told", [False, True])
def test_cfn_lint_hears_what_is_accepted(told: bool) -> None:
    """cfn-lint finds an action that AWS does not know, unless it is accepted in the way of the code."""
    stack = cdk.Stack(cdk.App(analytics_reporting=False), "Small")
    policy = iam.PolicyStatement(actions=["sqs:SendMessageBatch"], resources=["*"])
    role = iam.Role(
        stack,
        "Role",
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        inline_policies={"does": iam.PolicyDocument(statements=[policy])},
    )
    if told:
        suppress_lint(role.node.default_child, "W3037", "Nobody minds.")
    assert [rule for _, rule in cfn_lint(Template.from_stack(stack).to_json())] == ([] if told else ["W3037"])


def test_cfn_lint_looks_at_every_region() -> None:
    """cfn-lint finds a type that there is in the first region only."""
    template = {"Resources": {"Report": {"Type": "AWS::CUR::ReportDefinition", "Properties": {}}}}
    assert ("Report", "E3006") in cfn_lint(template)
