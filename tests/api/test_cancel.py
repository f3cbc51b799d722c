"""`DELETE /events/{eventId}/registrations/{userId}`."""

from __future__ import annotations

from tests.api.conftest import Taps
from tests.support.pipeline import BASE_URL, Pipeline


def test_confirmed(pipeline: Pipeline) -> None:
    """Cancelling a confirmed registration is a 204 without a body, and the first in line has the seat."""
    pipeline.add_event("e", 1, hasWaitlist=True)
    pipeline.fill("e", "ann", "bob", "cid")
    answer = pipeline.cancel("e", "ann")
    assert (answer.status, answer.body) == (204, None)
    statuses = [pipeline.read("e", user_id).body["status"] for user_id in ("ann", "bob", "cid")]
    assert statuses == ["cancelled", "confirmed", "waitlisted"]


def test_waiting(pipeline: Pipeline) -> None:
    """Cancelling in the line takes away that place only; those ahead and behind keep their order."""
    pipeline.add_event("e", 1, hasWaitlist=True)
    pipeline.fill("e", "ann", "bob", "cid", "dan")
    assert pipeline.cancel("e", "cid").status == 204
    entries = pipeline.request("GET", "/events/e/registrations", status="waitlisted").body["registrations"]
    assert [(entry["userId"], entry["waitlistPosition"]) for entry in entries] == [("bob", 1), ("dan", 2)]
    assert pipeline.read("e", "ann").body["status"] == "confirmed"


def test_pending(pipeline: Pipeline) -> None:
    """A pending registration can be cancelled; if its Register comes after all, it finds the fence and seats nobody."""
    pipeline.add_event("e", 1)
    pipeline.register("e", pipeline.add_user("ann"), Prefer="respond-async")
    [late] = pipeline.receive()
    pipeline.delete(late)
    assert pipeline.cancel("e", "ann").status == 204
    assert pipeline.read("e", "ann").body["status"] == "cancelled"
    assert pipeline.registrar.handle({"Records": [late]}) == {"batchItemFailures": []}
    assert pipeline.read("e", "ann").body["status"] == "cancelled"
    assert pipeline.ledger("e").confirmed == 0


def test_pending_in_its_turn(pipeline: Pipeline) -> None:
    """A Cancel behind its own Register in the queue cancels what that has come to."""
    pipeline.add_event("e", 1)
    pipeline.register("e", pipeline.add_user("ann"), Prefer="respond-async")
    assert pipeline.cancel("e", "ann").status == 204
    assert pipeline.ledger("e").confirmed == 0
    assert pipeline.read("e", "ann").body["status"] == "cancelled"


def test_nothing_to_cancel(pipeline: Pipeline) -> None:
    """Cancelling what never was, what is cancelled already or what was rejected is a 404, and asks nothing."""
    pipeline.add_event("e", 1), pipeline.add_event("full", 0)
    pipeline.register("e", pipeline.add_user("ann"))
    pipeline.cancel("e", "ann")
    pipeline.register("full", "ann")
    for event_id, user_id in (("e", "ann"), ("full", "ann"), ("e", "bob"), ("nothing", "ann"), ("e", "x" * 2000)):
        answer = pipeline.cancel(event_id, user_id)
        assert (answer.status, answer.code) == (404, "not-registered")
    assert pipeline.receive() == []


def test_still_queued(pipeline: Pipeline) -> None:
    """A cancellation that is not waited for is a 202 that shows the registration as it still is."""
    pipeline.add_event("e", 1)
    pipeline.register("e", pipeline.add_user("ann"))
    answer = pipeline.cancel("e", "ann", Prefer="respond-async")
    assert (answer.status, answer.body["status"]) == (202, "confirmed")
    assert answer.headers["Location"] == f"{BASE_URL}/events/e/registrations/ann"
    assert (answer.headers["Retry-After"], answer.headers["Preference-Applied"]) == ("1", "respond-async")
    again = pipeline.cancel("e", "ann")
    assert again.status == 204
    assert pipeline.ledger("e").version == 2


def test_worker_is_away(pipeline: Pipeline) -> None:
    """The answer to a cancellation comes in under 2 s, even if nobody decides it."""
    pipeline.add_event("e", 1)
    pipeline.register("e", pipeline.add_user("ann"))
    pipeline.time.on_sleep.clear()
    begun = pipeline.time.now
    assert pipeline.cancel("e", "ann").status == 202
    assert pipeline.time.now - begun < 2_000_000


def test_back_before_the_answer(pipeline: Pipeline) -> None:
    """A cancellation whose user is back before it looks is a 204 all the same, without delay: that attempt is gone."""
    pipeline.add_event("e", 1)
    pipeline.register("e", pipeline.add_user("ann"))

    def back() -> None:
        pipeline.run()
        pipeline.register("e", "ann")

    pipeline.time.at_next_sleep(back)
    begun = pipeline.time.now
    answer = pipeline.cancel("e", "ann", Prefer="wait=3")
    assert (answer.status, answer.headers["Preference-Applied"]) == (204, "wait=3")
    assert pipeline.time.now - begun < 1_000_000
    assert pipeline.read("e", "ann").body["status"] == "confirmed"


def test_redelivered_cancel_and_register(pipeline: Pipeline) -> None:
    """A batch of [Cancel, Register again] that is delivered twice leaves the new registration alone."""
    pipeline.add_event("e", 2)
    pipeline.register("e", pipeline.add_user("ann"))
    pipeline.time.on_sleep.clear()
    pipeline.cancel("e", "ann", Prefer="respond-async")
    batch = pipeline.receive()
    pipeline.registrar.handle({"Records": batch})
    pipeline.register("e", "ann", Prefer="respond-async")
    pipeline.delete(*batch)
    batch += pipeline.receive()
    assert len(batch) == 2
    assert pipeline.registrar.handle({"Records": batch}) == {"batchItemFailures": []}
    assert pipeline.read("e", "ann").body["status"] == "confirmed"
    record, ledger = pipeline.record("e", "ann"), pipeline.ledger("e")
    assert pipeline.registrar.handle({"Records": batch}) == {"batchItemFailures": []}
    assert (pipeline.record("e", "ann"), pipeline.ledger("e")) == (record, ledger)
    assert ledger.confirmed == 1


def test_decided_at_the_last_moment(pipeline: Pipeline, taps: Taps) -> None:
    """A cancellation that is decided just before the answer is written is a 204, not a 202 that says "cancelled"."""
    pipeline.add_event("e", 1)
    pipeline.register("e", pipeline.add_user("ann"))
    taps.before("dynamodb.BatchGetItem", lambda _: pipeline.run(), skip=1)  # the first reads what is to be cancelled
    assert pipeline.cancel("e", "ann", Prefer="respond-async").status == 204


def test_a_mark_goes_with_the_decision(pipeline: Pipeline) -> None:
    """A pending record is marked while its cancellation is queued, and no longer once it is decided."""
    pipeline.add_event("e", 1)
    pipeline.add_user("ann")
    pipeline.register("e", "ann", Prefer="respond-async")
    pipeline.sqs.purge_queue(QueueUrl=pipeline.queue)
    pipeline.cancel("e", "ann", Prefer="respond-async")
    marked = pipeline.stored("e", "ann")
    assert (marked.status, marked.cancelling) == ("pending", True)
    pipeline.run()
    decided = pipeline.stored("e", "ann")
    assert (decided.status, decided.cancelling) == ("cancelled", False)
