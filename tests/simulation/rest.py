"""What must hold when nothing is left to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from infra.cli.recount import Recounter
from tests.simulation.book import Book, has_outcome
from tests.simulation.queues import QUEUE
from workers.aws.clock import Clock
from workers.aws.items import event_key, registration_from_item, registration_key, seat_settings_from_item
from workers.domain.commands import Cancel, Command, Configure, Register
from workers.domain.records import Status, registration_id

if TYPE_CHECKING:
    from collections.abc import Collection

    from mypy_boto3_dynamodb import DynamoDBClient

    from infra.cli.recount import Finding
    from tests.simulation.dynamodb.fake import FakeDynamoDb
    from tests.simulation.world import Asked, World

FREE_SEAT = "8: no free seat beside a waiter at rest"
LOST = "9: every accepted command has exactly one outcome"
LEFT = "10: the queues are empty at rest, or what is dead is explained"
LAST_WORD = "who asked for nothing else since has what was last accepted"
RECOUNT = "a recount finds nothing to say"
STORED = "what is stored at rest is what was written"


def at_rest(world: World, dynamodb: FakeDynamoDb) -> None:
    """Checks a history that has come to rest."""
    if world.engine.processes or world.sqs.queue(QUEUE).left() or world.hands.unexplained():
        text = f"{list(world.engine.processes)}, {world.sqs.queue(QUEUE).left()}, dead: {world.hands.unexplained()}"
        world.broken(LEFT, text)
    asked = [world.rules.command(body) for body in world.sqs.queue(QUEUE).bodies()]
    commands = list({command.command_id: command for command in asked if command is not None}.values())
    for book in world.rules.books.values():
        own = [command for command in commands if command.event_id == book.event_id]
        _check_event(world, book, own)
        _check_stored(world, dynamodb, book)
    _check_last_words(world)
    for finding in _recount(world, dynamodb):
        if not finding.sound:
            world.broken(RECOUNT, f"{finding}")


def _recount(world: World, dynamodb: FakeDynamoDb) -> Collection[Finding]:
    """What `turnstile reconcile --all` finds."""
    clock = Clock(lambda: world.engine.now, lambda _: None)
    recounter = Recounter(cast("DynamoDBClient", dynamodb), clock, world.tables.worker)
    return recounter.look().findings.values()


def _check_event(world: World, book: Book, commands: list[Command]) -> None:
    if book.ledger.promotable:
        world.broken(FREE_SEAT, f"{book.event_id}: {book.ledger.free_seats} free, {len(book.ledger.line)} wait")
    pending = [record.user_id for record in book.records.values() if record.status is Status.PENDING]
    if pending:
        world.broken(LOST, f"{book.event_id}: {pending} are still pending")
    for command in commands:
        if isinstance(command, Register | Cancel):
            record = book.records.get(command.registration_id)
            if not has_outcome(command, record):
                world.broken(LOST, f"{command} came to nothing: {record}")
    _check_settings(world, book, [command for command in commands if isinstance(command, Configure)])


def _check_settings(world: World, book: Book, changes: list[Configure]) -> None:
    """Each setting is what the latest revision that names it asked for."""
    wanted: dict[str, Any] = {}
    for command in sorted(changes, key=lambda command: command.revision):
        wanted |= command.changes
    has = {name: getattr(book.ledger.settings, name) for name in wanted}
    if has != wanted:
        world.broken(LOST, f"{book.event_id}: the settings are {has}, asked for was {wanted}")


def _check_last_words(world: World) -> None:
    """Whose last request was accepted when all her others had been answered, ends as it asked for."""
    by_pair: dict[tuple[str, str], list[Asked]] = {}
    for asked in world.asked:
        if asked.step.kind in {"register", "cancel"}:
            by_pair.setdefault((asked.step.event_id, asked.step.user_id), []).append(asked)
    for (event_id, user_id), requests in by_pair.items():
        last = requests[-1]
        answered = all(asked.ended is not None and asked.ended < last.began for asked in requests[:-1])
        if not answered or last.replayed or last.status not in {201, 202, 204}:
            continue
        record = world.rules.books[event_id].records.get(registration_id(event_id, user_id))
        accepted = {"register": record is not None and record.status is not Status.CANCELLED}
        accepted["cancel"] = record is None or not record.alive
        if not accepted[last.step.kind]:
            world.broken(LAST_WORD, f"{last.step} was answered {last.status}; at rest it is {record}")


def _check_stored(world: World, dynamodb: FakeDynamoDb, book: Book) -> None:
    event = dynamodb.get_item(TableName=world.tables.events, Key=event_key(book.event_id))["Item"]
    if seat_settings_from_item(event) != book.ledger.settings:
        world.broken(STORED, f"{book.event_id}: event {event}, ledger {book.ledger.settings}")
    for key, record in book.records.items():
        item = dynamodb.get_item(TableName=world.tables.registrations, Key=registration_key(key))["Item"]
        if registration_from_item(item) != record:
            world.broken(STORED, f"{key}: {item} is not {record}")
