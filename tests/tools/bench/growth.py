"""Growth with the number of events and with the length of a waiting list."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import count
from statistics import median

from tests.support.builders import register
from tests.support.deliveries import batch
from tests.tools.bench.context import BenchContext
from tests.tools.bench.counts import HOLES, LONGEST
from tests.tools.bench.engine import BATCH, Engine, batches, deliver, discarded_logs, names
from tests.tools.bench.figures import Figure, Part, at_least, at_most
from workers.aws.items import Item, ledger_to_item
from workers.domain.records import Ledger
from workers.domain.seat_settings import SeatSettings

EVENTS = (10, 1_000)
LENGTHS = (0, LONGEST)

_REGISTRATIONS = 300
_NUMBERS = count(1)


def measure(context: BenchContext) -> Part:
    """Compare medians of alternated runs on DynamoDB Local as it is."""
    engine = Engine(context)
    registrar = engine.registrar(engine.client())
    events = [f"growth-{number}" for number in range(max(EVENTS))]
    ledgers = [Ledger(event, SeatSettings(100_000), version=1) for event in events]
    engine.add_items(engine.tables.ledger, [ledger_to_item(ledger) for ledger in ledgers])

    def spread(how_many: int) -> float:
        deliveries = _spread(events[:how_many])
        return _REGISTRATIONS / _seconds(lambda: deliver(registrar, deliveries))

    def join(waiting: int) -> float:
        full = engine.add_full_event(f"growth-{next(_NUMBERS)}-waitlist", waiting, HOLES)
        deliveries = batches(full.event_id, names(BATCH))
        return 1000 * _seconds(lambda: deliver(registrar, deliveries))

    with discarded_logs():
        few, many = _take_turns(context, "growth with events", EVENTS, spread)
        empty, long = _take_turns(context, "growth with a waiting list", LENGTHS, join)
    note = "raw, ten people in a batch"
    return Part(
        "growth",
        [
            Figure(f"{EVENTS[0]} events", few, "registrations/s", note="raw, every batch of ten events"),
            Figure(f"{EVENTS[1]:,} events", many, "registrations/s", note="the same"),
            Figure(f"{EVENTS[1]:,} events to {EVENTS[0]}", many / few, "times", at_least(0.75)),
            Figure("a batch that joins an empty waiting list", empty, "ms", note=note),
            Figure(f"a batch that joins {LONGEST:,} waiting", long, "ms", note=note),
            Figure(f"joining {LONGEST:,} waiting to joining none", long / empty, "times", at_most(2)),
        ],
    )


def _take_turns(context: BenchContext, what: str, sizes: Sequence[int], run: Callable[[int], float]) -> list[float]:
    """Return the median of what `run` returns for each size; the first turn warms up and does not count."""
    found: dict[int, list[float]] = {size: [] for size in sizes}
    for number in range(context.runs + 1):
        context.say(f"{what}: run {number} of {context.runs}" if number else f"{what}: warming up")
        for size in sizes:
            found[size].append(run(size))
    return [median(values[1:]) for values in found.values()]


def _spread(events: Sequence[str]) -> list[Item]:
    """Return batches of new people's `Register`s, one event after the other."""
    newcomer = next(_NUMBERS)
    commands = [register(f"g{newcomer}-{n}", event=events[(newcomer + n) % len(events)]) for n in range(_REGISTRATIONS)]
    return [batch(*commands[start : start + BATCH]) for start in range(0, _REGISTRATIONS, BATCH)]


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began
