"""Events as clients see them: JSON made from stored items."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from workers.aws.items import DECODE_ERRORS, Item, ledger_from_event, ledger_from_item
from workers.domain.records import Ledger
from workers.telemetry import logger

_OWN_FIELDS = ("title", "date", "location", "organizer", "description", "createdAt")


def description_view(item: Item) -> dict[str, Any]:
    """Show an event without its seats."""
    view: dict[str, Any] = {"eventId": item["eventId"]["S"]}
    return view | {name: item[name]["S"] for name in _OWN_FIELDS if "S" in item.get(name, {})}


def event_view(item: Item, ledger: Ledger | None) -> dict[str, Any]:
    """Show an event with its seats, which are those of the ledger. Without a ledger nobody has registered yet."""
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
    """The ledgers of many events, by event id, and the events whose ledger cannot be decoded."""

    decoded: dict[str, Ledger]
    damaged: frozenset[str]

    @classmethod
    def of(cls, items: Iterable[Item]) -> Ledgers:
        """Decode ledger items; log those that cannot be decoded."""
        decoded, damaged = dict[str, Ledger](), set[str]()
        for item in items:
            event_id = item["eventId"]["S"]
            try:
                decoded[event_id] = ledger_from_item(item)
            except DECODE_ERRORS as error:
                logger.error("a ledger cannot be read", exc_info=error, extra={"event_id": event_id})
                damaged.add(event_id)
        return cls(decoded, frozenset(damaged))

    def view(self, event: Item) -> dict[str, Any]:
        """Show an event with its seats, or without them if its ledger cannot be decoded."""
        event_id = event["eventId"]["S"]
        return description_view(event) if event_id in self.damaged else event_view(event, self.decoded.get(event_id))
