"""A registration that is pending for a quarter of an hour may be lost: the next POST sends it again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.conftest import Taps
from tests.support.pipeline import Answer, Pipeline

MINUTE = 60_000_000


class Waiting:
    """Ann is pending, nobody decides anything, and time goes on."""

    def __init__(self, pipeline: Pipeline, taps: Taps) -> None:
        self.pipeline = pipeline
        self.sent: list[Any] = []
        pipeline.add_event("e", 1), pipeline.add_user("ann")
        pipeline.time.on_sleep.clear()
        assert self.post(Idempotency_Key="k1").status == 202
        taps.before("sqs.SendMessage", self.sent.append, times=100)

    def post(self, **headers: str) -> Answer:
        """Ann registers, and waits for nothing."""
        return self.pipeline.register("e", "ann", Prefer="respond-async", **headers)

    def after(self, minutes: int, **headers: str) -> tuple[int, int]:
        """The status of a POST so many minutes later, and how many commands it has sent."""
        self.pipeline.time.now += minutes * MINUTE
        self.sent.clear()
        return self.post(**headers).status, len(self.sent)


@pytest.fixture
def waiting(pipeline: Pipeline, taps: Taps) -> Waiting:
    """Ann's registration, just accepted."""
    return Waiting(pipeline, taps)


def test_it_stays_the_same_registration(waiting: Waiting) -> None:
    """The resent attempt is the same one, with the time of the first request."""
    path = "/events/e/registrations/ann"
    before = waiting.pipeline.request("GET", path).body
    assert waiting.after(15) == (202, 1)
    assert waiting.pipeline.request("GET", path).body == before
    waiting.pipeline.run()
    record = waiting.pipeline.stored("e", "ann")
    assert (str(record.status), record.generation, record.resent_at) == ("confirmed", 1, None)


@pytest.mark.parametrize("fault", ["ThrottlingException", "TransactionConflictException"])
def test_a_note_that_cannot_be_written(waiting: Waiting, taps: Taps, fault: str) -> None:
    """If the time of sending again cannot be saved, there is no error, and the next POST sends it once more."""
    taps.fail("dynamodb.PutItem", fault, times=100)
    assert waiting.after(15) == (202, 1)
    taps.remove()
    taps.before("sqs.SendMessage", waiting.sent.append, times=100)
    assert waiting.after(0) == (202, 1)
    assert waiting.after(0) == (202, 0)


def test_it_is_sent_before_it_is_noted(waiting: Waiting, taps: Taps) -> None:
    """A request that the queue does not take is not noted as sent: the next POST sends it."""
    taps.fail("sqs.SendMessage", "RequestThrottled")
    assert waiting.after(15)[0] == 503
    assert waiting.after(0) == (202, 1)


def test_decided_while_it_is_noted(waiting: Waiting, taps: Taps) -> None:
    """If the registrar is faster, its decision stays and is the answer."""
    taps.before("dynamodb.PutItem", lambda _: waiting.pipeline.run())
    waiting.pipeline.time.now += 15 * MINUTE
    answer = waiting.pipeline.register("e", "ann")
    assert (answer.status, answer.body["status"]) == (201, "confirmed")


def test_two_find_it_lost_at_once(waiting: Waiting, taps: Taps) -> None:
    """Of two POSTs that both find it lost each may send it; it is noted, and the next one sends nothing."""
    second: list[int] = []
    taps.before("dynamodb.PutItem", lambda _: second.append(waiting.post().status))
    assert waiting.after(15) == (202, 2)
    assert (second, waiting.after(1)) == ([202], (202, 0))


@pytest.mark.parametrize("key", [{}, {"Idempotency_Key": "k"}])
def test_what_is_sent_again_is_decided(pipeline: Pipeline, taps: Taps, key: dict[str, str]) -> None:
    """A lost request is sent again after a quarter of an hour and decided as the same attempt, with its key too."""
    pipeline.add_event("e", 1)
    pipeline.register("e", pipeline.add_user("ann"), Prefer="respond-async", **key)
    pipeline.delete(*pipeline.receive())
    pipeline.time.now += 14 * MINUTE
    assert pipeline.register("e", "ann", **key).status == 202
    pipeline.time.now += MINUTE
    sent: list[str] = []

    def unlike_before(request: dict[str, Any]) -> None:
        # The mocked queue goes by the clock on the wall: it would take this for a repetition.
        body = json.loads(request["body"])
        sent.append(body["MessageBody"])
        request["body"] = json.dumps(body | {"MessageDeduplicationId": "another"}).encode()

    taps.before("sqs.SendMessage", unlike_before)
    answer = pipeline.register("e", "ann", **key)
    assert (answer.status, len(sent), "Idempotent-Replayed" in answer.headers) == (201, 1, False)
    assert pipeline.standing("e", "ann") == ("confirmed", 1)
