"""Entity tags, conditions, CSV and links pass the gateway unchanged."""

from __future__ import annotations

import csv
import io

import pytest

from tests.support.client import ApiClient, at
from tests.support.pii_canaries import name_of

pytestmark = pytest.mark.e2e


def test_tags_and_conditions(front: ApiClient) -> None:
    """A tag goes out with the event and comes back as a condition: 304 while it is unchanged, 412 for a lost update."""
    event_id = front.event(2)
    tag = front.http.get(at(event_id)).headers["etag"]
    for known in (tag, f'"1.9", {tag}', "*"):
        unchanged = front.http.get(at(event_id), headers={"If-None-Match": known})
        assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", tag)
    condition = {"If-Match": tag}
    first, second = (front.http.patch(at(event_id), json={"title": title}, headers=condition) for title in ("A", "B"))
    assert (first.status_code, first.json()["title"]) == (200, "A")
    assert (second.status_code, second.json()["code"]) == (412, "precondition-failed")
    assert second.headers["etag"] == first.headers["etag"]


def test_export(front: ApiClient) -> None:
    """Following `Link` headers, CSV has the rows of the JSON list; the media type passes unchanged."""
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
