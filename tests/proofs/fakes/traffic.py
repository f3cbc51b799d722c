"""Turnstile's own traffic: the generated workload through the real handlers, and what these ask of DynamoDB."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, cast

from tests.proofs.simulation.workload import EVENTS, LATEST, PEOPLE, RequestStep, WorkloadGenerator
from tests.support.builders import NEW_EVENT
from tests.support.fake_sqs import FakeSqs
from tests.support.pipeline import Pipeline
from workers.auditor import Auditor
from workers.domain.records import registration_id

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

_EVENTS = EVENTS[:3]
OWN_KEYS = (*_EVENTS, *PEOPLE, *(registration_id(event, user) for event in _EVENTS for user in PEOPLE))
"""Every primary key that the traffic may store."""


class TurnstileTraffic:
    """The whole pipeline on one DynamoDB client, and requests to it. Some events and users are created on the way."""

    def __init__(self, dynamodb: DynamoDBClient, chance: Random, prefix: str) -> None:
        self._chance = chance
        self._pipeline = Pipeline(dynamodb, cast("SQSClient", _Queues()), prefix)
        tables, clock = self._pipeline.tables, self._pipeline.clock
        self._auditor = Auditor(dynamodb, tables.ledger, tables.registrations, clock)
        self._generator = WorkloadGenerator(chance, _EVENTS, PEOPLE)
        self._steps: deque[RequestStep] = deque()
        self._tags: dict[str, str] = {}
        self._numbers = count(1)
        for user in PEOPLE[:-2]:
            self._pipeline.add_user(user)
        for event in _EVENTS[:-1]:
            self._pipeline.add_event(event, 2, hasWaitlist=True)

    def step(self) -> None:
        """Send one request, or let a part of the back end run."""
        drawn = self._chance.random()
        if drawn < 0.1:
            self._pipeline.run()
        elif drawn < 0.13:
            self._auditor.handle()
        elif drawn < 0.2:
            self._create()
        else:
            if not self._steps:
                self._steps.extend(self._generator.take())
            self._send(self._steps.popleft())

    def _create(self) -> None:
        number = next(self._numbers)
        if self._chance.random() < 0.5:
            self._request("POST", "/users", {"userId": self._chance.choice(PEOPLE), "name": f"N{number}"})
        else:
            event = {"eventId": self._chance.choice(_EVENTS), "description": "é" * number}
            self._request("POST", "/events", NEW_EVENT | event | self._generator.seats())

    def _send(self, step: RequestStep) -> None:
        """Send a request; a list is continued now and then, after some other requests."""
        method, path, body = step.request()
        tag = self._tags.get(step.event_id, "*")
        headers = {name: tag if value == LATEST else value for name, value in step.headers.items()}
        answer = self._request(method, path, body, headers, step.query)
        if "ETag" in answer.headers:
            self._tags[step.event_id] = answer.headers["ETag"]
        if isinstance(answer.body, dict) and answer.body.get("next"):
            self._steps.append(replace(step, query=step.query | {"cursor": answer.body["next"]}))

    def _request(self, method: str, path: str, body: object, headers: Any = None, query: Any = None) -> Any:
        self._pipeline.time.now += 1
        answer = self._pipeline.request(method, path, body, headers or {}, None, **(query or {}))
        assert answer.status < 500, answer
        return answer


class _Queues(FakeSqs):
    """Queues whose clock advances with every receive, so that failed messages come back at once."""

    def create_queue(self, **request: Any) -> dict[str, Any]:
        """CreateQueue: queues exist as soon as they are named."""
        return {"QueueUrl": request["QueueName"]}

    def receive_message(self, **request: Any) -> dict[str, Any]:
        """ReceiveMessage, 100 s later."""
        self.now += 100
        return super().receive_message(**{"VisibilityTimeout": 90, "WaitTimeSeconds": 0, **request})

    def delete_message(self, **request: Any) -> dict[str, Any]:
        """DeleteMessage."""
        entry = {"Id": "0", "ReceiptHandle": request["ReceiptHandle"]}
        return self.delete_message_batch(QueueUrl=request["QueueUrl"], Entries=[entry])
