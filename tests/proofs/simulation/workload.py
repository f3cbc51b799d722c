"""The workload: people register, cancel and come back, organisers change seats, some only read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any
from urllib.parse import quote

from tests.proofs.simulation.scheduler import SECOND
from tests.support.builders import NEW_EVENT

LATEST = "the latest that anybody has seen"
"""Stands for an entity tag, which is not known before the run."""

EVENTS = ("e", "e-1", "e-1-1", "f\u00eate 7")
"""Joined with a dash, some of these and of the people would be mistaken for others. SQS takes no space in a group."""
PEOPLE = ("ann", "1-ann", "1-1-ann", "bob", "cid", "1-cid", "dee", "eve", "fay")
_LENGTHS = (20, 60, 240, 1500)
"""Seconds in which all requests of a run are sent."""
_LOST_AFTER_SECONDS = 900
_RETRY_SECONDS = (11, 13, 15)
"""Seconds until an impatient client repeats a request: pending requests may count as lost after ten."""
_STATUSES = (
    "waitlisted",
    "confirmed,waitlisted",
    "cancelled,rejected",
    "pending,waitlisted,confirmed,rejected,cancelled",
)


@dataclass(frozen=True, slots=True)
class RequestStep:
    """One request, `at` so many microseconds after the start. `number` is its place in the workload."""

    number: int
    at: int
    kind: str
    event_id: str
    user_id: str
    changes: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """As a trace shows it."""
        more = " ".join(f"{name}={value}" for name, value in (self.changes | self.headers | self.query).items())
        who = f"{self.user_id} at " if self.kind in {"register", "cancel", "look"} else ""
        return f"#{self.number} {self.kind} {who}{self.event_id!r} {more}".rstrip()

    def request(self) -> tuple[str, str, object]:
        """Return method, path and body."""
        event, user = f"/events/{self.event_id}", quote(self.user_id)
        requests: dict[str, tuple[str, str, object]] = {
            "register": ("POST", f"{event}/registrations", {"userId": self.user_id}),
            "cancel": ("DELETE", f"{event}/registrations/{user}", None),
            "change": ("PATCH", event, self.changes),
            "look": ("GET", f"{event}/registrations/{user}", None),
            "event": ("GET", event, None),
            "list": ("GET", "/events", None),
            "of event": ("GET", f"{event}/registrations", None),
            "of user": ("GET", f"/users/{user}/registrations", None),
        }
        return requests[self.kind]


@dataclass(frozen=True, slots=True)
class Workload:
    """The input of one simulated run: the events as they are created, and the requests."""

    events: tuple[dict[str, Any], ...]
    people: tuple[str, ...]
    steps: tuple[RequestStep, ...]


def draw_workload(chance: Random) -> Workload:
    """Draw a workload of three or four events with few seats, and some eighty requests."""
    names = EVENTS[: chance.choice((3, 3, 4))]
    generator = WorkloadGenerator(chance, names, PEOPLE)
    events = tuple(NEW_EVENT | {"eventId": event_id} | generator.seats() for event_id in names)
    generator.length = chance.choice(_LENGTHS) * SECOND
    steps = [step for _ in range(chance.randint(70, 120)) for step in generator.take()]
    steps.sort(key=lambda step: step.at)
    return Workload(events, PEOPLE, tuple(replace(step, number=number) for number, step in enumerate(steps)))


class WorkloadGenerator:
    """Generates requests. Remembers who may be registered, so that most requests come to something.

    `length` is the time in which its requests are sent, in microseconds.
    """

    def __init__(self, chance: Random, events: Sequence[str], people: Sequence[str]) -> None:
        self._steps: list[RequestStep] = []
        self._chance = chance
        self._events = events
        self._people = people
        self.length = 1
        self._registered: set[tuple[str, str]] = set()

    def seats(self) -> dict[str, Any]:
        """Draw the seats of a new event."""
        chance = self._chance
        seats = {"capacity": chance.randint(0, 4), "hasWaitlist": chance.random() < 0.8}
        return seats | ({"waitlistCapacity": chance.randint(0, 4)} if chance.random() < 0.4 else {})

    def take(self) -> list[RequestStep]:
        """Draw what somebody does next, at any time: one request, or a few that belong together."""
        chance = self._chance
        at, event_id, user_id = chance.randrange(self.length), chance.choice(self._events), chance.choice(self._people)
        drawn = chance.random()
        if drawn < 0.12:
            self._change(at, event_id)
            if chance.random() < 0.4:  # and somebody else at once
                self._change(at + chance.randrange(SECOND), event_id)
        elif drawn < 0.2:
            kind = chance.choice(("look", "look", "event", "list", "of event", "of user"))
            query = self._query() if kind.startswith("of") else {}
            self._steps.append(RequestStep(0, at, kind, event_id, user_id, query=query))
        elif drawn < 0.25:
            self._rush(at, event_id)
        else:
            self._come_or_go(at, event_id, user_id)
        taken, self._steps = self._steps, []
        return taken

    def _come_or_go(self, at: int, event_id: str, user_id: str) -> None:
        chance, pair = self._chance, (event_id, user_id)
        going = pair in self._registered and chance.random() < 0.75
        (self._registered.discard if going else self._registered.add)(pair)
        self._add(at, "cancel" if going else "register", *pair)
        if chance.random() < 0.3:  # and at once the opposite, or the same again: a double click
            kind = chance.choice(("cancel", "register"))
            self._add(at + chance.randrange(SECOND), kind, *pair)
        if chance.random() < 0.01:
            self._add(at + _LOST_AFTER_SECONDS * SECOND, "register", *pair)
        if chance.random() < 0.05:
            for seconds in _RETRY_SECONDS:
                self._add(at + seconds * SECOND, "register", *pair)

    def _change(self, at: int, event_id: str) -> None:
        changes, headers = self._changes(), self._headers(keys=False)
        if self._chance.random() < 0.5:
            headers["if-match"] = LATEST
        self._steps.append(RequestStep(0, at, "change", event_id, "", changes, headers))

    def _rush(self, at: int, event_id: str) -> None:
        """Many register at once."""
        crowd = self._people if len(self._people) <= len(PEOPLE) else self._chance.sample(self._people, len(PEOPLE))
        for user_id in crowd[: self._chance.randint(3, len(crowd))]:
            self._registered.add((event_id, user_id))
            self._add(at + self._chance.randrange(SECOND // 5), "register", event_id, user_id)

    def _add(self, at: int, kind: str, event_id: str, user_id: str) -> None:
        self._steps.append(RequestStep(0, at, kind, event_id, user_id, headers=self._headers(keys=True)))

    def _headers(self, *, keys: bool) -> dict[str, str]:
        chance, headers = self._chance, dict[str, str]()
        # Waiting repeats the same call: not waiting leaves time for more histories.
        if chance.random() < 0.5:
            headers["prefer"] = "wait=10" if chance.random() < 0.06 else chance.choice(("respond-async", "wait=0"))
        if keys and chance.random() < 0.2:
            headers["idempotency-key"] = f"key-{chance.randrange(3)}"
        return headers

    def _query(self) -> dict[str, str]:
        """Draw a list's query: all at once or page by page, the active ones or some statuses."""
        chance, query = self._chance, dict[str, str]()
        if chance.random() < 0.4:
            query["limit"] = "2"
        if chance.random() < 0.4:
            query["status"] = chance.choice(_STATUSES)
        return query

    def _changes(self) -> dict[str, Any]:
        chance = self._chance
        every: dict[str, Any] = {
            "capacity": chance.randint(0, 4),
            "hasWaitlist": chance.random() < 0.7,
            "waitlistCapacity": chance.choice((None, 0, 1, 3)),
            "status": chance.choice(("active",) * 6 + ("closed", "cancelled")),
            "title": f"Title {chance.randrange(100)}",
        }
        names = [name for name in every if chance.random() < 0.35] or ["capacity"]
        return {name: every[name] for name in names}
