"""Walks over the pages of lists: exact while nothing moves, nobody missed who moves on, and what a page costs."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from api.http.pagination import DEFAULT_LIMIT, MAX_LIMIT
from tests.api.conftest import AwsClients, Taps, new_pipeline
from tests.api.walks import pages, users
from tests.support.builders import event_item
from tests.support.pii_canaries import name_of
from tests.support.pipeline import BASE_URL, START, Answer, Pipeline
from tests.support.tables import put_items
from workers.aws.items import ledger_to_item, registration_to_item
from workers.domain.records import Ledger, Registration, Status
from workers.domain.seat_settings import SeatSettings
from workers.domain.waitlist import Waitlist

COUNTS = {
    Status.PENDING: 7,
    Status.WAITLISTED: 9,
    Status.CONFIRMED: 11,
    Status.REJECTED: 4,
    Status.CANCELLED: 6,
}
"""The number of people of each status at the event of `crowd`."""

Query = dict[str, Any]

CROWD = "f\u00eate 7"


def put(pipeline: Pipeline, event_id: str, counts: dict[Status, int]) -> None:
    """An event with so many registrations, in the order of decision, straight into the tables."""
    tables, client = pipeline.tables, pipeline.dynamodb
    statuses = [status for status, count in counts.items() for _ in range(count)]
    records = [
        Registration(event_id, f"user-{number:03}", status, 1, 1, START + number, _ticket(status, number))
        for number, status in enumerate(statuses, start=1)
    ]
    users = [{"userId": {"S": record.user_id}, "name": {"S": name_of(record.user_id)}} for record in records]
    line = Waitlist.of(record.ticket for record in records if record.ticket is not None)
    confirmed, last = counts.get(Status.CONFIRMED, 0), len(records)
    ledger = Ledger(event_id, SeatSettings(confirmed, True), 1, {}, confirmed, last + 1, START + last, line)
    put_items(client, tables.registrations, [registration_to_item(record) for record in records])
    put_items(client, tables.users, users)
    put_items(client, tables.ledger, [ledger_to_item(ledger)])
    put_items(client, tables.events, [event_item(event_id, confirmed)])


def _ticket(status: Status, number: int) -> int | None:
    return number if status is Status.WAITLISTED else None


@pytest.fixture(scope="module")
def crowd(aws_clients: AwsClients) -> Pipeline:
    """An event with COUNTS. Read only."""
    pipeline = new_pipeline(aws_clients)
    put(pipeline, CROWD, COUNTS)
    return pipeline


@pytest.fixture(scope="module")
def hundreds(aws_clients: AwsClients) -> Pipeline:
    """Event `e` with 120 who wait, and user `user-001` at 120 events. Read only."""
    pipeline = new_pipeline(aws_clients)
    put(pipeline, "e", {Status.WAITLISTED: 120})
    records = [Registration(f"event-{n:03}", "user-001", Status.CONFIRMED, 1, 1, START + n) for n in range(120)]
    put_items(pipeline.dynamodb, pipeline.tables.registrations, [registration_to_item(record) for record in records])
    put_items(pipeline.dynamodb, pipeline.tables.events, [event_item(record.event_id, 1) for record in records])
    return pipeline


def order(*statuses: Status) -> list[str]:
    """Return the users in the list of `crowd` with these statuses, in order."""
    numbers = iter(range(1, sum(COUNTS.values()) + 1))
    by_status = {status: [f"user-{next(numbers):03}" for _ in range(count)] for status, count in COUNTS.items()}
    moves = (Status.PENDING, Status.WAITLISTED, Status.CONFIRMED, Status.REJECTED, Status.CANCELLED)
    return [user for status in moves if status in statuses for user in by_status[status]]


SETS = [*combinations(COUNTS, 1), *combinations(COUNTS, 2), *combinations(reversed(COUNTS), 4), tuple(COUNTS)]


@pytest.mark.parametrize("statuses", SETS)
@pytest.mark.parametrize("limit", [1, 3, 4, 10, 100])
def test_statuses(crowd: Pipeline, statuses: tuple[Status, ...], limit: int) -> None:
    """A walk meets everybody once, in order, however long the pages. Several statuses, in whatever order they are
    asked for, come one after the other, the way records move. Of one status only the last page may be short."""
    found = list(pages(crowd, f"/events/{CROWD}/registrations", status=",".join(statuses), limit=limit))
    assert [user for page in found for user in users(page)] == order(*statuses)
    assert len(statuses) > 1 or {len(page) for page in found[:-1]} <= {limit}


def test_pages_of_other_lengths(crowd: Pipeline) -> None:
    """A walk may go on with pages of another length: the cursor says where, not how far."""
    path, met = f"/events/{CROWD}/registrations", list[str]()
    query: Query = {}
    for limit in (1, 5, 2, 9, 100):
        answer = crowd.request("GET", path, limit=limit, **query)
        met += users(answer.body["registrations"])
        query = {"cursor": answer.body["next"]}
    assert met == order(Status.PENDING, Status.WAITLISTED, Status.CONFIRMED)
    assert query == {"cursor": None}


def test_the_same_filter_said_otherwise(crowd: Pipeline) -> None:
    """A filter is a set: the cursor of one order of it is one of any other, and of no other set."""
    path = f"/events/{CROWD}/registrations"
    cursor = crowd.request("GET", path, limit=1, status="waitlisted,confirmed").body["next"]
    assert crowd.request("GET", path, status="confirmed,waitlisted,confirmed", cursor=cursor).status == 200
    for status in ("waitlisted", "confirmed", "pending,waitlisted,confirmed", "cancelled"):
        answer = crowd.request("GET", path, status=status, cursor=cursor)
        assert (answer.status, answer.body["errors"][0]["pointer"]) == (400, "?cursor")


@pytest.mark.parametrize("path", ["/events", "/events/e/registrations", "/users/user-001/registrations"])
def test_how_long_a_page_is(hundreds: Pipeline, path: str) -> None:
    """A page has 50 entries unless it is asked for up to 100."""
    assert (DEFAULT_LIMIT, MAX_LIMIT) == (50, 100)
    asked: list[tuple[Query, int]] = [({}, 50), ({"limit": 1}, 1), ({"limit": 100}, 100)]
    for query, length in asked:
        body = hundreds.request("GET", path, **query).body
        assert len(body["events" if path == "/events" else "registrations"]) == length
    assert hundreds.request("GET", path, limit=101).status == 400


def test_what_a_page_costs(hundreds: Pipeline, taps: Taps) -> None:
    """A page of 100 with users and positions takes four calls of DynamoDB, as CSV too."""
    for headers in ({}, {"Accept": "text/csv"}):
        calls = taps.calls()
        page = hundreds.request("GET", "/events/e/registrations", headers=headers, status="waitlisted", limit=100)
        taps.remove()
        assert page.status == 200
        assert calls == ["BatchGetItem", "Query", "BatchGetItem", "BatchGetItem"]
    entries = hundreds.request("GET", "/events/e/registrations", status="waitlisted", limit=100).body["registrations"]
    assert [entry["waitlistPosition"] for entry in entries] == list(range(1, 101))
    assert {entry["user"]["name"] for entry in entries} == {name_of(entry["userId"]) for entry in entries}


def further(pipeline: Pipeline, answer: Answer) -> Answer:
    """Follow the URL in `Link`."""
    address, relation = answer.headers["Link"].rsplit("; ", 1)
    assert (address[0], address[-1], relation) == ("<", ">", 'rel="next"')
    assert address[1:].startswith(f"{BASE_URL}/")
    assert not set(address[1:-1]) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?&=%")
    parts = urlsplit(address[1:-1])
    query: Query = dict(parse_qsl(parts.query, strict_parsing=True))
    return pipeline.request("GET", unquote(parts.path), **query)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/events", {"limit": 50}),
        ("/users/user-001/registrations", {"limit": 50, "status": "confirmed,cancelled"}),
        ("/events/e/registrations", {"limit": 50, "status": "waitlisted,pending"}),
        ("/events/e/registrations", {}),
    ],
)
def test_links(hundreds: Pipeline, path: str, query: dict[str, Any]) -> None:
    """The absolute URL in `Link` is the next page, with the same limit and filter; the last page has none."""
    by_cursor = answer = hundreds.request("GET", path, **query)
    assert len(answer.body[path.rpartition("/")[2]]) == 50
    for _ in range(2):
        by_cursor = hundreds.request("GET", path, **query, cursor=by_cursor.body["next"])
        answer = further(hundreds, answer)
        assert answer.body == by_cursor.body
    assert (answer.body["next"], "Link" in answer.headers) == (None, False)


def test_a_link_to_an_odd_id(crowd: Pipeline) -> None:
    """Ids that are older than the rules for ids are written into the link as URLs want them."""
    first = crowd.request("GET", f"/events/{CROWD}/registrations", limit=1)
    assert f"<{BASE_URL}/events/f%C3%AAte%207/registrations?limit=1&cursor=" in first.headers["Link"]
    assert users(further(crowd, first).body["registrations"]) == ["user-002"]


@pytest.mark.parametrize("limit", [1, 2])
@pytest.mark.parametrize("decided", [0, 1, 2, 4])
@pytest.mark.parametrize("promoted", [0, 1, 3])
def test_moving_registrations_are_not_missed(pipeline: Pipeline, limit: int, decided: int, promoted: int) -> None:
    """A walk meets every active registration although it is decided and promoted between any two pages."""
    pipeline.add_event("e", 1, hasWaitlist=True)
    people = ("ann", "bob", "cid", "dan")
    for user_id in people:
        pipeline.register("e", pipeline.add_user(user_id), Prefer="respond-async")
    met = Counter[str]()
    for number, page in enumerate(pages(pipeline, "/events/e/registrations", limit=limit)):
        met.update(users(page))
        if number == decided:
            pipeline.run()
        if number == decided + promoted:
            pipeline.request("PATCH", "/events/e", {"capacity": 3})
    assert set(met) == set(people)
