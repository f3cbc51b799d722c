"""Reads of one registration and of what belongs to it, all strongly consistent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from api.users.user_keys import is_user, user_key
from api.views import waitlist_position
from workers.aws import clients
from workers.aws.clock import Clock
from workers.aws.items import Item, event_key, is_key, ledger_from_item, registration_from_item, registration_key
from workers.aws.load import batch_get
from workers.domain.records import Ledger, Registration, Status, registration_id

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_READS_PER_LOOK = 5


@dataclass(frozen=True, slots=True)
class Tables:
    """The names of the four tables."""

    users: str
    events: str
    registrations: str
    ledger: str

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Tables:
        """What the function's settings say. MissingSetting names the one that is not there."""
        return cls(*(clients.setting(env, f"{field.name.upper()}_TABLE") for field in fields(cls)))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one read found: the event, the user, the registration, the ledger; None for what is not there.

    Who was forgotten is not there either.
    """

    event: Item | None = None
    user: Item | None = None
    record: Registration | None = None
    ledger: Ledger | None = None


class Reader:
    """Looks things up by the ids of an event and a user."""

    def __init__(self, dynamodb: DynamoDBClient, env: dict[str, str], clock: Clock) -> None:
        self._dynamodb = dynamodb
        self._clock = clock
        self._tables = Tables.of(env)

    def fetch(self, event_id: str, user_id: str, *, include_event_and_user: bool = False) -> Snapshot:
        """Reads the registration and the ledger, and `with_sides` the event and the user too, in one go.

        The items of one read need not be of the same moment: a waiter whose ticket the ledger no longer has is read
        again.
        """
        if not is_key(event_id) or not is_key(user_id):
            return Snapshot()
        wanted = {
            self._tables.registrations: [registration_key(registration_id(event_id, user_id))],
            self._tables.ledger: [event_key(event_id)],
        }
        if include_event_and_user:
            wanted |= {self._tables.events: [event_key(event_id)], self._tables.users: [user_key(user_id)]}
        for _ in range(_READS_PER_LOOK):
            found = batch_get(self._dynamodb, self._clock, wanted)
            record, ledger = _first(found, self._tables.registrations), _first(found, self._tables.ledger)
            user = _first(found, self._tables.users)
            seen = Snapshot(
                event=_first(found, self._tables.events),
                user=user if is_user(user) else None,
                record=registration_from_item(record) if record else None,
                ledger=ledger_from_item(ledger) if ledger else None,
            )
            waits = seen.record is not None and seen.record.status is Status.WAITLISTED
            if seen.record is None or not waits or waitlist_position(seen.record, seen.ledger) is not None:
                break
        return seen

    def record(self, event_id: str, user_id: str) -> Registration | None:
        """Reads the registration alone: no wait may weigh on the ledger, which all of an event share."""
        if not is_key(event_id) or not is_key(user_id):
            return None
        key = registration_key(registration_id(event_id, user_id))
        item = _first(
            batch_get(self._dynamodb, self._clock, {self._tables.registrations: [key]}), self._tables.registrations
        )
        return registration_from_item(item) if item else None


def _first(found: dict[str, list[Item]], table: str) -> Item | None:
    return next(iter(found.get(table, [])), None)
