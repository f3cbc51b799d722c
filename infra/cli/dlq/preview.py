"""The preview of a replay: the registrar's own steps, `read`, `load` and `plan`, without the commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.aws.dead_letters import DeadLetter
from workers.aws.items import DECODE_ERRORS, registration_from_item, registration_key
from workers.aws.load import DamagedEvent, DecisionTables, EventState, State, UnknownEvent, batch_get, load
from workers.aws.messages import UndecodableMessage
from workers.aws.send import ReceivedMessage
from workers.domain.commands import Cancel, Command, Register
from workers.domain.damage import describe_damage
from workers.domain.decision import Decision
from workers.domain.records import Ledger, Registration
from workers.registrar.batch import ParsedMessage, read
from workers.registrar.parking import DecisionFailed, EventNotFound, ParkingReason, RecordUndecodable, Undecodable
from workers.registrar.plan import RECEIVES_BEFORE_PARKING, Planner, StepPlan

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from workers.aws.clock import Clock


_READS = 3
_NONE = "none"
_NOT_LOOKED_UP = "not looked up, as the message does not say whose"


@dataclass(frozen=True, slots=True)
class Outlook:
    """The effect that a replay of a message would have, in words, and whether it would only be `parked` again."""

    would: str
    parked: bool = False
    failed: bool = False
    """Whether deciding it fails, which may be due to a read of two moments."""


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
        return Preview(_NOT_LOOKED_UP, _NOT_LOOKED_UP, _unreadable(command).would)
    outlooks, states = _plan_group(client, clock, tables, [*before, letter])
    match states[command.event_id]:
        case UnknownEvent():
            ledger: Ledger | str = _NONE
        case DamagedEvent(error):
            ledger = f"cannot be read ({describe_damage(error)})"
        case EventState() as state:
            ledger = state.ledger
    return Preview(_registration(client, clock, tables, command), ledger, outlooks[letter.message_id].would)


def outlooks(
    client: DynamoDBClient, clock: Clock, tables: DecisionTables, letters: Sequence[DeadLetter]
) -> dict[str, Outlook]:
    """Return, by message id, what replaying these messages in their order would do; write nothing."""
    groups: dict[str, list[DeadLetter]] = {}
    for letter in letters:
        groups.setdefault(letter.group, []).append(letter)
    found: dict[str, Outlook] = {}
    for group in groups.values():
        found |= _plan_group(client, clock, tables, group)[0]
    return found


def _plan_group(
    client: DynamoDBClient, clock: Clock, tables: DecisionTables, letters: Sequence[DeadLetter]
) -> tuple[dict[str, Outlook], Mapping[str, State]]:
    """Return the outlook of each message of one group, and the present states of the events that they name."""
    tasks, found = _parsed(letters)
    commands = {event_id: [task.command for task in of_event] for event_id, of_event in tasks.items()}
    for letter in letters:
        if not isinstance(letter.command, UndecodableMessage):
            commands.setdefault(letter.event_id, [letter.command])
    states = load(client, clock, tables, commands) if commands else {}
    planned: dict[str, Outlook] = {}
    for _ in range(_READS):
        planned = {}
        for event_id, of_event in tasks.items():
            planned |= _planned(clock, states[event_id], of_event)
        if not any(outlook.failed for outlook in planned.values()):
            break
        # Ledger and records may be of different moments: as the registrar does, believe it only if both read the same.
        before, states = states, load(client, clock, tables, commands)
        if before == states:
            break
    return found | planned, states


def _parsed(letters: Sequence[DeadLetter]) -> tuple[dict[str, list[ParsedMessage]], dict[str, Outlook]]:
    """Return the commands that the registrar would find in one group, by event, and the outlook of all else."""
    tasks: dict[str, list[ParsedMessage]] = {}
    found: dict[str, Outlook] = {}
    rest: Sequence[ReceivedMessage] = [_delivered(letter) for letter in letters]
    commands = {letter.message_id: letter.command for letter in letters}
    while rest:
        groups, tails = read({letters[0].group: rest})
        for event_id, of_event in groups.items():
            tasks.setdefault(event_id, []).extend(of_event)
        rest = []
        for tail in tails.values():
            head, *rest = tail.messages
            command = commands[head.message_id]
            if isinstance(command, UndecodableMessage):
                found[head.message_id] = _unreadable(command)
            else:
                found[head.message_id] = _parked_again(Undecodable(tail.reason), command.event_id)
    return tasks, found


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
        return f"cannot be read ({describe_damage(error)})"


def _planned(clock: Clock, state: State, tasks: Sequence[ParsedMessage]) -> dict[str, Outlook]:
    """Plan step after step, each on what the one before would have written, until every message is dealt with."""
    found: dict[str, Outlook] = {}
    while tasks:
        plan = _plan(clock, state, tasks)
        for task, reason in plan.parked:
            found[task.message.message_id] = _parked_again(reason, task.command.event_id)
        if plan.decision is not None:
            for outcome, message in zip(plan.decision.outcomes, plan.messages, strict=False):
                found[message.message_id] = Outlook(f"come to: {outcome.result} ({outcome.reason})")
            state = _after(state, plan.decision)
        for task in plan.failed:
            found[task.message.message_id] = Outlook(
                f"be tried again and again: the event's records cannot be read ({describe_damage(state.error)})"
                if isinstance(state, DamagedEvent)
                else "be decided after a promotion whose record is not at hand yet"
            )
        tasks = plan.later
    return found


def _plan(clock: Clock, state: State, tasks: Sequence[ParsedMessage]) -> StepPlan:
    return Planner(lambda commands: dict.fromkeys(commands, state), clock).plan(state, tasks)


def _after(state: State, decision: Decision) -> State:
    before = state if isinstance(state, EventState) else EventState(decision.ledger, (), {}, configurable=True)
    records = {record.registration_id: record for record in (*before.registrations, *decision.registrations)}
    return EventState(decision.ledger, tuple(records.values()), before.unreadable, before.configurable)


def _unreadable(error: UndecodableMessage) -> Outlook:
    return Outlook(f"be parked again: it cannot be read ({error})", parked=True)


def _parked_again(reason: ParkingReason, event_id: str) -> Outlook:
    match reason:
        case Undecodable(detail):
            why = detail
        case EventNotFound():
            why = f"there is no event {event_id}"
        case RecordUndecodable(error=error):
            why = f"its registration cannot be read ({describe_damage(error)})"
        case DecisionFailed(error=cause):
            why = f"deciding it fails: {type(cause).__name__}: {cause}"
    return Outlook(f"be parked again: {why}", parked=True, failed=isinstance(reason, DecisionFailed))
