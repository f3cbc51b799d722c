"""What clients see: users, events and registrations as JSON, made from stored items."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from workers.aws.items import DECODE_ERRORS, Item, ledger_from_event, ledger_from_item, timestamp
from workers.domain.records import Ledger, Registration, Status
from workers.telemetry import logger

_OWN_FIELDS = ("title", "date", "location", "organizer", "description", "createdAt")


def user_view(item: Item) -> dict[str, Any]:
    """A user."""
    return {name: item[name]["S"] for name in ("userId", "name", "email", "createdAt") if "S" in item.get(name, {})}


def description_view(item: Item) -> dict[str, Any]:
    """An event without its seats."""
    view: dict[str, Any] = {"eventId": item["eventId"]["S"]}
    return view | {name: item[name]["S"] for name in _OWN_FIELDS if "S" in item.get(name, {})}


def event_view(item: Item, ledger: Ledger | None) -> dict[str, Any]:
    """An event with its seats. Once there is a ledger, it is the truth for them; until then nobody has registered."""
    seats = ledger or ledger_from_event(item)
    view = description_view(item) | {
        **seats.settings.to_json(),
        "currentAttendees": seats.confirmed,
        "seatsLeft": seats.free_seats,
        "waitlistLength": len(seats.waitlist),
    }
    if seats.confirmed > seats.settings.capacity:
        view["overCapacityBy"] = seats.confirmed - seats.settings.capacity
    return view


@dataclass(frozen=True, slots=True)
class Ledgers:
    """Ledgers of many events, by event id. One that cannot be read is `damaged`, and no reason to show none at all."""

    sound: dict[str, Ledger]
    damaged: frozenset[str]

    @classmethod
    def of(cls, items: Iterable[Item]) -> Ledgers:
        """Reads ledger items; logs those that cannot be read."""
        sound, damaged = dict[str, Ledger](), set[str]()
        for item in items:
            event_id = item["eventId"]["S"]
            try:
                sound[event_id] = ledger_from_item(item)
            except DECODE_ERRORS as error:
                logger.error("a ledger cannot be read", exc_info=error, extra={"event_id": event_id})
                damaged.add(event_id)
        return cls(sound, frozenset(damaged))

    def view(self, event: Item) -> dict[str, Any]:
        """The event with its seats, or without them if nobody can say."""
        event_id = event["eventId"]["S"]
        return description_view(event) if event_id in self.damaged else event_view(event, self.sound.get(event_id))


def registration_view(record: Registration, ledger: Ledger | None) -> dict[str, Any]:
    """A registration; one that waits has its place in the line, a rejected one says why."""
    view: dict[str, Any] = {
        "registrationId": record.registration_id,
        "eventId": record.event_id,
        "userId": record.user_id,
        "status": str(record.status),
        "registeredAt": timestamp(record.registered_at),
    }
    position = waitlist_position(record, ledger)
    if position is not None:
        view["waitlistPosition"] = position
    if record.status is Status.REJECTED and record.code:
        view["code"] = record.code
    return view


def waitlist_position(record: Registration, ledger: Ledger | None) -> int | None:
    """The place in the line, 1 for its head; None for who does not wait, or whose ticket this ledger no longer has."""
    if record.status is not Status.WAITLISTED or record.ticket is None or ledger is None:
        return None
    return ledger.waitlist.position(record.ticket)
