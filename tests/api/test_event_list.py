"""The list of events: its order, its filters, and pages that are exact while nothing changes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.http.routes import ROUTES
from api.http.types import json_response
from tests.api.conftest import AwsClients, Taps, new_pipeline
from tests.api.walks import events, pages, walk
from tests.support import faults
from tests.support.builders import NEW_EVENT, event_item
from tests.support.pipeline import Pipeline
from tests.support.tables import put_items
from workers.domain.seat_settings import EventStatus

DATES = {
    "winter": "2030-01-31",
    "day": "2030-05-17",
    "minute": "2030-05-17T09:00",
    "east": "2030-05-17T09:00:00+14:00",
    "utc": "2030-05-17T09:00:00Z",
    "evening": "2030-05-17T20:00:00.5-11:00",
    "next": "2030-05-18T00:00",
    "summer": "2030-07-01",
}
"""Dates by event, in the order of the list: as they are written, whatever their offsets."""


@pytest.fixture(scope="module")
def calendar(aws_clients: AwsClients) -> Pipeline:
    """DATES, and on 1 August seven events of each status. Read only."""
    pipeline = new_pipeline(aws_clients)
    for event_id, date in reversed(DATES.items()):
        pipeline.add_event(event_id, 1, date=date)
    fair = [
        event_item(f"{status}-{number}", 1, date={"S": "2030-08-01"}, status={"S": str(status)})
        for status in reversed(EventStatus)
        for number in range(7)
    ]
    put_items(pipeline.dynamodb, pipeline.tables.events, fair)
    return pipeline


@pytest.mark.parametrize("limit", [1, 2, 4, 7, 29, 100])
def test_walks_are_exact(calendar: Pipeline, limit: int) -> None:
    """A walk shows every event once, by date, then by status; only its last page is shorter, and none is empty."""
    found = list(pages(calendar, "/events", limit=limit))
    shown = [event for page in found for event in page]
    assert events(shown)[: len(DATES)] == list(DATES)
    assert [event["status"] for event in shown[len(DATES) :]] == [status for status in EventStatus for _ in range(7)]
    assert len(set(events(shown))) == len(shown) == 29
    assert {len(page) for page in found[:-1]} <= {limit}
    assert 0 < len(found[-1]) <= limit


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"from": "2030-05-17", "to": "2030-05-17"}, ["day", "minute", "east", "utc", "evening"]),
        ({"to": "2030-05-16"}, ["winter"]),
        ({"from": "2030-05-18", "to": "2030-07-01"}, ["next", "summer"]),
        ({"from": "2030-02-01", "to": "2030-05-16"}, []),
        ({"from": "2030-07-31", "status": "closed"}, [f"closed-{number}" for number in range(7)]),
        ({"to": "2030-07-31", "status": "cancelled,closed"}, []),
    ],
)
@pytest.mark.parametrize("limit", [2, 50])
def test_filters(calendar: Pipeline, query: dict[str, Any], expected: list[str], limit: int) -> None:
    """`from` and `to` are days of the dates as they are written, both included."""
    found = events(walk(calendar, "/events", limit=limit, **query))
    assert (sorted(found) if "status" in query else found) == expected


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"from": "2030-02-30"}, "?from"),
        ({"from": "2030-05-17T09:00"}, "?from"),
        ({"from": ""}, "?from"),
        ({"to": "today"}, "?to"),
        ({"to": "2030-05-17\n"}, "?to"),
        ({"from": "2030-05-18", "to": "2030-05-17"}, "?to"),
        ({"status": "open"}, "?status"),
        ({"status": "active,active,active,active"}, "?status"),
    ],
)
def test_refused_filters(shared: Pipeline, query: dict[str, Any], pointer: str) -> None:
    """A filter that makes no sense is a 400 that names it."""
    answer = shared.request("GET", "/events", **query)
    assert (answer.status, [place["pointer"] for place in answer.body["errors"]]) == (400, [pointer])


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.key)
def test_unknown_parameters(shared: Pipeline, route: Any) -> None:
    """Every route names the query parameters that it does not have, at most twenty of them."""
    path = route.path.format(eventId="e", userId="ann", code="forbidden")
    wrong: dict[str, Any] = {"limt": 5, "x" * 200: 1}
    answer = shared.request(route.method, path, **wrong)
    assert answer.status == 400
    assert answer.body["errors"] == [
        {"pointer": "?limt", "detail": "Unknown query parameter."},
        {"pointer": "?" + "x" * 100, "detail": "Unknown query parameter."},
    ]
    many: dict[str, Any] = {f"p{number}": "" for number in range(30)}
    assert len(shared.request(route.method, path, **many).body["errors"]) == 20


def test_a_status_changes(pipeline: Pipeline) -> None:
    """The list of a status has an event from the moment at which its change was answered."""
    pipeline.add_event("e", 1)
    for status in ("closed", "cancelled", "active"):
        assert pipeline.request("PATCH", "/events/e", {"status": status}).status == 200
        assert {
            each: events(pipeline.request("GET", "/events", status=each).body["events"]) for each in EventStatus
        } == {each: ["e"] if each == status else [] for each in EventStatus}
        pipeline.time.now += 2_000_000


def test_rows_of_the_past(pipeline: Pipeline, taps: Taps) -> None:
    """Rows of an index that lags show no event that no longer matches, and do not make the page shorter."""
    for number in range(6):
        pipeline.add_event(f"e{number}", 1, date=f"2030-05-0{number + 1}")
    query: dict[str, Any] = {"status": "active", "from": "2030-05-01", "to": "2030-05-31"}
    past = pipeline.dynamodb.scan(TableName=pipeline.tables.events)["Items"]
    rows = sorted(({name: item[name] for name in ("eventId", "status", "date")} for item in past), key=str)
    pipeline.request("PATCH", "/events/e0", {"status": "closed"})
    pipeline.request("PATCH", "/events/e1", {"date": "2031-01-01"})
    taps.before(
        "dynamodb.Query", lambda _: faults.answer({"Items": sorted(rows, key=lambda row: row["date"]["S"])[:4]})
    )
    shown = pipeline.request("GET", "/events", limit=3, **query).body
    assert events(shown["events"]) == ["e2", "e3", "e4"]
    assert events(pipeline.request("GET", "/events", limit=3, cursor=shown["next"], **query).body["events"]) == ["e5"]


@pytest.mark.parametrize("character", ["\U0001f39f", "é", '"', "\n"])
def test_the_longest_page_fits_into_an_answer(pipeline: Pipeline, character: str) -> None:
    """Lambda accepts answers of 6 MB, and a hundred events whose texts are as long as they can be take less.

    Its runtime writes answers as JSON in UTF-8 since Python 3.12.
    """
    body = NEW_EVENT | dict.fromkeys(("title", "location", "organizer"), "\U0001f39f" * 200)
    raw = json.dumps(body | {"description": character * 5000}, ensure_ascii=False)
    assert pipeline.request("POST", "/events", raw=raw).status == 201
    page = pipeline.request("GET", "/events").body
    answer = json_response(200, page | {"events": page["events"] * 100}).as_event()
    assert len(json.dumps(answer, ensure_ascii=False).encode()) < 6_000_000
