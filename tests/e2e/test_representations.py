"""What only a real gateway shows: entity tags, conditions, CSV and links, on their way through HTTP."""

from __future__ import annotations

import csv
import io
from collections import Counter

import httpx
import pytest

from infra.cli.deployment import Outputs
from tests.support.client import Front, at
from tests.support.pii_canaries import name_of
from tests.support.threads import at_once

pytestmark = pytest.mark.e2e

WRITERS = 8


def test_tags_and_conditions(front: Front) -> None:
    """A tag goes out with the event and comes back as a condition: 304 while nothing has changed, 412 for who writes
    over somebody else; who registers in between is in nobody's way."""
    event_id, user_id = front.event(2), front.user()
    read = front.http.get(at(event_id))
    tag = read.headers["etag"]
    for known in (tag, f"W/{tag}", f'"1.9", {tag}', "*"):
        unchanged = front.http.get(at(event_id), headers={"If-None-Match": known})
        assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", tag)
    front.seat(event_id, user_id)
    seated = front.http.get(at(event_id), headers={"If-None-Match": tag})
    assert (seated.status_code, seated.json()["currentAttendees"]) == (200, 1)
    assert seated.headers["etag"] != tag
    first = front.http.patch(at(event_id), json={"title": "First"}, headers={"If-Match": tag})
    assert (first.status_code, first.json()["title"]) == (200, "First")
    second = front.http.patch(at(event_id), json={"title": "Second"}, headers={"If-Match": tag})
    assert (second.status_code, second.json()["code"]) == (412, "precondition-failed")
    assert second.headers["etag"] == first.headers["etag"]
    assert front.read_event(event_id)["title"] == "First"
    for method, name in (("GET", "If-None-Match"), ("PATCH", "If-Match")):
        malformed = front.http.request(method, at(event_id), json={}, headers={name: "1.0"})
        assert (malformed.status_code, malformed.json()["errors"][0]["pointer"]) == (400, name)


def test_many_write_at_once(stack: Outputs, front: Front) -> None:
    """Of many who have read the same event, and write at once, exactly one writes."""
    event_id = front.event(1)
    tag = front.http.get(at(event_id)).headers["etag"]
    with httpx.Client(base_url=stack.api_url, timeout=60, trust_env=False) as http:

        def write(number: int) -> tuple[int, str]:
            title = f"Title {number}"
            return http.patch(at(event_id), json={"title": title}, headers={"If-Match": tag}).status_code, title

        came_of_it = at_once(WRITERS, write)
    assert Counter(status for status, _ in came_of_it) == {200: 1, 412: WRITERS - 1}
    assert (200, front.read_event(event_id)["title"]) in came_of_it


def test_export(front: Front) -> None:
    """Page by page, by `Link` alone, CSV has the rows of the JSON list; the type comes through as it was written."""
    event_id = front.event(1, hasWaitlist=True)
    user_ids = front.users(3)
    for user_id in user_ids:
        front.seat(event_id, user_id)
    path = f"{at(event_id)}/registrations"
    rows: list[dict[str, str]] = []
    address: str | None = f"{path}?limit=2&status=confirmed,waitlisted"
    while address is not None:
        page = front.http.get(address, headers={"Accept": "text/csv, application/json;q=0.5"})
        assert (page.status_code, page.headers["vary"]) == (200, "Accept")
        assert page.headers["content-type"] == "text/csv; charset=utf-8; header=present"
        rows += csv.DictReader(io.StringIO(page.text, newline=""))
        address = page.links.get("next", {}).get("url")
    listed = front.list(path, status="confirmed,waitlisted")
    assert [row["userId"] for row in rows] == [*user_ids[1:], user_ids[0]]
    assert [row["registrationId"] for row in rows] == [entry["registrationId"] for entry in listed]
    assert [(row["status"], row["waitlistPosition"]) for row in rows] == [
        ("waitlisted", "1"),
        ("waitlisted", "2"),
        ("confirmed", ""),
    ]
    assert {row["name"] for row in rows} == set(map(name_of, user_ids))


def test_links(front: Front) -> None:
    """The link to the next page works as it stands, on each of the three lists."""
    event_id, other = front.event(1, hasWaitlist=True), front.event(1)
    user_ids = front.users(2)
    for user_id in user_ids:
        front.seat(event_id, user_id)
    front.seat(other, user_ids[0])
    for path in ("/events", f"{at(event_id)}/registrations", f"/users/{user_ids[0]}/registrations"):
        first = front.http.get(path, params={"limit": 1})
        by_cursor = front.http.get(path, params={"limit": 1, "cursor": first.json()["next"]})
        assert front.http.get(first.links["next"]["url"]).json() == by_cursor.json()
