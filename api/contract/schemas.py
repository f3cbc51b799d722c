"""The schemas of responses: users, events, registrations, pages and problems.

The functions build their responses without them (`responses.py` of each resource), because validating their own output
would cost time. A field with None as its default may be absent; it is never null unless its type says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, create_model
from pydantic.alias_generators import to_camel
from pydantic.json_schema import SkipJsonSchema
from typing_extensions import TypeAliasType

from api.http.problems import CODES
from workers.domain.records import Status
from workers.domain.seat_settings import SETTINGS

Shape = TypeVar("Shape", bound=BaseModel)

Absent = SkipJsonSchema[None]
"""An absent field, which is never null in JSON."""
Moment = Annotated[
    str,
    Field(json_schema_extra={"format": "date-time"}, description="UTC, to the microsecond."),
]
RegistrationId = Annotated[
    str,
    Field(pattern=r"^reg_[A-Z2-7]{26}$", description="It never changes, whatever happens to the registration."),
]


def _one_of(values: Iterable[str], description: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": list(values), "description": description})


# As aliases they are schemas of their own, after which generated clients name their types. Where they are used, any
# other text is allowed too: later versions may add some, which a strict client must accept.
ProblemCode = TypeAliasType(
    "ProblemCode", Annotated[str, _one_of(CODES, "docs/errors.md explains each code and what to do.")]
)
"""The codes of problems."""
_REJECTIONS = ("event-full", "waitlist-full", "registration-closed", "discarded")
RejectionCode = TypeAliasType("RejectionCode", Annotated[str, _one_of(_REJECTIONS, "Why a request was rejected.")])
"""The codes of rejected registrations."""


class ResponseBody(BaseModel):
    """A JSON object with camelCase names. Later versions may add fields: clients must ignore unknown ones."""

    model_config = ConfigDict(alias_generator=to_camel)


def _with_seat_settings(*, described: bool) -> Callable[[type[Shape]], type[Shape]]:
    """Return a decorator that adds a field for each seat setting: described, or else optional."""

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


class User(ResponseBody):
    """A person who can register."""

    user_id: str
    name: str
    email: str | Absent = None
    created_at: Moment


class ForgottenUser(ResponseBody):
    """An erased user: the part that remains."""

    user_id: str
    erased_at: Annotated[Moment, Field(description="The time of the first request to erase the user.")]
    cancellations: Annotated[
        int,
        Field(
            ge=0, description="The number of active registrations that this request found and queued for cancellation."
        ),
    ]


class RegisteredUser(ResponseBody):
    """The user of a registration. An erased user has only an id."""

    user_id: str
    name: str | Absent = None
    email: str | Absent = None
    created_at: Moment | Absent = None


@_with_seat_settings(described=True)
class Event(ResponseBody):
    """An event with its current seats."""

    event_id: str
    title: str
    date: str
    location: str
    organizer: str
    description: str | Absent = None
    created_at: Annotated[Moment | Absent, Field(description="Absent for events of earlier versions.")] = None
    current_attendees: Annotated[int, Field(description="The number of people with a seat.")]
    seats_left: Annotated[
        int,
        Field(
            description="The number of free seats. While `waitlistLength` is not 0, they belong to the waiting list."
        ),
    ]
    waitlist_length: Annotated[int, Field(description="The number of people on the waiting list.")]
    over_capacity_by: Annotated[
        int | Absent,
        Field(description="The number of taken seats above a capacity that was lowered; otherwise absent."),
    ] = None


@_with_seat_settings(described=False)
class ListedEvent(ResponseBody):
    """An event in a list. Its seats are absent if they are unknown; an event that no longer exists has only an id."""

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


class Registration(ResponseBody):
    """The registration of a user for an event. There is at most one for each event and user."""

    registration_id: RegistrationId
    event_id: str
    user_id: str
    status: Annotated[
        Status,
        Field(
            description="`pending`: accepted, not decided yet. `waitlisted`: moves up when seats become free. "
            "`confirmed`: has a seat. `rejected`: `code` says why. `cancelled`. After a rejection or a cancellation "
            "the user can register again."
        ),
    ]
    registered_at: Annotated[
        Moment, Field(description="The time of the decision; while it is pending, the time of acceptance.")
    ]
    waitlist_position: Annotated[
        Annotated[int, Field(ge=1)] | Absent,
        Field(description="The position in the waiting list, 1 for its head. Only while `waitlisted`."),
    ] = None
    code: Annotated[RejectionCode | str | Absent, Field(description="Only while `rejected`.")] = None


class EventsRegistration(Registration):
    """A registration in the list of an event."""

    user: RegisteredUser


class UsersRegistration(Registration):
    """A registration in the list of a user."""

    event: ListedEvent


NextCursor = Annotated[str | None, Field(description="The `cursor` of the next page; null on the last page.")]


class EventPage(ResponseBody):
    """A page of events."""

    events: list[ListedEvent]
    next: NextCursor


class EventsRegistrationPage(ResponseBody):
    """A page of the registrations for an event."""

    registrations: list[EventsRegistration]
    next: NextCursor


class UsersRegistrationPage(ResponseBody):
    """A page of the registrations of a user."""

    registrations: list[UsersRegistration]
    next: NextCursor


class Place(ResponseBody):
    """A place in the request, and what is wrong with it."""

    pointer: Annotated[
        str,
        Field(
            description="A JSON pointer into the body (`/userId`), `?` and a query parameter, or the name of a header."
        ),
    ]
    detail: str


class Problem(ResponseBody):
    """An error (RFC 9457)."""

    type: Annotated[
        str, Field(description="The URL of an explanation of the code.", json_schema_extra={"format": "uri"})
    ]
    title: str
    status: int
    detail: str
    code: Annotated[ProblemCode | str, Field(description="The stable code that clients should evaluate.")]
    errors: Annotated[list[Place] | Absent, Field(description="Each invalid place of the request.")] = None
    user: Annotated[str | Absent, Field(description="With `account-has-user`: the URL of the account's user.")] = None
    registration: Annotated[
        str | Absent,
        Field(description="With `already-registered` and `registration-cancelled`: the URL of that registration."),
    ] = None
    request_id: Annotated[str, Field(description="The id of the request, as in `X-Request-Id`.")]
