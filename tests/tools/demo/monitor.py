"""Looks at the day from outside while it goes on: the ledger, the queues, and every few looks the registrations.

It reads as an operator might and takes nothing. What it saw is the board's, the pictures' and, in the end, evidence.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.proofs.soak.history import FinalState
from tests.support.stacks import queue_depth
from workers.aws.items import Item, event_key, ledger_from_item, registration_from_item, seat_settings_from_item
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
        self._dead_before = queue_depth(deployment.clients, deployment.outputs.dead_letter_queue_url)
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
            queue=queue_depth(self._deployment.clients, outputs.queue_url),
            dead_letters=queue_depth(self._deployment.clients, outputs.dead_letter_queue_url) - self._dead_before,
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
        found = map(registration_from_item, items_of(self._deployment, "registrations_table", {self._event_id}))
        return {record.registration_id: record for record in found}


def items_of(deployment: Deployment, table: str, events: Collection[str]) -> list[Item]:
    """What a table, by the name of its output, has of these events, strongly consistent."""
    name = getattr(deployment.outputs, table)
    pages = deployment.clients.dynamodb.get_paginator("scan").paginate(TableName=name, ConsistentRead=True)
    return [dict(item) for page in pages for item in page["Items"] if item.get("eventId", {}).get("S") in events]


def at_rest(deployment: Deployment, events: Collection[str], unrest: Sequence[str]) -> FinalState:
    """What the tables say of these events. `unrest`: what did not come to rest, in sentences."""
    registrations = map(registration_from_item, items_of(deployment, "registrations_table", events))
    ledgers = map(ledger_from_item, items_of(deployment, "ledger_table", events))
    settings = {
        item["eventId"]["S"]: seat_settings_from_item(item) for item in items_of(deployment, "events_table", events)
    }
    return FinalState(tuple(registrations), {one.event_id: one for one in ledgers}, settings, tuple(unrest))
