"""Which route does what, with which answers: one operation for each line of `api/http/routes.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from api.contract import answers, examples
from api.models.event import EventChange, NewEvent
from api.models.registration import NewRegistration
from api.models.user import NewUser

JSON = "application/json"
CSV = "text/csv"


@dataclass(frozen=True, slots=True)
class Success:
    """An answer that is no problem. `shape` None: it has no body. `headers` in brackets need not be there."""

    status: int
    description: str
    shape: type[BaseModel] | None = None
    examples: tuple[tuple[str, Any], ...] = ()
    headers: tuple[str, ...] = ()
    csv: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """What one route takes, does and answers.

    `refusals` are codes of problems besides those that all routes have, `refusal_headers` what a status of them may
    have with it.
    """

    id: str
    tag: str
    summary: str
    description: str
    successes: tuple[Success, ...]
    refusals: tuple[str, ...] = ()
    refusal_headers: tuple[tuple[int, tuple[str, ...]], ...] = ()
    parameters: tuple[str, ...] = ()
    body: type[BaseModel] | None = None
    body_examples: tuple[tuple[str, Any], ...] = ()


TAGS = {
    "users": "Who can register.",
    "events": "What people register for.",
    "registrations": "The places that people have, wait for, or gave back.",
}

_PAGE = ("limit", "cursor")
_WALK = (
    "The entries of one status come in the order in which they were decided, the line in its order. While statuses "
    "rest, walking the pages shows everybody once. Without `status`, and with several, the walk goes pending, "
    "waitlisted, confirmed, rejected, cancelled, the way registrations move: it misses nobody who moves on "
    "meanwhile, and may show them twice. So keep entries by `registrationId`; the later one is right."
)

OPERATIONS: dict[str, Operation] = {
    "POST /users": Operation(
        id="createUser",
        tag="users",
        summary="Create a user",
        description="Somebody has to be a user before they can register. The user belongs to who creates it: nobody "
        "else acts for it, and nobody has two.",
        body=NewUser,
        body_examples=(("ada", examples.NEW_USER),),
        successes=(Success(201, "The user.", answers.User, (("ada", examples.USER),), ("Location",)),),
        refusals=("user-exists", "account-has-user"),
    ),
    "GET /users/{userId}": Operation(
        id="getUser",
        tag="users",
        summary="Read a user",
        description="As it was created.",
        successes=(Success(200, "The user.", answers.User, (("ada", examples.USER),)),),
        refusals=("user-not-found",),
    ),
    "DELETE /users/{userId}": Operation(
        id="forgetUser",
        tag="users",
        summary="Forget a user",
        description="Name and e-mail address are erased at once, and nobody finds or registers this user any more. "
        "What they have a seat or wait for is cancelled through the queue of each event, a moment after the answer; "
        "the line moves up. The id stays taken for ever. Sending it again is safe, and answers 202 again. After a 503 "
        "send it again until it is a 202: it goes on where it was.",
        successes=(
            Success(
                202,
                "Erased; the cancellations are on their way.",
                answers.ForgottenUser,
                (("ada", examples.FORGOTTEN_USER),),
            ),
        ),
        refusals=("user-not-found",),
    ),
    "POST /events": Operation(
        id="createEvent",
        tag="events",
        summary="Create an event",
        description="Seats, a waiting list and its length can be changed later. For organizers; the event is theirs.",
        body=NewEvent,
        body_examples=(("small", examples.NEW_EVENT), ("with a waiting list", examples.NEW_EVENT_WITH_LINE)),
        successes=(Success(201, "The event.", answers.Event, (("new", examples.EVENT),), ("Location", "ETag")),),
        refusals=("event-exists", "forbidden"),
    ),
    "GET /events": Operation(
        id="listEvents",
        tag="events",
        summary="List all events",
        description="In no particular order, each with its seats. A page may be some seconds old: a new event may be "
        "missing from it, and seats may be gone. `GET /events/{eventId}` is always current.",
        parameters=_PAGE,
        successes=(Success(200, "A page.", answers.EventPage, (("a page", examples.EVENT_PAGE),), ("(Link)",)),),
        refusals=("invalid-request",),
    ),
    "GET /events/{eventId}": Operation(
        id="getEvent",
        tag="events",
        summary="Read an event",
        description="With its seats as they are just now.",
        parameters=("ifNoneMatch",),
        successes=(
            Success(200, "The event.", answers.Event, (("sold out", examples.SOLD_OUT_EVENT),), ("ETag",)),
            Success(304, "It is as it was.", headers=("ETag",)),
        ),
        refusals=("event-not-found", "invalid-request"),
    ),
    "PATCH /events/{eventId}": Operation(
        id="changeEvent",
        tag="events",
        summary="Change an event",
        description="Fields that are not sent stay as they are. Capacity lowered under what is taken evicts nobody "
        "(`overCapacityBy`); raised, it moves the line up, in order, a moment after the answer. Seats, waiting list "
        "and status are changed in the event's turn, behind the registrations that came before.",
        parameters=("ifMatch", "prefer"),
        body=EventChange,
        body_examples=(("more seats", {"capacity": 3}), ("another title", {"title": "PyCon 2030"})),
        successes=(
            Success(
                200,
                "The event as it is now.",
                answers.Event,
                (("more seats", examples.CHANGED_EVENT),),
                ("ETag", "(Preference-Applied)"),
            ),
            Success(
                202,
                "Accepted: its own fields are changed, its seats still to be. Read it again.",
                answers.Event,
                (("not yet", examples.SOLD_OUT_EVENT),),
                ("ETag", "Location", "Retry-After", "(Preference-Applied)"),
            ),
        ),
        refusals=("event-not-found", "forbidden", "precondition-failed"),
        refusal_headers=((412, ("ETag",)),),
    ),
    "POST /events/{eventId}/registrations": Operation(
        id="register",
        tag="registrations",
        summary="Register for an event",
        description="The request goes through the event's queue, in order of arrival. The answer is the outcome, or a "
        "202 where it takes longer than was to be waited. Sending it again is safe: while it is pending it joins "
        "the request before, and with the same `Idempotency-Key` it never becomes another attempt.",
        parameters=("prefer", "idempotencyKey"),
        body=NewRegistration,
        body_examples=(("ada", {"userId": "ada"}),),
        successes=(
            Success(
                201,
                "Registered: a seat, or a place in the line. With `Idempotent-Replayed` it is the registration as it "
                "stands now, whatever its status.",
                answers.Registration,
                (("a seat", examples.CONFIRMED), ("a place in the line", examples.WAITLISTED)),
                ("Location", "(Preference-Applied)", "(Idempotent-Replayed)"),
            ),
            Success(
                202,
                "Accepted, not decided yet. Poll `Location`.",
                answers.Registration,
                (("pending", examples.PENDING),),
                ("Location", "Retry-After", "(Preference-Applied)", "(Idempotent-Replayed)"),
            ),
        ),
        refusals=(
            "event-not-found",
            "user-not-found",
            "forbidden",
            "already-registered",
            "event-full",
            "waitlist-full",
            "registration-closed",
            "discarded",
        ),
        refusal_headers=((409, ("(Link)", "(Preference-Applied)", "(Idempotent-Replayed)")),),
    ),
    "GET /events/{eventId}/registrations": Operation(
        id="listEventRegistrations",
        tag="registrations",
        summary="List the registrations for an event",
        description=f"Each with its user; for who has created the event, and for operators. {_WALK} With "
        "`Accept: text/csv` the same page comes as CSV, with a line of names first; what a spreadsheet would run as a "
        "formula has an apostrophe in front.",
        parameters=("status", *_PAGE),
        successes=(
            Success(
                200,
                "A page.",
                answers.EventsRegistrationPage,
                (("a page", examples.EVENTS_REGISTRATIONS),),
                ("Vary", "(Link)"),
                csv=examples.EVENTS_REGISTRATIONS_CSV,
            ),
        ),
        refusals=("event-not-found", "forbidden", "invalid-request"),
    ),
    "GET /events/{eventId}/registrations/{userId}": Operation(
        id="getRegistration",
        tag="registrations",
        summary="Read a registration",
        description="This is what a `Location` leads to. It says `pending`, then the outcome; also of a registration "
        "that was rejected or cancelled.",
        successes=(
            Success(
                200,
                "The registration, whatever its status.",
                answers.Registration,
                (
                    ("a seat", examples.CONFIRMED),
                    ("a place in the line", examples.WAITLISTED),
                    ("rejected", examples.REJECTED),
                ),
            ),
        ),
        refusals=("not-registered",),
    ),
    "DELETE /events/{eventId}/registrations/{userId}": Operation(
        id="cancelRegistration",
        tag="registrations",
        summary="Cancel a registration",
        description="Gives back the seat, which goes to the head of the line, or the place in the line. It goes "
        "through the event's queue, too.",
        parameters=("prefer", "idempotencyKey"),
        successes=(
            Success(204, "Cancelled.", headers=("(Preference-Applied)", "(Idempotent-Replayed)")),
            Success(
                202,
                "Accepted, not done yet: the registration as it still is. Poll `Location`.",
                answers.Registration,
                (("still there", examples.CONFIRMED),),
                ("Location", "Retry-After", "(Preference-Applied)", "(Idempotent-Replayed)"),
            ),
        ),
        refusals=("not-registered", "forbidden", "invalid-request"),
    ),
    "GET /users/{userId}/registrations": Operation(
        id="listUserRegistrations",
        tag="registrations",
        summary="List the registrations of a user",
        description="Each with its event, the oldest first. Registrations are always current; the seats of their "
        "events and their places in the waiting list may lag by a moment.",
        parameters=("status", *_PAGE),
        successes=(
            Success(
                200,
                "A page.",
                answers.UsersRegistrationPage,
                (("a page", examples.USERS_REGISTRATIONS),),
                ("(Link)",),
            ),
        ),
        refusals=("user-not-found", "invalid-request"),
    ),
}
"""By API Gateway's route keys."""

WITH_TOKEN = ("unauthenticated",)
"""Refusals of every route that is not public."""

WITH_BODY = ("invalid-json", "invalid-request", "body-too-large", "unsupported-media-type")
"""Refusals of every route that reads a body."""

ON_WRITES = ("too-many-requests",)
"""Refusals of every route that writes."""

ALWAYS = ("internal-error", "overloaded")
"""Refusals of every route."""
