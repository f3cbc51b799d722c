"""Races on DynamoDB Local: the real handlers in many threads, with a queue between them that keeps no order.

A race begins with a rush: ten people per thread want the same event, each thread decides ten of them on a ledger that
nobody has written yet, and all commit at the same moment. Then people register, cancel and look, while commits collide,
writes are refused as conflicts and answers get lost. In the end all who have a seat give it up at once. Each write is
noted where it goes over the wire, so that every state that there ever was can be checked (`race_proof`).
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, fields
from random import Random
from typing import TYPE_CHECKING, Any, cast

from botocore.config import Config
from botocore.exceptions import ConnectionClosedError
from botocore.session import Session

from api import registrations
from api.access import anybody
from api.http import answer
from api.registration_lists import Lists
from tests.integration.bench import refusal
from tests.support.builders import seats
from tests.support.pipeline import BASE_URL, Answer, http_event
from tests.support.tables import TableNames, create_tables
from workers.aws import clients
from workers.aws.clock import SYSTEM_CLOCK, Clock
from workers.aws.items import Item, event_key, seat_settings_to_attributes
from workers.aws.messages import decode
from workers.domain.commands import Cancel, Register
from workers.promoter import Promoter
from workers.registrar import Registrar

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

RUSHED = "seats-and-a-line"
EVENTS = {RUSHED: seats(25, 15), "endless-line": seats(10, None), "no-line": seats(10), "one-seat": seats(1, 5)}
_QUEUE, _DEAD_LETTERS = "https://sqs.example/commands.fifo", "https://sqs.example/dead.fifo"
_BATCH = 10
_VISIBILITY_SECONDS, _BACK_OFF = 2.0, 0.1
"""The first is not always enough for the SDK to give up on an answer, so that some batches are in two hands. The second
is how long a second of back-off takes."""
_A_MOMENT, _PATIENCE_SECONDS = 0.01, 60
_TRIES = 5
_COPIED, _REFUSED, _UNHEARD, _NEVER_HEARD = 5, 5, 12, 3
"""Every fifth message is there twice, and every fifth write is refused. Of every twelfth the answer is lost, of every
third of those for good. By count and not by chance, so that no race is without."""
_REASONS = [{"Code": "TransactionConflict"}]
_CONFLICTS = {
    "TransactWriteItems": refusal("TransactionCanceledException", CancellationReasons=_REASONS),
    "PutItem": refusal("TransactionConflictException"),
}


@dataclass(slots=True)
class Message:
    """A message in the queue; `visible_at` is in seconds of the monotonic clock."""

    id: str
    body: str
    group: str
    receives: int = 0
    visible_at: float = 0.0


class StandardQueue:
    """A queue in memory that promises as little as an SQS standard queue; what the handlers need of an SQS client.

    Messages come in any order, those of one event to several registrars at once, some twice, and again and again until
    they are acknowledged. While it is `held`, it hands out nothing. `accepted` are the commands that came from the API.
    """

    def __init__(self, chance: Random) -> None:
        self.held = True
        self.messages: dict[str, Message] = {}
        self.accepted: list[Register | Cancel] = []
        self.parked: list[str] = []
        self.counts = Counter[str]()
        self._chance = chance
        self._sent = 0
        self._lock = threading.Lock()

    def send_message(self, **request: Any) -> dict[str, Any]:
        """SendMessage, to the queue or to the dead letters."""
        body, group = request["MessageBody"], request["MessageGroupId"]
        with self._lock:
            self._sent += 1
            key = f"m{self._sent}"
            if request["QueueUrl"] == _DEAD_LETTERS:
                self.parked.append(f"{request['MessageAttributes']['reason']['StringValue']}, {body}")
                return {"MessageId": key}
            self.messages[key] = Message(key, body, group)
            if self._sent % _COPIED == 0:
                self.counts["copies"] += 1
                self.messages[f"{key}-copy"] = Message(f"{key}-copy", body, group)
            if isinstance(command := decode(body), Register | Cancel):
                self.accepted.append(command)
            return {"MessageId": key}

    def send_message_batch(self, **request: Any) -> dict[str, Any]:
        """SendMessageBatch."""
        for entry in request["Entries"]:
            self.send_message(QueueUrl=request["QueueUrl"], **entry)
        return {"Successful": [], "Failed": []}

    def change_message_visibility_batch(self, **request: Any) -> dict[str, Any]:
        """ChangeMessageVisibilityBatch."""
        with self._lock:
            for entry in request["Entries"]:
                if message := self.messages.get(entry["ReceiptHandle"]):
                    message.visible_at = time.monotonic() + entry["VisibilityTimeout"] * _BACK_OFF
        return {"Successful": [], "Failed": []}

    def receive(self) -> list[dict[str, Any]]:
        """The records of an SQS event: at most ten messages, half of the time of one event only."""
        with self._lock:
            now = time.monotonic()
            found = [m for m in self.messages.values() if m.visible_at <= now and not self.held]
            if found and self._chance.random() < 0.5:
                group = self._chance.choice(found).group
                found = [message for message in found if message.group == group]
            batch = self._chance.sample(found, min(len(found), _BATCH))
            for message in batch:
                message.receives += 1
                message.visible_at = now + _VISIBILITY_SECONDS
                self.counts["redeliveries"] += message.receives > 1
            return [_as_record(message) for message in batch]

    def acknowledge(self, records: Sequence[dict[str, Any]], result: dict[str, Any]) -> None:
        """Deletes those of the records that the registrar's result does not report as failed."""
        failed = {failure["itemIdentifier"] for failure in result["batchItemFailures"]}
        with self._lock:
            for key in {record["messageId"] for record in records} - failed:
                self.messages.pop(key, None)


def _as_record(message: Message) -> dict[str, Any]:
    attributes = {"MessageGroupId": message.group, "ApproximateReceiveCount": str(message.receives)}
    return {"messageId": message.id, "receiptHandle": message.id, "body": message.body, "attributes": attributes}


class Wire:
    """Hooks of a DynamoDB client that note each write, refuse some as conflicts and lose the answers to others.

    `writes` has, for each request that wrote, its tables and items in the wire format; `stream` gets the ledgers that
    the stream's filter lets through. While there is a `meeting`, the first commit of each thread waits there for those
    of the others, and goes through undisturbed.
    """

    def __init__(self, client: DynamoDBClient) -> None:
        self.client = client
        self.writes: list[list[tuple[str, Item]]] = []
        self.stream = deque[Item]()
        self.meeting: threading.Barrier | None = None
        self.counts = Counter[str]()
        self._http: Any = client._endpoint.http_session  # type: ignore[attr-defined]  # what lies below the retries
        self._met = threading.local()
        self._lost_for_good: dict[str, bool] = {}  # by token of each transaction that was made
        self._turns = Counter[str]()
        self._lock = threading.Lock()
        events: Any = client.meta.events
        for operation in _CONFLICTS:
            events.register(f"before-call.dynamodb.{operation}", self._refuse)
            events.register(f"before-send.dynamodb.{operation}", self._send)

    def _refuse(self, model: Any, **_: Any) -> Any:
        if self.meeting is not None and not hasattr(self._met, "already"):
            self._met.already = True
            self.meeting.wait()
            return None
        return _CONFLICTS[model.name] if self._its_turn(_REFUSED, f"conflicts of {model.name}") else None

    def _send(self, request: Any, **_: Any) -> Any:
        response = self._http.send(request)
        if response.status_code == 200 and self._answer_is_lost(json.loads(request.body)):
            raise ConnectionClosedError(endpoint_url=request.url)
        if b"ConditionalCheckFailed" in response.content:
            self._its_turn(1, "failed conditions")
        return response

    def _answer_is_lost(self, body: dict[str, Any]) -> bool:
        token = body.get("ClientRequestToken")
        if token in self._lost_for_good:  # the SDK's own retry
            return self._lost_for_good[token] or not self._its_turn(1, "answers that a retry got")
        puts = [write["Put"] for write in body["TransactItems"] if "Put" in write] if token else [body]
        self.writes.append([(put["TableName"], put["Item"]) for put in puts])
        self.stream += [put["Item"] for put in puts if "promotable" in put["Item"]]
        lost = self._its_turn(_UNHEARD, "lost answers")
        if token:
            self._lost_for_good[token] = lost and self._its_turn(_NEVER_HEARD, "answers lost for good")
        return lost

    def _its_turn(self, every: int, what: str) -> bool:
        with self._lock:
            self._turns[what] += 1
            due = self._turns[what] % every == 0
            self.counts[what] += due
            return due


class Worker:
    """What one thread has for itself: an API, a registrar, a promoter. While its client waits, it works at the queue.

    `answers` are those that its clients got, each with the method of the request.
    """

    def __init__(self, wire: Wire, queue: StandardQueue, tables: TableNames, chance: Random) -> None:
        env = {f"{field.name.upper()}_TABLE": getattr(tables, field.name) for field in fields(tables)}
        env |= {"QUEUE_URL": _QUEUE, "API_URL": BASE_URL}
        dynamodb, sqs, clock = wire.client, cast("Any", queue), Clock(SYSTEM_CLOCK.now, self.pause)
        desk = registrations.Registrations(dynamodb, sqs, env, clock, lambda: str(uuid.uuid4()))
        self.answers: list[tuple[str, Answer]] = []
        self._routes = registrations.routes(desk, Lists(dynamodb, env, clock), clock)
        self._registrar = Registrar(dynamodb, sqs, tables.worker, _QUEUE, _DEAD_LETTERS, SYSTEM_CLOCK)
        self._promoter = Promoter(sqs, _QUEUE, SYSTEM_CLOCK)
        self._queue, self._stream, self._chance = queue, wire.stream, chance
        self._registered: list[tuple[str, str]] = []

    def request(self, method: str, event_id: str, user_id: str, prefer: str) -> None:
        """One request about a registration."""
        posts = method == "POST"
        path = f"/events/{event_id}/registrations" + ("" if posts else f"/{user_id}")
        body = json.dumps({"userId": user_id}) if posts else None
        headers = {"content-type": "application/json", "prefer": prefer}
        for _ in range(_TRIES):
            got = answer(self._routes, http_event(method, path, body, headers), anybody)
            if got["statusCode"] != 503:  # which says: ask again
                break
        self.answers.append((method, Answer(got["statusCode"], got["headers"], json.loads(got["body"] or "null"))))
        if posts and got["statusCode"] in {201, 202}:
            self._registered.append((event_id, user_id))

    def act(self, people: Sequence[str]) -> None:
        """Somebody registers, cancels or looks; half of it is done by an eighth of the people, in several threads."""
        method = self._chance.choices(("POST", "DELETE", "GET"), (5, 4, 1))[0]
        event_id, user_id = self._chance.choice([*EVENTS]), people[int(len(people) * self._chance.random() ** 3)]
        if method == "DELETE" and self._registered:
            event_id, user_id = self._registered.pop(self._chance.randrange(len(self._registered)))
        self.request(method, event_id, user_id, self._chance.choice(("respond-async", "")))

    def work(self) -> bool:
        """One turn at the stream and at the queue; False if the queue had nothing."""
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
        """Hands records to the registrar."""
        self._queue.acknowledge(records, self._registrar.handle({"Records": records}))

    def pause(self, _seconds: float = 0.0) -> None:
        """Waits, if there is nothing to do meanwhile."""
        if not self.work():
            time.sleep(_A_MOMENT)


class Race:
    """Fresh tables with events and people, and a worker per thread. `db` is a client to which nothing happens."""

    def __init__(self, url: str, threads: int = 20, seed: int = 1) -> None:
        session = Session()
        session.set_credentials("test", "test")
        self.db, racing = (_client(session, url, threads) for _ in range(2))
        self.tables = create_tables(self.db, f"race-{uuid.uuid4().hex}-")
        self.queue = StandardQueue(Random(seed))
        self.wire = Wire(racing)
        self.workers = [Worker(self.wire, self.queue, self.tables, Random(f"{seed}/{n}")) for n in range(threads)]
        self._people = [f"user-{number}" for number in range(threads * _BATCH)]
        self._seated: list[tuple[str, str]] = []
        self._leaving = threading.Barrier(threads, self._note_seated, _PATIENCE_SECONDS)
        self._over = False
        for event_id, settings in EVENTS.items():
            item: Any = event_key(event_id) | seat_settings_to_attributes(settings)
            self.db.put_item(TableName=self.tables.events, Item=item)

    def rush(self) -> None:
        """Everybody wants a seat at the same event; over when each thread has made its first delivery."""
        with ThreadPoolExecutor(len(self.workers)) as pool:
            list(pool.map(self._want_seats, range(len(self.workers))))
            self.queue.held = False
            batches = [self.queue.receive() for _ in self.workers]
            self.wire.meeting = threading.Barrier(len(self.workers), timeout=_PATIENCE_SECONDS)
            list(pool.map(Worker.deliver, self.workers, batches))
            self.wire.meeting = None

    def run(self, commands: int, say: Callable[[str], None]) -> bool:
        """Goes on until the API has accepted so many commands, those of the rush among them, and to the end.

        False if it comes to none. `say` gets a line of progress now and then.
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
        """All items of a table."""
        pages = self.db.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return [item for page in pages for item in page["Items"]]

    def _want_seats(self, number: int) -> None:
        for user_id in self._people[number * _BATCH : (number + 1) * _BATCH]:
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
        return not self.queue.messages and not self.wire.stream


def _client(session: Session, url: str, threads: int) -> DynamoDBClient:
    """A client with the retries of Turnstile's own. A machine that is slow is none of the faults that are meant."""
    config = clients._CONFIG.merge(Config(max_pool_connections=threads, read_timeout=60))
    return cast("DynamoDBClient", session.create_client("dynamodb", "us-east-1", endpoint_url=url, config=config))
