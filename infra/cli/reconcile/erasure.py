"""Cancel registrations of erased users: a `Register` that was still queued at the erasure gets a seat nevertheless."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from infra.cli.reconcile.waiting import wait_for_registrar
from workers.aws.erasure import cancellations
from workers.aws.items import registration_from_item, registration_key
from workers.aws.load import batch_get
from workers.aws.send import send_all

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

    from workers.aws.clock import Clock
    from workers.domain.records import Registration


class ErasureCleanup:
    """Cancels, through the queue, the registrations that erased users still have."""

    def __init__(
        self,
        client: DynamoDBClient,
        sqs: SQSClient,
        clock: Clock,
        *,
        table: str,
        queue_url: str,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._client = client
        self._sqs = sqs
        self._clock = clock
        self._table = table
        self._queue_url = queue_url
        self._new_id = new_id

    def cancel(self, registrations: Sequence[Registration]) -> frozenset[str]:
        """Send the cancellations, wait, and return the ids of the registrations that are cancelled by then.

        The others may still be cancelled later. Raises what the clients raise, and Overloaded.
        """
        send_all(self._sqs, self._queue_url, cancellations(registrations, self._new_id, self._clock.now()))
        wanted = {record.registration_id for record in registrations}
        return frozenset(wanted - wait_for_registrar(lambda: self._active(wanted), self._clock))

    def _active(self, registration_ids: set[str]) -> set[str]:
        keys = [registration_key(key) for key in registration_ids]
        items = batch_get(self._client, self._clock, {self._table: keys})[self._table]
        return {record.registration_id for record in map(registration_from_item, items) if record.is_active}
