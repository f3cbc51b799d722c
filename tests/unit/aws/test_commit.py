"""The one transaction of a batch, item by item, and how many waiters a batch may need to know."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.builders import EVENT, NOW, Book, cancel, configure, promote, register, seats
from workers.aws.commit import transaction_items, versioned_put
from workers.aws.items import ledger_to_item, registration_to_item
from workers.aws.load import Tables, promotions_possible
from workers.domain.commands import Command, Recount
from workers.domain.decide import MAX_PROMOTIONS, decide
from workers.domain.line import Line
from workers.domain.records import EventStatus, Ledger
from workers.domain.recount import Count

TABLES = Tables(events="E", registrations="R", ledger="L")
NO_MORE_THAN_ONCE = {
    "ConditionExpression": "#version = :before",
    "ExpressionAttributeNames": {"#version": "version"},
}


def test_a_first_write_must_find_nothing() -> None:
    """Version 1 of ledger and record: on the condition that there is none yet."""
    decision = Book(seats(1)).deliver(register("ann"))
    assert transaction_items(TABLES, [decision]) == [
        {
            "Put": {
                "TableName": "L",
                "Item": ledger_to_item(decision.ledger),
                "ConditionExpression": "attribute_not_exists(eventId)",
            }
        },
        {
            "Put": {
                "TableName": "R",
                "Item": registration_to_item(decision.registrations[0]),
                "ConditionExpression": "attribute_not_exists(registrationId)",
            }
        },
    ]


def test_a_later_write_must_find_the_version_before() -> None:
    """Version n of ledger and record: on the condition that version n - 1 is stored."""
    book = Book(seats(1))
    book.fill("ann")
    ledger, record = transaction_items(TABLES, [book.deliver(cancel("ann"))])
    for put in (ledger["Put"], record["Put"]):
        assert put.items() >= {**NO_MORE_THAN_ONCE, "ExpressionAttributeValues": {":before": {"N": "1"}}}.items()


def test_a_record_at_version_three_replaces_version_two() -> None:
    """The condition counts, it does not only ask whether there is something."""
    book = Book(seats(1))
    book.fill("ann")
    book.deliver(cancel("ann"))
    book.deliver(register("ann", 2))
    record = book.record("ann")
    assert record is not None
    assert versioned_put("R", record)["ExpressionAttributeValues"] == {":before": {"N": "2"}}


def test_a_recount_writes_the_ledger_alone() -> None:
    """On the condition of the version that was counted; where there was no ledger, that there still is none."""
    for version, condition in ((3, "#version = :before"), (0, "attribute_not_exists(eventId)")):
        ledger = Ledger(EVENT, seats(2), version, confirmed=7)
        command = Recount("recount", EVENT, version, Count(confirmed=1), NOW)
        (item,) = transaction_items(TABLES, [decide(ledger, (), [command], NOW)])
        assert (item["Put"]["TableName"], item["Put"]["ConditionExpression"]) == ("L", condition)
        assert item["Put"]["Item"] == ledger_to_item(Ledger(EVENT, seats(2), version + 1, confirmed=1))


def test_decisions_without_change_write_nothing() -> None:
    """Superseded commands cost no write: no items, also beside another event's that have some."""
    idle = Book(seats(1)).deliver(cancel("ann"), promote())
    busy = Book(seats(1), event="e2").deliver(register("ann", event="e2"))
    assert transaction_items(TABLES, [idle]) == []
    assert len(transaction_items(TABLES, [idle, busy])) == 2


def test_a_full_batch_for_one_event_is_eleven_items() -> None:
    """Ten fresh registrations: ten records and one ledger, nothing else."""
    decision = Book(seats(5, waitlist=5)).deliver(*[register(f"u{number}") for number in range(10)])
    tables = [item["Put"]["TableName"] for item in transaction_items(TABLES, [decision])]
    assert tables == ["L"] + ["R"] * 10


@pytest.mark.parametrize(("waitlist", "expected"), [(7, "SET"), (None, "REMOVE")])
def test_a_configure_writes_the_event_item_too(waitlist: int | None, expected: str) -> None:
    """The event item gets the four seat fields; no limit means that the attribute goes."""
    settings = seats(4, waitlist, EventStatus.CLOSED)
    ledger, event = transaction_items(TABLES, [Book(seats(1)).deliver(configure(1, settings))])
    update: dict[str, Any] = event["Update"]
    assert ledger["Put"]["TableName"] == "L"
    assert (update["TableName"], update["Key"]) == ("E", {"eventId": {"S": EVENT}})
    assert update["ConditionExpression"] == "attribute_exists(eventId)"
    values = update["ExpressionAttributeValues"]
    assert (values[":capacity"], values[":hasWaitlist"], values[":status"]) == (
        {"N": "4"},
        {"BOOL": True},
        {"S": "closed"},
    )
    assert values.get(":waitlistCapacity") == ({"N": "7"} if waitlist else None)
    assert ("REMOVE #waitlistCapacity" in update["UpdateExpression"]) == (expected == "REMOVE")


def a_ledger(waiting: int, capacity: int = 10, confirmed: int = 10) -> Ledger:
    """A ledger with so many in the line."""
    return Ledger(
        EVENT, seats(capacity, None), 1, confirmed=confirmed, line=Line(1, (1 << waiting) - 1) if waiting else Line()
    )


@pytest.mark.parametrize(
    ("ledger", "commands", "expected"),
    [
        (a_ledger(0, confirmed=2), [register("a"), promote()], 0),
        (a_ledger(5), [register("a")], 0),
        (a_ledger(5), [cancel("a"), cancel("b")], 0),
        (a_ledger(5), [configure(1, seats(50, None))], 0),
        (a_ledger(5), [cancel("a"), register("b")], 1),
        (a_ledger(5), [register("b"), cancel("a")], 1),
        (a_ledger(5), [cancel("a"), cancel("b"), promote()], 2),
        (a_ledger(5, confirmed=8), [promote()], 2),
        (a_ledger(5, confirmed=8), [cancel("a"), promote()], 3),
        (a_ledger(5), [configure(1, seats(13, None)), promote()], 3),
        (a_ledger(5), [configure(1, seats(3, None)), promote()], 0),
        (a_ledger(5), [configure(1, seats(12, None)), configure(2, seats(11, None)), promote()], 2),
        (a_ledger(2), [configure(1, seats(99, None)), promote()], 2),
        (a_ledger(500), [configure(1, seats(999, None)), promote()], MAX_PROMOTIONS),
    ],
)
def test_how_many_waiters_a_batch_may_promote(ledger: Ledger, commands: list[Command], expected: int) -> None:
    """As many as seats are or may become free, if a command settles at all: the fast path reads no index."""
    assert promotions_possible(ledger, commands) == expected
