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
    """Deliver the queue after so many polls; the registrar's reads are not counted."""

    def work() -> None:
        if len(reads) == looks:
            pipeline.run()
            del reads[looks:]

    pipeline.time.on_sleep.append(work)


def test_waiting_reads_one_record(ready: Pipeline, taps: Taps) -> None:
    """Without a decision each poll reads only the registration, not the ledger that all share."""
    ready.request("PATCH", "/events/e", {"capacity": 2}, {"Prefer": "respond-async"})
    ready.run()
    reads = reads_after_sending(ready, taps)
    assert ready.register("e", "ann", Prefer="wait=5").status == 202
    assert len(reads) > 10
    assert reads == [{ready.tables.registrations: 1}] * len(reads)


def test_position_needs_no_read_of_its_own(ready: Pipeline, taps: Taps) -> None:
    """While every seat is taken a poll reads the ledger too, so a waiter's position is known."""
    reads = reads_after_sending(ready, taps)
    decided_after(ready, reads, looks=3)
    answer = ready.register("e", "ann")
    assert (answer.status, answer.body["waitlistPosition"]) == (201, 1)
    assert reads == [{ready.tables.registrations: 1, ready.tables.ledger: 1}] * 4


def test_position_is_read_once(ready: Pipeline, taps: Taps) -> None:
    """If the last seat was taken meanwhile, the ledger is read once more, for the position."""
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
    """Each poll for a cancellation reads only the registration, too."""
    reads = reads_after_sending(ready, taps)
    decided_after(ready, reads, looks=3)
    assert ready.cancel("e", "bob").status == 204
    assert reads == [{ready.tables.registrations: 1}] * 4


Act = Callable[[Pipeline, str], Answer]
ACTS: dict[str, Act] = {
    "/events/e/registrations/ann": lambda pipeline, prefer: pipeline.register("e", "ann", Prefer=prefer),
    "/events/e/registrations/bob": lambda pipeline, prefer: pipeline.cancel("e", "bob", Prefer=prefer),
    "/events/e": lambda pipeline, prefer: pipeline.request("PATCH", "/events/e", {"capacity": 2}, {"Prefer": prefer}),
}
"""A registration, a cancellation and a change of seats, by the address that shows what becomes of them."""


@pytest.mark.parametrize("address", ACTS)
@pytest.mark.parametrize("faults", [1, 2])
def test_throttled_while_waiting(ready: Pipeline, taps: Taps, address: str, faults: int) -> None:
    """A throttled poll counts as nothing found: the next poll finds the outcome."""
    looks: list[int] = []

    def throttled(_: Any) -> Any:
        looks.append(1)
        return refusal("ProvisionedThroughputExceededException")

    ready.time.at_next_sleep(lambda: taps.before("dynamodb.BatchGetItem", throttled, times=faults))
    ready.time.on_sleep.append(lambda: ready.run() if len(looks) == faults else None)
    assert ACTS[address](ready, "").status in {200, 201, 204}
    assert len(looks) == faults


@pytest.mark.parametrize("address", [address for address in ACTS if "registrations" in address])
def test_throttled_all_the_time(ready: Pipeline, taps: Taps, address: str) -> None:
    """A table that is throttled for the whole wait is a 202: the queue has the command, and it is decided later."""
    all_the_time = refusal("ThrottlingException")
    taps.before("sqs.SendMessage", lambda _: taps.before("dynamodb.BatchGetItem", lambda _: all_the_time, times=1000))
    answer = ACTS[address](ready, "")
    assert (answer.status, answer.headers["Retry-After"]) == (202, "1")
    taps.remove()
    assert ready.request("GET", address).body == answer.body


@pytest.mark.parametrize("address", ACTS)
def test_broken_while_waiting(ready: Pipeline, taps: Taps, address: str) -> None:
    """An error that is not transient is a 500, also during the wait."""
    taps.before("sqs.SendMessage", lambda _: taps.fail("dynamodb.BatchGetItem", "AccessDeniedException"))
    assert ACTS[address](ready, "").code == "internal-error"


@pytest.mark.parametrize("times", [1, 2])
def test_conflict_while_nobody_decides(ready: Pipeline, taps: Taps, times: int) -> None:
    """A pending registration that conflicts with a transaction is written again, and decided later."""
    taps.fail("dynamodb.PutItem", "TransactionConflictException", times=times)
    answer = ready.register("e", "ann", Prefer="respond-async")
    assert (answer.status, ready.standing("e", "ann")) == (202, ("pending", 1))
    ready.run()
    assert ready.standing("e", "ann") == ("waitlisted", 1)


def test_conflict_with_the_decision(ready: Pipeline, taps: Taps) -> None:
    """If the transaction in the way of the pending record is the decision itself, the answer is the outcome."""
    taps.fail("dynamodb.PutItem", "TransactionConflictException")
    ready.time.on_sleep.append(ready.run)
    answer = ready.register("e", "ann", Prefer="respond-async")
    assert (answer.status, answer.body["status"], answer.body["waitlistPosition"]) == (201, "waitlisted", 1)


@pytest.mark.parametrize("address", ACTS)
@pytest.mark.parametrize("prefer", ["respond-async", "wait=0", ""])
def test_the_worker_is_away(ready: Pipeline, address: str, prefer: str) -> None:
    """Without a decision the answer is a 202 with the present state and where to poll, at once if that is preferred,
    and otherwise in under two seconds."""
    begun = ready.time.now
    answer = ACTS[address](ready, prefer)
    assert (answer.status, answer.headers["Location"]) == (202, f"{BASE_URL}{address}")
    assert (answer.headers["Retry-After"], answer.headers.get("Preference-Applied", "")) == ("1", prefer)
    assert answer.body == ready.request("GET", address).body
    least, most = (0, 1) if prefer else (1_000_000, 2_000_000)
    assert least <= ready.time.now - begun < most
    ready.run()
    assert answer.body != ready.request("GET", address).body


@pytest.mark.parametrize(
    ("address", "status", "call", "skip"),
    [
        ("/events/e/registrations/ann", 201, "dynamodb.PutItem", 0),  # before it is saved as pending
        ("/events/e/registrations/bob", 204, "dynamodb.BatchGetItem", 1),  # the first reads what is to be cancelled
        ("/events/e", 200, "dynamodb.BatchGetItem", 0),
    ],
)
def test_decided_at_the_last_moment(
    ready: Pipeline, taps: Taps, address: str, status: int, call: str, skip: int
) -> None:
    """A decision that comes just before the answer is written is no 202, and stays."""
    taps.before(call, lambda _: ready.run(), skip=skip)
    answer = ACTS[address](ready, "respond-async")
    assert answer.status == status
    assert answer.body in (None, ready.request("GET", address).body)
