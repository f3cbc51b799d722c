"""Observes the day from outside: the ledger, the queues, and every few observations the registrations.

It only reads, as an operator might. The board and the charts show what it saw; in the end it is evidence.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.proofs.soak.history import FinalState
from tests.support.stacks import queue_depth
from workers.aws.items import Item, event_key, ledger_from_item, registration_from_item, seat_settings_from_item
from workers.domain.records import Ledger, Registration

if TYPE_CHECKING:
    from infra.cli.deployment import Deployment

_EVERY_SECONDS = 0.25
_REGISTRATIONS_EVERY = 4
"""Observations of the ledger for each one of all registrations, which costs most."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The state `at` seconds after the day began.

    `ledger` is None before the first decision; `dead_letters` are those that came since the day began.
    """

    at: float
    ledger: Ledger | None
    queue: int
    dead_letters: int
    registrations: Mapping[str, Registration] | None = None


class Monitor:
    """Observes one event of a deployment. `observations` are those so far."""

    def __init__(self, deployment: Deployment, event_id: str) -> None:
        self._deployment = deployment
        self._event_id = event_id
        self._began = time.monotonic()
        self._dead_before = queue_depth(deployment.clients, deployment.outputs.dead_letter_queue_url)
        self._stopped = threading.Event()
        self._failed: Exception | None = None
        self.observations: list[Observation] = []

    @property
    def seconds(self) -> float:
        """Seconds since the day began."""
        return time.monotonic() - self._began

    @contextmanager
    def running(self, tell: Callable[[Observation], None]) -> Iterator[None]:
        """Observe, and `tell` of each observation, while the block runs. Raise at its end what that raised."""
        thread = threading.Thread(target=self._run, args=(tell,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()
        if self._failed is not None:
            raise self._failed

    def observe(self, *, registrations: bool = False) -> Observation:
        """Make one observation."""
        clients, outputs = self._deployment.clients, self._deployment.outputs
        key = event_key(self._event_id)
        item = clients.dynamodb.get_item(TableName=outputs.ledger_table, Key=key, ConsistentRead=True).get("Item")
        items = _items(self._deployment, outputs.registrations_table, {self._event_id}) if registrations else None
        found = (
            None if items is None else {record.registration_id: record for record in map(registration_from_item, items)}
        )
        observation = Observation(
            at=self.seconds,
            ledger=ledger_from_item(item) if item else None,
            queue=queue_depth(clients, outputs.queue_url),
            dead_letters=queue_depth(clients, outputs.dead_letter_queue_url) - self._dead_before,
            registrations=found,
        )
        self.observations.append(observation)
        return observation

    def _run(self, tell: Callable[[Observation], None]) -> None:
        try:
            while not self._stopped.wait(_EVERY_SECONDS):
                tell(self.observe(registrations=len(self.observations) % _REGISTRATIONS_EVERY == 0))
        except Exception as error:  # noqa: BLE001 - nobody catches what a thread raises; `running` raises it again
            self._failed = error


def final_state(deployment: Deployment, events: Collection[str], unrest: Sequence[str]) -> FinalState:
    """Return what the tables say of these events. `unrest`: what did not quiesce, in sentences."""
    outputs = deployment.outputs
    registrations = map(registration_from_item, _items(deployment, outputs.registrations_table, events))
    ledgers = map(ledger_from_item, _items(deployment, outputs.ledger_table, events))
    found = _items(deployment, outputs.events_table, events)
    settings = {item["eventId"]["S"]: seat_settings_from_item(item) for item in found}
    return FinalState(tuple(registrations), {ledger.event_id: ledger for ledger in ledgers}, settings, tuple(unrest))


def _items(deployment: Deployment, table: str, events: Collection[str]) -> list[Item]:
    pages = deployment.clients.dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    return [dict(item) for page in pages for item in page["Items"] if item.get("eventId", {}).get("S") in events]
