"""One run of a scenario: its events and people, the messages in the queue, and the client's request and reply."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx

from tests.proofs.crash.stack_state import StackState, stack_state
from tests.proofs.crash.tapped_stack import TappedStack
from tests.support.client import at, unique
from tests.support.stacks import queue_depth
from workers.aws.messages import event_group
from workers.aws.send import send
from workers.domain.commands import Command
from workers.domain.records import registration_id

REST_SECONDS = 20.0
"""The most seconds until everything has quiesced. The batch of a killed registrar comes back after two seconds."""

NO_ANSWER = "no answer"

WAIT = "wait=10"
"""The preference of a client that waits for the outcome."""


class ScenarioRun:
    """Events and people by their names in the scenario; their ids are unique.

    `reply` is what the client got: `201 confirmed`, `409 event-full`; None without a client. `prefer` is the client's
    preference where the scenario names none.
    """

    def __init__(self, stack: TappedStack, prefer: str | None = None) -> None:
        self.stack = stack
        self.events: dict[str, str] = {}
        self.people: dict[str, str] = {}
        self.reply: str | None = None
        self._prefer = prefer
        self._request: tuple[str, str, Mapping[str, Any] | None, dict[str, str]] | None = None
        self._dead_letters = queue_depth(stack.clients, stack.outputs.dead_letter_queue_url)

    @property
    def ids(self) -> set[str]:
        """The ids that the calls of this run name."""
        pairs = [(event, user) for event in self.events.values() for user in self.people.values()]
        return {registration_id(*pair) for pair in pairs} | {*self.events.values(), *self.people.values()}

    def event(self, name: str, capacity: int, *, seated: str = "", others: str = "", waitlist: bool = True) -> None:
        """Create an event, register the people in `seated` for it one after the other, and create the others."""
        self.events[name] = self.stack.front.event(capacity, hasWaitlist=waitlist)
        for person in (*seated.split(), *others.split()):
            if person not in self.people:
                self.people[person] = self.stack.front.user()
        for person in seated.split():
            self.stack.front.seat(self.events[name], self.people[person])

    def send(self, *commands: Command) -> None:
        """Queue commands as the API does."""
        for command in commands:
            send(self.stack.clients.sqs, self.stack.outputs.queue_url, command)

    def deliver(self, event: str, *bodies: str) -> None:
        """Queue messages in an event's group."""
        for body in bodies:
            self.stack.clients.sqs.send_message(
                QueueUrl=self.stack.outputs.queue_url,
                MessageBody=body,
                MessageGroupId=event_group(self.events[event]),
                MessageDeduplicationId=unique("message"),
            )

    def register(self, event: str, name: str, prefer: str | None = None) -> None:
        """Have the client register somebody."""
        self.request("POST", f"{at(self.events[event])}/registrations", {"userId": self.people[name]}, prefer)

    def cancel(self, event: str, name: str, prefer: str | None = None) -> None:
        """Have the client cancel for somebody."""
        self.request("DELETE", at(self.events[event], self.people[name]), prefer=prefer)

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None, prefer: str | None = None) -> None:
        """Have the client send a request once, with an idempotency key."""
        headers = {"Idempotency-Key": unique("key")}
        if preference := prefer or self._prefer:
            headers["Prefer"] = preference
        self._request = method, path, body, headers
        self.reply = self._reply(*self._request)

    def repeat(self) -> str:
        """Have the client send the same request again, waiting for the outcome; return its reply."""
        assert self._request is not None
        method, path, body, headers = self._request
        return self._reply(method, path, body, headers | {"Prefer": WAIT})

    def _reply(self, method: str, path: str, body: Mapping[str, Any] | None, headers: dict[str, str]) -> str:
        try:
            response = self.stack.front.http.request(method, path, json=body, headers=headers)
        except httpx.TransportError:
            return NO_ANSWER
        try:
            document = response.json()
        except ValueError:
            document = {}
        return f"{response.status_code} {document.get('code') or document.get('status') or ''}".rstrip()

    def state(self) -> StackState:
        """Return the state now."""
        return stack_state(self.stack, self.events, self.people, self._dead_letters)

    def settle(self) -> StackState:
        """Return the state at rest, or after REST_SECONDS."""
        deadline = time.monotonic() + REST_SECONDS
        while (state := self.state()).unrest and time.monotonic() < deadline:
            time.sleep(0.03)
        return state


Scenario = Callable[[ScenarioRun], Iterator[None]]
"""Prepares, yields once, and goes on: the calls behind the yield are those at which functions are killed."""
