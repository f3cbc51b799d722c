"""Register, cancel, register, cancel, faster than anybody decides: what was accepted last counts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Taps
from tests.support.pipeline import Pipeline

LATER = {"Prefer": "respond-async"}


@pytest.fixture
def undecided(pipeline: Pipeline) -> Pipeline:
    """Ann has asked to be registered, and nobody decides it before `run`."""
    pipeline.time.on_sleep.clear()
    pipeline.add_event("e", 1)
    assert pipeline.register("e", pipeline.add_user("ann"), **LATER).status == 202
    return pipeline


def conflicts(taps: Taps, times: int) -> None:
    """The registrar's transaction is in the way of the next writes."""
    taps.fail("dynamodb.PutItem", "TransactionConflictException", times=times)


def test_back_and_gone_again(undecided: Pipeline) -> None:
    """Each of POST, DELETE, POST, DELETE is accepted before anything is decided: she ends without a registration."""
    assert undecided.cancel("e", "ann", **LATER).status == 202
    assert undecided.register("e", "ann", **LATER).status == 202
    assert undecided.standing("e", "ann") == ("pending", 2)
    assert undecided.cancel("e", "ann", **LATER).status == 202
    undecided.run()
    assert undecided.standing("e", "ann") == ("cancelled", 2)


def test_a_mark_that_meets_a_conflict(undecided: Pipeline, taps: Taps) -> None:
    """The mark of a cancellation is written again, so that who comes back then is heard."""
    conflicts(taps, 2)
    assert undecided.cancel("e", "ann", **LATER).status == 202
    assert undecided.register("e", "ann", **LATER).status == 202
    undecided.run()
    assert undecided.standing("e", "ann") == ("confirmed", 2)


def test_a_mark_that_cannot_be_written(undecided: Pipeline, taps: Taps) -> None:
    """A 202 would be a promise that a POST after it could not keep: it is a 503, and what was sent stays sent."""
    taps.fail("dynamodb.PutItem", "ThrottlingException")
    assert undecided.cancel("e", "ann", **LATER).status == 503
    conflicts(taps, 12)
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
    """Her second POST promises the next attempt even if her DELETE is noted once more in between."""
    undecided.cancel("e", "ann", **LATER)
    again: list[Any] = []
    taps.before("dynamodb.PutItem", lambda _: again.append(undecided.cancel("e", "ann", **LATER)))
    assert undecided.register("e", "ann", **LATER).status == 202
    assert ([answer.status for answer in again], undecided.standing("e", "ann")) == ([202], ("pending", 2))


def test_a_promise_that_cannot_be_written(pipeline: Pipeline, taps: Taps) -> None:
    """A 202 whose Location leads nowhere would be none: it is a 503, and the registration is decided all the same."""
    pipeline.time.on_sleep.clear()
    pipeline.add_event("e", 1)
    pipeline.add_user("ann")
    conflicts(taps, 12)
    assert pipeline.register("e", "ann", **LATER).status == 503
    pipeline.run()
    assert pipeline.standing("e", "ann") == ("confirmed", 1)


def test_a_cancellation_asked_for_twice_with_one_key(undecided: Pipeline) -> None:
    """The second DELETE of one key sends nothing, and says 202 as long as the first is undecided; so it does not hit
    the attempt that was asked for in between."""
    key = {"Idempotency-Key": "k"}
    assert undecided.cancel("e", "ann", **LATER, **key).status == 202
    twice = undecided.cancel("e", "ann", **LATER, **key)
    assert (twice.status, twice.headers["Idempotent-Replayed"]) == (202, "true")
    undecided.register("e", "ann", **LATER)
    assert undecided.cancel("e", "ann", **LATER, **key).status == 204
    undecided.run()
    assert undecided.standing("e", "ann") == ("confirmed", 2)


def test_a_cancellation_asked_for_again_with_a_key(undecided: Pipeline) -> None:
    """Her first DELETE had no key, so that of the second is the first there is, and kept: it does not hit the attempt
    that was asked for in between."""
    key = {"Idempotency-Key": "k"}
    assert undecided.cancel("e", "ann", **LATER).status == 202
    assert undecided.cancel("e", "ann", **LATER, **key).status == 202
    undecided.register("e", "ann", **LATER)
    assert undecided.cancel("e", "ann", **LATER, **key).status == 204
    undecided.run()
    assert undecided.standing("e", "ann") == ("confirmed", 2)
