"""Behind the API: more seats for many, messages that are rubbish or come twice, old events, permissions."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from infra.cli.deployment import Clients, Outputs
from infra.cli.local.emulator import ROOT_KEYS
from tests.support.client import Front, at, eventually, unique
from workers.aws.messages import encode, group_of
from workers.domain.commands import Cancel, Command, Register

pytestmark = pytest.mark.e2e


@pytest.fixture
def front(api: httpx.Client) -> Front:
    """The API."""
    return Front(api)


def deliver(aws: Clients, queue_url: str, event_id: str, *bodies: str) -> list[str]:
    """Puts messages into an event's group, each as one that SQS has never seen; their message ids."""
    sent = []
    for start in range(0, len(bodies), 10):
        answer = aws.sqs.send_message_batch(
            QueueUrl=queue_url,
            Entries=[
                {
                    "Id": str(index),
                    "MessageBody": body,
                    "MessageGroupId": group_of(event_id),
                    "MessageDeduplicationId": unique("message"),
                }
                for index, body in enumerate(bodies[start : start + 10])
            ],
        )
        assert not answer.get("Failed")
        sent += [entry["MessageId"] for entry in answer["Successful"]]
    return sent


def register_command(event_id: str, user_id: str, generation: int = 1) -> Register:
    """A Register as the API sends it."""
    return Register(unique("command"), event_id, user_id, generation, accepted_at=time.time_ns() // 1000)


def test_capacity_raised_for_many(stack: Outputs, aws: Clients, front: Front) -> None:
    """A capacity raised by more than one transaction takes promotes as many as fit, in order; the rest move up."""
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


def no_command(event_id: str) -> str:
    """Rubbish."""
    return f"rubbish {event_id}"


def of_a_later_version(event_id: str) -> str:
    """What only a later version can read."""
    return encode(register_command(event_id, "ann")).replace('"v":1', '"v":2')


def of_another_event(event_id: str) -> str:
    """A command that is in the wrong group."""
    return encode(register_command(f"another {event_id}", "ann"))


@pytest.mark.parametrize(
    ("rubbish", "reason"),
    [
        (no_command, "unreadable: the body is not JSON"),
        (of_a_later_version, "unreadable: version 2 is not known"),
        (of_another_event, "unreadable: the message is in another event's group"),
    ],
)
def test_poison(stack: Outputs, aws: Clients, front: Front, rubbish: Callable[[str], str], reason: str) -> None:
    """A message that is no command is parked in the dead-letter queue with its reason, while its event goes on."""
    event_id, user_id = front.event(1), front.user()
    body = rubbish(event_id)
    good = register_command(event_id, user_id)
    poison, _ = deliver(aws, stack.queue_url, event_id, body, encode(good))
    front.has(event_id, user_id, "confirmed")
    letter = eventually(lambda: find_letter(aws, stack.dead_letter_queue_url, poison))
    assert letter["Body"] == body
    assert letter["Attributes"]["MessageGroupId"] == group_of(event_id)
    assert letter["MessageAttributes"]["reason"]["StringValue"] == reason
    aws.sqs.delete_message(QueueUrl=stack.dead_letter_queue_url, ReceiptHandle=letter["ReceiptHandle"])


def find_letter(aws: Clients, queue_url: str, message_id: str) -> Any | None:
    """The dead letter of a message; all others are left as they are."""
    answer = aws.sqs.receive_message(
        QueueUrl=queue_url,
        MaxNumberOfMessages=10,
        VisibilityTimeout=2,
        AttributeNames=["All"],
        MessageAttributeNames=["All"],
    )
    found = None
    for letter in answer.get("Messages", []):
        if letter["MessageAttributes"]["messageId"]["StringValue"] == message_id:
            found = letter
        else:
            aws.sqs.change_message_visibility(
                QueueUrl=queue_url, ReceiptHandle=letter["ReceiptHandle"], VisibilityTimeout=0
            )
    return found


def test_delivered_twice(stack: Outputs, aws: Clients, front: Front) -> None:
    """A batch of [Cancel, Register again] that is delivered a second time leaves the new registration alone."""
    event_id, (user_id, next_in_line, last) = front.event(1, hasWaitlist=True), front.users(3)
    batch: list[Command] = [
        Cancel(unique("command"), event_id, user_id, 1, accepted_at=time.time_ns() // 1000),
        register_command(event_id, user_id, generation=2),
    ]
    first = front.seat(event_id, user_id)
    deliver(aws, stack.queue_url, event_id, *map(encode, batch))
    assert front.seat(event_id, next_in_line)["waitlistPosition"] == 1
    back = front.registration(event_id, user_id)
    assert (back["status"], back["registeredAt"] > first["registeredAt"]) == ("confirmed", True)
    deliver(aws, stack.queue_url, event_id, *map(encode, batch))
    assert front.seat(event_id, last)["waitlistPosition"] == 2
    assert front.registration(event_id, user_id) == back
    assert front.read_event(event_id)["currentAttendees"] == 1


def test_back_and_forth(front: Front) -> None:
    """Register, cancel, register in a hurry is no repetition: each goes through, the last at the end of the line."""
    event_id = front.event(1, hasWaitlist=True)
    ann, bob = front.users(2)
    for place in (1, 2):
        front.seat(event_id, ann)
        if place == 1:
            front.seat(event_id, bob)
            assert front.cancel(event_id, ann).status_code == 204
            front.has(event_id, bob, "confirmed", within=2)
    assert front.registration(event_id, ann)["waitlistPosition"] == 1
    assert front.cancel(event_id, ann).status_code == 204
    assert front.cancel(event_id, ann).status_code == 404
    assert front.read_event(event_id)["waitlistLength"] == 0


@pytest.mark.parametrize("prefix", ["legacy", "Früh ling & Söhne #1: 100 %; 🎟"])
def test_legacy_event(stack: Outputs, aws: Clients, front: Front, prefix: str) -> None:
    """An event from before there were waiting lists, whatever its id, reads, lists, fills up, frees its seat."""
    event_id = f"{prefix} {unique('event')}"
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


MAY_WRITE = {
    "api.entry.users": {"users", "commands"},
    "api.entry.events": {"events", "commands"},
    "api.entry.registrations": {"registrations", "commands"},
    "workers.entry.registrar": {"registrations", "ledger", "dead letters"},
    "workers.entry.promoter": {"commands"},
    "workers.entry.auditor": set(),
}


def test_roles_are_enforced(stack: Outputs, aws: Clients) -> None:
    """With its function's role each may write what it must and nothing else: the ledger is the registrar's alone."""
    tables = {
        "users": (stack.users_table, "userId"),
        "events": (stack.events_table, "eventId"),
        "registrations": (stack.registrations_table, "registrationId"),
        "ledger": (stack.ledger_table, "eventId"),
    }
    queues = {"commands": stack.queue_url, "dead letters": stack.dead_letter_queue_url}
    functions = aws.functions.list_functions()["Functions"]
    roles = {function["Handler"]: function["Role"] for function in functions if function["Handler"] in MAY_WRITE}
    assert set(roles) == set(MAY_WRITE)
    for handler, role in roles.items():
        session = session_as(role, stack)
        dynamodb: Any = session.client("dynamodb", endpoint_url=stack.endpoint_url)
        sqs: Any = session.client("sqs", endpoint_url=stack.endpoint_url)
        writable = {
            # Neither writes anything: the condition fails, and a FIFO queue takes no message without a group.
            *(
                name
                for name, (table, key) in tables.items()
                if allowed(
                    dynamodb.put_item,
                    TableName=table,
                    Item={key: {"S": unique("nothing")}},
                    ConditionExpression=f"attribute_exists({key})",
                )
            ),
            *(name for name, url in queues.items() if allowed(sqs.send_message, QueueUrl=url, MessageBody="nothing")),
        }
        assert writable == MAY_WRITE[handler], handler


def session_as(role: str, stack: Outputs) -> boto3.Session:
    """A session with a function's role, as the function has it."""
    sts = boto3.client(
        "sts",
        region_name=stack.region,
        endpoint_url=stack.endpoint_url,
        aws_access_key_id=ROOT_KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ROOT_KEYS["AWS_SECRET_ACCESS_KEY"],
    )
    keys = sts.assume_role(RoleArn=role, RoleSessionName="end-to-end-test")["Credentials"]
    return boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], stack.region)


def allowed(call: Callable[..., object], **request: object) -> bool:
    """True if a call, which is made so that it fails, is not refused for want of permission."""
    with pytest.raises(ClientError) as failure:
        call(**request)
    return "AccessDenied" not in failure.value.response["Error"]["Code"]
