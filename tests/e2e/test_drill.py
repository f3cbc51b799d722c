"""A bad day, rehearsed: an outage, a message that always fails, an event deleted by mistake. An operator repairs it
with the real command, and the outcomes are the same as without it.

`make drill` does the same with an outage of 60 s (TURNSTILE_OUTAGE_SECONDS).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from infra.cli.deployment import Clients, Deployment, Outputs
from infra.cli.function_logs import REGISTRAR, lines, log_groups
from tests.e2e.back_door import damaged, deliver, register_command
from tests.support.client import ApiClient, eventually, unique
from tests.support.stacks import printed, queue_depth, turnstile
from workers.aws.items import Item, event_key
from workers.aws.messages import encode
from workers.domain.commands import Cancel, Command
from workers.domain.records import registration_id

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

pytestmark = [pytest.mark.e2e, pytest.mark.own_stack("functions lose permissions")]

OUTAGE_SECONDS = float(os.environ.get("TURNSTILE_OUTAGE_SECONDS", "4"))
DRAIN_SECONDS = 45.0
"""The longest retry delay (30 s), and time for the work."""
TOO_OLD_TO_REPEAT = 400_000_000
"""Microseconds. A younger request could be repeated, and cannot be discarded."""
POISON_SECONDS = 10.0
"""The seconds for which a message that always fails may block its event."""


def letters(event_id: str) -> list[dict[str, Any]]:
    """Return the dead letters of an event as `turnstile dlq list` shows them."""
    found: list[dict[str, Any]] = printed("dlq", "list", "--event", event_id)["letters"]
    return found


@contextmanager
def without_tables(stack: Outputs) -> Iterator[None]:
    """Remove the registrar's access to all tables while the block runs."""
    assert stack.endpoint_url is not None
    iam: IAMClient = boto3.client("iam", endpoint_url=stack.endpoint_url)
    roles = [r for r in Deployment.resolve().resources if r["LogicalResourceId"].startswith("WorkersRegistrarRole")]
    role = roles[0]["PhysicalResourceId"]
    (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    document: Any = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    kept = [s for s in document["Statement"] if not str(s["Action"][0]).startswith("dynamodb:")]
    assert len(kept) < len(document["Statement"])

    def put(statements: list[Any]) -> None:
        changed = json.dumps(document | {"Statement": statements})
        iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=changed)

    put(kept)
    try:
        yield
    finally:
        put(document["Statement"])


def later(front: ApiClient, event_id: str, *users: str) -> None:
    """Register users one after the other without waiting for outcomes."""
    for user in users:
        assert front.register(event_id, user, Prefer="respond-async").status_code == 202


def test_an_outage(stack: Outputs, aws: Clients, front: ApiClient) -> None:
    """While the tables are out of reach the queue grows and no message is lost; afterwards it drains in order."""
    event_id, (first, *others) = front.event(2, hasWaitlist=True), front.users(4)
    front.seat(event_id, first)
    dead, tried = queue_depth(aws, stack.dead_letter_queue_url), tried_again()
    with without_tables(stack):
        began = time.monotonic()
        later(front, event_id, *others)
        assert front.cancel(event_id, first, Prefer="respond-async").status_code == 202
        eventually(lambda: queue_depth(aws, stack.queue_url) == 4)
        board = printed("top", "--once")
        assert board["queue"]["visible"] + board["queue"]["inFlight"] == 4
        while time.monotonic() < began + OUTAGE_SECONDS:
            assert queue_depth(aws, stack.queue_url) == 4
            time.sleep(0.2)
        assert tried_again() > tried
    eventually(lambda: queue_depth(aws, stack.queue_url) == 0, DRAIN_SECONDS)
    wanted = ["cancelled", "confirmed", "confirmed", "waitlisted"]

    def standing() -> dict[str, Any] | None:
        """Return all registrations once the promotion, which the stream triggers after the queue is empty, is done."""
        now = {user: front.registration(event_id, user) for user in (first, *others)}
        return now if [registration["status"] for registration in now.values()] == wanted else None

    found = eventually(standing, DRAIN_SECONDS)
    assert found[others[-1]]["waitlistPosition"] == 1
    assert queue_depth(aws, stack.dead_letter_queue_url) == dead


def tried_again() -> float:
    """Return how many messages the registrar has returned to the queue: the metric `Retried`."""
    deployment = Deployment.resolve()
    pages = lines(deployment.clients.logs, log_groups(deployment)[REGISTRAR], '"Retried"', since=0)
    return sum(sum(line.fields["Retried"]) for page in pages for line in page)


def test_poison(stack: Outputs, aws: Clients, front: ApiClient) -> None:
    """A message that always fails blocks its event for seconds, other events not at all; it is shown and discarded, and
    its neighbours in the batch are decided."""
    event_id, other, users = front.event(9), front.event(9), front.users(4)
    torn, before, behind, elsewhere = users
    front.seat(event_id, torn)
    # A damaged registration: it waits with a ticket that its event never issued.
    ticket: Item = {"status": {"S": "waitlisted"}, "ticket": {"N": "7"}}
    with damaged(aws.dynamodb, stack.registrations_table, registration_id(event_id, torn), ticket):
        poison = Cancel(unique("command"), event_id, torn, 1, accepted_at=time.time_ns() // 1000 - TOO_OLD_TO_REPEAT)
        batch: list[Command] = [register_command(event_id, before), poison, register_command(event_id, behind)]
        began = time.monotonic()
        deliver(aws, stack.queue_url, event_id, *(encode(command) for command in batch))
        front.seat(other, elsewhere)
        assert front.registration(event_id, behind).get("code") == "not-registered"  # still blocked
        front.has(event_id, before, "confirmed")
        front.has(event_id, behind, "confirmed")
        assert time.monotonic() - began < POISON_SECONDS

        (letter,) = letters(event_id)
        assert (letter["command"], letter["receives"]) == ("Cancel", 3)
        assert letter["reason"] == "failed: ValueError while deciding Cancel"
        shown = printed("dlq", "show", letter["id"])
        assert (shown["message"]["commandId"], shown["registration"]["status"]) == (poison.command_id, "waitlisted")
        assert shown["replayWould"].startswith("be parked again: deciding it fails: ValueError")
        assert turnstile("dlq", "discard", letter["id"], "--why", "drill").returncode == 0
        assert letters(event_id) == []


def test_a_deleted_event(stack: Outputs, aws: Clients, front: ApiClient) -> None:
    """After an event is deleted by mistake and restored, its dead letters are replayed in order; a discarded one is a
    rejection, and does not prevent the next attempt."""
    event_id, (first, second, third) = front.event(1, hasWaitlist=True), front.users(3)
    item = aws.dynamodb.get_item(TableName=stack.events_table, Key=event_key(event_id))["Item"]
    with without_tables(stack):
        later(front, event_id, first, second, third)
        aws.dynamodb.delete_item(TableName=stack.events_table, Key=event_key(event_id))
    found = eventually(lambda: found if len(found := letters(event_id)) == 3 else None, DRAIN_SECONDS)
    assert [letter["userId"] for letter in found] == [first, second, third]
    assert {letter["reason"] for letter in found} == {"event-not-found: there is no such event"}
    shown = printed("dlq", "show", found[0]["id"])
    assert shown["replayWould"] == f"be parked again: there is no event {event_id}"

    aws.dynamodb.put_item(TableName=stack.events_table, Item=item)
    assert printed("dlq", "show", found[1]["id"])["replayWould"] == "come to: waitlisted (joined-waitlist)"
    assert turnstile("dlq", "discard", found[2]["id"], "--why", "the third asked twice").returncode == 0
    refused = front.registration(event_id, third)
    assert (refused["status"], refused["code"]) == ("rejected", "discarded")
    replayed = printed("dlq", "replay", "--event", event_id)
    assert (replayed["sent"], replayed["done"]) == (2, True)
    front.has(event_id, first, "confirmed")
    assert front.has(event_id, second, "waitlisted")["waitlistPosition"] == 1
    assert front.seat(event_id, third)["waitlistPosition"] == 2
    assert letters(event_id) == []

    story = printed("trace", event_id, second)["story"]
    assert [entry["what"] for entry in story] == ["accepted", "answered", "dead-lettered", "replayed", "decided"]
