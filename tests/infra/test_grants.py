"""The permissions of the functions' roles."""

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
    Resource.DATE_INDEX: "EventsTable.Arn/index/EventsByDateIndex",
    Resource.USER_INDEX: "RegistrationsTable.Arn/index/UserRegistrationsIndex",
    Resource.EVENT_INDEX: "RegistrationsTable.Arn/index/EventRegistrationsIndex",
    Resource.LEDGER_STREAM: "LedgerTable.StreamArn",
    Resource.LEDGER_STREAMS: "LedgerTable.Arn/stream/*",
    Resource.COMMANDS: "QueuesCommands.Arn",
    Resource.DEAD_LETTERS: "QueuesDeadLetters.Arn",
    Resource.FAILED_PROMOTIONS: "QueuesFailedPromotions.Arn",
    Resource.ERASURES: "QueuesErasures.Arn",
}
WRITERS = {
    Resource.USERS: {"ApiUsers": "DeleteItem PutItem UpdateItem"},
    Resource.EVENTS: {"ApiEvents": "PutItem UpdateItem", "WorkersRegistrar": "UpdateItem"},
    Resource.REGISTRATIONS: {"ApiRegistrations": "PutItem", "WorkersRegistrar": "PutItem"},
    Resource.LEDGER: {"WorkersRegistrar": "PutItem"},
    Resource.COMMANDS: dict.fromkeys(
        ("ApiUsers", "ApiEvents", "ApiRegistrations", "WorkersPromoter", "WorkersEraser"), "SendMessage"
    ),
    Resource.DEAD_LETTERS: {"WorkersRegistrar": "SendMessage"},
    Resource.FAILED_PROMOTIONS: {"WorkersPromoter": "SendMessage"},
    Resource.ERASURES: {"ApiUsers": "SendMessage"},
}
"""The functions that may write to each table or send to each queue. Only the registrar writes the ledger."""
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
    """Each table and queue is written by these functions only, with these actions."""
    granted = [
        (spec.construct, resource, action)
        for spec in FUNCTIONS.values()
        for resource, actions in spec.grants.items()
        for action in actions.split()
    ]
    assert {action for _, _, action in granted} == WRITES | OTHERS
    found: dict[Resource, dict[str, str]] = {}
    for function, resource, action in sorted(granted):
        if action in WRITES:
            writers = found.setdefault(resource, {})
            writers[function] = f"{writers.get(function, '')} {action}".strip()
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
