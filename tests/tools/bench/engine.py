"""Code that the parts on DynamoDB Local share: fresh tables, clients, people and events, the registrar."""

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
from tests.support.tables import S, create_tables, put_items
from tests.tools.bench.baseline import CHEAP, Pauses, Textbook, textbook_event, textbook_registrations
from tests.tools.bench.context import BenchContext
from workers.aws import clients
from workers.aws.clock import SYSTEM_CLOCK
from workers.aws.items import Item, ledger_to_item, registration_to_item
from workers.domain.records import Ledger, Registration, Status
from workers.domain.seat_settings import SeatSettings
from workers.domain.waitlist import Waitlist
from workers.registrar.handler import Registrar
from workers.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BATCH = 10
"""Messages that Lambda delivers at once."""

THREADS = 32
"""Concurrent clients of the synchronous solution."""

_NUMBERS = count(1)
_UNREACHABLE = "http://127.0.0.1:9"
"""For the queue's client: a delivery that succeeds makes no call, and one that does not must fail."""

_HEAD = 50
"""The number of waiters at the head of a waiting list that have records: more than a promotion reads."""


@dataclass(frozen=True, slots=True)
class FullEvent:
    """A full event: who has the seat, and who is first on the waiting list."""

    event_id: str
    seated: str
    first: str


class Engine:
    """Fresh tables on the DynamoDB Local of `context`."""

    def __init__(self, context: BenchContext) -> None:
        self._context = context
        self.reader = self.client()
        # With more retries than Turnstile's client has: an engine that has just started may be slow, and DynamoDB
        # refuses a table that is created twice.
        patient = context.session.client("dynamodb", endpoint_url=context.dynamodb_url)
        self.tables = create_tables(patient, f"bench{next(_NUMBERS)}-")

    def client(self, connections: int = 10) -> DynamoDBClient:
        """Return a client configured as Turnstile's own, with a pool of `connections`."""
        config = clients._CONFIG.merge(Config(max_pool_connections=connections))
        return self._context.session.client("dynamodb", endpoint_url=self._context.dynamodb_url, config=config)

    def settings(self, cls: type[S]) -> S:
        """Return the settings of a function that reads the tables."""
        return self.tables.settings(cls, api_url=_UNREACHABLE)

    def registrar(self, client: DynamoDBClient) -> Registrar:
        """Return the queue's handler."""
        sqs = self._context.session.client("sqs", endpoint_url=_UNREACHABLE, config=clients._CONFIG)
        return Registrar(client, sqs, self.tables.worker, _UNREACHABLE, _UNREACHABLE, SYSTEM_CLOCK)

    def textbook(self, client: DynamoDBClient, pauses: Pauses = CHEAP) -> Textbook:
        """Return the textbook solution."""
        return Textbook(client, self.tables, pauses=pauses)

    def add_users(self, users: Sequence[str]) -> None:
        """Put users."""
        self.add_items(self.tables.users, [{"userId": {"S": user}, "name": {"S": f"Name of {user}"}} for user in users])

    def add_event(self, event_id: str, capacity: int, *, waitlist: bool = False) -> str:
        """Put an event with the attributes that both sides need."""
        self.reader.put_item(
            TableName=self.tables.events, Item=textbook_event(event_id, capacity, has_waitlist=waitlist)
        )
        return event_id

    def add_full_event(self, event_id: str, waiting: int, holes: float = 0.0) -> FullEvent:
        """Put an event with one seat, which is taken, and `waiting` people; a share of the tickets given are `holes`.

        The waiting list is in the ledger; only people whom a promotion may have to read have records.
        """
        given = round(waiting / (1 - holes))
        live = [1, *sorted(random.Random(waiting).sample(range(2, given + 1), waiting - 1))] if waiting else []
        waitlist = Waitlist(1, sum(1 << (ticket - 1) for ticket in live)) if live else Waitlist()
        ledger = Ledger(event_id, SeatSettings(1, has_waitlist=True), 1, {}, 1, given + 1, NOW + given, waitlist)
        self.add_event(event_id, 1, waitlist=True)
        self.add_items(self.tables.ledger, [ledger_to_item(ledger)])
        records = [Registration(event_id, "seated", Status.CONFIRMED, 1, 1, NOW)]
        records += [
            Registration(event_id, f"waiting-{ticket}", Status.WAITLISTED, 1, 1, NOW + ticket, ticket)
            for ticket in live[:_HEAD]
        ]
        self.add_items(self.tables.registrations, [registration_to_item(record) for record in records])
        return FullEvent(event_id, "seated", "waiting-1")

    def add_textbook_event(self, event_id: str, waiting: int) -> None:
        """Put the same for the textbook solution, which needs a record of everybody who waits."""
        event = textbook_event(event_id, 1, has_waitlist=True, taken=1, waiting=waiting)
        self.reader.put_item(TableName=self.tables.events, Item=event)
        self.add_items(self.tables.registrations, textbook_registrations(event_id, waiting))

    def add_items(self, table: str, items: Sequence[Item]) -> None:
        """Put items as they are."""
        put_items(self.reader, table, items)


def names(how_many: int) -> list[str]:
    """Return that many user ids."""
    return [f"user-{number:05}" for number in range(how_many)]


def batches(event_id: str, users: Sequence[str]) -> list[dict[str, Any]]:
    """Return SQS events of ten `Register` each for one event, as FIFO delivers them one after the other."""
    commands = [register(user, event=event_id) for user in users]
    return [batch(*commands[start : start + BATCH]) for start in range(0, len(commands), BATCH)]


def deliver(registrar: Registrar, deliveries: Iterable[dict[str, Any]]) -> None:
    """Hand SQS events to the registrar, one after the other; none may fail."""
    for delivery in deliveries:
        assert registrar.handle(delivery) == {"batchItemFailures": []}


@contextmanager
def discarded_logs() -> Iterator[None]:
    """Discard logs and metrics, which are still formatted and written."""
    handler: Any = logger.registered_handler
    with open(os.devnull, "w", encoding="utf-8") as sink, redirect_stdout(sink):  # noqa: PTH123 - devnull is no path
        before = handler.setStream(sink)
        try:
            yield
        finally:
            handler.setStream(before)
