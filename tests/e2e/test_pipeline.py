"""Behind the API: more seats for many, undecodable messages, legacy events, and a damaged ledger."""

from __future__ import annotations

from typing import Any

import pytest

from infra.cli.deployment import Clients, Outputs
from tests.e2e.back_door import deliver, find_dead_letter, register_command
from tests.support.client import ApiClient, at, eventually, unique
from tests.support.stacks import printed
from workers.aws.items import event_key
from workers.aws.messages import encode, event_group

pytestmark = pytest.mark.e2e


def test_capacity_raised_for_many(stack: Outputs, aws: Clients, front: ApiClient) -> None:
    """Raising the capacity by more than a transaction can hold promotes as many as fit, in order; the rest move up."""
    event_id = front.event(0, hasWaitlist=True)
    people = [f"person-{number}" for number in range(150)]
    deliver(aws, stack.queue_url, event_id, *(encode(register_command(event_id, person)) for person in people))
    eventually(lambda: front.read_event(event_id)["waitlistLength"] == 150)
    changed = front.http.patch(at(event_id), json={"capacity": 120})
    assert changed.status_code in {200, 202}
    eventually(lambda: front.read_event(event_id)["currentAttendees"] == 120)
    path = f"{at(event_id)}/registrations"
    assert [entry["userId"] for entry in front.list(path, status="confirmed", limit=100)] == people[:120]
    line = front.list(path, status="waitlisted")
    assert [(entry["userId"], entry["waitlistPosition"]) for entry in line] == [
        (person, place) for place, person in enumerate(people[120:], 1)
    ]
    event = front.read_event(event_id)
    assert (event["seatsLeft"], event["waitlistLength"]) == (0, 30)


def test_poison(stack: Outputs, aws: Clients, front: ApiClient) -> None:
    """An undecodable message is parked in the dead-letter queue with its reason, while its event goes on."""
    event_id, user_id = front.event(1), front.user()
    body = f"rubbish {event_id}"
    good = register_command(event_id, user_id)
    poison, _ = deliver(aws, stack.queue_url, event_id, body, encode(good))
    front.has(event_id, user_id, "confirmed")
    letter = eventually(lambda: find_dead_letter(aws, stack.dead_letter_queue_url, poison))
    assert letter["Body"] == body
    assert letter["Attributes"]["MessageGroupId"] == event_group(event_id)
    assert letter["MessageAttributes"]["reason"]["StringValue"] == "unreadable: the body is not JSON"
    aws.sqs.delete_message(QueueUrl=stack.dead_letter_queue_url, ReceiptHandle=letter["ReceiptHandle"])


def test_legacy_event(stack: Outputs, aws: Clients, front: ApiClient) -> None:
    """An event from before there were waiting lists, with an odd id, reads, lists, fills up, frees its seat."""
    event_id = f"Früh ling & Söhne #1: 100 %; 🎟 {unique('event')}"
    texts = {name: {"S": "x"} for name in ("title", "location", "organizer")}
    item: Any = {"eventId": {"S": event_id}, "date": {"S": "2020-01-01"}, "capacity": {"N": "1"}, **texts}
    aws.dynamodb.put_item(TableName=stack.events_table, Item=item)
    event = front.read_event(event_id)
    assert (event["eventId"], event["seatsLeft"], event["hasWaitlist"]) == (event_id, 1, False)
    ann, bob = front.users(2)
    assert front.seat(event_id, ann)["status"] == "confirmed"
    refused = front.register(event_id, bob)
    assert (refused.status_code, refused.json()["code"]) == (409, "event-full")
    [entry] = front.list(f"/users/{ann}/registrations")
    assert entry["event"]["eventId"] == event_id
    changed = front.http.patch(at(event_id), json={"hasWaitlist": True})
    assert (changed.status_code, changed.json()["hasWaitlist"]) == (200, True)
    assert front.seat(event_id, bob)["waitlistPosition"] == 1
    location = front.register(event_id, bob).json()["registration"]
    assert front.http.get(location).json()["userId"] == bob
    assert front.cancel(event_id, ann).status_code == 204
    front.has(event_id, bob, "confirmed", within=2)


def test_a_damaged_ledger(stack: Outputs, aws: Clients, front: ApiClient) -> None:
    """When a ledger has lost a seat and its waiting list, `turnstile reconcile --repair` names both, the registrar
    repairs it, and the next registration waits last."""
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
