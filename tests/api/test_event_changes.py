"""`PATCH /events/{eventId}`: descriptions are written at once, seats are changed in the event's turn."""

from __future__ import annotations

import pytest

from tests.api.conftest import Taps
from tests.support.builders import NEW_EVENT
from tests.support.pipeline import Answer, Pipeline


def change(pipeline: Pipeline, event_id: str, **fields: object) -> Answer:
    """PATCH."""
    return pipeline.request("PATCH", f"/events/{event_id}", fields)


def test_describe(pipeline: Pipeline, taps: Taps) -> None:
    """Descriptive fields change at once, without a turn in the queue, and the others stay as they are."""
    pipeline.add_event("e", 3, description="Old")
    taps.fail("sqs.SendMessage", "NobodyMaySend")
    changed = change(pipeline, "e", title="New", date="2027-01-01T10:00", location="M", organizer="P")
    assert changed.status == 200
    described = [changed.body[name] for name in ("title", "date", "location", "organizer")]
    assert described == ["New", "2027-01-01T10:00", "M", "P"]
    assert (changed.body["description"], changed.body["capacity"]) == ("Old", 3)
    assert pipeline.request("GET", "/events/e").body == changed.body


def test_null(pipeline: Pipeline) -> None:
    """Null takes away a description and the waiting list's limit."""
    pipeline.add_event("e", 1, description="Old", hasWaitlist=True, waitlistCapacity=1)
    changed = change(pipeline, "e", description=None, waitlistCapacity=None)
    assert changed.status == 200
    assert not {"description", "waitlistCapacity"} & set(changed.body)
    pipeline.fill("e", "ann", "bob", "cid")
    assert pipeline.request("GET", "/events/e").body["waitlistLength"] == 2


@pytest.mark.parametrize("field", ["title", "date", "location", "organizer", "capacity", "hasWaitlist", "status"])
def test_null_where_there_must_be_something(pipeline: Pipeline, field: str) -> None:
    """Null is refused for what every event has."""
    pipeline.add_event("e", 1)
    answer = change(pipeline, "e", **{field: None})
    assert (answer.status, answer.body["errors"]) == (400, [{"pointer": f"/{field}", "detail": "Must not be null."}])


def test_nothing_to_change(pipeline: Pipeline, taps: Taps) -> None:
    """A change of nothing answers the event, and asks nothing of the queue."""
    pipeline.add_event("e", 1)
    taps.fail("sqs.SendMessage", "NobodyMaySend")
    answer = change(pipeline, "e")
    assert (answer.status, answer.body) == (200, pipeline.request("GET", "/events/e").body)


def test_fewer_seats(pipeline: Pipeline) -> None:
    """Fewer seats evict nobody; the answer says by how many it is over, and nobody is seated until it is under."""
    pipeline.add_event("e", 3)
    pipeline.fill("e", "ann", "bob", "cid")
    changed = change(pipeline, "e", capacity=1)
    assert changed.status == 200
    assert (changed.body["overCapacityBy"], changed.body["currentAttendees"], changed.body["seatsLeft"]) == (2, 3, 0)
    pipeline.cancel("e", "ann"), pipeline.cancel("e", "bob")
    assert pipeline.register("e", pipeline.add_user("dan")).code == "event-full"
    assert "overCapacityBy" not in pipeline.request("GET", "/events/e").body
    pipeline.cancel("e", "cid")
    assert pipeline.register("e", "dan").body["status"] == "confirmed"


def test_mixed(pipeline: Pipeline) -> None:
    """One request may change descriptions and seats, and reading and listing agree about both."""
    pipeline.add_event("e", 1)
    changed = change(pipeline, "e", title="Bigger", capacity=5, hasWaitlist=True, waitlistCapacity=9, status="closed")
    assert changed.status == 200
    expected = {"title": "Bigger", "capacity": 5, "hasWaitlist": True, "waitlistCapacity": 9, "status": "closed"}
    assert {name: changed.body[name] for name in expected} == expected
    assert pipeline.request("GET", "/events").body["events"] == [changed.body]


def test_a_description_undoes_no_seats(pipeline: Pipeline) -> None:
    """A change of text and waiting list leaves alone the capacity that is still on its way to the ledger."""
    pipeline.add_event("e", 10)
    pipeline.request("PATCH", "/events/e", {"capacity": 20}, {"Prefer": "respond-async"})
    assert change(pipeline, "e", title="New", hasWaitlist=True).status == 200
    event = pipeline.request("GET", "/events/e").body
    assert (event["capacity"], event["hasWaitlist"], event["title"]) == (20, True, "New")


def test_a_waiting_change_does_not_come_back(pipeline: Pipeline) -> None:
    """A change that was overtaken while waiting answers the present state, and stays overtaken."""
    pipeline.add_event("e", 1)
    overtaken: list[Answer] = []

    def overtake() -> None:
        pipeline.run()
        overtaken.append(change(pipeline, "e", capacity=30))

    pipeline.time.at_next_sleep(overtake)
    first = change(pipeline, "e", capacity=20)
    assert (first.status, first.body["capacity"], overtaken[0].body["capacity"]) == (200, 30, 30)
    pipeline.run()
    assert pipeline.request("GET", "/events/e").body["capacity"] == 30


def test_a_queued_change_is_no_error(pipeline: Pipeline, taps: Taps) -> None:
    """If tables are throttled from the moment at which the change of seats is queued, the answer is a 202 with what was
    read before, and with the new title and revision. A 503 would say that nothing was accepted."""
    with pipeline.signed_in("s-ann", "organizers"):
        event = pipeline.request("POST", "/events", NEW_EVENT).body["eventId"]
        taps.before("sqs.SendMessage", lambda _: taps.fail("dynamodb.BatchGetItem", "ThrottlingException", times=10**6))
        answer = change(pipeline, event, title="New", capacity=9)
        assert (answer.status, answer.body["title"], answer.body["capacity"]) == (202, "New", NEW_EVENT["capacity"])
        assert answer.headers["ETag"] == '"2.0"'
