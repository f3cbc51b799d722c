"""Many workers on one event at the same time: what FIFO groups prevent, the conditions in the tables prevent again."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.integration.bench import Bench, batch, refusal
from tests.support.builders import EVENT, NOW, cancel, promote, register
from workers.aws.clock import Clock
from workers.domain.commands import Command
from workers.registrar import Registrar

pytestmark = pytest.mark.integration

WORKERS, SEATS, WAITING = 20, 25, 15


def work(bench: Bench, registrar: Registrar, commands: list[Command]) -> int:
    """Delivers a batch again and again until nothing of it fails; answers how often."""
    for delivery in range(1, 200):
        failures = registrar.handle(batch(*commands, receives=delivery))["batchItemFailures"]
        failed = {failure["itemIdentifier"] for failure in failures}
        commands = [command for index, command in enumerate(commands) if f"m{index}" in failed]
        if not commands:
            return delivery
    raise AssertionError("it never ended")


def test_twenty_workers_on_one_event_never_oversell(bench: Bench) -> None:
    """60 people, some change their mind, 20 workers, conflicts on top: 25 seats, 15 places, no rule broken."""
    bench.add_event(SEATS, hasWaitlist={"BOOL": True}, waitlistCapacity={"N": str(WAITING)})
    chance = random.Random(7)
    conflict = refusal("TransactionCanceledException", CancellationReasons=[{"Code": "TransactionConflict"}])

    def sometimes(_: dict[str, Any]) -> Any:
        return conflict if chance.random() < 0.2 else None

    bench.before("TransactWriteItems", sometimes)
    clock = Clock(lambda: NOW, lambda _: None)
    pipeline = bench.pipeline
    workers = [
        Registrar(pipeline.dynamodb, pipeline.sqs, bench.tables.worker, pipeline.queue, pipeline.dead_letters, clock)
        for _ in range(WORKERS)
    ]
    batches: list[list[Command]] = [
        [register(f"u{number}a"), register(f"u{number}b"), register(f"u{number}c"), cancel(f"u{number}a")]
        for number in range(WORKERS)
    ]
    with ThreadPoolExecutor(WORKERS) as pool:
        deliveries = list(pool.map(lambda pair: work(bench, *pair), zip(workers, batches, strict=True)))
    assert max(deliveries) > 1
    bench.check()
    ledger = pipeline.ledger(EVENT)
    assert (ledger.confirmed <= SEATS, len(ledger.line) <= WAITING) == (True, True)
    assert len(bench.records()) == 3 * WORKERS
    assert all(bench.statuses()[f"u{number}a"] in {"cancelled", "rejected"} for number in range(WORKERS))
    while pipeline.ledger(EVENT).promotable:
        work(bench, workers[0], [promote(pipeline.ledger(EVENT).version)])
    bench.check()
    assert (len(bench.who("confirmed")), bench.reasons()) == (SEATS, [])
