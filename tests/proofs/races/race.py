"""Races on DynamoDB Local: the real handlers in many threads, with a queue between them that keeps no order.

A race begins with a rush: ten people per thread want the same event, each thread decides ten of them on a ledger that
does not exist yet, and all commit at the same moment. Then people register, cancel and read, while commits collide,
writes are refused as conflicts and answers get lost. In the end everybody with a seat cancels at once. Every write is
recorded.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from random import Random
from typing import TYPE_CHECKING, Any, cast

from botocore.config import Config
from botocore.session import Session

from api.http.app import App
from api.http.auth import allow_anyone
from api.registrations import handler as registrations
from api.registrations.lists import RegistrationLists
from api.registrations.service import RegistrationService
from api.settings import RegistrationSettings
from tests.proofs.races.queue import BATCH, DEAD_LETTERS, QUEUE, StandardQueue
from tests.proofs.races.write_recorder import WriteRecorder
from tests.support.builders import seats
from tests.support.http_events import http_event
from tests.support.pipeline import BASE_URL, Answer
from tests.support.tables import TableNames, create_tables
from workers.aws import clients
from workers.aws.clock import SYSTEM_CLOCK, Clock
from workers.aws.items import Item, event_key, seat_settings_to_attributes
from workers.promoter import Promoter
from workers.registrar.handler import Registrar

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

RUSHED = "seats-and-a-line"
EVENTS = {RUSHED: seats(25, 15), "endless-line": seats(10, None), "no-line": seats(10), "one-seat": seats(1, 5)}
_A_MOMENT, _PATIENCE_SECONDS = 0.01, 60
_TRIES = 5


class Worker:
    """One thread's API, registrar and promoter. While its client waits, it processes the queue.

    `answers` are the answers to its clients, each with the method of the request.
    """

    def __init__(self, recorder: WriteRecorder, queue: StandardQueue, tables: TableNames, chance: Random) -> None:
        settings = tables.settings(RegistrationSettings, QUEUE, BASE_URL)
        dynamodb, sqs, clock = recorder.client, cast("Any", queue), Clock(SYSTEM_CLOCK.now, self.pause)
        desk = RegistrationService(dynamodb, sqs, settings, clock, lambda: str(uuid.uuid4()))
        self.answers: list[tuple[str, Answer]] = []
        handlers = registrations.routes(desk, RegistrationLists(dynamodb, settings, clock), clock)
        self._app = App(handlers, allow_anyone, "")
        self._registrar = Registrar(dynamodb, sqs, tables.worker, QUEUE, DEAD_LETTERS, SYSTEM_CLOCK)
        self._promoter = Promoter(sqs, QUEUE, SYSTEM_CLOCK)
        self._queue, self._stream, self._chance = queue, recorder.stream, chance
        self._registered: list[tuple[str, str]] = []

    def request(self, method: str, event_id: str, user_id: str, prefer: str) -> None:
        """Send a request about a registration."""
        posts = method == "POST"
        path = f"/events/{event_id}/registrations" + ("" if posts else f"/{user_id}")
        body = json.dumps({"userId": user_id}) if posts else None
        headers = {"content-type": "application/json", "prefer": prefer}
        for _ in range(_TRIES):
            got = self._app.respond(http_event(method, path, body, headers))
            if got["statusCode"] != 503:  # which says: ask again
                break
        self.answers.append((method, Answer(got["statusCode"], got["headers"], json.loads(got["body"] or "null"))))
        if posts and got["statusCode"] in {201, 202}:
            self._registered.append((event_id, user_id))

    def act(self, people: Sequence[str]) -> None:
        """Send a random request; half of them are about an eighth of the people, in several threads."""
        method = self._chance.choices(("POST", "DELETE", "GET"), (5, 4, 1))[0]
        event_id, user_id = self._chance.choice([*EVENTS]), people[int(len(people) * self._chance.random() ** 3)]
        if method == "DELETE" and self._registered:
            event_id, user_id = self._registered.pop(self._chance.randrange(len(self._registered)))
        self.request(method, event_id, user_id, self._chance.choice(("respond-async", "")))

    def work(self) -> bool:
        """Process a record of the stream and a batch of the queue. Return False if the queue had nothing."""
        try:
            image = self._stream.popleft()
        except IndexError:
            pass
        else:
            self._promoter.handle({"Records": [{"dynamodb": {"NewImage": image}}]})
        if records := self._queue.receive():
            self.deliver(records)
        return bool(records)

    def deliver(self, records: Sequence[dict[str, Any]]) -> None:
        """Hand records to the registrar."""
        self._queue.acknowledge(records, self._registrar.handle({"Records": records}))

    def pause(self, _seconds: float = 0.0) -> None:
        """Wait, if there is nothing to process."""
        if not self.work():
            time.sleep(_A_MOMENT)


class Race:
    """Fresh tables with events and people, and a worker per thread. `db` is a client without faults."""

    def __init__(self, url: str, threads: int = 20, seed: int = 1) -> None:
        session = Session()
        session.set_credentials("test", "test")
        self.db, racing = (_client(session, url, threads) for _ in range(2))
        self.tables = create_tables(self.db, f"race-{uuid.uuid4().hex}-")
        self.queue = StandardQueue(Random(seed))
        self.recorder = WriteRecorder(racing)
        self.workers = [Worker(self.recorder, self.queue, self.tables, Random(f"{seed}/{n}")) for n in range(threads)]
        self._people = [f"user-{number}" for number in range(threads * BATCH)]
        self._seated: list[tuple[str, str]] = []
        self._leaving = threading.Barrier(threads, self._note_seated, _PATIENCE_SECONDS)
        self._over = False
        for event_id, settings in EVENTS.items():
            item: Any = event_key(event_id) | seat_settings_to_attributes(settings)
            self.db.put_item(TableName=self.tables.events, Item=item)

    def rush(self) -> None:
        """Have everybody register for the same event, and each thread process one batch at the same moment."""
        with ThreadPoolExecutor(len(self.workers)) as pool:
            list(pool.map(self._want_seats, range(len(self.workers))))
            self.queue.held = False
            batches = [self.queue.receive() for _ in self.workers]
            self.recorder.meeting = threading.Barrier(len(self.workers), timeout=_PATIENCE_SECONDS)
            list(pool.map(Worker.deliver, self.workers, batches))
            self.recorder.meeting = None

    def run(self, commands: int, say: Callable[[str], None]) -> bool:
        """Go on until the API has accepted so many commands, and then until everything is processed.

        Return False if that takes too long. `say` gets lines of progress.
        """
        end = time.monotonic() + _PATIENCE_SECONDS + commands / 5
        with ThreadPoolExecutor(len(self.workers)) as pool:
            running = [pool.submit(self._race, number, commands) for number in range(len(self.workers))]
            try:
                while wait(running, timeout=5).not_done and time.monotonic() < end:
                    say(f"{len(self.queue.accepted)} of {commands} commands, {len(self.queue.messages)} messages left")
            finally:
                self._over = True  # also when somebody presses Ctrl-C
        for thread in running:
            thread.result()
        return self._at_rest()

    def items(self, table: str) -> list[Item]:
        """Return all items of a table."""
        pages = self.db.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return [item for page in pages for item in page["Items"]]

    def _want_seats(self, number: int) -> None:
        for user_id in self._people[number * BATCH : (number + 1) * BATCH]:
            self.db.put_item(TableName=self.tables.users, Item={"userId": {"S": user_id}, "name": {"S": "N"}})
            self.workers[number].request("POST", RUSHED, user_id, "respond-async")

    def _race(self, number: int, commands: int) -> None:
        worker = self.workers[number]
        while len(self.queue.accepted) < commands and not self._over:
            worker.act(self._people)
            worker.work()
        self._work_off(worker)
        self._leaving.wait()
        for event_id, user_id in self._seated[number :: len(self.workers)]:
            worker.request("DELETE", event_id, user_id, "respond-async")
        self._work_off(worker)

    def _work_off(self, worker: Worker) -> None:
        while not self._at_rest() and not self._over:
            worker.pause()

    def _note_seated(self) -> None:
        records = self.items(self.tables.registrations)
        self._seated = [(r["eventId"]["S"], r["userId"]["S"]) for r in records if r["status"]["S"] == "confirmed"]

    def _at_rest(self) -> bool:
        return not self.queue.messages and not self.recorder.stream


def _client(session: Session, url: str, threads: int) -> DynamoDBClient:
    """Make a client with Turnstile's retries, and a longer timeout: a slow machine is not one of the faults."""
    config = clients._CONFIG.merge(Config(max_pool_connections=threads, read_timeout=60))
    return cast("DynamoDBClient", session.create_client("dynamodb", "us-east-1", endpoint_url=url, config=config))
