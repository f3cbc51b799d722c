"""Faults: AWS is overloaded or something is broken, and clients see an honest status and no internals."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

import api.http.dispatch
from api.http.routes import ROUTES, Route
from tests.api.conftest import Taps
from tests.support import faults
from tests.support.builders import NEW_EVENT
from tests.support.pii_canaries import person
from tests.support.pipeline import Pipeline
from tests.support.telemetry import log_lines

WRITES_AND_CALLS = [
    ("POST", "/users", person("bob"), "dynamodb.PutItem"),
    ("POST", "/events", NEW_EVENT, "dynamodb.PutItem"),
    ("PATCH", "/events/e", {"title": "N"}, "dynamodb.UpdateItem"),
    ("PATCH", "/events/e", {"capacity": 9}, "sqs.SendMessage"),
    ("POST", "/events/e/registrations", {"userId": "ann"}, "dynamodb.BatchGetItem"),
    ("POST", "/events/e/registrations", {"userId": "dan"}, "sqs.SendMessage"),
    ("DELETE", "/events/e/registrations/cid", None, "sqs.SendMessage"),
    ("DELETE", "/users/cid", None, "dynamodb.UpdateItem"),
    ("DELETE", "/users/dan", None, "sqs.SendMessageBatch"),
]  # fmt: skip


@pytest.fixture
def ready(pipeline: Pipeline) -> Pipeline:
    """An event with two seats, and three users of whom `cid` is registered."""
    pipeline.add_event("e", 2), pipeline.add_user("ann"), pipeline.add_user("dan")
    pipeline.register("e", pipeline.add_user("cid"))
    return pipeline


def test_every_write(ready: Pipeline, taps: Taps) -> None:
    """On every route that writes, an unexpected error is a 500, and a throttle a 503 that succeeds when retried."""
    named = {route for route in ROUTES for method, path, *_ in WRITES_AND_CALLS if _is_of(route, method, path)}
    assert named == {route for route in ROUTES if route.method != "GET"}
    for method, path, body, call in WRITES_AND_CALLS:
        _fail_and_retry(ready, taps, (method, path, body), call)


READS = [route for route in ROUTES if route.method == "GET" and route.path != "/problems/{code}"]


@pytest.mark.parametrize("route", READS, ids=lambda route: route.key)
def test_every_read(ready: Pipeline, taps: Taps, route: Route) -> None:
    """The same is true of each call that a read makes."""
    path = route.path.format(eventId="e", userId="cid")
    calls = taps.calls()
    assert ready.request("GET", path).status == 200
    made = [f"dynamodb.{name}" for name in calls]
    assert made
    for index, call in enumerate(made):
        ready.time.now += 60_000_000  # nothing comes from a cache
        _fail_and_retry(ready, taps, ("GET", path, None), call, skip=made[:index].count(call))


def _fail_and_retry(ready: Pipeline, taps: Taps, asked: tuple[str, str, object], call: str, skip: int = 0) -> None:
    method, path, body = asked
    taps.before(call, lambda _: faults.refusal("AccessDeniedException"), skip=skip)
    with log_lines() as lines:
        unexpected = ready.request(method, path, body)
    assert (unexpected.status, unexpected.code) == (500, "internal-error"), (method, path, call)
    taps.before(call, lambda _: faults.refusal("ThrottlingException"), skip=skip)
    with log_lines() as lines_of_throttle:
        throttled = ready.request(method, path, body)
    assert (throttled.status, throttled.code) == (503, "overloaded"), (method, path, call)
    assert throttled.headers["Retry-After"] == "1"
    # Above all, nothing is logged as accepted.
    assert [line["message"] for line in (*lines, *lines_of_throttle)] == ["unexpected error", "overloaded"]
    for answer in (unexpected, throttled):
        assert not re.search("on demand|Denied|Throttling", str(answer.body))
    assert ready.request(method, path, body).status < 300, (method, path, call)


def _is_of(route: Route, method: str, path: str) -> bool:
    return route.method == method and route.ids_in(path) is not None


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="https://inside.example"),
        ConnectTimeoutError(endpoint_url="https://inside.example"),
        ReadTimeoutError(endpoint_url="https://inside.example"),
    ],
)
def test_no_connection(shared: Pipeline, taps: Taps, error: Exception) -> None:
    """A connection to AWS that breaks or hangs is a 503, and its address stays inside."""

    def broken(_: Any) -> None:
        raise error

    taps.before("dynamodb.GetItem", broken)
    answer = shared.request("GET", "/users/ann")
    assert (answer.status, "inside" in str(answer.body)) == (503, False)


def test_table_leaves_keys(ready: Pipeline, taps: Taps) -> None:
    """A table that leaves keys unprocessed is asked again, and after several times given up with a 503."""

    def leave(request: Any) -> Any:
        asked = json.loads(request["body"])["RequestItems"]
        return faults.answer({"Responses": {}, "UnprocessedKeys": asked})

    taps.before("dynamodb.BatchGetItem", leave, times=2)
    assert ready.request("GET", "/events/e").status == 200
    taps.before("dynamodb.BatchGetItem", leave, times=100)
    assert ready.request("GET", "/events/e").code == "overloaded"


def test_nothing_is_promised_before_the_queue_has_it(ready: Pipeline, taps: Taps) -> None:
    """If the queue did not take the command there is no pending record either."""
    taps.fail("sqs.SendMessage", "RequestThrottled")
    assert ready.register("e", "ann", Prefer="respond-async").status == 503
    assert ready.record("e", "ann") is None


@pytest.mark.parametrize(("fault", "times"), [("ThrottlingException", 1), ("TransactionConflictException", 12)])
def test_pending_cannot_be_saved(ready: Pipeline, taps: Taps, fault: str, times: int) -> None:
    """A pending registration that cannot be saved is a 503; a retry finds the outcome, and takes no second seat."""
    taps.fail("dynamodb.PutItem", fault, times=times)
    ready.time.on_sleep.clear()
    assert ready.register("e", "ann").status == 503
    ready.time.on_sleep.append(ready.run)
    answer = ready.register("e", "ann")
    assert (answer.status, answer.body["status"]) == (201, "confirmed")
    assert ready.ledger("e").confirmed == 2


def test_damaged_record(ready: Pipeline) -> None:
    """A stored record that cannot be read is a 500 without a trace of why."""
    item: Any = {"eventId": {"S": "e"}, "version": {"N": "1"}}
    ready.dynamodb.put_item(TableName=ready.tables.ledger, Item=item)
    answer = ready.request("GET", "/events/e")
    assert (answer.status, answer.code) == (500, "internal-error")
    assert "KeyError" not in str(answer.body)
    assert "revision" not in str(answer.body)


def test_a_damaged_ledger_is_one_events_trouble(ready: Pipeline) -> None:
    """Lists that other events are in go on: of the damaged one they show what can be known, which is not its seats."""
    ready.add_event("sound", 3)
    ready.register("e", "ann")
    ready.register("sound", "ann")
    item: Any = {"eventId": {"S": "e"}, "version": {"N": "1"}, "confirmed": {"S": "?"}}
    ready.dynamodb.put_item(TableName=ready.tables.ledger, Item=item)
    events = {event["eventId"]: event for event in ready.request("GET", "/events").body["events"]}
    assert (events["sound"]["seatsLeft"], events["e"]["title"]) == (2, "T")
    assert not {"seatsLeft", "currentAttendees", "waitlistLength", "capacity"} & set(events["e"])
    entries = ready.request("GET", "/users/ann/registrations").body["registrations"]
    assert {entry["eventId"]: entry["event"].get("seatsLeft") for entry in entries} == {"e": None, "sound": 2}


def test_request_id_finds_the_log_line(ready: Pipeline, taps: Taps, monkeypatch: pytest.MonkeyPatch) -> None:
    """The id in a 500 is that of the log line which has the whole story."""
    log = io.StringIO()
    monkeypatch.setattr(api.http.dispatch, "logger", Logger(service="request-id-test", stream=log))
    taps.fail("dynamodb.GetItem", "AccessDeniedException")
    answer = ready.request("GET", "/users/ann")
    [line] = [json.loads(text) for text in log.getvalue().splitlines()]
    assert line["request_id"] in answer.body["detail"]
    assert line["level"] == "ERROR"
    assert "on demand" in line["exception"], "what AWS said of it"
