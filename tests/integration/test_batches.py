"""The cost of a batch, and its effect on the tables, when nothing goes wrong."""

from __future__ import annotations

import pytest

from tests.integration.bench import Bench
from tests.support.builders import NOW, cancel, configure, promote, register, revision_of, seats
from workers.domain.seat_settings import EventStatus
from workers.registrar import handler as registrar

pytestmark = pytest.mark.integration

TEN = [register(f"u{number}") for number in range(10)]


def test_a_full_batch_is_two_calls_and_one_transaction(bench: Bench) -> None:
    """Ten fresh registrations for one event: a strongly consistent BatchGetItem, a TransactWriteItems of 11 items."""
    bench.add_queueing_event(4)
    bench.deliver_all(register("first"))
    assert bench.deliver(*TEN) == []
    assert bench.operations() == ["BatchGetItem", "TransactWriteItems"]
    assert all(table["ConsistentRead"] for table in bench.calls[0][1]["RequestItems"].values())
    assert bench.written() == [11]
    assert [record.registered_at for record in bench.records()][1:] == [NOW + 1 + number for number in range(10)]
    assert bench.who("confirmed") == ["first", "u0", "u1", "u2"]
    assert bench.who("waitlisted") == [f"u{number}" for number in range(3, 10)]
    bench.check()


def test_the_first_batch_of_an_event_creates_its_ledger(bench: Bench) -> None:
    """An event item from before there were ledgers: one more read, and the ledger is there, with the event's seats."""
    bench.add_event(2)
    assert bench.deliver(*TEN[:3]) == []
    assert bench.operations() == ["BatchGetItem", "BatchGetItem", "TransactWriteItems"]
    ledger = bench.pipeline.ledger("e1")
    assert (ledger.settings, ledger.version, ledger.confirmed) == (seats(2), 1, 2)
    assert bench.statuses() == {"u0": "confirmed", "u1": "confirmed", "u2": "rejected"}


def test_a_batch_delivered_twice_writes_once(bench: Bench) -> None:
    """The same batch again: nothing is written, at most three calls, and all of it is acknowledged."""
    bench.add_queueing_event(4)
    bench.deliver_all(*TEN)
    before = bench.stored()
    assert bench.deliver(*TEN) == []
    assert bench.operations() == ["BatchGetItem"]
    assert bench.stored() == before


def test_a_batch_over_several_events_is_one_transaction(bench: Bench) -> None:
    """Three events, ten commands in turns: one transaction of thirteen items, each event's order kept."""
    for event in ("a", "b", "c"):
        bench.add_queueing_event(1, event)
    assert bench.deliver(*[register(f"u{n}", event="abc"[n % 3]) for n in range(10)]) == []
    assert bench.written() == [13]
    assert (bench.who("confirmed", "a"), bench.who("waitlisted", "a")) == (["u0"], ["u3", "u6", "u9"])
    for event in ("a", "b", "c"):
        bench.check(event)


def test_the_whole_life_of_a_registration(bench: Bench) -> None:
    """A seat, the waiting list, a cancellation, a promotion and a new attempt: all is stored as the rules say."""
    bench.add_queueing_event(1)
    bench.deliver_all(register("ann", key="k"), register("bob"), cancel("ann"))
    assert bench.pipeline.ledger("e1").promotable
    bench.deliver_all(promote(1))
    assert "Query" in bench.operations()
    bench.deliver_all(register("ann", 2))
    assert bench.statuses() == {"bob": "confirmed", "ann": "waitlisted"}
    record = bench.pipeline.record("e1", "ann")
    assert record is not None
    assert (record.generation, record.version, record.ticket, record.post_keys) == (2, 2, 2, ("k",))
    bench.check()


def test_a_cancellation_with_promotion_reads_few_and_writes_three(bench: Bench) -> None:
    """Cancel and Promote, with forty waiters: three items, however long the waiting list is."""
    bench.add_queueing_event(1)
    bench.deliver_all(register("ann"), *[register(f"w{number:02}") for number in range(40)])
    assert bench.deliver(cancel("ann"), promote(9)) == []
    assert bench.operations() == ["BatchGetItem", "Query", "BatchGetItem", "TransactWriteItems"]
    assert bench.written() == [3]
    assert bench.who("confirmed") == ["w00"]
    bench.check()


def test_configure_writes_ledger_and_event_item_together(bench: Bench) -> None:
    """The seat fields of both are changed in one transaction; the other fields of the event item stay."""
    bench.add_event(1, waitlistCapacity={"N": "3"})
    bench.deliver_all(register("ann"))
    assert bench.deliver(configure(1, seats(5, waitlist=None, status=EventStatus.CLOSED))) == []
    assert bench.written() == [2]
    (item,), _, _ = bench.stored()
    assert (item["capacity"], item["hasWaitlist"], item["status"]) == ({"N": "5"}, {"BOOL": True}, {"S": "closed"})
    assert (item["title"], "waitlistCapacity" in item) == ({"S": "title"}, False)
    ledger = bench.pipeline.ledger("e1")
    assert (ledger.settings, revision_of(ledger)) == (seats(5, None, EventStatus.CLOSED), 1)


def test_configure_as_an_events_first_command_creates_the_ledger(bench: Bench) -> None:
    """No ledger yet: the event item is read once, with the rest, and both are written."""
    bench.add_event(1)
    assert bench.deliver(configure(1, seats(2)), register("ann"), register("bob")) == []
    assert bench.operations() == ["BatchGetItem", "TransactWriteItems"]
    assert bench.who("confirmed") == ["ann", "bob"]
    bench.check()


def test_hundreds_are_promoted_in_order(bench: Bench) -> None:
    """250 waiting, capacity up by 200: exactly the first 200 move up, in order, in successive transactions."""
    bench.add_queueing_event(1)
    waiting = [f"w{number:03}" for number in range(250)]
    bench.deliver_all(register("seat"), *[register(user) for user in waiting])
    bench.deliver_all(configure(1, seats(201, waitlist=True)))
    assert bench.pipeline.ledger("e1").promotable
    assert bench.deliver(promote(9), register("late")) == []
    assert bench.written() == [81, 81, 42]
    assert bench.who("confirmed") == ["seat", *waiting[:200]]
    assert bench.who("waitlisted") == [*waiting[200:], "late"]
    bench.check()


@pytest.mark.parametrize("slow", [True, False])
def test_promotions_that_take_too_long_go_on_in_the_next_delivery(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, slow: bool
) -> None:
    """After so many steps, or if a transaction was slow, no further step is begun; what was done stays done."""
    bench.add_queueing_event(0)
    waiting = [f"w{number:03}" for number in range(100)]
    bench.deliver_all(*[register(user) for user in waiting], configure(1, seats(100, waitlist=True)))

    def delay(_: object) -> None:
        bench.pipeline.time.now += 7_000_000

    if slow:
        bench.before("TransactWriteItems", delay)
    else:
        monkeypatch.setattr(registrar, "_MAX_STEPS", 1)
    assert bench.deliver(promote(1)) == ["m0"]
    assert bench.who("confirmed") == waiting[:80]
    assert bench.deliver(promote(1), receives=2) == []
    assert bench.who("confirmed") == waiting
    bench.check()


def test_promotions_of_several_events_too_large_for_one_transaction_go_separately(bench: Bench) -> None:
    """Two events that each promote sixty: too many items together, so each commits alone; nothing fails."""
    for event in ("a", "b"):
        bench.add_queueing_event(0, event)
        bench.deliver_all(*[register(f"w{number:02}", event=event) for number in range(60)])
        bench.deliver_all(configure(1, seats(60, waitlist=True), event=event))
    assert bench.deliver(promote(9, event="a"), promote(9, event="b")) == []
    assert bench.written() == [61, 61]
    for event in ("a", "b"):
        assert len(bench.who("confirmed", event)) == 60
        bench.check(event)


def test_odd_ids_go_through(bench: Bench) -> None:
    """An event id that SQS would not take as a group, of an event from before: registered for like any other."""
    event = bench.add_event(1, "größe: 50 % more / less")
    assert bench.deliver(register("ann", event=event), register("bob", event=event)) == []
    assert bench.statuses(event) == {"ann": "confirmed", "bob": "rejected"}
