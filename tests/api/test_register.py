"""`POST /events/{eventId}/registrations`, and reading its outcome."""

from __future__ import annotations

import pytest

from tests.api.conftest import Taps
from tests.support.pipeline import BASE_URL, Pipeline
from workers.aws.items import ledger_to_item, registration_key
from workers.domain.records import registration_id


def test_seat(pipeline: Pipeline) -> None:
    """While a seat is free the answer is 201, confirmed, with a Location that reads back the same registration."""
    pipeline.add_event("e", 1)
    answer = pipeline.register("e", pipeline.add_user("ann"))
    assert answer.status == 201
    assert answer.headers["Location"] == f"{BASE_URL}/events/e/registrations/ann"
    assert answer.body == {
        "registrationId": registration_id("e", "ann"),
        "eventId": "e",
        "userId": "ann",
        "status": "confirmed",
        "registeredAt": answer.body["registeredAt"],
    }
    assert (pipeline.read("e", "ann").status, pipeline.read("e", "ann").body) == (200, answer.body)


def test_full_without_waiting_list(pipeline: Pipeline, taps: Taps) -> None:
    """Without a ledger the API refuses nobody: the registrar decides, and the record shows its 409 event-full."""
    pipeline.add_event("e", 0)
    calls = taps.calls()
    answer = pipeline.register("e", pipeline.add_user("ann"))
    assert (answer.status, answer.code, calls.count("SendMessage")) == (409, "event-full", 1)
    record = pipeline.read("e", "ann")
    assert (record.status, record.body["status"], record.body["code"]) == (200, "rejected", "event-full")


def test_unknown_event_or_user(pipeline: Pipeline) -> None:
    """Registering for an unknown event or as an unknown user is a 404 that says which, and reaches no queue."""
    pipeline.add_event("e", 1), pipeline.add_user("ann")
    for event_id, user_id, code in (
        ("nothing", "ann", "event-not-found"),
        ("e", "nobody", "user-not-found"),
        ("nothing", "nobody", "event-not-found"),
        ("x" * 3000, "ann", "event-not-found"),
    ):
        answer = pipeline.register(event_id, user_id)
        assert (answer.status, answer.code) == (404, code)
    assert pipeline.receive() == []


def test_already_registered(pipeline: Pipeline) -> None:
    """A second registration while the first is active is a 409 that links to it, and changes nothing."""
    pipeline.add_event("e", 1, hasWaitlist=True)
    for user_id in ("ann", "bob"):
        first = pipeline.register("e", pipeline.add_user(user_id))
        again = pipeline.register("e", user_id)
        assert (again.status, again.code) == (409, "already-registered")
        assert again.headers["Link"] == f'<{first.headers["Location"]}>; rel="related"'
        assert again.body["registration"] == first.headers["Location"]
        assert pipeline.read("e", user_id).body == first.body


def test_second_while_pending(pipeline: Pipeline, taps: Taps) -> None:
    """A second registration while the first is pending asks nothing new and waits for the same outcome."""
    pipeline.add_event("e", 1)
    pipeline.register("e", pipeline.add_user("ann"), Prefer="respond-async")
    taps.fail("sqs.SendMessage", "NobodyMaySend")
    second = pipeline.register("e", "ann", Prefer="wait=0")
    assert (second.status, second.body["status"]) == (202, "pending")
    third = pipeline.register("e", "ann")
    assert (third.status, third.body["status"]) == (201, "confirmed")
    assert pipeline.ledger("e").confirmed == 1


def test_live_position(pipeline: Pipeline) -> None:
    """The position is that of the moment of reading: it moves up when someone ahead leaves."""
    pipeline.add_event("e", 1, hasWaitlist=True)
    pipeline.fill("e", "ann", "bob", "cid", "dan")
    assert pipeline.read("e", "dan").body["waitlistPosition"] == 3
    pipeline.cancel("e", "bob")
    assert pipeline.read("e", "dan").body["waitlistPosition"] == 2
    pipeline.cancel("e", "ann")
    assert pipeline.read("e", "dan").body["waitlistPosition"] == 1
    pipeline.cancel("e", "cid")
    seated = pipeline.read("e", "dan").body
    assert seated["status"] == "confirmed"
    assert "waitlistPosition" not in seated


def test_never_registered(pipeline: Pipeline) -> None:
    """Reading a registration that never was is a 404."""
    pipeline.add_event("e", 1), pipeline.add_user("ann")
    for path in ("/events/e/registrations/ann", "/events/x/registrations/ann", f"/events/e/registrations/{'x' * 2000}"):
        answer = pipeline.request("GET", path)
        assert (answer.status, answer.code) == (404, "not-registered")


def test_torn_read(pipeline: Pipeline, taps: Taps) -> None:
    """A waiter read together with an older ledger is read again, for the position."""
    pipeline.add_event("e", 0, hasWaitlist=True)
    pipeline.register("e", pipeline.add_user("ann"))
    before = pipeline.ledger("e")
    pipeline.register("e", pipeline.add_user("bob"))
    ledgers = iter([before, before, pipeline.ledger("e")])

    def next_ledger(_: object) -> None:
        pipeline.dynamodb.put_item(TableName=pipeline.tables.ledger, Item=ledger_to_item(next(ledgers)))

    taps.before("dynamodb.BatchGetItem", next_ledger, times=3)
    assert pipeline.read("e", "bob").body["waitlistPosition"] == 2


def test_odd_rejection(pipeline: Pipeline) -> None:
    """A reason for a rejection that this version does not know is answered as a closed registration."""
    pipeline.add_event("e", 0)
    pipeline.register("e", pipeline.add_user("ann"), Idempotency_Key="k")
    pipeline.dynamodb.update_item(
        TableName=pipeline.tables.registrations,
        Key=registration_key(registration_id("e", "ann")),
        UpdateExpression="SET code = :code",
        ExpressionAttributeValues={":code": {"S": "of-a-later-version"}},
    )
    answer = pipeline.register("e", "ann", Idempotency_Key="k")
    assert (answer.status, answer.code) == (409, "registration-closed")


def test_coming_back_to_a_slow_worker(pipeline: Pipeline) -> None:
    """While nobody has decided the new attempt, what became of the one before is no answer to it."""
    pipeline.add_event("e", 1)
    pipeline.register("e", pipeline.add_user("ann"))
    pipeline.cancel("e", "ann")
    due = pipeline.time.now + 500_000
    pipeline.time.on_sleep[:] = [lambda: pipeline.run() if pipeline.time.now >= due else None]
    back = pipeline.register("e", "ann")
    assert (back.status, back.body["status"]) == (201, "confirmed")


@pytest.fixture
def full(pipeline: Pipeline) -> Pipeline:
    """One seat, which `ann` has, and one place on the waiting list, which `bob` has; `cid` has neither."""
    pipeline.add_event("e", 1, hasWaitlist=True, waitlistCapacity=1)
    pipeline.fill("e", "ann", "bob")
    pipeline.add_user("cid")
    return pipeline


def test_one_read(full: Pipeline, taps: Taps) -> None:
    """A refusal for want of room is one BatchGetItem, without a message or record."""
    calls = taps.calls()
    for _ in range(3):
        answer = full.register("e", "cid", Prefer="respond-async")
        assert (answer.status, answer.code) == (409, "waitlist-full")
        assert answer.headers["Preference-Applied"] == "respond-async"
    assert calls == ["BatchGetItem"] * 3
    assert full.record("e", "cid") is None
