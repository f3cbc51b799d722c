"""What replaying a dead letter would do: the registrar's own steps, `load` and `decide`, without `commit`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.aws.dead_letters import DeadLetter
from workers.aws.load import Damaged, EventState, Tables, Unknown, load
from workers.aws.messages import Unreadable
from workers.domain.commands import Cancel, Command, Configure, Register
from workers.domain.decide import CommandFailed, decide
from workers.domain.records import Ledger, Registration

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from workers.aws.clock import Clock


@dataclass(frozen=True, slots=True)
class Preview:
    """The registration and the ledger as they are now (None: there is none), and what a replay would do, in words."""

    registration: Registration | None
    ledger: Ledger | None
    would: str


def preview(
    client: DynamoDBClient, clock: Clock, tables: Tables, letter: DeadLetter, before: Sequence[DeadLetter]
) -> Preview:
    """Decides the letter's command as it would be after those `before` it in its group, and writes nothing."""
    command = letter.command
    if isinstance(command, Unreadable):
        return Preview(None, None, f"be parked again: it cannot be read ({command})")
    earlier = [other.command for other in before]
    commands = [c for c in earlier if not isinstance(c, Unreadable) and c.event_id == command.event_id] + [command]
    state = load(client, clock, tables, {command.event_id: commands})[command.event_id]
    match state:
        case Unknown():
            return Preview(None, None, f"be parked again: there is no event {command.event_id}")
        case Damaged(error):
            return Preview(None, None, f"be tried again and again: the event's records cannot be read ({error!r})")
        case EventState():
            key = command.registration_id if isinstance(command, Register | Cancel) else None
            record = next((r for r in state.registrations if r.registration_id == key), None)
            return Preview(record, state.ledger, _would(state, commands, clock.now()))


def _would(state: EventState, commands: list[Command], now: int) -> str:
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
