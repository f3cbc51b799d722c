"""The bodies of an event: made anew, or changed."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, field_validator

from api.models.base import Body, plain
from workers.domain.records import EventStatus, SeatChanges, SeatSettings

MAX_SEATS = 1_000_000

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})?)?")


def _prose(value: str) -> str:
    if any(unicodedata.category(character) == "Cc" and character not in "\n\r\t" for character in value):
        raise ValueError("must not have control characters other than line breaks and tabs")
    return value


def _date(value: str) -> str:
    try:
        if not _DATE.fullmatch(value):
            raise ValueError
        datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("must be an ISO date or date-time, like 2026-05-01 or 2026-05-01T19:30:00Z") from None
    return value


def _event_id(value: str) -> str:
    if value in {".", ".."}:
        raise ValueError("must not be . or .., which URLs take for a folder")
    return value


def _event_status(value: str) -> str:
    if value not in set(EventStatus):
        raise ValueError("must be one of " + ", ".join(EventStatus))
    return value


EventId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,100}$"), AfterValidator(_event_id)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(plain)]
Description = Annotated[str, StringConstraints(max_length=5000), AfterValidator(_prose)]
Date = Annotated[str, AfterValidator(_date)]
Seats = Annotated[int, Field(ge=0, le=MAX_SEATS)]
Status = Annotated[str, AfterValidator(_event_status)]


class NewEvent(Body):
    """POST /events. No `waitlist_capacity` means: no limit."""

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
    """PATCH /events/{eventId}: any of the fields. Null takes away a description or the waiting list's limit."""

    title: Text | None = None
    date: Date | None = None
    location: Text | None = None
    organizer: Text | None = None
    description: Description | None = None
    capacity: Seats | None = None
    has_waitlist: bool | None = None
    waitlist_capacity: Seats | None = None
    status: Status | None = None

    @field_validator("title", "date", "location", "organizer", "capacity", "has_waitlist", "status", mode="before")
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
