"""Requests that are sent a second time, by callers with and without a token: what docs/api.md promises ("Retrying")."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import pytest

from api.http.routes import ROUTES
from tests.support.builders import NEW_EVENT
from tests.support.pipeline import Answer, Pipeline

KEY = {"Idempotency-Key": "k"}
ANN, EVENT, REGISTRATIONS = "/users/ann", "/events/e", "/events/e/registrations"
REGISTER = {"userId": "ann"}


@dataclass(frozen=True, slots=True)
class Repeat:
    """A request with a status, and maybe a code, of the first and of the second answer."""

    method: str
    path: str
    first: int
    second: int
    code: str | None = None
    body: Any = None
    headers: dict[str, str] | None = None
    organizer: bool = False


REPEATS = [
    Repeat("GET", ANN, 200, 200),
    Repeat("GET", f"{ANN}/registrations", 200, 200),
    Repeat("GET", EVENT, 200, 200),
    Repeat("GET", "/events", 200, 200),
    Repeat("GET", "/problems/forbidden", 200, 200),
    Repeat("GET", f"{REGISTRATIONS}/ann", 200, 200),
    Repeat("GET", REGISTRATIONS, 200, 200, organizer=True),
    Repeat("POST", "/users", 201, 409, "user-exists", {"userId": "new", "name": "New"}, organizer=True),
    Repeat("POST", "/events", 201, 409, "event-exists", NEW_EVENT | {"eventId": "f"}, organizer=True),
    Repeat("PATCH", EVENT, 200, 200, None, {"title": "T", "capacity": 3}, organizer=True),
    Repeat("PATCH", EVENT, 200, 412, "precondition-failed", {"title": "T"}, {"If-Match": '"1.1"'}, organizer=True),
    Repeat("POST", "/events/g/registrations", 201, 409, "already-registered", REGISTER),
    Repeat("POST", "/events/g/registrations", 201, 201, None, REGISTER, KEY),
    Repeat("DELETE", f"{REGISTRATIONS}/ann", 204, 404, "not-registered"),
    Repeat("DELETE", f"{REGISTRATIONS}/ann", 204, 204, None, None, KEY),
    Repeat("DELETE", ANN, 202, 202),
]


@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("repeat", REPEATS, ids=lambda r: f"{r.method} {r.path} {' '.join(r.headers or ())}")
def test_the_second_time(pipeline: Pipeline, repeat: Repeat, tokens: bool) -> None:
    """A request that is sent again is answered as promised, and has no further effect."""

    def ask(method: str, path: str, body: Any = None, headers: Any = None, *, organizer: bool = False) -> Answer:
        pipeline.time.now += 1
        groups = ["organizers"] if organizer else []
        with pipeline.signed_in("orga" if organizer else "ann", *groups) if tokens else nullcontext():
            return pipeline.request(method, path, body, headers)

    for event_id in ("e", "g"):
        ask("POST", "/events", NEW_EVENT | {"eventId": event_id, "capacity": 5}, organizer=True)
    ask("POST", "/users", {"userId": "ann", "name": "Ann"})
    assert ask("POST", REGISTRATIONS, REGISTER).status == 201
    answers = [
        ask(repeat.method, repeat.path, repeat.body, repeat.headers, organizer=repeat.organizer) for _ in range(2)
    ]
    assert [answer.status for answer in answers] == [repeat.first, repeat.second]
    assert answers[1].code == repeat.code
    pipeline.run()
    seats = {event_id: pipeline.request("GET", f"/events/{event_id}").body["currentAttendees"] for event_id in "eg"}
    gone = repeat.method == "DELETE"
    assert seats == {"e": 0 if gone else 1, "g": 1 if repeat.path == "/events/g/registrations" else 0}


def test_every_route_is_repeated() -> None:
    """The table has each route."""
    named = {
        route.key for route in ROUTES for r in REPEATS if r.method == route.method and route.ids_in(r.path) is not None
    }
    assert named == {route.key for route in ROUTES}
