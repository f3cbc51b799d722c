"""Example requests and responses. They form one story, with the names of the README."""

from __future__ import annotations

from typing import Any

from api.http.body import MAX_BODY_BYTES
from api.http.problems import Problem

Json = dict[str, Any]
"""An example as it is sent."""

BASE_URL = "https://api.example.org"
REQUEST_ID = "Jd7aEjKvIAMEV0w="

_ADA = "reg_QZZMKEP3JJKTU5DOAU6BBCTISP"
_BOB = "reg_KDVR5AW7CC24SZU5TTUTG2B44V"
_REGISTRATION = f"{BASE_URL}/events/pycon/registrations/ada"
_USER = f"{BASE_URL}/users/ada"
_CURSOR = "wWkYpSFjNA2E8vmqWyJweWNvbiJd"

NEW_USER: Json = {"userId": "ada", "name": "Ada Lovelace", "email": "ada@example.org"}
USER: Json = NEW_USER | {"createdAt": "2030-01-07T09:00:00.123456Z"}
FORGOTTEN_USER: Json = {"userId": "ada", "erasedAt": "2030-02-01T10:00:00.123456Z", "cancellations": 1}

NEW_EVENT: Json = {
    "eventId": "pycon",
    "title": "PyCon",
    "date": "2030-05-17",
    "location": "Berlin",
    "organizer": "PSF",
    "capacity": 1,
}
NEW_EVENT_WITH_WAITLIST: Json = NEW_EVENT | {
    "date": "2030-05-17T09:00:00+02:00",
    "description": "Three days of talks.",
    "hasWaitlist": True,
    "waitlistCapacity": 10,
}
EVENT: Json = NEW_EVENT | {
    "createdAt": "2030-01-07T09:00:01.234567Z",
    "status": "active",
    "hasWaitlist": True,
    "currentAttendees": 0,
    "seatsLeft": 1,
    "waitlistLength": 0,
}
SOLD_OUT_EVENT: Json = EVENT | {"currentAttendees": 1, "seatsLeft": 0, "waitlistLength": 1}
CHANGED_EVENT: Json = EVENT | {"capacity": 3, "currentAttendees": 2, "seatsLeft": 1}
EVENT_PAGE: Json = {"events": [SOLD_OUT_EVENT], "next": _CURSOR}

CONFIRMED: Json = {
    "registrationId": _ADA,
    "eventId": "pycon",
    "userId": "ada",
    "status": "confirmed",
    "registeredAt": "2030-01-07T09:00:02.345678Z",
}
WAITLISTED: Json = {
    "registrationId": _BOB,
    "eventId": "pycon",
    "userId": "bob",
    "status": "waitlisted",
    "registeredAt": "2030-01-07T09:00:03.456789Z",
    "waitlistPosition": 1,
}
PENDING: Json = CONFIRMED | {"status": "pending"}
REJECTED: Json = CONFIRMED | {"status": "rejected", "code": "event-full"}
_BOB_HIMSELF: Json = {"userId": "bob", "name": "Bob", "createdAt": "2030-01-07T09:00:00.234567Z"}
EVENTS_REGISTRATIONS: Json = {
    "registrations": [WAITLISTED | {"user": _BOB_HIMSELF}, CONFIRMED | {"user": USER}],
    "next": None,
}
EVENTS_REGISTRATIONS_CSV = (
    "registrationId,eventId,userId,status,registeredAt,waitlistPosition,code,name,email\r\n"
    f"{_BOB},pycon,bob,waitlisted,2030-01-07T09:00:03.456789Z,1,,Bob,\r\n"
    f"{_ADA},pycon,ada,confirmed,2030-01-07T09:00:02.345678Z,,,Ada Lovelace,ada@example.org\r\n"
)
USERS_REGISTRATIONS: Json = {"registrations": [CONFIRMED | {"event": SOLD_OUT_EVENT}], "next": None}

EXPLANATION = """event-exists
**409** This event id is taken.

If you are retrying, read the event to see whether it is yours. To change an event, use `PATCH`.
"""

PROBLEMS: dict[str, Problem] = {
    "invalid-json": Problem("invalid-json", "Expecting value, line 1, column 12."),
    "invalid-request": Problem(
        "invalid-request",
        "The body is invalid.",
        ({"pointer": "/userId", "detail": "This field is required."},),
    ),
    "unauthenticated": Problem(
        "unauthenticated", "Send an access token for this API in the header Authorization: Bearer TOKEN."
    ),
    "forbidden": Problem("forbidden", "Only the organizer who created an event can change it."),
    "route-not-found": Problem("route-not-found", "No route has this path."),
    "user-not-found": Problem("user-not-found", "No user has this id."),
    "event-not-found": Problem("event-not-found", "No event has this id."),
    "not-registered": Problem("not-registered", "This user has no active registration for this event."),
    "method-not-allowed": Problem("method-not-allowed", "Allowed methods: GET, OPTIONS, PATCH."),
    "user-exists": Problem("user-exists", "Another user has this id."),
    "account-has-user": Problem("account-has-user", "An account can have only one user.", extra={"user": _USER}),
    "event-exists": Problem("event-exists", "Another event has the id pycon."),
    "already-registered": Problem(
        "already-registered", "The registration is confirmed.", extra={"registration": _REGISTRATION}
    ),
    "registration-cancelled": Problem(
        "registration-cancelled",
        "Another request cancelled it. To register again, send a new request, with a new Idempotency-Key.",
        extra={"registration": _REGISTRATION},
    ),
    "event-full": Problem("event-full", "Every seat is taken, and there is no waiting list."),
    "waitlist-full": Problem("waitlist-full", "Every seat and every place on the waiting list is taken."),
    "registration-closed": Problem("registration-closed", "The event is closed or cancelled."),
    "discarded": Problem("discarded", "The request could not be processed. You can send it again."),
    "precondition-failed": Problem("precondition-failed", "The event has changed. Read it again."),
    "body-too-large": Problem("body-too-large", f"The body has 70000 bytes; the limit is {MAX_BODY_BYTES}."),
    "unsupported-media-type": Problem("unsupported-media-type", "Send Content-Type: application/json."),
    "too-many-requests": Problem("too-many-requests", "Try again in 1 s."),
    "internal-error": Problem("internal-error", f"Report it with the request id {REQUEST_ID}."),
    "overloaded": Problem("overloaded", "Try again in a moment."),
}
"""One problem of each code."""

INVALID_QUERY = Problem(
    "invalid-request",
    "The request is invalid.",
    ({"pointer": "?page", "detail": "Unknown query parameter."},),
)
INVALID_HEADER = Problem(
    "invalid-request",
    "The request is invalid.",
    ({"pointer": "Idempotency-Key", "detail": "Must be 1 to 255 printable ASCII characters."},),
)
