"""A bad day, rehearsed: the registrar loses a permission, poison arrives, an event is deleted by mistake. An operator
puts it all right with the real command, and everybody has what they would have had without it.

`make drill` does the same with an outage of 60 s (TURNSTILE_OUTAGE_SECONDS).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from infra.cli.deployment import Clients, Deployment, Outputs
from infra.cli.function_logs import REGISTRAR, lines, log_groups
from tests.e2e.damage import damaged
from tests.e2e.messages import deliver, register_command
from tests.support.client import Front, eventually, unique
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
"""What the last wait before the end of an outage may still cost (30 s), and the work."""
TOO_OLD_TO_REPEAT = 400_000_000
"""Microseconds. A request that is younger, and could be made again, cannot be discarded."""
POISON_SECONDS = 10.0
"""How long a message that always fails may hold up its event."""


def letters(event_id: str) -> list[dict[str, Any]]:
    """The dead letters of an event, as `turnstile dlq list` shows them."""
    found: list[dict[str, Any]] = printed("dlq", "list", "--event", event_id)["letters"]
    return found


@contextmanager
def without_tables(stack: Outputs) -> Iterator[None]:
    """The registrar's role may no longer touch any table; afterwards it may again."""
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


def later(front: Front, event_id: str, *users: str) -> None:
    """Registers people one after the other; nobody waits for the outcome."""
    for user in users:
        assert front.register(event_id, user, Prefer="respond-async").status_code == 202


def test_an_outage(stack: Outputs, aws: Clients, front: Front) -> None:
    """While the tables are out of reach the queue grows and nothing dies; afterwards it drains, in order of arrival."""
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
            observe_age(aws, time.monotonic() - began)
            time.sleep(0.2)
        observe_age(aws, time.monotonic() - began)  # on a busy machine the outage may be over before the loop begins
        assert tried_again() > tried
    assert worst_age(aws) >= OUTAGE_SECONDS - 1
    eventually(lambda: queue_depth(aws, stack.queue_url) == 0, DRAIN_SECONDS)
    wanted = ["cancelled", "confirmed", "confirmed", "waitlisted"]

    def standing() -> dict[str, Any] | None:
        """Everybody's registration, once the seat that the cancellation left is given: the stream brings that about,
        after the queue has been empty for a moment."""
        now = {user: front.registration(event_id, user) for user in (first, *others)}
        return now if [registration["status"] for registration in now.values()] == wanted else None

    found = eventually(standing, DRAIN_SECONDS)
    assert found[others[-1]]["waitlistPosition"] == 1
    assert queue_depth(aws, stack.dead_letter_queue_url) == dead


def oldest_message(aws: Clients) -> Any:
    """The metric that the alarm about the oldest message watches."""
    (alarm,) = aws.cloudwatch.describe_alarms(AlarmNames=["turnstile-local-oldest-message"])["MetricAlarms"]
    return {name: alarm[name] for name in ("Namespace", "MetricName", "Dimensions")}


def observe_age(aws: Clients, seconds: float) -> None:
    """What CloudWatch does by itself on AWS, where SQS says how old its oldest message is."""
    metric = oldest_message(aws)
    value: Any = {"MetricName": metric["MetricName"], "Dimensions": metric["Dimensions"], "Value": seconds}
    aws.cloudwatch.put_metric_data(Namespace=metric["Namespace"], MetricData=[value])


def worst_age(aws: Clients) -> float:
    """The highest value of the alarm's metric in the last minutes."""
    now = datetime.now(UTC)
    since = now - timedelta(minutes=5)
    found = aws.cloudwatch.get_metric_statistics(
        **oldest_message(aws), StartTime=since, EndTime=now, Period=300, Statistics=["Maximum"]
    )
    return max(point["Maximum"] for point in found["Datapoints"])


def tried_again() -> float:
    """How many messages the registrar says that it has given back: the metric `Retried`."""
    deployment = Deployment.resolve()
    pages = lines(deployment.clients.logs, log_groups(deployment)[REGISTRAR], '"Retried"', since=0)
    return sum(sum(line.fields["Retried"]) for page in pages for line in page)


def test_poison(stack: Outputs, aws: Clients, front: Front) -> None:
    """A message that always fails holds its event up for seconds only, other events not at all; it is shown, thrown
    away with a reason, and its neighbours in the batch are decided."""
    event_id, other, users = front.event(9), front.event(9), front.users(4)
    torn, before, behind, elsewhere = users
    front.seat(event_id, torn)
    # A hand on the table: a registration waits, with a ticket that its event never gave.
    ticket: Item = {"status": {"S": "waitlisted"}, "ticket": {"N": "7"}}
    with damaged(aws.dynamodb, stack.registrations_table, registration_id(event_id, torn), ticket):
        poison = Cancel(unique("command"), event_id, torn, 1, accepted_at=time.time_ns() // 1000 - TOO_OLD_TO_REPEAT)
        batch: list[Command] = [register_command(event_id, before), poison, register_command(event_id, behind)]
        began = time.monotonic()
        deliver(aws, stack.queue_url, event_id, *(encode(command) for command in batch))
        front.seat(other, elsewhere)
        assert front.registration(event_id, behind).get("code") == "not-registered"  # it is still held up
        front.has(event_id, before, "confirmed")
        front.has(event_id, behind, "confirmed")
        assert time.monotonic() - began < POISON_SECONDS

        (letter,) = letters(event_id)
        assert (letter["command"], letter["receives"]) == ("Cancel", 3)
        assert letter["reason"] == "failed: ValueError while deciding Cancel"
        shown = printed("dlq", "show", letter["id"])
        assert (shown["message"]["commandId"], shown["registration"]["status"]) == (poison.command_id, "waitlisted")
        assert shown["replayWould"].startswith("be parked again: deciding it raises ValueError")
        assert turnstile("dlq", "discard", letter["id"], "--why", "drill").returncode == 0
        assert letters(event_id) == []


def test_what_died_for_nothing(stack: Outputs, aws: Clients, front: Front) -> None:
    """An event is deleted by mistake: what was accepted for it dies, and is replayed in order once the event is back;
    what is discarded is an answer too, and no obstacle to the next attempt."""
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
