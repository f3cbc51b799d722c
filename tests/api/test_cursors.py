"""Cursors of all lists: each goes on where it came from, and nowhere else."""

from __future__ import annotations

import base64

from api.lists import seal_cursor
from tests.support.pipeline import Pipeline
from workers.domain.records import Status


def cursors(pipeline: Pipeline) -> dict[str, str]:
    """A cursor of each of four lists, by what it is of."""
    for event_id in ("e", "f"):
        pipeline.add_event(event_id, 5)
        for user_id in ("ann", "bob"):
            pipeline.register(event_id, pipeline.add_user(user_id))
    get = pipeline.request
    return {
        "events": get("GET", "/events", limit=1).body["next"],
        "e": get("GET", "/events/e/registrations", limit=1).body["next"],
        "f": get("GET", "/events/f/registrations", limit=1).body["next"],
        "e confirmed": get("GET", "/events/e/registrations", limit=1, status="confirmed").body["next"],
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
        forged = base64.urlsafe_b64encode(b"\0" * 12 + b'["x"]').decode()
        for bad in (*flipped, cursor[:-4], cursor + "AAAA", "x", "é", "a b", "%", "=", forged, "A" * 3000):
            answer = pipeline.request("GET", path, limit=1, cursor=bad)
            assert (answer.status, answer.code) == (400, "invalid-request"), bad


def test_forged_cursors(pipeline: Pipeline) -> None:
    """A made-up cursor whose check is right, which is no secret, leads nowhere that its list does not lead."""
    pipeline.add_event("e", 5)
    pipeline.register("e", pipeline.add_user("ann"))
    scope = f"event e {(Status.CONFIRMED,)}"
    for place in (("pending", "-", "-"), ("gone", "-", "-"), ("confirmed", "reg_X", "pending#2026"), ("", "-", "-")):
        forged = seal_cursor(scope, *place)
        answer = pipeline.request("GET", "/events/e/registrations", status="confirmed", cursor=forged)
        assert (answer.status, answer.body["errors"][0]["pointer"]) == (400, "?cursor"), place
    right = seal_cursor(scope, "confirmed", "-", "-")
    answer = pipeline.request("GET", "/events/e/registrations", status="confirmed", cursor=right)
    assert [entry["userId"] for entry in answer.body["registrations"]] == ["ann"]


def test_no_cursor(pipeline: Pipeline) -> None:
    """An empty cursor is none: the list begins at its beginning."""
    pipeline.add_event("e", 1)
    assert pipeline.request("GET", "/events", cursor="").body["events"][0]["eventId"] == "e"
