"""The one transaction of a batch, item by item."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.builders import EVENT, NOW, Book, cancel, configure, promote, register, seats
from workers.aws.commit import transaction_items, versioned_put
from workers.aws.items import ledger_to_item, registration_to_item
from workers.aws.load import Tables
from workers.domain.commands import Recount
from workers.domain.decide import decide
from workers.domain.records import Ledger, Totals
from workers.domain.seat_settings import SETTINGS, EventStatus

TABLES = Tables(events="E", registrations="R", ledger="L")


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


def test_a_later_write_attribute_by_attribute() -> None:
    """The puts of version 2: the whole item, if and only if version 1 is stored."""
    book = Book(seats(1))
    book.fill("ann")
    decision = book.deliver(cancel("ann"))
    version_1 = {
        "ConditionExpression": "#version = :before",
        "ExpressionAttributeNames": {"#version": "version"},
        "ExpressionAttributeValues": {":before": {"N": "1"}},
    }
    assert transaction_items(TABLES, [decision]) == [
        {"Put": {"TableName": "L", "Item": ledger_to_item(decision.ledger), **version_1}},
        {"Put": {"TableName": "R", "Item": registration_to_item(decision.registrations[0]), **version_1}},
    ]


def test_a_record_at_version_three_replaces_version_two() -> None:
    """The condition counts, it does not only ask whether there is something."""
    book = Book(seats(1))
    book.fill("ann")
    book.deliver(cancel("ann"))
    book.deliver(register("ann", 2))
    record = book.stored("ann")
    assert versioned_put("R", record)["ExpressionAttributeValues"] == {":before": {"N": "2"}}


def test_a_recount_writes_the_ledger_alone() -> None:
    """On the condition of the version that was counted; where there was no ledger, that there still is none."""
    for version, condition in ((3, "#version = :before"), (0, "attribute_not_exists(eventId)")):
        ledger = Ledger(EVENT, seats(2), version, confirmed=7)
        command = Recount("recount", EVENT, version, Totals(confirmed=1), NOW)
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


@pytest.mark.parametrize("limit", [7, None])
def test_settings_attribute_by_attribute(limit: int | None) -> None:
    """The update of an event that is there: every seat field set, or removed where there is no limit; all by alias,
    because `status` and `capacity` are words of DynamoDB's own."""
    ledger, event = transaction_items(
        TABLES, [Book(seats(1)).deliver(configure(1, seats(4, limit, EventStatus.CLOSED)))]
    )
    names = ("capacity", "hasWaitlist", "waitlistCapacity", "status")
    written = [name for name in names if limit is not None or name != "waitlistCapacity"]
    expression = "SET " + ", ".join(f"#{name} = :{name}" for name in written)
    expression += " REMOVE #waitlistCapacity" if limit is None else ""
    values = {":capacity": {"N": "4"}, ":hasWaitlist": {"BOOL": True}, ":status": {"S": "closed"}}
    assert ledger["Put"]["TableName"] == "L"
    assert event == {
        "Update": {
            "TableName": "E",
            "Key": {"eventId": {"S": EVENT}},
            "ConditionExpression": "attribute_exists(eventId)",
            "UpdateExpression": expression,
            "ExpressionAttributeNames": {f"#{name}": name for name in names},
            "ExpressionAttributeValues": values if limit is None else {**values, ":waitlistCapacity": {"N": "7"}},
        }
    }


def test_every_setting_that_is_none_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second setting that may be null is removed in the same clause."""
    more = replace(SETTINGS["waitlist_capacity"], name="closes_at", wire_name="closesAt")
    monkeypatch.setattr("workers.aws.commit.SETTINGS", {**SETTINGS, "closes_at": more})
    _, event = transaction_items(TABLES, [Book(seats(1)).deliver(configure(1, seats(4)))])
    assert event["Update"]["UpdateExpression"].endswith(" REMOVE #waitlistCapacity, #closesAt")
