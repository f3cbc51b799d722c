"""All findings of cdk-nag (AwsSolutions) and cfn-lint are suppressed in the code, with a reason."""

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
from tests.infra.findings import Finding, Suppressions, cfn_lint, covers, nag
from tests.infra.synthesis import STAGES


@pytest.fixture(scope="module")
def nags(stacks: dict[str, TurnstileStack]) -> dict[str, set[Finding]]:
    """Return the findings of cdk-nag in the stack of every stage without suppressions."""
    return {name: nag(stack) for name, stack in stacks.items()}


@pytest.mark.parametrize("name", STAGES)
def test_findings_of_cdk_nag_are_suppressed(
    nags: dict[str, set[Finding]], stacks: dict[str, TurnstileStack], suppressions: Suppressions, name: str
) -> None:
    """Each finding of cdk-nag, error or warning, is suppressed on its construct or a parent."""
    allowed = suppressions.within(stacks[name])
    assert {finding for finding in nags[name] if not any(covers(one, finding) for one in allowed)} == set()


@pytest.mark.parametrize("name", STAGES)
def test_suppressions_are_needed(
    nags: dict[str, set[Finding]], stacks: dict[str, TurnstileStack], suppressions: Suppressions, name: str
) -> None:
    """Each suppression suppresses a finding, and has a reason."""
    allowed = suppressions.within(stacks[name])
    assert allowed
    assert {one for one in allowed if not any(covers(one, finding) for finding in nags[name])} == set()
    assert all(suppressions.reasons[one].endswith(".") for one in allowed)


@pytest.mark.parametrize("name", STAGES)
def test_findings_of_cfn_lint(templates: dict[str, dict[str, Any]], name: str) -> None:
    """Without the metadata cfn-lint finds exactly what the code suppresses, each with a reason."""
    template = copy.deepcopy(templates[name])
    allowed = set()
    for resource, entry in template["Resources"].items():
        if remark := entry.get("Metadata", {}).pop("cfn-lint", None):
            assert remark["reason"].endswith(".")
            allowed |= {(resource, rule) for rule in remark["config"]["ignore_checks"]}
    assert cfn_lint(template) == allowed


def test_no_findings_about_domain_and_cors(
    nags: dict[str, set[Finding]], public_stack: TurnstileStack, public_template: dict[str, Any]
) -> None:
    """With a domain, a CDN and CORS there are no other findings."""
    assert nag(public_stack) == nags["prod"]
    assert cfn_lint(public_template) == set()


def test_suppression_for_cdk_nag() -> None:
    """cdk-nag finds a queue without a dead-letter queue until it is suppressed as the code does."""
    stack = cdk.Stack(cdk.App(analytics_reporting=False), "Small")
    queue = sqs.Queue(stack, "Queue", enforce_ssl=True)
    assert nag(stack) == {("Small/Queue/Resource", "AwsSolutions-SQS3")}
    suppress_nag(queue, "AwsSolutions-SQS3", "A test.")
    assert nag(stack) == set()


@pytest.mark.parametrize("suppressed", [False, True])
def test_suppression_for_cfn_lint(suppressed: bool) -> None:
    """cfn-lint finds an unknown action unless it is suppressed as the code does."""
    stack = cdk.Stack(cdk.App(analytics_reporting=False), "Small")
    policy = iam.PolicyStatement(actions=["sqs:SendMessageBatch"], resources=["*"])
    role = iam.Role(
        stack,
        "Role",
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        inline_policies={"does": iam.PolicyDocument(statements=[policy])},
    )
    if suppressed:
        suppress_lint(role.node.default_child, "W3037", "A test.")
    assert [rule for _, rule in cfn_lint(Template.from_stack(stack).to_json())] == ([] if suppressed else ["W3037"])


def test_cfn_lint_checks_every_region() -> None:
    """cfn-lint finds a type that exists in the first region only."""
    template = {"Resources": {"Report": {"Type": "AWS::CUR::ReportDefinition", "Properties": {}}}}
    assert ("Report", "E3006") in cfn_lint(template)
