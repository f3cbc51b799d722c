"""What one step does for one event: how far its commands can be decided, and what becomes of those that cannot be.

The rules themselves are in `workers.domain.decide`. This is about a record that cannot be read, a command on which the
rules raise, an index that lags: what is decided all the same, what waits for another try, what is parked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from workers.aws.clock import Clock
from workers.aws.load import Damaged, EventState, State, Unknown
from workers.aws.send import Message
from workers.domain.commands import Cancel, Command, Configure, Recount, Register
from workers.domain.decide import CommandFailed, decide
from workers.domain.decision import Decision
from workers.domain.records import Ledger
from workers.registrar.batch import ParsedMessage
from workers.telemetry import log_fields, logger

RECEIVES_BEFORE_PARKING = 3
"""A command that raises in `decide`, or whose record cannot be read, is parked on this delivery: earlier ones may have
met a fault that passes."""

NO_EVENT = "event-not-found: there is no such event"

Load = Callable[[Mapping[str, Sequence[Command]]], Mapping[str, State]]
"""Reads what the commands of some events are to be decided on."""


@dataclass(slots=True)
class Plan:
    """What one step does for one event.

    `decision`, which is on the first of the `messages`, is committed, then `parked` tasks are parked, each with its
    reason; behind them come either `later` tasks, which need another step, or `failed` ones.
    """

    decision: Decision | None = None
    messages: list[Message] = field(default_factory=list)
    parked: list[tuple[ParsedMessage, str]] = field(default_factory=list)
    later: list[ParsedMessage] = field(default_factory=list)
    failed: list[ParsedMessage] = field(default_factory=list)


class Planner:
    """Plans the steps of events. `load` is asked again where one reading may not have been true at one moment."""

    def __init__(self, load: Load, clock: Clock) -> None:
        self._load = load
        self._clock = clock

    def plan(self, state: State, tasks: list[ParsedMessage]) -> Plan:
        """What to do for one event, whose records are as in `state`."""
        match state:
            case Unknown():
                return Plan(parked=[(task, NO_EVENT) for task in tasks])
            case Damaged(rest=Ledger() as rest) if isinstance(tasks[0].command, Recount):
                # For nothing else: what is left of the ledger has no counts.
                decision = decide(rest, (), [tasks[0].command], self._clock.now())
                return Plan(decision, [tasks[0].message], later=tasks[1:])
            case Damaged(error):
                logger.error("an event's records cannot be read", exc_info=error, extra=log_fields(tasks[0].command))
                return Plan(failed=tasks)
            case EventState():
                return self._decide(state, tasks)

    def _decide(self, state: EventState, tasks: list[ParsedMessage]) -> Plan:
        """Decides up to the first command that cannot even be looked at."""
        obstacles = [_obstacle(state, task) for task in tasks]
        stop = next((index for index, obstacle in enumerate(obstacles) if obstacle is not None), len(tasks))
        plan, rest = self._decide_readable(state, tasks[:stop]), tasks[stop:]
        if plan.failed:
            plan.failed += rest
        elif plan.parked or plan.later:
            plan.later += rest
        elif rest:
            _set_aside(plan, rest, obstacles[stop] or "")
        return plan

    def _decide_readable(self, state: EventState, tasks: list[ParsedMessage]) -> Plan:
        commands, messages = [task.command for task in tasks], [task.message for task in tasks]
        try:
            decision = decide(state.ledger, state.registrations, commands, self._clock.now())
        except CommandFailed as error:
            return self._without_poison(state, tasks, error)
        undecided = tasks[len(decision.outcomes) :]
        if decision.changes_anything or not undecided:
            return Plan(decision, messages, later=undecided)
        # Nothing moved: the head of the line is not at hand. Guessing could promote the wrong person.
        if state.unreadable:
            fields = log_fields(undecided[0].command) | {"unreadable": list(state.unreadable)}
            logger.error("the head of the line may be a record that cannot be read", extra=fields)
        else:
            logger.warning("the index lags behind the line", extra=log_fields(undecided[0].command))
        return Plan(decision, messages, failed=undecided)

    def _without_poison(self, state: EventState, tasks: list[ParsedMessage], error: CommandFailed) -> Plan:
        """Decides what comes before a command that raises (all of it: the core got past it); that one is parked, or
        tried again while it is young."""
        poison = tasks[error.index]
        logger.exception("a command cannot be processed", extra=log_fields(poison.command))
        plan = self._decide_readable(state, tasks[: error.index])
        reason = f"failed: {type(error.__cause__).__name__} while deciding {type(poison.command).__name__}"
        if _is_old(poison) and not self._stands(state, tasks):
            plan.failed = tasks[error.index :]
        else:
            _set_aside(plan, tasks[error.index :], reason)
        return plan

    def _stands(self, state: EventState, tasks: list[ParsedMessage]) -> bool:
        """True if a second read finds the same. Then ledger and registrations were true at one moment, between the two;
        those of one read alone need not be: another registrar may have committed meanwhile."""
        event_id = state.ledger.event_id
        again = self._load({event_id: [task.command for task in tasks]})[event_id]
        if not isinstance(again, EventState) or again.ledger != state.ledger:
            return False
        return set(again.registrations) == set(state.registrations)


def _obstacle(state: EventState, task: ParsedMessage) -> str | None:
    """Why a command cannot even be looked at, if it cannot."""
    match task.command:
        case Configure():
            return None if state.configurable else NO_EVENT
        case Register(registration_id=key) | Cancel(registration_id=key) if key in state.unreadable:
            return f"unreadable-record: {type(state.unreadable[key]).__name__} while reading {key}"
        case _:
            return None


def _is_old(task: ParsedMessage) -> bool:
    return task.message.receives >= RECEIVES_BEFORE_PARKING


def _set_aside(plan: Plan, tasks: list[ParsedMessage], reason: str) -> None:
    """The first of these cannot be processed: parked, and those behind it go on; while it is young, all try again."""
    if reason == NO_EVENT or _is_old(tasks[0]):
        plan.parked, plan.later = [(tasks[0], reason)], tasks[1:]
    else:
        logger.warning("a command waits for another try", extra=log_fields(tasks[0].command) | {"reason": reason})
        plan.failed = tasks
