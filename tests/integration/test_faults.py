"""Faults of AWS and of the worker: refused transactions, throttles, broken connections, hot events, sudden death."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from tests.integration.bench import Bench
from tests.integration.state import CONFLICT, body_of
from tests.support.builders import EVENT, NOW, cancel, configure, promote, register, seats
from tests.support.deliveries import Message
from tests.support.faults import Died, Fault, answer, dies, refusal, times
from workers.aws import send
from workers.aws.commit import transaction_items
from workers.aws.items import registration_to_item
from workers.domain.decide import decide
from workers.domain.records import Registration, Status

pytestmark = pytest.mark.integration


def writes_to(event: str, fault: Fault) -> Fault:
    """The fault, but only for transactions that write this event's ledger."""
    return lambda request: fault(request) if f'"eventId": {{"S": "{event}"}}' in body_of(request) else None


def once(meanwhile: Callable[[], object]) -> Fault:
    """Something happens in front of the first call, which then goes through."""

    def happens(_: dict[str, Any]) -> None:
        meanwhile()

    return times(1, happens)


def fails_with(error: Exception) -> Fault:
    """A call that never comes through."""

    def fault(_: dict[str, Any]) -> Any:
        raise error

    return fault


def test_somebody_else_wrote_the_ledger_meanwhile(bench: Bench) -> None:
    """Another worker commits between load and commit: the transaction is refused, decided anew on what is there."""
    bench.add_queueing_event(2)
    bench.deliver_all(register("zoe"))
    decision = decide(bench.pipeline.ledger("e1"), bench.records(), [register("fast")], NOW)
    overtaking = transaction_items(bench.tables.worker, [decision])
    bench.before("TransactWriteItems", once(lambda: bench.db.transact_write_items(TransactItems=overtaking)))
    assert bench.deliver(register("ann"), register("bob")) == []
    assert bench.statuses() == {"zoe": "confirmed", "fast": "confirmed", "ann": "waitlisted", "bob": "waitlisted"}
    assert bench.operations() == ["BatchGetItem", "TransactWriteItems", "BatchGetItem", "TransactWriteItems"]
    bench.check()


def test_the_api_wrote_pending_meanwhile(bench: Bench) -> None:
    """The wait ran out between load and commit: the pending record is found on the second look, and decided."""
    bench.add_event(1)
    pending = registration_to_item(Registration("e1", "ann", Status.PENDING, 1, 1, NOW))
    table = bench.tables.registrations
    bench.before("TransactWriteItems", once(lambda: bench.db.put_item(TableName=table, Item=pending)))
    assert bench.deliver(register("ann")) == []
    record = bench.pipeline.record("e1", "ann")
    assert record is not None
    assert (record.status, record.version) == ("confirmed", 2)


@pytest.mark.parametrize("code", ["TransactionCanceledException", "ValidationException", "ThrottlingException"])
def test_a_refused_write_affects_its_own_event_only(bench: Bench, code: str) -> None:
    """The write of event b is refused twice: a and c commit alone, b is retried, done once, and nothing is parked."""
    for event in ("a", "b", "c"):
        bench.add_event(5, event)
    fault = CONFLICT if code == "TransactionCanceledException" else refusal(code)
    bench.before("TransactWriteItems", writes_to("b", times(2, lambda _: fault)))
    batch: list[Message] = [register(user, event=event) for user in ("ann", "bob") for event in ("a", "b", "c")]
    assert bench.deliver(*batch) == ["m1", "m4"]
    assert bench.hidden == [1, 1]
    assert [bench.who("confirmed", event) for event in ("a", "b", "c")] == [["ann", "bob"], [], ["ann", "bob"]]
    assert bench.deliver(batch[1], batch[4], receives=2) == []
    assert (bench.who("confirmed", "b"), bench.reasons()) == (["ann", "bob"], [])


def test_a_worker_that_dies_before_its_commit_loses_nothing(bench: Bench) -> None:
    """Killed in front of the transaction: nothing is written; the redelivered batch does it all."""
    bench.add_queueing_event(1)
    bench.before("TransactWriteItems", times(1, dies))
    batch: list[Message] = [register("ann"), register("bob")]
    with pytest.raises(Died):
        bench.deliver(*batch)
    assert bench.records() == []
    assert bench.deliver(*batch, receives=2) == []
    assert bench.statuses() == {"ann": "confirmed", "bob": "waitlisted"}
    bench.check()


def test_a_worker_that_dies_after_its_commit_doubles_nothing(bench: Bench) -> None:
    """Killed behind the transaction: all is written; the redelivered batch changes nothing and is acknowledged."""
    bench.add_queueing_event(1)
    bench.deliver_all(register("ann"), register("bob"))
    bench.after("TransactWriteItems", times(1, dies))
    batch: list[Message] = [cancel("ann"), register("ann", 2), register("cid")]
    with pytest.raises(Died):
        bench.deliver(*batch)
    before = bench.stored()
    assert bench.statuses() == {"bob": "confirmed", "ann": "waitlisted", "cid": "waitlisted"}
    assert bench.deliver(*batch, receives=2) == []
    assert bench.stored() == before
    bench.check()


def test_a_worker_that_dies_between_two_transactions_goes_on_where_it_was(bench: Bench) -> None:
    """Killed after the first eighty of a hundred promotions: the redelivered Promote does the other twenty."""
    bench.add_queueing_event(0)
    bench.deliver_all(*[register(f"w{number:03}") for number in range(110)])
    bench.deliver_all(configure(1, seats(100, waitlist=True)))
    bench.after("TransactWriteItems", times(1, dies))
    with pytest.raises(Died):
        bench.deliver(promote(9))
    assert len(bench.who("confirmed")) == 80
    assert bench.deliver(promote(9), receives=2) == []
    assert bench.who("confirmed") == [f"w{number:03}" for number in range(100)]
    bench.check()


def test_a_lost_answer_is_asked_again_with_the_same_token(bench: Bench) -> None:
    """Committed, but the answer got lost: the SDK's own retry is recognised by its token and writes nothing."""
    bench.add_queueing_event(1)
    tokens: list[str] = []

    def again(attempts: int, request_dict: dict[str, Any], **_: Any) -> int | None:
        tokens.append(body_of(request_dict).split('"ClientRequestToken": "')[1][:36])
        return 0 if attempts == 1 else None

    bench.dynamodb_events.register_first("needs-retry.dynamodb.TransactWriteItems", again)
    assert bench.deliver(register("ann")) == []
    assert len(tokens) == 2
    assert len(set(tokens)) == 1
    assert bench.pipeline.ledger("e1").version == 1
    bench.check()


FAULTS: dict[str, Fault] = {
    "throttled": lambda _: refusal("ThrottlingException"),
    "too much": lambda _: refusal("ProvisionedThroughputExceededException"),
    "internal error": lambda _: refusal("InternalServerError", 500),
    "unavailable": lambda _: refusal("ServiceUnavailable", 503),
    "conflict": lambda _: refusal("TransactionConflictException"),
    "access denied": lambda _: refusal("AccessDeniedException"),
    "cancelled": lambda _: CONFLICT,
    "no connection": fails_with(EndpointConnectionError(endpoint_url="u")),
    "connection closed": fails_with(ConnectionClosedError(endpoint_url="u")),
    "connect timeout": fails_with(ConnectTimeoutError(endpoint_url="u")),
    "read timeout": fails_with(ReadTimeoutError(endpoint_url="u")),
}


@pytest.mark.parametrize("operation", ["BatchGetItem", "TransactWriteItems"])
@pytest.mark.parametrize("name", FAULTS)
def test_while_aws_fails_everything_is_retried(bench: Bench, name: str, operation: str) -> None:
    """Whatever fails while reading or writing: nothing is written or parked, and the next time all is well."""
    bench.add_event(5)
    bench.add_event(5, "e2")
    down = [True]
    bench.before(operation, lambda request: FAULTS[name](request) if down else None)
    assert bench.deliver(register("ann"), register("bob", event="e2"), receives=20) == ["m0", "m1"]
    assert bench.hidden == [30, 30]
    assert (bench.records(), bench.reasons()) == ([], [])
    down.clear()
    assert bench.deliver(register("ann"), register("bob", event="e2"), receives=21) == []


def test_failed_messages_come_back_soon() -> None:
    """After 1 s the first time, doubling to 30 s; from the 21st receive on doubling to 15 minutes.

    The waits before the thousandth receive, when SQS moves a message away, come to more than ten days.
    """
    waits = [send.seconds_hidden(send.ReceivedMessage("m", "r", "g", receives, "")) for receives in range(1, 1001)]
    assert waits == [1, 2, 4, 8, 16, *[30] * 15, 60, 120, 240, 480, *[900] * 976]
    assert sum(waits[:-1]) > 10 * 24 * 3600


def test_if_the_visibility_cannot_be_shortened_the_answer_is_the_same(bench: Bench) -> None:
    """SQS refuses too: the messages are reported all the same, and come back when the queue's own timeout runs out."""
    bench.add_event(5)
    bench.before("BatchGetItem", FAULTS["throttled"])
    bench.sqs_events.register_first(
        "before-call.sqs.ChangeMessageVisibilityBatch", lambda **_: refusal("InternalFailure", 500)
    )
    assert bench.deliver(register("ann")) == ["m0"]


def test_unprocessed_keys_are_asked_again(bench: Bench) -> None:
    """DynamoDB leaves keys unprocessed: they are asked for again, after short pauses, and nothing is missed."""
    bench.add_queueing_event(1)
    bench.deliver_all(register("ann"))
    bench.before("BatchGetItem", times(2, unprocessed(bench, EVENT)))
    start = bench.pipeline.time.now
    assert bench.deliver(register("bob")) == []
    assert bench.operations() == ["BatchGetItem"] * 3 + ["TransactWriteItems"]
    assert bench.pipeline.time.now - start == 150_000
    assert bench.statuses() == {"ann": "confirmed", "bob": "waitlisted"}


def test_keys_that_stay_unprocessed_are_a_throttle(bench: Bench) -> None:
    """Keys that are unprocessed again and again: given up for now, reported, nothing decided without the truth."""
    bench.add_event(1)
    bench.before("BatchGetItem", unprocessed(bench, EVENT))
    assert bench.deliver(register("ann")) == ["m0"]
    assert (bench.operations(), bench.records()) == (["BatchGetItem"] * 4, [])


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
