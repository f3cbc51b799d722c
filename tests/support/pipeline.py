"""The whole pipeline in one thread: the real handlers, tables and queues wherever the clients point, time held in the
hand.

While the API waits for an outcome it sleeps, and its sleep is what runs the back of the pipeline: the queue is
delivered to the registrar, promotable ledgers to the promoter. So a test reads like a conversation, and nothing runs
behind its back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from api.events import handler as events
from api.events.lists import EventList
from api.events.service import EventService
from api.http.app import App
from api.http.auth import AccessTokens, allow_anyone
from api.http.dispatch import Authenticate
from api.http.routes import FALLBACK, ROUTES
from api.registrations import handler as registrations
from api.registrations.lists import RegistrationLists
from api.registrations.service import RegistrationService
from api.settings import EventSettings, RegistrationSettings, UserSettings
from api.users import handler as users
from api.users.erasure import UserEraser
from api.users.service import UserService
from tests.support import contract
from tests.support.builders import NEW_EVENT
from tests.support.http_events import AUDIENCE, bearer_of, claims_of, http_event, passed_on
from tests.support.pii_canaries import person
from tests.support.tables import TableNames, create_tables
from workers.aws.clock import Clock
from workers.aws.items import ledger_from_item, registration_from_item
from workers.domain.records import Ledger, Registration, registration_id
from workers.eraser import Eraser
from workers.erasure import RegistrationCanceller
from workers.promoter import Promoter
from workers.registrar.handler import Registrar

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

BASE_URL = "https://api.example"
START = 1_767_225_600_000_000
"""2026-01-01, in microseconds since 1970."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def code(self) -> str | None:
        """The code of a problem document."""
        code: str | None = self.body.get("code") if isinstance(self.body, dict) else None
        return code


@dataclass(slots=True)
class Time:
    """A clock that stands still until somebody sleeps."""

    now: int = START
    on_sleep: list[Callable[[], object]] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        """Moves on, then lets the back of the pipeline run."""
        self.now += int(seconds * 1_000_000)
        for run in list(self.on_sleep):
            run()

    def at_next_sleep(self, act: Callable[[], object]) -> None:
        """Has this done once, before the back of the pipeline runs."""

        def once() -> None:
            self.on_sleep.remove(once)
            act()

        self.on_sleep.insert(0, once)


class Pipeline:
    """Tables, queues and handlers. `claims` are those of the token that comes with each request, if any."""

    def __init__(self, dynamodb: DynamoDBClient, sqs: SQSClient, prefix: str = "") -> None:
        self.dynamodb, self.sqs = dynamodb, sqs
        self.tables: TableNames = create_tables(dynamodb, prefix)
        self.dead_letters = self._queue(f"{prefix}dead.fifo", FifoQueue="true")
        self.queue = self._queue(f"{prefix}commands.fifo", FifoQueue="true")
        self.erasures = self._queue(f"{prefix}erasures")
        self.authenticate: Authenticate = allow_anyone
        self.claims: dict[str, Any] = {}
        self.time = Time()
        self.clock = Clock(lambda: self.time.now, self.time.sleep)
        ids = (f"id-{number}" for number in count(1))
        new_id, clock = lambda: next(ids), self.clock
        for_users = self.tables.settings(UserSettings, self.queue, BASE_URL, self.erasures)
        for_events = self.tables.settings(EventSettings, self.queue, BASE_URL)
        for_registrations = self.tables.settings(RegistrationSettings, self.queue, BASE_URL)
        eraser = UserEraser(dynamodb, sqs, for_users, clock, new_id)
        event_list = EventList(dynamodb, for_events, clock)
        event_service = EventService(dynamodb, sqs, for_events, clock, new_id)
        lists = RegistrationLists(dynamodb, for_registrations, clock)
        service = RegistrationService(dynamodb, sqs, for_registrations, clock, new_id)
        self.apps = {
            "users": users.routes(UserService(dynamodb, for_users, clock), lambda: eraser),
            "events": events.routes(event_service, event_list, clock),
            "registrations": registrations.routes(service, lists, clock),
        }
        self.registrar = Registrar(dynamodb, sqs, self.tables.worker, self.queue, self.dead_letters, self.clock)
        self.promoter = Promoter(sqs, self.queue, self.clock)
        self.eraser = Eraser(RegistrationCanceller(dynamodb, sqs, self.tables.registrations, self.queue, clock, new_id))
        self.rung: set[tuple[str, int]] = set()
        self.time.on_sleep.append(self.run)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: dict[str, str] | None = None,
        raw: str | None = None,
        **query: str | int,
    ) -> Answer:
        """One request through the function that the routes name. `raw` is a body that is sent as it is."""
        function = next((r.function for r in ROUTES if r.method == method and _matches(r.path, path)), FALLBACK)
        text = raw if raw is not None else json.dumps(body) if body is not None else None
        sent = {"content-type": "application/json"} if text is not None else {}
        event = http_event(
            method, path, text, sent | (headers or {}), {key: str(value) for key, value in query.items()}
        )
        if self.claims:
            event["headers"] = {"authorization": bearer_of(self.claims)} | event["headers"]
            event["requestContext"]["authorizer"] = {"jwt": {"claims": passed_on(self.claims)}}
        answer = App(self.apps[function], self.authenticate, BASE_URL).respond(event)
        content: str = answer["body"]
        contract.check(method, path.replace("%25", "%"), answer["statusCode"], answer["headers"], content)
        is_json = "json" in answer["headers"].get("Content-Type", "")
        parsed: Any = json.loads(content) if content and is_json else content or None
        if answer["statusCode"] >= 400 and parsed is not None:
            contract.check_problem(answer, parsed)
        return Answer(answer["statusCode"], answer["headers"], parsed)

    @contextmanager
    def signed_in(self, subject: str | None, *groups: str) -> Iterator[None]:
        """Authorization is on, and requests come with an access token of this subject; None: without any."""
        before = self.authenticate, self.claims
        self.authenticate = AccessTokens(AUDIENCE, "cognito:groups", self.clock).authenticate
        self.claims = {} if subject is None else claims_of(subject, *groups)
        yield
        self.authenticate, self.claims = before

    def run(self) -> None:
        """Delivers what is in the queue, and rings the bell for promotable ledgers, until nothing is left to do."""
        while self.deliver() or self.ring():
            pass

    def finish_erasures(self) -> None:
        """Hand the messages about erasures to the eraser, as their queue does after 35 s."""
        messages = self.sqs.receive_message(QueueUrl=self.erasures, MaxNumberOfMessages=10)["Messages"]
        self.eraser.handle({"Records": [{"body": message["Body"]} for message in messages]})

    def deliver(self) -> bool:
        """One batch from the queue to the registrar; False if there was none."""
        batch = self.receive()
        if not batch:
            return False
        answer = self.registrar.handle({"Records": batch})
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        self.delete(*(record for record in batch if record["messageId"] not in failed))
        return True

    def delete(self, *batch: dict[str, Any]) -> None:
        """Takes messages that were received out of the queue."""
        for record in batch:
            self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=record["receiptHandle"])

    def receive(self) -> list[dict[str, Any]]:
        """A batch as Lambda hands it over."""
        answer = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10, AttributeNames=["All"])
        return [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
            }
            for message in answer.get("Messages", [])
        ]

    def ring(self) -> bool:
        """Hands promotable ledgers that are new to the promoter, as the stream does; False if there is none."""
        images = self.dynamodb.scan(TableName=self.tables.ledger)["Items"]
        new = [image for image in images if "promotable" in image and _version(image) not in self.rung]
        self.rung |= {_version(image) for image in new}
        if new:
            self.promoter.handle({"Records": [{"dynamodb": {"NewImage": image}} for image in new]})
        return bool(new)

    def ledger(self, event_id: str) -> Ledger:
        """The stored ledger."""
        key: Any = {"eventId": {"S": event_id}}
        return ledger_from_item(self.dynamodb.get_item(TableName=self.tables.ledger, Key=key)["Item"])

    def record(self, event_id: str, user_id: str) -> Registration | None:
        """The stored registration, if any."""
        key: Any = {"registrationId": {"S": registration_id(event_id, user_id)}}
        item = self.dynamodb.get_item(TableName=self.tables.registrations, Key=key).get("Item")
        return registration_from_item(item) if item else None

    def stored(self, event_id: str, user_id: str) -> Registration:
        """The stored registration, of which there must be one."""
        record = self.record(event_id, user_id)
        assert record is not None, f"nothing is stored of {user_id} at {event_id}"
        return record

    def standing(self, event_id: str, user_id: str) -> tuple[str, int] | None:
        """Return the status and the generation of the stored registration; None without one."""
        record = self.record(event_id, user_id)
        return (str(record.status), record.generation) if record else None

    def parked(self) -> list[dict[str, Any]]:
        """Return the messages in the dead-letter queue."""
        answer = self.sqs.receive_message(
            QueueUrl=self.dead_letters, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=0
        )
        return [
            {"body": message["Body"], "reason": message["MessageAttributes"]["reason"]["StringValue"]}
            for message in answer.get("Messages", [])
        ]

    def add_user(self, user_id: str) -> str:
        """Creates a user over the API."""
        answer = self.request("POST", "/users", person(user_id))
        assert answer.status == 201, answer.body
        return user_id

    def add_event(self, event_id: str, capacity: int, **fields: object) -> str:
        """Creates an event over the API."""
        body = NEW_EVENT | {"eventId": event_id, "capacity": capacity} | fields
        answer = self.request("POST", "/events", body)
        assert answer.status == 201, answer.body
        return event_id

    def register(self, event_id: str, user_id: str, **headers: str) -> Answer:
        """Registers over the API. Headers by their names with `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("POST", f"/events/{event_id}/registrations", {"userId": user_id}, named)

    def fill(self, event_id: str, *user_ids: str) -> list[Answer]:
        """Creates users and registers them over the API, one after the other."""
        return [self.register(event_id, self.add_user(user_id)) for user_id in user_ids]

    def read(self, event_id: str, user_id: str) -> Answer:
        """Reads a registration over the API."""
        return self.request("GET", f"/events/{event_id}/registrations/{user_id}")

    def cancel(self, event_id: str, user_id: str, **headers: str) -> Answer:
        """Cancels over the API."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("DELETE", f"/events/{event_id}/registrations/{user_id}", headers=named)

    def forget(self, user_id: str) -> Answer:
        """Forgets a user over the API."""
        return self.request("DELETE", f"/users/{user_id}")

    def _queue(self, name: str, **attributes: str) -> str:
        with_attributes: Any = attributes
        return self.sqs.create_queue(QueueName=name, Attributes=with_attributes)["QueueUrl"]


def _matches(pattern: str, path: str) -> bool:
    parts, given = pattern.split("/"), path.split("/")
    return len(parts) == len(given) and all(p.startswith("{") or p == g for p, g in zip(parts, given, strict=True))


def _version(image: Any) -> tuple[str, int]:
    return image["eventId"]["S"], int(image["version"]["N"])
