"""Suppressions of findings of cdk-nag (AwsSolutions), cfn-lint and parliament.

Each is beside its construct, with a reason. The template contains those of cfn-lint and parliament.
"""

from __future__ import annotations

from aws_cdk import Acknowledgment, CfnResource, Validations
from constructs import IConstruct


def suppress_nag(construct: IConstruct, rule: str, reason: str) -> None:
    """Suppress one rule of cdk-nag, such as `AwsSolutions-SQS3`, on this construct and its children."""
    Validations.of(construct).acknowledge(Acknowledgment(id=rule, reason=reason))


def suppress_lint(resource: CfnResource, rule: str, reason: str) -> None:
    """Suppress one rule of cfn-lint, such as `W3037`, on this resource."""
    resource.add_metadata("cfn-lint", {"config": {"ignore_checks": [rule]}, "reason": reason})


def suppress_policy(resource: CfnResource, *findings: str, reason: str) -> None:
    """Suppress findings of parliament, such as `RESOURCE_STAR`, on this resource's policies."""
    resource.add_metadata("parliament", {"ignore": list(findings), "reason": reason})
