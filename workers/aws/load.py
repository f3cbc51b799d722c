"""Load the state that a batch of commands is decided on, in as few strongly consistent reads as possible."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workers.aws.clients import Overloaded
from workers.aws.clock import Clock
from workers.aws.items import (
    DECODE_ERRORS,
    EVENT_INDEX,
    STATUS_KEY,
    Item,
    event_key,
    ledger_from_event,
    ledger_from_item,
    registration_from_item,
    registration_key,
    salvage_ledger,
)
from workers.domain.commands import Cancel, Command, Configure, Promote, Recount, Register
from workers.domain.decide import MAX_PROMOTIONS
from workers.domain.records import Ledger, Registration, Status
from workers.domain.seat_settings import EventStatus

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_BATCH = 100
_ATTEMPTS = 4
"""They take 0.35 s at most. A batch may have to be read eleven times: once as a whole, then event by event."""
_INDEX_SLACK = 10
"""Each page of the index has this many more rows than the one before. The first has as many as there may be promotions.
That is enough unless the index lags, and every further record would cost a read."""
_INDEX_PAGES = 20


@dataclass(frozen=True, slots=True)
class DecisionTables:
    """The names of the tables that decisions read and write."""

    events: str
    registrations: str
    ledger: str


@dataclass(frozen=True, slots=True)
class EventState:
    """The state of one event: its ledger, the records that the commands name, and the first of the waiting list.

    `unreadable` has the errors of those records that cannot be decoded, by registration id. `configurable` is False if
    there is a `Configure`, but no event item for it to change.
    """

    ledger: Ledger
    registrations: tuple[Registration, ...]
    unreadable: Mapping[str, Exception]
    configurable: bool


@dataclass(frozen=True, slots=True)
class UnknownEvent:
    """The event does not exist."""


@dataclass(frozen=True, slots=True)
class DamagedEvent:
    """The stored ledger, or the event item that a first ledger would be made from, cannot be decoded.

    `salvaged` is what is left of the ledger, for a `Recount` to complete; None if too little is left.
    """

    error: Exception
    salvaged: Ledger | None = None


State = EventState | UnknownEvent | DamagedEvent
"""The state of one event, as far as it could be read."""


def batch_get(
    client: DynamoDBClient, clock: Clock, wanted: Mapping[str, Sequence[Item]], *, eventual: Collection[str] = ()
) -> dict[str, list[Item]]:
    """Read items by key from several tables, in no particular order; absent ones are left out.

    Reads are strongly consistent, except those of the tables in `eventual`, which cost half as much and may return data
    that is a moment old. Raises Overloaded if DynamoDB keeps leaving keys unprocessed.
    """
    found: dict[str, list[Item]] = {table: [] for table in wanted}
    keys = [(table, key) for table, table_keys in wanted.items() for key in _distinct(table_keys)]
    for start in range(0, len(keys), _BATCH):
        request: dict[str, Any] = {}
        for table, key in keys[start : start + _BATCH]:
            request.setdefault(table, {"ConsistentRead": table not in eventual, "Keys": []})["Keys"].append(key)
        for attempt in range(_ATTEMPTS):
            if attempt:
                clock.sleep(0.05 * 2 ** (attempt - 1))
            answer = client.batch_get_item(RequestItems=request)
            for table, items in answer["Responses"].items():
                found[table] += items
            request = dict(answer.get("UnprocessedKeys", {}))
            if not request:
                break
        else:
            raise Overloaded("DynamoDB left keys unprocessed")
    return found


def load(
    client: DynamoDBClient, clock: Clock, tables: DecisionTables, commands: Mapping[str, Sequence[Command]]
) -> dict[str, State]:
    """Return the state of each event, for its commands to be decided on.

    This takes one BatchGetItem of ledgers and named records, one more for events without a ledger, and a query of the
    index for events in which somebody may be promoted.
    """
    described = [key for key, batch in commands.items() if any(isinstance(c, Configure | Recount) for c in batch)]
    wanted = {
        tables.ledger: [event_key(event_id) for event_id in commands],
        tables.registrations: [registration_key(key) for batch in commands.values() for key in _named(batch)],
        tables.events: [event_key(event_id) for event_id in described],
    }
    found = batch_get(client, clock, {table: keys for table, keys in wanted.items() if keys})
    ledgers = _by_event(found[tables.ledger])
    events = _by_event(found.get(tables.events, []))
    first_timers = [event_key(event_id) for event_id in commands if event_id not in ledgers and event_id not in events]
    if first_timers:
        events |= _by_event(batch_get(client, clock, {tables.events: first_timers})[tables.events])
    records = {item["registrationId"]["S"]: item for item in found.get(tables.registrations, [])}
    states: dict[str, State] = {}
    for event_id, batch in commands.items():
        item, event = ledgers.get(event_id), events.get(event_id)
        if event is None and item is None:
            states[event_id] = UnknownEvent()
            continue
        try:
            ledger = ledger_from_item(item) if item is not None else ledger_from_event(event or {})
        except DECODE_ERRORS as error:
            states[event_id] = DamagedEvent(error, _salvaged(item, event, batch))
            continue
        own, unreadable = read_registrations(records[key] for key in _named(batch) if key in records)
        waiting, unreadable_too = _waitlist_head(client, clock, tables, ledger, own, batch)
        configurable = event is not None or event_id not in described
        states[event_id] = EventState(ledger, (*own, *waiting), unreadable | unreadable_too, configurable)
    return states


def promotions_possible(ledger: Ledger, commands: Sequence[Command]) -> int:
    """Return an upper bound of the promotions that a batch may cause.

    Each cancellation frees a seat or removes a waiter, and a change of settings may raise the capacity. A cancelled
    event promotes nobody unless its status changes.
    """
    if not ledger.waitlist or not any(isinstance(command, Register | Promote) for command in commands):
        return 0
    changed = [ledger.settings.change(command.changes) for command in commands if isinstance(command, Configure)]
    if ledger.settings.status is EventStatus.CANCELLED and all(
        settings.status is EventStatus.CANCELLED for settings in changed
    ):
        return 0
    cancellations = sum(isinstance(command, Cancel) for command in commands)
    raised = [settings.capacity - ledger.settings.capacity for settings in changed]
    return min(len(ledger.waitlist), MAX_PROMOTIONS, ledger.free_seats + cancellations + max([0, *raised]))


def _waitlist_head(
    client: DynamoDBClient,
    clock: Clock,
    tables: DecisionTables,
    ledger: Ledger,
    known: Iterable[Registration],
    commands: Sequence[Command],
) -> tuple[list[Registration], dict[str, Exception]]:
    """Return the records of the first waiters, and the errors of those that cannot be decoded.

    The index finds them, but only the ticket in the record itself counts. There may be too few while the index lags, or
    if one cannot be decoded; the decision then ends there and is tried again.
    """
    known_ids = {record.registration_id for record in known}
    known_tickets = {record.ticket for record in known}
    first = ledger.waitlist.first(promotions_possible(ledger, commands))
    wanted = set(first) - known_tickets
    found: list[Registration] = []
    unreadable: dict[str, Exception] = {}
    page: dict[str, Any] = {}
    for number in range(_INDEX_PAGES):
        if not wanted:
            break
        answer = client.query(
            TableName=tables.registrations,
            IndexName=EVENT_INDEX,
            KeyConditionExpression="eventId = :event AND begins_with(#key, :waitlisted)",
            ExpressionAttributeNames={"#key": STATUS_KEY},
            ExpressionAttributeValues={":event": {"S": ledger.event_id}, ":waitlisted": {"S": f"{Status.WAITLISTED}#"}},
            Limit=min(_BATCH, len(first) + number * _INDEX_SLACK),
            **page,
        )
        keys = [registration_key(row["registrationId"]["S"]) for row in answer["Items"]]
        keys = [key for key in keys if key["registrationId"]["S"] not in known_ids]
        items = batch_get(client, clock, {tables.registrations: keys})[tables.registrations] if keys else []
        records, damaged = read_registrations(items)
        unreadable |= damaged
        for record in records:
            if record.status is Status.WAITLISTED and record.ticket in wanted:
                wanted.discard(record.ticket)
                found.append(record)
        if "LastEvaluatedKey" not in answer:
            break
        page = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
    return found, unreadable


def _salvaged(ledger: Item | None, event: Item | None, commands: Sequence[Command]) -> Ledger | None:
    if ledger is None or not any(isinstance(command, Recount) for command in commands):
        return None
    try:
        return salvage_ledger(ledger, event)
    except DECODE_ERRORS:
        return None


def read_registrations(items: Iterable[Item]) -> tuple[list[Registration], dict[str, Exception]]:
    """Return the registrations that can be decoded, and the errors of the others by registration id."""
    records: list[Registration] = []
    unreadable: dict[str, Exception] = {}
    for item in items:
        try:
            records.append(registration_from_item(item))
        except DECODE_ERRORS as error:
            unreadable[item["registrationId"]["S"]] = error
    return records, unreadable


def _named(commands: Iterable[Command]) -> list[str]:
    """Return the ids of the registrations that the commands are about, each once."""
    return list(dict.fromkeys(c.registration_id for c in commands if isinstance(c, Register | Cancel)))


def _by_event(items: Iterable[Item]) -> dict[str, Item]:
    return {item["eventId"]["S"]: item for item in items}


def _distinct(keys: Sequence[Item]) -> list[Item]:
    """Return each key once: DynamoDB refuses a request with duplicates."""
    return list({str(key): key for key in keys}.values())
