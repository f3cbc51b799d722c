"""The people: each is a client that registers over HTTP, waits for the outcome, and looks how far the line has moved.

Whatever they ask and hear is written down (`tests.proofs.soak.history`), so that it can be held against the tables.
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
"""So many ask at the same time at the most."""
_ACCOUNTS_AT_ONCE = 8
_PATIENCE_SECONDS = 60.0
_LOOKS_EVERY_SECONDS = 1.0
"""How often somebody looks again who was told "pending", or who waits for a seat."""


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody who registered was told in the end.

    `asked`, `answered` and `known` are seconds since the day began: when she asked, when her request was answered, and
    when she knew the outcome, which is later only if the answer was 202. `outcome`: a status or the code of a refusal.
    """

    user: str
    outcome: str
    asked: float
    answered: float
    known: float


class UnexpectedAnswer(Exception):
    """An answer that has no place in this day."""


class Crowd:
    """Everybody. `seconds` is the day's clock; `told` is what everybody who registered was told, so far."""

    def __init__(self, api_url: str, history: History, seconds: Callable[[], float]) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        self._http = httpx.Client(base_url=api_url, timeout=_PATIENCE_SECONDS, limits=limits, trust_env=False)
        self._history = history
        self._seconds = seconds
        self._lock = threading.Lock()
        self._over = threading.Event()
        self.arrived: list[float] = []
        self.told: list[Told] = []
        self.moved_up: dict[str, float] = {}

    def close(self) -> None:
        """Nobody asks any more."""
        self._http.close()

    @property
    def outcomes(self) -> Counter[str]:
        """How many were told what."""
        return Counter(one.outcome for one in list(self.told))

    def make_accounts(self, users: Sequence[str]) -> None:
        """Everybody becomes a user, who is not one already."""

        def make(user: str) -> None:
            _require(self._http.post("/users", json=person(user)), 201, 409)

        self._together([partial(make, user) for user in users], _ACCOUNTS_AT_ONCE)

    def open_event(self, event_id: str, title: str, **settings: Any) -> None:
        """The organiser creates an event."""
        seats = {"status": "active", "hasWaitlist": False, "waitlistCapacity": None} | settings
        number = self._history.sends(CONFIGURE, event_id, settings=seats)
        text = {"eventId": event_id, "title": title, "date": "2030-05-17", "location": "Berlin", "organizer": "PSF"}
        _require(self._http.post("/events", json=text | settings), 201)
        self._history.hears(number, status=200)

    def look_around(self, event_id: str, users: Sequence[str]) -> None:
        """They look whether they are registered, all at once."""
        self._together([partial(self._read, event_id, user) for user in users], _CLIENTS)

    def forget(self) -> None:
        """What everybody was told up to now is not part of the figures. The history keeps it."""
        self.arrived, self.told = [], []

    def add_seats(self, event_id: str, seats: int) -> int:
        """The organiser, who has read the event, adds seats to what she has read. Answers how many there are then."""
        event = _require(self._http.get(at(event_id)), 200)
        capacity: int = event.json()["capacity"] + seats
        number = self._history.sends(CONFIGURE, event_id, settings={"capacity": capacity})
        headers = {"If-Match": event.headers["etag"], "Prefer": "wait=10"}
        answer = _require(self._http.patch(at(event_id), json={"capacity": capacity}, headers=headers), 200, 202)
        self._history.hears(number, status=answer.status_code)
        return capacity

    def arrive(self, event_id: str, users: Sequence[str], arrivals: Sequence[float]) -> None:
        """They register, each at their time in seconds from now, and wait until they know what came of it."""
        doors = time.monotonic()

        def come(user: str, after: float) -> None:
            self._pause(doors + after - time.monotonic())
            self.register(event_id, user)

        tasks = [partial(come, user, after) for user, after in zip(users, arrivals, strict=True)]
        self._together(tasks, _CLIENTS)

    def register(self, event_id: str, user: str) -> None:
        """One registers and waits until she knows the outcome."""
        asked = self._seconds()
        self.arrived.append(asked)
        path = f"{at(event_id)}/registrations"
        answer = self._ask(REGISTER, event_id, user, self._http.build_request("POST", path, json={"userId": user}))
        answered, body = self._seconds(), answer.json()
        while answer.status_code < 300 and body["status"] == "pending":
            self._pause(_LOOKS_EVERY_SECONDS)
            body = self._read(event_id, user)
        outcome = body["status"] if answer.status_code < 300 else body["code"]
        with self._lock:
            self.told.append(Told(user, outcome, asked, answered, self._seconds()))

    def ask_only(self, event_id: str, user: str) -> None:
        """One registers and goes away without waiting: her request is accepted, 202."""
        request = self._http.build_request(
            "POST", f"{at(event_id)}/registrations", json={"userId": user}, headers={"Prefer": "respond-async"}
        )
        answer = self._ask(REGISTER, event_id, user, request)
        if answer.status_code != 202:
            raise UnexpectedAnswer(f"{request.url} answers {answer.status_code}: {answer.text}")

    def cancel(self, event_id: str, users: Sequence[str], within: float) -> None:
        """They give up their seats, one after the other within so many seconds."""

        def go(user: str, after: float) -> None:
            self._pause(after)
            self._ask(CANCEL, event_id, user, self._http.build_request("DELETE", at(event_id, user)))

        pauses = [within * number / max(1, len(users)) for number in range(len(users))]
        self._together([partial(go, user, pause) for user, pause in zip(users, pauses, strict=True)], _CLIENTS)

    def wait_in_line(self, event_id: str, users: Iterable[str], until: Callable[[], bool]) -> None:
        """They look again and again whether they have moved up, until they have, or `until` says that it is enough."""

        def look(user: str) -> None:
            began = self._seconds()
            while not until():
                if self._read(event_id, user).get("status") == "confirmed":
                    self.moved_up[user] = self._seconds() - began
                    return
                self._pause(_LOOKS_EVERY_SECONDS)

        self._together([partial(look, user) for user in users], _CLIENTS)

    def has_seat(self, event_id: str, user: str, within: float) -> None:
        """Looks until she has a seat. UnexpectedAnswer if she has none in so many seconds."""
        deadline = time.monotonic() + within
        while self._read(event_id, user).get("status") != "confirmed":
            if time.monotonic() > deadline:
                raise UnexpectedAnswer(f"{user} has no seat after {within:g} s")
            self._pause(_LOOKS_EVERY_SECONDS)

    def _read(self, event_id: str, user: str) -> dict[str, Any]:
        answer = self._ask(READ, event_id, user, self._http.build_request("GET", at(event_id, user)))
        body: dict[str, Any] = answer.json()
        return body

    def _ask(self, what: str, event_id: str, user: str, request: httpx.Request) -> httpx.Response:
        number = self._history.sends(what, event_id, user)
        answer = self._http.send(request)
        body = answer.json() if answer.content else None
        self._history.hears(number, **shown(answer.status_code, body, answer.headers))
        if answer.status_code >= 500:
            raise UnexpectedAnswer(f"{request.method} {request.url} answers {answer.status_code}: {answer.text}")
        return answer

    def _pause(self, seconds: float) -> None:
        if self._over.wait(max(0.0, seconds)):
            raise UnexpectedAnswer("the day has ended before this could be asked")

    def _together(self, tasks: Sequence[Callable[[], object]], at_once: int) -> None:
        """Runs them side by side; raises what the first of them raised that failed."""
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
        finally:  # nobody is left behind who still asks
            pool.shutdown(cancel_futures=True)
        for one in ended:
            one.result()


def _require(answer: httpx.Response, *statuses: int) -> httpx.Response:
    if answer.status_code not in statuses:
        raise UnexpectedAnswer(f"{answer.request.url} answers {answer.status_code}: {answer.text}")
    return answer
