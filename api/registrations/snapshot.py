"""Reads of one registration and of what belongs to it, all strongly consistent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.settings import RegistrationSettings
from workers.aws.clock import Clock
from workers.aws.items import Item, event_key, is_key, ledger_from_item, registration_from_item, registration_key
from workers.aws.load import batch_get
from workers.aws.user_keys import is_user, user_key
from workers.domain.records import Ledger, Registration, Status, registration_id, waitlist_position

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_MAX_READS = 5


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A registration with its ledger, event and user, as one read found them; None for those not found or not read.

    An erased user counts as not found.
    """

    record: Registration | None = None
    ledger: Ledger | None = None
    event: Item | None = None
    user: Item | None = None

    @property
    def registration(self) -> Registration:
        """Return the registration of a snapshot that has one. Raises LookupError otherwise."""
        if self.record is None:
            raise LookupError("the snapshot has no registration")
        return self.record


class SnapshotReader:
    """Reads snapshots by the ids of an event and a user."""

    def __init__(self, dynamodb: DynamoDBClient, settings: RegistrationSettings, clock: Clock) -> None:
        self._dynamodb = dynamodb
        self._clock = clock
        self._settings = settings

    def fetch(self, event_id: str, user_id: str, *, include_event_and_user: bool = False) -> Snapshot:
        """Read the registration and the ledger, and the event and the user if asked for, in one request.

        The items of one read may be of different moments: if the ledger does not have a waiter's ticket, both are read
        again.
        """
        if not is_key(event_id) or not is_key(user_id):
            return Snapshot()
        wanted = {
            self._settings.registrations_table: [registration_key(registration_id(event_id, user_id))],
            self._settings.ledger_table: [event_key(event_id)],
        }
        if include_event_and_user:
            wanted |= {
                self._settings.events_table: [event_key(event_id)],
                self._settings.users_table: [user_key(user_id)],
            }
        for _ in range(_MAX_READS):
            found = batch_get(self._dynamodb, self._clock, wanted)
            record, user = _first(found, self._settings.registrations_table), _first(found, self._settings.users_table)
            ledger = _first(found, self._settings.ledger_table)
            snapshot = Snapshot(
                record=registration_from_item(record) if record else None,
                ledger=ledger_from_item(ledger) if ledger else None,
                event=_first(found, self._settings.events_table),
                user=user if is_user(user) else None,
            )
            waits = snapshot.record is not None and snapshot.record.status is Status.WAITLISTED
            if not waits or waitlist_position(snapshot.registration, snapshot.ledger) is not None:
                break
        return snapshot

    def fetch_registration(self, event_id: str, user_id: str) -> Registration | None:
        """Read the registration alone: waiting must not burden the ledger, which all of an event share."""
        if not is_key(event_id) or not is_key(user_id):
            return None
        table, key = self._settings.registrations_table, registration_key(registration_id(event_id, user_id))
        item = _first(batch_get(self._dynamodb, self._clock, {table: [key]}), table)
        return registration_from_item(item) if item else None


def _first(found: dict[str, list[Item]], table: str) -> Item | None:
    return next(iter(found.get(table, [])), None)
