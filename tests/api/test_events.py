"""`/events`: create, read, list, and events from before there were waiting lists."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.api.conftest import Taps
from tests.support import faults
from tests.support.builders import NEW_EVENT, event_item
from tests.support.pipeline import BASE_URL, Pipeline
from workers.aws.items import event_key

MINIMAL = NEW_EVENT | {"capacity": 2}


def test_create_and_read(pipeline: Pipeline) -> None:
    """An event is created with a Location that reads back the same event, all seats free."""
    sent = MINIMAL | {
        "eventId": "Py_Day.2026-x",
        "description": "Two lines\nand a\ttab",
        "hasWaitlist": True,
        "waitlistCapacity": 5,
        "status": "closed",
    }
    created = pipeline.request("POST", "/events", sent)
    assert created.status == 201
    assert created.headers["Location"] == f"{BASE_URL}/events/Py_Day.2026-x"
    seats = {"currentAttendees": 0, "seatsLeft": 2, "waitlistLength": 0}
    assert created.body == sent | seats | {"createdAt": "2026-01-01T00:00:00.000000Z"}
    read = pipeline.request("GET", "/events/Py_Day.2026-x")
    assert (read.status, read.body) == (200, created.body)


def test_defaults(pipeline: Pipeline) -> None:
    """Without them an event gets an id, is active, has no waiting list and no limit of one."""
    created = pipeline.request("POST", "/events", MINIMAL)
    assert created.headers["Location"] == f"{BASE_URL}/events/{created.body['eventId']}"
    assert created.body["status"] == "active"
    assert created.body["hasWaitlist"] is False
    assert not {"waitlistCapacity", "description", "overCapacityBy"} & set(created.body)
    assert pipeline.request("POST", "/events", MINIMAL).body["eventId"] != created.body["eventId"]


def test_limits_inside(pipeline: Pipeline) -> None:
    """Every value within the limits is accepted and returned as it was sent."""
    inside: dict[str, list[object]] = {
        "eventId": ["x", "a" * 100, "_.-", "..."],
        "title": ["t" * 200],
        "location": ["l" * 200],
        "organizer": ["o" * 200],
        "description": ["", "d" * 5000],
        "capacity": [0, 1_000_000],
        "waitlistCapacity": [0, 1_000_000],
        "date": ["2026-05-01T19:30", "2026-05-01T19:30:00Z", "2026-05-01T19:30:00.125+02:00", "2028-02-29"],
        "status": ["active", "closed", "cancelled"],
    }
    for field, values in inside.items():
        for value in values:
            created = pipeline.request("POST", "/events", MINIMAL | {field: value})
            assert created.status == 201, (field, value)
            assert pipeline.request("GET", f"/events/{created.body['eventId']}").body[field] == value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("eventId", bad) for bad in ("", "a" * 101, "a b", "a/b", ".", "..", "ü", "a\n", 5)],
        *[(name, bad) for name in ("title", "location", "organizer") for bad in ("", "x" * 201, " ", "a\u0007", 5)],
        *[("description", bad) for bad in ("x" * 5001, "a\u0000b", 5)],
        *[("capacity", bad) for bad in (-1, 1_000_001, 1.5, "2", True, None)],
        *[("waitlistCapacity", bad) for bad in (-1, "5", False)],
        *[("hasWaitlist", bad) for bad in ("yes", 1, None)],
        *[("status", bad) for bad in ("Active", "open", "", None, 1)],
        *[("date", bad) for bad in ("2026-02-30", "1.5.2026", "20260501", "", "2026-05-01T25:00", "٢٠٢٦-٠٥-٠١", 5)],
        ("currentAttendees", 0),
        ("revision", 1),
    ],
)
def test_limits_outside(shared: Pipeline, field: str, value: object) -> None:
    """A value outside the limits, or an unknown field, is a 400 that points at it, and creates no event."""
    answer = shared.request("POST", "/events", MINIMAL | {field: value})
    assert (answer.status, answer.code) == (400, "invalid-request")
    assert [error["pointer"] for error in answer.body["errors"]] == [f"/{field}"]
    assert shared.request("GET", "/events").body["events"] == []


@pytest.mark.parametrize("field", list(MINIMAL))
def test_required(shared: Pipeline, field: str) -> None:
    """Title, date, location, organizer and capacity must be there."""
    answer = shared.request("POST", "/events", {name: value for name, value in MINIMAL.items() if name != field})
    assert answer.body["errors"] == [{"pointer": f"/{field}", "detail": "This field is required."}]


def test_whole_numbers(pipeline: Pipeline) -> None:
    """JSON knows one kind of number: 2.0 and 2e1 are as whole as 2, and read back as whole numbers."""
    raw = json.dumps(MINIMAL).replace(f'"capacity": {MINIMAL["capacity"]}', '"capacity": 2.0, "waitlistCapacity": 2e1')
    created = pipeline.request("POST", "/events", raw=raw)
    assert (created.status, created.body["capacity"], created.body["waitlistCapacity"]) == (201, 2, 20)
    assert isinstance(created.body["capacity"], int)


def test_seats_of_one_moment(pipeline: Pipeline, taps: Taps) -> None:
    """The event is read together with its ledger, but not at the same moment: between the two, the ledger was made."""
    pipeline.add_event("e", 1)
    ann = pipeline.add_user("ann")

    def meanwhile(_: Any) -> Any:
        pipeline.register("e", ann)
        pipeline.request("PATCH", "/events/e", {"capacity": 9})
        event = pipeline.dynamodb.get_item(TableName=pipeline.tables.events, Key=event_key("e"))["Item"]
        return faults.answer({"Responses": {pipeline.tables.events: [event]}})

    taps.before("dynamodb.BatchGetItem", meanwhile)
    shown = pipeline.request("GET", "/events/e").body
    assert (shown["capacity"], shown["currentAttendees"], shown["seatsLeft"]) == (9, 1, 8)


def legacy(pipeline: Pipeline, event_id: str, **fields: Any) -> str:
    """Stores an event as it was stored before there were counts, waiting lists and statuses."""
    item = {name: value for name, value in event_item(event_id, 1).items() if name != "status"}
    pipeline.dynamodb.put_item(TableName=pipeline.tables.events, Item=item | fields)
    return event_id


def test_legacy_event_lives_on(pipeline: Pipeline) -> None:
    """An event with just the descriptive fields and a capacity reads, fills up, and takes changes, which list it."""
    legacy(pipeline, "old")
    event = pipeline.request("GET", "/events/old").body
    assert event == {
        **{name: name for name in ("title", "date", "location", "organizer")},
        "eventId": "old",
        "capacity": 1,
        "status": "active",
        "hasWaitlist": False,
        "currentAttendees": 0,
        "seatsLeft": 1,
        "waitlistLength": 0,
    }
    first, second = pipeline.fill("old", "ann", "bob")
    assert (first.body["status"], second.code) == ("confirmed", "event-full")
    assert pipeline.cancel("old", "ann").status == 204
    assert pipeline.register("old", "bob").body["status"] == "confirmed"
    changed = pipeline.request("PATCH", "/events/old", {"title": "New", "hasWaitlist": True})
    assert (changed.body["title"], changed.body["hasWaitlist"], changed.body["currentAttendees"]) == ("New", True, 1)
    assert pipeline.request("GET", "/events").body["events"] == [changed.body]
    assert pipeline.register("old", "ann").body["waitlistPosition"] == 1


def test_legacy_odd_values(pipeline: Pipeline) -> None:
    """A status that nobody knows counts as active, a capacity that is missing as no seats, null as no limit."""
    legacy(pipeline, "odd", status={"S": "PUBLISHED"}, capacity={"NULL": True}, waitlistCapacity={"NULL": True})
    event = pipeline.request("GET", "/events/odd").body
    assert (event["status"], event["capacity"], event["seatsLeft"]) == ("active", 0, 0)
    assert "waitlistCapacity" not in event


@pytest.mark.parametrize(
    "event_id",
    ["Früh ling 🎟 हिन्दी u\u0308", "C# & 'more'? (a+b)=\"c\"; d,e \\|`{}<>^[]~", "100% %41", "x" * 200],
)
def test_legacy_odd_ids(pipeline: Pipeline, taps: Taps, event_id: str) -> None:
    """An id with whatever characters works on every route, in a message group of its own that SQS takes."""
    legacy(pipeline, event_id)
    pipeline.add_user("ann")
    # API Gateway hands the path over decoded, all but the percent sign.
    path = f"/events/{event_id.replace('%', '%25')}"
    assert pipeline.request("GET", path).body["eventId"] == event_id
    groups: list[str] = []
    taps.before("sqs.SendMessage", lambda request: groups.append(json.loads(request["body"])["MessageGroupId"]))
    assert pipeline.request("POST", f"{path}/registrations", {"userId": "ann"}).status == 201
    assert re.fullmatch("[!-~]{1,128}", groups[0]), "SQS takes letters, digits and punctuation"
    assert pipeline.request("GET", f"{path}/registrations/ann").body["status"] == "confirmed"
    assert pipeline.request("GET", f"{path}/registrations").body["registrations"][0]["userId"] == "ann"
    listed = pipeline.request("GET", "/users/ann/registrations").body["registrations"]
    assert listed[0]["event"]["eventId"] == event_id
    assert pipeline.request("PATCH", path, {"capacity": 2}).body["seatsLeft"] == 1
    assert pipeline.request("DELETE", f"{path}/registrations/ann").status == 204
