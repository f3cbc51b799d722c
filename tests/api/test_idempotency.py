"""`Idempotency-Key`: the same key on the same registration replays the outcome as it stands now, and asks nothing."""

from __future__ import annotations

import pytest

from tests.api.conftest import Taps
from tests.support.pipeline import Pipeline


def test_replay_of_201(pipeline: Pipeline, taps: Taps) -> None:
    """A repeated POST with its key is the same 201 again, marked as a replay."""
    pipeline.add_event("e", 1, hasWaitlist=True)
    for user_id in ("ann", "bob"):
        first = pipeline.register("e", pipeline.add_user(user_id), Idempotency_Key="key-1")
        assert "Idempotent-Replayed" not in first.headers
        taps.fail("sqs.SendMessage", "NobodyMaySend")
        replay = pipeline.register("e", user_id, Idempotency_Key="key-1")
        taps.remove()
        assert (replay.status, replay.body) == (201, first.body)
        assert replay.headers == first.headers | {"Idempotent-Replayed": "true"}


def test_replay_of_202(pipeline: Pipeline, taps: Taps) -> None:
    """While it is pending the replay waits as it is asked to, then is a 202; once it is decided, it is the outcome."""
    pipeline.add_event("e", 1)
    pipeline.register("e", pipeline.add_user("ann"), Idempotency_Key="k", Prefer="respond-async")
    taps.fail("sqs.SendMessage", "NobodyMaySend")
    replay = pipeline.register("e", "ann", Idempotency_Key="k", Prefer="respond-async")
    assert (replay.status, replay.headers["Idempotent-Replayed"]) == (202, "true")
    assert {"Location", "Retry-After"} <= set(replay.headers)
    replay = pipeline.register("e", "ann", Idempotency_Key="k", Prefer="wait=10")
    assert replay.headers["Preference-Applied"] == "wait=10"
    assert (replay.status, replay.body["status"], replay.headers["Idempotent-Replayed"]) == (201, "confirmed", "true")
    replay = pipeline.register("e", "ann", Idempotency_Key="k")
    assert (replay.status, replay.body["status"], replay.headers["Idempotent-Replayed"]) == (201, "confirmed", "true")


def test_replay_of_409(pipeline: Pipeline, taps: Taps) -> None:
    """A refusal out of the queue is replayed too, even if there is a seat by now; a new key tries anew."""
    pipeline.add_event("e", 1)
    pipeline.register("e", pipeline.add_user("ann"), Prefer="respond-async")
    first = pipeline.register("e", pipeline.add_user("bob"), Idempotency_Key="k")
    pipeline.cancel("e", "ann")
    taps.fail("sqs.SendMessage", "NobodyMaySend")
    replay = pipeline.register("e", "bob", Idempotency_Key="k")
    taps.remove()
    assert (first.status, replay.status, replay.body) == (409, 409, first.body)
    assert replay.headers["Idempotent-Replayed"] == "true"
    assert pipeline.register("e", "bob", Idempotency_Key="k2").status == 201


def test_a_refusal_at_the_door_is_not_remembered(pipeline: Pipeline) -> None:
    """Who was refused from the ledger alone was never in the queue: the same key is a first attempt again."""
    pipeline.add_event("e", 1)
    pipeline.register("e", pipeline.add_user("ann"))
    assert pipeline.register("e", pipeline.add_user("bob"), Idempotency_Key="k").code == "event-full"
    pipeline.cancel("e", "ann")
    again = pipeline.register("e", "bob", Idempotency_Key="k")
    assert (again.status, "Idempotent-Replayed" in again.headers) == (201, False)


def test_replay_after_cancelling(pipeline: Pipeline) -> None:
    """The replay of a registration that was cancelled since is a 201 that says so: a retry seats nobody again."""
    pipeline.add_event("e", 1)
    pipeline.register("e", pipeline.add_user("ann"), Idempotency_Key="k")
    pipeline.cancel("e", "ann")
    replay = pipeline.register("e", "ann", Idempotency_Key="k")
    assert (replay.status, replay.body["status"]) == (201, "cancelled")
    assert pipeline.ledger("e").confirmed == 0


def test_replay_of_204(pipeline: Pipeline, taps: Taps) -> None:
    """A repeated DELETE with its key is a 204 again, also when the user is back since, and cancels nothing more."""
    pipeline.add_event("e", 1)
    pipeline.register("e", pipeline.add_user("ann"), Idempotency_Key="post-1")
    assert pipeline.cancel("e", "ann", Idempotency_Key="k").status == 204
    taps.fail("sqs.SendMessage", "NobodyMaySend")
    replay = pipeline.cancel("e", "ann", Idempotency_Key="k")
    taps.remove()
    assert (replay.status, replay.headers["Idempotent-Replayed"]) == (204, "true")
    pipeline.register("e", "ann", Idempotency_Key="post-2")
    assert pipeline.cancel("e", "ann", Idempotency_Key="k").headers["Idempotent-Replayed"] == "true"
    assert pipeline.ledger("e").confirmed == 1
    assert pipeline.cancel("e", "ann", Idempotency_Key="k2").status == 204
    assert pipeline.ledger("e").confirmed == 0


def test_keys_of_post_and_delete_are_apart(pipeline: Pipeline) -> None:
    """The same key on POST and on DELETE means two things."""
    pipeline.add_event("e", 1)
    pipeline.register("e", pipeline.add_user("ann"), Idempotency_Key="k")
    cancelled = pipeline.cancel("e", "ann", Idempotency_Key="k")
    assert (cancelled.status, "Idempotent-Replayed" in cancelled.headers) == (204, False)
    assert pipeline.register("e", "ann", Idempotency_Key="k").headers["Idempotent-Replayed"] == "true"


def test_key_belongs_to_one_registration(pipeline: Pipeline) -> None:
    """The same key of another user, or at another event, replays nothing."""
    pipeline.add_event("e", 5), pipeline.add_event("f", 5)
    pipeline.add_user("ann"), pipeline.add_user("bob")
    for event_id, user_id in (("e", "ann"), ("e", "bob"), ("f", "ann")):
        answer = pipeline.register(event_id, user_id, Idempotency_Key="k")
        assert (answer.status, "Idempotent-Replayed" in answer.headers) == (201, False)


def test_key_is_kept_over_later_attempts(pipeline: Pipeline) -> None:
    """The latest POST key outlives later POSTs without one, pending ones included."""
    pipeline.add_event("e", 1)
    pipeline.register("e", pipeline.add_user("ann"), Idempotency_Key="k")
    pipeline.cancel("e", "ann")
    pipeline.register("e", "ann", Prefer="respond-async")
    assert pipeline.register("e", "ann", Idempotency_Key="k").headers["Idempotent-Replayed"] == "true"
    pipeline.run()
    assert pipeline.register("e", "ann", Idempotency_Key="k").body["status"] == "confirmed"


def test_quoted_or_bare(pipeline: Pipeline) -> None:
    """A key is the same quoted or bare."""
    pipeline.add_user("ann")
    for number, (first, second) in enumerate((('"abc"', "abc"), ("abc", ' "abc" '), ("a b", '"a b"'), ('"', '"'))):
        event_id = pipeline.add_event(f"e{number}", 1)
        pipeline.register(event_id, "ann", Idempotency_Key=first)
        assert pipeline.register(event_id, "ann", Idempotency_Key=second).headers.get("Idempotent-Replayed") == "true"


@pytest.mark.parametrize("key", ["", '""', "   ", "x" * 256, "kéy", "a\u0000b", '" a"'])
def test_no_key(shared: Pipeline, key: str) -> None:
    """What is no key is a 400 that names the header, on POST and on DELETE."""
    for answer in (
        shared.register("e", "ann", Idempotency_Key=key),
        shared.cancel("e", "ann", Idempotency_Key=key),
    ):
        assert (answer.status, answer.code) == (400, "invalid-request")
        assert answer.body["errors"][0]["pointer"] == "Idempotency-Key"


def test_longest_key(pipeline: Pipeline) -> None:
    """A key of 255 characters is one."""
    pipeline.add_event("e", 1)
    assert pipeline.register("e", pipeline.add_user("ann"), Idempotency_Key="x" * 255).status == 201
