"""`POST /events/{eventId}/registrations`, and reading its outcome."""

from __future__ import annotations

import pytest

from tests.api.conftest import Taps
from tests.support.pipeline import BASE_URL, Answer, Pipeline
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
    """Without a wait the answer is a 202 whose Location shows pending at once, and the outcome later."""
    pipeline.add_event("e", 1)
    answer = pipeline.register("e", pipeline.add_user("ann"), Prefer=prefer)
    assert (answer.status, answer.body["status"]) == (202, "pending")
    assert answer.headers["Location"] == f"{BASE_URL}/events/e/registrations/ann"
    assert (answer.headers["Retry-After"], answer.headers["Preference-Applied"]) == ("1", prefer)
    assert (pipeline.read("e", "ann").status, pipeline.read("e", "ann").body) == (200, answer.body)
    pipeline.run()
    assert pipeline.read("e", "ann").body["status"] == "confirmed"


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
    """A decision between the last poll and the write of pending stays, and is the answer."""
    pipeline.add_event("e", 1, hasWaitlist=True)
    for user_id, status in (("ann", "confirmed"), ("bob", "waitlisted")):
        pipeline.add_user(user_id)
        taps.before("dynamodb.PutItem", lambda _: pipeline.run())
        answer = pipeline.register("e", user_id, Prefer="respond-async")
        assert (answer.status, answer.body["status"]) == (201, status)
        assert pipeline.read("e", user_id).body == answer.body


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


def test_two_at_the_same_instant(pipeline: Pipeline) -> None:
    """Of two registrations at the same instant each gets the 201, and one seat is taken."""
    pipeline.add_event("e", 2), pipeline.add_user("ann")
    second: list[Answer] = []
    pipeline.time.at_next_sleep(lambda: second.append(pipeline.register("e", "ann")))
    first = pipeline.register("e", "ann")
    assert [answer.status for answer in (first, *second)] == [201, 201]
    assert first.body == second[0].body
    assert pipeline.ledger("e").confirmed == 1


def test_coming_back_after_cancelling(pipeline: Pipeline) -> None:
    """After a cancellation registering again is the next attempt, at the end of the waiting list."""
    pipeline.add_event("e", 1, hasWaitlist=True)
    first, *_ = pipeline.fill("e", "ann", "bob", "cid")
    assert pipeline.cancel("e", "ann").status == 204
    back = pipeline.register("e", "ann")
    assert (back.status, back.body["status"], back.body["waitlistPosition"]) == (201, "waitlisted", 2)
    assert back.body["registrationId"] == first.body["registrationId"]
    assert back.body["registeredAt"] > first.body["registeredAt"]
    assert pipeline.standing("e", "ann") == ("waitlisted", 2)


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
        answer = full.register("e", "cid")
        assert (answer.status, answer.code) == (409, "waitlist-full")
    assert calls == ["BatchGetItem"] * 3
    assert full.record("e", "cid") is None


def test_room_is_never_denied(full: Pipeline) -> None:
    """A seat that is free for a waiter counts as room on the waiting list."""
    full.time.on_sleep.clear()
    full.cancel("e", "ann", Prefer="respond-async")
    full.deliver()  # the seat is free, and nobody has been promoted yet
    assert full.ledger("e").promotable
    full.time.on_sleep.append(full.run)
    answer = full.register("e", "cid")
    assert (answer.status, answer.body["status"], answer.body["waitlistPosition"]) == (201, "waitlisted", 1)


def test_the_first_command_of_an_event_goes_through_the_queue(pipeline: Pipeline, taps: Taps) -> None:
    """Without a ledger the API refuses nobody: the registrar creates it, and decides."""
    pipeline.add_event("e", 0)
    calls = taps.calls()
    assert pipeline.register("e", pipeline.add_user("ann")).code == "event-full"
    assert calls.count("SendMessage") == 1


def test_the_preference_is_confirmed(full: Pipeline) -> None:
    """`Preference-Applied` is in a refusal, too."""
    answer = full.register("e", "cid", Prefer="respond-async")
    assert (answer.status, answer.headers["Preference-Applied"]) == (409, "respond-async")
