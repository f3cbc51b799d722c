"""Table formats: what is written can be read, also what was written before these formats existed."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import EVENT, NOW, seats
from tests.support.strategies import SETTING_VALUES
from workers.aws.items import (
    DECODE_ERRORS,
    STATUS_KEY,
    ledger_from_event,
    ledger_from_item,
    ledger_to_item,
    microseconds,
    registration_from_item,
    registration_to_item,
    salvage_ledger,
    seat_settings_from_item,
    timestamp,
)
from workers.domain.records import Ledger, Registration, Status
from workers.domain.seat_settings import EventStatus, SeatSettings
from workers.domain.waitlist import Waitlist

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
COUNT = st.integers(0, 10**12)
VERSION = st.integers(1, 10**12)
TIME = st.integers(0, 4_102_444_800_000_000)
SETTINGS = st.builds(SeatSettings, **SETTING_VALUES)
KEYS = st.lists(st.text("0123456789abcdef", min_size=32, max_size=32), max_size=3).map(tuple)
REVISIONS = st.dictionaries(st.sampled_from(list(SETTING_VALUES)), COUNT)
LINES = st.builds(
    lambda offset, bits: Waitlist(offset, bits * 2 + 1) if offset else Waitlist(),
    st.integers(0, 10**9),
    st.integers(0, 2**300),
)
REGISTRATIONS = st.builds(
    Registration,
    event_id=TEXT,
    user_id=TEXT,
    status=st.sampled_from(Status),
    generation=COUNT,
    version=COUNT,
    registered_at=TIME,
    ticket=st.none() | COUNT,
    code=st.none() | TEXT,
    post_keys=KEYS,
    delete_keys=KEYS,
    cancelling=st.booleans(),
    note=st.none() | TEXT,
    resent_at=st.none() | TIME,
)


def size_of(item: dict[str, Any]) -> int:
    """Bytes as DynamoDB counts them: names, texts and binaries by length, numbers by half their digits."""
    total = 0
    for name, value in item.items():
        ((kind, content),) = value.items()
        total += len(name) + (1 if kind == "BOOL" else len(content) // 2 + 2 if kind == "N" else len(content))
    return total


@given(REGISTRATIONS)
def test_every_registration_comes_back_from_its_item(record: Registration) -> None:
    """registration_from_item(registration_to_item(record)) is the record."""
    assert registration_from_item(registration_to_item(record)) == record


@given(st.builds(Ledger, TEXT, SETTINGS, VERSION, REVISIONS, COUNT, COUNT, TIME, LINES, st.none() | TIME))
def test_every_ledger_comes_back_from_its_item(ledger: Ledger) -> None:
    """ledger_from_item(ledger_to_item(ledger)) is the ledger, and `promotable` is there exactly while it is true."""
    item = ledger_to_item(ledger)
    assert ledger_from_item(item) == ledger
    assert item.get("promotable") == ({"S": "yes"} if ledger.promotable else None)


def test_a_registration_carries_the_keys_of_both_indexes() -> None:
    """The item of a waiter, attribute by attribute: this is what the tables and indexes are made for."""
    record = Registration(EVENT, "ann", Status.WAITLISTED, 2, 5, NOW + 1, ticket=7, post_keys=("k", "l"))
    assert registration_to_item(record) == {
        "registrationId": {"S": record.registration_id},
        "eventId": {"S": "e1"},
        "userId": {"S": "ann"},
        "status": {"S": "waitlisted"},
        "registeredAt": {"S": "2026-01-01T00:00:00.000001Z"},
        "status#registeredAt": {"S": "waitlisted#2026-01-01T00:00:00.000001Z"},
        "generation": {"N": "2"},
        "version": {"N": "5"},
        "ticket": {"N": "7"},
        "postKey": {"S": "k l"},
    }
    assert STATUS_KEY == "status#registeredAt"


@given(TIME, TIME)
def test_text_order_is_time_order(one: int, other: int) -> None:
    """Timestamps have fixed width, to the microsecond: sorting the texts sorts the times, and each comes back."""
    assert (timestamp(one) < timestamp(other)) == (one < other)
    assert microseconds(timestamp(one)) == one
    assert len(timestamp(one)) == len("2026-01-01T00:00:00.000000Z")


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"capacity": {"N": "5"}}, seats(5)),
        ({}, seats(0)),
        ({"capacity": {"N": "-3"}}, seats(0)),
        ({"capacity": {"N": "5.0"}}, seats(5)),
        ({"capacity": {"N": "1E+2"}}, seats(100)),
        ({"capacity": {"S": "5"}}, seats(0)),
        ({"capacity": {"N": "5"}, "status": {"S": "published"}}, seats(5)),
        ({"capacity": {"N": "5"}, "status": {"NULL": True}}, seats(5)),
        ({"capacity": {"N": "5"}, "status": {"S": "closed"}}, seats(5, status=EventStatus.CLOSED)),
        ({"capacity": {"N": "5"}, "hasWaitlist": {"BOOL": True}}, seats(5, waitlist=None)),
        ({"capacity": {"N": "5"}, "hasWaitlist": {"BOOL": True}, "waitlistCapacity": {"NULL": True}}, seats(5, None)),
        ({"capacity": {"N": "5"}, "hasWaitlist": {"BOOL": True}, "waitlistCapacity": {"N": "2.0"}}, seats(5, 2)),
    ],
)
def test_events_written_before_the_waiting_list_existed_are_read(item: dict[str, Any], expected: SeatSettings) -> None:
    """Absent or strange values count as: no seats, no waiting list, no limit, active."""
    assert seat_settings_from_item(item) == expected
    assert ledger_from_event({"eventId": {"S": EVENT}, **item}) == Ledger(EVENT, expected)


@pytest.mark.parametrize(
    ("waiting", "gone", "most"), [(5_000, 0.0, 200), (5_000, 0.05, 700), (50_000, 0.0, 250), (50_000, 0.05, 3_000)]
)
def test_a_long_line_fits_into_a_small_item(waiting: int, gone: float, most: int) -> None:
    """5,000 waiting with every twentieth gone are less than 700 bytes; 50,000 are less than 3 KB."""
    chance, bits, end = random.Random(1), 0, 0
    while bits.bit_count() < waiting:
        bits |= int(end == 0 or chance.random() >= gone) << end
        end += 1
    ledger = Ledger(
        "a-name-of-usual-length-2026", seats(500, None), 9_999, {"capacity": 3}, 500, end + 1, NOW, Waitlist(1, bits)
    )
    item = ledger_to_item(ledger)
    assert ledger_from_item(item) == ledger
    assert size_of(item) <= most


@pytest.mark.parametrize(
    "damage",
    [
        {"line": {"B": b"\1rubbish"}, "lineOffset": {"N": "1"}},
        {"line": {"B": b"\1"}, "lineOffset": {"N": "1"}},
        {"line": {"B": b"\0\1"}},
        {"version": {"N": "one"}},
        {"version": {"S": "1"}},
        {"version": {"N": "0"}},
        {"lastRegisteredAt": {"N": "9" * 30}},
    ],
)
def test_a_malformed_ledger_is_refused(damage: dict[str, Any]) -> None:
    """Whatever is wrong with it raises one of the errors for which the loader is ready."""
    with pytest.raises(DECODE_ERRORS):
        ledger_from_item(ledger_to_item(Ledger(EVENT, seats(1), 1)) | damage)
    with pytest.raises(DECODE_ERRORS):
        ledger_from_item({})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", {"S": "odd"}),
        *[("registeredAt", {"S": text}) for text in ("", "yesterday", "2026-13-01T00:00:00.000000Z")],
        ("version", {}),
    ],
)
def test_a_malformed_registration_is_refused(field: str, value: dict[str, Any]) -> None:
    """So does a registration."""
    good = registration_to_item(Registration(EVENT, "ann", Status.CONFIRMED, 1, 1, NOW))
    with pytest.raises(DECODE_ERRORS):
        registration_from_item(good | {field: value})


LEDGER = Ledger(EVENT, seats(3, 2, EventStatus.CLOSED), 7, {"capacity": 4}, 3, 9, NOW, Waitlist(5, 5), free_since=NOW)
EVENT_ITEM = {"eventId": {"S": EVENT}, "capacity": {"N": "8"}}


@pytest.mark.parametrize(
    ("damage", "lost"),
    [
        ({"confirmed": None}, {}),
        ({"line": {"B": b"\1rubbish"}}, {}),
        ({"nextTicket": {"S": "9"}}, {"next_ticket": 1}),
        ({"lastRegisteredAt": {"N": "1.5"}}, {"last_registered_at": 0}),
        ({"lastRegisteredAt": {"N": "9" * 30}}, {"last_registered_at": 0}),
        ({"lastRegisteredAt": {"N": "-1"}}, {"last_registered_at": 0}),
        ({"revisions": {"M": {"capacity": {"S": "4"}}}}, {"revisions": {}}),
        ({"confirmed": None, "status": None}, {"settings": seats(3, 2)}),
    ],
)
def test_what_is_left_of_a_ledger(damage: dict[str, Any], lost: dict[str, Any]) -> None:
    """Its version, what only grows, and its settings, which the event item has too: what is counted does not stay."""
    whole = ledger_to_item(LEDGER) | damage
    item = {name: value for name, value in whole.items() if value is not None}
    with pytest.raises(DECODE_ERRORS):
        ledger_from_item(item)
    rest = replace(LEDGER, confirmed=0, waitlist=Waitlist(), free_since=None, **lost)
    assert salvage_ledger(item, None) == rest
    assert salvage_ledger(item, EVENT_ITEM) == replace(rest, settings=seats(8))


@pytest.mark.parametrize(("name", "event"), [("version", EVENT_ITEM), ("version", None), ("capacity", None)])
def test_too_little_is_left_of_a_ledger(name: str, event: dict[str, Any] | None) -> None:
    """Without its version nobody can say which ledger it is, without a capacity how many seats there are."""
    item = {key: value for key, value in ledger_to_item(LEDGER).items() if key not in {name, "confirmed"}}
    with pytest.raises(DECODE_ERRORS):
        salvage_ledger(item, event)
    with pytest.raises(DECODE_ERRORS):
        salvage_ledger(item | {"version": {"N": "0"}, "capacity": {"N": "x"}}, event)
