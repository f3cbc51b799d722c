"""The queue format: what is written can be read, and what cannot be read says why."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import cancel, change, configure, promote, register, seats
from tests.support.strategies import SETTING_VALUES
from workers.aws.messages import UndecodableMessage, command_group, decode, deduplication_id, encode, event_group
from workers.domain.commands import Command, Recount
from workers.domain.records import Totals
from workers.domain.recount import MAX_SPAN
from workers.domain.waitlist import Waitlist

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
COUNT = st.integers(0, 2**53 - 1)
CHANGES = st.fixed_dictionaries({}, optional=SETTING_VALUES).filter(bool)
LINES = st.just(Waitlist()) | st.builds(
    lambda first, bits: Waitlist(first, bits * 2 + 1), st.integers(1, 10**9), st.integers(0, 2**300)
)
FIELDS: dict[str, st.SearchStrategy[object]] = {
    "str": TEXT,
    "str | None": st.none() | TEXT,
    "int": COUNT,
    "SeatChanges": CHANGES,
    "Totals": st.builds(Totals, COUNT, LINES, COUNT),
}
"""The values of a command's fields, by their types."""
COMMANDS: st.SearchStrategy[Command] = st.one_of(
    *(st.builds(kind, *(FIELDS[str(field.type)] for field in fields(kind))) for kind in get_args(Command))
)
"""Commands of every kind that there is."""

RECOUNT_COMMAND = Recount("recount-1", "e1", 7, Totals(2, Waitlist.of([3, 5]), 9), 1_767_225_600_000_000)
REGISTER = json.loads(encode(register("ann")))
CONFIGURE = json.loads(encode(configure(3, seats(5, waitlist=2))))
RECOUNT = json.loads(encode(RECOUNT_COMMAND))
PROMOTE = json.loads(encode(promote(1)))
NOT_COUNTS = [None, "1", -1, 1.5, True, 10**30]


def changed(body: dict[str, Any], **fields: Any) -> str:
    """Return a message body with other fields."""
    return json.dumps(body | fields)


@given(COMMANDS)
def test_every_command_comes_back_from_its_message(command: Command) -> None:
    """Every command can be decoded from its message, and SQS accepts its deduplication id."""
    assert decode(encode(command)) == command
    name = deduplication_id(command)
    assert (name.isalnum(), len(name) <= 128) == (True, True)


def test_a_message_is_versioned_json_in_camel_case() -> None:
    """The format is a contract between deployments that overlap: it does not change by accident."""
    assert json.loads(encode(register("ann", 2, key="k"))) == {
        "v": 1,
        "kind": "Register",
        "commandId": "register-ann-2",
        "eventId": "e1",
        "userId": "ann",
        "generation": 2,
        "acceptedAt": 1_767_225_600_000_000,
        "key": "k",
    }
    assert set(CONFIGURE) == {"v", "kind", "commandId", "eventId", "acceptedAt", "revision", "changes"}
    assert json.loads(encode(change(3, waitlist_capacity=None, has_waitlist=True)))["changes"] == {
        "waitlistCapacity": None,
        "hasWaitlist": True,
    }
    assert json.loads(encode(promote(7)))["ledgerVersion"] == 7
    assert RECOUNT == {
        "v": 1,
        "kind": "Recount",
        "commandId": "recount-1",
        "eventId": "e1",
        "acceptedAt": 1_767_225_600_000_000,
        "ledgerVersion": 7,
        "confirmed": 2,
        "lineOffset": 3,
        "line": "5",
        "lastRegisteredAt": 9,
    }


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "the body is not JSON"),
        ("rubbish", "the body is not JSON"),
        ('{"v": 1', "the body is not JSON"),
        ("[" * 100_000, "the body is not JSON"),
        ("1" * 5_000, "the body is not JSON"),
        ("[]", "the body is not a JSON object"),
        ("null", "the body is not a JSON object"),
        ('"Register"', "the body is not a JSON object"),
        ("{}", "v is missing"),
        ('{"v": 2}', "version 2 is not known"),
        ('{"v": true}', "version true is not known"),
        ('{"v": "' + "1" * 90 + '"}', 'version "111111111111111111111111111111111111111 is not known'),
        (changed(REGISTER, kind=None), "kind null is not known"),
        (changed(REGISTER, kind="register"), 'kind "register" is not known'),
        (changed(REGISTER, kind=["Register"]), 'kind ["Register"] is not known'),
    ],
)
def test_a_body_that_is_no_command_says_why(body: str, reason: str) -> None:
    """Not JSON, no object, an unknown version or an unknown kind: the reason is short."""
    with pytest.raises(UndecodableMessage) as caught:
        decode(body)
    assert str(caught.value) == reason


@pytest.mark.parametrize("name", sorted(REGISTER.keys() - {"v", "kind"}))
@pytest.mark.parametrize("value", [None, "", [], {}, -1, 1.5, True, "\ud800", "x" * 2049, 10**30])
def test_each_field_of_a_register_is_checked(name: str, value: Any) -> None:
    """A field that is missing, of another type, empty, too long, too big or not valid text is refused."""
    with pytest.raises(UndecodableMessage, match=f"^{name} is missing or not a (string|count)$"):
        decode(changed(REGISTER, **{name: value}))


@pytest.mark.parametrize(
    ("body", "name", "values", "reason"),
    [
        (REGISTER, "key", [None, "", 7, [], "\ud800"], "key is missing or not a string"),
        (PROMOTE, "ledgerVersion", NOT_COUNTS, "ledgerVersion is missing or not a count"),
        *[
            (RECOUNT, name, NOT_COUNTS, f"{name} is missing or not a count")
            for name in ("ledgerVersion", "confirmed", "lineOffset", "lastRegisteredAt")
        ],
        (
            RECOUNT,
            "line",
            [None, 5, "", "0x5", "-5", "5_5", " 5", "5\n", "G", "A", "٥"],
            "line is missing or not a bitmap",
        ),
        (RECOUNT, "line", ["4", "0"], "line does not begin with a ticket"),
        (RECOUNT, "lineOffset", [0], "line does not begin with a ticket"),
    ],
)
def test_other_fields_are_checked(body: dict[str, Any], name: str, values: list[Any], reason: str) -> None:
    """The waiting list of a Recount is a hexadecimal bitmap in the only form that a waiting list has."""
    for value in values:
        with pytest.raises(UndecodableMessage, match=f"^{reason}$"):
            decode(changed(body, **{name: value}))


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ({"capacity": -1}, "capacity is missing or not a count"),
        ({"capacity": 10**30}, "capacity is missing or not a count"),
        ({"waitlistCapacity": "2"}, "waitlistCapacity is missing or not a count"),
        ({"hasWaitlist": 1}, "hasWaitlist is not true or false"),
        ({"status": "open"}, "status is not that of an event"),
        ({"status": None}, "status is not that of an event"),
        ({"status": []}, "status is not that of an event"),
        ({"status": {}}, "status is not that of an event"),
        ({"title": "T"}, "changes is missing or names no settings"),
        ({}, "changes is missing or names no settings"),
        (["capacity"], "changes is missing or names no settings"),
        (None, "changes is missing or names no settings"),
    ],
)
def test_each_setting_is_checked(field: Any, reason: str) -> None:
    """A Configure whose settings make no sense is unreadable, and says which."""
    with pytest.raises(UndecodableMessage) as caught:
        decode(json.dumps(CONFIGURE | {"changes": field}))
    assert str(caught.value) == reason


def test_the_longest_line_fits_into_a_message() -> None:
    """A line of the greatest span stays below 256 KiB, which SQS has always taken, and comes back from it."""
    command = replace(RECOUNT_COMMAND, totals=Totals(1, Waitlist.of([1, MAX_SPAN + 1]), 1))
    assert len(encode(command)) < 256 * 1024
    assert decode(encode(command)) == command


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda c: st.lists(c) | st.dictionaries(st.text(), c),
    ),
    st.sampled_from(sorted(REGISTER | CONFIGURE | RECOUNT)),
)
def test_whatever_is_in_a_message_it_is_a_command_or_unreadable(value: Any, name: str) -> None:
    """No value of any field makes the reader raise anything else: one bad message must not take down a batch."""
    for body in (REGISTER, CONFIGURE, RECOUNT):
        try:
            command = decode(json.dumps(body | {name: value}))
        except UndecodableMessage:
            continue
        assert 0 < len(event_group(command.event_id)) <= 128
        assert len(deduplication_id(command)) == 64


@pytest.mark.parametrize("event_id", ["e1", "a.b_c-d", "x" * 128, "what?", "a/b|c~"])
def test_an_event_is_its_own_group_where_sqs_takes_it(event_id: str) -> None:
    """Letters, digits and punctuation, up to 128: the group is the id."""
    assert event_group(event_id) == event_id


@pytest.mark.parametrize("event_id", ["x" * 129, "with space", "größe", "e1\n", "", "日本"])
def test_other_ids_are_hashed_for_the_group(event_id: str) -> None:
    """An id that SQS would refuse becomes a hash, which it takes; different ids become different groups."""
    group = event_group(event_id)
    assert group.startswith("sha256-")
    assert event_group(group) == group
    assert group != event_group(event_id + " ")


def test_a_recount_has_a_group_of_its_own() -> None:
    """A Recount has a group of its own, so that nothing in the event's group can hold it back; the others stay in
    order."""
    assert command_group(RECOUNT_COMMAND) != event_group("e1")
    assert command_group(RECOUNT_COMMAND) != command_group(replace(RECOUNT_COMMAND, event_id="e2"))
    assert event_group(command_group(RECOUNT_COMMAND)) == command_group(RECOUNT_COMMAND)
    others: list[Command] = [register("ann"), cancel("ann"), promote(1), configure(1, seats(1))]
    assert {command_group(command) for command in others} == {"e1"}
    assert command_group(register("ann", event="an event with spaces")) == event_group("an event with spaces")


def test_deduplication_ids() -> None:
    """A repeated command has the same id, whoever sent it when and with which key; every other command has its own, and
    so has a second attempt to recount."""
    again = replace(register("ann"), command_id="other", accepted_at=5, key="k")
    assert deduplication_id(again) == deduplication_id(register("ann"))
    for command in (promote(3), RECOUNT_COMMAND):
        assert deduplication_id(replace(command, accepted_at=5)) == deduplication_id(command)
    different: list[Command] = [
        register("ann"),
        cancel("ann"),
        register("ann", 2),
        cancel("ann", 2),
        register("bob"),
        register("ann", event="e2"),
        promote(1),
        promote(2),
        promote(1, event="e2"),
        configure(1, seats(1)),
        configure(2, seats(1)),
        configure(1, seats(1), event="e2"),
        RECOUNT_COMMAND,
        replace(RECOUNT_COMMAND, event_id="e2"),
        replace(RECOUNT_COMMAND, command_id="recount-2"),
    ]
    assert len({deduplication_id(command) for command in different}) == len(different)
