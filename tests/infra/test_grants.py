"""What each function may do: exactly what it does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.infra.reading import Resources

USERS, EVENTS, LEDGER, REGISTRATIONS = (f"{name}Table.Arn" for name in ("Users", "Events", "Ledger", "Registrations"))
BY_USER = f"{REGISTRATIONS}/index/UserRegistrationsIndex"
BY_EVENT = f"{REGISTRATIONS}/index/EventRegistrationsIndex"
QUEUE, DEAD_LETTERS, FAILED = (f"Queues{name}.Arn" for name in ("Commands", "DeadLetters", "FailedPromotions"))
STREAM = "LedgerTable.StreamArn"

EXPECTED: dict[str, dict[str, str]] = {
    "ApiUsers": {
        USERS: "DeleteItem GetItem PutItem UpdateItem",
        REGISTRATIONS: "BatchGetItem",
        BY_USER: "Query",
        QUEUE: "SendMessage",
    },
    "ApiEvents": {
        EVENTS: "BatchGetItem PutItem Scan UpdateItem",
        LEDGER: "BatchGetItem",
        QUEUE: "SendMessage",
    },
    "ApiRegistrations": {
        USERS: "BatchGetItem",
        EVENTS: "BatchGetItem",
        LEDGER: "BatchGetItem",
        REGISTRATIONS: "BatchGetItem PutItem",
        BY_USER: "Query",
        BY_EVENT: "Query",
        QUEUE: "SendMessage",
    },
    "ApiDocs": {},
    "WorkersRegistrar": {
        LEDGER: "BatchGetItem PutItem",
        REGISTRATIONS: "BatchGetItem PutItem",
        EVENTS: "BatchGetItem UpdateItem",
        BY_EVENT: "Query",
        QUEUE: "ChangeMessageVisibility DeleteMessage GetQueueAttributes ReceiveMessage",
        DEAD_LETTERS: "SendMessage",
    },
    "WorkersPromoter": {
        STREAM: "DescribeStream GetRecords GetShardIterator",
        f"{LEDGER}/stream/*": "ListStreams",
        QUEUE: "SendMessage",
        FAILED: "SendMessage",
    },
    "WorkersAuditor": {LEDGER: "GetItem Scan", BY_EVENT: "Query"},
}
"""Function → resource → actions. Its own log group comes in addition, for each."""

READS = {"BatchGetItem", "GetItem", "Query", "Scan"}


@pytest.mark.parametrize("name", EXPECTED)
def test_grants_are_exact(templates: dict[str, dict[str, Any]], name: str) -> None:
    """On AWS each role allows the listed actions on the listed resources, and nothing else."""
    expected = {
        (f"{'sqs' if resource.startswith('Queues') else 'dynamodb'}:{action}", resource)
        for resource, actions in EXPECTED[name].items()
        for action in actions.split()
    }
    logs = {(action, f"{name}Logs.Arn") for action in ("logs:CreateLogStream", "logs:PutLogEvents")}
    assert set(Resources(templates["dev"]).grants(f"{name}Role")) == expected | logs


@pytest.mark.parametrize("name", EXPECTED)
def test_local_grants_add_only_what_the_emulator_asks_for(templates: dict[str, dict[str, Any]], name: str) -> None:
    """The local stage adds to the grants on AWS nothing but SQS's batch actions, which AWS does not know."""
    local, aws = (set(Resources(templates[stage]).grants(f"{name}Role")) for stage in ("local", "dev"))
    assert aws <= local
    assert {action for action, _ in local - aws} <= {"sqs:SendMessageBatch", "sqs:ChangeMessageVisibilityBatch"}


def test_only_the_registrar_writes_the_ledger(resources: Resources) -> None:
    """No role but the registrar's may do more with the ledger than read it."""
    writers = {
        name
        for name in EXPECTED
        for action, resource in resources.grants(f"{name}Role")
        if resource == LEDGER and action.split(":")[1] not in READS
    }
    assert writers == {"WorkersRegistrar"}


def test_no_wildcards(resources: Resources) -> None:
    """No action has a wildcard, no resource is `*`, no policy comes from elsewhere, and only Lambda takes the roles."""
    roles = resources.of_type("AWS::IAM::Role")
    assert set(roles) == {f"{name}Role" for name in EXPECTED}
    assert resources.of_type("AWS::IAM::Policy") == {}
    for name, role in roles.items():
        assert "ManagedPolicyArns" not in role
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}
        for action, resource in resources.grants(name):
            assert "*" not in action
            assert resource != "*"


def test_only_this_stack_calls_the_functions(resources: Resources) -> None:
    """The API functions may be invoked by routes of this API, the auditor by its rule, the others by nobody: Lambda
    itself reads their event sources."""
    permissions = resources.of_type("AWS::Lambda::Permission").values()
    callers = {(item["FunctionName"].removesuffix("Function.Arn"), item["Principal"]) for item in permissions}
    assert callers == {
        *((name, "apigateway.amazonaws.com") for name in ("ApiUsers", "ApiEvents", "ApiRegistrations", "ApiDocs")),
        ("WorkersAuditor", "events.amazonaws.com"),
    }
    for item in permissions:
        assert item["Action"] == "lambda:InvokeFunction"
        by_rule = item["Principal"] == "events.amazonaws.com"
        assert item["SourceArn"] == "TriggersAuditDue.Arn" if by_rule else ":HttpApi/" in item["SourceArn"]
