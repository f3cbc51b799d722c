"""The policies of the template: parliament's findings are suppressed with a reason, and the principals are known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.infra.policies import parliament, policies

ON_AWS = ("dev", "prod")
ROOT = "arn:aws:iam::111122223333:root"
PRINCIPALS = {
    "lambda.amazonaws.com": "assumes the functions' roles",
    "delivery.logs.amazonaws.com": "writes API Gateway's access log",
    "cloudwatch.amazonaws.com": "publishes encrypted alarms",
    ROOT: "administers the key",
}
"""The principals that policies allow, with the reason."""


@pytest.mark.parametrize("stage", ON_AWS)
def test_findings_of_parliament(templates: dict[str, dict[str, Any]], stage: str) -> None:
    """parliament finds exactly what the code suppresses, each with a reason."""
    allowed = set()
    for name, resource in templates[stage]["Resources"].items():
        if remark := resource.get("Metadata", {}).get("parliament"):
            assert remark["reason"].endswith(".")
            allowed |= {(name, finding) for finding in remark["ignore"]}
    assert parliament(templates[stage]) == allowed


@pytest.mark.parametrize("stage", ON_AWS)
def test_principals(templates: dict[str, dict[str, Any]], stage: str) -> None:
    """Policies allow only these services of AWS, and the account's administrators."""
    statements = [entry for policy in policies(templates[stage]) for entry in policy.document["Statement"]]
    assert not [entry for entry in statements if "NotPrincipal" in entry]  # which allows everyone else
    allowed = {
        who
        for statement in statements
        if statement["Effect"] == "Allow" and "Principal" in statement
        for who in principals(statement)
    }
    assert allowed == set(PRINCIPALS)


def principals(statement: dict[str, Any]) -> Iterator[str]:
    """Return the principals of a statement."""
    principal: str | dict[str, str | list[str]] = statement["Principal"]
    for found in [principal] if isinstance(principal, str) else principal.values():
        yield from [found] if isinstance(found, str) else found


TABLE, QUEUE = ({"Fn::GetAtt": [name, "Arn"]} for name in ("Table", "Queue"))
WRONG: dict[str, tuple[str, Any, Any]] = {
    "UNKNOWN_ACTION": ("sqs:SendMesage", QUEUE, {}),
    "RESOURCE_MISMATCH[sqs:SendMessage]": ("sqs:SendMessage", TABLE, {}),
    "RESOURCE_STAR": ("dynamodb:GetItem", "*", {}),
    "INVALID_ARN": ("dynamodb:GetItem", {"Ref": "Table"}, {}),
    "UNKNOWN_CONDITION_FOR_ACTION": ("sqs:SendMessage", QUEUE, {"StringEquals": {"aws:SourceAcount": "1"}}),
}
"""Findings of parliament, and an action, a resource and a condition that cause them."""


@pytest.mark.parametrize("finding", WRONG)
def test_parliament_finds_mistakes(finding: str) -> None:
    """Each of these mistakes in a statement is found through the references of a template."""
    action, resource, condition = WRONG[finding]
    statement = {"Effect": "Allow", "Action": action, "Resource": resource, "Condition": condition}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    role = {"Type": "AWS::IAM::Role", "Properties": {"Policies": [{"PolicyDocument": document}]}}
    resources = {"Table": {"Type": "AWS::DynamoDB::Table"}, "Queue": {"Type": "AWS::SQS::Queue"}, "Role": role}
    assert ("Role", finding) in parliament({"Resources": resources})
