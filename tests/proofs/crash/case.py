"""One run of a story: its events and people, what is put into the queue, and what its client asks for and hears."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx

from tests.proofs.crash.state import State, look
from tests.proofs.crash.target import Target
from tests.support.client import at, unique
from tests.support.stacks import queue_depth
from workers.aws.messages import group_of
from workers.aws.send import send
from workers.domain.commands import Command
from workers.domain.records import registration_id

REST_SECONDS = 20.0
"""How long it may take until all is at rest. The batch of a registrar that died comes back after two seconds."""

NO_ANSWER = "no answer"

PATIENT = "wait=10"
"""What a client prefers that wants the outcome and no promise."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks for."""

    method: str
    path: str
    body: Mapping[str, Any] | None
    headers: dict[str, str]


class Case:
    """Events and people by the names that the story gives them; their ids are in no other run.

    `reply` is what the client heard: `201 confirmed`, `409 event-full`; None if the story has no client. `prefer` is
    how long it waits for an outcome if the story does not say.
    """

    def __init__(self, target: Target, prefer: str | None = None) -> None:
        self.target = target
        self.events: dict[str, str] = {}
        self.people: dict[str, str] = {}
        self.reply: str | None = None
        self._prefer = prefer
        self._request: Request | None = None
        self._dead_letters = queue_depth(target.clients, target.outputs.dead_letter_queue_url)

    @property
    def ids(self) -> set[str]:
        """Every call that is about this run names one of them."""
        pairs = [(event, user) for event in self.events.values() for user in self.people.values()]
        return {registration_id(*pair) for pair in pairs} | {*self.events.values(), *self.people.values()}

    def event(self, name: str, capacity: int, **fields: object) -> None:
        """There is an event."""
        self.events[name] = self.target.front.event(capacity, **fields)

    def person(self, *names: str) -> None:
        """There are people."""
        self.people |= {name: self.target.front.user() for name in names}

    def seat(self, event: str, *names: str) -> None:
        """People have registered, one after the other."""
        for name in names:
            self.target.front.seat(self.events[event], self.people[name])

    def send(self, *commands: Command) -> None:
        """Commands are in the queue, as the API would send them."""
        for command in commands:
            send(self.target.clients.sqs, self.target.outputs.queue_url, command)

    def deliver(self, event: str, *bodies: str) -> None:
        """Messages that SQS has never seen are in an event's group."""
        for body in bodies:
            self.target.clients.sqs.send_message(
                QueueUrl=self.target.outputs.queue_url,
                MessageBody=body,
                MessageGroupId=group_of(self.events[event]),
                MessageDeduplicationId=unique("message"),
            )

    def register(self, event: str, name: str, prefer: str | None = None) -> None:
        """The client registers somebody."""
        self.ask("POST", f"{at(self.events[event])}/registrations", {"userId": self.people[name]}, prefer)

    def cancel(self, event: str, name: str, prefer: str | None = None) -> None:
        """The client cancels for somebody."""
        self.ask("DELETE", at(self.events[event], self.people[name]), prefer=prefer)

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, prefer: str | None = None) -> None:
        """The client asks once, with an idempotency key. `prefer` is how long it waits for the outcome."""
        headers = {"Idempotency-Key": unique("key")}
        if preference := prefer or self._prefer:
            headers["Prefer"] = preference
        self._request = Request(method, path, body, headers)
        self.reply = self._hear(self._request)

    def repeat(self) -> str:
        """The client asks the same again, and waits for the outcome; its reply."""
        assert self._request is not None
        return self._hear(replace(self._request, headers=self._request.headers | {"Prefer": PATIENT}))

    def _hear(self, request: Request) -> str:
        try:
            answer = self.target.front.http.request(
                request.method, request.path, json=request.body, headers=request.headers
            )
        except httpx.TransportError:
            return NO_ANSWER
        try:
            said = answer.json()
        except ValueError:
            said = {}
        return f"{answer.status_code} {said.get('code') or said.get('status') or ''}".rstrip()

    def look(self) -> State:
        """How things stand now."""
        return look(self.target, self.events, self.people, self._dead_letters)

    def settle(self) -> State:
        """How things stand once all is at rest; if that takes too long, how they stand then."""
        deadline = time.monotonic() + REST_SECONDS
        while (state := self.look()).unrest and time.monotonic() < deadline:
            time.sleep(0.03)
        return state
