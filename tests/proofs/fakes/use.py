"""People and operators who use Turnstile, by chance: what its real handlers then ask of DynamoDB."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, cast

from tests.support.builders import NEW_EVENT
from tests.support.fake_sqs import FakeSqs
from tests.support.pipeline import Pipeline
from workers.auditor import Auditor
from workers.domain.records import registration_id

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

_EVENTS = tuple(f"event-{number}" for number in range(3))
_USERS = tuple(f"user-{number}" for number in range(8))
OWN_KEYS = (*_EVENTS, *_USERS, *(registration_id(event, user) for event in _EVENTS for user in _USERS))
"""Every primary key that comes of it."""


class Use:
    """The whole pipeline on one DynamoDB client, and what is done with it. Few events, few seats, few people."""

    def __init__(self, dynamodb: DynamoDBClient, chance: Random, prefix: str) -> None:
        self._chance = chance
        self._pipeline = Pipeline(dynamodb, cast("SQSClient", _Queues()), prefix)
        tables, clock = self._pipeline.tables, self._pipeline.clock
        self._auditor = Auditor(dynamodb, tables.ledger, tables.registrations, clock)
        self._pages: list[tuple[str, dict[str, str | int]]] = []
        self._numbers = count(1)
        self._kinds: dict[Callable[[], None], int] = {
            self._register: 8,
            self._cancel: 4,
            self._list: 6,
            self._change: 3,
            self._look: 3,
            self._create: 3,
            self._auditor.handle: 1,
            self._pipeline.run: 4,
        }
        for user in _USERS[:-2]:
            self._pipeline.add_user(user)
        for event in _EVENTS[:-1]:
            self._pipeline.add_event(event, 2, hasWaitlist=True)

    def step(self) -> None:
        """One thing that somebody does."""
        (act,) = self._chance.choices(list(self._kinds), list(self._kinds.values()))
        act()

    def _ask(self, method: str, path: str, body: object = None, **query: str | int) -> Any:
        """In half of the cases without waiting for what comes of it: it stays in the queue until a later step."""
        self._pipeline.time.now += 1
        headers = self._chance.choice([{}, {"Prefer": "respond-async"}])
        answer = self._pipeline.request(method, path, body, headers, None, **query)
        assert answer.status < 500, answer
        return answer.body

    def _event(self) -> str:
        return f"/events/{self._chance.choice(_EVENTS)}"

    def _create(self) -> None:
        if self._chance.random() < 0.5:
            self._ask("POST", "/users", {"userId": self._chance.choice(_USERS), "name": f"N{next(self._numbers)}"})
            return
        event = {"eventId": self._chance.choice(_EVENTS), "description": "é" * next(self._numbers)}
        self._ask("POST", "/events", NEW_EVENT | event | self._seats())

    def _seats(self) -> dict[str, Any]:
        seats: dict[str, Any] = {"capacity": self._chance.randrange(4), "hasWaitlist": self._chance.random() < 0.8}
        limit = self._chance.choice([None, None, *range(4)])
        return seats if self._chance.random() < 0.3 else seats | {"waitlistCapacity": limit}

    def _change(self) -> None:
        texts: dict[str, Any] = {"title": f"T{next(self._numbers)}", "description": self._chance.choice([None, "d"])}
        status: dict[str, Any] = {"status": self._chance.choice(["active", "active", "closed", "cancelled"])}
        change = self._chance.choice([texts, self._seats(), status, texts | self._seats()])
        self._ask("PATCH", self._event(), change)

    def _register(self) -> None:
        self._ask("POST", f"{self._event()}/registrations", {"userId": self._chance.choice(_USERS)})

    def _cancel(self) -> None:
        self._ask("DELETE", f"{self._event()}/registrations/{self._chance.choice(_USERS)}")

    def _look(self) -> None:
        user = self._chance.choice(_USERS)
        paths = (self._event(), f"/users/{user}", f"{self._event()}/registrations/{user}")
        self._ask("GET", self._chance.choice(paths))

    def _list(self) -> None:
        """A list from its beginning, or on from where one was left."""
        if self._pages and self._chance.random() < 0.5:
            path, query = self._pages.pop(self._chance.randrange(len(self._pages)))
        else:
            user = self._chance.choice(_USERS)
            paths = ("/events", f"{self._event()}/registrations", f"/users/{user}/registrations")
            path, query = self._chance.choice(paths), {"limit": self._chance.choice((1, 2, 3, 50))}
            if path != "/events" and self._chance.random() < 0.3:
                query["status"] = self._chance.choice(("waitlisted", "confirmed,rejected", "cancelled,pending"))
        body = self._ask("GET", path, **query)
        if "next" in body and body["next"] is not None:
            self._pages.append((path, query | {"cursor": body["next"]}))


class _Queues(FakeSqs):
    """Queues whose time goes on with every look, so that what failed comes back at once."""

    def create_queue(self, **request: Any) -> dict[str, Any]:
        """A queue is there as soon as it is named."""
        return {"QueueUrl": request["QueueName"]}

    def receive_message(self, **request: Any) -> dict[str, Any]:
        """ReceiveMessage, 100 s later."""
        self.now += 100
        return super().receive_message(**{"VisibilityTimeout": 90, "WaitTimeSeconds": 0, **request})

    def delete_message(self, **request: Any) -> dict[str, Any]:
        """DeleteMessage."""
        entry = {"Id": "0", "ReceiptHandle": request["ReceiptHandle"]}
        return self.delete_message_batch(QueueUrl=request["QueueUrl"], Entries=[entry])
