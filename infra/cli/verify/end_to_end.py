"""Run one registration from end to end over HTTP, as any client would, on an event of its own."""

from __future__ import annotations

import secrets
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from infra.cli import http_client
from infra.cli.verify.cleanup import USER_NAME, CleanUp
from infra.cli.verify.identities import subject_of
from infra.cli.verify.result import require
from workers.aws.user_keys import binding_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from infra.cli.deployment import Deployment
    from infra.cli.verify.identities import Identities, Role
    from infra.cli.verify.result import Check

DECISION_WAIT = 20.0
"""Seconds to wait for a decision: generous, because functions on AWS may be cold."""
_POLL_INTERVAL = 0.05

_REGISTRATIONS = "/events/{eventId}/registrations"
_REGISTRATION = "/events/{eventId}/registrations/{userId}"
_TODO = {
    401: "use an access token (not an ID token) of this stage's user pool or issuer that has not expired",
    403: "the organizer must be a member of the group organizers",
}


def new_name() -> str:
    """Return a unique name for the event, which is also the prefix of its test users' names."""
    return f"verify-{secrets.token_hex(6)}"


class EndToEndRun:
    """Two people, one seat: the first gets it, the second waits, the first leaves, the second moves up and leaves.

    `name` is the event's id, and the prefix of the ids of users that are created. If a token's owner already has a
    user, that user registers.
    `hold` defers signals: after an interrupted request the clean-up would not know which command to wait for.
    """

    def __init__(
        self,
        deployment: Deployment,
        identities: Identities,
        name: str,
        hold: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.event = name
        self._identities = identities
        self._deployment = deployment
        self._users: dict[Role, str] = {}
        self._hold = hold
        self._clean_up = CleanUp(deployment, name)
        self._left_at = 0.0

    def checks(self) -> list[Check]:
        """Return the steps in order; each one depends on those before it."""
        return [
            ("two people", self._people),
            ("create an event with one seat", self._create),
            ("the first gets the seat", lambda: self._register("first", "confirmed")),
            ("the second waits", lambda: self._register("second", "waitlisted")),
            ("the first leaves", lambda: self._cancel("first")),
            ("the second is promoted", self._promoted),
            ("the second leaves", lambda: self._cancel("second")),
        ]

    def _people(self) -> str:
        kept = []
        for role in ("first", "second"):
            token = self._identities.token(role)
            user = self._user_of(token)
            if user is not None:
                kept.append(role)
            else:
                user = f"{self.event}-{role}"
                self._clean_up.will_create_user(user, token)
                body = {"userId": user, "name": USER_NAME}
                self._call(role, "POST", "/users", 201, body=body)
            self._users[role] = user
        return f"created, except for existing users of the tokens: {', '.join(kept)}" if kept else "created"

    def _user_of(self, token: str | None) -> str | None:
        """Return the user to whom a token is already bound, if any: an account can have only one."""
        if token is None:
            return None
        found = self._deployment.clients.dynamodb.get_item(
            TableName=self._deployment.outputs.users_table, Key=binding_key(subject_of(token)), ConsistentRead=True
        )
        return found["Item"]["boundTo"]["S"] if "Item" in found else None

    def _create(self) -> str:
        event = {"eventId": self.event, "title": self.event, "date": "2030-01-01", "location": "nowhere"}
        seats = {"organizer": USER_NAME, "capacity": 1, "hasWaitlist": True}
        self._clean_up.will_create_event()
        self._call("organizer", "POST", "/events", 201, body=event | seats)
        return self.event

    def _register(self, role: Role, status: str) -> str:
        user = self._users[role]
        with self._hold():
            self._clean_up.will_request("Register", user)
            answer = self._call(role, "POST", _REGISTRATIONS, 201, 202, body={"userId": user})
        body = answer.body if answer.status == 201 else self._wait_while(role, "pending")
        require(body["status"] == status, f"expected {status}, got {body['status']}")
        position = f", position {body['waitlistPosition']}" if status == "waitlisted" else ""
        require(status != "waitlisted" or body["waitlistPosition"] == 1, f"expected position 1, got{position}")
        return f"{answer.status}, {status}{position}"

    def _cancel(self, role: Role) -> str:
        with self._hold():
            self._clean_up.will_request("Cancel", self._users[role])
            answer = self._call(role, "DELETE", _REGISTRATION, 204, 202)
        if answer.status == 202:
            self._wait_while(role, "confirmed")
        self._left_at = time.monotonic()
        return str(answer.status)

    def _promoted(self) -> str:
        body = self._wait_while("second", "waitlisted")
        require(body["status"] == "confirmed", f"expected confirmed, got {body['status']}")
        return f"{time.monotonic() - self._left_at:.2f} s after the cancellation"

    def _wait_while(self, role: Role, status: str) -> dict[str, Any]:
        """Return the registration of this person as soon as its status is no longer `status`."""
        deadline = time.monotonic() + DECISION_WAIT
        while True:
            body: dict[str, Any] = self._call(role, "GET", _REGISTRATION, 200).body
            if body["status"] != status:
                return body
            require(time.monotonic() < deadline, f"still {status} after {DECISION_WAIT:.0f} s")
            time.sleep(_POLL_INTERVAL)

    def _call(
        self, role: Role, method: str, route: str, *statuses: int, body: dict[str, Any] | None = None
    ) -> http_client.HttpResponse:
        """Send a request as this person. Error messages name the route, because the path contains a user's id."""
        path = route.format(eventId=self.event, userId=self._users.get(role, ""))
        token = self._identities.token(role)
        with nullcontext() if method == "GET" else self._hold():
            answer = http_client.call(method, self._deployment.outputs.api_url + path, body, token=token)
            if 400 <= answer.status < 500 and method != "GET":
                self._clean_up.refused(self._users.get(role))
        complaint = f"{method} {route} was answered with {answer.status}: {str(answer.body)[:300]}"
        require(answer.status in statuses, complaint, _TODO.get(answer.status, ""))
        return answer

    def clean_up(self) -> list[str]:
        """Delete what the run created, from tables and pool. Return a line for each item that remains."""
        return [*self._identities.delete_accounts(), *self._clean_up.run(DECISION_WAIT)]
