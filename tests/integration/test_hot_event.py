"""One event that DynamoDB is throttling does not take down the others of its batch, and the batch ends in time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.bench import Bench
from tests.integration.words import body_of
from tests.support.builders import register
from tests.support.deliveries import Message
from tests.support.faults import Fault, answer, refusal

pytestmark = pytest.mark.integration

EVENTS = [f"e{number}" for number in range(10)]


def unprocessed(bench: Bench, *hot: str) -> Fault:
    """Reads that name the ledger of one of these events are left unprocessed."""

    def fault(request: dict[str, Any]) -> Any:
        wanted = json.loads(body_of(request))["RequestItems"]
        keys = wanted.get(bench.tables.ledger, {}).get("Keys", [])
        if not any(key["eventId"]["S"] in hot for key in keys):
            return None
        return answer({"Responses": {}, "UnprocessedKeys": wanted})

    return fault


def test_a_hot_event_takes_down_itself_only(bench: Bench) -> None:
    """Its ledger's key stays unprocessed: its messages come again, those of the other events are decided."""
    for event in ("hot", "cool", "cold"):
        bench.add_event(5, event)
    bench.before("BatchGetItem", unprocessed(bench, "hot"))
    batch: list[Message] = [register("ann", event=event) for event in ("hot", "cool", "hot", "cold")]
    assert bench.deliver(*batch[:2], register("bob", event="hot"), batch[3]) == ["m0", "m2"]
    assert [bench.who("confirmed", event) for event in ("hot", "cool", "cold")] == [[], ["ann"], ["ann"]]


def test_a_throttled_transaction_takes_down_its_event_only(bench: Bench) -> None:
    """A write that is throttled for one event's sake takes down that event only."""
    for event in ("hot", "cool"):
        bench.add_event(5, event)
    throttled = refusal("ThrottlingException")
    bench.before("TransactWriteItems", lambda request: throttled if '"S": "hot"' in body_of(request) else None)
    assert bench.deliver(register("ann", event="hot"), register("ann", event="cool")) == ["m0"]
    assert bench.who("confirmed", "cool") == ["ann"]


def test_a_throttle_of_a_single_event_is_not_tried_again_at_once(bench: Bench) -> None:
    """With nobody to be freed of it, a throttle is answered by waiting, not by another attempt."""
    bench.add_event(5)
    bench.before("TransactWriteItems", lambda _: refusal("ThrottlingException"))
    assert bench.deliver(register("ann"), register("bob")) == ["m0", "m1"]
    assert bench.operations() == ["BatchGetItem", "BatchGetItem", "TransactWriteItems"]


def test_ten_hot_events_end_in_time(bench: Bench) -> None:
    """All ten groups of a batch are throttled: they are given up long before the function is killed."""
    for event in EVENTS:
        bench.add_event(5, event)
    bench.before("BatchGetItem", unprocessed(bench, *EVENTS))
    start = bench.pipeline.time.now
    assert len(bench.deliver(*[register("ann", event=event) for event in EVENTS])) == 10
    assert bench.operations() == ["BatchGetItem"] * 4 * 11
    assert bench.pipeline.time.now - start < 6_000_000


def test_when_every_call_takes_long_the_rest_is_not_tried(bench: Bench) -> None:
    """Four seconds until a call fails: after the second there is no time for more, the other groups come again."""
    for event in EVENTS:
        bench.add_event(5, event)

    def slow(_: dict[str, Any]) -> Any:
        bench.pipeline.time.now += 4_000_000
        return refusal("InternalServerError", 500)

    bench.before("BatchGetItem", slow)
    assert len(bench.deliver(*[register("ann", event=event) for event in EVENTS])) == 10
    assert bench.operations() == ["BatchGetItem"] * 2
