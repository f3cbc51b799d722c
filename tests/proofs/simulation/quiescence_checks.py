"""Checks what must hold at rest, when nothing is left to process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from infra.cli.reconcile.recount import Recounter
from tests.proofs.simulation.queues import DEAD_LETTERS, QUEUE
from tests.proofs.simulation.scheduler import SECOND
from tests.proofs.simulation.state_history import EventHistory, has_outcome
from workers.aws.clock import Clock
from workers.aws.items import event_key, seat_settings_from_item
from workers.domain.commands import Cancel, Command, Configure, Register
from workers.domain.records import Status, registration_id

if TYPE_CHECKING:
    from collections.abc import Collection

    from mypy_boto3_dynamodb import DynamoDBClient

    from infra.cli.reconcile.findings import LedgerFinding
    from tests.proofs.simulation.clients import SentRequest
    from tests.proofs.simulation.dynamodb.fake import FakeDynamoDb
    from tests.proofs.simulation.simulation import Simulation

FREE_SEAT = "8: no free seat beside a waiter at rest"
LOST = "9: every accepted command has exactly one outcome"
LEFT = "10: the queues are empty at rest; every dead letter was replayed or discarded"
LAST_WORD = "the last accepted request of a person counts"
RECOUNT = "a recount finds no differences"
TITLES = "a title is the last one that was requested"
STORED = "event and ledger have the same settings at rest"

_LATE_WRITE = 30 * SECOND
"""The longest time from sending a write to its effect."""


def check_at_rest(sim: Simulation, dynamodb: FakeDynamoDb) -> None:
    """Check a simulation at rest."""
    left = [sim.sqs.queue(queue).left() for queue in (QUEUE, DEAD_LETTERS)]
    if sim.scheduler.processes or any(left):
        sim.broken(LEFT, f"{list(sim.scheduler.processes)}, {left}")
    if swallowed := [message for message in sim.nemesis.rubbish if message not in sim.parked]:
        sim.broken(LEFT, f"not parked, although nobody can process it: {swallowed}")
    asked = [sim.messages.command(message.body, message.group) for message in sim.sqs.queue(QUEUE).history]
    commands = list({command.command_id: command for command in asked if command is not None}.values())
    for history in sim.histories.values():
        own = [command for command in commands if command.event_id == history.event_id]
        _check_event(sim, history, own)
        _check_stored(sim, dynamodb, history)
        _check_title(sim, history)
    _check_last_words(sim)
    for finding in _recount(sim, dynamodb):
        if not finding.sound:
            sim.broken(RECOUNT, f"{finding}")


def _recount(sim: Simulation, dynamodb: FakeDynamoDb) -> Collection[LedgerFinding]:
    """Return what `turnstile reconcile --all` finds."""
    clock = Clock(lambda: sim.scheduler.now, lambda _: None)
    recounter = Recounter(cast("DynamoDBClient", dynamodb), clock, sim.tables.worker)
    return recounter.recount().findings.values()


def _check_event(sim: Simulation, history: EventHistory, commands: list[Command]) -> None:
    if history.ledger.promotable:
        sim.broken(
            FREE_SEAT, f"{history.event_id}: {history.ledger.free_seats} free, {len(history.ledger.waitlist)} wait"
        )
    pending = [record.user_id for record in history.records.values() if record.status is Status.PENDING]
    if pending:
        sim.broken(LOST, f"{history.event_id}: {pending} are still pending")
    for command in commands:
        if isinstance(command, Register | Cancel) and not sim.operator.threw_away(command):
            record = history.records.get(command.registration_id)
            if not has_outcome(command, record):
                sim.broken(LOST, f"{command} came to nothing: {record}")
    _check_settings(sim, history, [command for command in commands if isinstance(command, Configure)])


def _check_settings(sim: Simulation, history: EventHistory, changes: list[Configure]) -> None:
    """Check that each setting is that of the latest revision that changed it."""
    wanted: dict[str, Any] = {}
    for command in sorted(changes, key=lambda command: command.revision):
        wanted |= command.changes
    has = {name: getattr(history.ledger.settings, name) for name in wanted}
    if has != wanted:
        sim.broken(LOST, f"{history.event_id}: the settings are {has}, asked for was {wanted}")


def _check_last_words(sim: Simulation) -> None:
    """Check the result of accepted requests that began after all others of the person were answered."""
    by_pair: dict[tuple[str, str], list[SentRequest]] = {}
    for asked in sim.clients.sent:
        if asked.step.kind in {"register", "cancel"}:
            by_pair.setdefault((asked.step.event_id, asked.step.user_id), []).append(asked)
    for (event_id, user_id), requests in by_pair.items():
        last = requests[-1]
        answered = all(asked.ended is not None and asked.ended < last.began for asked in requests[:-1])
        if registration_id(event_id, user_id) in sim.operator.bereaved():
            continue  # one of their requests was discarded
        if not answered or last.replayed or last.status not in {201, 202, 204}:
            continue
        record = sim.histories[event_id].records.get(registration_id(event_id, user_id))
        accepted = {"register": record is not None and record.status is not Status.CANCELLED}
        accepted["cancel"] = record is None or not record.is_active
        if not accepted[last.step.kind]:
            sim.broken(LAST_WORD, f"{last.step} was answered {last.status}; at rest it is {record}")


def _check_stored(sim: Simulation, dynamodb: FakeDynamoDb, history: EventHistory) -> None:
    event = dynamodb.get_item(TableName=sim.tables.events, Key=event_key(history.event_id))["Item"]
    if seat_settings_from_item(event) != history.ledger.settings:
        sim.broken(STORED, f"{history.event_id}: event {event}, ledger {history.ledger.settings}")


def _check_title(sim: Simulation, history: EventHistory) -> None:
    """Check that the title is that of the last accepted change, or of one that may have come after it."""
    of_event = (request for request in sim.clients.sent if request.step.event_id == history.event_id)
    asked = [request for request in of_event if "title" in request.step.changes]
    accepted = [request for request in asked if request.status in {200, 202}]
    last = max((request.began for request in accepted), default=None)
    may_stand = [
        request.step.changes["title"]
        for request in asked
        if request.ended is None or last is None or request.ended + _LATE_WRITE >= last
    ]
    title = history.titles[-1][1]
    if title not in may_stand + ([history.titles[0][1]] if not accepted else []):
        sim.broken(TITLES, f"{history.event_id}: {title!r} is none of {may_stand}")
