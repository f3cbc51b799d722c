"""`Idempotency-Key`: a retry answers with the registration as it stands now, and changes nothing."""

from __future__ import annotations

from tests.api.conftest import Taps
from tests.support.pipeline import Answer, Pipeline
from workers.domain.records import MAX_KEYS


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


def test_key_belongs_to_one_registration(pipeline: Pipeline) -> None:
    """The same key of another user, at another event, or on the other method, replays nothing."""
    pipeline.add_event("e", 5), pipeline.add_event("f", 5)
    pipeline.add_user("ann"), pipeline.add_user("bob")
    first = [pipeline.register(*of, Idempotency_Key="k") for of in (("e", "ann"), ("e", "bob"), ("f", "ann"))]
    answers = [*first, pipeline.cancel("e", "ann", Idempotency_Key="k")]
    assert [answer.status for answer in answers] == [201, 201, 201, 204]
    assert not any("Idempotent-Replayed" in answer.headers for answer in answers)
    assert pipeline.register("e", "ann", Idempotency_Key="k").headers["Idempotent-Replayed"] == "true"


def test_quoted_or_bare(pipeline: Pipeline) -> None:
    """A key is the same quoted or bare."""
    pipeline.add_user("ann")
    for number, (first, second) in enumerate((('"abc"', "abc"), ("abc", ' "abc" '), ("a b", '"a b"'), ('"', '"'))):
        event_id = pipeline.add_event(f"e{number}", 1)
        pipeline.register(event_id, "ann", Idempotency_Key=first)
        assert pipeline.register(event_id, "ann", Idempotency_Key=second).headers.get("Idempotent-Replayed") == "true"


LATER = {"Prefer": "respond-async"}


def post(pipeline: Pipeline, key: str, **headers: str) -> Answer:
    """Ann registers."""
    return pipeline.register("e", "ann", Idempotency_Key=key, **headers)


def delete(pipeline: Pipeline, key: str, **headers: str) -> Answer:
    """Ann cancels."""
    return pipeline.cancel("e", "ann", Idempotency_Key=key, **headers)


def test_eight_of_each_are_remembered(pipeline: Pipeline) -> None:
    """The promise has an end: who has come and gone eight times since may come anew with the key of the first time."""
    pipeline.add_event("e", 1), pipeline.add_user("ann")
    for number in range(MAX_KEYS + 1):
        post(pipeline, f"p{number}"), delete(pipeline, f"d{number}")
    assert post(pipeline, "p1").headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in post(pipeline, "p0").headers
    assert pipeline.standing("e", "ann") == ("confirmed", MAX_KEYS + 2)
    assert delete(pipeline, "d1").headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in delete(pipeline, "d0").headers
    assert pipeline.standing("e", "ann") == ("cancelled", MAX_KEYS + 2)


def test_posts_while_it_is_pending(undecided: Pipeline, taps: Taps) -> None:
    """The key of every POST that meets a pending registration is kept, not that of the first alone."""
    assert [post(undecided, key, **LATER).status for key in ("p1", "p2")] == [202, 202]
    undecided.run()
    undecided.cancel("e", "ann", **LATER)
    undecided.run()
    taps.fail("sqs.SendMessage", "NobodyMaySend", times=2)
    for key in ("p1", "p2"):
        again = post(undecided, key)
        assert (again.status, again.body["status"], again.headers["Idempotent-Replayed"]) == (201, "cancelled", "true")


def test_deletes_while_it_is_pending(undecided: Pipeline, taps: Taps) -> None:
    """The key of every DELETE of a pending registration is kept."""
    assert [delete(undecided, key, **LATER).status for key in ("d1", "d2")] == [202, 202]
    undecided.run()
    undecided.time.on_sleep.append(undecided.run)
    assert post(undecided, "p1").status == 201
    taps.fail("sqs.SendMessage", "NobodyMaySend", times=2)
    for key in ("d1", "d2"):
        assert delete(undecided, key).headers["Idempotent-Replayed"] == "true"
    assert undecided.standing("e", "ann") == ("confirmed", 2)


def test_two_at_the_same_instant_without_waiting(pipeline: Pipeline, taps: Taps) -> None:
    """Of two POSTs that find nothing and do not wait both keys are kept: the second one's beside the first one's."""
    pipeline.add_event("e", 2), pipeline.add_user("ann")
    second: list[Answer] = []
    taps.before("dynamodb.PutItem", lambda _: second.append(post(pipeline, "p2", **LATER)))
    first = post(pipeline, "p1", **LATER)
    assert (first.status, second[0].status, first.body == second[0].body) == (202, 202, True)
    taps.fail("sqs.SendMessage", "NobodyMaySend", times=2)
    for key in ("p1", "p2"):
        assert post(pipeline, key, **LATER).headers["Idempotent-Replayed"] == "true"


def test_a_key_that_meets_conflicts(undecided: Pipeline, taps: Taps) -> None:
    """The key of a POST to a pending registration is saved despite conflicts, up to a limit of attempts."""
    taps.fail("dynamodb.PutItem", "ConditionalCheckFailedException", times=11)
    assert post(undecided, "p1", **LATER).status == 202
    assert post(undecided, "p1", **LATER).headers["Idempotent-Replayed"] == "true"
    taps.fail("dynamodb.PutItem", "ConditionalCheckFailedException", times=100)
    assert post(undecided, "p2", **LATER).status == 202
    assert delete(undecided, "d1", **LATER).status == 503, "that it is to be cancelled has to be written"
    taps.remove()
    assert "Idempotent-Replayed" not in post(undecided, "p2", **LATER).headers
    assert delete(undecided, "d1", **LATER).status == 202
    taps.fail("dynamodb.PutItem", "ConditionalCheckFailedException", times=100)
    assert delete(undecided, "d2", **LATER).status == 202


def test_decided_while_the_key_is_saved(undecided: Pipeline, taps: Taps) -> None:
    """If the registrar is faster, its decision stays and is the answer, with the position."""
    undecided.add_event("f", 0, hasWaitlist=True)
    for user_id, place in (("ann", 1), ("bob", 2)):
        undecided.register("f", undecided.add_user(user_id), **LATER)
        taps.before("dynamodb.PutItem", lambda _: undecided.run())
        answer = undecided.register("f", user_id, Idempotency_Key="k", **LATER)
        shown = (answer.status, answer.body["status"], answer.body["waitlistPosition"])
        assert shown == (201, "waitlisted", place)


def test_a_post_that_is_decided_while_it_waits(undecided: Pipeline) -> None:
    """The key of a POST that meets a pending registration is kept also if the decision comes before the answer."""
    undecided.time.on_sleep.append(undecided.run)
    assert post(undecided, "p1").status == 201
    assert post(undecided, "p1").headers["Idempotent-Replayed"] == "true"
