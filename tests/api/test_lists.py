"""The lists of registrations: an event's with their users, and a user's with their events."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.api.conftest import AwsClients, Taps, new_pipeline
from tests.api.walks import events, users, walk
from tests.support.faults import answer
from tests.support.pipeline import START, Pipeline
from workers.aws.commit import versioned_put
from workers.aws.items import EVENT_INDEX, STATUS_KEY, ledger_to_item, registration_to_item
from workers.domain.records import Registration, Status
from workers.domain.waitlist import Waitlist


@pytest.fixture(scope="module")
def busy(aws_clients: AwsClients) -> Pipeline:
    """Event `e`: us1, us2 confirmed; us4 to us6 waiting; us3 cancelled; us7 rejected; us8 pending. Read only."""
    pipeline = new_pipeline(aws_clients)
    pipeline.add_event("e", 3, hasWaitlist=True, waitlistCapacity=3)
    for number in range(1, 9):
        pipeline.add_user(f"us{number}")
    for number in range(1, 8):
        pipeline.register("e", f"us{number}", Prefer="respond-async")  # all of them in the queue before any is decided
    pipeline.run()
    pipeline.request("PATCH", "/events/e", {"capacity": 2})
    pipeline.cancel("e", "us3")
    pipeline.time.on_sleep.clear()
    pending = Registration("e", "us8", Status.PENDING, 1, 1, pipeline.time.now)
    pipeline.dynamodb.put_item(**versioned_put(pipeline.tables.registrations, pending))
    return pipeline


ALIVE = ["us8", "us4", "us5", "us6", "us1", "us2"]


def test_event_list(busy: Pipeline) -> None:
    """By default an event's list shows the active registrations with users and positions, waiters in order."""
    shown = busy.request("GET", "/events/e/registrations")
    assert (shown.status, shown.body["next"]) == (200, None)
    entries = shown.body["registrations"]
    assert users(entries) == ALIVE
    assert [entry["status"] for entry in entries] == ["pending"] + ["waitlisted"] * 3 + ["confirmed"] * 2
    assert [entry.get("waitlistPosition") for entry in entries] == [None, 1, 2, 3, None, None]
    assert entries[1]["user"] == busy.request("GET", "/users/us4").body
    assert {name: entries[1][name] for name in entries[1] if name != "user"} == busy.read("e", "us4").body


def test_new_waiter_while_reading(pipeline: Pipeline, taps: Taps) -> None:
    """A waiter who joins while the list is read has a position all the same."""
    pipeline.add_event("e", 0, hasWaitlist=True)
    pipeline.register("e", pipeline.add_user("ann"))
    pipeline.register("e", pipeline.add_user("bob"), Prefer="respond-async")
    taps.before("dynamodb.Query", lambda _: pipeline.run())
    entries = pipeline.request("GET", "/events/e/registrations", status="waitlisted").body["registrations"]
    assert [(entry["userId"], entry["waitlistPosition"]) for entry in entries] == [("ann", 1), ("bob", 2)]


@pytest.mark.parametrize("path", ["/events/e/registrations", "/users/bob/registrations"])
@pytest.mark.parametrize("first", range(6))
def test_waiters_who_leave_and_come_back_while_reading(pipeline: Pipeline, taps: Taps, path: str, first: int) -> None:
    """Whatever moves between two reads of a list, who is `waitlisted` has a position, and nobody is there twice."""
    pipeline.add_event("e", 1, hasWaitlist=True)
    pipeline.fill("e", "ann", "bob", "cid")
    reads = 0
    moving = False

    def move(_: Any) -> None:
        nonlocal reads, moving
        if moving:
            return
        moving, reads = True, reads + 1
        if reads >= first and reads - first < 3:
            pipeline.cancel("e", "bob")
            pipeline.register("e", "bob")
        moving = False

    taps.before("dynamodb.BatchGetItem", move, times=1000)
    entries = pipeline.request("GET", path, status="waitlisted,confirmed,cancelled").body["registrations"]
    assert len(users(entries)) == len(set(users(entries)))
    assert [entry for entry in entries if (entry["status"] == "waitlisted") != ("waitlistPosition" in entry)] == []


def test_a_waiter_whom_the_ledger_has_lost(pipeline: Pipeline) -> None:
    """A waiter whose ticket is missing for good, which `turnstile reconcile` repairs, is in the lists all the same."""
    pipeline.add_event("e", 1, hasWaitlist=True)
    pipeline.fill("e", "ann", "bob")
    item = ledger_to_item(replace(pipeline.ledger("e"), waitlist=Waitlist()))
    pipeline.dynamodb.put_item(TableName=pipeline.tables.ledger, Item=item)
    for path in ("/events/e/registrations", "/users/bob/registrations"):
        [bob] = [e for e in pipeline.request("GET", path).body["registrations"] if e["userId"] == "bob"]
        assert (bob["status"], "waitlistPosition" in bob) == ("waitlisted", False)


def test_stale_index_row(pipeline: Pipeline, taps: Taps) -> None:
    """A row of the index that is behind its record shows nobody under a status that they no longer have."""
    pipeline.add_event("e", 2)
    pipeline.fill("e", "ann", "bob")

    def leave(_: Any) -> None:
        pipeline.cancel("e", "ann", Prefer="respond-async")
        pipeline.run()

    # The cancellation is committed after the index was read and before the records are.
    taps.before("dynamodb.Query", lambda _: taps.before("dynamodb.BatchGetItem", leave))
    assert users(pipeline.request("GET", "/events/e/registrations").body["registrations"]) == ["bob"]


def test_walk_over_a_lagging_index(pipeline: Pipeline, taps: Taps) -> None:
    """A registration that has moved on, but not yet in the index, is not missed by a walk."""
    pipeline.add_event("e", 1, hasWaitlist=True)
    pipeline.fill("e", "bob", "ann")
    past = {
        f"{status}#": pipeline.dynamodb.query(
            TableName=pipeline.tables.registrations,
            IndexName=EVENT_INDEX,
            KeyConditionExpression="eventId = :event AND begins_with(#key, :status)",
            ExpressionAttributeNames={"#key": STATUS_KEY},
            ExpressionAttributeValues={":event": {"S": "e"}, ":status": {"S": f"{status}#"}},
        )["Items"]
        for status in Status
    }

    def lag(request: dict[str, Any]) -> Any:
        rows = past[json.loads(request["body"])["ExpressionAttributeValues"][":status"]["S"]]
        return answer({"Items": rows})

    path = "/events/e/registrations"
    pipeline.cancel("e", "bob")
    pipeline.run()
    taps.before("dynamodb.Query", lag, times=3)
    [entry] = pipeline.request("GET", path).body["registrations"]
    assert (entry["userId"], entry["status"]) == ("ann", "confirmed")
    taps.before("dynamodb.Query", lag)
    assert pipeline.request("GET", path, status="waitlisted").body["registrations"] == []


def index_also_says(pipeline: Pipeline, taps: Taps, old: dict[str, Any]) -> None:
    """Puts a row of the past in front of what the next query finds."""

    def lagging(request: dict[str, Any]) -> Any:
        now = pipeline.dynamodb.query(**json.loads(request["body"]))
        return answer({"Items": [old, *now["Items"]]})

    taps.before("dynamodb.Query", lagging)


def test_index_shows_an_earlier_place(pipeline: Pipeline, taps: Taps) -> None:
    """An outdated row of a waiter who left and came back shows nobody twice or too early."""
    pipeline.add_event("e", 0, hasWaitlist=True)
    pipeline.fill("e", "ann", "bob")
    old = registration_to_item(pipeline.stored("e", "ann"))
    pipeline.cancel("e", "ann"), pipeline.register("e", "ann")
    index_also_says(pipeline, taps, old)
    entries = pipeline.request("GET", "/events/e/registrations", status="waitlisted").body["registrations"]
    assert [(entry["userId"], entry["waitlistPosition"]) for entry in entries] == [("bob", 1), ("ann", 2)]


def test_index_shows_an_earlier_attempt(pipeline: Pipeline, taps: Taps) -> None:
    """A user's list, too, shows a registration once, at the time of its latest attempt, while the index lags."""
    pipeline.add_user("ann")
    for event_id in ("e", "f"):
        pipeline.register(pipeline.add_event(event_id, 1), "ann")
    old = registration_to_item(pipeline.stored("e", "ann"))
    pipeline.cancel("e", "ann"), pipeline.register("e", "ann")
    index_also_says(pipeline, taps, old)
    assert events(pipeline.request("GET", "/users/ann/registrations").body["registrations"]) == ["f", "e"]


@pytest.mark.parametrize("gone", ["event", "user"])
def test_what_is_gone(pipeline: Pipeline, gone: str) -> None:
    """A registration whose event or user is gone is listed with the id alone: no seats are made up."""
    ids = {"event": pipeline.add_event("e", 1), "user": pipeline.add_user("ann")}
    pipeline.register("e", "ann")
    table = {"event": pipeline.tables.events, "user": pipeline.tables.users}[gone]
    pipeline.dynamodb.delete_item(TableName=table, Key={f"{gone}Id": {"S": ids[gone]}})
    path = {"event": "/users/ann/registrations", "user": "/events/e/registrations"}[gone]
    assert [entry[gone] for entry in walk(pipeline, path)] == [{f"{gone}Id": ids[gone]}]


def test_empty(pipeline: Pipeline) -> None:
    """Nobody registered is an empty list, not an error."""
    pipeline.add_user("ann"), pipeline.add_event("e", 1)
    for path in ("/users/ann/registrations", "/events/e/registrations"):
        shown = pipeline.request("GET", path)
        assert (shown.status, shown.body) == (200, {"registrations": [], "next": None})


def test_who_is_decided_while_her_list_is_read_is_shown_once(pipeline: Pipeline, taps: Taps) -> None:
    """A decision moves a registration to the end of its user's list, where the next query finds it again."""
    for event_id in ("left", "e", "f"):
        pipeline.add_event(event_id, 1)
    pipeline.register("left", pipeline.add_user("ann"))
    pipeline.cancel("left", "ann")
    for event_id in ("e", "f"):
        pipeline.register(event_id, "ann", Prefer="respond-async")

    def decide(_: object) -> None:
        pipeline.time.now += 1_000_000
        pipeline.run()

    taps.before("dynamodb.Query", decide, skip=1)
    shown = pipeline.request("GET", "/users/ann/registrations", limit=2).body["registrations"]
    assert [(entry["eventId"], entry["status"]) for entry in shown] == [("e", "confirmed"), ("f", "confirmed")]


def test_who_moves_on_while_a_list_is_read_is_shown_once(pipeline: Pipeline, taps: Taps) -> None:
    """Pending when the pending are read, confirmed when the confirmed are: one entry, as it stands now."""
    pipeline.add_event("e", 1)
    pipeline.register("e", pipeline.add_user("ann"), Prefer="respond-async")
    taps.before("dynamodb.Query", lambda _: pipeline.run(), skip=1)  # the first is that of the pending
    shown = pipeline.request("GET", "/events/e/registrations").body["registrations"]
    assert [(entry["userId"], entry["status"]) for entry in shown] == [("ann", "confirmed")]


@pytest.fixture(scope="module")
def keen(aws_clients: AwsClients) -> Pipeline:
    """User `ann`: confirmed at e1 and e4, waiting at e2, rejected at e3, cancelled at e5, pending at e6. Read only."""
    pipeline = new_pipeline(aws_clients)
    pipeline.add_user("ann")
    for number, capacity in ((1, 1), (2, 0), (3, 0), (4, 1), (5, 1), (6, 1)):
        pipeline.add_event(f"e{number}", capacity, hasWaitlist=number == 2)
    for number in range(1, 6):
        pipeline.register(f"e{number}", "ann")
    pipeline.cancel("e5", "ann")
    pipeline.time.on_sleep.clear()
    pipeline.register("e6", "ann", Prefer="respond-async")
    return pipeline


def test_user_list(keen: Pipeline) -> None:
    """A user's list shows the active registrations, the oldest first, with events and positions."""
    answer = keen.request("GET", "/users/ann/registrations")
    assert (answer.status, answer.body["next"]) == (200, None)
    entries = answer.body["registrations"]
    assert [(entry["eventId"], entry["status"], entry.get("waitlistPosition")) for entry in entries] == [
        ("e1", "confirmed", None),
        ("e2", "waitlisted", 1),
        ("e4", "confirmed", None),
        ("e6", "pending", None),
    ]
    assert [entry["event"] for entry in entries] == [
        keen.request("GET", f"/events/{event_id}").body for event_id in events(entries)
    ]


def test_user_list_by_status(keen: Pipeline) -> None:
    """With a filter, and whatever the length of the pages, a user's list shows exactly what has that status."""
    for status, expected in (
        ("confirmed", ["e1", "e4"]),
        ("waitlisted", ["e2"]),
        ("rejected", ["e3"]),
        ("cancelled", ["e5"]),
        ("pending", ["e6"]),
        ("rejected,pending,confirmed,waitlisted,cancelled", ["e1", "e2", "e3", "e4", "e5", "e6"]),
    ):
        for limit in (1, 2, 100):
            entries = walk(keen, "/users/ann/registrations", status=status, limit=limit)
            assert events(entries) == expected, (status, limit)


def test_long_history(pipeline: Pipeline) -> None:
    """A filter that fits little of a long history may give an empty page, but its cursor leads on to what fits."""
    pipeline.add_user("ann")
    for number in range(30):
        status = Status.CANCELLED if number == 29 else Status.CONFIRMED
        record = Registration(f"e{number}", "ann", status, generation=1, version=1, registered_at=START + number)
        item: Any = registration_to_item(record)
        pipeline.dynamodb.put_item(TableName=pipeline.tables.registrations, Item=item)
    first = pipeline.request("GET", "/users/ann/registrations", status="cancelled", limit=1).body
    assert first["registrations"] == []
    assert first["next"] is not None
    [entry] = walk(pipeline, "/users/ann/registrations", status="cancelled", limit=1)
    assert (entry["eventId"], entry["event"]["eventId"]) == ("e29", "e29")
