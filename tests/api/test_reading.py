"""Reading changes nothing: no GET writes to a table or a queue, whatever it finds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from api.http.routes import ROUTES
from tests.api.conftest import Taps
from tests.support.pipeline import Pipeline

READS = {"GetItem", "BatchGetItem", "Query", "Scan"}
GETS = [route.path for route in ROUTES if route.method == "GET" and route.path != "/problems/{code}"]


@pytest.fixture
def ready(pipeline: Pipeline) -> Pipeline:
    """Ann is confirmed, bob and cid wait; dan is pending so long that it may be lost, eve is being cancelled."""
    pipeline.add_event("e", 1, hasWaitlist=True), pipeline.add_event("new", 1)
    pipeline.fill("e", "ann", "bob", "cid")
    pipeline.time.on_sleep.clear()
    for user_id in ("dan", "eve"):
        pipeline.register("new", pipeline.add_user(user_id), Prefer="respond-async", Idempotency_Key="k")
    pipeline.cancel("new", "eve", Prefer="respond-async")
    pipeline.time.now += 30 * 60 * 1_000_000
    return pipeline


def stored(pipeline: Pipeline) -> list[Any]:
    """Everything in the tables."""
    names = asdict(pipeline.tables).values()
    return [sorted(pipeline.dynamodb.scan(TableName=name)["Items"], key=str) for name in names]


@pytest.mark.parametrize("path", GETS)
def test_no_get_writes(ready: Pipeline, taps: Taps, path: str) -> None:
    """Each GET route answers whatever there is by calls that only read, also what may be lost."""
    before = stored(ready)
    calls = taps.calls()
    headers = {"If-None-Match": '"0.0"', "Prefer": "wait=1", "Idempotency-Key": "k", "If-Match": "*"}
    for event_id, user_id in (("e", "ann"), ("e", "bob"), ("new", "dan"), ("new", "eve")):
        answer = ready.request("GET", path.format(eventId=event_id, userId=user_id), headers=headers)
        assert answer.status == 200
    assert calls
    assert set(calls) <= READS
    assert stored(ready) == before
