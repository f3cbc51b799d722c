"""Looks at the day from outside while it goes on: the ledger, the queues, and every few looks the registrations.

It reads as an operator might and takes nothing. What it saw is the board's, the pictures' and, in the end, evidence.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.soak.stack import queue_depth
from workers.aws.items import event_key, ledger_from_item, registration_from_item
from workers.domain.records import Ledger, Registration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.cli.deployment import Deployment

_EVERY_SECONDS = 0.25
_REGISTRATIONS_EVERY = 4
"""So many looks at the ledger for each one at all registrations, which costs most."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look, `at` seconds after the day began. `ledger` is None before anybody was decided; `dead_letters` are those
    that came since."""

    at: float
    ledger: Ledger | None
    queue: int
    dead_letters: int
    registrations: Mapping[str, Registration] | None = None


class Lookout:
    """Looks at one event of a deployment. `looks` are those so far."""

    def __init__(self, deployment: Deployment, event_id: str) -> None:
        self._deployment = deployment
        self._event_id = event_id
        self._began = time.monotonic()
        self._dead_before = queue_depth(deployment, deployment.outputs.dead_letter_queue_url)
        self._stopped = threading.Event()
        self._failed: Exception | None = None
        self.looks: list[Look] = []

    @property
    def seconds(self) -> float:
        """Since the day began."""
        return time.monotonic() - self._began

    @contextmanager
    def watching(self, tell: Callable[[Look], None]) -> Iterator[None]:
        """Looks, and tells of each look, while the block runs. Raises at its end what a look raised."""
        thread = threading.Thread(target=self._watch, args=(tell,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()
        if self._failed is not None:
            raise self._failed

    def look(self, *, registrations: bool = False) -> Look:
        """One look, which counts among all."""
        outputs = self._deployment.outputs
        dynamodb = self._deployment.clients.dynamodb
        key = event_key(self._event_id)
        item = dynamodb.get_item(TableName=outputs.ledger_table, Key=key, ConsistentRead=True).get("Item")
        look = Look(
            at=self.seconds,
            ledger=ledger_from_item(item) if item else None,
            queue=queue_depth(self._deployment, outputs.queue_url),
            dead_letters=queue_depth(self._deployment, outputs.dead_letter_queue_url) - self._dead_before,
            registrations=self._registrations() if registrations else None,
        )
        self.looks.append(look)
        return look

    def _watch(self, tell: Callable[[Look], None]) -> None:
        try:
            while not self._stopped.wait(_EVERY_SECONDS):
                tell(self.look(registrations=len(self.looks) % _REGISTRATIONS_EVERY == 0))
        except Exception as error:  # noqa: BLE001 - the thread that watches has nobody to raise it to; `watching` does
            self._failed = error

    def _registrations(self) -> dict[str, Registration]:
        table = self._deployment.outputs.registrations_table
        pages = self._deployment.clients.dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        found = [registration_from_item(item) for page in pages for item in page["Items"]]
        return {record.registration_id: record for record in found if record.event_id == self._event_id}
