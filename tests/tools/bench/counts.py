"""Requests to DynamoDB and its charges, counted by rule: no figure here depends on a clock."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from api.registrations.snapshot import SnapshotReader
from api.settings import RegistrationSettings
from tests.support.builders import cancel, promote
from tests.support.deliveries import batch
from tests.tools.bench import lists
from tests.tools.bench.context import BenchContext
from tests.tools.bench.engine import Engine, batches, deliver, discarded_logs, names
from tests.tools.bench.figures import Figure, Part, at_most, exactly
from tests.tools.bench.units import Meter
from workers.aws.clock import SYSTEM_CLOCK
from workers.aws.items import Item, registration_key
from workers.domain.records import Status, registration_id, waitlist_position

TEN = names(10)
LENGTHS = (10, 1_000, 5_000)
LONGEST = 50_000
HOLES = 0.05
"""The share of tickets given that are gone again, in every waiting list that is measured here but one."""

_NUMBERS = count(1)


def measure(context: BenchContext) -> Part:
    """Count calls, items and units of a full batch, a redelivered one, a promotion, a waiting-list position, lists."""
    engine = Engine(context)
    engine.add_users(names(11))
    with discarded_logs():
        context.say("counts: batches")
        figures = _batch_figures(fresh_batch(engine), redelivered_batch(engine), textbook_register(engine))
        context.say("counts: promotions")
        for length in (*LENGTHS, LONGEST):
            figures += _promotion_figures(length, cancel_and_promote(engine, length, HOLES))
        worst, unit = cancel_and_promote(engine, LONGEST, 0.5).write_units, "per cancel and promotion"
        name, note = f"promotion at {LONGEST:,} waiting, half holes: write units", "half of the tickets are holes"
        figures.append(Figure(name, worst, unit, note=note))
        context.say("counts: promotions of the textbook")
        for length in LENGTHS:
            meter = textbook_cancel(engine, length)
            name, note = f"textbook: promotion at {length:,} waiting: write units", f"in {meter.calls.total()} calls"
            figures.append(Figure(name, meter.write_units, unit, note=note))
        for length in (10, LONGEST):
            figures += _position_figures(length, position(engine, length))
        context.say("counts: lists")
        figures += lists.figures(Engine(context))  # no other events may be on the pages
    return Part("counts", figures)


def fresh_batch(engine: Engine) -> Meter:
    """Register ten people for an event that has its ledger."""
    return _metered(engine, batches(_opened(engine), TEN))


def redelivered_batch(engine: Engine) -> Meter:
    """Deliver a committed batch again."""
    event_id = _opened(engine)
    deliver(engine.registrar(engine.client()), batches(event_id, TEN))
    return _metered(engine, batches(event_id, TEN))


def cancel_and_promote(engine: Engine, waiting: int, holes: float) -> Meter:
    """Cancel the one seat of an event and promote its first waiter: two batches, as in the pipeline."""
    full = engine.add_full_event(_event_id(), waiting, holes)
    meter = _metered(engine, [batch(cancel(full.seated, event=full.event_id)), batch(promote(2, full.event_id))])
    key = registration_key(registration_id(full.event_id, full.first))
    stored = engine.reader.get_item(TableName=engine.tables.registrations, Key=key)["Item"]
    assert stored["status"]["S"] == Status.CONFIRMED, "nobody was promoted"
    return meter


def position(engine: Engine, waiting: int) -> Meter:
    """Read a position on the waiting list."""
    full, client = engine.add_full_event(_event_id(), waiting, HOLES), engine.client()
    with Meter(client, engine.reader) as meter:
        reader = SnapshotReader(client, engine.settings(RegistrationSettings), SYSTEM_CLOCK)
        seen = reader.fetch(full.event_id, full.first)
    assert seen.record is not None
    assert waitlist_position(seen.record, seen.ledger) == 1
    return meter


def textbook_register(engine: Engine) -> Meter:
    """Register one person the textbook way, without a conflict."""
    event_id, client = engine.add_event(_event_id(), 100), engine.client()
    with Meter(client, engine.reader) as meter:
        assert engine.textbook(client).register(event_id, TEN[0]).outcome == "confirmed"
    return meter


def textbook_cancel(engine: Engine, waiting: int) -> Meter:
    """Cancel the seat the textbook way: the first waiter gets it and all others move up."""
    event_id, client = _event_id(), engine.client()
    engine.add_textbook_event(event_id, waiting)
    with Meter(client, engine.reader) as meter:
        assert engine.textbook(client).cancel(event_id, "seated").outcome == "cancelled"
    return meter


def _event_id() -> str:
    return f"count-{next(_NUMBERS)}"


def _opened(engine: Engine) -> str:
    """Add an event that has its ledger."""
    event_id = engine.add_event(_event_id(), 100)
    deliver(engine.registrar(engine.client()), batches(event_id, ["first"]))
    return event_id


def _metered(engine: Engine, deliveries: Sequence[Item]) -> Meter:
    """Count what the registrar does for these deliveries."""
    client = engine.client()
    with Meter(client, engine.reader) as meter:
        deliver(engine.registrar(client), deliveries)
    return meter


def _batch_figures(fresh: Meter, again: Meter, theirs: Meter) -> list[Figure]:
    full, alone = "a full batch of new registrations", "without conflicts"
    return [
        Figure("full batch: transactions", fresh.calls["TransactWriteItems"], "per batch", exactly(1), full),
        Figure("full batch: items of the transaction", fresh.items, "per batch", exactly(11), full),
        Figure("full batch: DynamoDB calls", fresh.calls.total(), "per batch", at_most(2), full),
        Figure("full batch: write units", fresh.write_units / 10, "per registration", at_most(4.2), full),
        Figure("full batch: read units", fresh.read_units / 10, "per registration", at_most(1.1), full),
        Figure("redelivered batch: write units", again.write_units, "per batch", exactly(0)),
        Figure("redelivered batch: DynamoDB calls", again.calls.total(), "per batch", at_most(3)),
        Figure("redelivered batch: read units", again.read_units, "per batch"),
        Figure("textbook: DynamoDB calls", theirs.calls.total(), "per registration", note=alone),
        Figure("textbook: write units", theirs.write_units, "per registration", note=alone),
        Figure("textbook: read units", theirs.read_units, "per registration", note=alone),
    ]


def _promotion_figures(length: int, meter: Meter) -> list[Figure]:
    unit, note = "per cancel and promotion", f"{HOLES:.0%} of the tickets are holes"
    bound, name = at_most(24 if length == LONGEST else 12), f"promotion at {length:,} waiting"
    return [
        Figure(f"{name}: write units", meter.write_units, unit, bound, note),
        Figure(f"{name}: read units", meter.read_units, unit, note=note),
        Figure(f"{name}: DynamoDB calls", meter.calls.total(), unit, note=note),
    ]


def _position_figures(length: int, meter: Meter) -> list[Figure]:
    name = f"position among {length:,} waiting"
    return [
        Figure(f"{name}: DynamoDB calls", meter.calls.total(), "per read", exactly(1), "one BatchGetItem"),
        Figure(f"{name}: items", meter.keys, "per read", exactly(2), "record and ledger"),
        Figure(f"{name}: read units", meter.read_units, "per read"),
    ]
