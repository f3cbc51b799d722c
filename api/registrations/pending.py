"""Persist what a client was promised in the pending registration, before answering.

That is the pending registration itself, so that the Location of a 202 resolves; the idempotency keys of the requests
that asked for it; when its command was sent again; and that its cancellation was accepted. The registrar may decide at
any moment, so every write has the version that was read as its condition and never overwrites a decision.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeGuard

from api.http.polling import none_on_transient_error
from api.registrations.snapshot import Snapshot, SnapshotReader
from workers.aws.clients import Overloaded
from workers.aws.clock import Clock
from workers.aws.commit import versioned_put
from workers.domain.commands import Register
from workers.domain.records import Registration, Status, remember_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_MAX_PUTS = 12
"""Attempts to write a pending registration. Of concurrent requests one succeeds each time, so it takes as many."""

_CONFLICT_PAUSE_SECONDS = 0.05


class PendingStore:
    """Writes pending registrations."""

    def __init__(self, dynamodb: DynamoDBClient, reader: SnapshotReader, table: str, clock: Clock) -> None:
        self._dynamodb = dynamodb
        self._reader = reader
        self._table = table
        self._clock = clock

    def save_pending(self, command: Register, before: Registration | None, resent_at: int | None = None) -> Snapshot:
        """Save the command's attempt as pending, with its key and when it was sent again. Return what is stored then.

        If the registrar was faster, that is its decision. Raises Overloaded if the attempt cannot be saved at all. If
        only the key could not be added to it, among many concurrent requests, the attempt is returned as it is.
        """
        snapshot = Snapshot(before)
        for _ in range(_MAX_PUTS):
            pending = _pending(command, snapshot.record, resent_at)
            if pending is snapshot.record:
                return snapshot
            if self._put(pending):
                return Snapshot(pending)
            read = none_on_transient_error(lambda: self._reader.fetch(command.event_id, command.user_id))
            snapshot = read() or Snapshot(snapshot.record)
        if snapshot.record is None or snapshot.record.generation < command.generation:
            raise Overloaded("the pending registration could not be saved")
        return snapshot

    def save_cancelling(self, record: Registration, key: str | None) -> None:
        """Mark a pending registration as being cancelled, with the key. Raises Overloaded if that cannot be saved.

        Registering again before the cancellation is decided then asks for the next attempt.
        """
        for _ in range(_MAX_PUTS):
            keys = remember_key(record.delete_keys, key)
            saved = record.cancelling and record.delete_keys == keys
            if saved or not is_pending(record):
                return
            if self._put(replace(record, version=record.version + 1, cancelling=True, delete_keys=keys)):
                return
            stored = self._reader.fetch_registration(record.event_id, record.user_id)
            if stored is None or stored.generation != record.generation:
                return
            record = stored
        if not record.cancelling:
            raise Overloaded("the cancellation could not be saved")

    def _put(self, record: Registration) -> bool:
        """Write a record. Return False if it has changed since it was read, or is part of a running transaction."""
        try:
            self._dynamodb.put_item(**versioned_put(self._table, record))
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        except self._dynamodb.exceptions.TransactionConflictException:
            self._clock.sleep(_CONFLICT_PAUSE_SECONDS)
            return False
        return True


def is_pending(record: Registration | None) -> TypeGuard[Registration]:
    """Return whether a registration is waiting for its decision."""
    return record is not None and record.status is Status.PENDING


def _pending(command: Register, before: Registration | None, resent_at: int | None) -> Registration:
    """Return what must be stored while the command is undecided: `before` itself if nothing needs to change."""
    keys = remember_key(before.post_keys if before else (), command.key)
    if before is not None and before.generation >= command.generation:
        after = replace(before, post_keys=keys, resent_at=resent_at or before.resent_at)
        own = is_pending(before) and before.generation == command.generation
        return replace(after, version=before.version + 1) if own and after != before else before
    return Registration(
        command.event_id,
        command.user_id,
        Status.PENDING,
        command.generation,
        version=before.version + 1 if before else 1,
        registered_at=command.accepted_at,
        post_keys=keys,
        delete_keys=before.delete_keys if before else (),
    )
