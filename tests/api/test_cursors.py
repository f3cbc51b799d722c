"""Cursors of all lists: each goes on where it came from, and nowhere else."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from api.events.filter import EventFilter
from api.http.pagination import seal_cursor
from tests.api.walks import events, walk
from tests.support.builders import event_item
from tests.support.pipeline import Pipeline
from workers.domain.records import Status
from workers.domain.seat_settings import EventStatus

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def cursors(pipeline: Pipeline) -> dict[str, str]:
    """Cursors of lists with two entries, by what they are of."""
    pipeline.fill(pipeline.add_event("e", 5), "ann", "bob")
    pipeline.add_event("f", 5)
    for user_id in ("ann", "bob"):
        pipeline.register("f", user_id)
    get = pipeline.request
    return {
        "events": get("GET", "/events", limit=1).body["next"],
        "e": get("GET", "/events/e/registrations", limit=1).body["next"],
        "f": get("GET", "/events/f/registrations", limit=1).body["next"],
        "e confirmed": get("GET", "/events/e/registrations", limit=1, status="confirmed").body["next"],
        "ann confirmed": get("GET", "/users/ann/registrations", limit=1, status="confirmed").body["next"],
        "ann": get("GET", "/users/ann/registrations", limit=1).body["next"],
        "bob": get("GET", "/users/bob/registrations", limit=1).body["next"],
    }


def test_foreign_cursors(pipeline: Pipeline) -> None:
    """A cursor goes on where it came from: another list, or another filter, does not take it."""
    paths = {"events": "/events", "e": "/events/e/registrations", "ann": "/users/ann/registrations"}
    known = cursors(pipeline)
    for owner, cursor in known.items():
        assert cursor is not None
        for name, path in paths.items():
            answer = pipeline.request("GET", path, limit=1, cursor=cursor)
            if owner == name:
                assert answer.status == 200
                continue
            assert (answer.status, answer.code) == (400, "invalid-request")
            assert answer.body["errors"][0]["pointer"] == "?cursor"


def test_damaged_cursors(pipeline: Pipeline) -> None:
    """A cursor that was changed anywhere, cut or made up is a 400, never an error of ours."""
    known = cursors(pipeline)
    for name, path in (("events", "/events"), ("e", "/events/e/registrations"), ("ann", "/users/ann/registrations")):
        cursor = known[name]
        middle = len(cursor) // 2
        flipped = [cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at:][1:] for at in (0, 8, middle, -2)]
        flipped += [cursor[:-1] + last for last in _ALPHABET if last != cursor[-1]]
        unchecked = base64.urlsafe_b64encode(b"\0" * 12 + b'["x"]').decode()
        changed = [cursor[:-4], *(f"{cursor}{end}" for end in ("AAAA", "=", "...."))]
        for bad in (*flipped, *changed, "x", "é", "a b", "%", "=", unchecked, "A" * 3000):
            answer = pipeline.request("GET", path, limit=1, cursor=bad)
            assert (answer.status, answer.code) == (400, "invalid-request"), bad


def test_forged_cursors(pipeline: Pipeline) -> None:
    """A made-up cursor whose check is right, which is no secret, leads nowhere that its list does not lead."""
    pipeline.add_event("e", 5)
    pipeline.register("e", pipeline.add_user("ann"))
    scope = f"event e {(Status.CONFIRMED,)}"
    for place in (("pending", "-", "-"), ("gone", "-", "-"), ("confirmed", "reg_X", "pending#2026"), ("", "-", "-")):
        cursor = seal_cursor(scope, *place)
        answer = pipeline.request("GET", "/events/e/registrations", status="confirmed", cursor=cursor)
        assert (answer.status, answer.body["errors"][0]["pointer"]) == (400, "?cursor"), place
    right = seal_cursor(scope, "confirmed", "-", "-")
    answer = pipeline.request("GET", "/events/e/registrations", status="confirmed", cursor=right)
    assert [entry["userId"] for entry in answer.body["registrations"]] == ["ann"]


def test_forged_cursors_of_events(pipeline: Pipeline) -> None:
    """A made-up place outside the filter is a 400, and one inside it goes on from there."""
    pipeline.add_event("e", 5, date="2030-05-02")
    query: dict[str, Any] = {"from": "2030-05-01", "to": "2030-05-31", "status": "active"}
    scope = EventFilter("2030-05-01", "2030-05-31~", (EventStatus.ACTIVE,)).scope
    for place in (("gone", "e", "2030-05-02"), ("closed", "e", "2030-05-02"), ("active", "e", "2030-06-01")):
        answer = pipeline.request("GET", "/events", **query, cursor=seal_cursor(scope, *place))
        assert (answer.status, answer.body["errors"][0]["pointer"]) == (400, "?cursor"), place
    answer = pipeline.request("GET", "/events", **query, cursor=seal_cursor(scope, "active", "none", "2030-05-01"))
    assert events(answer.body["events"]) == ["e"]


def forged(scope: str, payload: bytes) -> str:
    """A cursor with a right check and any payload."""
    check = hashlib.sha256(scope.encode() + b"\0" + payload).digest()[:12]
    return base64.urlsafe_b64encode(check + payload).decode().rstrip("=")


PAYLOADS = [
    b"[" * 6000, b'{"a":' * 6000, b"[" + b"9" * 5000 + b"]", b"[null]", b'[""]', b'["\\ud800"]', b'["\xff"]',
    json.dumps(["x" * 2049]).encode(), json.dumps(["ж" * 1025]).encode(),
    json.dumps(["\U00010000" * 1000], ensure_ascii=False).encode(),
]  # fmt: skip


@pytest.mark.parametrize("payload", PAYLOADS)
def test_forged_payloads(shared: Pipeline, payload: bytes) -> None:
    """A made-up cursor that is nested deeply, no text, or longer in bytes than any key is a 400, no error of ours."""
    answer = shared.request("GET", "/events", cursor=forged(EventFilter().scope, payload))
    assert (answer.status, answer.code) == (400, "invalid-request")


def test_forged_sort_keys(pipeline: Pipeline) -> None:
    """A made-up cursor whose sort key is longer than DynamoDB takes one, 1,024 bytes, is a 400."""
    pipeline.add_user("ann")
    scope = f"user ann {(Status.CONFIRMED,)}"
    for key, status in (("é" * 512, 200), ("é" * 513, 400)):
        cursor = seal_cursor(scope, "reg_x", key)
        assert pipeline.request("GET", "/users/ann/registrations", status="confirmed", cursor=cursor).status == status


@pytest.mark.parametrize("name", ["caf\u00a0", "a\u200bb", "tab\t", "ж" * 1023, "x" * 2047, "\U0001f39f" * 511])
def test_old_ids(pipeline: Pipeline, name: str) -> None:
    """Events that are older than the rules for ids have their turn in the list, whatever key DynamoDB let them have."""
    ids = {f"{name}{number}" for number in range(3)}
    for event_id in ids:
        pipeline.dynamodb.put_item(TableName=pipeline.tables.events, Item=event_item(event_id, 1))
    assert sorted(events(walk(pipeline, "/events", limit=1))) == sorted(ids)
    assert pipeline.request("GET", f"/events/{name}0").body["eventId"] == f"{name}0"


def test_no_cursor(pipeline: Pipeline) -> None:
    """An empty cursor is none: the list begins at its beginning."""
    pipeline.add_event("e", 1)
    assert pipeline.request("GET", "/events", cursor="").body["events"][0]["eventId"] == "e"
