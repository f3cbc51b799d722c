"""The purpose and the responses of each route: one operation for each route of `api/http/routes.py`."""

from __future__ import annotations

from api.contract import examples, schemas
from api.contract.operation import Operation, Success
from api.models.event import EventChange, NewEvent
from api.models.registration import NewRegistration
from api.models.user import NewUser

TAGS = {
    "users": "The people who can register.",
    "events": "The events that people register for.",
    "registrations": "The seats that people have, wait for or gave back.",
    "problems": "The errors of this API.",
}

_PAGE = ("limit", "cursor")
_WALK = (
    "Entries of one status come in the order of decision, the waiting list in its own order. While no status changes, "
    "paging shows every registration once. With several statuses, or without `status`, the pages go through pending, "
    "waitlisted, confirmed, rejected and cancelled, the way registrations move: none that moves on meanwhile is "
    "missed, but it may appear twice. Keep entries by `registrationId`; the later one is current."
)

OPERATIONS: dict[str, Operation] = {
    "POST /users": Operation(
        id="createUser",
        tag="users",
        summary="Create a user",
        description="People must be users before they can register. A user belongs to the account that created it: no "
        "other account can act for it, and an account has at most one.",
        body=NewUser,
        body_examples=(("ada", examples.NEW_USER),),
        successes=(Success(201, "The user.", schemas.User, (("ada", examples.USER),), ("Location",)),),
        refusals=("user-exists", "account-has-user"),
    ),
    "GET /users/{userId}": Operation(
        id="getUser",
        tag="users",
        summary="Read a user",
        description="Users cannot be changed after their creation. With a token, `GET /users/me` is the user of your "
        "account: someone who reinstalls an app finds out who they are. It is a 404 while the account has no user.",
        successes=(Success(200, "The user.", schemas.User, (("ada", examples.USER),)),),
        refusals=("user-not-found",),
    ),
    "DELETE /users/{userId}": Operation(
        id="forgetUser",
        tag="users",
        summary="Erase a user",
        description="Name and email address are erased at once, and the user can no longer be found or registered. "
        "Their active registrations are cancelled through the queue of each event a moment after the response, and the "
        "waiting lists move up. The id is never available again. A retry is safe and answers 202 again. After a 503, "
        "retry until the answer is 202: each request continues where the last one stopped.",
        successes=(
            Success(
                202,
                "Erased. The cancellations are queued.",
                schemas.ForgottenUser,
                (("ada", examples.FORGOTTEN_USER),),
            ),
        ),
        refusals=("user-not-found",),
    ),
    "POST /events": Operation(
        id="createEvent",
        tag="events",
        summary="Create an event",
        description="For organizers, who then own the event. Its seats and its waiting list can be changed later.",
        body=NewEvent,
        body_examples=(("small", examples.NEW_EVENT), ("with a waiting list", examples.NEW_EVENT_WITH_WAITLIST)),
        successes=(Success(201, "The event.", schemas.Event, (("new", examples.EVENT),), ("Location", "ETag")),),
        refusals=("event-exists", "forbidden"),
    ),
    "GET /events": Operation(
        id="listEvents",
        tag="events",
        summary="List events",
        description="In the order of `date` as it is written, each with its seats. While no event changes, every page "
        "but the last has `limit` entries, and paging shows each event once. A page may be a few seconds old: a new "
        "event may be missing, and seats may be taken. `GET /events/{eventId}` is always current.",
        parameters=("from", "to", "eventStatus", *_PAGE),
        successes=(Success(200, "A page.", schemas.EventPage, (("a page", examples.EVENT_PAGE),), ("(Link)",)),),
    ),
    "GET /events/{eventId}": Operation(
        id="getEvent",
        tag="events",
        summary="Read an event",
        description="With its current seats.",
        parameters=("ifNoneMatch",),
        successes=(
            Success(200, "The event.", schemas.Event, (("sold out", examples.SOLD_OUT_EVENT),), ("ETag",)),
            Success(304, "The event has not changed.", headers=("ETag",)),
        ),
        refusals=("event-not-found",),
    ),
    "PATCH /events/{eventId}": Operation(
        id="changeEvent",
        tag="events",
        summary="Change an event",
        description="Fields that are not sent stay as they are. A capacity below the number of taken seats evicts "
        "nobody (`overCapacityBy`); a higher one moves the waiting list up, in order, a moment after the response. "
        "Seats, waiting list and status change through the event's queue, after the registrations before them.",
        parameters=("ifMatch", "prefer"),
        body=EventChange,
        body_examples=(("more seats", {"capacity": 3}), ("another title", {"title": "PyCon 2030"})),
        successes=(
            Success(
                200,
                "The changed event.",
                schemas.Event,
                (("more seats", examples.CHANGED_EVENT),),
                ("ETag", "(Preference-Applied)"),
            ),
            Success(
                202,
                "Accepted. The descriptive fields are changed; the seats will be. Poll `Location`.",
                schemas.Event,
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
        description="The request goes through the event's queue, in order of arrival. The response is its outcome, or "
        "a 202 if it takes longer than the wait. A retry is safe: it joins a pending request, and with the same "
        "`Idempotency-Key` it never becomes another attempt.",
        parameters=("prefer", "idempotencyKey"),
        body=NewRegistration,
        body_examples=(("ada", {"userId": "ada"}),),
        successes=(
            Success(
                201,
                "Registered: a seat, or a place on the waiting list. With `Idempotent-Replayed`: the registration as "
                "it stands now, whatever its status.",
                schemas.Registration,
                (("a seat", examples.CONFIRMED), ("a place on the waiting list", examples.WAITLISTED)),
                ("Location", "(Preference-Applied)", "(Idempotent-Replayed)"),
            ),
            Success(
                202,
                "Accepted, not decided yet. Poll `Location`.",
                schemas.Registration,
                (("pending", examples.PENDING),),
                ("Location", "Retry-After", "(Preference-Applied)", "(Idempotent-Replayed)"),
            ),
        ),
        refusals=(
            "event-not-found",
            "user-not-found",
            "forbidden",
            "already-registered",
            "registration-cancelled",
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
        description=f"Each with its user. For the organizer who created the event, and for operators. {_WALK} With "
        "`Accept: text/csv` the page is CSV with a header line; an apostrophe precedes every value that a spreadsheet "
        "would run as a formula.",
        parameters=("status", *_PAGE),
        successes=(
            Success(
                200,
                "A page.",
                schemas.EventsRegistrationPage,
                (("a page", examples.EVENTS_REGISTRATIONS),),
                ("Vary", "(Link)"),
                csv=examples.EVENTS_REGISTRATIONS_CSV,
            ),
        ),
        refusals=("event-not-found", "forbidden"),
    ),
    "GET /events/{eventId}/registrations/{userId}": Operation(
        id="getRegistration",
        tag="registrations",
        summary="Read a registration",
        description="The resource that `Location` refers to. It is `pending` first and shows the outcome later, also "
        "of a registration that was rejected or cancelled.",
        successes=(
            Success(
                200,
                "The registration, whatever its status.",
                schemas.Registration,
                (
                    ("a seat", examples.CONFIRMED),
                    ("a place on the waiting list", examples.WAITLISTED),
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
        description="Gives up the seat, which goes to the head of the waiting list, or the place on the waiting list. "
        "Cancellations go through the event's queue, too.",
        parameters=("prefer", "idempotencyKey"),
        successes=(
            Success(204, "Cancelled.", headers=("(Preference-Applied)", "(Idempotent-Replayed)")),
            Success(
                202,
                "Accepted, not decided yet: the registration as it still is. Poll `Location`.",
                schemas.Registration,
                (("still there", examples.CONFIRMED),),
                ("Location", "Retry-After", "(Preference-Applied)", "(Idempotent-Replayed)"),
            ),
        ),
        refusals=("not-registered", "forbidden"),
    ),
    "GET /users/{userId}/registrations": Operation(
        id="listUserRegistrations",
        tag="registrations",
        summary="List the registrations of a user",
        description="Each with its event, the oldest first. The registrations are always current; the seats of their "
        "events and their positions in the waiting list may be a moment old.",
        parameters=("status", *_PAGE),
        successes=(
            Success(
                200,
                "A page.",
                schemas.UsersRegistrationPage,
                (("a page", examples.USERS_REGISTRATIONS),),
                ("(Link)",),
            ),
        ),
        refusals=("user-not-found",),
    ),
    "GET /problems/{code}": Operation(
        id="explainProblem",
        tag="problems",
        summary="Explain a problem",
        description="The `type` of every problem document: what happened, and what to do about it.",
        successes=(Success(200, "The explanation.", text=examples.EXPLANATION),),
        refusals=("route-not-found",),
    ),
}
"""By API Gateway's route keys."""

WITH_TOKEN = ("unauthenticated",)
"""Problems of every route that is not public."""

WITH_BODY = ("invalid-json", "body-too-large", "unsupported-media-type")
"""Problems of every route that reads a body."""

ON_WRITES = ("too-many-requests",)
"""Problems of every route that writes."""

ALWAYS = ("invalid-request",)
"""Problems of every route: of an unknown query parameter, if of nothing else."""

FAULTS = ("internal-error", "overloaded")
"""Problems of every route that no request causes."""
