"""The bodies of an event: made anew, or changed."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, field_validator
from pydantic.alias_generators import to_camel

from api.models.base import PLAIN, Body, described, plain
from workers.domain.records import EventStatus, SeatChanges, SeatSettings

MAX_SEATS = 1_000_000
"""The most that an event may have."""

_LONG_MONTH = "(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])"
_SHORT_MONTH = "(0[469]|11)-(0[1-9]|[12][0-9]|30)"
_FEBRUARY = "02-(0[1-9]|1[0-9]|2[0-8])"
_YEAR = "([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_LEAP_YEAR = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)"
_DAY = f"({_YEAR}-({_LONG_MONTH}|{_SHORT_MONTH}|{_FEBRUARY})|{_LEAP_YEAR}-02-29)"
_MINUTE = "([01][0-9]|2[0-3]):[0-5][0-9]"
DATE = rf"^{_DAY}(T{_MINUTE}(:[0-5][0-9](\.[0-9]{{1,6}})?)?(Z|[+-]{_MINUTE})?)?$"
"""A day that is in the calendar, and maybe a time of it: a pattern for Python and for JSON Schema."""

_PROSE = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$"
_EVENT_ID = r"^[A-Za-z0-9._-]{1,100}$"


def _prose(value: str) -> str:
    if any(unicodedata.category(character) == "Cc" and character not in "\n\r\t" for character in value):
        raise ValueError("must not have control characters other than line breaks and tabs")
    return value


def _date(value: str) -> str:
    if not re.fullmatch(DATE, value):
        raise ValueError("must be an ISO date or date-time, like 2026-05-01 or 2026-05-01T19:30:00Z")
    return value


def _event_id(value: str) -> str:
    if value in {".", ".."}:
        raise ValueError("must not be . or .., which URLs take for a folder")
    return value


def _event_status(value: str) -> str:
    if value not in set(EventStatus):
        raise ValueError("must be one of " + ", ".join(EventStatus))
    return value


EventId = Annotated[
    str,
    StringConstraints(pattern=_EVENT_ID),
    AfterValidator(_event_id),
    described(pattern=r"^(\.{0,2}[A-Za-z0-9_-][A-Za-z0-9._-]*|\.{3}[A-Za-z0-9._-]*)$", maxLength=100),
]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(plain), described(pattern=PLAIN)]
Description = Annotated[str, StringConstraints(max_length=5000), AfterValidator(_prose), described(pattern=_PROSE)]
Date = Annotated[
    str,
    AfterValidator(_date),
    described(pattern=DATE, description="An ISO date or date-time: 2030-05-17, 2030-05-17T19:30:00Z."),
]
Seats = Annotated[int, Field(ge=0, le=MAX_SEATS)]
"""A number of seats, or of places in the line."""
Status = Annotated[str, AfterValidator(_event_status), described(enum=list(EventStatus))]

_NEVER_NULL = ("title", "date", "location", "organizer", "capacity", "has_waitlist", "status")


def _without_nulls(schema: dict[str, Any]) -> None:
    """In Python None stands for what was not sent; the API's document says what may be."""
    for name in map(to_camel, _NEVER_NULL):
        schema["properties"][name] = schema["properties"][name]["anyOf"][0]


class NewEvent(Body):
    """An event to be. Without `waitlistCapacity` its waiting list has no limit; without `eventId` one is made."""

    title: Text
    date: Date
    location: Text
    organizer: Text
    capacity: Seats
    description: Description | None = None
    has_waitlist: bool = False
    waitlist_capacity: Seats | None = None
    status: Status = EventStatus.ACTIVE.value
    event_id: EventId | None = None

    def seat_settings(self) -> SeatSettings:
        """The part that the ledger starts from."""
        return SeatSettings(self.capacity, self.has_waitlist, self.waitlist_capacity, EventStatus(self.status))


class EventChange(Body):
    """Any of the fields. Null takes away a description, or the limit of the waiting list."""

    model_config = ConfigDict(json_schema_extra=_without_nulls)

    title: Text | None = None
    date: Date | None = None
    location: Text | None = None
    organizer: Text | None = None
    description: Description | None = None
    capacity: Seats | None = None
    has_waitlist: bool | None = None
    waitlist_capacity: Seats | None = None
    status: Status | None = None

    @field_validator(*_NEVER_NULL, mode="before")
    @classmethod
    def _not_null(cls, value: object) -> object:
        if value is None:
            raise ValueError("must not be null")
        return value

    def own_fields(self) -> dict[str, str | None]:
        """The descriptive fields that were sent, by their names in the contract."""
        given = self.model_fields_set & {"title", "date", "location", "organizer", "description"}
        return {name: getattr(self, name) for name in sorted(given)}

    def seat_changes(self) -> SeatChanges:
        """The seat settings that were sent."""
        changes: SeatChanges = {}
        if self.capacity is not None:
            changes["capacity"] = self.capacity
        if self.has_waitlist is not None:
            changes["has_waitlist"] = self.has_waitlist
        if "waitlist_capacity" in self.model_fields_set:
            changes["waitlist_capacity"] = self.waitlist_capacity
        if self.status is not None:
            changes["status"] = EventStatus(self.status)
        return changes
