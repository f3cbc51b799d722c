"""The promoter sends one Promote per event and version, and raises if it cannot."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.bench import Bench
from tests.support.builders import ledger_of, seats
from tests.support.faults import answer, refusal, times
from workers.aws.clients import Overloaded
from workers.aws.items import ledger_to_item
from workers.aws.messages import decode

pytestmark = pytest.mark.integration


def image(event_id: str, version: int, *, free: bool = True) -> dict[str, Any]:
    """A stream record of a ledger, with a seat free beside a waiter or not."""
    ledger = ledger_of(event_id, seats(1), 0 if free else 1, 1, version)
    return {"eventName": "MODIFY", "dynamodb": {"NewImage": ledger_to_item(ledger)}}


def sent(bench: Bench) -> list[tuple[str, str, Any]]:
    """The messages in the queue: group, deduplication id, command."""
    messages: list[tuple[str, str, Any]] = []
    while True:
        answer_ = bench.pipeline.sqs.receive_message(
            QueueUrl=bench.pipeline.queue, MaxNumberOfMessages=10, AttributeNames=["All"]
        )
        if not answer_.get("Messages"):
            return sorted(messages, key=lambda message: message[0])
        for message in answer_["Messages"]:
            found = message["Attributes"]
            messages.append((found["MessageGroupId"], found["MessageDeduplicationId"], decode(message["Body"])))


def test_promotes_of_different_events_have_different_ids(bench: Bench) -> None:
    """The log is searched by command id, so each event's Promote has its own, however long the event id."""
    events = ["a", "b", "c" * 2048]
    bench.promoter.handle({"Records": [image(event, 3) for event in events]})
    ids = [command.command_id for _, _, command in sent(bench)]
    assert len(set(ids)) == 3
    assert all(name.endswith("-3") for name in ids)


def test_the_newest_version_of_each_event_is_enough(bench: Bench) -> None:
    """Many records of a few events: one Promote each, for the newest version, in whatever order they come."""
    records = [image("a", 3), image("b", 1), image("a", 9), image("a", 5), image("b", 2)]
    bench.promoter.handle({"Records": records})
    assert [(group, command.ledger_version) for group, _, command in sent(bench)] == [("a", 9), ("b", 2)]


def test_ledgers_that_are_not_promotable_send_nothing(bench: Bench) -> None:
    """The stream's filter may let others through, and deletions have no image."""
    bench.promoter.handle({"Records": [image("a", 3, free=False), {"eventName": "REMOVE", "dynamodb": {}}]})
    assert sent(bench) == []


def test_a_repeated_stream_batch_sends_once(bench: Bench) -> None:
    """A stream batch delivered again within five minutes: SQS recognises the second Promote."""
    for _ in range(2):
        bench.promoter.handle({"Records": [image("a", 3)]})
    assert len(sent(bench)) == 1


def test_more_than_ten_events_are_sent_in_batches(bench: Bench) -> None:
    """SQS takes ten messages at a time: 23 events are three calls, and each event gets its Promote."""
    calls: list[int] = []
    bench.pipeline.sqs.meta.events.register(
        "before-parameter-build.sqs.SendMessageBatch", lambda params, **_: calls.append(len(params["Entries"]))
    )
    bench.promoter.handle({"Records": [image(f"e{number:02}", 1) for number in range(23)]})
    assert calls == [10, 10, 3]
    assert [group for group, _, _ in sent(bench)] == [f"e{number:02}" for number in range(23)]


def test_a_partial_failure_raises(bench: Bench) -> None:
    """SQS takes one message and not the other: the whole stream batch must come again."""
    failed = {"Id": "1", "Code": "InternalError", "SenderFault": False}
    taken = {"Id": "0", "MessageId": "x", "MD5OfMessageBody": "x"}
    bench.before("SendMessageBatch", times(1, lambda _: answer({"Successful": [taken], "Failed": [failed]})), "sqs")
    records = {"Records": [image("a", 1), image("b", 1)]}
    with pytest.raises(Overloaded, match="did not take 1 of the commands"):
        bench.promoter.handle(records)
    bench.promoter.handle(records)
    assert [group for group, _, _ in sent(bench)] == ["a", "b"]


def test_a_refused_call_raises(bench: Bench) -> None:
    """SQS refuses altogether: the exception goes to Lambda, which delivers the stream batch again."""
    bench.before("SendMessageBatch", lambda _: refusal("RequestThrottled"), "sqs")
    with pytest.raises(ClientError, match="RequestThrottled"):
        bench.promoter.handle({"Records": [image("a", 1)]})
