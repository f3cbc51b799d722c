"""The seat settings of an event: the one table of them, and of how each is checked, stored and sent.

A setting is a field of `SeatSettings`. From its entry follow the attributes of ledger and event items, the changes in a
`Configure` message, the fields of the API's requests and answers and the API's document. To add a setting, add its
field here, and the rule that obeys it to `workers.domain.decide`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

MAX_SEATS = 1_000_000
"""The most seats, or places on the waiting list, that the API accepts for an event."""

MAX_COUNT = 2**53 - 1
"""Not every JSON reader can tell larger whole numbers apart, and DynamoDB refuses those of more than 38 digits."""


class EventStatus(StrEnum):
    """The status of an event. `closed`: nobody joins. `cancelled`: nobody joins, and nobody is promoted."""

    ACTIVE = "active"
    CLOSED = "closed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of setting: which values it takes, and how they look in JSON and in the tables.

    `parse` reads a value that somebody sent, of any JSON type; it raises ValueError if it is not one, which a dead
    letter reports with `problem`. `restore` reads what is stored, also by earlier software; it never refuses. `render`
    is the reverse of both. `schema` is what JSON Schema says of a request beside the type.
    """

    json_type: type[int | bool | str]
    parse: Callable[[object], Any]
    restore: Callable[[Any], Any]
    problem: str
    render: Callable[[Any], int | bool | str] = lambda value: value
    schema: Mapping[str, Any] = field(default_factory=dict)
    enum: type[StrEnum] | None = None


def parse_count(value: object) -> int:
    """Return the whole number that a JSON value is. Raises ValueError for any other, or one beyond MAX_COUNT."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_COUNT:
        raise ValueError(f"must be a whole number from 0 to {MAX_COUNT}")
    return value


def _parse_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004 - the contract of `Kind.parse`
    return value


def _parse_status(value: object) -> EventStatus:
    if not isinstance(value, str) or value not in set(EventStatus):
        raise ValueError("must be one of " + ", ".join(EventStatus))
    return EventStatus(value)


SEATS = Kind(
    int,
    parse=parse_count,
    restore=lambda stored: max(0, stored),
    problem="is missing or not a count",
    schema={"minimum": 0, "maximum": MAX_SEATS},
)
"""A number of seats, or of places on the waiting list."""
FLAG = Kind(bool, parse=_parse_flag, restore=bool, problem="is not true or false")
"""On or off."""
STATUS = Kind(
    str,
    parse=_parse_status,
    restore=lambda stored: EventStatus(stored) if stored in set(EventStatus) else EventStatus.ACTIVE,
    problem="is not that of an event",
    render=str,
    schema={"enum": list(EventStatus)},
    enum=EventStatus,
)
"""Whether the event takes registrations. Earlier software wrote other statuses: they mean that it does."""


@dataclass(frozen=True, slots=True)
class SeatSettings:
    """The seat settings of one event.

    The metadata of a field is the rest of its entry: see `Setting`. A setting whose default is None may be null, which
    is stored as its absence.
    """

    capacity: int = field(metadata={"wire_name": "capacity", "kind": SEATS})
    has_waitlist: bool = field(default=False, metadata={"wire_name": "hasWaitlist", "kind": FLAG})
    waitlist_capacity: int | None = field(
        default=None,
        metadata={"wire_name": "waitlistCapacity", "kind": SEATS, "description": "Absent: no limit."},
    )
    status: EventStatus = field(
        default=EventStatus.ACTIVE,
        metadata={
            "wire_name": "status",
            "kind": STATUS,
            "description": "`closed`: nobody joins, but waiters are still promoted. `cancelled`: nobody joins, and "
            "nobody is promoted.",
        },
    )

    def change(self, changes: SeatChanges) -> SeatSettings:
        """Return the settings with these changes. Raises TypeError for an unknown setting."""
        return replace(self, **changes)

    def to_json(self) -> dict[str, int | bool | str]:
        """Return the settings as JSON, by their wire names, without those that are None."""
        values = ((setting, getattr(self, name)) for name, setting in SETTINGS.items())
        return {setting.wire_name: setting.kind.render(value) for setting, value in values if value is not None}


SeatChanges = dict[str, Any]
"""New values of some settings, by their names in `SeatSettings`. What clients send goes through `Setting.parse`."""


@dataclass(frozen=True, slots=True)
class Setting:
    """An entry of the table.

    `name` is that of the field in `SeatSettings`; messages, tables and clients use `wire_name`. `description` is for
    the API's document.
    """

    name: str
    wire_name: str
    kind: Kind
    default: Any
    description: str | None = None

    @property
    def required(self) -> bool:
        """True if a new event must say it."""
        return self.default is MISSING

    @property
    def nullable(self) -> bool:
        """True if the setting can be taken away."""
        return self.default is None

    def parse(self, value: object) -> Any:
        """Return the value that somebody sent as JSON. Raises ValueError if the setting cannot have it."""
        return None if value is None and self.nullable else self.kind.parse(value)

    def restore(self, stored: object) -> Any:
        """Return the value of a stored item. None stands for an item without it: it has the default, or nothing."""
        if stored is None and not self.required:
            return self.default
        return self.kind.restore(stored or self.kind.json_type())

    def render(self, value: object) -> int | bool | str | None:
        """Return a value of the setting as JSON."""
        return None if value is None else self.kind.render(value)


SETTINGS: Mapping[str, Setting] = {
    entry.name: Setting(entry.name, default=entry.default, **entry.metadata) for entry in fields(SeatSettings)
}
"""The table, by the names in `SeatSettings`."""
