"""`DELETE /users/{userId}`: a user is erased, and their seats go to the waiting list."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from tests.api.erasure import ANN, EVENTS, LATER, assert_erased, bind, user_items
from tests.support.pipeline import Pipeline
from tests.support.telemetry import log_lines
from workers.aws.commit import versioned_put
from workers.domain.records import Registration, Status, registration_id


def test_nobody_finds_them(everywhere: Pipeline) -> None:
    """From the answer on the user is a 404 wherever one is asked for, and the id stays taken."""
    everywhere.forget("ann")
    everywhere.add_event("new", 1)
    answers = [everywhere.request("GET", path) for path in ("/users/ann", "/users/ann/registrations")]
    answers += [everywhere.register(event_id, "ann") for event_id in ("new", "waited-for")]
    assert [(answer.status, answer.code) for answer in answers] == [(404, "user-not-found")] * 4
    assert everywhere.request("POST", "/users", ANN).code == "user-exists"
    assert everywhere.record("new", "ann") is None


def _found(content: object) -> list[str]:
    """Return the personal data of Ann in the content."""
    return [ANN[name] for name in ("name", "email") if ANN[name] in str(content)]


def test_name_and_address_are_nowhere(everywhere: Pipeline) -> None:
    """No table has the name or the address any more, and the lists of events, JSON and CSV, show the id alone."""
    assert _found(everywhere.request("GET", "/events/waited-for/registrations").body) == [ANN["name"], ANN["email"]]
    everywhere.forget("ann")
    for table in asdict(everywhere.tables).values():
        assert _found(everywhere.dynamodb.scan(TableName=table)["Items"]) == []
    path = "/events/waited-for/registrations"
    users = [entry["user"] for entry in everywhere.request("GET", path).body["registrations"]]
    assert {"userId": "ann"} in users
    assert _found(everywhere.request("GET", path, headers={"Accept": "text/csv"}).body) == []
    everywhere.run()
    assert everywhere.request("GET", path, status="cancelled").body["registrations"][0]["user"] == {"userId": "ann"}


def test_again(everywhere: Pipeline) -> None:
    """Active registrations are cancelled, and waiting lists move up. The same request again is a 202 too: it finds
    nothing left, changes nothing, and says when it was done first."""
    first = everywhere.forget("ann")
    assert (first.status, first.body["userId"], first.body["cancellations"]) == (202, "ann", 4)
    everywhere.run()
    assert_erased(everywhere)
    before = {event_id: everywhere.ledger(event_id) for event_id in EVENTS}
    everywhere.time.now += LATER
    again = everywhere.forget("ann")
    assert (again.status, again.body) == (202, first.body | {"cancellations": 0})
    everywhere.run()
    assert {event_id: everywhere.ledger(event_id) for event_id in EVENTS} == before
    assert_erased(everywhere)


def test_the_owner_may_ask_again(pipeline: Pipeline) -> None:
    """With their token, too, a person can send the request again, also after the login has got another user. To others
    the person is a 404, as before."""
    with pipeline.signed_in("s-ann"):
        assert pipeline.request("POST", "/users", ANN).status == 201
        first = pipeline.forget("ann")
        assert (first.status, pipeline.forget("ann").body) == (202, first.body)
        assert pipeline.request("GET", "/users/ann").code == "user-not-found"
        assert pipeline.request("POST", "/users", ANN | {"userId": "ann-2"}).status == 201
        assert pipeline.forget("ann").body == first.body
    others: list[tuple[tuple[str, ...], int]] = [((), 404), (("organizers",), 404), (("operators",), 202)]
    for groups, status in others:
        with pipeline.signed_in("s-bob", *groups):
            assert pipeline.forget("ann").status == status
    assert "s-ann" not in str(user_items(pipeline)["ann"])


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


def test_a_login_that_is_somebody_elses_stays_theirs(everywhere: Pipeline) -> None:
    """A login that was bound anew after a request which died half way is left as it is."""
    bind(everywhere, "login", "bob")
    assert everywhere.forget("ann").status == 202
    assert user_items(everywhere)["subject#login"]["boundTo"] == {"S": "bob"}
    everywhere.run()
    assert_erased(everywhere)


def test_what_is_logged(everywhere: Pipeline) -> None:
    """Each cancellation is in the log as any accepted one is, so that `turnstile trace` finds it; the person is not."""
    with log_lines() as lines:
        everywhere.forget("ann")
    accepted = [line for line in lines if line["message"] == "accepted"]
    assert {line["registration_id"] for line in accepted} == {registration_id(one, "ann") for one in EVENTS[:4]}
    assert {line["command"] for line in accepted} == {"Cancel"}
    assert lines[-1]["message"] == "forgotten"
    assert not [line for line in lines if "'ann'" in str(line)]


def test_many(pipeline: Pipeline) -> None:
    """More registrations than one batch of SQS takes are all given back."""
    pipeline.add_user("ann")
    for number in range(23):
        event_id = pipeline.add_event(f"e{number}", 1)
        record = Registration(event_id, "ann", Status.PENDING, 1, 1, pipeline.time.now)
        pipeline.dynamodb.put_item(**versioned_put(pipeline.tables.registrations, record))
    assert pipeline.forget("ann").body["cancellations"] == 23
    pipeline.run()
    assert {pipeline.stored(f"e{number}", "ann").status for number in range(23)} == {"cancelled"}
