"""What grows with the number of events, with the length of a line and with a list page, and what does not."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from statistics import median

from api.http.caller import UNCHECKED
from api.http.pagination import Page
from api.registrations.lists import Lists
from tests.support.builders import NOW, cancel, promote, register
from tests.support.deliveries import batch
from tests.tools.bench.counts import HOLES, metered
from tests.tools.bench.engine import BATCH, Crowd, Engine, batches, deliver, logs_to_nowhere, names
from tests.tools.bench.figures import Chart, Figure, Part, Point, at_least, at_most, exactly
from tests.tools.bench.setting import Setting
from tests.tools.bench.units import Meter
from workers.aws.clock import SYSTEM_CLOCK
from workers.aws.items import Item, ledger_to_item, registration_to_item
from workers.domain.records import ACTIVE_STATUSES, Ledger, Registration, Status
from workers.domain.seat_settings import SeatSettings

EVENTS = (1, 10, 100, 1_000)
LENGTHS = (0, 1_000, 5_000, 20_000, 50_000)
PAGES = (10, 25, 50, 100)

_REGISTRATIONS = 300
_CROWD = 1_000
_LOOKS = 10
_PAGE_CALLS = 6
"""Event and ledger, an index page for each of three statuses, the records, their users."""
_NUMBERS = count(1)

Found = tuple[list[Figure], list[Chart]]


def measure(setting: Setting) -> Part:
    """Times on DynamoDB Local as it is, medians of runs that take turns; units and calls by rule."""
    engine = Engine(setting)
    with logs_to_nowhere():
        found = [_over_events(setting, engine), _over_line(setting, engine), _over_page(setting, engine)]
    return Part("growth", [f for figures, _ in found for f in figures], [c for _, charts in found for c in charts])


def _over_events(setting: Setting, engine: Engine) -> Found:
    events = [f"growth-{number}" for number in range(max(EVENTS))]
    ledgers = [Ledger(event, SeatSettings(100_000), version=1) for event in events]
    engine.add_items(engine.tables.ledger, [ledger_to_item(ledger) for ledger in ledgers])
    registrar = engine.registrar(engine.client())

    def run(how_many: int) -> float:
        deliveries = _spread(events[:how_many], _REGISTRATIONS)
        return 1000 * _REGISTRATIONS / _milliseconds(lambda: deliver(registrar, deliveries))

    speeds = _take_turns(setting, "growth with events", EVENTS, run)
    times = {how_many: 1000 * BATCH / speed for how_many, speed in speeds.items()}  # one batch after the other
    costs = {how_many: metered(engine, _spread(events[:how_many], BATCH)) for how_many in EVENTS}
    most, least = EVENTS[-1], EVENTS[1]
    figures = [
        *[Figure(f"{_events(n)}: Turnstile", speed, "registrations/s", note="raw") for n, speed in speeds.items()],
        Figure(
            f"registrations/s at {most:,} events to those at {least}",
            speeds[most] / speeds[least],
            "times",
            at_least(0.75),
            "every batch is of ten events in both",
        ),
        *[Figure(f"{_events(n)}: batch", ms, "ms", note="raw, ten registrations") for n, ms in times.items()],
        *[_write_units(_events(n), meter, 4.2 if n == 1 else 6) for n, meter in costs.items()],
    ]
    return figures, [
        Chart("Throughput over events", "events", "registrations/s", {"Turnstile": _points(speeds)}, logarithmic=True),
        Chart("Latency over events", "events", "ms", {"a batch of ten": _points(times)}, logarithmic=True),
    ]


def _over_line(setting: Setting, engine: Engine) -> Found:
    registrar = engine.registrar(engine.client())

    def join(length: int) -> float:
        joins = _joining(_crowd(engine, length))
        return _milliseconds(lambda: deliver(registrar, joins))

    def change(length: int) -> float:
        changes = _changing(_crowd(engine, length))
        return _milliseconds(lambda: deliver(registrar, changes))

    joined = _take_turns(setting, "growth of the line, joining", LENGTHS, join)
    promoted = _take_turns(setting, "growth of the line, promoting", LENGTHS[1:], change)
    sizes = {length: _crowd(engine, length).ledger_bytes for length in LENGTHS}
    costs = {length: metered(engine, _joining(_crowd(engine, length))) for length in LENGTHS}
    short, most = LENGTHS[1], LENGTHS[-1]
    holes = f"{HOLES:.0%} of the tickets are holes"
    figures = [
        *[Figure(f"line of {n:,}: batch that joins it", ms, "ms", note="raw, ten people") for n, ms in joined.items()],
        *[Figure(f"line of {n:,}: cancel and promotion", ms, "ms", note="raw") for n, ms in promoted.items()],
        Figure(f"joining a line of {most:,} to one of 0", joined[most] / joined[0], "times", at_most(2)),
        Figure(f"promotion in a line of {most:,} to {short:,}", promoted[most] / promoted[short], "times", at_most(2)),
        *[Figure(f"line of {n:,}: ledger", size, "bytes", note=holes) for n, size in sizes.items()],
        *[_write_units(f"joining a line of {n:,}", meter, 4.2 if n <= 5_000 else None) for n, meter in costs.items()],
    ]
    times = {"ten people join": _points(joined), "cancel and promotion": _points(promoted)}
    return figures, [
        Chart("Time over the length of the line", "people in the line", "ms", times),
        Chart("Ledger over the length of the line", "people in the line", "bytes", {"ledger item": _points(sizes)}),
    ]


def _over_page(setting: Setting, engine: Engine) -> Found:
    event_id = engine.add_event(f"growth-{next(_NUMBERS)}-list", _CROWD)
    users = names(_CROWD)
    engine.add_users(users)
    records = [Registration(event_id, user, Status.CONFIRMED, 1, 1, NOW + number) for number, user in enumerate(users)]
    engine.add_items(engine.tables.registrations, [registration_to_item(record) for record in records])
    timed, counted = engine.client(), engine.client()
    statuses = tuple(status for status in Status if status in ACTIVE_STATUSES)

    def look(limit: int) -> float:
        page = Page(limit, None, statuses)
        desk = Lists(timed, engine.environment, SYSTEM_CLOCK)
        return _milliseconds(lambda: [desk.of_event(event_id, page, UNCHECKED) for _ in range(_LOOKS)]) / _LOOKS

    times = _take_turns(setting, "growth of a list page", PAGES, look)
    calls = {}
    for limit in PAGES:
        with Meter(counted, engine.reader) as meter:
            desk = Lists(counted, engine.environment, SYSTEM_CLOCK)
            desk.of_event(event_id, Page(limit, None, statuses), UNCHECKED)
        calls[limit] = meter.calls.total()
    least, most = PAGES[0], PAGES[-1]
    figures = [
        *[Figure(f"page of {n}", ms, "ms", note=f"raw, of {_CROWD:,} registrations") for n, ms in times.items()],
        Figure(f"a page of {most} to one of {least}", times[most] / times[least], "times", at_most(most / least)),
        *[Figure(f"page of {n}: DynamoDB calls", made, "calls", exactly(_PAGE_CALLS)) for n, made in calls.items()],
    ]
    return figures, [Chart("Time over the size of a list page", "entries", "ms", {"list": _points(times)})]


def _take_turns(setting: Setting, what: str, sizes: Sequence[int], run: Callable[[int], float]) -> dict[int, float]:
    """The median of what `run` answers, by size; the first turn warms up and is not counted."""
    found: dict[int, list[float]] = {size: [] for size in sizes}
    for number in range(setting.runs + 1):
        setting.say(f"{what}: run {number} of {setting.runs}" if number else f"{what}: warming up")
        for size in sizes:
            found[size].append(run(size))
    return {size: median(values[1:]) for size, values in found.items()}


def _spread(events: Sequence[str], how_many: int) -> list[Item]:
    """Batches of `Register`s of new people, one event after the other."""
    newcomer = next(_NUMBERS)
    commands = [register(f"g{newcomer}-{n}", event=events[(newcomer + n) % len(events)]) for n in range(how_many)]
    return [batch(*commands[start : start + BATCH]) for start in range(0, how_many, BATCH)]


def _crowd(engine: Engine, length: int) -> Crowd:
    return engine.add_full_event(f"growth-{next(_NUMBERS)}-line", length, HOLES)


def _joining(crowd: Crowd) -> list[Item]:
    return batches(crowd.event_id, names(BATCH))


def _changing(crowd: Crowd) -> list[Item]:
    return [batch(cancel(crowd.seated, event=crowd.event_id)), batch(promote(2, crowd.event_id))]


def _write_units(where: str, meter: Meter, bound: float | None) -> Figure:
    units = meter.write_units / BATCH
    return Figure(f"{where}: write units", units, "per registration", None if bound is None else at_most(bound))


def _events(how_many: int) -> str:
    return "1 event" if how_many == 1 else f"{how_many:,} events"


def _milliseconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return 1000 * (time.perf_counter() - began)


def _points(values: Mapping[int, float]) -> list[Point]:
    return [(size, value) for size, value in values.items()]
