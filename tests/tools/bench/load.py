"""Load over HTTP: clients that each keep one connection and ask again as soon as they are answered.

Plain `http.client`: a request costs the clients a third of a millisecond of processor time, so that the processors are
the service's. It never asks a second time: a connection that breaks ends the measurement.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from tests.support.builders import NEW_EVENT
from tests.support.tables import put_items

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_PATIENCE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Post:
    """A request to be made: its path under the API's address, and what is sent as JSON."""

    path: str
    body: dict[str, object]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request, and after how many seconds all of it was there."""

    status: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Load:
    """The answers to one load, and how many seconds all of it took."""

    answers: Sequence[Answer]
    seconds: float

    def rate(self, status: int) -> float:
        """Answers with this status per second."""
        return self.statuses[status] / self.seconds

    @property
    def statuses(self) -> Counter[int]:
        """How many answers had which status."""
        return Counter(answer.status for answer in self.answers)

    def require(self, *statuses: int) -> None:
        """Raises UnexpectedAnswer unless every answer has one of these: other answers cost something else."""
        if not self.statuses.keys() <= set(statuses):
            raise UnexpectedAnswer(f"expected nothing but {statuses}, got {dict(self.statuses)}")


class UnexpectedAnswer(Exception):
    """The service answered something that is not what is measured."""


def percentile(answers: Sequence[Answer], percent: float) -> float:
    """The seconds within which this share of the answers came (nearest rank: one of the measured times)."""
    times = sorted(answer.seconds for answer in answers)
    return times[max(0, math.ceil(len(times) * percent / 100) - 1)]


def drive(base_url: str, posts: Sequence[Post], clients: int) -> Load:
    """Makes the requests, as many at a time as there are clients. Raises what a connection raises."""
    turns, lock = iter(posts), threading.Lock()

    def take() -> Post | None:
        with lock:
            return next(turns, None)

    def work() -> list[Answer]:
        return list(_answers(base_url, iter(take, None)))

    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        working = [pool.submit(work) for _ in range(clients)]
        try:
            wait(working, return_when=FIRST_EXCEPTION)
        finally:  # after a failure or an interrupt nobody asks any more
            with lock:
                deque(turns, maxlen=0)
    seconds = time.perf_counter() - began
    return Load([answer for client in working for answer in client.result()], seconds)


def _answers(base_url: str, posts: Iterator[Post]) -> Iterator[Answer]:
    """One client's answers, over one connection."""
    address = urlsplit(base_url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=_PATIENCE_SECONDS)
    try:
        for post in posts:
            body = json.dumps(post.body)
            began = time.perf_counter()
            connection.request("POST", address.path + post.path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            response.read()
            yield Answer(response.status, time.perf_counter() - began)
    finally:
        connection.close()


def registration(event_id: str, user_id: str) -> Post:
    """The request by which a person registers for an event."""
    return Post(f"/events/{quote(event_id, safe='')}/registrations", {"userId": user_id})


def open_event(base_url: str, event_id: str, capacity: int) -> None:
    """Makes an event with so many seats and no waiting line, by the API."""
    event = NEW_EVENT | {"eventId": event_id, "capacity": capacity}
    drive(base_url, [Post("/events", event)], 1).require(201)


def add_users(dynamodb: DynamoDBClient, table: str, prefix: str, count: int) -> list[str]:
    """Puts people into the users table as the API would; answers their ids, `{prefix}-0` and so on."""
    ids = [f"{prefix}-{number}" for number in range(count)]
    created = {"createdAt": {"S": "2030-01-01T00:00:00.000000Z"}}
    put_items(dynamodb, table, [{"userId": {"S": user_id}, "name": {"S": "Ada"}} | created for user_id in ids])
    return ids
