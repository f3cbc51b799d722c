"""Findings of cdk-nag (AwsSolutions), cfn-lint and parliament that are accepted: each beside its construct, with the
reason."""

from __future__ import annotations

from aws_cdk import Acknowledgment, CfnResource, Validations
from constructs import IConstruct


def accept(construct: IConstruct, rule: str, why: str) -> None:
    """Accept one finding of cdk-nag, such as `AwsSolutions-SQS3`, on this construct and what it is made of."""
    Validations.of(construct).acknowledge(Acknowledgment(id=rule, reason=why))


def accept_lint(resource: CfnResource, rule: str, why: str) -> None:
    """Accept one finding of cfn-lint, such as `W3037`, on this resource. The template carries it, with the reason."""
    resource.add_metadata("cfn-lint", {"config": {"ignore_checks": [rule]}, "reason": why})


def accept_policy(resource: CfnResource, *findings: str, why: str) -> None:
    """Accept findings of parliament, such as `RESOURCE_STAR`, on the policies of this resource, as above."""
    resource.add_metadata("parliament", {"ignore": list(findings), "reason": why})
