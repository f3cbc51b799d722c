"""What replaying a dead letter would do: the registrar's own steps, `load` and `decide`, without `commit`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from workers.aws.dead_letters import DeadLetter
from workers.aws.items import DECODE_ERRORS, registration_from_item, registration_key
from workers.aws.load import Damaged, EventState, Tables, Unknown, batch_get, load
from workers.aws.messages import UndecodableMessage, group_for
from workers.domain.commands import Cancel, Command, Configure, Recount, Register
from workers.domain.decide import CommandFailed, decide
from workers.domain.records import Ledger, Registration

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from workers.aws.clock import Clock


_NONE = "none"
_NOT_LOOKED_UP = "not looked up, as the message does not say whose"


@dataclass(frozen=True, slots=True)
class Preview:
    """The registration and the ledger as they are now, or why not; what a replay would do, in words."""

    registration: Registration | str
    ledger: Ledger | str
    would: str


def preview(
    client: DynamoDBClient, clock: Clock, tables: Tables, letter: DeadLetter, before: Sequence[DeadLetter]
) -> Preview:
    """Decides the letter's command as it would be after those `before` it in its group, and writes nothing."""
    command = letter.command
    if isinstance(command, UndecodableMessage):
        return Preview(_NOT_LOOKED_UP, _NOT_LOOKED_UP, f"be parked again: it cannot be read ({command})")
    earlier = [other.command for other in before]
    commands = [c for c in earlier if not isinstance(c, UndecodableMessage) and c.event_id == command.event_id] + [
        command
    ]
    state = load(client, clock, tables, {command.event_id: commands})[command.event_id]
    record = _registration(client, clock, tables, command)
    match state:
        case Unknown():
            foreseen = Preview(record, _NONE, f"be parked again: there is no event {command.event_id}")
        case Damaged(error, rest):
            damage = f"cannot be read ({error!r})"
            would = f"be tried again and again: the event's records {damage}"
            if rest is not None and isinstance(command, Recount):
                recounts = [other for other in commands if isinstance(other, Recount)]
                would = _would(EventState(rest, (), {}, configurable=True), recounts, clock.now())
            foreseen = Preview(record, damage, would)
        case EventState():
            foreseen = Preview(record, state.ledger, _would(state, commands, clock.now()))
    if group_for(command) != letter.group:
        return replace(foreseen, would="be parked again: the message is in another event's group")
    return foreseen


def _registration(client: DynamoDBClient, clock: Clock, tables: Tables, command: Command) -> Registration | str:
    """Read for itself: it may be there, and pending, although its event is not."""
    if not isinstance(command, Register | Cancel):
        return _NONE
    key = registration_key(command.registration_id)
    items = batch_get(client, clock, {tables.registrations: [key]})[tables.registrations]
    try:
        return registration_from_item(items[0]) if items else _NONE
    except DECODE_ERRORS as error:
        return f"cannot be read ({error!r})"


def _would(state: EventState, commands: Sequence[Command], now: int) -> str:
    command = commands[-1]
    if isinstance(command, Configure) and not state.configurable:
        return f"be parked again: there is no event {command.event_id}"
    if isinstance(command, Register | Cancel) and command.registration_id in state.unreadable:
        error = state.unreadable[command.registration_id]
        return f"be parked again: its registration cannot be read ({error!r})"
    while True:
        try:
            decision = decide(state.ledger, state.registrations, commands, now)
        except CommandFailed as error:
            if error.command is command:
                cause = error.__cause__
                return f"be parked again: deciding it raises {type(cause).__name__}: {cause}"
            commands = [other for other in commands if other is not error.command]  # parked again, and it goes on
            continue
        if decision.undecided:
            return "be decided after a promotion whose record is not at hand yet"
        outcome = decision.outcomes[-1]
        return f"come to: {outcome.result} ({outcome.reason})"
