"""The people: clients that register over HTTP, wait for the outcome, and poll while they are on the waiting list.

Every request and response is recorded (`tests.proofs.soak.history`), so that the checker can compare them with the
tables.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx

from tests.proofs.soak.history import CANCEL, CONFIGURE, READ, REGISTER, History, shown
from tests.support.client import at
from tests.support.pii_canaries import person

_CLIENTS = 400
_ACCOUNTS_AT_ONCE = 8
_TIMEOUT_SECONDS = 60.0
_POLL_SECONDS = 1.0
"""The seconds after which a person whose registration is pending or waitlisted reads it again."""


@dataclass(frozen=True, slots=True)
class PersonOutcome:
    """The end of a registration: `outcome` is a status or the code of a refusal.

    `asked`, `answered` and `known` are seconds since the day began; `known` is later than `answered` only after a 202.
    """

    user: str
    outcome: str
    asked: float
    answered: float
    known: float


class UnexpectedResponse(Exception):
    """A response that has no place in this day."""


class Crowd:
    """Everybody. `seconds` is the day's clock; `known` has the outcomes so far, `promoted` how long people waited."""

    def __init__(self, api_url: str, history: History, seconds: Callable[[], float]) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        self._http = httpx.Client(base_url=api_url, timeout=_TIMEOUT_SECONDS, limits=limits, trust_env=False)
        self._history = history
        self._seconds = seconds
        self._over = threading.Event()
        self.arrived: list[float] = []
        self.known: list[PersonOutcome] = []
        self.promoted: dict[str, float] = {}

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    @property
    def outcomes(self) -> Counter[str]:
        """Return the number of people with each outcome."""
        return Counter(found.outcome for found in list(self.known))

    def create_users(self, users: Sequence[str]) -> None:
        """Create users that do not exist yet."""

        def create(user: str) -> None:
            _require(self._http.post("/users", json=person(user)), 201, 409)

        self._together([partial(create, user) for user in users], _ACCOUNTS_AT_ONCE)

    def create_event(self, event_id: str, title: str, **settings: Any) -> None:
        """Create an event."""
        seats = {"status": "active", "hasWaitlist": False, "waitlistCapacity": None} | settings
        number = self._history.sends(CONFIGURE, event_id, settings=seats)
        text = {"eventId": event_id, "title": title, "date": "2030-05-17", "location": "Berlin", "organizer": "PSF"}
        _require(self._http.post("/events", json=text | settings), 201)
        self._history.hears(number, status=200)

    def add_seats(self, event_id: str, seats: int) -> None:
        """Read the event and raise its capacity."""
        event = _require(self._http.get(at(event_id)), 200)
        change = {"capacity": event.json()["capacity"] + seats}
        number = self._history.sends(CONFIGURE, event_id, settings=change)
        headers = {"If-Match": event.headers["etag"], "Prefer": "wait=10"}
        answer = _require(self._http.patch(at(event_id), json=change, headers=headers), 200, 202)
        self._history.hears(number, status=answer.status_code)

    def warm_up(self, event_id: str, users: Sequence[str]) -> None:
        """Read a registration for each user, all at once."""
        self._together([partial(self._read, event_id, user) for user in users], _CLIENTS)

    def forget(self) -> None:
        """Leave everything up to now out of the figures; the history keeps it."""
        self.arrived, self.known = [], []

    def arrive(self, event_id: str, users: Sequence[str], arrivals: Sequence[float]) -> None:
        """Register each user, at their time in seconds from now, and wait until the outcomes are known."""
        opened = time.monotonic()

        def come(user: str, after: float) -> None:
            self._pause(opened + after - time.monotonic())
            self._register(event_id, user)

        tasks = [partial(come, user, after) for user, after in zip(users, arrivals, strict=True)]
        self._together(tasks, _CLIENTS)

    def submit(self, event_id: str, user: str) -> None:
        """Register without waiting for the outcome: the response is a 202."""
        body, headers = {"userId": user}, {"Prefer": "respond-async"}
        request = self._http.build_request("POST", f"{at(event_id)}/registrations", json=body, headers=headers)
        _require(self._send(REGISTER, event_id, user, request), 202)

    def cancel(self, event_id: str, users: Sequence[str], within: float) -> None:
        """Cancel, one after the other within that many seconds."""

        def go(user: str, after: float) -> None:
            self._pause(after)
            self._send(CANCEL, event_id, user, self._http.build_request("DELETE", at(event_id, user)))

        step = within / max(1, len(users))
        self._together([partial(go, user, step * number) for number, user in enumerate(users)], _CLIENTS)

    def wait_for_seats(self, event_id: str, users: Iterable[str], enough: Callable[[], bool]) -> None:
        """Poll until each user is promoted, or until it is `enough`."""

        def poll(user: str) -> None:
            began = self._seconds()
            while not enough():
                if self._read(event_id, user).get("status") == "confirmed":
                    self.promoted[user] = self._seconds() - began
                    return
                self._pause(_POLL_SECONDS)

        self._together([partial(poll, user) for user in users], _CLIENTS)

    def confirmed(self, event_id: str, user: str) -> bool:
        """Return whether the user has a seat."""
        return self._read(event_id, user).get("status") == "confirmed"

    def _register(self, event_id: str, user: str) -> None:
        asked = self._seconds()
        self.arrived.append(asked)
        path = f"{at(event_id)}/registrations"
        answer = self._send(REGISTER, event_id, user, self._http.build_request("POST", path, json={"userId": user}))
        answered, body = self._seconds(), answer.json()
        while answer.status_code < 300 and body["status"] == "pending":
            self._pause(_POLL_SECONDS)
            body = self._read(event_id, user)
        outcome = body["status"] if answer.status_code < 300 else body["code"]
        self.known.append(PersonOutcome(user, outcome, asked, answered, self._seconds()))

    def _read(self, event_id: str, user: str) -> dict[str, Any]:
        answer = self._send(READ, event_id, user, self._http.build_request("GET", at(event_id, user)))
        body: dict[str, Any] = answer.json()
        return body

    def _send(self, what: str, event_id: str, user: str, request: httpx.Request) -> httpx.Response:
        number = self._history.sends(what, event_id, user)
        answer = self._http.send(request)
        body = answer.json() if answer.content else None
        self._history.hears(number, **shown(answer.status_code, body, answer.headers))
        if answer.status_code >= 500:
            raise UnexpectedResponse(f"{request.method} {request.url} answers {answer.status_code}: {answer.text}")
        return answer

    def _pause(self, seconds: float) -> None:
        if self._over.wait(max(0.0, seconds)):
            raise UnexpectedResponse("the day ended before this could be asked")

    def _together(self, tasks: Sequence[Callable[[], object]], at_once: int) -> None:
        """Run tasks side by side; raise what the first that fails raises."""
        if not tasks:
            return
        pool = ThreadPoolExecutor(min(at_once, len(tasks)))
        running = [pool.submit(task) for task in tasks]
        try:
            ended, left = wait(running, return_when=FIRST_EXCEPTION)
            if left:
                self._over.set()
        except KeyboardInterrupt:
            self._over.set()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        for task in ended:
            task.result()


def _require(answer: httpx.Response, *statuses: int) -> httpx.Response:
    if answer.status_code not in statuses:
        raise UnexpectedResponse(f"{answer.request.url} answers {answer.status_code}: {answer.text}")
    return answer
