"""What comes back: users, events, registrations, pages and problems, as shapes.

`api/views.py` makes them, without pydantic, since a function must not pay for a second look at its own answer. A
field with None as its default may be absent; it is never null, unless its type says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, create_model
from pydantic.alias_generators import to_camel
from pydantic.json_schema import SkipJsonSchema

from api.http.problems import CODES
from workers.domain.records import Status
from workers.domain.seat_settings import SETTINGS

Shape = TypeVar("Shape", bound=BaseModel)

Absent = SkipJsonSchema[None]
"""Not there at all: JSON has no null for it."""
Moment = Annotated[
    str,
    Field(json_schema_extra={"format": "date-time"}, description="UTC, to the microsecond."),
]
RegistrationId = Annotated[
    str,
    Field(pattern=r"^reg_[A-Z2-7]{26}$", description="The same for ever, whatever becomes of the registration."),
]


def _known(values: Iterable[str]) -> WithJsonSchema:
    """One of these texts, or one that a later version has: who reads it strictly must not stumble over that."""
    return WithJsonSchema({"anyOf": [{"type": "string", "enum": list(values)}, {"type": "string"}]})


Code = Annotated[
    str,
    _known(CODES),
    Field(description="What clients should look at: stable. docs/errors.md says what each one means and asks for."),
]


class Answer(BaseModel):
    """A JSON object with camelCase names. More may be added to it: clients ignore what they do not know."""

    model_config = ConfigDict(alias_generator=to_camel)


def _with_seat_settings(*, described: bool) -> Callable[[type[Shape]], type[Shape]]:
    """Return a decorator that gives a shape a field for each seat setting, with its description or absent at times."""

    def extend(shape: type[Shape]) -> type[Shape]:
        fields: dict[str, Any] = {}
        for name, setting in SETTINGS.items():
            kind = setting.kind
            value = kind.enum or kind.json_type
            about = Field(
                description=setting.description if described else None,
                json_schema_extra={key: text for key, text in kind.schema.items() if key == "format"},
            )
            if described and not setting.nullable:
                fields[name] = (Annotated[value, about], ...)
            else:
                fields[name] = (Annotated[value | Absent, about], None)
        return create_model(shape.__name__, __base__=shape, __doc__=shape.__doc__, __module__=__name__, **fields)

    return extend


class User(Answer):
    """Somebody who can register."""

    user_id: str
    name: str
    email: str | Absent = None
    created_at: Moment


class ForgottenUser(Answer):
    """What is left of a user who was forgotten."""

    user_id: str
    erased_at: Annotated[Moment, Field(description="When this was asked for first.")]
    cancellations: Annotated[
        int,
        Field(ge=0, description="How many registrations this request found active, and asked to have cancelled."),
    ]


class RegisteredUser(Answer):
    """The user of a registration. Nothing but the id is left of somebody who was forgotten."""

    user_id: str
    name: str | Absent = None
    email: str | Absent = None
    created_at: Moment | Absent = None


@_with_seat_settings(described=True)
class Event(Answer):
    """What people register for, and its seats as they are just now."""

    event_id: str
    title: str
    date: str
    location: str
    organizer: str
    description: str | Absent = None
    created_at: Annotated[Moment | Absent, Field(description="Absent for events of earlier software.")] = None
    current_attendees: Annotated[int, Field(description="How many have a seat.")]
    seats_left: Annotated[
        int, Field(description="Free seats. As long as `waitlistLength` is not 0, they belong to those who wait.")
    ]
    waitlist_length: Annotated[int, Field(description="How many wait.")]
    over_capacity_by: Annotated[
        int | Absent, Field(description="By how many the capacity was lowered under what is taken; else absent.")
    ] = None


@_with_seat_settings(described=False)
class ListedEvent(Answer):
    """An event in a list: `Event`, without its seats should nobody be able to say them just now; nothing but the id of
    an event that is not there any more.
    """

    event_id: str
    title: str | Absent = None
    date: str | Absent = None
    location: str | Absent = None
    organizer: str | Absent = None
    description: str | Absent = None
    created_at: Moment | Absent = None
    current_attendees: int | Absent = None
    seats_left: int | Absent = None
    waitlist_length: int | Absent = None
    over_capacity_by: int | Absent = None


class Registration(Answer):
    """One person's place, or wish for one, at one event. There is at most one for each event and user."""

    registration_id: RegistrationId
    event_id: str
    user_id: str
    status: Annotated[
        Status,
        Field(
            description="`pending`: accepted, not decided yet. `waitlisted`: moves up when seats become free. "
            "`confirmed`: has a seat. `rejected`: `code` says why. `cancelled`. After the last two one can register "
            "anew."
        ),
    ]
    registered_at: Annotated[
        Moment, Field(description="When this attempt was decided; while it is pending, when it was accepted.")
    ]
    waitlist_position: Annotated[
        Annotated[int, Field(ge=1)] | Absent,
        Field(description="The place in the line, 1 for its head; while `waitlisted` only."),
    ] = None
    code: Annotated[
        Annotated[str, _known(("event-full", "waitlist-full", "registration-closed", "discarded"))] | Absent,
        Field(description="Why it was rejected; while `rejected` only."),
    ] = None


class EventsRegistration(Registration):
    """A registration in the list of an event."""

    user: RegisteredUser


class UsersRegistration(Registration):
    """A registration in the list of a user."""

    event: ListedEvent


NextCursor = Annotated[str | None, Field(description="The `cursor` of the next page; null behind the last one.")]


class EventPage(Answer):
    """A page of events."""

    events: list[ListedEvent]
    next: NextCursor


class EventsRegistrationPage(Answer):
    """A page of the registrations for an event."""

    registrations: list[EventsRegistration]
    next: NextCursor


class UsersRegistrationPage(Answer):
    """A page of the registrations of a user."""

    registrations: list[UsersRegistration]
    next: NextCursor


class Place(Answer):
    """A place in the request, and what is wrong there."""

    pointer: Annotated[
        str, Field(description="A JSON pointer into the body (`/userId`), `?` and a query parameter, or a header.")
    ]
    detail: str


class Problem(Answer):
    """An error (RFC 9457)."""

    type: Annotated[str, Field(description="`urn:turnstile:problem:` and the code.")]
    title: str
    status: int
    detail: str
    code: Code
    errors: Annotated[list[Place] | Absent, Field(description="Each wrong place of an invalid request.")] = None
    registration: Annotated[
        str | Absent, Field(description="With `already-registered`: the address of that registration.")
    ] = None
