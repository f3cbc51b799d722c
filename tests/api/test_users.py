"""`/users`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.conftest import Taps
from tests.support.pii_canaries import CANARY, person
from tests.support.pipeline import BASE_URL, Pipeline


def test_create_and_read(pipeline: Pipeline) -> None:
    """A user is created with a Location that reads back the same user, dated by the service."""
    created = pipeline.request("POST", "/users", {"userId": "ann-1", "name": "Ann", "email": "Ann@EXAMPLE.org"})
    assert created.status == 201
    assert created.headers["Location"] == f"{BASE_URL}/users/ann-1"
    assert created.body == {
        "userId": "ann-1",
        "name": "Ann",
        "email": "Ann@example.org",
        "createdAt": "2026-01-01T00:00:00.000000Z",
    }
    read = pipeline.request("GET", "/users/ann-1")
    assert (read.status, read.body) == (200, created.body)


@pytest.mark.parametrize("without", [{}, {"email": None}])
def test_email_is_optional(pipeline: Pipeline, without: dict[str, None]) -> None:
    """A user needs no e-mail address, and then shows none."""
    created = pipeline.request("POST", "/users", {"userId": "bob", "name": "Bob"} | without)
    assert created.status == 201
    assert "email" not in created.body


def test_limits_inside(pipeline: Pipeline) -> None:
    """Ids of 3 to 50 characters and names of 1 to 100 are taken, and come back as they were sent."""
    for user_id, name in (
        ("abc", "x"),
        ("A" * 50, "ж" * 100),
        ("---", "Анна O'Neill 🎟"),
        ("0-9", " padded "),
    ):
        assert pipeline.request("POST", "/users", {"userId": user_id, "name": name}).status == 201
        assert pipeline.request("GET", f"/users/{user_id}").body["name"] == name


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("userId", ""),
        ("userId", "ab"),
        ("userId", "a" * 51),
        ("userId", "a_b_c"),
        ("userId", "a b c"),
        ("userId", "ärger"),
        ("userId", "abc\n"),
        ("userId", "../../x"),
        ("userId", 12345),
        ("userId", None),
        ("userId", ["abc"]),
        ("name", ""),
        ("name", "x" * 101),
        ("name", CANARY * 10),
        ("name", f"{CANARY}\n"),
        ("name", "   "),
        ("name", "a\u0000b"),
        ("name", "a\nb"),
        ("name", "a\ud800b"),
        ("name", 7),
        ("name", None),
        ("email", ""),
        ("email", "ann"),
        ("email", "ann@"),
        ("email", "@example.org"),
        ("email", "ann@@example.org"),
        ("email", f"{CANARY}@@example.org"),
        ("email", f"{CANARY}@localhost"),
        ("email", f"ann@{CANARY}_example.org"),
        ("email", "ann@localhost"),
        ("email", "a" * 250 + "@example.org"),
        ("email", 7),
    ],
)
def test_limits_outside(shared: Pipeline, field: str, value: object) -> None:
    """What is outside the limits is a 400 that points at the field, and nobody is created."""
    answer = shared.request("POST", "/users", person("some-id") | {field: value})
    assert (answer.status, answer.code) == (400, "invalid-request")
    assert [error["pointer"] for error in answer.body["errors"]] == [f"/{field}"]
    assert shared.request("GET", "/users/some-id").status == 404


def test_errors_name_every_field_and_repeat_nothing(shared: Pipeline) -> None:
    """One answer names all that is wrong, and repeats nothing that was sent: errors carry nothing personal."""
    answer = shared.request("POST", "/users", {"userId": "x?", "name": "", "email": f"{CANARY}@@example"})
    assert [error["pointer"] for error in answer.body["errors"]] == ["/userId", "/name", "/email"]
    assert CANARY not in str(answer.body)


def test_taken(pipeline: Pipeline) -> None:
    """An id belongs to the first who takes it."""
    pipeline.request("POST", "/users", {"userId": "ann", "name": "First"})
    again = pipeline.request("POST", "/users", {"userId": "ann", "name": "Second"})
    assert (again.status, again.code) == (409, "user-exists")
    assert pipeline.request("GET", "/users/ann").body["name"] == "First"


def test_answer_lost_on_the_way(pipeline: Pipeline, taps: Taps) -> None:
    """If the table took the user but its answer was lost, the attempt after it is still a 201: the user is ours."""

    def lose(request: dict[str, Any]) -> None:
        pipeline.dynamodb.put_item(**json.loads(request["body"]))

    taps.before("dynamodb.PutItem", lose)
    created = pipeline.request("POST", "/users", {"userId": "ann", "name": "Ann"})
    assert (created.status, created.headers["Location"]) == (201, f"{BASE_URL}/users/ann")
    assert pipeline.request("GET", "/users/ann").body == created.body
    pipeline.time.now += 1
    assert pipeline.request("POST", "/users", {"userId": "ann", "name": "Ann"}).code == "user-exists"


@pytest.mark.parametrize("user_id", ["nobody", "a b", "100%25", "ы", "🎟", "a#b?c", "x" * 3000, "a\u0000b", "."])
def test_unknown(shared: Pipeline, user_id: str) -> None:
    """Whatever stands for an id in the path, one that names nobody is a plain 404."""
    answer = shared.request("GET", f"/users/{user_id}")
    assert (answer.status, answer.code) == (404, "user-not-found")
