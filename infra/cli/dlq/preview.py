"""The preview of a replay: the registrar's own steps, `read`, `load` and `plan`, without the commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.aws.dead_letters import DeadLetter
from workers.aws.items import DECODE_ERRORS, registration_from_item, registration_key
from workers.aws.load import DamagedEvent, DecisionTables, EventState, State, UnknownEvent, batch_get, load
from workers.aws.messages import UndecodableMessage
from workers.aws.send import ReceivedMessage
from workers.domain.commands import Cancel, Command, Register
from workers.domain.decision import Decision
from workers.domain.records import Ledger, Registration
from workers.registrar.batch import ParsedMessage, read
from workers.registrar.parking import DecisionFailed, EventNotFound, ParkingReason, RecordUndecodable, Undecodable
from workers.registrar.plan import RECEIVES_BEFORE_PARKING, Planner, StepPlan

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
    client: DynamoDBClient, clock: Clock, tables: DecisionTables, letter: DeadLetter, before: Sequence[DeadLetter]
) -> Preview:
    """Plan the command of a dead letter as the registrar would after those `before` it in its group; write nothing."""
    command = letter.command
    if isinstance(command, UndecodableMessage):
        return Preview(_NOT_LOOKED_UP, _NOT_LOOKED_UP, f"be parked again: it cannot be read ({command})")
    tasks, wrong = _parsed(letter, before)
    commands = [task.command for task in tasks] or [command]
    state = load(client, clock, tables, {command.event_id: commands})[command.event_id]
    match state:
        case UnknownEvent():
            ledger: Ledger | str = _NONE
        case DamagedEvent(error):
            ledger = f"cannot be read ({error!r})"
        case EventState():
            ledger = state.ledger
    would = _parked_again(wrong, command.event_id) if wrong else _would(clock, state, tasks, letter.message_id)
    return Preview(_registration(client, clock, tables, command), ledger, would)


def _parsed(letter: DeadLetter, before: Sequence[DeadLetter]) -> tuple[list[ParsedMessage], Undecodable | None]:
    """Return the commands that the registrar would find for the letter's event, in its order, and why it would not find
    the letter's own."""
    wrong: Undecodable | None = None
    tasks: list[ParsedMessage] = []
    rest: Sequence[ReceivedMessage] = [_delivered(one) for one in (*before, letter)]
    while rest:
        groups, tails = read({letter.group: rest})
        tasks += groups.get(letter.event_id, [])
        rest = []
        for tail in tails.values():
            wrong, rest = Undecodable(tail.reason), tail.messages[1:]
    return tasks, None if any(task.message.message_id == letter.message_id for task in tasks) else wrong


def _delivered(letter: DeadLetter) -> ReceivedMessage:
    """Return the message that a replay ends with if nothing changes: delivered as often as it is tried."""
    return ReceivedMessage(letter.message_id, letter.receipt_handle, letter.group, RECEIVES_BEFORE_PARKING, letter.body)


def _registration(client: DynamoDBClient, clock: Clock, tables: DecisionTables, command: Command) -> Registration | str:
    """Read the registration by itself: it may be there, and pending, although its event is not."""
    if not isinstance(command, Register | Cancel):
        return _NONE
    key = registration_key(command.registration_id)
    items = batch_get(client, clock, {tables.registrations: [key]})[tables.registrations]
    try:
        return registration_from_item(items[0]) if items else _NONE
    except DECODE_ERRORS as error:
        return f"cannot be read ({error!r})"


def _would(clock: Clock, state: State, tasks: Sequence[ParsedMessage], message_id: str) -> str:
    """Plan step after step, each on what the one before would have written, until the message is dealt with."""
    while True:
        plan = _plan(clock, state, tasks)
        for task, reason in plan.parked:
            if task.message.message_id == message_id:
                return _parked_again(reason, task.command.event_id)
        if plan.decision is not None:
            for outcome, message in zip(plan.decision.outcomes, plan.messages, strict=False):
                if message.message_id == message_id:
                    return f"come to: {outcome.result} ({outcome.reason})"
            state = _after(state, plan.decision)
        if plan.failed:
            break
        tasks = plan.later
    if isinstance(state, DamagedEvent):
        return f"be tried again and again: the event's records cannot be read ({state.error!r})"
    return "be decided after a promotion whose record is not at hand yet"


def _plan(clock: Clock, state: State, tasks: Sequence[ParsedMessage]) -> StepPlan:
    return Planner(lambda commands: dict.fromkeys(commands, state), clock).plan(state, tasks)


def _after(state: State, decision: Decision) -> State:
    before = state if isinstance(state, EventState) else EventState(decision.ledger, (), {}, configurable=True)
    records = {record.registration_id: record for record in (*before.registrations, *decision.registrations)}
    return EventState(decision.ledger, tuple(records.values()), before.unreadable, before.configurable)


def _parked_again(reason: ParkingReason, event_id: str) -> str:
    match reason:
        case Undecodable(detail):
            why = detail
        case EventNotFound():
            why = f"there is no event {event_id}"
        case RecordUndecodable(error=error):
            why = f"its registration cannot be read ({error!r})"
        case DecisionFailed(error=cause):
            why = f"deciding it raises {type(cause).__name__}: {cause}"
    return f"be parked again: {why}"
