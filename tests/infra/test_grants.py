"""The permissions of the functions' roles, and of those that may invoke the functions."""

from __future__ import annotations

from typing import Any

import pytest

from infra.functions import FUNCTIONS, FunctionSpec, Resource
from tests.infra.reading import Resources

ARNS = {
    Resource.USERS: "UsersTable.Arn",
    Resource.EVENTS: "EventsTable.Arn",
    Resource.REGISTRATIONS: "RegistrationsTable.Arn",
    Resource.LEDGER: "LedgerTable.Arn",
    Resource.USER_INDEX: "RegistrationsTable.Arn/index/UserRegistrationsIndex",
    Resource.EVENT_INDEX: "RegistrationsTable.Arn/index/EventRegistrationsIndex",
    Resource.LEDGER_STREAM: "LedgerTable.StreamArn",
    Resource.LEDGER_STREAMS: "LedgerTable.Arn/stream/*",
    Resource.COMMANDS: "QueuesCommands.Arn",
    Resource.DEAD_LETTERS: "QueuesDeadLetters.Arn",
    Resource.FAILED_PROMOTIONS: "QueuesFailedPromotions.Arn",
}
WRITERS = {
    Resource.USERS: {"ApiUsers"},
    Resource.EVENTS: {"ApiEvents", "WorkersRegistrar"},
    Resource.REGISTRATIONS: {"ApiRegistrations", "WorkersRegistrar"},
    Resource.LEDGER: {"WorkersRegistrar"},
    Resource.COMMANDS: {"ApiUsers", "ApiEvents", "ApiRegistrations", "WorkersPromoter"},
    Resource.DEAD_LETTERS: {"WorkersRegistrar"},
    Resource.FAILED_PROMOTIONS: {"WorkersPromoter"},
}
"""The functions that may write to each table and send to each queue. Only the registrar writes the ledger."""
WRITES = {"DeleteItem", "PutItem", "SendMessage", "UpdateItem"}
OTHERS = {
    "BatchGetItem", "ChangeMessageVisibility", "DeleteMessage", "DescribeStream", "GetItem", "GetQueueAttributes",
    "GetRecords", "GetShardIterator", "ListStreams", "Query", "ReceiveMessage", "Scan",
}  # fmt: skip
"""The actions that write nothing: reading, and what consuming a queue or a stream needs."""


@pytest.mark.parametrize("spec", FUNCTIONS.values(), ids=FUNCTIONS)
def test_roles_allow_the_grants(templates: dict[str, dict[str, Any]], spec: FunctionSpec) -> None:
    """Each role allows the grants of the table of functions, its own log group, and nothing else.

    That each grant is needed is shown by `make prove-iam`, and that none is missing by the end-to-end tests.
    """
    logs = {(action, f"{spec.construct}Logs.Arn") for action in ("logs:CreateLogStream", "logs:PutLogEvents")}
    expected = logs | {
        (f"{'sqs' if ARNS[resource].startswith('Queues') else 'dynamodb'}:{action}", ARNS[resource])
        for resource, actions in spec.grants.items()
        for action in actions.split()
    }
    on_aws, local = (set(Resources(templates[name]).grants(f"{spec.construct}Role")) for name in ("dev", "local"))
    assert on_aws == expected
    # The emulator wants actions for batches, which AWS does not know.
    assert {action for action, _ in local ^ on_aws} <= {"sqs:SendMessageBatch", "sqs:ChangeMessageVisibilityBatch"}


def test_writers() -> None:
    """Each table and queue is written by these functions only."""
    granted = [
        (spec.construct, resource, action)
        for spec in FUNCTIONS.values()
        for resource, actions in spec.grants.items()
        for action in actions.split()
    ]
    assert {action for _, _, action in granted} == WRITES | OTHERS
    found: dict[Resource, set[str]] = {}
    for function, resource, action in granted:
        if action in WRITES:
            found.setdefault(resource, set()).add(function)
    assert found == WRITERS


def test_no_wildcards(resources: Resources) -> None:
    """No action has a wildcard, no resource is `*`, roles have no other policies, and only Lambda assumes them."""
    roles = resources.of_type("AWS::IAM::Role")
    assert set(roles) == {f"{spec.construct}Role" for spec in FUNCTIONS.values()}
    assert resources.of_type("AWS::IAM::Policy") == {}
    for name, role in roles.items():
        assert "ManagedPolicyArns" not in role
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}
        for action, resource in resources.grants(name):
            assert "*" not in action
            assert resource != "*"


def test_only_this_stack_calls_the_functions(resources: Resources) -> None:
    """Routes of this API invoke the API's functions, and a rule the auditor. Lambda itself polls queue and stream."""
    permissions = resources.of_type("AWS::Lambda::Permission").values()
    callers = {"routes": "apigateway.amazonaws.com", "schedule": "events.amazonaws.com"}
    assert {(item["FunctionName"], item["Principal"]) for item in permissions} == {
        (f"{spec.construct}Function.Arn", callers[spec.invoked_by])
        for spec in FUNCTIONS.values()
        if spec.invoked_by in callers
    }
    for item in permissions:
        assert item["Action"] == "lambda:InvokeFunction"
        by_rule = item["Principal"] == callers["schedule"]
        assert item["SourceArn"] == "TriggersAuditDue.Arn" if by_rule else ":HttpApi/" in item["SourceArn"]
