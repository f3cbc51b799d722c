"""Repeated requests through the gateway and the FIFO queue with its deduplication interval of five minutes."""

from __future__ import annotations

from collections import Counter

import httpx
import pytest

from infra.cli.deployment import Clients, Outputs
from tests.e2e.back_door import register_command
from tests.support.client import ApiClient, eventually
from tests.support.threads import at_once
from workers.aws.items import registration_from_item, registration_key
from workers.aws.messages import command_group, deduplication_id, encode
from workers.domain.records import Registration, registration_id

pytestmark = pytest.mark.e2e

CLICKS = 20
ROUNDS = 3


def stored(aws: Clients, stack: Outputs, event_id: str, user_id: str) -> Registration:
    """Return the stored registration."""
    key = registration_key(registration_id(event_id, user_id))
    item = aws.dynamodb.get_item(TableName=stack.registrations_table, Key=key, ConsistentRead=True)["Item"]
    return registration_from_item(item)


def test_back_and_forth(front: ApiClient, stack: Outputs, aws: Clients) -> None:
    """Register and cancel repeatedly within five minutes: each request takes effect, and the queue, which drops
    repeated commands, drops none of them."""
    event_id, user_id = front.event(1), front.user()
    for number in range(1, ROUNDS + 1):
        assert front.register(event_id, user_id, Prefer="wait=10").json()["status"] == "confirmed"
        assert stored(aws, stack, event_id, user_id).generation == number
        if number < ROUNDS:
            assert front.cancel(event_id, user_id, Prefer="wait=10").status_code == 204
            assert front.registration(event_id, user_id)["status"] == "cancelled"
    assert front.read_event(event_id)["currentAttendees"] == 1
    assert len({_sent(aws, stack, event_id, user_id) for _ in range(2)}) == 1


def _sent(aws: Clients, stack: Outputs, event_id: str, user_id: str) -> str:
    """Send the command that has just been decided once more; return the message id."""
    command = register_command(event_id, user_id, ROUNDS)
    return aws.sqs.send_message(
        QueueUrl=stack.queue_url,
        MessageBody=encode(command),
        MessageGroupId=command_group(command),
        MessageDeduplicationId=deduplication_id(command),
    )["MessageId"]


@pytest.mark.parametrize("keys", ["none", "one", "many"])
def test_twenty_at_once(stack: Outputs, front: ApiClient, keys: str) -> None:
    """Twenty identical requests at once, without a key, with one key, or with one each, are one registration, which
    every response shows, and no response is a 5xx."""
    event_id, user_id = front.event(CLICKS), front.user()
    own_keys: dict[str, list[str | None]] = {"none": [None], "one": ["k"], "many": [f"k{n}" for n in range(CLICKS)]}

    with httpx.Client(base_url=stack.api_url, timeout=60, trust_env=False) as http:

        def click(number: int) -> httpx.Response:
            key = own_keys[keys][number % len(own_keys[keys])]
            return ApiClient(http).register(event_id, user_id, **({"Idempotency_Key": key} if key else {}))

        answers = at_once(CLICKS, click)

    heard = Counter(answer.status_code for answer in answers)
    assert set(heard) <= ({201, 202} if keys == "one" else {201, 202, 409}), heard
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"already-registered"}
    seat = eventually(lambda: front.decided(event_id, user_id))
    assert seat["status"] == "confirmed"
    for answer in answers:
        if answer.status_code == 201:
            assert answer.json() == seat
        elif answer.status_code == 202:
            assert answer.json()["registrationId"] == seat["registrationId"]
    assert [entry["userId"] for entry in front.list(f"/events/{event_id}/registrations")] == [user_id]
    assert front.read_event(event_id)["currentAttendees"] == 1
