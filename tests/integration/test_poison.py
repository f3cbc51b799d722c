"""Messages that cannot be processed: parked with their reason, while their group and all others go on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.bench import Bench
from tests.integration.words import damage_record, with_poison
from tests.support.builders import EVENT, cancel, configure, promote, register, seats
from tests.support.deliveries import Message
from tests.support.faults import refusal
from workers.aws.messages import encode

pytestmark = pytest.mark.integration

RUBBISH = (EVENT, "rubbish")


def test_rubbish_is_not_parked_before_its_turn(bench: Bench) -> None:
    """Behind a command that is still to be tried it waits with it: dead letters are replayed in their order."""
    with_poison(bench)
    assert bench.deliver(cancel("bob"), RUBBISH, register("cid")) == ["m0", "m1", "m2"]
    assert bench.reasons() == []
    assert bench.deliver(cancel("bob"), RUBBISH, register("cid"), receives=3) == []
    assert [reason.partition(":")[0] for reason in bench.reasons()] == ["failed", "unreadable"]
    assert bench.who_raw("confirmed") == ["ann", "cid"]


def test_rubbish_is_parked_at_once_and_its_group_goes_on(bench: Bench) -> None:
    """Parked on its first delivery, as it was, with the reason; those around it are decided."""
    bench.add_event(5)
    assert bench.deliver(register("ann"), RUBBISH, register("bob")) == []
    assert bench.who("confirmed") == ["ann", "bob"]
    (letter,) = bench.pipeline.parked()
    assert letter == {"body": "rubbish", "reason": "unreadable: the body is not JSON"}


def test_a_parked_message_keeps_what_an_operator_needs(bench: Bench) -> None:
    """Body and group as they were; beside them the reason, the message's id, its deliveries, and when it was parked."""
    bench.deliver((EVENT, "rubbish"), receives=7)
    (message,) = bench.letters()
    assert message["Attributes"]["MessageGroupId"] == EVENT
    values = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert values == {
        "reason": "unreadable: the body is not JSON",
        "messageId": "m0",
        "receives": "7",
        "parkedAt": "2026-01-01T00:00:00.000000Z",
    }


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{}", "unreadable: version None is not known"),
        ('{"v": 2, "kind": "Register"}', "unreadable: version 2 is not known"),
        (encode(register("ann")).replace("Register", "Refund"), "unreadable: kind 'Refund' is not known"),
        (encode(register("ann")).replace('"ann"', '"\\ud800"'), "unreadable: userId is missing or not a text"),
        (encode(register("ann")).replace('"e1"', '"\\ud800"'), "unreadable: eventId is missing or not a text"),
        (encode(configure(1, seats(1))).replace('"active"', "[]"), "unreadable: status is not that of an event"),
        (encode(configure(1, seats(10**40))), "unreadable: capacity is missing or not a count"),
    ],
)
def test_each_kind_of_rubbish_says_what_is_wrong(bench: Bench, body: str, reason: str) -> None:
    """The reason in the dead-letter queue is a sentence that an operator understands; nothing else is held up."""
    bench.add_event(5)
    assert bench.deliver((EVENT, body), register("bob")) == []
    assert (bench.reasons(), bench.who("confirmed")) == ([reason], ["bob"])


def test_a_message_in_another_events_group_is_parked(bench: Bench) -> None:
    """A command in the wrong group would break the order of its event: it is not processed."""
    bench.add_event(5)
    assert bench.deliver(("other", encode(register("ann")))) == []
    assert bench.reasons() == ["unreadable: the message is in another event's group"]
    assert bench.records() == []


def test_commands_for_an_event_that_does_not_exist_are_parked(bench: Bench) -> None:
    """There is no such event: all of its messages are parked, those of other events are decided."""
    bench.add_event(5)
    batch: list[Message] = [
        register("ann", event="ghost"),
        register("ann"),
        promote(1, event="ghost"),
        configure(1, seats(1), event="ghost"),
    ]
    assert bench.deliver(*batch) == []
    assert bench.reasons() == ["event-not-found: there is no such event"] * 3
    assert bench.who("confirmed") == ["ann"]


def test_a_command_that_raises_is_tried_again_first(bench: Bench) -> None:
    """On its first two deliveries it comes again, and what is behind it; what was before it is committed."""
    with_poison(bench)
    bench.add_event(5, "e2")
    batch: list[Message] = [register("cid"), cancel("bob"), register("dee"), register("eve", event="e2")]
    for receives, seconds in ((1, 1), (2, 2)):
        assert bench.deliver(*batch, receives=receives) == ["m1", "m2"]
        assert bench.hidden == [seconds, seconds]
    assert bench.who("confirmed") == ["ann", "cid"]
    assert (bench.who("confirmed", "e2"), bench.reasons()) == (["eve"], [])


def test_a_command_that_raises_is_parked_on_its_third_delivery(bench: Bench) -> None:
    """On its third delivery it goes to the dead-letter queue with the exception's name, and the commands behind it are
    decided."""
    with_poison(bench)
    assert bench.deliver(cancel("bob"), register("cid"), register("dee"), receives=3) == []
    assert bench.reasons() == ["failed: ValueError while deciding Cancel"]
    assert bench.who("confirmed") == ["ann", "cid", "dee"]
    (letter,) = bench.pipeline.parked()
    assert letter["body"] == encode(cancel("bob"))


def test_two_that_raise_are_parked_one_after_the_other(bench: Bench) -> None:
    """Poison, good, poison, good: both poisons are parked in one delivery, both good ones are decided."""
    with_poison(bench)
    bench.deliver_all(register("cid"))
    damage_record(bench, "cid", status={"S": "waitlisted"}, ticket={"N": "78"})
    assert bench.deliver(cancel("bob"), register("dee"), cancel("cid"), register("eve"), receives=3) == []
    assert len(bench.reasons()) == 2
    assert bench.who("confirmed") == ["ann", "dee", "eve"]


def test_a_command_that_raises_behind_a_long_settle_waits_for_it(bench: Bench) -> None:
    """In front of the poison stands a settle of several transactions: it is completed, then the poison is parked."""
    bench.add_queueing_event(0)
    bench.deliver_all(*[register(f"w{number:02}") for number in range(90)], register("bob"))
    damage_record(bench, "bob", ticket={"N": "999"})
    bench.deliver_all(configure(1, seats(90, waitlist=True)))
    assert bench.deliver(promote(1), cancel("bob"), register("late"), receives=3) == []
    assert len(bench.who("confirmed")) == 90
    assert bench.reasons() == ["failed: ValueError while deciding Cancel"]


def test_without_the_dead_letter_queue_the_order_of_the_group_is_kept(bench: Bench) -> None:
    """Parking fails: the message is reported, and with it what is behind it in its group, so that nothing overtakes."""
    bench.add_event(5)
    bench.add_event(5, "e2")
    bench.before("SendMessage", lambda _: refusal("InternalFailure", 500), service="sqs")
    batch: list[Message] = [register("ann"), RUBBISH, register("bob"), register("cid", event="e2")]
    assert bench.deliver(*batch) == ["m1", "m2"]
    assert (bench.who("confirmed"), bench.who("confirmed", "e2")) == (["ann"], ["cid"])


def test_without_the_dead_letter_queue_poison_is_tried_on_and_on(bench: Bench) -> None:
    """Raising, and nowhere to park it: it and those behind it come again, those before are committed."""
    with_poison(bench)
    bench.before("SendMessage", lambda _: refusal("InternalFailure", 500), service="sqs")
    assert bench.deliver(register("cid"), cancel("bob"), register("dee"), receives=9) == ["m1", "m2"]
    assert bench.who("confirmed") == ["ann", "cid"]


def test_without_the_dead_letter_queue_unknown_events_are_tried_on_and_on(bench: Bench) -> None:
    """No such event and nowhere to park: all of them come again."""
    bench.before("SendMessage", lambda _: refusal("InternalFailure", 500), service="sqs")
    assert bench.deliver(register("ann", event="ghost"), register("bob", event="ghost")) == ["m0", "m1"]


def test_a_message_that_is_parked_twice_lies_there_once(bench: Bench) -> None:
    """Parked, then the worker died before it could say so: the second time SQS recognises it."""
    bench.deliver(RUBBISH)
    bench.deliver(RUBBISH, receives=2)
    assert len(bench.reasons()) == 1


def test_a_damaged_record_takes_down_its_own_event_only(bench: Bench) -> None:
    """A record that cannot be read: its command and those behind it come again, those of other events are decided."""
    bench.add_event(5)
    bench.add_event(5, "e2")
    bench.deliver_all(register("ann"))
    damage_record(bench, "ann", version={"S": "?"})
    assert bench.deliver(cancel("ann"), register("bob", event="e2"), register("bob")) == ["m0", "m2"]
    assert bench.who_raw("confirmed", "e2") == ["bob"]
    assert len([name for name in bench.operations() if name == "TransactWriteItems"]) == 1


def test_a_record_without_event_takes_down_its_own_event_only(bench: Bench) -> None:
    """A record that has lost the very attribute that says to which event it belongs takes down its own event only."""
    bench.add_event(5)
    bench.add_event(5, "e2")
    bench.deliver_all(register("ann"))
    damage_record(bench, "ann", eventId=None, **{"status#registeredAt": None})
    assert bench.deliver(cancel("ann"), register("bob", event="e2")) == ["m0"]
    assert bench.who_raw("confirmed", "e2") == ["bob"]


def test_a_damaged_waiter_takes_down_its_own_event_only(bench: Bench) -> None:
    """The head of the line cannot be read: nobody is promoted in its place, other events are decided."""
    bench.add_queueing_event(1)
    bench.add_event(5, "e2")
    bench.deliver_all(register("ann"), register("bob"), register("cid"), cancel("ann"))
    damage_record(bench, "bob", generation={"S": "?"})
    assert bench.deliver(promote(1), register("bob", event="e2")) == ["m0"]
    assert bench.who_raw("confirmed", "e2") == ["bob"]
    assert bench.who_raw("waitlisted") == ["bob", "cid"]
    assert len([name for name in bench.operations() if name == "TransactWriteItems"]) == 1


def test_a_damaged_ledger_takes_down_its_own_event_only(bench: Bench) -> None:
    """A line that cannot be unpacked: nothing of that event is decided, nothing of it is guessed anew."""
    bench.add_event(5)
    bench.add_event(5, "e2")
    bench.deliver_all(register("ann"))
    item: Any = bench.stored()[2][0] | {"line": {"B": b"\1rubbish"}, "lineOffset": {"N": "1"}}
    bench.db.put_item(TableName=bench.tables.ledger, Item=item)
    assert bench.deliver(register("bob"), register("bob", event="e2")) == ["m0"]
    assert bench.who("confirmed", "e2") == ["bob"]
