"""What must hold when nothing is left to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from api.http.caller import UNCHECKED
from api.http.pagination import Page
from api.registrations.lists import Lists
from infra.cli.reconcile.recount import Recounter
from tests.proofs.simulation.engine import SECOND
from tests.proofs.simulation.queues import DEAD_LETTERS, QUEUE
from tests.proofs.simulation.state_history import Book, has_outcome
from tests.support.pipeline import BASE_URL
from workers.aws.clock import Clock
from workers.aws.items import event_key, registration_from_item, registration_key, seat_settings_from_item
from workers.domain.commands import Cancel, Command, Configure, Register
from workers.domain.records import Status, registration_id

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from mypy_boto3_dynamodb import DynamoDBClient

    from api.http.types import Response
    from infra.cli.reconcile.findings import Finding
    from tests.proofs.simulation.clients import Asked
    from tests.proofs.simulation.dynamodb.fake import FakeDynamoDb
    from tests.proofs.simulation.world import World

FREE_SEAT = "8: no free seat beside a waiter at rest"
LOST = "9: every accepted command has exactly one outcome"
LEFT = "10: the queues are empty at rest; what died was replayed or discarded"
LAST_WORD = "who asked for nothing else since has what was last accepted"
RECOUNT = "a recount finds nothing to say"
LISTED = "a list shows who belongs into it"
TITLES = "a title is one that was asked for, and not one that was replaced"
STORED = "what is stored at rest is what was written"

_LATE_WRITE = 30 * SECOND
"""No write takes effect later than that after it was sent."""


def check_at_rest(world: World, dynamodb: FakeDynamoDb) -> None:
    """Checks a history that has come to rest."""
    left = [world.sqs.queue(queue).left() for queue in (QUEUE, DEAD_LETTERS)]
    if world.engine.processes or any(left):
        world.broken(LEFT, f"{list(world.engine.processes)}, {left}")
    if swallowed := [message for message in world.hands.rubbish if message not in world.parked]:
        world.broken(LEFT, f"not parked, although nobody can process it: {swallowed}")
    asked = [world.messages.command(message.body, message.group) for message in world.sqs.queue(QUEUE).history]
    commands = list({command.command_id: command for command in asked if command is not None}.values())
    for book in world.rules.books.values():
        own = [command for command in commands if command.event_id == book.event_id]
        _check_event(world, book, own)
        _check_stored(world, dynamodb, book)
        _check_title(world, book)
    _check_lists(world, dynamodb)
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
        world.broken(FREE_SEAT, f"{book.event_id}: {book.ledger.free_seats} free, {len(book.ledger.waitlist)} wait")
    pending = [record.user_id for record in book.records.values() if record.status is Status.PENDING]
    if pending:
        world.broken(LOST, f"{book.event_id}: {pending} are still pending")
    for command in commands:
        if isinstance(command, Register | Cancel) and not world.operator.threw_away(command):
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
    for asked in world.callers.asked:
        if asked.step.kind in {"register", "cancel"}:
            by_pair.setdefault((asked.step.event_id, asked.step.user_id), []).append(asked)
    for (event_id, user_id), requests in by_pair.items():
        last = requests[-1]
        answered = all(asked.ended is not None and asked.ended < last.began for asked in requests[:-1])
        if registration_id(event_id, user_id) in world.operator.bereaved():
            continue  # a request of hers was thrown away
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


def _check_title(world: World, book: Book) -> None:
    """The title is that of the last change that was accepted, or of one that may have come after it."""
    of_event = (request for request in world.callers.asked if request.step.event_id == book.event_id)
    asked = [request for request in of_event if "title" in request.step.changes]
    accepted = [request for request in asked if request.status in {200, 202}]
    last = max((request.began for request in accepted), default=None)
    may_stand = [
        request.step.changes["title"]
        for request in asked
        if request.ended is None or last is None or request.ended + _LATE_WRITE >= last
    ]
    title = book.titles[-1][1]
    if title not in may_stand + ([book.titles[0][1]] if not accepted else []):
        world.broken(TITLES, f"{book.event_id}: {title!r} is none of {may_stand}")


def _check_lists(world: World, dynamodb: FakeDynamoDb) -> None:
    """Both lists, page by page, show the books: an event's by status, a user's by time."""
    env = world.tables.environment | {"API_URL": BASE_URL}
    lists = Lists(cast("DynamoDBClient", dynamodb), env, Clock(lambda: world.engine.now, lambda _: None))
    books, statuses = world.rules.books, list(Status)
    for event_id, book in books.items():
        shown = _walk(lambda page, of=event_id: lists.of_event(of, page, UNCHECKED))  # type: ignore[misc]  # bound now
        due = sorted(book.records.values(), key=lambda record: (statuses.index(record.status), record.registered_at))
        if shown != [(record.registration_id, str(record.status)) for record in due]:
            world.broken(LISTED, f"{event_id}: {shown}, not {due}")
    for user_id in world.plan.people:
        shown = _walk(lambda page, of=user_id: lists.of_user(of, page, UNCHECKED))  # type: ignore[misc]  # bound now
        own = [record for book in books.values() for record in book.records.values() if record.user_id == user_id]
        if sorted(shown) != sorted((record.registration_id, str(record.status)) for record in own):
            world.broken(LISTED, f"{user_id}: {shown}, not {own}")


def _walk(ask: Callable[[Page], Response]) -> list[tuple[str, str]]:
    """All pages of a list, whatever the status: who, and how she stands."""
    shown: list[tuple[str, str]] = []
    cursor: str | None = None
    while True:
        page = json.loads(ask(Page(2, cursor, tuple(Status))).body)
        shown += [(entry["registrationId"], entry["status"]) for entry in page["registrations"]]
        cursor = page["next"]
        if cursor is None:
            return shown
