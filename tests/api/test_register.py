"""`POST /events/{eventId}/registrations`: the main job, and reading what came of it."""

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


def test_waiting_list(pipeline: Pipeline) -> None:
    """When the seats are gone people join the waiting list, each with their place in it."""
    pipeline.add_event("e", 1, hasWaitlist=True)
    answers = pipeline.fill("e", "ann", "bob", "cid")
    assert [answer.status for answer in answers] == [201, 201, 201]
    assert [answer.body["status"] for answer in answers] == ["confirmed", "waitlisted", "waitlisted"]
    assert [answer.body.get("waitlistPosition") for answer in answers] == [None, 1, 2]


def test_full_without_waiting_list(pipeline: Pipeline) -> None:
    """Without a waiting list a full event is a 409 event-full, and the record of it says so."""
    pipeline.add_event("e", 0)
    answer = pipeline.register("e", pipeline.add_user("ann"))
    assert (answer.status, answer.code) == (409, "event-full")
    record = pipeline.read("e", "ann")
    assert (record.status, record.body["status"], record.body["code"]) == (200, "rejected", "event-full")


def test_full_with_full_waiting_list(pipeline: Pipeline) -> None:
    """When the waiting list is full too it is a 409 waitlist-full."""
    pipeline.add_event("e", 1, hasWaitlist=True, waitlistCapacity=1)
    *_, answer = pipeline.fill("e", "ann", "bob", "cid")
    assert (answer.status, answer.code) == (409, "waitlist-full")
    assert pipeline.request("GET", "/events/e").body["waitlistLength"] == 1


@pytest.mark.parametrize("status", ["closed", "cancelled"])
def test_closed(pipeline: Pipeline, status: str) -> None:
    """Nobody joins an event that is closed or cancelled, whatever seats it has."""
    pipeline.add_event("e", 5, status=status)
    answer = pipeline.register("e", pipeline.add_user("ann"))
    assert (answer.status, answer.code) == (409, "registration-closed")


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


@pytest.mark.parametrize("prefer", ["respond-async", "wait=0"])
def test_not_waited_for(pipeline: Pipeline, prefer: str) -> None:
    """Who will not wait gets a 202 with a Location that reads pending at once, and later the outcome."""
    pipeline.add_event("e", 1)
    answer = pipeline.register("e", pipeline.add_user("ann"), Prefer=prefer)
    assert (answer.status, answer.body["status"]) == (202, "pending")
    assert answer.headers["Location"] == f"{BASE_URL}/events/e/registrations/ann"
    assert (answer.headers["Retry-After"], answer.headers["Preference-Applied"]) == ("1", prefer)
    assert (pipeline.read("e", "ann").status, pipeline.read("e", "ann").body) == (200, answer.body)
    pipeline.run()
    assert pipeline.read("e", "ann").body["status"] == "confirmed"


def test_rejected_after_202(pipeline: Pipeline) -> None:
    """Who was promised an answer and is rejected reads it at the Location: 200, `rejected`, with the code."""
    pipeline.add_event("e", 0)
    promise = pipeline.register("e", pipeline.add_user("ann"), Prefer="respond-async")
    path = promise.headers["Location"].removeprefix(BASE_URL)
    assert pipeline.request("GET", path).body["status"] == "pending"
    pipeline.run()
    record = pipeline.request("GET", path)
    assert (record.status, record.body["status"], record.body["code"]) == (200, "rejected", "event-full")


def test_worker_is_away(pipeline: Pipeline) -> None:
    """Without a preference the answer comes in under 2 s, a 202 if nobody has decided by then."""
    pipeline.add_event("e", 1), pipeline.add_user("ann")
    pipeline.time.on_sleep.clear()
    begun = pipeline.time.now
    answer = pipeline.register("e", "ann")
    assert (answer.status, answer.body["status"]) == (202, "pending")
    assert 1_000_000 < pipeline.time.now - begun < 2_000_000
    assert "Preference-Applied" not in answer.headers


def test_longer_wait(pipeline: Pipeline) -> None:
    """`Prefer: wait=N` waits for up to N seconds, and says so."""
    pipeline.add_event("e", 1), pipeline.add_user("ann")
    due = pipeline.time.now + 7_000_000
    pipeline.time.on_sleep[:] = [lambda: pipeline.run() if pipeline.time.now >= due else None]
    answer = pipeline.register("e", "ann", Prefer="wait=9")
    assert (answer.status, answer.headers["Preference-Applied"]) == (201, "wait=9")


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


def test_worker_is_faster_than_pending(pipeline: Pipeline, taps: Taps) -> None:
    """If the outcome comes between the last look and the pending write, the outcome is what stays and is answered."""
    pipeline.add_event("e", 1, hasWaitlist=True)
    for user_id, status in (("ann", "confirmed"), ("bob", "waitlisted")):
        pipeline.add_user(user_id)
        taps.before("dynamodb.PutItem", lambda _: pipeline.run())
        answer = pipeline.register("e", user_id, Prefer="respond-async")
        assert (answer.status, answer.body["status"]) == (201, status)
        assert pipeline.read("e", user_id).body == answer.body


def test_worker_rejects_before_pending(pipeline: Pipeline, taps: Taps) -> None:
    """A rejection is not written over by pending either."""
    pipeline.add_event("e", 0), pipeline.add_user("ann")
    taps.before("dynamodb.PutItem", lambda _: pipeline.run())
    answer = pipeline.register("e", "ann", Prefer="respond-async")
    assert (answer.status, answer.code) == (409, "event-full")
    assert pipeline.read("e", "ann").body["status"] == "rejected"


def test_live_position(pipeline: Pipeline) -> None:
    """The place in the line is that of the moment of reading: it moves up when somebody ahead leaves."""
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
    """A waiter who is read together with a ledger from before she joined is read again, for her place in the line."""
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


def test_coming_back_before_the_cancellation(pipeline: Pipeline) -> None:
    """Who registers again while both the first attempt and its cancellation are queued has a place in the end."""
    pipeline.add_event("e", 1)
    pipeline.add_user("ann")
    pipeline.time.on_sleep.clear()
    assert (pipeline.register("e", "ann").status, pipeline.cancel("e", "ann").status) == (202, 202)
    pipeline.time.on_sleep.append(pipeline.run)
    again = pipeline.register("e", "ann")
    assert (again.status, again.body["status"]) == (201, "confirmed")
    assert pipeline.standing("e", "ann") == ("confirmed", 2)


@pytest.mark.parametrize("prefer", ["respond-async", "wait=10"])
def test_coming_back_behind_the_cancellation(pipeline: Pipeline, prefer: str) -> None:
    """A registration that is accepted after a cancellation is not swallowed by it, whether it is waited for or not."""
    pipeline.add_event("e", 1)
    pipeline.add_user("ann")
    pipeline.time.on_sleep.clear()
    assert (pipeline.register("e", "ann").status, pipeline.cancel("e", "ann").status) == (202, 202)
    assert pipeline.register("e", "ann", Prefer=prefer).status == 202
    pipeline.run()
    record = pipeline.stored("e", "ann")
    assert (str(record.status), record.generation, record.cancelling) == ("confirmed", 2, False)
