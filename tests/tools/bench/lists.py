"""The cost of lists that read ledgers: a page, the same page read strongly consistently, and a popular page."""

from __future__ import annotations

from api.events.filter import EventFilter
from api.events.lists import CACHE_SECONDS, EventList
from api.http.caller import UNCHECKED
from api.http.pagination import PageRequest
from api.registrations.lists import RegistrationLists
from api.settings import EventSettings, RegistrationSettings
from infra.settings.limits import Limits
from tests.support.builders import NOW
from tests.tools.bench.engine import Engine
from tests.tools.bench.figures import Figure, exactly
from tests.tools.bench.units import Meter
from workers.aws.clock import SYSTEM_CLOCK, Clock
from workers.aws.items import event_key, ledger_to_item, registration_to_item
from workers.aws.load import batch_get
from workers.domain.records import Ledger, Registration, Status
from workers.domain.seat_settings import EventStatus, SeatSettings

PAGES = (50, 100)
NEW_TABLE = 12_000
"""Read units a second of a new on-demand table.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput.html"""

_SECOND = 1_000_000


def prepare(engine: Engine) -> str:
    """Put as many events with ledgers as the longest page has, and one user registered at each; return the user id."""
    events = [engine.add_event(f"listed-{number}", 100) for number in range(max(PAGES))]
    engine.add_items(engine.tables.ledger, [ledger_to_item(Ledger(e, SeatSettings(100), 1, {}, 1)) for e in events])
    user = "everywhere"
    engine.add_users([user])
    records = [Registration(event, user, Status.CONFIRMED, 1, 1, NOW + n) for n, event in enumerate(events)]
    engine.add_items(engine.tables.registrations, [registration_to_item(record) for record in records])
    return user


def page(engine: Engine, length: int, *, per_second: int = 1, seconds: int = 1) -> Meter:
    """Ask a new process for a page of events, `per_second` times a second for that many seconds."""
    client, now = engine.client(), [NOW]
    events = EventList(client, engine.settings(EventSettings), Clock(lambda: now[0], SYSTEM_CLOCK.sleep))
    with Meter(client, engine.reader) as meter:
        for _ in range(per_second * seconds):
            events.page(PageRequest(length, None), EventFilter())
            now[0] += _SECOND // per_second
    return meter


def strong_page(engine: Engine, length: int) -> Meter:
    """Read the same page with strongly consistent ledgers."""
    client = engine.client()
    with Meter(client, engine.reader) as meter:
        found = client.scan(TableName=engine.tables.events, Limit=length)["Items"]
        keys = [event_key(item["eventId"]["S"]) for item in found]
        batch_get(client, SYSTEM_CLOCK, {engine.tables.ledger: keys})
    return meter


def users_page(engine: Engine, user: str, length: int) -> Meter:
    """Read the list of a user's registrations."""
    client = engine.client()
    with Meter(client, engine.reader) as meter:
        RegistrationLists(client, engine.settings(RegistrationSettings), SYSTEM_CLOCK).of_user(
            user, PageRequest(length, None, tuple(Status)), UNCHECKED
        )
    return meter


def figures(engine: Engine) -> list[Figure]:
    """Return the figures of every page; notes have those of strongly consistent reads."""
    user = prepare(engine)
    found = [figure for length in PAGES for figure in _page_figures(engine, length)]
    longest, tables = max(PAGES), engine.tables
    theirs = users_page(engine, user, longest)
    bounds = {tables.registrations: None, tables.ledger: exactly(longest / 2), tables.events: exactly(longest)}
    return found + [
        Figure(f"a user's list of {longest}: read units of {name}", theirs.reads[table], "per page", bound)
        for (table, bound), name in zip(bounds.items(), ("registrations", "ledgers", "events"), strict=True)
    ]


def _page_figures(engine: Engine, length: int) -> list[Figure]:
    now, before, per_second = page(engine, length), strong_page(engine, length), Limits().lists
    events, ledger = engine.tables.events, engine.tables.ledger
    popular = page(engine, length, per_second=per_second, seconds=10).reads[ledger] / 10
    list_of = f"list of {length} events"
    strong = f"strongly consistent: {before.reads[ledger]:.0f}"
    most = NEW_TABLE / now.reads[ledger]
    taken_before = f"strongly consistent: {NEW_TABLE / before.reads[ledger]:.0f}"
    return [
        Figure(f"{list_of}: DynamoDB calls", now.calls.total(), "per page", exactly(len(EventStatus) + length // 50)),
        Figure(f"{list_of}: read units of ledgers", now.reads[ledger], "per page", exactly(length / 2), strong),
        Figure(f"{list_of}: read units of events", now.reads[events], "per page", note="of some 200 bytes"),
        Figure(f"{list_of}: unread pages that take all of a new table", most, "per second", None, taken_before),
        Figure(
            f"{list_of}, {per_second} times a second: read units of ledgers",
            popular,
            "per second",
            exactly(length / 2 / CACHE_SECONDS),
            "in one process",
        ),
    ]
