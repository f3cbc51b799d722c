"""The policy documents of a template, and the findings of parliament, an IAM linter.

cfn-lint knows the grammar of policies and the names of actions. parliament also knows the resources and condition keys
of each action, but needs ARNs instead of references. Its data is of April 2025, its last release: about newer actions
cfn-lint is right.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from parliament import analyze_policy_string

from tests.infra.findings import Finding

_PSEUDO = {"AWS::AccountId": "111122223333", "AWS::Partition": "aws", "AWS::Region": "us-east-1"}
_ARNS = {
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:us-east-1:111122223333:table/{}",
    "AWS::Logs::LogGroup": "arn:aws:logs:us-east-1:111122223333:log-group:{}:*",
    "AWS::SNS::Topic": "arn:aws:sns:us-east-1:111122223333:{}",
    "AWS::SQS::Queue": "arn:aws:sqs:us-east-1:111122223333:{}",
}
"""The ARNs that references resolve to. A type that is missing here becomes a finding, because its name is no ARN."""
_OF_STREAM = "/stream/2026"  # a real one contains a time, whose colons parliament would take for separators


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy document with ARNs instead of references, and the logical id of its resource."""

    resource: str
    document: dict[str, Any]

    @property
    def is_trust(self) -> bool:
        """Return whether it is the trust policy of a role, which names no resources."""
        return all("sts:AssumeRole" in statement["Action"] for statement in self.document["Statement"])


def policies(template: dict[str, Any]) -> Iterator[Policy]:
    """Yield every policy document in a template, of roles and of resources."""
    types = {name: resource["Type"] for name, resource in template["Resources"].items()}
    for name, resource in template["Resources"].items():
        for document in _documents(_resolved(resource.get("Properties"), types)):
            yield Policy(name, document)


def parliament(template: dict[str, Any]) -> set[Finding]:
    """Return the findings of parliament. A finding about a single action has the action in brackets."""
    return {
        (policy.resource, issue)
        for policy in policies(template)
        if not policy.is_trust
        for finding in analyze_policy_string(json.dumps(policy.document), include_community_auditors=True).findings
        for issue in _issues(finding)
    }


def _issues(finding: Any) -> list[str]:
    if finding.issue == "RESOURCE_MISMATCH":
        return [f"{finding.issue}[{mismatch['action']}]" for mismatch in finding.detail]
    return [finding.issue]


def _documents(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, str) and value.startswith('{"Statement"'):  # CloudWatch Logs has policies as strings
        yield json.loads(value)
    elif isinstance(value, dict) and "Statement" in value:
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _documents(part)


def _resolved(value: Any, types: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_resolved(item, types) for item in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"Ref": name}:
            is_arn = types.get(name) == "AWS::SNS::Topic"
            return _ARNS["AWS::SNS::Topic"].format(name) if is_arn else _PSEUDO.get(name, name)
        case {"Fn::GetAtt": [name, attribute]}:
            return _ARNS.get(types[name], "{}").format(name) + _OF_STREAM * (attribute == "StreamArn")
        case {"Fn::Join": [separator, parts]}:
            return separator.join(str(_resolved(part, types)) for part in parts)
    return {key: _resolved(item, types) for key, item in value.items()}
