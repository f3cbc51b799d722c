"""The state of a few events and people: comparable facts, broken rules, and what is not at rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.proofs.crash.tapped_stack import TappedStack
from tests.support.rules import broken_rules
from tests.support.stacks import queue_depth
from workers.aws.clock import SYSTEM_CLOCK
from workers.aws.items import (
    Item,
    event_key,
    ledger_from_item,
    registration_from_item,
    registration_key,
    seat_settings_from_item,
)
from workers.aws.load import batch_get
from workers.domain.records import Ledger, Registration, Status, registration_id
from workers.domain.seat_settings import SeatSettings

UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class StackState:
    """`facts` use the scenario's names, so that runs can be compared. `broken` are the rules that do not hold, `unrest`
    is what is still to happen."""

    facts: Mapping[str, str]
    broken: tuple[str, ...]
    unrest: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event in the tables: its item, its ledger, its records by name, and the names with undecodable records."""

    item: Item | None
    ledger: Ledger | None
    records: Mapping[str, Registration]
    unreadable: frozenset[str]


def stack_state(
    stack: TappedStack, events: Mapping[str, str], people: Mapping[str, str], dead_letters: int
) -> StackState:
    """Read the state of events and people (ids by name). `dead_letters` is the number before the run.

    The queue is read first: a command that is decided in between is seen in the tables.
    """
    facts: dict[str, str] = {}
    broken: list[str] = []
    waiting = queue_depth(stack.clients, stack.outputs.queue_url)
    unrest = [f"{waiting} messages in the queue"] if waiting else []
    for event, event_id in events.items():
        stored = _read(stack, event_id, people)
        facts |= _facts(event, stored)
        broken += [f"{event}: {sentence}" for sentence in _broken(stored)]
        unrest += [f"{event}: {sentence}" for sentence in _unrest(stored)]
    facts |= _known(stack, people)
    facts["dead letters"] = str(queue_depth(stack.clients, stack.outputs.dead_letter_queue_url) - dead_letters)
    return StackState(facts, tuple(broken), tuple(unrest))


def _read(stack: TappedStack, event_id: str, people: Mapping[str, str]) -> StoredEvent:
    """Read a consistent state: each commit writes the ledger, so nothing was decided if it has not changed."""
    outputs = stack.outputs
    names = {registration_id(event_id, user_id): name for name, user_id in people.items()}

    def ledger_item() -> Item | None:
        found = stack.clients.dynamodb.get_item(
            TableName=outputs.ledger_table, Key=event_key(event_id), ConsistentRead=True
        )
        return found.get("Item")

    wanted = {
        outputs.events_table: [event_key(event_id)],
        outputs.registrations_table: [registration_key(key) for key in names],
    }
    before = ledger_item()
    while True:
        found = batch_get(stack.clients.dynamodb, SYSTEM_CLOCK, wanted)
        if (after := ledger_item()) == before:
            break
        before = after
    records, unreadable = {}, set()
    for item in found[outputs.registrations_table]:
        name = names[item["registrationId"]["S"]]
        try:
            records[name] = registration_from_item(item)
        except (KeyError, ValueError):
            unreadable.add(name)
    return StoredEvent(
        next(iter(found[outputs.events_table]), None),
        ledger_from_item(before) if before else None,
        records,
        frozenset(unreadable),
    )


def _facts(event: str, stored: StoredEvent) -> dict[str, str]:
    facts = {event: "does not exist"}
    if stored.item is not None:
        facts[event] = _settings(seat_settings_from_item(stored.item))
    ledger = stored.ledger
    facts[f"{event}, ledger"] = "none"
    if ledger is not None:
        by_ticket = {record.ticket: name for name, record in stored.records.items()}
        waiting = ", ".join(by_ticket.get(ticket, f"ticket {ticket}") for ticket in ledger.waitlist) or "nobody"
        counts = f"{ledger.confirmed} confirmed, {waiting} waiting, next ticket {ledger.next_ticket}"
        facts[f"{event}, ledger"] = f"{counts}, {_settings(ledger.settings)}"
    for name, record in stored.records.items():
        facts[f"{name} at {event}"] = f"{record.status} {record.generation} {record.code or ''}".rstrip()
    return facts | {f"{name} at {event}": UNREADABLE for name in stored.unreadable}


def _settings(settings: SeatSettings) -> str:
    waitlist = (
        f"waiting list of {settings.waitlist_capacity or 'any length'}" if settings.has_waitlist else "no waiting list"
    )
    return f"{settings.capacity} seats, {waitlist}, {settings.status}"


def _broken(stored: StoredEvent) -> list[str]:
    if stored.ledger is None:
        decided = [name for name, record in stored.records.items() if record.status is not Status.PENDING]
        return [f"{name} was decided without a ledger" for name in decided]
    return broken_rules(stored.ledger, stored.records.values())


def _unrest(stored: StoredEvent) -> list[str]:
    promotable = stored.ledger is not None and stored.ledger.promotable
    return ["a free seat beside a waiter"] if promotable else []


def _known(stack: TappedStack, people: Mapping[str, str]) -> dict[str, str]:
    """Return who has an account."""
    table = stack.outputs.users_table
    keys: list[Item] = [{"userId": {"S": user_id}} for user_id in people.values()]
    found = batch_get(stack.clients.dynamodb, SYSTEM_CLOCK, {table: keys})[table]
    known = {item["userId"]["S"] for item in found}
    return {name: "has an account" if user_id in known else "is not known" for name, user_id in people.items()}
