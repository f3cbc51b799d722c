"""Count the usage of requests while the real handlers answer them, on DynamoDB Local and queues in memory."""

from __future__ import annotations

import io
import re
import uuid
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import boto3
from moto import mock_aws

from infra.cli.deployment import REGION
from tests.support.deliveries import batch
from tests.support.faults import refusal, times
from tests.support.pipeline import START, Pipeline
from tests.support.tables import put_items
from tests.tools.bench import latencies
from tests.tools.bench.baseline import Textbook, textbook_event, textbook_registrations
from tests.tools.bench.modelled_dynamodb import modelled_ms
from tests.tools.bench.units import Meter
from tests.tools.bench.usage import OWN_MS, OWN_MS_PER_MESSAGE, PLATFORM_LINES, Usage, gb_seconds
from workers.aws.items import ledger_to_item, registration_to_item
from workers.domain.commands import Register
from workers.domain.records import Ledger, Registration, Status
from workers.domain.seat_settings import SeatSettings
from workers.domain.waitlist import Waitlist
from workers.registrar.handler import Registrar
from workers.telemetry import logger

WAITING = 1000
"""The number of people who wait for the crowded event."""

_SHORT_IDS = re.compile(r'"(?:id|request)-\d+"')
"""Ids that are shorter here than on AWS, where they are UUIDs."""
_HEAD = 20
"""The number of waiters that have records: more than the registrar reads to promote one."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The usage of one of each.

    `api` is the API's function for a registration, without its waiting; `one` and `ten` are the registrar with a batch
    of one new registration and of ten; `cancel` is a cancellation and the promotion that follows, by all functions,
    again without the API's waiting; `crowded` is the same with `WAITING` people. `textbook_refused` is what a cancelled
    transaction adds.
    """

    api: Usage
    one: Usage
    ten: Usage
    cancel: Usage
    crowded: Usage
    textbook: Usage
    textbook_refused: Usage
    textbook_cancel: Usage
    textbook_crowded: Usage


class UsageMeter:
    """A pipeline in one thread and the textbook solution; each function's calls are counted separately."""

    def __init__(self, session: boto3.Session, url: str) -> None:
        front, back, self.reader = (session.client("dynamodb", endpoint_url=url) for _ in range(3))
        self.pipeline = pipeline = Pipeline(front, session.client("sqs"), "usage-")
        pipeline.registrar = Registrar(
            back, pipeline.sqs, pipeline.tables.worker, pipeline.queue, pipeline.dead_letters, pipeline.clock
        )
        self.textbook = Textbook(front, pipeline.tables, lambda _: None)
        self.front: Any = front.meta.events
        self._clients = {"registrations": front, "textbook": front, "promoter": front, "registrar": back}
        self._sends = 0
        self.behind = Usage()
        """The usage of the registrar while the API waited."""
        queue_events: Any = pipeline.sqs.meta.events
        for operation in ("SendMessage", "SendMessageBatch"):
            queue_events.register(f"before-call.sqs.{operation}", self._note_send)
        pipeline.time.on_sleep[:] = [self._work]

    def invoke(self, function: str, call: Callable[[], object], messages: int = 0) -> Usage:
        """Count one invocation of a function. The event source mapping receives and deletes the registrar's `messages`
        with one request each for all of them."""
        sends = self._sends
        with Meter(self._clients[function], self.reader) as meter:
            written = logged(call)
        sends = self._sends - sends
        # The pipeline scans where the stream would wake it.
        called_ms = sum(modelled_ms(*request) for request in meter.requests if request[0] != "Scan")
        called_ms += sends * latencies.SQS_SEND_MS
        own_ms = OWN_MS[function] + OWN_MS_PER_MESSAGE * max(0, messages - 1)
        return Usage(
            lambda_requests=1,
            gb_seconds=gb_seconds(function, called_ms, own_ms),
            queue_requests=sends + (2 if messages else 0),
            write_units=meter.write_units,
            read_units=meter.read_units,
            log_bytes=len((written + "".join(PLATFORM_LINES)).encode()),
        )

    def request(self, method: str, path: str, body: object = None) -> Usage:
        """Count a successful HTTP request, as far as the API's own function goes."""

        def send() -> None:
            status = self.pipeline.request(method, path, body).status
            assert 200 <= status < 300, status

        return self.invoke("registrations", send) + Usage(http_requests=1)

    def register(self, event_id: str, user_id: str) -> Usage:
        """Count the API's share of a registration that is decided before its first poll."""
        return self.request("POST", f"/events/{event_id}/registrations", {"userId": user_id})

    def cancel(self, event_id: str, user_id: str) -> Usage:
        """Count a cancellation and the promotion that follows."""
        self.behind = Usage()
        api = self.request("DELETE", f"/events/{event_id}/registrations/{user_id}")
        promoter = self.invoke("promoter", self.pipeline.ring)
        self._work()
        return api + promoter + self.behind

    def textbook_call(self, act: Callable[[str, str], object], event_id: str, user: str) -> Usage:
        """Count a request to the textbook solution."""
        return self.invoke("textbook", lambda: act(event_id, user)) + Usage(http_requests=1)

    def _work(self) -> None:
        self.behind += self.invoke("registrar", self.pipeline.deliver, messages=1)

    def _note_send(self, **_: Any) -> None:
        self._sends += 1


def logged(call: Callable[[], object]) -> str:
    """Return what the call logs and prints, with ids as long as on AWS."""
    sink = io.StringIO()
    handler: Any = logger.registered_handler
    before = handler.setStream(sink)
    try:
        with redirect_stdout(sink):
            call()
    finally:
        handler.setStream(before)
    return _SHORT_IDS.sub(f'"{uuid.UUID(int=0)}"', sink.getvalue())


def count(dynamodb_url: str, waiting: int = WAITING) -> Counted:
    """Count everything in tables of its own, once for each DynamoDB Local; `waiting` people want the crowded event."""
    with mock_aws():
        meter = UsageMeter(boto3.Session(region_name=REGION), dynamodb_url)
        pipeline = meter.pipeline
        users = [pipeline.add_user(f"user-{number:05}") for number in range(1, 16)]
        pipeline.add_event("conference-2027", 100)
        meter.register("conference-2027", users[0])  # makes the ledger
        meter.behind = Usage()
        api = meter.register("conference-2027", users[1])
        one = meter.behind
        fresh = batch(*(Register(str(uuid.uuid4()), "conference-2027", user, 1, START) for user in users[2:12]))
        ten = meter.invoke("registrar", lambda: pipeline.registrar.handle(fresh), messages=10)
        pipeline.add_event("workshop-2027", 1, hasWaitlist=True)
        for user in users[:2]:
            meter.register("workshop-2027", user)
        cancel = meter.cancel("workshop-2027", users[0])
        _add_crowded_event(meter, "concert-2027", users[0], waiting)
        crowded = meter.cancel("concert-2027", users[0])
        return Counted(api, one, ten, cancel, crowded, *_count_textbook(meter, users, waiting))


def _count_textbook(meter: UsageMeter, users: list[str], waiting: int) -> tuple[Usage, Usage, Usage, Usage]:
    """Count a registration, what a cancelled transaction adds, and cancellations with one and with many waiting."""
    textbook, tables = meter.textbook, meter.pipeline.tables

    def add_event(event_id: str, capacity: int, taken: int = 0, waiting: int = 0) -> None:
        item = textbook_event(event_id, capacity, has_waitlist=True, taken=taken, waiting=waiting)
        meter.reader.put_item(TableName=tables.events, Item=item)

    add_event("textbook", 100)
    register = meter.textbook_call(textbook.register, "textbook", users[0])
    reasons = [{"Code": "None"}, {"Code": "TransactionConflict"}]
    once = times(1, lambda _: refusal("TransactionCanceledException", CancellationReasons=reasons))
    meter.front.register("before-call.dynamodb.TransactWriteItems", lambda params, **_: once(params), "refused")
    again = meter.textbook_call(textbook.register, "textbook", users[1])
    meter.front.unregister("before-call.dynamodb.TransactWriteItems", unique_id="refused")
    cancellations = []
    for event_id, people in (("textbook-waitlist", 1), ("textbook-crowded", waiting)):
        add_event(event_id, 1, taken=1, waiting=people)
        put_items(meter.reader, tables.registrations, textbook_registrations(event_id, people, seated=users[0]))
        cancellations.append(meter.textbook_call(textbook.cancel, event_id, users[0]))
    return register, again + register * -1, cancellations[0], cancellations[1]


def _add_crowded_event(meter: UsageMeter, event_id: str, seated: str, waiting: int) -> None:
    """Add an event with one seat and `waiting` people, the first of whom have records."""
    pipeline = meter.pipeline
    pipeline.add_event(event_id, 1, hasWaitlist=True)
    waitlist = Waitlist(1, (1 << waiting) - 1)
    ledger = Ledger(event_id, SeatSettings(1, has_waitlist=True), waiting, {}, 1, waiting + 1, START, waitlist)
    meter.reader.put_item(TableName=pipeline.tables.ledger, Item=ledger_to_item(ledger))
    records = [Registration(event_id, seated, Status.CONFIRMED, 1, 1, START)]
    records += [
        Registration(event_id, f"waiter-{ticket:05}", Status.WAITLISTED, 1, 1, START + ticket, ticket)
        for ticket in range(1, _HEAD + 1)
    ]
    put_items(meter.reader, pipeline.tables.registrations, [registration_to_item(record) for record in records])
