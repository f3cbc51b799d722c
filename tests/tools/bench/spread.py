"""Spread load: a batch whose messages are of ten events, in one transaction, against one transaction per event."""

from __future__ import annotations

import time
from itertools import count
from statistics import median
from typing import TYPE_CHECKING, Any, cast

from tests.support.builders import register
from tests.support.deliveries import batch
from tests.tools.bench.engine import BATCH, Engine, deliver, logs_to_nowhere, names
from tests.tools.bench.figures import Bars, Figure, Part, at_least, exactly
from tests.tools.bench.service import Service
from tests.tools.bench.setting import Setting
from tests.tools.bench.units import Meter
from workers.aws.items import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_ROUNDS = 12


class OneByOne:
    """A client that makes a transaction of its own for each event of what is to be one; all else goes through."""

    def __init__(self, client: DynamoDBClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def transact_write_items(self, TransactItems: list[Item]) -> None:  # noqa: N803 - the SDK's name
        """One after the other, as the textbook of batch processing has it."""
        own: dict[str, list[Item]] = {}
        for item in TransactItems:
            own.setdefault(item["Put"]["Item"]["eventId"]["S"], []).append(item)
        for items in own.values():
            transaction: Any = items
            self._client.transact_write_items(TransactItems=transaction)


def measure(setting: Setting) -> Part:
    """Registrations a second with the times of AWS: ten events' messages committed together, and each event alone.

    The same code, the same batches, the same reads; medians of alternated runs.
    """
    engine = Engine(setting)
    client = engine.client()
    Service(engine.reader).attach(client)
    registrars = {"together": engine.registrar(client)}
    registrars["alone"] = engine.registrar(cast("DynamoDBClient", OneByOne(client)))
    users, numbers = names(_ROUNDS), count(1)

    def deliveries() -> list[Item]:
        """Every event gets one registration per batch."""
        events = [engine.add_event(f"spread-{next(numbers)}", 100_000) for _ in range(BATCH)]
        return [batch(*[register(user, event=event) for event in events]) for user in users]

    def run(how: str) -> float:
        batches = deliveries()
        began = time.perf_counter()
        deliver(registrars[how], batches)
        return len(batches) * BATCH / (time.perf_counter() - began)

    pairs = []
    with logs_to_nowhere():
        with Meter(client, engine.reader) as meter:
            run("together")  # and to warm up
        for number in range(setting.runs):
            setting.say(f"spread load: run {number + 1} of {setting.runs}")
            pairs.append((run("together"), run("alone")))
    one, many = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
    transactions = meter.calls["TransactWriteItems"] / _ROUNDS
    figures = [
        Figure("transactions for a batch of ten events", transactions, "per batch", exactly(1), "counted"),
        Figure("one transaction for ten events", one, "registrations/s", note="modelled, one batch after the other"),
        Figure("one transaction for each event", many, "registrations/s", note="the same batches and reads"),
        Figure("one transaction to many", one / many, "times", at_least(5)),
    ]
    bars = {"one transaction for ten events": one, "one transaction for each": many}
    return Part(
        "spread load", figures, [Bars("Ten events, registrations a second (modelled)", "registrations/s", bars)]
    )
