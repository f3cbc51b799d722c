"""Messages that cannot be processed: they are parked in their turn, with the reason, and all others go on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.integration.bench import Bench
from tests.integration.state import damage_ledger, damage_record, with_poison
from tests.support.builders import EVENT, cancel, configure, promote, register, seats
from tests.support.deliveries import Message
from tests.support.faults import refusal, times
from workers.aws.items import event_key
from workers.aws.messages import encode
from workers.domain.commands import Command, Recount
from workers.domain.records import Totals, registration_id

pytestmark = pytest.mark.integration

UNDECODABLE = (EVENT, "rubbish")
NO_EVENT = "event-not-found: there is no such event"
FAILED = "failed: ValueError while deciding Cancel"


def undecodable(user: str) -> str:
    """The reason for parking a command about an undecodable record."""
    return f"unreadable-record: KeyError while reading {registration_id(EVENT, user)}"


def with_undecodable_record(bench: Bench) -> None:
    """Both `ann` and `bob` have a seat, and the record of `bob` cannot be decoded."""
    bench.add_event(9)
    bench.deliver_all(register("ann"), register("bob"))
    damage_record(bench, "bob", version={"S": "?"})


OBSTACLES: dict[str, tuple[Callable[[Bench], None], str, list[str]]] = {
    "the rules raise": (with_poison, FAILED, ["ann"]),
    "its record is undecodable": (with_undecodable_record, undecodable("bob"), ["ann", "bob"]),
}


@pytest.mark.parametrize("name", OBSTACLES)
def test_a_command_that_cannot_be_decided(bench: Bench, name: str) -> None:
    """Twice it is retried with what is behind it; what is before it is committed. Then it is parked, as it was, and the
    rest of its group is decided. Other groups are never held up."""
    prepare, reason, seated = OBSTACLES[name]
    prepare(bench)
    bench.add_event(5, "e2")
    batch: list[Message] = [register("cid"), cancel("bob"), register("dee"), register("eve", event="e2")]
    for receives in (1, 2):
        assert bench.deliver(*batch, receives=receives) == ["m1", "m2"]
        assert bench.hidden == [receives, receives]
    assert (bench.who_raw("confirmed"), bench.who_raw("confirmed", "e2")) == ([*seated, "cid"], ["eve"])
    assert bench.reasons() == []
    assert bench.deliver(*batch, receives=3) == []
    assert bench.pipeline.parked() == [{"body": encode(cancel("bob")), "reason": reason}]
    assert bench.who_raw("confirmed") == [*seated, "cid", "dee"]


def test_several_in_one_batch(bench: Bench) -> None:
    """While the first is retried, so are the others; then each is parked for its own reason, after its commit."""
    with_poison(bench)
    damage_record(bench, "ann", version={"S": "?"})
    batch: list[Message] = [
        register("cid"),
        cancel("bob"),
        register("dee"),
        cancel("ann"),
        cancel("bob"),
        register("eve"),
    ]
    assert bench.deliver(*batch[1:]) == ["m0", "m1", "m2", "m3", "m4"]
    order: list[str] = []
    bench.before("TransactWriteItems", lambda _: order.append("commit"))
    bench.before("SendMessage", lambda _: order.append("park"), service="sqs")
    assert bench.deliver(*batch, receives=3) == []
    assert bench.reasons() == [FAILED, undecodable("ann"), FAILED]
    assert bench.who_raw("confirmed") == ["ann", "cid", "dee", "eve"]
    assert order == ["commit", "park", "commit", "park", "park", "commit"]


def test_an_undecodable_message_is_parked_at_once(bench: Bench) -> None:
    """Body and group as they were; beside them the reason, the message's id, its deliveries, and the time. It is parked
    once, even if the worker dies before it can say so."""
    bench.add_event(5)
    assert bench.deliver(register("ann"), UNDECODABLE, register("bob"), receives=2) == []
    bench.deliver(register("ann"), UNDECODABLE, receives=3)
    assert bench.who("confirmed") == ["ann", "bob"]
    (message,) = bench.dead_letters()
    assert (message["Body"], message["Attributes"]["MessageGroupId"]) == ("rubbish", EVENT)
    assert {name: value["StringValue"] for name, value in message["MessageAttributes"].items()} == {
        "reason": "unreadable: the body is not JSON",
        "messageId": "m1",
        "receives": "2",
        "parkedAt": "2026-01-01T00:00:00.000000Z",
    }


def test_an_undecodable_message_is_not_parked_before_its_turn(bench: Bench) -> None:
    """Behind a command that is retried it is retried, too: dead letters are replayed in the order of parking."""
    with_poison(bench)
    assert bench.deliver(cancel("bob"), UNDECODABLE, register("cid")) == ["m0", "m1", "m2"]
    assert bench.reasons() == []
    assert bench.deliver(cancel("bob"), UNDECODABLE, register("cid"), receives=3) == []
    assert bench.reasons() == [FAILED, "unreadable: the body is not JSON"]
    assert bench.who_raw("confirmed") == ["ann", "cid"]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ((EVENT, '{"v": 2, "kind": "Register"}'), "unreadable: version 2 is not known"),
        (
            (EVENT, encode(register("ann")).replace('"ann"', '"\\ud800"')),
            "unreadable: userId is missing or not a string",
        ),
        (("other", encode(register("ann"))), "unreadable: the message is in another event's group"),
        ((EVENT, encode(register("ann", event="ghost"))), "unreadable: the message is in another event's group"),
        (
            (EVENT, encode(Recount("recount", EVENT, 2, Totals(), 0))),
            "unreadable: the message is in another event's group",
        ),
        (register("ann", event="ghost"), NO_EVENT),
        (promote(1, event="ghost"), NO_EVENT),
        (configure(1, seats(1), event="ghost"), NO_EVENT),
    ],
)
def test_reasons(bench: Bench, message: Message, reason: str) -> None:
    """The reason is a sentence for the operator, and nothing else is held up."""
    bench.add_event(5)
    assert bench.deliver(message, register("bob")) == []
    assert (bench.reasons(), bench.statuses()) == ([reason], {"bob": "confirmed"})


def test_poison_behind_many_promotions(bench: Bench) -> None:
    """The promotions take several transactions; then the poison is parked."""
    bench.add_queueing_event(0)
    bench.deliver_all(*[register(f"w{number:02}") for number in range(90)], register("bob"))
    damage_record(bench, "bob", ticket={"N": "999"})
    bench.deliver_all(configure(1, seats(90, waitlist=True)))
    assert bench.deliver(promote(1), cancel("bob"), register("late"), receives=3) == []
    assert len(bench.who("confirmed")) == 90
    assert bench.reasons() == [FAILED]


@pytest.mark.parametrize(
    ("batch", "failed"),
    [
        ([register("cid"), UNDECODABLE, register("dee"), register("eve", event="e2")], ["m1", "m2"]),
        ([register("cid"), cancel("bob"), register("dee"), register("eve", event="e2")], ["m1", "m2"]),
        ([register("x", event="no"), promote(1, "no"), register("cid"), register("eve", event="e2")], ["m0", "m1"]),
    ],
)  # fmt: skip
def test_without_the_dead_letter_queue_the_order_is_kept(bench: Bench, batch: list[Message], failed: list[str]) -> None:
    """A message that cannot be parked is retried for ever, and so are those behind it: nothing may overtake it."""
    with_poison(bench)
    bench.add_event(5, "e2")
    bench.before("SendMessage", lambda _: refusal("InternalFailure", 500), service="sqs")
    assert bench.deliver(*batch, receives=9) == failed
    assert (bench.who("confirmed"), bench.who("confirmed", "e2")) == (["ann", "cid"], ["eve"])


def test_if_one_of_several_cannot_be_parked_the_later_ones_wait(bench: Bench) -> None:
    """Of three the second is not accepted: it and the third are retried, the first is not."""
    answers = iter((None, refusal("InternalFailure", 500)))
    bench.before("SendMessage", lambda _: next(answers), service="sqs")
    assert bench.deliver(*[register(user, event="ghost") for user in ("ann", "bob", "cid")]) == ["m1", "m2"]
    assert bench.reasons() == [NO_EVENT]


@pytest.mark.parametrize("code", ["ThrottlingException", "ValidationException"])
def test_what_fails_is_not_parked_as_well(bench: Bench, code: str) -> None:
    """The commit is refused: all are retried, the poison too, and it is parked later, once."""
    with_poison(bench)
    bench.before("TransactWriteItems", times(2, lambda _: refusal(code)))
    assert bench.deliver(register("cid"), cancel("bob"), receives=3) == ["m0", "m1"]
    assert bench.reasons() == []
    bench.deliver(register("cid"), cancel("bob"), receives=4)
    bench.deliver(register("cid"), cancel("bob"), receives=5)
    assert bench.reasons() == [FAILED]
    assert bench.who_raw("confirmed") == ["ann", "cid"]


def damage_first_waiter(bench: Bench) -> None:
    """The seat is free, and the record of the first waiter cannot be decoded."""
    bench.deliver_all(cancel("ann"))
    damage_record(bench, "bob", generation={"S": "?"})


def damage_waitlist(bench: Bench) -> None:
    """The waiting list cannot be decompressed."""
    damage_ledger(bench, "SET line = :b, lineOffset = :n", b={"B": b"\1rubbish"}, n={"N": "1"})


DAMAGES: dict[str, tuple[Callable[[Bench], None], Command]] = {
    "a record": (partial(damage_record, user="ann", version={"S": "?"}), cancel("ann")),
    "a record without event": (
        lambda bench: damage_record(bench, "ann", eventId=None, **{"status#registeredAt": None}),
        cancel("ann"),
    ),
    "the first waiter": (damage_first_waiter, promote(1)),
    "the ledger": (damage_waitlist, promote(1)),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_affects_its_own_event_only(bench: Bench, name: str) -> None:
    """Nothing is guessed: the event's commands from there on are retried, and those of other events are decided."""
    bench.add_queueing_event(1)
    bench.add_event(5, "e2")
    bench.deliver_all(register("ann"), register("bob"), register("cid"))
    damage, command = DAMAGES[name]
    damage(bench)
    before = bench.stored()[1:]
    assert bench.deliver(command, register("bob", event="e2"), register("dee")) == ["m0", "m2"]
    assert (bench.who_raw("confirmed", "e2"), bench.written()) == (["bob"], [2])
    after = [[item for item in items if item.get("eventId") != {"S": "e2"}] for items in bench.stored()[1:]]
    assert after == before


def test_an_undecodable_waiter_behind_the_head_holds_nobody_up(bench: Bench) -> None:
    """The index names them too, but the seat is not theirs: the head of the waiting list is promoted."""
    bench.add_queueing_event(1)
    bench.deliver_all(register("seat"), register("ann"), register("bob"), cancel("seat"))
    damage_record(bench, "bob", generation={"S": "?"})
    assert bench.deliver(promote(1)) == []
    assert (bench.who_raw("confirmed"), bench.who_raw("waitlisted")) == (["ann"], ["bob"])


def test_an_undecodable_head_is_not_passed_over(bench: Bench) -> None:
    """Its seat stays free until the record is repaired, even when the head's own Cancel is parked."""
    bench.add_queueing_event(1)
    bench.deliver_all(register("seat"), register("ann"), register("bob"), cancel("seat"))
    damage_record(bench, "ann", generation={"S": "?"})
    assert bench.deliver(cancel("ann"), promote(1), register("cid"), receives=3) == ["m1", "m2"]
    assert bench.reasons() == [undecodable("ann")]
    assert (bench.who_raw("confirmed"), bench.who_raw("waitlisted")) == ([], ["ann", "bob"])


def test_without_the_event_item_only_the_configure_is_parked(bench: Bench) -> None:
    """The ledger is still there: seats are released and taken, in order."""
    bench.add_event(1)
    bench.deliver_all(register("ann"))
    bench.db.delete_item(TableName=bench.tables.events, Key=event_key(EVENT))
    batch: list[Message] = [cancel("ann"), configure(2, seats(5)), register("bob"), register("cid")]
    assert bench.deliver(*batch) == []
    assert bench.reasons() == [NO_EVENT]
    assert bench.statuses() == {"ann": "cancelled", "bob": "confirmed", "cid": "rejected"}
    bench.check()


def test_a_torn_read_parks_nothing(bench: Bench) -> None:
    """Bob joins the waiting list between the reads of the ledger and of his registration: his Cancel is retried."""
    bench.add_queueing_event(1)
    bench.deliver_all(register("ann"))
    earlier = bench.db.get_item(TableName=bench.tables.ledger, Key=event_key(EVENT))["Item"]
    bench.deliver_all(register("bob"))

    def torn(parsed: dict[str, Any]) -> None:
        parsed["Responses"][bench.tables.ledger] = [earlier]

    bench.after("BatchGetItem", times(1, torn))
    assert bench.deliver(cancel("bob"), receives=3) == ["m0"]
    assert bench.deliver(cancel("bob"), receives=4) == []
    assert bench.reasons() == []
    assert bench.statuses() == {"ann": "confirmed", "bob": "cancelled"}
    bench.check()
