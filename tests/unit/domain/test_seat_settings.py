"""The table of seat settings: what each takes, how it is stored and sent, and what its absence means."""

from __future__ import annotations

from typing import Any

import pytest

from workers.domain.seat_settings import MAX_COUNT, SETTINGS, EventStatus, SeatSettings

OUTSIDE = {
    "capacity": "capacity",
    "has_waitlist": "hasWaitlist",
    "waitlist_capacity": "waitlistCapacity",
    "status": "status",
}
SETTINGS_OF_ALL = SeatSettings(3, has_waitlist=True, waitlist_capacity=2, status=EventStatus.CLOSED)


def test_names_and_defaults() -> None:
    """The names outside of the code are a contract; a capacity alone means no waiting list, no limit, active."""
    assert {name: setting.wire_name for name, setting in SETTINGS.items()} == OUTSIDE
    assert [name for name, setting in SETTINGS.items() if setting.required] == ["capacity"]
    assert [name for name, setting in SETTINGS.items() if setting.nullable] == ["waitlist_capacity"]
    assert SETTINGS["waitlist_capacity"].description == "Absent: no limit."
    assert SeatSettings(3) == SeatSettings(3, has_waitlist=False, waitlist_capacity=None, status=EventStatus.ACTIVE)


def test_json() -> None:
    """Every setting under its wire name; one that is None is left out, except in a change."""
    everything = {"capacity": 3, "hasWaitlist": True, "waitlistCapacity": 2, "status": "closed"}
    assert SETTINGS_OF_ALL.to_json() == everything
    assert type(SETTINGS_OF_ALL.to_json()["status"]) is str
    assert SeatSettings(0).to_json() == {"capacity": 0, "hasWaitlist": False, "status": "active"}
    assert SETTINGS["waitlist_capacity"].render(None) is SETTINGS["status"].render(None) is None
    assert [setting.render(getattr(SETTINGS_OF_ALL, name)) for name, setting in SETTINGS.items()] == [
        *everything.values()
    ]


def test_change() -> None:
    """A change replaces what it names and keeps the rest; a name of no setting raises."""
    assert SETTINGS_OF_ALL.change({"capacity": 1, "waitlist_capacity": None}) == SeatSettings(
        1, has_waitlist=True, status=EventStatus.CLOSED
    )
    with pytest.raises(TypeError):
        SETTINGS_OF_ALL.change({"seats": 1})


@pytest.mark.parametrize(
    ("name", "accepted", "refused", "rule"),
    [
        (
            "capacity",
            [0, MAX_COUNT],
            [None, -1, MAX_COUNT + 1, 1.0, True, "1"],
            f"must be a whole number from 0 to {MAX_COUNT}",
        ),
        (
            "waitlist_capacity",
            [None, 0, MAX_COUNT],
            [-1, MAX_COUNT + 1, 1.0, False, "1"],
            f"must be a whole number from 0 to {MAX_COUNT}",
        ),
        ("has_waitlist", [True, False], [None, 0, 1, "true"], "must be true or false"),
        (
            "status",
            ["active", "closed", "cancelled"],
            [None, "open", "", [], {}],
            "must be one of active, closed, cancelled",
        ),
    ],
)
def test_values(name: str, accepted: list[Any], refused: list[Any], rule: str) -> None:
    """Each setting takes the values of its kind, as they are, and says of any other what it must be."""
    setting = SETTINGS[name]
    for value in accepted:
        assert setting.parse(value) == value
    for value in refused:
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
            setting.parse(value)
        assert str(caught.value) == rule
    assert isinstance(SETTINGS["status"].parse("closed"), EventStatus)


@pytest.mark.parametrize(
    ("name", "stored", "value"),
    [
        ("capacity", None, 0),
        ("capacity", 5, 5),
        ("capacity", -3, 0),
        ("waitlist_capacity", None, None),
        ("waitlist_capacity", 0, 0),
        ("waitlist_capacity", 2, 2),
        ("has_waitlist", None, False),
        ("has_waitlist", False, False),
        ("has_waitlist", True, True),
        ("status", None, EventStatus.ACTIVE),
        ("status", "closed", EventStatus.CLOSED),
        ("status", "published", EventStatus.ACTIVE),
    ],
)
def test_stored_values(name: str, stored: Any, value: Any) -> None:
    """Stored values are read leniently, also where earlier software wrote nothing or something else."""
    restored = SETTINGS[name].restore(stored)
    assert (restored, type(restored)) == (value, type(value))
