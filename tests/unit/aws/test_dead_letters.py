"""The format of dead letters: parked messages and those that SQS moved can be read, and replayed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.builders import EVENT, register
from tests.support.fake_sqs import FakeSqs
from workers.aws.dead_letters import MOVED, DeadLetter, replay_entry
from workers.aws.messages import UndecodableMessage, encode, event_group
from workers.aws.send import ReceivedMessage, park

SYSTEM = {"MessageGroupId": EVENT, "SentTimestamp": "1767225600123", "ApproximateReceiveCount": "7"}


def received(body: str, attributes: dict[str, Any] | None = None) -> DeadLetter:
    """Return a dead letter as ReceiveMessage returns it."""
    message: dict[str, Any] = {"MessageId": "dead-1", "ReceiptHandle": "handle", "Body": body, "Attributes": SYSTEM}
    return DeadLetter.of(message | ({"MessageAttributes": attributes} if attributes is not None else {}))


def test_what_is_parked_can_be_read() -> None:
    """Reason, the id in the main queue, the number of deliveries there, and the dead letter that it replays."""
    sqs: Any = FakeSqs()
    park(
        sqs,
        "dead.fifo",
        ReceivedMessage("m1", "", EVENT, 3, encode(register("ann")), "dead-0"),
        "failed: Trouble",
        "now",
    )
    (message,) = sqs.receive_message(
        QueueUrl="dead.fifo", MaxNumberOfMessages=10, VisibilityTimeout=1, WaitTimeSeconds=0
    )["Messages"]
    letter = DeadLetter.of(message)
    assert (letter.reason, letter.main_id, letter.receives, letter.replay_of) == ("failed: Trouble", "m1", 3, "dead-0")
    assert (letter.command, letter.event_id, letter.group) == (register("ann"), EVENT, EVENT)
    assert letter.sent_at == int(sqs.now * 1_000_000)


def test_what_sqs_moved_says_so() -> None:
    """It has no attributes of ours; its id is the one that it always had."""
    letter = received(encode(register("ann")))
    assert (letter.reason, letter.main_id, letter.receives, letter.replay_of) == (MOVED, "dead-1", 7, None)
    assert letter.sent_at == 1_767_225_600_123_000


def test_an_undecodable_one_has_a_group_and_no_command() -> None:
    """It still belongs to an event."""
    letter = received("rubbish")
    assert letter.event_id == EVENT
    assert isinstance(letter.command, UndecodableMessage)


@pytest.mark.parametrize(("receives", "read"), [("", 7), ("many", 0), ("-1", 0), ("\N{SUPERSCRIPT TWO}", 0)])
def test_a_count_that_is_none_does_no_harm(receives: str, read: int) -> None:
    """Attributes come from outside too: without a count of ours SQS's own is taken, and what is no number is 0."""
    letter = received("rubbish", {"receives": {"DataType": "String", "StringValue": receives}})
    assert letter.receives == read


def test_the_event_is_its_real_name() -> None:
    """Even where the group is a hash of it."""
    event = "an event with spaces"
    letter = received(encode(register("ann", event=event)))
    assert letter.event_id == event != event_group(event)


def test_a_replay() -> None:
    """Same body and group; a deduplication id made from the dead letter's id alone, which is an attribute, too."""
    letter = received("rubbish")
    entry = replay_entry("0", letter)
    assert (entry["Id"], entry["MessageBody"], entry["MessageGroupId"]) == ("0", "rubbish", EVENT)
    again = replay_entry("7", replace(letter, receipt_handle="another", body="rubbish, too"))
    other = replay_entry("0", replace(letter, message_id="dead-2"))
    assert entry["MessageDeduplicationId"] == again["MessageDeduplicationId"] != other["MessageDeduplicationId"]
    assert len(entry["MessageDeduplicationId"]) == 64
    assert entry["MessageAttributes"] == {"replayOf": {"DataType": "String", "StringValue": "dead-1"}}
