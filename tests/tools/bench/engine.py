"""What the parts that run on DynamoDB Local share: fresh tables, clients, people and events, the registrar."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from tests.support.builders import NOW, register
from tests.support.deliveries import batch
from tests.support.tables import create_tables, put_items
from tests.tools.bench.baseline import CHEAP, Pauses, Textbook, textbook_record
from tests.tools.bench.setting import Setting
from tests.tools.bench.units import item_size
from workers.aws import clients
from workers.aws.clock import SYSTEM_CLOCK
from workers.aws.items import Item, event_key, ledger_to_item, registration_to_item, timestamp
from workers.domain.records import Ledger, Registration, Status
from workers.domain.seat_settings import SeatSettings
from workers.domain.waitlist import Waitlist
from workers.registrar.handler import Registrar
from workers.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BATCH = 10
"""Messages that Lambda hands over at once."""

THREADS = 32
"""Clients of the synchronous solution at one time."""

_NUMBERS = count(1)
_NOWHERE = "http://127.0.0.1:9"
"""For the queue's client: a delivery that goes well makes no call, and one that does not must fail."""


_HEAD = 50
"""The records that stand for the head of a line: more than a promotion reads."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """A full event: who has the seat, who is the first of the line, and the bytes of its ledger."""

    event_id: str
    seated: str
    first: str
    ledger_bytes: int


class Engine:
    """Fresh tables on the DynamoDB Local of `setting`."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self.reader = self.client()
        # With more patience than Turnstile has: an engine that has just started may be slow, and a table that is asked
        # for twice is refused.
        patient = setting.session.client("dynamodb", endpoint_url=setting.dynamodb_url)
        self.tables = create_tables(patient, f"bench{next(_NUMBERS)}-")

    def client(self, connections: int = 10) -> DynamoDBClient:
        """A client with the settings of Turnstile's own, and so many connections."""
        config = clients._CONFIG.merge(Config(max_pool_connections=connections))
        return self._setting.session.client("dynamodb", endpoint_url=self._setting.dynamodb_url, config=config)

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a function that reads the tables."""
        return self.tables.environment | {"API_URL": _NOWHERE}

    def registrar(self, client: DynamoDBClient) -> Registrar:
        """The queue's handler."""
        sqs = self._setting.session.client("sqs", endpoint_url=_NOWHERE, config=clients._CONFIG)
        return Registrar(client, sqs, self.tables.worker, _NOWHERE, _NOWHERE, SYSTEM_CLOCK)

    def textbook(self, client: DynamoDBClient, pauses: Pauses = CHEAP) -> Textbook:
        """The peer."""
        return Textbook(client, self.tables, pauses=pauses)

    def add_users(self, users: Sequence[str]) -> None:
        """Puts people."""
        items = [{"userId": {"S": user}, "name": {"S": f"Name of {user}"}} for user in users]
        self.add_items(self.tables.users, items)

    def add_event(self, event_id: str, capacity: int, *, line: bool = False) -> str:
        """Puts an event with the attributes that an event has, for both sides."""
        plain = {name: {"S": f"the {name}"} for name in ("title", "date", "location", "organizer", "description")}
        counters = {"currentAttendees": {"N": "0"}, "waitlistLength": {"N": "0"}}
        seats: Any = {"capacity": {"N": str(capacity)}, "hasWaitlist": {"BOOL": line}}
        item = {"eventId": {"S": event_id}, **plain, **counters, **seats}
        self.reader.put_item(TableName=self.tables.events, Item=item)
        return event_id

    def add_full_event(self, event_id: str, waiting: int, holes: float = 0.0) -> Crowd:
        """An event with one seat, which is taken, and so many in its line; of the tickets given, a share is gone.

        The line is in the ledger, the records are there of those only whom a promotion may have to look at.
        """
        given = round(waiting / (1 - holes))
        live = [1, *sorted(random.Random(waiting).sample(range(2, given + 1), waiting - 1))] if waiting else []
        line = Waitlist(1, sum(1 << (ticket - 1) for ticket in live)) if live else Waitlist()
        settings = SeatSettings(capacity=1, has_waitlist=True)
        ledger = Ledger(event_id, settings, 1, {}, 1, given + 1, NOW + given, line)
        ledger_item = ledger_to_item(ledger)
        self.add_event(event_id, 1, line=True)
        self.add_items(self.tables.ledger, [ledger_item])
        crowd = Crowd(event_id, "seated", "waiting-1", item_size(ledger_item))
        records = [Registration(event_id, crowd.seated, Status.CONFIRMED, 1, 1, NOW)]
        records += [
            Registration(event_id, f"waiting-{ticket}", Status.WAITLISTED, 1, 1, NOW + ticket, ticket)
            for ticket in live[:_HEAD]
        ]
        self.add_items(self.tables.registrations, [registration_to_item(record) for record in records])
        return crowd

    def add_textbook_event(self, event_id: str, waiting: int) -> None:
        """The same for the peer, which needs the record of everybody in its line."""
        self.add_event(event_id, 1, line=True)
        counted: Any = {":one": {"N": "1"}, ":waiting": {"N": str(waiting)}}
        self.reader.update_item(
            TableName=self.tables.events,
            Key=event_key(event_id),
            UpdateExpression="SET currentAttendees = :one, waitlistLength = :waiting",
            ExpressionAttributeValues=counted,
        )
        people = [(0, "seated", Status.CONFIRMED)]
        people += [(place, f"waiting-{place}", Status.WAITLISTED) for place in range(1, waiting + 1)]
        records = [
            textbook_record(event_id, user, status, timestamp(NOW + place), place or None)
            for place, user, status in people
        ]
        self.add_items(self.tables.registrations, records)

    def add_items(self, table: str, items: Sequence[Item]) -> None:
        """Puts items as they are."""
        put_items(self.reader, table, items)


def names(how_many: int) -> list[str]:
    """So many user ids."""
    return [f"user-{number:05}" for number in range(how_many)]


def batches(event_id: str, users: Sequence[str]) -> list[dict[str, Any]]:
    """SQS events of ten `Register` each, all for one event, as FIFO delivers them one after the other."""
    commands = [register(user, event=event_id) for user in users]
    return [batch(*commands[start : start + BATCH]) for start in range(0, len(commands), BATCH)]


def deliver(registrar: Registrar, deliveries: Iterable[dict[str, Any]]) -> None:
    """Hands SQS events to the registrar, one after the other; nothing may fail."""
    for delivery in deliveries:
        assert registrar.handle(delivery) == {"batchItemFailures": []}


@contextmanager
def logs_to_nowhere() -> Iterator[None]:
    """Logs and metrics are made and written as ever, but nobody has to look at them."""
    handler: Any = logger.registered_handler
    with open(os.devnull, "w", encoding="utf-8") as sink, redirect_stdout(sink):  # noqa: PTH123 - devnull is no path
        before = handler.setStream(sink)
        try:
            yield
        finally:
            handler.setStream(before)
