"""What is parked is parked behind the commit and never fails as well; one bad record or setting is one bad command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.bench import Bench
from tests.integration.words import damage_record, with_poison
from tests.support.builders import EVENT, cancel, configure, promote, register, seats
from tests.support.deliveries import Message
from tests.support.faults import refusal, times
from workers.aws.items import event_key
from workers.domain.records import registration_id

pytestmark = pytest.mark.integration

NO_EVENT = "event-not-found: there is no such event"


def unreadable(user: str) -> str:
    """Why a command about a record that nobody can read is parked."""
    return f"unreadable-record: KeyError while reading {registration_id(EVENT, user)}"


def without_event(bench: Bench) -> None:
    """Somebody deletes the event item behind everybody's back; the ledger is still there."""
    bench.db.delete_item(TableName=bench.tables.events, Key={"eventId": {"S": EVENT}})


def noting(order: list[str], name: str) -> Callable[[dict[str, Any]], None]:
    """Writes down that a call was made."""
    return lambda _: order.append(name)


def test_an_unreadable_record_is_tried_again_first(bench: Bench) -> None:
    """On its first two deliveries its command comes again, and what is behind it; what was before it is committed."""
    bench.add_event(9)
    bench.deliver_all(register("ann"))
    damage_record(bench, "ann", version={"S": "?"})
    for receives in (1, 2):
        assert bench.deliver(register("bob"), cancel("ann"), register("cid"), receives=receives) == ["m1", "m2"]
    assert (bench.who_raw("confirmed"), bench.reasons()) == (["ann", "bob"], [])


def test_an_unreadable_record_does_not_block_its_event(bench: Bench) -> None:
    """On the third delivery every command about an unreadable record is parked with the reason, and the rest of its
    group is decided."""
    bench.add_event(9)
    bench.deliver_all(register("ann"))
    damage_record(bench, "ann", version={"S": "?"})
    batch: list[Message] = [register("bob"), cancel("ann"), register("cid"), register("ann", 2), register("dee")]
    assert bench.deliver(*batch, receives=3) == []
    assert bench.reasons() == [unreadable("ann")] * 2
    assert bench.who_raw("confirmed") == ["ann", "bob", "cid", "dee"]


def test_poison_and_unreadable_records_in_one_batch(bench: Bench) -> None:
    """One command raises, another one's record cannot be read: both are parked, each for its own reason."""
    with_poison(bench)
    damage_record(bench, "ann", version={"S": "?"})
    batch: list[Message] = [register("cid"), cancel("bob"), register("dee"), cancel("ann"), register("eve")]
    assert bench.deliver(*batch, receives=3) == []
    assert bench.reasons() == ["failed: ValueError while deciding Cancel", unreadable("ann")]
    assert bench.who_raw("confirmed") == ["ann", "cid", "dee", "eve"]


def test_an_unreadable_waiter_behind_the_head_holds_nobody_up(bench: Bench) -> None:
    """The index names her too, but the seat is not hers: the head of the line is promoted."""
    bench.add_queueing_event(1)
    bench.deliver_all(register("seat"), register("ann"), register("bob"), cancel("seat"))
    damage_record(bench, "bob", generation={"S": "?"})
    assert bench.deliver(promote(1)) == []
    assert (bench.who_raw("confirmed"), bench.who_raw("waitlisted")) == (["ann"], ["bob"])


def test_an_unreadable_head_of_the_line_is_not_passed_over(bench: Bench) -> None:
    """The seat of an unreadable head of the line stays free until somebody has mended her record, even when her own
    Cancel is parked."""
    bench.add_queueing_event(1)
    bench.deliver_all(register("seat"), register("ann"), register("bob"), cancel("seat"))
    damage_record(bench, "ann", generation={"S": "?"})
    assert bench.deliver(cancel("ann"), promote(1), register("cid"), receives=3) == ["m1", "m2"]
    assert bench.reasons() == [unreadable("ann")]
    assert (bench.who_raw("confirmed"), bench.who_raw("waitlisted")) == ([], ["ann", "bob"])


def test_nothing_is_parked_before_the_commit(bench: Bench) -> None:
    """What stands before a poison is written first; then the poison goes to the dead-letter queue."""
    with_poison(bench)
    order: list[str] = []
    bench.before("TransactWriteItems", noting(order, "commit"))
    bench.before("SendMessage", noting(order, "park"), service="sqs")
    assert bench.deliver(register("cid"), cancel("bob"), register("dee"), receives=3) == []
    assert order == ["commit", "park", "commit"]


@pytest.mark.parametrize("code", ["ThrottlingException", "ValidationException"])
def test_what_fails_is_not_parked_as_well(bench: Bench, code: str) -> None:
    """The commit is refused: all come again, the poison too, and it is parked the next time, once."""
    with_poison(bench)
    bench.before("TransactWriteItems", times(2, lambda _: refusal(code)))
    assert bench.deliver(register("cid"), cancel("bob"), receives=3) == ["m0", "m1"]
    assert bench.reasons() == []
    bench.deliver(register("cid"), cancel("bob"), receives=4)
    bench.deliver(register("cid"), cancel("bob"), receives=5)
    assert bench.reasons() == ["failed: ValueError while deciding Cancel"]
    assert bench.who_raw("confirmed") == ["ann", "cid"]


def test_what_cannot_be_parked_fails_with_those_behind_it(bench: Bench) -> None:
    """Of three to be parked the second is not taken: it and the third come again, the first does not."""
    count = iter((None, refusal("InternalFailure", 500)))
    bench.before("SendMessage", lambda _: next(count), service="sqs")
    batch: list[Message] = [register(user, event="ghost") for user in ("ann", "bob", "cid")]
    assert bench.deliver(*batch) == ["m1", "m2"]
    assert bench.reasons() == [NO_EVENT]


def test_without_the_event_item_only_the_configure_is_parked(bench: Bench) -> None:
    """The event item is gone, the ledger is not: seats are still given up and taken, in order."""
    bench.add_event(1)
    bench.deliver_all(register("ann"))
    without_event(bench)
    batch: list[Message] = [cancel("ann"), configure(2, seats(5)), register("bob"), register("cid")]
    assert bench.deliver(*batch) == []
    assert bench.reasons() == [NO_EVENT]
    assert bench.statuses() == {"ann": "cancelled", "bob": "confirmed", "cid": "rejected"}
    bench.check()


def test_a_command_that_cannot_be_decided_on_a_torn_read_is_not_parked(bench: Bench) -> None:
    """Bob joins the line between the read of the ledger and that of his registration: his Cancel is decided anew."""
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
