"""The load of a soak: clients that send a generated workload over HTTP, and an organiser who changes settings.

The requests come from the seed, but not when they are sent: the same seed is the same kind of load, not the same
history.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx

from tests.proofs.simulation.workload import LATEST, RequestStep, WorkloadGenerator
from tests.proofs.soak.history import CANCEL, CONFIGURE, READ, REGISTER, History, shown
from tests.support.builders import NEW_EVENT
from tests.support.pii_canaries import person

EVENTS = 8
PEOPLE = 16
CLIENTS = 16

_TIMEOUT_SECONDS = 8.0
"""A client gives up sooner than the function that works for it."""
_LONGEST_PAUSE_SECONDS = 1.0
_LONGEST_THOUGHT_SECONDS = 2.0
_LOOKS_AFTERWARDS = 0.4
KINDS = {"register": REGISTER, "cancel": CANCEL, "look": READ, "change": CONFIGURE}


class LoadGenerator:
    """Sends requests from many threads, and records each with its response. `running` starts them."""

    def __init__(self, api_url: str, history: History, seed: int) -> None:
        # One client for all threads: making one takes as long as some requests.
        self._http = httpx.Client(base_url=api_url, timeout=_TIMEOUT_SECONDS, trust_env=False)
        self._history = history
        self._seed = seed
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._running: list[Future[None]] = []
        self._events = [f"event-{number}" for number in range(EVENTS)]
        self._people = [f"person-{number}" for number in range(PEOPLE)]
        self._generator = WorkloadGenerator(random.Random(seed), self._events, self._people)
        self._due: deque[RequestStep] = deque()
        self._changes: deque[RequestStep] = deque(maxlen=EVENTS)

    def prepare(self) -> None:
        """Create the people and the events. RuntimeError if one is refused: no faults are injected yet."""
        for user in self._people:
            _require_created(self._http.post("/users", json=person(user)))
        for event in self._events:
            seats = self._generator.seats()
            number = self._history.sends(
                CONFIGURE, event, settings={"waitlistCapacity": None, "status": "active"} | seats
            )
            _require_created(self._http.post("/events", json=NEW_EVENT | {"eventId": event} | seats))
            self._history.hears(number, status=200)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send requests while the block runs, then wait for the last response.

        Raises what a thread could not handle; `check` raises it sooner.
        """
        pool = ThreadPoolExecutor(CLIENTS + 1)
        try:
            self._running = [pool.submit(self._run_client, number) for number in range(CLIENTS)]
            self._running.append(pool.submit(self._run_organiser))
            yield
        finally:
            self._stopped.set()
            wait(self._running)
            pool.shutdown()
            self._http.close()
        self.check()

    def check(self) -> None:
        """Raise the exception that stopped a thread, if any."""
        for thread in self._running:
            if thread.done():
                thread.result()

    @property
    def sent(self) -> int:
        """Return the number of requests sent so far."""
        return self._history.number

    def _run_client(self, number: int) -> None:
        chance = random.Random(f"{self._seed} client {number}")
        while not self._stopped.wait(chance.uniform(0, _LONGEST_PAUSE_SECONDS)):
            step = self._next_step()
            self._send(step)
            if step.kind != "look" and chance.random() < _LOOKS_AFTERWARDS:
                self._send(replace(step, kind="look", headers={}))

    def _next_step(self) -> RequestStep:
        """Take the next request that is not the organiser's."""
        with self._lock:
            while True:
                while not self._due:
                    self._due.extend(self._generator.take())
                step = self._due.popleft()
                if step.kind == "change":
                    self._changes.append(step)
                elif step.kind in KINDS:
                    return step

    def _run_organiser(self) -> None:
        """Send one change after the other, so that the order of the changes of an event is known."""
        chance = random.Random(f"{self._seed} organiser")
        while not self._stopped.wait(chance.uniform(0, _LONGEST_THOUGHT_SECONDS)):
            with self._lock:
                step = self._changes.popleft() if self._changes else None
            if step is not None:
                self._send(step)

    def _send(self, step: RequestStep) -> None:
        headers = {name: value for name, value in step.headers.items() if value != LATEST}
        method, path, body = step.request()
        request = self._http.build_request(method, path, json=body, headers=headers)
        details: dict[str, Any] = {"settings": step.changes} if step.kind == "change" else {"headers": headers}
        number = self._history.sends(KINDS[step.kind], step.event_id, step.user_id, **details)
        try:
            response = self._http.send(request)
        except httpx.TransportError as error:
            self._history.hears(number, failure=type(error).__name__)
        else:
            self._history.hears(number, **shown(response.status_code, _document(response), response.headers))


def _document(response: httpx.Response) -> Any:
    """Return the JSON of a response; None if it has none, like a gateway's page when the service is down."""
    try:
        return response.json() if response.content else None
    except ValueError:
        return None


def _require_created(response: httpx.Response) -> None:
    if response.status_code != 201:
        raise RuntimeError(f"{response.request.url} answers {response.status_code}: {response.text}")
