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


INVALID: dict[str, list[object]] = {
    "userId": ["", "ab", "a" * 51, "a_b_c", "a b c", "ärger", "abc\n", "../../x", 12345, None, ["abc"]],
    "name": ["", "x" * 101, CANARY * 10, f"{CANARY}\n", "   ", "a\u0000b", "a\nb", "a\ud800b", 7, None],
    "email": [
        "", "ann", "ann@", "@example.org", "ann@@example.org", f"{CANARY}@@example.org", f"{CANARY}@localhost",
        f"ann@{CANARY}_example.org", "ann@localhost", "a" * 250 + "@example.org", 7,
    ],
}  # fmt: skip


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in INVALID.items() for value in values])
def test_limits_outside(shared: Pipeline, field: str, value: object) -> None:
    """A value outside the limits is a 400 that points at the field, and creates no user."""
    answer = shared.request("POST", "/users", person("some-id") | {field: value})
    assert (answer.status, answer.code) == (400, "invalid-request")
    assert [error["pointer"] for error in answer.body["errors"]] == [f"/{field}"]
    assert shared.request("GET", "/users/some-id").status == 404


def test_errors_name_every_field_and_repeat_nothing(shared: Pipeline) -> None:
    """One answer names all that is wrong, and repeats nothing that was sent: errors carry nothing personal."""
    answer = shared.request("POST", "/users", {"userId": "x?", "name": "", "email": f"{CANARY}@@example"})
    assert [error["pointer"] for error in answer.body["errors"]] == ["/userId", "/name", "/email"]
    assert CANARY not in str(answer.body)


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


NAMES = [
    "Анна", "O'Neill", "'t Hooft", "Ann-Marie", "Ann = Bob", "李小龍", "José", "Nguye\u0302\u0303n", "علی\u200cرضا",
    "क्\u200dष", "שרה\u200f", "👩\u200d👩\u200d👧", "❤\ufe0f", "X Æ A-12", "(Ann)", "1", "ﬁ", " padded ",
    "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", "葛\U000e0100城",
    "a" + "\u0301" * 99, "Robert'); DROP TABLE users;--", "<b>Ann</b>", "null", "__proto__", "﷽", "x", "ж" * 100,
]  # fmt: skip


def test_ids_and_names(pipeline: Pipeline) -> None:
    """Ids of 3 to 50 characters and names of 1 to 100 in any script are accepted and returned as they were sent:
    harmless data is not an attack."""
    ids = ["abc", "A" * 50, "0--", "0-9", *(f"user-{number}" for number in range(len(NAMES)))]
    for user_id, name in zip(ids, NAMES, strict=False):
        answer = pipeline.request("POST", "/users", {"userId": user_id, "name": name})
        assert (answer.status, answer.body.get("name")) == (201, name)
        assert pipeline.request("GET", f"/users/{user_id}").body["name"] == name
