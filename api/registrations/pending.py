"""What a client is promised is written into her pending registration before she hears it.

That it is pending at all, so that the Location of the 202 resolves; the idempotency keys of the requests that asked for
it; when its command was sent once more; that its cancellation is on the way. The registrar may be faster at any moment:
every write has the version that was read as its condition, and the outcome is never written over.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeGuard

from api.http.polling import none_on_transient_error
from api.registrations.responses import Standing
from api.registrations.snapshot import Reader, Snapshot
from workers.aws.clients import Overloaded
from workers.aws.clock import Clock
from workers.aws.commit import versioned_put
from workers.domain.commands import Register
from workers.domain.records import Ledger, Registration, Status, remember_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_PUTS = 12
"""So many attempts to write into a pending registration: of so many requests at once, one wins each time."""

_CONFLICT_PAUSE_SECONDS = 0.05


class PendingStore:
    """Writes into pending registrations."""

    def __init__(self, dynamodb: DynamoDBClient, reader: Reader, table: str, clock: Clock) -> None:
        self._dynamodb = dynamodb
        self._reader = reader
        self._table = table
        self._clock = clock

    def save_pending(self, command: Register, before: Registration | None, resent_at: int | None = None) -> Standing:
        """Writes `pending`, so that the Location of the 202 resolves, or into what is pending already its key and when
        it was sent once more; unless the registrar was faster.

        Overloaded if it cannot be written: who is told that her request is pending must find it so. (That it is, she
        does if only her key could not be added, among many that came at once.)
        """
        ledger: Ledger | None = None
        for _ in range(_PUTS):
            pending = self._pending(command, before, resent_at)
            if pending is before:
                return Standing(pending, ledger)
            if self._put(pending):
                return Standing(pending)
            seen = none_on_transient_error(lambda: self._reader.fetch(command.event_id, command.user_id))() or Snapshot(
                record=before
            )
            before, ledger = seen.record, seen.ledger
        if before is None or before.generation < command.generation:
            raise Overloaded("the registration could not be noted as pending")
        return Standing(before, ledger)

    def note_cancelling(self, record: Registration, key: str | None) -> None:
        """A registration whose Cancel was sent says so, while it is pending. Overloaded if that cannot be written."""
        for _ in range(_PUTS):
            keys = remember_key(record.delete_keys, key)
            noted = record.cancelling and record.delete_keys == keys
            if noted or not is_pending(record):
                return
            # Who registers again before this is decided then asks for the attempt after it.
            if self._put(replace(record, version=record.version + 1, cancelling=True, delete_keys=keys)):
                return
            now = self._reader.record(record.event_id, record.user_id)
            if now is None or now.generation != record.generation:
                return
            record = now
        if not record.cancelling:
            raise Overloaded("the cancellation could not be noted")

    def _pending(self, command: Register, before: Registration | None, resent_at: int | None) -> Registration:
        """What must be stored while the command is undecided; `before` itself if nothing is to be changed."""
        keys = remember_key(before.post_keys if before else (), command.key)
        if before is not None and before.generation >= command.generation:
            noted = replace(before, post_keys=keys, resent_at=resent_at or before.resent_at)
            own = is_pending(before) and before.generation == command.generation
            return replace(noted, version=before.version + 1) if own and noted != before else before
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

    def _put(self, record: Registration) -> bool:
        """False if the record is not as it was read, or the registrar's transaction is just changing it."""
        try:
            self._dynamodb.put_item(**versioned_put(self._table, record))
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        except self._dynamodb.exceptions.TransactionConflictException:
            self._clock.sleep(_CONFLICT_PAUSE_SECONDS)
            return False
        return True


def is_pending(record: Registration | None) -> TypeGuard[Registration]:
    """True while nobody has decided it."""
    return record is not None and record.status is Status.PENDING
