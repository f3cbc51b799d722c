"""The scenarios: each kind of command, and each way in which a batch can go. `Scenario` says how they are written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from inspect import isgeneratorfunction

from tests.proofs.crash.scenario_run import Scenario, ScenarioRun
from tests.support.builders import NEW_EVENT
from tests.support.client import at, unique
from tests.support.pii_canaries import person
from tests.support.stacks import registrar_paused
from workers.aws.clock import SYSTEM_CLOCK
from workers.aws.items import event_key, ledger_from_item, registration_key
from workers.aws.messages import encode
from workers.domain.commands import Cancel, Configure, Recount, Register
from workers.domain.records import Totals, registration_id

_MORE_THAN_ONE_TRANSACTION = 100
_MORE_THAN_HALF_A_TRANSACTION = 55


def new_user(run: ScenarioRun) -> Iterator[None]:
    """POST /users: a new user."""
    run.people["ann"] = unique("user")
    yield
    run.request("POST", "/users", person(run.people["ann"]))


def new_event(run: ScenarioRun) -> Iterator[None]:
    """POST /events: an event."""
    run.events["party"] = unique("event")
    yield
    run.request("POST", "/events", NEW_EVENT | {"eventId": run.events["party"], "capacity": 3, "hasWaitlist": True})


def seat(run: ScenarioRun) -> Iterator[None]:
    """Register: the event's first seat."""
    run.event("party", 2, others="ann", waitlist=False)
    yield
    run.register("party", "ann")


def waiting_list(run: ScenarioRun) -> Iterator[None]:
    """Register: a place in the waiting list."""
    run.event("party", 1, seated="ann bob", others="cy")
    yield
    run.register("party", "cy")


def full(run: ScenarioRun) -> Iterator[None]:
    """Register: refused by the registrar, no seat is left."""
    run.event("party", 0, others="ann", waitlist=False)
    yield
    run.register("party", "ann")


def again(run: ScenarioRun) -> Iterator[None]:
    """Register: again after a cancellation."""
    run.event("party", 1, seated="ann", waitlist=False)
    run.stack.front.cancel(run.events["party"], run.people["ann"])
    yield
    run.register("party", "ann")


def save_pending(run: ScenarioRun) -> Iterator[None]:
    """Register: the client gets a 202 before the decision."""
    run.event("party", 1, others="ann", waitlist=False)
    yield
    with registrar_paused(run.stack.clients):
        run.register("party", "ann", "respond-async")


def several_events(run: ScenarioRun) -> Iterator[None]:
    """Register: one batch, three events, more people than seats."""
    for event in ("party", "picnic", "parade"):
        run.event(event, 1, others="ann bob cy")
    yield
    with registrar_paused(run.stack.clients):
        for event in run.events:
            run.send(*(_command(run, Register, event, name) for name in run.people))


def promotion(run: ScenarioRun) -> Iterator[None]:
    """Cancel: a seat for which somebody waits, and the promotion."""
    run.event("party", 1, seated="ann bob cy")
    yield
    run.cancel("party", "ann")


def leave_the_line(run: ScenarioRun) -> Iterator[None]:
    """Cancel: a place in the waiting list."""
    run.event("party", 1, seated="ann bob cy")
    yield
    run.cancel("party", "bob")


def fence(run: ScenarioRun) -> Iterator[None]:
    """Cancel: a request that was never decided."""
    run.event("party", 1, others="ann", waitlist=False)
    with _lost(run):
        run.register("party", "ann", "respond-async")
    yield
    with registrar_paused(run.stack.clients):  # otherwise registrar and API race for the first write
        run.cancel("party", "ann", "respond-async")


def change_of_mind(run: ScenarioRun) -> Iterator[None]:
    """Register: again, while neither the first request nor its cancellation is decided."""
    run.event("party", 1, others="ann", waitlist=False)
    with _lost(run):
        run.register("party", "ann", "respond-async")
        run.cancel("party", "ann", "respond-async")
    yield
    with registrar_paused(run.stack.clients):
        run.register("party", "ann", "respond-async")


def in_a_hurry(run: ScenarioRun) -> Iterator[None]:
    """Register, Cancel, Register: one batch, somebody behind them."""
    run.event("party", 1, others="ann bob")
    yield
    with registrar_paused(run.stack.clients):
        first, last = (_command(run, Register, "party", "ann", attempt) for attempt in (1, 2))
        run.send(first, _command(run, Register, "party", "bob"), _command(run, Cancel, "party", "ann"), last)


def more_seats(run: ScenarioRun) -> Iterator[None]:
    """Configure: two more seats, two promotions."""
    run.event("party", 1, seated="ann bob cy dee")
    yield
    run.request("PATCH", at(run.events["party"]), {"capacity": 3, "title": "More"})


def fewer_seats(run: ScenarioRun) -> Iterator[None]:
    """Configure: fewer seats than are taken."""
    run.event("party", 2, seated="ann bob", waitlist=False)
    yield
    run.request("PATCH", at(run.events["party"]), {"capacity": 1})


def many_more_seats(run: ScenarioRun) -> Iterator[None]:
    """Configure: more promotions than one transaction takes."""
    _crowd(run, "party", _MORE_THAN_ONE_TRANSACTION)
    yield
    run.send(_more_seats(run, "party", _MORE_THAN_ONE_TRANSACTION))


def two_crowds(run: ScenarioRun) -> Iterator[None]:
    """Configure, Register: one batch, two events, too much for one transaction, so each goes alone."""
    run.people["zoe"] = unique("user")
    for event in ("party", "picnic"):
        _crowd(run, event, _MORE_THAN_HALF_A_TRANSACTION)
    yield
    with registrar_paused(run.stack.clients):
        for event in run.events:
            configure = _more_seats(run, event, _MORE_THAN_HALF_A_TRANSACTION)
            run.send(configure, _command(run, Register, event, "zoe"))


def recount(run: ScenarioRun) -> Iterator[None]:
    """Recount: a ledger with a wrong count."""
    run.event("party", 3, seated="ann", waitlist=False)
    dynamodb, table = run.stack.clients.dynamodb, run.stack.outputs.ledger_table
    item = dynamodb.get_item(TableName=table, Key=event_key(run.events["party"]), ConsistentRead=True)["Item"]
    dynamodb.put_item(TableName=table, Item=item | {"confirmed": {"N": "3"}})
    sound = ledger_from_item(item)
    yield
    totals = Totals(sound.confirmed, sound.waitlist, sound.last_registered_at)
    run.send(Recount(unique("command"), run.events["party"], sound.version, totals, accepted_at=SYSTEM_CLOCK.now()))


def poison(run: ScenarioRun) -> Iterator[None]:
    """Parking: a message that is no command, between two that are."""
    run.event("party", 2, others="ann bob", waitlist=False)
    yield
    with registrar_paused(run.stack.clients):
        run.send(_command(run, Register, "party", "ann"))
        run.deliver("party", f"rubbish {run.events['party']}")
        run.send(_command(run, Register, "party", "bob"))


def failing(run: ScenarioRun) -> Iterator[None]:
    """Parking: a command that fails twice first, between two that do not."""
    run.event("party", 3, others="ann bob cy", waitlist=False)
    torn = registration_key(registration_id(run.events["party"], run.people["bob"])) | {"status": {"S": "torn"}}
    run.stack.clients.dynamodb.put_item(TableName=run.stack.outputs.registrations_table, Item=torn)
    yield
    with registrar_paused(run.stack.clients):
        run.send(*(_command(run, Register, "party", name) for name in run.people))


SCENARIOS: dict[str, Scenario] = {
    name.replace("_", "-"): value for name, value in dict(globals()).items() if isgeneratorfunction(value)
}
"""All scenarios above, by the names that `--only` takes."""


@contextmanager
def _lost(run: ScenarioRun) -> Iterator[None]:
    """Lose the messages that are sent while the block runs."""
    with registrar_paused(run.stack.clients):
        yield
        run.stack.clients.sqs.purge_queue(QueueUrl=run.stack.outputs.queue_url)


def _command(
    run: ScenarioRun, kind: type[Register | Cancel], event: str, name: str, attempt: int = 1
) -> Register | Cancel:
    return kind(unique("command"), run.events[event], run.people[name], attempt, accepted_at=SYSTEM_CLOCK.now())


def _more_seats(run: ScenarioRun, event: str, capacity: int) -> Configure:
    """Return the first change of an event."""
    return Configure(unique("command"), run.events[event], 2, {"capacity": capacity}, accepted_at=SYSTEM_CLOCK.now())


def _crowd(run: ScenarioRun, event: str, number: int) -> None:
    """Create an event without seats, and a waiting list of that length."""
    run.event(event, 0)
    names = [f"{event} {place}" for place in range(1, number + 1)]
    run.people |= {name: unique("user") for name in names}
    run.deliver(event, *(encode(_command(run, Register, event, name)) for name in names))
    run.settle()
