"""One registration from end to end, on an event and by people who exist for nothing else, over HTTP like any client."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from api.people import user_key
from infra.cli import rest
from infra.cli.verify.callers import Callers
from infra.cli.verify.checks import require
from workers.aws.items import event_key, registration_key
from workers.domain.records import registration_id

if TYPE_CHECKING:
    from infra.cli.deployment import Deployment
    from infra.cli.verify.checks import Check

_DECISION_WAIT = 20.0  # generous: cold functions on AWS
_POLL_INTERVAL = 0.05


class Journey:
    """Two people, one seat: the first gets it, the second waits, the first leaves, the second moves up and leaves."""

    def __init__(self, deployment: Deployment) -> None:
        name = f"verify-{secrets.token_hex(6)}"
        self.event = name
        self.first = f"{name}-first"
        self.second = f"{name}-second"
        self._callers = Callers(deployment)
        self._deployment = deployment
        self._api = deployment.outputs.api_url
        self._sent = 0
        self._decided = 0
        self._left_at = 0.0

    def checks(self) -> list[Check]:
        """The steps, each of which needs those before it."""
        return [
            ("create two people and an event with one seat", self._create),
            ("the first gets the seat", lambda: self._register(self.first, "confirmed")),
            ("the second waits", lambda: self._register(self.second, "waitlisted")),
            ("the first leaves", lambda: self._cancel(self.first)),
            ("the second is promoted", self._promoted),
            ("the second leaves", lambda: self._cancel(self.second)),
        ]

    def _create(self) -> str:
        for user in (self.first, self.second):
            body: dict[str, object] = {"userId": user, "name": "turnstile verify"}
            self._expect("POST", "/users", body, 201, token=self._callers.person(user))
        event: dict[str, object] = {"eventId": self.event, "title": self.event, "date": "2030-01-01"}
        event |= {"location": "nowhere", "organizer": "turnstile verify", "capacity": 1, "hasWaitlist": True}
        self._expect("POST", "/events", event, 201, token=self._callers.organizer(self.event))
        return self.event

    def _register(self, user: str, status: str) -> str:
        self._sent += 1
        token = self._callers.person(user)
        answer = self._expect("POST", f"/events/{self.event}/registrations", {"userId": user}, 201, 202, token=token)
        body = answer.body if answer.status == 201 else self._wait_while(user, "pending")
        self._decided += 1
        require(body["status"] == status, f"expected {status}, got {body['status']}")
        position = f", position {body['waitlistPosition']}" if status == "waitlisted" else ""
        require(status != "waitlisted" or body["waitlistPosition"] == 1, f"waits, but at{position}")
        return f"{answer.status}, {status}{position}"

    def _cancel(self, user: str) -> str:
        self._sent += 1
        path = f"/events/{self.event}/registrations/{user}"
        answer = self._expect("DELETE", path, None, 204, 202, token=self._callers.person(user))
        if answer.status == 202:
            self._wait_while(user, "confirmed")
        self._left_at = time.monotonic()
        self._decided += 1
        return str(answer.status)

    def _promoted(self) -> str:
        body = self._wait_while(self.second, "waitlisted")
        require(body["status"] == "confirmed", f"expected confirmed, got {body['status']}")
        return f"{time.monotonic() - self._left_at:.2f} s after the cancellation"

    def _wait_while(self, user: str, status: str) -> dict[str, Any]:
        """The user's registration as soon as its status is no longer `status`."""
        deadline = time.monotonic() + _DECISION_WAIT
        path, token = f"/events/{self.event}/registrations/{user}", self._callers.person(user)
        while True:
            body: dict[str, Any] = self._expect("GET", path, None, 200, token=token).body
            if body["status"] != status:
                return body
            require(time.monotonic() < deadline, f"still {status} after {_DECISION_WAIT:.0f} s")
            time.sleep(_POLL_INTERVAL)

    def _expect(self, method: str, path: str, body: object, *statuses: int, token: str | None) -> rest.Answer:
        answer = rest.call(method, self._api + path, body, token=token)
        require(answer.status in statuses, f"{method} {path} answers {answer.status}: {str(answer.body)[:300]}")
        return answer

    def clean_up(self) -> list[str]:
        """Delete what the journey made from tables and pool. Returns, in words, what stays: nothing when all is well.

        While a command of it is still queued, everything stays: without its event the command would be a dead letter.
        """
        outputs = self._deployment.outputs
        if self._sent != self._decided:
            ids = " and ".join(registration_id(self.event, user) for user in (self.first, self.second))
            what = f"event {self.event}, users {self.first} and {self.second}, registrations {ids}"
            return [f"{what}: a command for them is still queued; delete them when it is decided"]
        items = [
            (outputs.users_table, user_key(self.first)),
            (outputs.users_table, user_key(self.second)),
            (outputs.events_table, event_key(self.event)),
            (outputs.registrations_table, registration_key(registration_id(self.event, self.first))),
            (outputs.registrations_table, registration_key(registration_id(self.event, self.second))),
            (outputs.ledger_table, event_key(self.event)),
        ]
        items += [(outputs.users_table, key) for key in self._callers.bindings]
        remains = self._callers.leave()
        for table, key in items:
            try:
                self._deployment.clients.dynamodb.delete_item(TableName=table, Key=key)
            except (ClientError, BotoCoreError) as error:
                ((name, value),) = key.items()
                remains.append(f"{name} {value['S']} in {table} ({error})")
        return remains
