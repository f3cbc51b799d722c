"""`DELETE /events/{eventId}/registrations/{userId}`, also of what is still pending."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Taps
from tests.support.pipeline import Pipeline


def test_confirmed(pipeline: Pipeline) -> None:
    """Cancelling a confirmed registration is a 204 without a body, and the head of the waiting list gets the seat."""
    pipeline.add_event("e", 1, hasWaitlist=True)
    pipeline.fill("e", "ann", "bob", "cid")
    answer = pipeline.cancel("e", "ann")
    assert (answer.status, answer.body) == (204, None)
    statuses = [pipeline.read("e", user_id).body["status"] for user_id in ("ann", "bob", "cid")]
    assert statuses == ["cancelled", "confirmed", "waitlisted"]


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


@pytest.mark.parametrize("capacity", [0, 1])
def test_cancelled_before_the_answer(pipeline: Pipeline, capacity: int) -> None:
    """If another request cancels a registration before its POST is answered, the POST is a 409 that says so: 201 means
    a seat or a place. The next POST is a new attempt."""
    pipeline.add_event("e", capacity, hasWaitlist=True), pipeline.add_user("ann")

    def leave() -> None:
        pipeline.run()
        pipeline.cancel("e", "ann")

    pipeline.time.at_next_sleep(leave)
    answer = pipeline.register("e", "ann")
    assert (answer.status, answer.code) == (409, "registration-cancelled")
    assert answer.body["registration"].endswith("/events/e/registrations/ann")
    assert pipeline.register("e", "ann").status == 201


def test_back_before_the_answer(pipeline: Pipeline) -> None:
    """If the user registers again before the first poll, the cancellation is a 204 without delay."""
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


LATER = {"Prefer": "respond-async"}


def test_back_and_gone_again(undecided: Pipeline) -> None:
    """POST, DELETE, POST, DELETE before any decision, and after a vain wait: the last one counts."""
    assert undecided.cancel("e", "ann").status == 202
    assert undecided.register("e", "ann").status == 202
    assert undecided.standing("e", "ann") == ("pending", 2)
    assert undecided.cancel("e", "ann", **LATER).status == 202
    undecided.run()
    assert undecided.standing("e", "ann") == ("cancelled", 2)


def test_a_mark_that_meets_a_conflict(undecided: Pipeline, taps: Taps) -> None:
    """The mark of a cancellation is written again, so that who comes back then is heard."""
    taps.fail("dynamodb.PutItem", "TransactionConflictException", times=2)
    assert undecided.cancel("e", "ann", **LATER).status == 202
    assert undecided.register("e", "ann", **LATER).status == 202
    undecided.run()
    assert undecided.standing("e", "ann") == ("confirmed", 2)


def test_a_mark_that_cannot_be_written(undecided: Pipeline, taps: Taps) -> None:
    """A 202 would be a promise that a POST after it could not keep: it is a 503, and what was sent stays sent."""
    taps.fail("dynamodb.PutItem", "ThrottlingException")
    assert undecided.cancel("e", "ann", **LATER).status == 503
    taps.fail("dynamodb.PutItem", "TransactionConflictException", times=12)
    assert undecided.cancel("e", "ann", **LATER).status == 503
    assert undecided.cancel("e", "ann", **LATER).status == 202
    undecided.run()
    assert undecided.standing("e", "ann") == ("cancelled", 1)


def test_a_mark_that_comes_too_late(undecided: Pipeline, taps: Taps) -> None:
    """Decided between the sending and the mark: nothing is left to be marked."""
    taps.before("dynamodb.PutItem", lambda _: undecided.run())
    assert undecided.cancel("e", "ann", **LATER).status == 204
    assert undecided.standing("e", "ann") == ("cancelled", 1)


def test_a_promise_over_a_mark(undecided: Pipeline, taps: Taps) -> None:
    """A second POST saves the next attempt even if a second DELETE is saved at the same moment."""
    undecided.cancel("e", "ann", **LATER)
    again: list[Any] = []
    taps.before("dynamodb.PutItem", lambda _: again.append(undecided.cancel("e", "ann", **LATER)))
    assert undecided.register("e", "ann", **LATER).status == 202
    assert ([answer.status for answer in again], undecided.standing("e", "ann")) == ([202], ("pending", 2))


@pytest.mark.parametrize("first", [{}, {"Idempotency-Key": "k"}])
def test_retry_with_a_key(undecided: Pipeline, first: dict[str, str]) -> None:
    """The key of a first and of a second DELETE is saved; with it nothing cancels the attempt that followed."""
    assert undecided.cancel("e", "ann", **LATER, **first).status == 202
    twice = undecided.cancel("e", "ann", **LATER, Idempotency_Key="k")
    assert (twice.status, "Idempotent-Replayed" in twice.headers) == (202, bool(first))
    undecided.register("e", "ann", **LATER)
    assert undecided.cancel("e", "ann", **LATER, Idempotency_Key="k").status == 204
    undecided.run()
    assert undecided.standing("e", "ann") == ("confirmed", 2)
