"""What AWS and fate do to a worker: refused transactions, throttles, broken connections, sudden death."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from tests.integration.bench import Bench
from tests.integration.words import CONFLICT, body_of
from tests.support.builders import NOW, cancel, configure, promote, register, seats
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


def test_a_refused_transaction_takes_down_only_the_event_it_is_about(bench: Bench) -> None:
    """Event b is in the way for good: a and c commit alone, only b's messages come again."""
    for event in ("a", "b", "c"):
        bench.add_event(5, event)
    bench.before("TransactWriteItems", writes_to("b", lambda _: CONFLICT))
    batch: list[Message] = [register(user, event=event) for user in ("ann", "bob") for event in ("a", "b", "c")]
    assert bench.deliver(*batch) == ["m1", "m4"]
    assert bench.hidden == [1, 1]
    assert [bench.who("confirmed", event) for event in ("a", "b", "c")] == [["ann", "bob"], [], ["ann", "bob"]]
    assert bench.reasons() == []


def test_a_request_that_dynamodb_refuses_for_one_events_sake_takes_down_only_that_event(bench: Bench) -> None:
    """Not a conflict but a plain refusal, say an item too large: the other events are not held up by it."""
    for event in ("a", "b"):
        bench.add_event(5, event)
    bench.before("TransactWriteItems", writes_to("b", lambda _: refusal("ValidationException")))
    assert bench.deliver(register("ann", event="a"), register("ann", event="b")) == ["m1"]
    assert bench.who("confirmed", "a") == ["ann"]


def test_a_redelivery_after_a_refusal_finds_its_way(bench: Bench) -> None:
    """Refused twice, delivered again: done once, and those done before are not done again."""
    for event in ("a", "b"):
        bench.add_event(5, event)
    bench.before("TransactWriteItems", writes_to("b", times(2, lambda _: CONFLICT)))
    batch: list[Message] = [register("ann", event="a"), register("ann", event="b")]
    assert bench.deliver(*batch) == ["m1"]
    assert bench.deliver(batch[1], receives=2) == []
    assert [bench.who("confirmed", event) for event in ("a", "b")] == [["ann"], ["ann"]]


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


def test_a_redelivered_pair_of_cancel_and_register_keeps_the_new_registration(bench: Bench) -> None:
    """[Cancel 1, Register 2] delivered twice: the second time the Cancel finds another generation."""
    bench.add_event(1)
    bench.deliver_all(register("ann"))
    pair: list[Message] = [cancel("ann"), register("ann", 2)]
    bench.deliver_all(*pair)
    before = bench.stored()
    assert bench.deliver(*pair) == []
    assert (bench.stored(), bench.statuses()) == (before, {"ann": "confirmed"})


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


@pytest.mark.parametrize("name", FAULTS)
def test_faults_while_writing_are_nobodys_fault(bench: Bench, name: str) -> None:
    """Whatever keeps the transaction from its way: all messages come again soon, none is parked, nothing is written."""
    bench.add_event(5)
    bench.add_event(5, "e2")
    bench.before("TransactWriteItems", times(20, FAULTS[name]))
    assert bench.deliver(register("ann"), register("bob", event="e2"), receives=20) == ["m0", "m1"]
    assert bench.hidden == [30, 30]
    assert (bench.records(), bench.reasons()) == ([], [])


@pytest.mark.parametrize("name", ["throttled", "internal error", "read timeout"])
def test_faults_while_reading_are_nobodys_fault(bench: Bench, name: str) -> None:
    """Whatever fails while loading, all messages come again, and the next time all is well."""
    bench.add_event(5)
    bench.before("BatchGetItem", times(1, FAULTS[name]))
    assert bench.deliver(register("ann"), register("bob")) == ["m0", "m1"]
    assert bench.deliver(register("ann"), register("bob"), receives=2) == []
    assert bench.who("confirmed") == ["ann", "bob"]


@pytest.mark.parametrize(
    ("receives", "seconds"),
    [
        *[(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 30), (7, 30), (20, 30)],
        *[(21, 60), (22, 120), (23, 240), (24, 480), (25, 900), (26, 900), (999, 900), (1000, 900)],
    ],
)
def test_failed_messages_come_back_soon(bench: Bench, receives: int, seconds: int) -> None:
    """Visible again after 1 s the first time, doubling to 30 s; from the 21st time on doubling to 15 minutes."""
    bench.add_event(5)
    bench.before("BatchGetItem", FAULTS["throttled"])
    assert bench.deliver(register("ann"), receives=receives) == ["m0"]
    assert bench.hidden == [seconds]


def test_an_outage_of_ten_days_is_survived() -> None:
    """The waits before the thousandth receive, when SQS moves a message away, come to more than ten days."""
    messages = [send.ReceivedMessage("m", "r", "g", receives, "") for receives in range(1, 1000)]
    assert sum(map(send.seconds_hidden, messages)) > 10 * 24 * 3600


def test_if_the_visibility_cannot_be_shortened_the_answer_is_the_same(bench: Bench) -> None:
    """SQS refuses too: the messages are reported all the same, and come back when the queue's own timeout runs out."""
    bench.add_event(5)
    bench.before("BatchGetItem", FAULTS["throttled"])
    bench.sqs_events.register_first(
        "before-call.sqs.ChangeMessageVisibilityBatch", lambda **_: refusal("InternalFailure", 500)
    )
    assert bench.deliver(register("ann")) == ["m0"]


def nothing_of_it(bench: Bench) -> Fault:
    """All keys of a read stay unprocessed."""
    return lambda _: answer({"Responses": {}, "UnprocessedKeys": bench.calls[-1][1]["RequestItems"]})


def test_unprocessed_keys_are_asked_again(bench: Bench) -> None:
    """DynamoDB leaves keys unprocessed: they are asked for again, after short pauses, and nothing is missed."""
    bench.add_queueing_event(1)
    bench.deliver_all(register("ann"))
    bench.before("BatchGetItem", times(2, nothing_of_it(bench)))
    start = bench.pipeline.time.now
    assert bench.deliver(register("bob")) == []
    assert bench.operations() == ["BatchGetItem"] * 3 + ["TransactWriteItems"]
    assert bench.pipeline.time.now - start == 150_000
    assert bench.statuses() == {"ann": "confirmed", "bob": "waitlisted"}


def test_keys_that_stay_unprocessed_are_a_throttle(bench: Bench) -> None:
    """Keys that are unprocessed again and again: given up for now, reported, nothing decided without the truth."""
    bench.add_event(1)
    bench.before("BatchGetItem", nothing_of_it(bench))
    assert bench.deliver(register("ann")) == ["m0"]
    assert (bench.operations(), bench.records()) == (["BatchGetItem"] * 4, [])
