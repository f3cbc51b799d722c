"""Every route and every error through the gateway."""

from __future__ import annotations

import httpx
import pytest

from api.http.problems import CODES
from api.http.routes import ROUTES
from infra.cli.deployment import Clients, Outputs
from tests.e2e.back_door import damaged
from tests.support.builders import NEW_EVENT
from tests.support.client import ApiClient, at, eventually, unique
from tests.support.pii_canaries import CANARY, person
from workers.domain.records import registration_id

pytestmark = pytest.mark.e2e


def test_every_route(stack: Outputs, api: httpx.Client) -> None:
    """Each route of the table reaches the right function and works; every read answers."""
    user_id, event_id = unique("user"), unique("event")
    event, registration = f"/events/{event_id}", f"/events/{event_id}/registrations/{user_id}"
    seen: list[tuple[str, str]] = []

    def call(method: str, path: str, status: int, body: object = None) -> httpx.Response:
        answer = api.request(method, path, json=body)
        assert answer.status_code == status, (method, path, answer.text)
        seen.append(
            (method, path.replace(event_id, "{eventId}").replace(user_id, "{userId}").replace("forbidden", "{code}"))
        )
        return answer

    created = call("POST", "/users", 201, person(user_id) | {"name": f"Änn {CANARY}"})
    assert created.headers["location"] == f"{stack.api_url}/users/{user_id}"
    assert call("GET", f"/users/{user_id}", 200).json() == created.json()
    created = call("POST", "/events", 201, NEW_EVENT | {"eventId": event_id})
    assert created.headers["location"] == f"{stack.api_url}{event}"
    assert call("GET", event, 200).json() == created.json()
    # `turnstile up` has listed the events, of which there were none, and a page is reused for two seconds.
    assert eventually(lambda: call("GET", "/events", 200).json()["events"])
    assert call("PATCH", event, 200, {"title": "N", "capacity": 2}).json()["seatsLeft"] == 2
    registered = call("POST", f"{event}/registrations", 201, {"userId": user_id})
    assert registered.headers["location"] == f"{stack.api_url}{registration}"
    assert call("GET", registration, 200).json() == registered.json()
    [entry] = call("GET", f"{event}/registrations", 200).json()["registrations"]
    assert entry["user"]["name"] == f"Änn {CANARY}"
    [entry] = call("GET", f"/users/{user_id}/registrations", 200).json()["registrations"]
    assert entry["event"]["title"] == "N"
    for route in ROUTES:
        if route.method == "GET":
            call("GET", route.path.format(eventId=event_id, userId=user_id, code="forbidden"), 200)
    assert call("DELETE", registration, 204).content == b""
    assert call("DELETE", f"/users/{user_id}", 202).json()["cancellations"] == 0
    assert api.get(f"/users/{user_id}").status_code == 404
    assert set(seen) == {(route.method, route.path) for route in ROUTES}


def refuse(api: httpx.Client, front: ApiClient, stack: Outputs, aws: Clients) -> dict[str, httpx.Response]:
    """Cause each code that a client can cause; return the responses by the expected code."""
    user_id, event_id, full = front.user(), front.event(1), front.event(0)
    front.seat(event_id, user_id)
    json_type = {"content-type": "application/json"}
    torn = front.user()
    with damaged(aws.dynamodb, stack.registrations_table, registration_id(event_id, torn), {"status": {"S": "?"}}):
        internal_error = api.get(at(event_id, torn))
    return {
        "invalid-json": api.post("/users", content=b"{", headers=json_type),
        "invalid-request": api.post("/users", json={"userId": "?"}),
        "route-not-found": api.get("/nothing/here"),
        "user-not-found": api.get(f"/users/{unique('user')}"),
        "event-not-found": api.get(f"/events/{unique('event')}"),
        "not-registered": api.delete(at(full, user_id)),
        "method-not-allowed": api.put("/users", json={}),
        "user-exists": api.post("/users", json=person(user_id)),
        "event-exists": api.post("/events", json=NEW_EVENT | {"eventId": event_id}),
        "already-registered": front.register(event_id, user_id),
        "event-full": front.register(full, user_id),
        "waitlist-full": front.register(front.event(0, hasWaitlist=True, waitlistCapacity=0), user_id),
        "registration-closed": front.register(front.event(1, status="closed"), user_id),
        "precondition-failed": api.patch(at(full), json={"title": "N"}, headers={"if-match": '"9.9"'}),
        "body-too-large": api.post("/users", content=b" " * 65_537, headers=json_type),
        "unsupported-media-type": api.post("/users", content=b"{}", headers={"content-type": "text/plain"}),
        "internal-error": internal_error,
    }


def test_every_error(stack: Outputs, api: httpx.Client, front: ApiClient, aws: Clients) -> None:
    """Each error passes the gateway as its problem document, except throttles, discards, floods (test_flood.py) and
    those that need tokens (test_matrix.py)."""
    answers = refuse(api, front, stack, aws)
    needs_tokens = {"unauthenticated", "forbidden", "account-has-user"}
    needs_a_race = {"overloaded", "discarded", "too-many-requests", "registration-cancelled"}
    assert set(CODES) - set(answers) == needs_a_race | needs_tokens
    for code, answer in answers.items():
        assert (answer.status_code, answer.json()["code"]) == (CODES[code][0], code)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code
    assert answers["method-not-allowed"].headers["allow"] == "OPTIONS, POST"
    assert answers["already-registered"].headers["link"].endswith('>; rel="related"')
    assert "KeyError" not in answers["internal-error"].text


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/users/ann", "DELETE, GET, OPTIONS"),
        ("POST", "/events/e", "GET, OPTIONS, PATCH"),
        ("PUT", "/events/e/registrations", "GET, OPTIONS, POST"),
        ("PATCH", "/events/e/registrations/ann", "DELETE, GET, OPTIONS"),
    ],
)
def test_wrong_method(api: httpx.Client, method: str, path: str, allow: str) -> None:
    """The gateway passes a wrong method to the function, which answers 405 with the allowed ones."""
    answer = api.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")
    assert answer.headers["allow"] == allow


@pytest.mark.parametrize("path", ["/", "/users/", "/events/e/registrations/u/x", "/favicon.ico", "/%24default"])
def test_unknown_path(api: httpx.Client, path: str) -> None:
    """An unknown path is the function's own 404, not the gateway's."""
    answer = api.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "route-not-found")


@pytest.mark.parametrize(
    "content_type", [None, "application/octet-stream", "image/png", "text/plain", "application/x-www-form-urlencoded"]
)
def test_odd_content_types(api: httpx.Client, content_type: str | None) -> None:
    """A body of another type, which the gateway passes in base64, is a 415, even if its bytes are not text."""
    headers = {} if content_type is None else {"content-type": content_type}
    for content in (b'{"userId": "ann-1", "name": "Ann"}', b"\xff\xfe\x00\x80"):
        answer = api.post("/users", content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


def test_largest_body(api: httpx.Client) -> None:
    """A body of exactly 64 KB is accepted."""
    body = f'{{"userId": "{unique("user")}", "name": "N"}}'
    answer = api.post("/users", content=body.ljust(65_536), headers={"content-type": "application/json; charset=utf-8"})
    assert answer.status_code == 201


def test_head(api: httpx.Client) -> None:
    """HEAD is a method that no path takes; its 405 has no body."""
    answer = api.head("/events")
    assert (answer.status_code, answer.headers["allow"], answer.content) == (405, "GET, OPTIONS, POST", b"")
