"""Load over HTTP: clients that each keep one connection and send the next request once the last one is answered.

Plain `http.client`: a request costs a client a third of a millisecond of processor time, which leaves the processors to
the service. It never retries: a connection that breaks ends the measurement.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import count
from queue import Empty, SimpleQueue
from urllib.parse import urlsplit

from infra.cli.function_logs import REGISTRAR, REGISTRATIONS, configurations
from tests.support.builders import event_item
from tests.support.client import at
from tests.support.stacks import set_variables
from tests.support.tables import put_items
from tests.tools.bench.context import BenchContext, BenchError
from workers.aws.items import timestamp

_TIMEOUT_SECONDS = 60
_WARMING_CLIENTS = 32
_WARMING_REQUESTS = 192
_NUMBERS = count(1)

Request = tuple[str, str]
"""A registration to make: event id and user id."""


@dataclass(frozen=True, slots=True)
class TimedResponse:
    """The status of a response, and after how many seconds it was complete."""

    status: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Responses:
    """The responses to one load, and how many seconds all of it took."""

    all: Sequence[TimedResponse]
    seconds: float

    @property
    def statuses(self) -> Counter[int]:
        """The number of responses of each status."""
        return Counter(response.status for response in self.all)

    def rate(self, status: int) -> float:
        """Return the responses with this status per second."""
        return self.statuses[status] / self.seconds

    def require(self, *statuses: int) -> None:
        """Raise BenchError for a response with another status: it would cost something else."""
        if not self.statuses.keys() <= set(statuses):
            raise BenchError(f"expected only {statuses}, got {dict(self.statuses)}")


def percentile(responses: Sequence[TimedResponse], percent: float) -> float:
    """Return the seconds within which this share of the responses came (nearest rank)."""
    times = sorted(response.seconds for response in responses)
    return times[max(0, math.ceil(len(times) * percent / 100) - 1)]


def register_all(api_url: str, requests: Sequence[Request], clients: int) -> Responses:
    """Make the registrations, `clients` at a time."""
    waiting: SimpleQueue[Request] = SimpleQueue()
    for request in requests:
        waiting.put(request)
    address = urlsplit(api_url)

    def work() -> list[TimedResponse]:
        found: list[TimedResponse] = []
        with closing(HTTPConnection(address.hostname or "", address.port, timeout=_TIMEOUT_SECONDS)) as connection:
            while True:
                try:
                    event_id, user_id = waiting.get_nowait()
                except Empty:
                    return found
                path, body = f"{address.path}{at(event_id)}/registrations", json.dumps({"userId": user_id})
                began = time.perf_counter()
                connection.request("POST", path, body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                response.read()
                found.append(TimedResponse(response.status, time.perf_counter() - began))

    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        working = [pool.submit(work) for _ in range(clients)]
    seconds = time.perf_counter() - began
    return Responses([response for client in working for response in client.result()], seconds)


class LocalStack:
    """The local stack as the benchmark uses it: events with people who register, and its functions by handler."""

    def __init__(self, context: BenchContext) -> None:
        self._deployment = context.stack
        self.clients, self._outputs = self._deployment.clients, self._deployment.outputs
        self.endpoint, self.api_url = self._outputs.endpoint_url or "", self._outputs.api_url

    def requests(self, people: int, seats: int) -> Sequence[Request]:
        """Create an event with that many seats and that many users; return a registration of each."""
        event_id = f"bench-{next(_NUMBERS)}"
        dynamodb = self.clients.dynamodb
        dynamodb.put_item(TableName=self._outputs.events_table, Item=event_item(event_id, seats))
        users = [f"{event_id}-{number}" for number in range(people)]
        fields = {"name": {"S": "Ada"}, "createdAt": {"S": timestamp(0)}}
        put_items(dynamodb, self._outputs.users_table, [{"userId": {"S": user}, **fields} for user in users])
        return [(event_id, user) for user in users]

    def register(self, people: int, clients: int) -> Responses:
        """Register new people for a new event that has a seat for each. BenchError if a request is refused.

        On a busy machine some responses may be 202.
        """
        responses = register_all(self.api_url, self.requests(people, seats=people), clients)
        responses.require(201, 202)
        return responses

    def warm_up(self) -> None:
        """Start every process that the emulator will start for registrations, and use each a few times."""
        self.register(_WARMING_REQUESTS, _WARMING_CLIENTS)

    def cool_down(self) -> None:
        """Stop the processes of the functions that a registration needs."""
        for handler in (REGISTRATIONS, REGISTRAR):
            name = self.function(handler)
            settings = self.clients.functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
            set_variables(self.clients.functions, name, settings)  # the emulator restarts a function for these

    def function(self, handler: str) -> str:
        """Return the name of the function with this handler."""
        return next(c["FunctionName"] for c in configurations(self._deployment) if c["Handler"] == handler)
