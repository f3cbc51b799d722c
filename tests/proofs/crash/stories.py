"""What happens while somebody dies: one story for each kind of command, and for each way in which a batch can go.

A story is a generator. It prepares, yields once, and then goes on; the calls behind the yield are those at which
functions are killed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.proofs.crash.case import Case
from tests.support.builders import NEW_EVENT
from tests.support.client import at, unique
from tests.support.pii_canaries import person
from tests.support.stacks import registrar_paused
from workers.aws.clock import SYSTEM_CLOCK
from workers.aws.items import event_key, ledger_from_item, registration_key
from workers.aws.messages import encode
from workers.domain.commands import Cancel, Configure, Recount, Register
from workers.domain.records import Totals, registration_id

Story = Callable[[Case], Iterator[None]]

_MORE_THAN_ONE_TRANSACTION = 100
_MORE_THAN_HALF_A_TRANSACTION = 55


def new_user(case: Case) -> Iterator[None]:
    """POST /users: somebody new."""
    case.people["ann"] = unique("user")
    yield
    case.ask("POST", "/users", person(case.people["ann"]))


def new_event(case: Case) -> Iterator[None]:
    """POST /events: an event."""
    case.events["party"] = unique("event")
    yield
    case.ask("POST", "/events", NEW_EVENT | {"eventId": case.events["party"], "capacity": 3, "hasWaitlist": True})


def seat(case: Case) -> Iterator[None]:
    """Register: the event's first seat."""
    case.event("party", 2)
    case.person("ann")
    yield
    case.register("party", "ann")


def waiting_list(case: Case) -> Iterator[None]:
    """Register: a place in the line."""
    case.event("party", 1, hasWaitlist=True)
    case.person("ann", "bob", "cy")
    case.seat("party", "ann", "bob")
    yield
    case.register("party", "cy")


def full(case: Case) -> Iterator[None]:
    """Register: refused by the registrar, no seat is left."""
    case.event("party", 0)
    case.person("ann")
    yield
    case.register("party", "ann")


def again(case: Case) -> Iterator[None]:
    """Register: again after a cancellation."""
    case.event("party", 1)
    case.person("ann")
    case.seat("party", "ann")
    case.target.front.cancel(case.events["party"], case.people["ann"])
    yield
    case.register("party", "ann")


def save_pending(case: Case) -> Iterator[None]:
    """Register: the client is promised an answer before there is one."""
    case.event("party", 1)
    case.person("ann")
    yield
    with registrar_paused(case.target.clients):
        case.register("party", "ann", "respond-async")


def several_events(case: Case) -> Iterator[None]:
    """Register: one batch, three events, more people than seats."""
    for event in ("party", "picnic", "parade"):
        case.event(event, 1, hasWaitlist=True)
    case.person("ann", "bob", "cy")
    yield
    with registrar_paused(case.target.clients):
        for event in case.events:
            case.send(*(wish(case, Register, event, name) for name in case.people))


def promotion(case: Case) -> Iterator[None]:
    """Cancel: a seat for which somebody waits, and the promotion."""
    case.event("party", 1, hasWaitlist=True)
    case.person("ann", "bob", "cy")
    case.seat("party", "ann", "bob", "cy")
    yield
    case.cancel("party", "ann")


def leave_the_line(case: Case) -> Iterator[None]:
    """Cancel: a place in the line."""
    case.event("party", 1, hasWaitlist=True)
    case.person("ann", "bob", "cy")
    case.seat("party", "ann", "bob", "cy")
    yield
    case.cancel("party", "bob")


def fence(case: Case) -> Iterator[None]:
    """Cancel: a request that was never decided."""
    case.event("party", 1)
    case.person("ann")
    with lost(case):
        case.register("party", "ann", "respond-async")
    yield
    with registrar_paused(case.target.clients):  # otherwise it is chance who writes first, the registrar or the API
        case.cancel("party", "ann", "respond-async")


def change_of_mind(case: Case) -> Iterator[None]:
    """Register: again, while neither the first request nor its cancellation is decided."""
    case.event("party", 1)
    case.person("ann")
    with lost(case):
        case.register("party", "ann", "respond-async")
        case.cancel("party", "ann", "respond-async")
    yield
    with registrar_paused(case.target.clients):
        case.register("party", "ann", "respond-async")


def in_a_hurry(case: Case) -> Iterator[None]:
    """Register, Cancel, Register: one batch, somebody behind them."""
    case.event("party", 1, hasWaitlist=True)
    case.person("ann", "bob")
    yield
    with registrar_paused(case.target.clients):
        first, last = (wish(case, Register, "party", "ann", attempt) for attempt in (1, 2))
        case.send(first, wish(case, Register, "party", "bob"), wish(case, Cancel, "party", "ann"), last)


def more_seats(case: Case) -> Iterator[None]:
    """Configure: two more seats, two promotions."""
    case.event("party", 1, hasWaitlist=True)
    case.person("ann", "bob", "cy", "dee")
    case.seat("party", "ann", "bob", "cy", "dee")
    yield
    case.ask("PATCH", at(case.events["party"]), {"capacity": 3, "title": "More"})


def fewer_seats(case: Case) -> Iterator[None]:
    """Configure: fewer seats than are taken."""
    case.event("party", 2)
    case.person("ann", "bob")
    case.seat("party", "ann", "bob")
    yield
    case.ask("PATCH", at(case.events["party"]), {"capacity": 1})


def many_more_seats(case: Case) -> Iterator[None]:
    """Configure: more promotions than one transaction takes."""
    crowd(case, "party", _MORE_THAN_ONE_TRANSACTION)
    yield
    case.send(open_up(case, "party", _MORE_THAN_ONE_TRANSACTION))


def two_crowds(case: Case) -> Iterator[None]:
    """Configure, Register: one batch, two events, too much for one transaction, so each goes alone."""
    case.people["zoe"] = unique("user")
    for event in ("party", "picnic"):
        crowd(case, event, _MORE_THAN_HALF_A_TRANSACTION)
    yield
    with registrar_paused(case.target.clients):
        for event in case.events:
            case.send(open_up(case, event, _MORE_THAN_HALF_A_TRANSACTION), wish(case, Register, event, "zoe"))


def recount(case: Case) -> Iterator[None]:
    """Recount: a ledger that does not count what there is."""
    case.event("party", 3)
    case.person("ann")
    case.seat("party", "ann")
    dynamodb, table = case.target.clients.dynamodb, case.target.outputs.ledger_table
    item = dynamodb.get_item(TableName=table, Key=event_key(case.events["party"]), ConsistentRead=True)["Item"]
    dynamodb.put_item(TableName=table, Item=item | {"confirmed": {"N": "3"}})
    sound = ledger_from_item(item)
    yield
    count = Totals(sound.confirmed, sound.waitlist, sound.last_registered_at)
    case.send(Recount(unique("command"), case.events["party"], sound.version, count, accepted_at=SYSTEM_CLOCK.now()))


def poison(case: Case) -> Iterator[None]:
    """Parking: a message that is no command, between two that are."""
    case.event("party", 2)
    case.person("ann", "bob")
    yield
    with registrar_paused(case.target.clients):
        case.send(wish(case, Register, "party", "ann"))
        case.deliver("party", f"rubbish {case.events['party']}")
        case.send(wish(case, Register, "party", "bob"))


def failing(case: Case) -> Iterator[None]:
    """Parking: a command that fails twice first, between two that do not."""
    case.event("party", 3)
    case.person("ann", "bob", "cy")
    torn = registration_key(registration_id(case.events["party"], case.people["bob"])) | {"status": {"S": "torn"}}
    case.target.clients.dynamodb.put_item(TableName=case.target.outputs.registrations_table, Item=torn)
    yield
    with registrar_paused(case.target.clients):
        case.send(*(wish(case, Register, "party", name) for name in case.people))


STORIES: dict[str, Story] = {
    story.__name__.replace("_", "-"): story
    for story in (
        new_user,
        new_event,
        seat,
        waiting_list,
        full,
        again,
        save_pending,
        several_events,
        promotion,
        leave_the_line,
        fence,
        change_of_mind,
        in_a_hurry,
        more_seats,
        fewer_seats,
        many_more_seats,
        two_crowds,
        recount,
        poison,
        failing,
    )
}
"""By the names that `--only` takes."""


@contextmanager
def lost(case: Case) -> Iterator[None]:
    """What is asked for while the context is open never arrives."""
    with registrar_paused(case.target.clients):
        yield
        case.target.clients.sqs.purge_queue(QueueUrl=case.target.outputs.queue_url)


def wish(case: Case, kind: type[Register | Cancel], event: str, name: str, attempt: int = 1) -> Register | Cancel:
    """A command of somebody."""
    return kind(unique("command"), case.events[event], case.people[name], attempt, accepted_at=SYSTEM_CLOCK.now())


def open_up(case: Case, event: str, capacity: int) -> Configure:
    """So many seats, in the first change of an event."""
    return Configure(unique("command"), case.events[event], 2, {"capacity": capacity}, accepted_at=SYSTEM_CLOCK.now())


def crowd(case: Case, event: str, number: int) -> None:
    """An event without seats, and so many people who wait for one."""
    case.event(event, 0, hasWaitlist=True)
    names = [f"{event} {place}" for place in range(1, number + 1)]
    case.people |= {name: unique("user") for name in names}
    case.deliver(event, *(encode(wish(case, Register, event, name)) for name in names))
    case.settle()
