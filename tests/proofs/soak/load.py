"""The load: people who register, come twice, cancel and come back, and an organiser who changes her mind.

Everybody asks as the draw has it, and looks at what she was told before, as people do. What is drawn comes from the
seed; when it happens does not, so the same seed is the same kind of load, not the same history.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx

from tests.proofs.soak.history import CANCEL, CONFIGURE, READ, REGISTER, History, shown
from tests.support.builders import NEW_EVENT
from tests.support.client import at
from tests.support.pii_canaries import person

EVENTS = 10
PEOPLE = 36
CLIENTS = 16

_PATIENCE_SECONDS = 8.0
"""After that a client gives up: sooner than the function that works for it."""
_LONGEST_PAUSE_SECONDS = 1.0
_LONGEST_THOUGHT_SECONDS = 2.0
_CLICKS_TWICE = 0.07
_ENGAGED = 0.5
_PREFERENCES = (*[None] * 6, *["respond-async"] * 3, "wait=4")

_NEXT = {
    "out": {REGISTER: 85, READ: 10, CANCEL: 5},
    "in": {CANCEL: 50, READ: 25, REGISTER: 25},
    "unclear": {REGISTER: 45, READ: 30, CANCEL: 25},
}
"""By what somebody believes of her registration: what she does next, and how often."""

_BELIEFS = {
    (REGISTER, 201): "in",
    (REGISTER, 202): "in",
    (REGISTER, 409): "out",
    (CANCEL, 204): "out",
    (CANCEL, 404): "out",
    (READ, 404): "out",
}


class Load:
    """Events, people, and threads that ask on their behalf. Nothing is sent before `running`."""

    def __init__(self, api_url: str, history: History, seed: int) -> None:
        # One for all: to make one takes as long as some requests.
        self._http = httpx.Client(base_url=api_url, timeout=_PATIENCE_SECONDS, trust_env=False)
        self._history = history
        self._seed = seed
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(2 * CLIENTS + 1)
        self._asking: list[Future[None]] = []
        self._beliefs: dict[tuple[str, str], str] = {}
        self._keys: dict[tuple[str, str, str], str] = {}
        self.events = [f"event-{number}" for number in range(EVENTS)]
        self.people = [f"person-{number}" for number in range(PEOPLE)]
        self._settings: dict[str, dict[str, Any]] = {}

    def prepare(self) -> None:
        """Creates the people and the events. RuntimeError if one of them is refused: no fault is injected as yet."""
        chance = random.Random(self._seed)
        for user in self.people:
            _require(self._http.post("/users", json=person(user)))
        for event in self.events:
            settings = {"capacity": chance.randint(1, 5), "hasWaitlist": chance.random() < 0.8, "status": "active"}
            if limit := chance.choice((None, None, 3, 8)):
                settings["waitlistCapacity"] = limit
            self._settings[event] = {"waitlistCapacity": None} | settings
            number = self._history.sends(CONFIGURE, event, settings=self._settings[event])
            _require(self._http.post("/events", json=NEW_EVENT | {"eventId": event} | settings))
            self._history.hears(number, status=200)

    @contextmanager
    def running(self) -> Iterator[None]:
        """People and organiser ask while the block runs. At its end everybody waits for the last answer.

        Raises what one of them could not handle: `check` raises it sooner.
        """
        try:
            self._asking = [self._pool.submit(self._person, number) for number in range(CLIENTS)]
            self._asking.append(self._pool.submit(self._organiser))
            yield
        finally:
            self._stopped.set()
            wait(self._asking)
            self._pool.shutdown()
            self._http.close()
        self.check()

    def check(self) -> None:
        """Raises what made somebody stop asking, if anything did."""
        for asking in self._asking:
            if asking.done():
                asking.result()

    @property
    def asked(self) -> int:
        """How many requests were sent so far."""
        return self._history.number

    def _person(self, number: int) -> None:
        """One client, who asks for whoever is at the keyboard."""
        chance = random.Random(f"{self._seed} person {number}")
        while not self._stopped.wait(chance.uniform(0, _LONGEST_PAUSE_SECONDS)):
            event, user = self._choose(chance)
            weights = _NEXT[self._beliefs.get((event, user), "out")]
            what = chance.choices(list(weights), list(weights.values()))[0]
            asked = (what, event, user, self._headers(chance, what, event, user))
            second = self._pool.submit(self._ask, *asked) if chance.random() < _CLICKS_TWICE else None
            self._ask(*asked)
            if second is not None:
                second.result()

    def _choose(self, chance: random.Random) -> tuple[str, str]:
        """Somebody who has something to lose, or anybody; some events are more wanted than others."""
        engaged = [pair for pair, belief in sorted(self._beliefs.items()) if belief != "out"]
        if engaged and chance.random() < _ENGAGED:
            return chance.choice(engaged)
        return self.events[int(EVENTS * chance.random() ** 1.5)], chance.choice(self.people)

    def _headers(self, chance: random.Random, what: str, event: str, user: str) -> dict[str, str]:
        """Half the people name a key; of those who do not know what came of it, some name it again."""
        if what == READ:
            return {}
        prefer = chance.choice(_PREFERENCES)
        headers = {} if prefer is None else {"Prefer": prefer}
        if chance.random() < 0.5:
            again = self._beliefs.get((event, user)) == "unclear" or chance.random() < 0.1
            key = self._keys.get((what, event, user)) if again else None
            headers["Idempotency-Key"] = self._keys[what, event, user] = key or str(UUID(int=chance.getrandbits(128)))
        return headers

    def _ask(self, what: str, event: str, user: str, headers: dict[str, str]) -> None:
        match what:
            case "register":
                request = self._http.build_request(
                    "POST", f"{at(event)}/registrations", json={"userId": user}, headers=headers
                )
            case "cancel":
                request = self._http.build_request("DELETE", at(event, user), headers=headers)
            case _:
                request = self._http.build_request("GET", at(event, user))
        answer = self._exchange(request, self._history.sends(what, event, user, headers=headers))
        status, outcome = answer.get("status"), answer.get("outcome")
        belief = _BELIEFS.get((what, status), "unclear") if isinstance(status, int) else "unclear"
        if (what, status) == (READ, 200):
            belief = "in" if outcome in {"pending", "confirmed", "waitlisted"} else "out"
        if outcome == "already-registered":
            belief = "in"
        self._beliefs[event, user] = belief

    def _organiser(self) -> None:
        """She changes one setting at a time, of one event after the other: what she asks of one has an order."""
        chance = random.Random(f"{self._seed} organiser")
        while not self._stopped.wait(chance.uniform(0, _LONGEST_THOUGHT_SECONDS)):
            event = chance.choice(self.events)
            change = _change(chance, self._settings[event])
            self._settings[event] |= change
            headers = {"Prefer": "respond-async"} if chance.random() < 0.5 else {}
            request = self._http.build_request("PATCH", at(event), json=change, headers=headers)
            self._exchange(request, self._history.sends(CONFIGURE, event, settings=change))

    def _exchange(self, request: httpx.Request, number: int) -> dict[str, object]:
        try:
            answer = self._http.send(request)
        except httpx.TransportError as error:
            self._history.hears(number, failure=type(error).__name__)
            return {}
        fields = shown(answer.status_code, _document(answer), answer.headers)
        self._history.hears(number, **fields)
        return fields


def _change(chance: random.Random, settings: dict[str, Any]) -> dict[str, Any]:
    """Some other value for one of the settings; an event that is not active mostly becomes so again."""
    if settings["status"] != "active" and chance.random() < 0.6:
        return {"status": "active"}
    match chance.choices(["capacity", "waitlistCapacity", "hasWaitlist", "status"], [60, 20, 10, 10])[0]:
        case "capacity":
            return {"capacity": max(0, settings["capacity"] + chance.choice((-2, -1, 1, 1, 2)))}
        case "waitlistCapacity":
            return {"waitlistCapacity": chance.choice((None, 0, 2, 4, 8))}
        case "hasWaitlist":
            return {"hasWaitlist": not settings["hasWaitlist"]}
        case _:
            return {"status": chance.choice(("active", "closed", "cancelled"))}


def _document(answer: httpx.Response) -> Any:
    """The JSON of an answer; None if it has none, like the page that a gateway shows when there is no service."""
    try:
        return answer.json() if answer.content else None
    except ValueError:
        return None


def _require(answer: httpx.Response) -> None:
    if answer.status_code != 201:
        raise RuntimeError(f"{answer.request.url} answers {answer.status_code}: {answer.text}")
