"""What DynamoDB is asked for and would charge, counted by rule from the requests: no figure here depends on a clock."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from api.registrations.snapshot import Reader
from api.views import waitlist_position
from tests.support.builders import cancel, promote
from tests.support.deliveries import batch
from tests.tools.bench import lists
from tests.tools.bench.engine import Crowd, Engine, batches, deliver, logs_to_nowhere, names
from tests.tools.bench.figures import Bars, Chart, Figure, Part, at_most, exactly
from tests.tools.bench.setting import Setting
from tests.tools.bench.units import Meter
from workers.aws.clock import SYSTEM_CLOCK
from workers.aws.items import Item, registration_key
from workers.domain.records import Status, registration_id

TEN = names(10)
LENGTHS = (10, 1_000, 5_000)
HOLES = 0.05
"""The share of given tickets that are gone again, in every line that is measured here but one."""

_LONG = 50_000
_NUMBERS = count(1)


def measure(setting: Setting) -> Part:
    """Calls, items and units of a full batch, a promotion, a look at one's place and a batch that comes twice."""
    engine = Engine(setting)
    engine.add_users(names(11))
    with logs_to_nowhere():
        setting.say("counts: batches")
        fresh, again, theirs = fresh_batch(engine), redelivered_batch(engine), textbook_register(engine)
        setting.say("counts: promotions")
        promotions = {length: cancel_and_promote(engine, length, HOLES) for length in (*LENGTHS, _LONG)}
        worst = cancel_and_promote(engine, _LONG, 0.5)
        setting.say("counts: promotions of the textbook")
        rewrites = {length: textbook_cancel(engine, length) for length in LENGTHS}
        positions = {length: position(engine, length) for length in (10, _LONG)}
        setting.say("counts: lists")
        listed = lists.figures(Engine(setting))  # no other events are to be on the pages
    figures = [
        *_batch_figures(fresh, again, theirs),
        *_promotion_figures(promotions, worst),
        *[_textbook_figure(length, meter) for length, meter in rewrites.items()],
        *[figure for length, meter in positions.items() for figure in _position_figures(length, meter)],
        *listed,
    ]
    lines = {
        "Turnstile": [(length, meter.write_units) for length, meter in promotions.items()],
        "textbook": [(length, meter.write_units) for length, meter in rewrites.items()],
    }
    chart = Chart("Cost of a promotion", "people in the line", "write units", lines, logarithmic=True)
    bars = {
        "Turnstile, calls": fresh.calls.total() / 10,
        "textbook, calls": float(theirs.calls.total()),
        "Turnstile, write units": fresh.write_units / 10,
        "textbook, write units": float(theirs.write_units),
        "Turnstile, read units": fresh.read_units / 10,
        "textbook, read units": theirs.read_units,
    }
    return Part("counts", figures, [chart, Bars("One registration, without conflicts", "calls and units", bars)])


def fresh_batch(engine: Engine) -> Meter:
    """Ten people register for an event that has its ledger."""
    event_id = _opened(engine)
    return metered(engine, batches(event_id, TEN))


def redelivered_batch(engine: Engine) -> Meter:
    """A batch that was committed comes again."""
    event_id = _opened(engine)
    deliver(engine.registrar(engine.client()), batches(event_id, TEN))
    return metered(engine, batches(event_id, TEN))


def cancel_and_promote(engine: Engine, waiting: int, holes: float) -> Meter:
    """The one seat of an event is given up, and its first waiter gets it: two batches, as in the pipeline."""
    crowd = _crowd(engine, waiting, holes)
    event = crowd.event_id
    meter = metered(engine, [batch(cancel(crowd.seated, event=event)), batch(promote(2, event))])
    key = registration_key(registration_id(event, crowd.first))
    stored = engine.reader.get_item(TableName=engine.tables.registrations, Key=key)["Item"]
    assert stored["status"]["S"] == Status.CONFIRMED, "nobody was promoted"
    return meter


def position(engine: Engine, waiting: int) -> Meter:
    """Somebody in the line asks for their place."""
    crowd = _crowd(engine, waiting, HOLES)
    client = engine.client()
    with Meter(client, engine.reader) as meter:
        seen = Reader(client, engine.environment, SYSTEM_CLOCK).fetch(crowd.event_id, crowd.first)
    assert seen.record is not None
    assert waitlist_position(seen.record, seen.ledger) == 1
    return meter


def textbook_register(engine: Engine) -> Meter:
    """One registration the textbook way, in nobody's way."""
    event_id, client = engine.add_event(f"count-{next(_NUMBERS)}", 100), engine.client()
    with Meter(client, engine.reader) as meter:
        assert engine.textbook(client).register(event_id, TEN[0]).outcome == "confirmed"
    return meter


def textbook_cancel(engine: Engine, waiting: int) -> Meter:
    """The seat is given up the textbook way, its first waiter gets it and all others move up."""
    event_id = f"count-{next(_NUMBERS)}"
    engine.add_textbook_event(event_id, waiting)
    client = engine.client()
    with Meter(client, engine.reader) as meter:
        assert engine.textbook(client).cancel(event_id, "seated").outcome == "cancelled"
    return meter


def _opened(engine: Engine) -> str:
    """An event that has its ledger."""
    event_id = engine.add_event(f"count-{next(_NUMBERS)}", 100)
    deliver(engine.registrar(engine.client()), batches(event_id, ["first"]))
    return event_id


def _crowd(engine: Engine, waiting: int, holes: float) -> Crowd:
    return engine.add_full_event(f"count-{next(_NUMBERS)}", waiting, holes)


def metered(engine: Engine, deliveries: Sequence[Item]) -> Meter:
    """What the registrar does for these deliveries."""
    client = engine.client()
    with Meter(client, engine.reader) as meter:
        deliver(engine.registrar(client), deliveries)
    return meter


def _batch_figures(fresh: Meter, again: Meter, theirs: Meter) -> list[Figure]:
    batch_of_ten, alone = "a full batch of fresh registrations", "without conflicts"
    return [
        Figure("full batch: transactions", fresh.calls["TransactWriteItems"], "per batch", exactly(1), batch_of_ten),
        Figure("full batch: items of the transaction", fresh.items, "per batch", exactly(11), batch_of_ten),
        Figure("full batch: DynamoDB calls", fresh.calls.total(), "per batch", at_most(2), batch_of_ten),
        Figure("full batch: write units", fresh.write_units / 10, "per registration", at_most(4.2), batch_of_ten),
        Figure("full batch: read units", fresh.read_units / 10, "per registration", at_most(1.1), batch_of_ten),
        Figure("redelivered batch: write units", again.write_units, "per batch", exactly(0)),
        Figure("redelivered batch: DynamoDB calls", again.calls.total(), "per batch", at_most(3)),
        Figure("redelivered batch: read units", again.read_units, "per batch"),
        Figure("textbook: DynamoDB calls", theirs.calls.total(), "per registration", note=alone),
        Figure("textbook: write units", theirs.write_units, "per registration", note=alone),
        Figure("textbook: read units", theirs.read_units, "per registration", note=alone),
    ]


def _promotion_figures(promotions: dict[int, Meter], worst: Meter) -> list[Figure]:
    figures = []
    for length, meter in promotions.items():
        bound, note = at_most(12 if length in LENGTHS else 24), f"{HOLES:.0%} of the tickets are holes"
        unit = "per cancel and promotion"
        figures += [
            Figure(f"promotion at {length:,} waiting: write units", meter.write_units, unit, bound, note),
            Figure(f"promotion at {length:,} waiting: read units", meter.read_units, unit, note=note),
            Figure(f"promotion at {length:,} waiting: DynamoDB calls", meter.calls.total(), unit, note=note),
        ]
    name, note = f"promotion at {_LONG:,} waiting, half holes: write units", "half of the tickets are holes"
    return [*figures, Figure(name, worst.write_units, "per cancel and promotion", note=note)]


def _textbook_figure(length: int, meter: Meter) -> Figure:
    calls = f"in {meter.calls.total()} calls"
    name = f"textbook: promotion at {length:,} waiting: write units"
    return Figure(name, meter.write_units, "per cancel and promotion", note=calls)


def _position_figures(length: int, meter: Meter) -> list[Figure]:
    name = f"place in a line of {length:,}"
    return [
        Figure(f"{name}: DynamoDB calls", meter.calls.total(), "per look", exactly(1), "one BatchGetItem"),
        Figure(f"{name}: items", meter.keys, "per look", exactly(2), "record and ledger"),
        Figure(f"{name}: read units", meter.read_units, "per look"),
    ]
