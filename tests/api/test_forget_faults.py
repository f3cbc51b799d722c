"""`DELETE /users/{userId}` when AWS fails, lags or takes only some: nothing is left undone for good."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from api.forget import PATIENCE
from tests.api.conftest import Taps
from tests.api.test_forget import LATER, assert_forgotten, bind, status_of, user_items
from tests.support.fake_sqs import Killed
from tests.support.pipeline import Pipeline
from tests.support.telemetry import log_lines
from workers.aws import forget
from workers.aws.items import registration_key
from workers.domain.records import registration_id

CALLS = ("UpdateItem", "Query", "BatchGetItem", "SendMessageBatch", "DeleteItem", "UpdateItem")
"""What one request asks of AWS, in this order."""


def listen(pipeline: Pipeline, side: str, act: Callable[[str], None]) -> Callable[[], None]:
    """Has `act(operation)` called `before` or `after` each call to AWS, until the answer is called."""

    def hear(model: Any, **_: Any) -> None:
        act(model.name)

    clients = pipeline.dynamodb, pipeline.sqs
    for client in clients:
        client.meta.events.register(f"{side}-call", hear)

    def stop() -> None:
        for client in clients:
            client.meta.events.unregister(f"{side}-call", hear)

    return stop


def test_its_calls(ready: Pipeline) -> None:
    """The tombstone is written before anything is looked for, and the login unbound after all was sent."""
    bind(ready, "login", "ann")
    made: list[str] = []
    stop = listen(ready, "before", made.append)
    ready.forget("ann")
    stop()
    assert tuple(made) == CALLS


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("number", range(len(CALLS)))
def test_killed_half_way(ready: Pipeline, number: int, side: str) -> None:
    """Killed before or after any of its calls and then asked again, it comes to what one request comes to."""
    bind(ready, "login", "ann")
    made: list[str] = []

    def die(operation: str) -> None:
        made.append(operation)
        if len(made) > number:
            raise Killed

    stop = listen(ready, side, die)
    with pytest.raises(Killed):
        ready.forget("ann")
    stop()
    assert tuple(made) == CALLS[: number + 1]
    ready.run()
    ready.time.now += LATER
    assert ready.forget("ann").status == 202
    assert "subject#login" not in user_items(ready)
    ready.run()
    assert_forgotten(ready)


def test_tombstones_are_read_strongly(ready: Pipeline, taps: Taps) -> None:
    """Whoever asks for a user reads consistently, so that nobody is found who was forgotten a moment ago."""
    reads: list[bool] = []

    def note(request: dict[str, Any]) -> None:
        asked = json.loads(request["body"])
        table = asked.get("RequestItems", {asked.get("TableName"): asked}).get(ready.tables.users)
        reads.extend([] if table is None else [table.get("ConsistentRead", False)])

    for operation in ("GetItem", "BatchGetItem", "Scan"):
        taps.before(f"dynamodb.{operation}", note, times=1000)
    with ready.signed_in("s-bob"):
        ready.request("DELETE", "/users/ann")
        ready.request("GET", "/users/ann")
        ready.request("GET", "/users/ann/registrations")
        ready.request("POST", "/events/left/registrations", {"userId": "ann"})
        ready.request("DELETE", "/events/waiting/registrations/ann")
    ready.request("GET", "/events/waiting/registrations")
    forget.erased_users(ready.dynamodb, ready.tables.users)
    assert reads == [True] * 7


def test_a_queue_that_takes_only_some(ready: Pipeline, taps: Taps) -> None:
    """If SQS did not take all of the cancellations it is a 503, and the same request again does the rest."""
    bind(ready, "login", "ann")

    def refuse(_: Any) -> Any:
        failed = {"Successful": [], "Failed": [{"Id": "1", "Code": "InternalError", "SenderFault": False}]}
        return _Ok(), failed | {"ResponseMetadata": {"HTTPStatusCode": 200}}

    taps.before("sqs.SendMessageBatch", refuse)
    answer = ready.forget("ann")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert "subject#login" in user_items(ready)
    assert ready.forget("ann").status == 202
    ready.run()
    assert_forgotten(ready)


class _Ok:
    status_code = 200


def test_an_index_that_lags(ready: Pipeline, taps: Taps) -> None:
    """What the index does not show yet is found by the same request a moment later."""
    nothing = _Ok(), {"Items": [], "Count": 0, "ResponseMetadata": {"HTTPStatusCode": 200}}
    taps.before("dynamodb.Query", lambda _: nothing)
    assert ready.forget("ann").body["cancellations"] == 0
    ready.run()
    assert status_of(ready, "waited-for", "ann") == "confirmed"
    assert ready.forget("ann").body["cancellations"] == 3  # what she was taking back is decided meanwhile
    ready.run()
    assert_forgotten(ready)


def test_an_index_that_shows_what_was(ready: Pipeline) -> None:
    """What the index still shows and what has moved on meanwhile is looked at itself: nothing is cancelled twice."""
    ready.cancel("waited-for", "ann")
    rows = ready.dynamodb.query(
        TableName=ready.tables.registrations,
        IndexName="UserRegistrationsIndex",
        KeyConditionExpression="userId = :user",
        ExpressionAttributeValues={":user": {"S": "ann"}},
    )["Items"]
    assert {row["registrationId"]["S"] for row in rows} >= {registration_id("waited-for", "ann")}
    ready.run()
    assert ready.forget("ann").body["cancellations"] == 2
    ready.run()
    assert_forgotten(ready)


def test_more_than_fits_into_one_request(ready: Pipeline, taps: Taps, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has very much is forgotten in several requests: 503 with Retry-After, each goes on where the last one was."""
    monkeypatch.setattr(forget, "_PAGE", 2)
    bind(ready, "login", "ann")
    behind: list[object] = []

    def slow(request: Any) -> None:
        behind.append(json.loads(request["body"]).get("ExclusiveStartKey"))
        ready.time.now += PATIENCE

    taps.before("dynamodb.Query", slow, times=100)
    answers = [ready.forget("ann") for _ in range(3)]
    assert [(answer.status, answer.code) for answer in answers[:2]] == [(503, "overloaded")] * 2
    assert [answer.headers.get("Retry-After") for answer in answers] == ["1", "1", None]
    assert answers[2].status == 202
    assert (behind[0], len({str(place) for place in behind})) == (None, 3)
    assert "subject#login" not in user_items(ready)
    ready.run()
    assert_forgotten(ready)
    assert ready.request("GET", "/users/ann").status == 404


def test_a_registration_that_cannot_be_read(ready: Pipeline) -> None:
    """It is logged as an error, for the operator to mend; all others are given back."""
    key = registration_id("left", "ann")
    where: Any = {"TableName": ready.tables.registrations, "Key": registration_key(key)}
    ready.dynamodb.update_item(**where, UpdateExpression="REMOVE generation")
    with log_lines() as lines:
        assert ready.forget("ann").body["cancellations"] == 4
    (line,) = [line for line in lines if line["level"] == "ERROR"]
    assert (line["message"], line["registration_id"]) == ("a registration cannot be read", key)
