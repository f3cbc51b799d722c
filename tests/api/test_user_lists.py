"""Lists of registrations: a user's, each with its event."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import AwsClients, new_pipeline
from tests.api.lists import events, walk
from tests.support.pipeline import START, Pipeline
from workers.aws.items import registration_to_item
from workers.domain.records import Registration, Status


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
    """A user's list shows what is alive, oldest first, each with its event, and with the place where she waits."""
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


def test_rejection_says_why(keen: Pipeline) -> None:
    """A rejected registration is listed with its code."""
    assert walk(keen, "/users/ann/registrations", status="rejected")[0]["code"] == "event-full"


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
