"""Lists of registrations: an event's with their users, a user's with their events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.conftest import AwsClients, Taps, new_pipeline
from tests.api.lists import events, users, walk
from tests.support.faults import answer
from tests.support.pipeline import Pipeline
from workers.aws.commit import versioned_put
from workers.aws.items import EVENT_INDEX, STATUS_KEY, registration_to_item
from workers.domain.records import Registration, Status


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
    """Without a filter an event's list shows who is alive there, each with user and place, the line in its order."""
    shown = busy.request("GET", "/events/e/registrations")
    assert (shown.status, shown.body["next"]) == (200, None)
    entries = shown.body["registrations"]
    assert users(entries) == ALIVE
    assert [entry["status"] for entry in entries] == ["pending"] + ["waitlisted"] * 3 + ["confirmed"] * 2
    assert [entry.get("waitlistPosition") for entry in entries] == [None, 1, 2, 3, None, None]
    assert entries[1]["user"] == busy.request("GET", "/users/us4").body
    assert {name: entries[1][name] for name in entries[1] if name != "user"} == busy.read("e", "us4").body


def test_event_list_by_status(busy: Pipeline) -> None:
    """`status` takes one or several, and the list shows those and no others, in pages of any length."""
    for status, expected in (
        ("pending", ["us8"]),
        ("waitlisted", ["us4", "us5", "us6"]),
        ("confirmed", ["us1", "us2"]),
        ("cancelled", ["us3"]),
        ("rejected", ["us7"]),
        ("confirmed,waitlisted", ["us4", "us5", "us6", "us1", "us2"]),
        ("rejected,cancelled,rejected", ["us7", "us3"]),
    ):
        for limit in (1, 100):
            entries = walk(busy, "/events/e/registrations", status=status, limit=limit)
            assert users(entries) == expected, (status, limit)


def test_event_list_pages(busy: Pipeline) -> None:
    """However long the pages, a walk over them meets everybody once, in the same order."""
    for limit in (1, 2, 3, 4, 5, 6, 100):
        assert users(walk(busy, "/events/e/registrations", limit=limit)) == ALIVE, limit
        page = busy.request("GET", "/events/e/registrations", limit=limit).body["registrations"]
        assert len(page) == min(limit, len(ALIVE))


def test_line_in_the_order_of_tickets(pipeline: Pipeline) -> None:
    """The line is in the order of the tickets also when people left it and came back."""
    pipeline.add_event("e", 0, hasWaitlist=True)
    pipeline.fill("e", "ann", "bob", "cid")
    pipeline.cancel("e", "ann")
    pipeline.register("e", "ann")
    entries = walk(pipeline, "/events/e/registrations", status="waitlisted")
    assert [(entry["userId"], entry["waitlistPosition"]) for entry in entries] == [("bob", 1), ("cid", 2), ("ann", 3)]


def test_somebody_joins_meanwhile(pipeline: Pipeline, taps: Taps) -> None:
    """Who joins the line while the list is read has a place in it all the same."""
    pipeline.add_event("e", 0, hasWaitlist=True)
    pipeline.register("e", pipeline.add_user("ann"))
    pipeline.register("e", pipeline.add_user("bob"), Prefer="respond-async")
    taps.before("dynamodb.Query", lambda _: pipeline.run())
    entries = pipeline.request("GET", "/events/e/registrations", status="waitlisted").body["registrations"]
    assert [(entry["userId"], entry["waitlistPosition"]) for entry in entries] == [("ann", 1), ("bob", 2)]


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
    """Who has moved on, but not yet in the index, is not missed by a walk through the statuses."""
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
    """A row of the index for a place that somebody left, and came back to the end, shows nobody twice or too early."""
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


def test_event_is_gone(pipeline: Pipeline) -> None:
    """A registration whose event is gone is listed with the event's id alone, and none of its seats is made up."""
    pipeline.register(pipeline.add_event("e", 1), pipeline.add_user("ann"))
    pipeline.dynamodb.delete_item(TableName=pipeline.tables.events, Key={"eventId": {"S": "e"}})
    [entry] = walk(pipeline, "/users/ann/registrations")
    assert entry["event"] == {"eventId": "e"}


def test_user_is_gone(pipeline: Pipeline) -> None:
    """A registration whose user is gone is listed with the id alone."""
    pipeline.register(pipeline.add_event("e", 1), pipeline.add_user("ann"))
    pipeline.dynamodb.delete_item(TableName=pipeline.tables.users, Key={"userId": {"S": "ann"}})
    [entry] = walk(pipeline, "/events/e/registrations")
    assert entry["user"] == {"userId": "ann"}


def test_empty(pipeline: Pipeline) -> None:
    """Nobody registered is an empty list, not an error."""
    pipeline.add_user("ann"), pipeline.add_event("e", 1)
    for path in ("/users/ann/registrations", "/events/e/registrations"):
        shown = pipeline.request("GET", path)
        assert (shown.status, shown.body) == (200, {"registrations": [], "next": None})


def test_unknown(pipeline: Pipeline) -> None:
    """The list of an unknown event or user is a 404."""
    for identifier in ("none", "x" * 2000):
        assert pipeline.request("GET", f"/users/{identifier}/registrations").code == "user-not-found"
        assert pipeline.request("GET", f"/events/{identifier}/registrations").code == "event-not-found"


LISTS = ["/users/ann/registrations", "/events/e/registrations"]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("status", ["", "Confirmed", "alive", "confirmed,", "confirmed, waitlisted", "x" * 500])
def test_unknown_status(shared: Pipeline, path: str, status: str) -> None:
    """A status that there is not is a 400 that names the parameter and those that there are."""
    shown = shared.request("GET", path, status=status)
    assert (shown.status, shown.code) == (400, "invalid-request")
    [error] = shown.body["errors"]
    assert error["pointer"] == "?status"
    assert "pending, waitlisted, confirmed, rejected, cancelled" in error["detail"]
    assert len(error["detail"]) < 150


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("limit", ["0", "101", "x"])
def test_limit_out_of_range(shared: Pipeline, path: str, limit: str) -> None:
    """A limit outside 1 to 100 is a 400."""
    shown = shared.request("GET", path, limit=limit)
    assert (shown.status, shown.body["errors"][0]["pointer"]) == (400, "?limit")


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
