"""Registering twice: at the same instant, and anew after a cancellation or a rejection."""

from __future__ import annotations

from tests.api.conftest import Taps
from tests.support.pipeline import Answer, Pipeline


def test_two_at_the_same_instant(pipeline: Pipeline) -> None:
    """Of two registrations at the same instant each gets the 201, and one seat is taken."""
    pipeline.add_event("e", 2), pipeline.add_user("ann")
    second: list[Answer] = []
    pipeline.time.at_next_sleep(lambda: second.append(pipeline.register("e", "ann")))
    first = pipeline.register("e", "ann")
    assert [answer.status for answer in (first, *second)] == [201, 201]
    assert first.body == second[0].body
    assert pipeline.ledger("e").confirmed == 1


def test_two_at_the_same_instant_without_waiting(pipeline: Pipeline, taps: Taps) -> None:
    """Of two that do not wait both get the same 202."""
    pipeline.add_event("e", 2), pipeline.add_user("ann")
    second: list[Answer] = []
    taps.before("dynamodb.PutItem", lambda _: second.append(pipeline.register("e", "ann", Prefer="respond-async")))
    first = pipeline.register("e", "ann", Prefer="respond-async")
    assert (first.status, second[0].status) == (202, 202)
    assert first.body == second[0].body
    pipeline.run()
    assert pipeline.ledger("e").confirmed == 1


def test_coming_back_after_cancelling(pipeline: Pipeline) -> None:
    """Who cancelled can register anew, at the end of the line, as the next attempt of the same registration."""
    pipeline.add_event("e", 1, hasWaitlist=True)
    first, *_ = pipeline.fill("e", "ann", "bob", "cid")
    assert pipeline.cancel("e", "ann").status == 204
    back = pipeline.register("e", "ann")
    assert (back.status, back.body["status"], back.body["waitlistPosition"]) == (201, "waitlisted", 2)
    assert back.body["registrationId"] == first.body["registrationId"]
    assert back.body["registeredAt"] > first.body["registeredAt"]
    assert pipeline.standing("e", "ann") == ("waitlisted", 2)


def test_coming_back_after_rejection(pipeline: Pipeline) -> None:
    """Who was rejected can try again, is rejected again while nothing changed, and seated when something did."""
    pipeline.add_event("e", 1)
    pipeline.register("e", pipeline.add_user("ann"))
    pipeline.add_user("bob")
    assert [pipeline.register("e", "bob").code for _ in range(2)] == ["event-full", "event-full"]
    pipeline.cancel("e", "ann")
    assert pipeline.register("e", "bob").body["status"] == "confirmed"
    assert "code" not in pipeline.read("e", "bob").body


def test_coming_back_without_waiting(pipeline: Pipeline) -> None:
    """Coming back without waiting for it reads pending until it is decided."""
    pipeline.add_event("e", 1)
    pipeline.register("e", pipeline.add_user("ann"))
    pipeline.cancel("e", "ann")
    assert pipeline.register("e", "ann", Prefer="respond-async").body["status"] == "pending"
    assert pipeline.read("e", "ann").body["status"] == "pending"
    pipeline.run()
    assert pipeline.read("e", "ann").body["status"] == "confirmed"


def test_coming_back_to_a_slow_worker(pipeline: Pipeline) -> None:
    """While nobody has decided the new attempt, what became of the one before is no answer to it."""
    pipeline.add_event("e", 1)
    pipeline.register("e", pipeline.add_user("ann"))
    pipeline.cancel("e", "ann")
    due = pipeline.time.now + 500_000
    pipeline.time.on_sleep[:] = [lambda: pipeline.run() if pipeline.time.now >= due else None]
    back = pipeline.register("e", "ann")
    assert (back.status, back.body["status"]) == (201, "confirmed")
