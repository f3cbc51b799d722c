"""Once the queue has a command it is accepted: what the API reads while it waits, and what does not put it off."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import Taps
from tests.support.faults import refusal
from tests.support.pipeline import BASE_URL, Answer, Pipeline


@pytest.fixture
def ready(pipeline: Pipeline) -> Pipeline:
    """An event with one seat that `bob` has, with a waiting list; `ann` is a user. Nobody decides anything any more."""
    pipeline.add_event("e", 1, hasWaitlist=True), pipeline.add_user("ann")
    pipeline.register("e", pipeline.add_user("bob"))
    pipeline.time.on_sleep.clear()
    return pipeline


def reads_after_sending(pipeline: Pipeline, taps: Taps) -> list[dict[str, int]]:
    """A list that fills with what each BatchGetItem after the next SendMessage asks for: keys by table."""
    reads: list[dict[str, int]] = []

    def note(request: dict[str, Any]) -> None:
        asked = json.loads(request["body"])["RequestItems"]
        assert all(keys["ConsistentRead"] for keys in asked.values())
        reads.append({table: len(keys["Keys"]) for table, keys in asked.items()})

    taps.before("sqs.SendMessage", lambda _: taps.before("dynamodb.BatchGetItem", note, times=1000))
    return reads


def decided_after(pipeline: Pipeline, reads: list[dict[str, int]], looks: int) -> None:
    """Lets the queue be delivered once the API has looked so often; what the registrar reads is not counted."""

    def work() -> None:
        if len(reads) == looks:
            pipeline.run()
            del reads[looks:]

    pipeline.time.on_sleep.append(work)


def test_waiting_reads_one_record(ready: Pipeline, taps: Taps) -> None:
    """While nobody decides, each look reads one item, the registration: not the ledger, which all who wait share."""
    ready.request("PATCH", "/events/e", {"capacity": 2}, {"Prefer": "respond-async"})
    ready.run()
    reads = reads_after_sending(ready, taps)
    assert ready.register("e", "ann", Prefer="wait=5").status == 202
    assert len(reads) > 10
    assert reads == [{ready.tables.registrations: 1}] * len(reads)


def test_place_in_the_line_needs_no_look_of_its_own(ready: Pipeline, taps: Taps) -> None:
    """Where every seat is taken, a look reads the ledger too: who finds herself in the line knows her place."""
    reads = reads_after_sending(ready, taps)
    decided_after(ready, reads, looks=3)
    answer = ready.register("e", "ann")
    assert (answer.status, answer.body["waitlistPosition"]) == (201, 1)
    assert reads == [{ready.tables.registrations: 1, ready.tables.ledger: 1}] * 4


def test_place_in_the_line_is_read_once(ready: Pipeline, taps: Taps) -> None:
    """Where seats were free, and somebody was faster, the ledger is read once more, for the place in the line."""
    ready.request("PATCH", "/events/e", {"capacity": 2}, {"Prefer": "respond-async"})
    ready.run()
    ready.register("e", ready.add_user("cid"), Prefer="respond-async")
    reads = reads_after_sending(ready, taps)
    decided_after(ready, reads, looks=3)
    answer = ready.register("e", "ann")
    assert (answer.status, answer.body["waitlistPosition"]) == (201, 1)
    one = {ready.tables.registrations: 1}
    assert reads == [one, one, one, one, one | {ready.tables.ledger: 1}]


def test_waiting_for_a_cancellation_reads_one_record(ready: Pipeline, taps: Taps) -> None:
    """A cancellation that is waited for reads one item at each look too, and no ledger."""
    reads = reads_after_sending(ready, taps)
    decided_after(ready, reads, looks=3)
    assert ready.cancel("e", "bob").status == 204
    assert reads == [{ready.tables.registrations: 1}] * 4


Ask = Callable[[Pipeline], Answer]
COMMANDS: list[tuple[Ask, int]] = [
    (lambda pipeline: pipeline.register("e", "ann"), 201),
    (lambda pipeline: pipeline.cancel("e", "bob"), 204),
]


@pytest.mark.parametrize(("ask", "status"), COMMANDS)
@pytest.mark.parametrize("faults", [1, 2])
def test_throttled_while_waiting(ready: Pipeline, taps: Taps, ask: Ask, status: int, faults: int) -> None:
    """A throttle while the API waits is nothing found yet: the next look finds the outcome."""
    looks: list[int] = []

    def throttled(_: Any) -> Any:
        looks.append(1)
        return refusal("ProvisionedThroughputExceededException")

    taps.before("sqs.SendMessage", lambda _: taps.before("dynamodb.BatchGetItem", throttled, times=faults))
    ready.time.on_sleep.append(lambda: ready.run() if len(looks) == faults else None)
    assert ask(ready).status == status


@pytest.mark.parametrize("ask", [ask for ask, _ in COMMANDS])
def test_throttled_all_the_time(ready: Pipeline, taps: Taps, ask: Ask) -> None:
    """A table that is throttled for the whole wait is a 202: the queue has the command, and it is decided later."""
    all_the_time = refusal("ThrottlingException")
    taps.before("sqs.SendMessage", lambda _: taps.before("dynamodb.BatchGetItem", lambda _: all_the_time, times=1000))
    answer = ask(ready)
    assert (answer.status, answer.headers["Retry-After"]) == (202, "1")
    taps.remove()
    assert ready.request("GET", answer.headers["Location"].removeprefix(BASE_URL)).body == answer.body


@pytest.mark.parametrize("ask", [ask for ask, _ in COMMANDS])
def test_broken_while_waiting(ready: Pipeline, taps: Taps, ask: Ask) -> None:
    """What does not pass by itself is a 500 also while the API waits."""
    taps.before("sqs.SendMessage", lambda _: taps.fail("dynamodb.BatchGetItem", "AccessDeniedException"))
    assert ask(ready).code == "internal-error"


def test_conflict_while_nobody_decides(ready: Pipeline, taps: Taps) -> None:
    """A transaction in the way of the pending record that comes to nothing: it is written at the second attempt."""
    taps.fail("dynamodb.PutItem", "TransactionConflictException")
    answer = ready.register("e", "ann", Prefer="respond-async")
    assert (answer.status, ready.standing("e", "ann")) == (202, ("pending", 1))


def test_conflict_with_the_decision(ready: Pipeline, taps: Taps) -> None:
    """If the transaction in the way of the pending record is the decision itself, the answer is the outcome."""
    taps.fail("dynamodb.PutItem", "TransactionConflictException")
    ready.time.on_sleep.append(ready.run)
    answer = ready.register("e", "ann", Prefer="respond-async")
    assert (answer.status, answer.body["status"], answer.body["waitlistPosition"]) == (201, "waitlisted", 1)


def test_conflict_that_stays(ready: Pipeline, taps: Taps) -> None:
    """Two conflicts in a row are a 202 all the same: the third attempt writes the pending record, which is decided."""
    taps.fail("dynamodb.PutItem", "TransactionConflictException", times=2)
    answer = ready.register("e", "ann", Prefer="respond-async")
    assert (answer.status, ready.standing("e", "ann")) == (202, ("pending", 1))
    ready.run()
    assert ready.standing("e", "ann") == ("waitlisted", 1)
