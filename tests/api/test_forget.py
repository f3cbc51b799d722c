"""`DELETE /users/{userId}`: a person is forgotten, and what they had goes to those who wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.forgetting import ANN, EVENTS
from tests.support.pipeline import Answer, Pipeline
from tests.support.rules import broken_rules
from tests.support.telemetry import log_lines
from workers.aws.commit import versioned_put
from workers.aws.items import registration_from_item
from workers.domain.records import Registration, Status, registration_id

LATER = 60_000_000


def user_items(pipeline: Pipeline) -> dict[str, Any]:
    """All of the users table, by key."""
    return {item["userId"]["S"]: item for item in pipeline.dynamodb.scan(TableName=pipeline.tables.users)["Items"]}


def records_of(pipeline: Pipeline, event_id: str) -> list[Registration]:
    """An event's registrations."""
    items = pipeline.dynamodb.scan(TableName=pipeline.tables.registrations)["Items"]
    return [record for record in map(registration_from_item, items) if record.event_id == event_id]


def status_of(pipeline: Pipeline, event_id: str, user_id: str) -> str | None:
    """Where a registration stands."""
    record = pipeline.record(event_id, user_id)
    return None if record is None else str(record.status)


def assert_forgotten(pipeline: Pipeline) -> None:
    """Of ann there is her id and no seat; whoever waited behind her has moved up; all ledgers are right."""
    item = user_items(pipeline)["ann"]
    assert set(item) == {"userId", "createdAt", "erasedAt"}
    for event_id in EVENTS:
        assert status_of(pipeline, event_id, "ann") == "cancelled"
        assert broken_rules(pipeline.ledger(event_id), records_of(pipeline, event_id)) == []
    assert status_of(pipeline, "waited-for", "bob") == "confirmed"
    assert pipeline.request("GET", "/events/waiting/registrations/bob").body["waitlistPosition"] == 1
    taken = {event_id: pipeline.ledger(event_id).confirmed for event_id in EVENTS}
    assert taken == {"waited-for": 1, "waiting": 1, "promised": 0, "undecided": 0, "left": 0}
    assert pipeline.parked() == []


def test_what_they_had_goes_to_those_who_wait(ready: Pipeline) -> None:
    """Seats, places in the line and undecided requests are given back, the line moves up, every ledger counts right."""
    answer = ready.forget("ann")
    assert (answer.status, answer.body["userId"], answer.body["cancellations"]) == (202, "ann", 4)
    ready.run()
    assert_forgotten(ready)


def test_nobody_finds_them(ready: Pipeline) -> None:
    """From the answer on the user is a 404 wherever one is asked for, and the id stays taken."""
    ready.forget("ann")
    ready.add_event("new", 1)
    asked: list[Callable[[], Answer]] = [
        lambda: ready.request("GET", "/users/ann"),
        lambda: ready.request("GET", "/users/ann/registrations"),
        lambda: ready.register("new", "ann"),
        lambda: ready.register("waited-for", "ann"),
    ]
    assert [(answer.status, answer.code) for answer in (ask() for ask in asked)] == [(404, "user-not-found")] * 4
    assert ready.request("POST", "/users", ANN).code == "user-exists"
    assert ready.record("new", "ann") is None


def _found(content: object) -> list[str]:
    """What the content says of who ann is."""
    return [ANN[name] for name in ("name", "email") if ANN[name] in str(content)]


def test_name_and_address_are_nowhere(ready: Pipeline) -> None:
    """No table has the name or the address any more, and the lists of events, JSON and CSV, show the id alone."""
    assert _found(ready.request("GET", "/events/waited-for/registrations").body) == [ANN["name"], ANN["email"]]
    ready.forget("ann")
    for table in (ready.tables.users, ready.tables.registrations, ready.tables.events, ready.tables.ledger):
        assert _found(ready.dynamodb.scan(TableName=table)["Items"]) == []
    path = "/events/waited-for/registrations"
    users = [entry["user"] for entry in ready.request("GET", path).body["registrations"]]
    assert {"userId": "ann"} in users
    assert _found(ready.request("GET", path, headers={"Accept": "text/csv"}).body) == []
    ready.run()
    assert ready.request("GET", path, status="cancelled").body["registrations"][0]["user"] == {"userId": "ann"}


def test_again(ready: Pipeline) -> None:
    """The same request again is a 202 too: it finds nothing left, changes nothing, and says when it was done first."""
    first = ready.forget("ann")
    ready.run()
    before = {event_id: ready.ledger(event_id) for event_id in EVENTS}
    ready.time.now += LATER
    again = ready.forget("ann")
    assert (again.status, again.body) == (202, first.body | {"cancellations": 0})
    ready.run()
    assert {event_id: ready.ledger(event_id) for event_id in EVENTS} == before
    assert_forgotten(ready)


def test_before_anything_is_decided(ready: Pipeline) -> None:
    """Twice in a row, while the queue stands still, comes to the same as once."""
    for _ in range(2):
        assert ready.forget("ann").body["cancellations"] == 4
    ready.run()
    assert_forgotten(ready)


@pytest.mark.parametrize("user_id", ["nobody", "a b", "ы", "x" * 3000, "subject#login"])
def test_nobody_to_forget(pipeline: Pipeline, user_id: str) -> None:
    """An id that no user ever had is a 404, also if a login is kept under it, and nothing is left of the request."""
    binding: Any = {"userId": {"S": "subject#login"}, "boundTo": {"S": "ann"}}
    pipeline.dynamodb.put_item(TableName=pipeline.tables.users, Item=binding)
    answer = pipeline.forget(user_id)
    assert (answer.status, answer.code) == (404, "user-not-found")
    assert pipeline.request("GET", f"/users/{user_id}").code == "user-not-found"
    assert pipeline.request("GET", f"/users/{user_id}/registrations").code == "user-not-found"
    assert user_items(pipeline) == {"subject#login": binding}


def bind(pipeline: Pipeline, login: str, bound_to: str) -> None:
    """ann's item names a login; its own item says whom it is bound to."""
    item: Any = user_items(pipeline)["ann"] | {"subject": {"S": login}}
    binding: Any = {"userId": {"S": f"subject#{login}"}, "boundTo": {"S": bound_to}}
    for one in (item, binding):
        pipeline.dynamodb.put_item(TableName=pipeline.tables.users, Item=one)


def test_the_login_is_free_again(ready: Pipeline) -> None:
    """The login is bound to nobody afterwards, on either side."""
    bind(ready, "login", "ann")
    assert ready.forget("ann").status == 202
    assert "subject#login" not in user_items(ready)
    ready.run()
    assert_forgotten(ready)


def test_a_login_that_is_somebody_elses_stays_theirs(ready: Pipeline) -> None:
    """A login that was bound anew after a request which died half way is left as it is."""
    bind(ready, "login", "bob")
    assert ready.forget("ann").status == 202
    assert user_items(ready)["subject#login"]["boundTo"] == {"S": "bob"}
    ready.run()
    assert_forgotten(ready)


def test_what_is_logged(ready: Pipeline) -> None:
    """Each cancellation is in the log as any accepted one is, so that `turnstile trace` finds it; the person is not."""
    with log_lines() as lines:
        ready.forget("ann")
    accepted = [line for line in lines if line["message"] == "accepted"]
    assert {line["registration_id"] for line in accepted} == {registration_id(one, "ann") for one in EVENTS[:4]}
    assert {line["command"] for line in accepted} == {"Cancel"}
    assert lines[-1]["message"] == "forgotten"
    assert not [line for line in lines if "'ann'" in str(line)]


def test_many(pipeline: Pipeline) -> None:
    """More registrations than one batch of SQS takes are all given back."""
    pipeline.request("POST", "/users", ANN)
    for number in range(23):
        event_id = pipeline.add_event(f"e{number}", 1)
        record = Registration(event_id, "ann", Status.PENDING, 1, 1, pipeline.time.now)
        pipeline.dynamodb.put_item(**versioned_put(pipeline.tables.registrations, record))
    assert pipeline.forget("ann").body["cancellations"] == 23
    pipeline.run()
    assert {status_of(pipeline, f"e{number}", "ann") for number in range(23)} == {"cancelled"}
