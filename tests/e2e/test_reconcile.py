"""`turnstile reconcile`, the real command against the stack, finds damage, and the registrar repairs it."""

from __future__ import annotations

import pytest

from infra.cli.deployment import Clients, Outputs
from tests.support.client import ApiClient
from tests.support.stacks import printed
from workers.aws.items import event_key

pytestmark = pytest.mark.e2e


def test_a_damaged_ledger(stack: Outputs, aws: Clients, front: ApiClient) -> None:
    """After a ledger lost a seat and its waiting list, the repair names both, and the next registration waits last."""
    event_id, (first, second, last) = front.event(1, hasWaitlist=True), front.users(3)
    for user_id in (first, second):
        front.seat(event_id, user_id)
    aws.dynamodb.update_item(
        TableName=stack.ledger_table,
        Key=event_key(event_id),
        UpdateExpression="SET confirmed = :none REMOVE line, lineOffset",
        ExpressionAttributeValues={":none": {"N": "0"}},
    )
    assert front.read_event(event_id)["seatsLeft"] == 1

    (found,) = printed("reconcile", event_id, "--repair")["findings"]
    assert found["differences"] == [
        "the ledger says 0 confirmed, 1 are",
        "waiting, but not on the ledger's waiting list: ticket 1",
    ]
    assert found["repair"] == "mended"
    event = front.read_event(event_id)
    assert (event["currentAttendees"], event["seatsLeft"], event["waitlistLength"]) == (1, 0, 1)
    assert front.seat(event_id, last)["waitlistPosition"] == 2
