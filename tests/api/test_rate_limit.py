"""A caller may write so much at once and so much per second, whatever others do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.http.app import App
from api.http.auth import allow_anyone
from api.http.rate_limit import MAX_CALLERS, WriteLimit, limited
from tests.api.conftest import Taps
from tests.support.http_events import http_event
from tests.support.pipeline import BASE_URL, Pipeline, Time
from workers.aws.clock import Clock

SECOND = 1_000_000


@pytest.fixture
def time() -> Time:
    """A clock that stands still."""
    return Time()


def limit_of(time: Time, per_second: float, burst: int) -> WriteLimit:
    """A limit on this clock."""
    return WriteLimit(per_second, burst, Clock(lambda: time.now, time.sleep))


def taken(limit: WriteLimit, caller: str, tries: int) -> int:
    """Return how many of so many writes at once are accepted."""
    return [limit.seconds_to_wait(caller) for _ in range(tries)].count(0)


@pytest.mark.parametrize("burst", [1, 2, 40])
def test_burst(time: Time, burst: int) -> None:
    """`burst` writes at once are accepted, and no more."""
    limit = limit_of(time, 5, burst)
    assert taken(limit, "ann", burst) == burst
    assert taken(limit, "ann", 100) == 0


def test_rate(time: Time) -> None:
    """After a burst `per_second` writes per second are accepted, however many are tried."""
    limit = limit_of(time, 5, 40)
    taken(limit, "ann", 40)
    found = 0
    for _ in range(100):
        time.now += SECOND // 10
        found += taken(limit, "ann", 7)
    assert found == 50


def test_rest(time: Time) -> None:
    """After a rest there is a whole burst again, and not more than one."""
    limit = limit_of(time, 5, 40)
    taken(limit, "ann", 40)
    time.now += 8 * SECOND - 1
    assert taken(limit, "ann", 100) == 39
    time.now += 3600 * SECOND
    assert taken(limit, "ann", 100) == 40


def test_others(time: Time) -> None:
    """Callers do not affect each other."""
    limit = limit_of(time, 1, 3)
    assert [taken(limit, caller, 9) for caller in ("ann", "bob", "ann", "cid")] == [3, 3, 0, 3]


@pytest.mark.parametrize(("per_second", "seconds"), [(5, 1), (1, 1), (0.3, 4), (0.5, 2), (0.01, 100)])
def test_retry_after(time: Time, per_second: float, seconds: int) -> None:
    """A refused caller gets the seconds until a write is accepted, not one more or less."""
    limit = limit_of(time, per_second, 2)
    taken(limit, "ann", 2)
    assert limit.seconds_to_wait("ann") == seconds
    time.now += (seconds - 1) * SECOND
    assert limit.seconds_to_wait("ann") == 1
    time.now += SECOND
    assert limit.seconds_to_wait("ann") == 0


def test_memory_is_bounded(time: Time) -> None:
    """The callers without a write for longest are forgotten; one who floods is not."""
    limit = limit_of(time, 0.001, 1)
    assert taken(limit, "first", 2) == 1
    for number in range(MAX_CALLERS):
        taken(limit, f"caller {number}", 1)
        if number % 1_000 == 0:
            assert taken(limit, "flooding", 2) == (number == 0)
    assert len(limit._full_at) == MAX_CALLERS
    assert taken(limit, "first", 1) == 1
    assert taken(limit, "flooding", 1) == 0


def test_a_clock_that_is_set_back(time: Time) -> None:
    """If the clock jumps back nobody waits longer than for an empty bucket."""
    limit = limit_of(time, 1, 5)
    taken(limit, "ann", 5)
    time.now -= 86_400 * SECOND
    assert limit.seconds_to_wait("ann") == 1
    time.now += SECOND
    assert limit.seconds_to_wait("ann") == 0


def post(pipeline: Pipeline, address: str, number: int) -> Any:
    """POST /users from an address."""
    body = json.dumps({"userId": f"user-{number}", "name": "Ann"})
    event = http_event("POST", "/users", body, {"content-type": "application/json"})
    event["requestContext"]["http"]["sourceIp"] = address
    return App(pipeline.apps["users"], allow_anyone, BASE_URL).respond(event)


def test_a_flood(pipeline: Pipeline, taps: Taps) -> None:
    """A caller who floods gets a 429 with the limit, which costs no call to AWS; others are served as ever."""
    pipeline.apps["users"] = limited(pipeline.apps["users"], limit_of(pipeline.time, 1, 3))
    calls = taps.calls()
    flood = [post(pipeline, "192.0.2.1", number) for number in range(50)]
    assert [given["statusCode"] for given in flood] == [201] * 3 + [429] * 47
    assert calls == ["PutItem"] * 3
    told = {"Retry-After": "1", "RateLimit-Policy": '"writes";q=3;w=3', "RateLimit": '"writes";r=0;t=1'}
    assert told.items() <= flood[-1]["headers"].items()
    problem = json.loads(flood[-1]["body"])
    assert (problem["code"], problem["detail"]) == ("too-many-requests", "Try again in 1 s.")
    assert [post(pipeline, "192.0.2.2", number)["statusCode"] for number in range(50, 53)] == [201] * 3
    pipeline.time.now += SECOND
    assert post(pipeline, "192.0.2.1", 53)["statusCode"] == 201
