"""The bodies of an event: to create it, and to change it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, create_model, field_validator
from pydantic.alias_generators import to_camel

from api.models.base import Body, described
from api.models.text import PLAIN, plain
from workers.domain.seat_settings import SETTINGS, SeatChanges, SeatSettings, Setting

Model = TypeVar("Model", bound=BaseModel)

_LONG_MONTH = "(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])"
_SHORT_MONTH = "(0[469]|11)-(0[1-9]|[12][0-9]|30)"
_FEBRUARY = "02-(0[1-9]|1[0-9]|2[0-8])"
_YEAR = "([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_LEAP_YEAR = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)"
DAY = f"({_YEAR}-({_LONG_MONTH}|{_SHORT_MONTH}|{_FEBRUARY})|{_LEAP_YEAR}-02-29)"
"""A day of the calendar: a pattern for both Python and JSON Schema."""
_MINUTE = "([01][0-9]|2[0-3]):[0-5][0-9]"
DATE = rf"^{DAY}(T{_MINUTE}(:[0-5][0-9](\.[0-9]{{1,6}})?)?(Z|[+-]{_MINUTE})?)?$"
"""A day, optionally with a time."""

_PROSE = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$"
_EVENT_ID = r"^[A-Za-z0-9._][A-Za-z0-9._-]{0,99}$"
"""No new id starts with a hyphen, which commands take for an option."""


def _prose(value: str) -> str:
    if any(unicodedata.category(character) == "Cc" and character not in "\n\r\t" for character in value):
        raise ValueError("must not contain control characters other than line breaks and tabs")
    return value


def _date(value: str) -> str:
    if not re.fullmatch(DATE, value):
        raise ValueError("must be an ISO date or date-time, like 2026-05-01 or 2026-05-01T19:30:00Z")
    return value


def _event_id(value: str) -> str:
    if value in {".", ".."}:
        raise ValueError("must not be . or .., which URLs interpret as a folder")
    return value


EventId = Annotated[
    str,
    StringConstraints(pattern=_EVENT_ID),
    AfterValidator(_event_id),
    described(
        pattern=r"^([A-Za-z0-9_][A-Za-z0-9._-]*|\.{1,2}[A-Za-z0-9_-][A-Za-z0-9._-]*|\.{3}[A-Za-z0-9._-]*)$",
        maxLength=100,
    ),
]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(plain), described(pattern=PLAIN)]
Description = Annotated[str, StringConstraints(max_length=5000), AfterValidator(_prose), described(pattern=_PROSE)]
Date = Annotated[
    str,
    AfterValidator(_date),
    described(pattern=DATE, description="An ISO date or date-time: 2030-05-17, 2030-05-17T19:30:00Z."),
]
_TEXTS = ("title", "date", "location", "organizer")
_NEVER_NULL = (*_TEXTS, *(name for name, setting in SETTINGS.items() if not setting.nullable))


def _without_nulls(schema: dict[str, Any]) -> None:
    """Remove null from the fields that cannot be null. In Python None stands for a field that was not sent."""
    for name in map(to_camel, _NEVER_NULL):
        schema["properties"][name] = schema["properties"][name]["anyOf"][0]


def _type_of(setting: Setting) -> Any:
    """Return what pydantic checks a seat setting against."""
    schema = dict(setting.kind.schema)
    limits = Field(ge=schema.pop("minimum", None), le=schema.pop("maximum", None), json_schema_extra=schema)
    return Annotated[setting.kind.json_type, limits, AfterValidator(setting.kind.parse)]


def _with_seat_settings(field_of: Callable[[Setting], tuple[Any, Any]]) -> Callable[[type[Model]], type[Model]]:
    """Return a decorator that gives a model a field for each seat setting; `field_of` says its type and default."""
    fields: dict[str, Any] = {name: field_of(setting) for name, setting in SETTINGS.items()}

    def extend(model: type[Model]) -> type[Model]:
        extended = create_model(model.__name__, __base__=model, __doc__=model.__doc__, __module__=__name__, **fields)
        extended.model_rebuild()
        return extended

    return extend


def _of_new_event(setting: Setting) -> tuple[Any, Any]:
    if setting.required:
        return _type_of(setting), ...
    return (_type_of(setting) | None if setting.nullable else _type_of(setting)), setting.default


def _of_change(setting: Setting) -> tuple[Any, Any]:
    return _type_of(setting) | None, None


@_with_seat_settings(_of_new_event)
class NewEvent(Body):
    """A new event. Without `waitlistCapacity` its waiting list has no limit; without `eventId` its id is generated."""

    model_config = ConfigDict(defer_build=True)

    title: Text
    date: Date
    location: Text
    organizer: Text
    description: Description | None = None
    event_id: EventId | None = None

    def seat_settings(self) -> SeatSettings:
        """Return the seat settings."""
        return SeatSettings(**{name: getattr(self, name) for name in SETTINGS})


@_with_seat_settings(_of_change)
class EventChange(Body):
    """The fields to change. Null removes the description, or the limit of the waiting list."""

    model_config = ConfigDict(defer_build=True, json_schema_extra=_without_nulls)

    title: Text | None = None
    date: Date | None = None
    location: Text | None = None
    organizer: Text | None = None
    description: Description | None = None

    @field_validator(*_NEVER_NULL, mode="before", check_fields=False)
    @classmethod
    def _not_null(cls, value: object) -> object:
        if value is None:
            raise ValueError("must not be null")
        return value

    def own_fields(self) -> dict[str, str | None]:
        """Return the descriptive fields that were sent, by their names in the contract."""
        given = self.model_fields_set & {"title", "date", "location", "organizer", "description"}
        return {name: getattr(self, name) for name in sorted(given)}

    def seat_changes(self) -> SeatChanges:
        """Return the seat settings that were sent."""
        return {name: getattr(self, name) for name in SETTINGS if name in self.model_fields_set}
