"""Spread load: batches of ten events' messages in one transaction, against one transaction for each event."""

from __future__ import annotations

import time
from itertools import count
from statistics import median
from typing import TYPE_CHECKING, Any, cast

from tests.support.builders import register
from tests.support.deliveries import batch
from tests.tools.bench.context import BenchContext
from tests.tools.bench.engine import BATCH, Engine, deliver, discarded_logs, names
from tests.tools.bench.figures import Figure, Part, at_least, exactly
from tests.tools.bench.modelled_dynamodb import ModelledDynamoDB
from tests.tools.bench.units import Meter
from workers.aws.items import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_ROUNDS = 12


class TransactionPerEvent:
    """A client that splits each transaction into one for each event; all else passes through."""

    def __init__(self, client: DynamoDBClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def transact_write_items(self, TransactItems: list[Item]) -> None:  # noqa: N803 - the SDK's name
        """Write one event after the other."""
        by_event: dict[str, list[Item]] = {}
        for item in TransactItems:
            by_event.setdefault(item["Put"]["Item"]["eventId"]["S"], []).append(item)
        for items in by_event.values():
            transaction: Any = items
            self._client.transact_write_items(TransactItems=transaction)


def measure(context: BenchContext) -> Part:
    """Compare registrations a second at AWS's latencies, with the same code, batches and reads."""
    engine, numbers = Engine(context), count(1)
    client = engine.client()
    ModelledDynamoDB(engine.reader).attach(client)
    together = engine.registrar(client)
    alone = engine.registrar(cast("DynamoDBClient", TransactionPerEvent(client)))

    def run(registrar: Any) -> float:
        events = [engine.add_event(f"spread-{next(numbers)}", 100_000) for _ in range(BATCH)]
        deliveries = [batch(*[register(user, event=event) for event in events]) for user in names(_ROUNDS)]
        began = time.perf_counter()
        deliver(registrar, deliveries)
        return _ROUNDS * BATCH / (time.perf_counter() - began)

    pairs = []
    with discarded_logs():
        with Meter(client, engine.reader) as meter:
            run(together)  # and to warm up
        for number in range(context.runs):
            context.say(f"spread load: run {number + 1} of {context.runs}")
            pairs.append((run(together), run(alone)))
    one, many = (median(side) for side in zip(*pairs, strict=True))
    transactions = meter.calls["TransactWriteItems"] / _ROUNDS
    return Part(
        "spread load",
        [
            Figure("transactions for a batch of ten events", transactions, "per batch", exactly(1), "counted"),
            Figure("one transaction for ten events", one, "registrations/s", note="modelled, batches in sequence"),
            Figure("one transaction for each event", many, "registrations/s", note="the same batches and reads"),
            Figure("one transaction to many", one / many, "times", at_least(5)),
        ],
    )
