"""A journey through everything that the functions do: a step fails if its function lacks a grant."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from api.http.caller import ORGANIZERS
from infra.cli.user_pool import UserPoolClient
from tests.support.builders import NEW_EVENT
from tests.support.client import at, eventually, unique
from tests.support.stacks import registrar_paused
from workers.aws.items import event_key
from workers.aws.send import send
from workers.domain.commands import Register

if TYPE_CHECKING:
    from infra.cli.deployment import Deployment

PATIENCE_SECONDS = 8.0
"""The most seconds that anything may take. A message whose visibility is not shortened comes back after 90 s."""

_POISON = "this is no command"


class JourneyFailed(Exception):
    """A step failed; the message says which, and how."""


@dataclass(frozen=True, slots=True)
class SignedInUser:
    """A person with an access token."""

    api: httpx.Client
    token: str

    def ask(self, expected: int, method: str, path: str, body: object = None, **headers: str) -> Any:
        """Send a request, and return the body of the answer, which must have this status."""
        headers = {"Authorization": f"Bearer {self.token}"} | headers
        answer = self.api.request(method, path, json=body, headers=headers)
        if answer.status_code != expected:
            raise JourneyFailed(f"{method} {path} was answered {answer.status_code}, not {expected}")
        return answer.json() if answer.content else None


class Journey:
    """A journey through a stack with authorization, with people of its own."""

    def __init__(self, deployment: Deployment, api: httpx.Client) -> None:
        self._deployment = deployment
        self._outputs = deployment.outputs
        self._clients = deployment.clients
        self._api = api
        self._pool = UserPoolClient(deployment.clients, deployment.outputs)
        names = deployment.physical_ids("AWS::Lambda::Function")
        self._auditor, self._eraser = (
            next(name for name in names if function in name) for function in ("WorkersAuditor", "WorkersEraser")
        )

    def make(self) -> None:
        """Make the journey. JourneyFailed at the first step that fails."""
        try:
            organizer = self._person(ORGANIZERS)
            event_id = self._event(organizer)
            guests = self._register_guests(organizer, event_id)
            self._seats(organizer, event_id, guests)
            self._erase(organizer, event_id, *guests["cid"])
            self._finish_erasure(organizer, event_id, guests["bob"][0])
            self._park(event_id)
            self._try_again(organizer)
            self._audit()
        except AssertionError as error:
            raise JourneyFailed(str(error)) from error

    def _person(self, *groups: str) -> SignedInUser:
        return SignedInUser(self._api, self._pool.sign_in(unique("n"), groups).access)

    def _user(self) -> tuple[str, SignedInUser]:
        user_id, person = unique("user"), self._person()
        person.ask(201, "POST", "/users", {"userId": user_id, "name": "N"})
        return user_id, person

    def _event(self, organizer: SignedInUser, **fields: object) -> str:
        event = NEW_EVENT | {"eventId": unique("event"), "hasWaitlist": True}
        made = organizer.ask(201, "POST", "/events", event | fields)
        organizer.ask(200, "GET", "/events")
        organizer.ask(200, "GET", f"/events/{made['eventId']}")
        event_id: str = made["eventId"]
        return event_id

    def _register_guests(self, organizer: SignedInUser, event_id: str) -> dict[str, tuple[str, SignedInUser]]:
        """Ann gets the seat, Bob waits, and Cid waits behind him, registered without waiting for the answer."""
        guests = {name: self._user() for name in ("ann", "bob", "cid")}
        path = f"{at(event_id)}/registrations"
        for name, status in (("ann", "confirmed"), ("bob", "waitlisted")):
            user_id, person = guests[name]
            person.ask(200, "GET", f"/users/{user_id}")
            registration = person.ask(201, "POST", path, {"userId": user_id}, Prefer="wait=5")
            if registration["status"] != status:
                raise JourneyFailed(f"{name} is {registration['status']}, not {status}")
        user_id, person = guests["cid"]
        with registrar_paused(self._clients):  # otherwise it may be decided before `pending` is stored
            person.ask(202, "POST", path, {"userId": user_id}, Prefer="respond-async")
        self._has(organizer, event_id, user_id, "waitlisted")
        person.ask(200, "GET", f"/users/{user_id}/registrations")
        if len(organizer.ask(200, "GET", path)["registrations"]) != len(guests):
            raise JourneyFailed("the list of the event does not have all of them")
        return guests

    def _seats(self, organizer: SignedInUser, event_id: str, guests: dict[str, tuple[str, SignedInUser]]) -> None:
        """Ann cancels, and Bob is promoted; with a second seat, so is Cid."""
        user_id, person = guests["ann"]
        person.ask(204, "DELETE", at(event_id, user_id), None, Prefer="wait=5")
        self._has(organizer, event_id, guests["bob"][0], "confirmed")
        organizer.ask(200, "PATCH", at(event_id), {"capacity": 2}, Prefer="wait=5")
        self._has(organizer, event_id, guests["cid"][0], "confirmed")

    def _erase(self, organizer: SignedInUser, event_id: str, user_id: str, person: SignedInUser) -> None:
        """Cid is erased: his seat is released, and he can create another user."""
        person.ask(202, "DELETE", f"/users/{user_id}")
        self._has(organizer, event_id, user_id, "cancelled")
        person.ask(201, "POST", "/users", {"userId": unique("user"), "name": "N"})

    def _finish_erasure(self, organizer: SignedInUser, event_id: str, user_id: str) -> None:
        """Bob's registrations are cancelled by the eraser, which is invoked as by the queue a minute later."""
        self._invoke(self._eraser, {"Records": [{"body": json.dumps({"userId": user_id})}]})
        self._has(organizer, event_id, user_id, "cancelled")

    def _park(self, event_id: str) -> None:
        """Have a message parked that is no command."""
        before = self._dead_letters()
        self._clients.sqs.send_message(
            QueueUrl=self._outputs.queue_url,
            MessageBody=_POISON,
            MessageGroupId=event_id,
            MessageDeduplicationId=str(uuid.uuid4()),
        )
        _eventually(lambda: self._dead_letters() > before, "a message that is no command is not parked")

    def _dead_letters(self) -> int:
        asked = {"QueueUrl": self._outputs.dead_letter_queue_url}
        answer = self._clients.sqs.get_queue_attributes(**asked, AttributeNames=["ApproximateNumberOfMessages"])
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def _try_again(self, organizer: SignedInUser) -> None:
        """Have a command retried soon that failed because the ledger was damaged."""
        event_id = self._event(organizer, capacity=5)
        (first, person), (second, _) = self._user(), self._user()
        person.ask(201, "POST", f"{at(event_id)}/registrations", {"userId": first}, Prefer="wait=5")
        table, dynamodb = self._outputs.ledger_table, self._clients.dynamodb
        ledger = dynamodb.get_item(TableName=table, Key=event_key(event_id), ConsistentRead=True)["Item"]
        dynamodb.put_item(TableName=table, Item={**event_key(event_id), "version": {"S": "damaged"}})
        now = time.time_ns() // 1000
        send(self._clients.sqs, self._outputs.queue_url, Register(str(uuid.uuid4()), event_id, second, 1, now))
        time.sleep(0.5)
        dynamodb.put_item(TableName=table, Item=ledger)
        self._has(organizer, event_id, second, "confirmed")

    def _audit(self) -> None:
        self._invoke(self._auditor, {})

    def _invoke(self, function: str, event: object) -> None:
        answer = self._clients.functions.invoke(FunctionName=function, Payload=json.dumps(event))
        if "FunctionError" in answer:
            raise JourneyFailed(f"{function} fails: {answer['Payload'].read()[:200]!r}")

    def _has(self, organizer: SignedInUser, event_id: str, user_id: str, status: str) -> None:
        def look() -> bool:
            headers = {"Authorization": f"Bearer {organizer.token}"}
            answer = self._api.get(at(event_id, user_id), headers=headers)
            return answer.status_code == 200 and answer.json()["status"] == status

        _eventually(look, f"a registration does not become {status}")


def _eventually(look: Callable[[], bool], otherwise: str) -> None:
    try:
        eventually(look, PATIENCE_SECONDS)
    except AssertionError as error:
        raise JourneyFailed(otherwise) from error
