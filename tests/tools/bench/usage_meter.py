"""What requests use, counted while the real handlers answer them: DynamoDB Local, and queues in memory."""

from __future__ import annotations

import io
import re
import uuid
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from moto import mock_aws

from infra.cli.deployment import REGION
from tests.support.builders import event_item
from tests.support.deliveries import batch
from tests.support.faults import refusal, times
from tests.support.pipeline import START, Pipeline
from tests.support.tables import put_items
from tests.tools.bench import latencies
from tests.tools.bench.baseline import Textbook, textbook_record
from tests.tools.bench.service import modelled_ms
from tests.tools.bench.units import Meter
from tests.tools.bench.usage import OWN_MS, OWN_MS_PER_MESSAGE, PLATFORM_LINES, Usage, gb_seconds
from workers.aws.items import Item, ledger_to_item, registration_to_item, timestamp
from workers.domain.commands import Register
from workers.domain.records import Ledger, Registration, Status
from workers.domain.seat_settings import SeatSettings
from workers.domain.waitlist import Waitlist
from workers.registrar.handler import Registrar
from workers.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CROWD = 1000
"""People in the line of the crowded event."""

_MADE_UP_IDS = re.compile(r'"(?:id|request)-\d+"')
"""Ids that are shorter here than on AWS, where they are UUIDs."""
_READ_AHEAD = 20
"""Of a line made by hand, those who have records: more than the registrar looks at to promote one."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What one of each uses. `door` is the API's function, without its waiting; `one` and `ten` are the registrar with
    a batch of one fresh registration and of ten; `leave` is a cancellation with the promotion that follows, by all
    functions, again without the door's waiting; `crowded` is the same with `CROWD` people in the line."""

    door: Usage
    one: Usage
    ten: Usage
    leave: Usage
    crowded: Usage
    textbook: Usage
    textbook_refused: Usage
    textbook_leave: Usage
    textbook_crowded: Usage


class Wire:
    """One function's client of DynamoDB. `calls` are those since they were last cleared: operation and parameters."""

    def __init__(self, session: boto3.Session, url: str) -> None:
        self.client: DynamoDBClient = session.client("dynamodb", endpoint_url=url)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        events: Any = self.client.meta.events
        events.register("before-parameter-build.dynamodb", self._note)

    def _note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        if model.name != "Scan":  # the pipeline scans where a stream would tell it
            self.calls.append((model.name, params))


class Till:
    """A pipeline in one thread, and the textbook solution; each function's calls are counted apart."""

    def __init__(self, session: boto3.Session, url: str) -> None:
        front, back = Wire(session, url), Wire(session, url)
        self.pipeline = pipeline = Pipeline(front.client, session.client("sqs"), "till-")
        pipeline.registrar = Registrar(
            back.client, pipeline.sqs, pipeline.tables.worker, pipeline.queue, pipeline.dead_letters, pipeline.clock
        )
        self.textbook = Textbook(front.client, pipeline.tables, lambda _: None)
        self.reader: DynamoDBClient = session.client("dynamodb", endpoint_url=url)
        self.front: Any = front.client.meta.events
        self._wires = {"registrations": front, "textbook": front, "promoter": front, "registrar": back}
        self._sends = 0
        self.behind = Usage()
        """What the registrar used while the API waited."""
        queue_events: Any = pipeline.sqs.meta.events
        for operation in ("SendMessage", "SendMessageBatch"):
            queue_events.register(f"before-call.sqs.{operation}", self._note_send)
        pipeline.time.on_sleep[:] = [self._work]

    def uses(self, function: str, call: Callable[[], object], messages: int = 0) -> Usage:
        """One invocation of a function. The registrar's `messages` are received and deleted by its event source
        mapping, a request each for all of them."""
        wire, sends = self._wires[function], self._sends
        wire.calls.clear()
        with Meter(wire.client, self.reader) as meter:
            written = printed(call)
        called_ms = sum(modelled_ms(*made) for made in wire.calls) + (self._sends - sends) * latencies.SQS_SEND_MS
        own_ms = OWN_MS[function] + OWN_MS_PER_MESSAGE * max(0, messages - 1)
        return Usage(
            lambda_requests=1,
            gb_seconds=gb_seconds(function, called_ms, own_ms),
            queue_requests=self._sends - sends + (2 if messages else 0),
            write_units=meter.write_units,
            read_units=meter.read_units,
            log_bytes=len((written + "".join(PLATFORM_LINES)).encode()),
        )

    def asks(self, method: str, path: str, body: object = None) -> Usage:
        """One request over HTTP that succeeds, as far as the API's own function goes."""

        def ask() -> None:
            status = self.pipeline.request(method, path, body).status
            assert 200 <= status < 300, status

        return self.uses("registrations", ask) + Usage(http_requests=1)

    def registers(self, event_id: str, user_id: str) -> Usage:
        """The API's share of a registration that is decided before its first look."""
        return self.asks("POST", f"/events/{event_id}/registrations", {"userId": user_id})

    def leaves(self, event_id: str, user_id: str) -> Usage:
        """A cancellation and the promotion that follows."""
        self.behind = Usage()
        door = self.asks("DELETE", f"/events/{event_id}/registrations/{user_id}")
        promoter = self.uses("promoter", self.pipeline.ring)
        self._work()
        return door + promoter + self.behind

    def _work(self) -> None:
        self.behind += self.uses("registrar", self.pipeline.deliver, messages=1)

    def _note_send(self, **_: Any) -> None:
        self._sends += 1


def printed(call: Callable[[], object]) -> str:
    """What the call logs and prints, with ids as long as on AWS."""
    sink = io.StringIO()
    handler: Any = logger.registered_handler
    before = handler.setStream(sink)
    try:
        with redirect_stdout(sink):
            call()
    finally:
        handler.setStream(before)
    return _MADE_UP_IDS.sub(f'"{uuid.UUID(int=0)}"', sink.getvalue())


def count(dynamodb_url: str, crowd: int = CROWD) -> Counted:
    """Counts everything, in tables of its own; once for each DynamoDB Local. `crowd` wait for the crowded event."""
    with mock_aws():
        till = Till(boto3.Session(region_name=REGION), dynamodb_url)
        pipeline = till.pipeline
        users = [pipeline.add_user(f"user-{number:05}") for number in range(1, 16)]
        pipeline.add_event("conference-2027", 100)
        till.registers("conference-2027", users[0])  # makes the ledger
        till.behind = Usage()
        door = till.registers("conference-2027", users[1])
        one = till.behind
        fresh = batch(*(Register(str(uuid.uuid4()), "conference-2027", user, 1, START) for user in users[2:12]))
        ten = till.uses("registrar", lambda: pipeline.registrar.handle(fresh), messages=10)
        pipeline.add_event("workshop-2027", 1, hasWaitlist=True)
        for user in users[:2]:
            till.registers("workshop-2027", user)
        leave = till.leaves("workshop-2027", users[0])
        _crowd(till, "concert-2027", users[0], crowd)
        crowded = till.leaves("concert-2027", users[0])
        return Counted(door, one, ten, leave, crowded, *_count_textbook(till, users, crowd))


def _count_textbook(till: Till, users: list[str], crowd: int) -> tuple[Usage, Usage, Usage, Usage]:
    """A registration, what a refused transaction adds to one, leaving with one in the line and with a crowd."""

    def uses(act: Callable[[str, str], object], event_id: str, user: str) -> Usage:
        return till.uses("textbook", lambda: act(event_id, user)) + Usage(http_requests=1)

    textbook = till.textbook
    for event_id, capacity in (("textbook", 100), ("textbook-line", 1)):
        _put_textbook_event(till, event_id, capacity)
    register = uses(textbook.register, "textbook", users[0])
    reasons = [{"Code": "None"}, {"Code": "TransactionConflict"}]
    conflict = refusal("TransactionCanceledException", CancellationReasons=reasons)
    once = times(1, lambda _: conflict)
    till.front.register("before-call.dynamodb.TransactWriteItems", lambda params, **_: once(params), "refused")
    again = uses(textbook.register, "textbook", users[1])
    till.front.unregister("before-call.dynamodb.TransactWriteItems", unique_id="refused")
    for user in users[:2]:
        textbook.register("textbook-line", user)
    leave = uses(textbook.cancel, "textbook-line", users[0])
    _crowd_textbook(till, "textbook-crowd", users[0], crowd)
    return register, again + register * -1, leave, uses(textbook.cancel, "textbook-crowd", users[0])


def _put_textbook_event(till: Till, event_id: str, capacity: int, taken: int = 0, waiting: int = 0) -> None:
    """An event with the counters that the textbook keeps on it, and a line."""
    counters: Item = {"currentAttendees": {"N": str(taken)}, "waitlistLength": {"N": str(waiting)}}
    item = event_item(event_id, capacity, hasWaitlist={"BOOL": True}, **counters)
    till.reader.put_item(TableName=till.pipeline.tables.events, Item=item)


def _crowd(till: Till, event_id: str, holder: str, crowd: int) -> None:
    """An event with one seat, which `holder` has, and a line of `crowd` people, of whom the first have records."""
    pipeline = till.pipeline
    pipeline.add_event(event_id, 1, hasWaitlist=True)
    ledger = Ledger(
        event_id,
        SeatSettings(1, has_waitlist=True),
        version=crowd,
        confirmed=1,
        next_ticket=crowd + 1,
        last_registered_at=START,
        waitlist=Waitlist(1, (1 << crowd) - 1),
    )
    till.reader.put_item(TableName=pipeline.tables.ledger, Item=ledger_to_item(ledger))
    records = [Registration(event_id, holder, Status.CONFIRMED, 1, 1, START)]
    for ticket in range(1, _READ_AHEAD + 1):
        user = f"waiter-{ticket:05}"
        records.append(Registration(event_id, user, Status.WAITLISTED, 1, 1, START + ticket, ticket))
    for record in records:
        till.reader.put_item(TableName=pipeline.tables.registrations, Item=registration_to_item(record))


def _crowd_textbook(till: Till, event_id: str, holder: str, crowd: int) -> None:
    """The same for the textbook solution; all of the line have records, because all have to be rewritten."""
    _put_textbook_event(till, event_id, 1, taken=1, waiting=crowd)
    table = till.pipeline.tables.registrations
    people = [(0, holder, Status.CONFIRMED)]
    people += [(place, f"waiter-{place:05}", Status.WAITLISTED) for place in range(1, crowd + 1)]
    records = [
        textbook_record(event_id, user, status, timestamp(START + place), place or None)
        for place, user, status in people
    ]
    put_items(till.reader, table, records)
