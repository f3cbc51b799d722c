"""The plan for one step of one event: how far its commands can be decided, and what becomes of the others.

The rules are in `workers.domain.decide`. This module handles what goes wrong around them: a record that cannot be
decoded, a command on which the rules raise, an index that lags. It says what is decided all the same, what is tried
again and what is parked. Planning writes nothing, not even to the log, so `turnstile dlq show` can plan a replay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from workers.aws.clock import Clock
from workers.aws.load import DamagedEvent, EventState, State, UnknownEvent
from workers.aws.send import ReceivedMessage
from workers.domain.commands import Cancel, Command, Configure, Recount, Register
from workers.domain.decide import CommandFailed, decide
from workers.domain.decision import Decision
from workers.domain.records import Ledger
from workers.registrar.batch import ParsedMessage
from workers.registrar.parking import DecisionFailed, EventNotFound, ParkingReason, RecordUndecodable

RECEIVES_BEFORE_PARKING = 3
"""A command on which `decide` raises, or whose record cannot be decoded, is parked on this delivery. On earlier ones
the fault may have been transient."""

Load = Callable[[Mapping[str, Sequence[Command]]], Mapping[str, State]]
"""Reads the state that commands are decided on, by event id."""


@dataclass(frozen=True, slots=True)
class Note:
    """A line for the log about a command of the plan."""

    level: Literal["warning", "error"]
    text: str
    command: Command
    error: BaseException | None = None
    fields: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepPlan:
    """The plan of one step for one event.

    First `decision`, about the first of the `messages`, is committed. Then the `parked` messages are parked, each for
    its reason. The remaining ones are either `later`, which need another step, or `failed`.
    """

    decision: Decision | None = None
    messages: tuple[ReceivedMessage, ...] = ()
    parked: tuple[tuple[ParsedMessage, ParkingReason], ...] = ()
    later: tuple[ParsedMessage, ...] = ()
    failed: tuple[ParsedMessage, ...] = ()
    notes: tuple[Note, ...] = ()


class Planner:
    """Plans the steps of events. `load` is asked again where one reading may not have been true at one moment."""

    def __init__(self, load: Load, clock: Clock) -> None:
        self._load = load
        self._clock = clock

    def plan(self, state: State, tasks: Sequence[ParsedMessage]) -> StepPlan:
        """Plan the next step of one event, whose records are as in `state`."""
        tasks = tuple(tasks)
        match state:
            case UnknownEvent():
                return StepPlan(parked=tuple((task, EventNotFound()) for task in tasks))
            case DamagedEvent(salvaged=Ledger() as ledger) if isinstance(tasks[0].command, Recount):
                # Nothing but a Recount: the salvaged ledger has no counts.
                decision = decide(ledger, (), [tasks[0].command], self._clock.now())
                return StepPlan(decision, (tasks[0].message,), later=tasks[1:])
            case DamagedEvent(error):
                note = Note("error", "an event's records cannot be read", tasks[0].command, error)
                return StepPlan(failed=tasks, notes=(note,))
            case EventState():
                return self._plan(state, tasks)

    def _plan(self, state: EventState, tasks: tuple[ParsedMessage, ...]) -> StepPlan:
        """Decide up to the first command that cannot be decided because of what is stored."""
        for index, task in enumerate(tasks):
            if (reason := _undecidable(state, task)) is not None:
                return _append(self._decide(state, tasks[:index]), tasks[index:], reason)
        return self._decide(state, tasks)

    def _decide(self, state: EventState, tasks: tuple[ParsedMessage, ...]) -> StepPlan:
        commands, messages = [task.command for task in tasks], tuple(task.message for task in tasks)
        try:
            decision = decide(state.ledger, state.registrations, commands, self._clock.now())
        except CommandFailed as error:
            return self._without_poison(state, tasks, error)
        undecided = tasks[len(decision.outcomes) :]
        if decision.changes_anything or not undecided:
            return StepPlan(decision, messages, later=undecided)
        # Nothing moved: the head of the waiting list is missing. A guess could promote the wrong person.
        if state.unreadable:
            text, fields = (
                "the head of the line may be a record that cannot be read",
                {"unreadable": [*state.unreadable]},
            )
            note = Note("error", text, undecided[0].command, fields=fields)
        else:
            note = Note("warning", "the index lags behind the line", undecided[0].command)
        return StepPlan(decision, messages, failed=undecided, notes=(note,))

    def _without_poison(self, state: EventState, tasks: tuple[ParsedMessage, ...], error: CommandFailed) -> StepPlan:
        """Decide the commands before the one on which the rules raise; they got past all of those."""
        poison, cause = tasks[error.index], error.__cause__
        plan = self._decide(state, tasks[: error.index])
        plan = replace(plan, notes=(Note("error", "a command cannot be processed", poison.command, error), *plan.notes))
        if _is_last_try(poison) and not self._is_consistent(state, tasks):
            return replace(plan, failed=tasks[error.index :])
        return _park_or_retry(plan, tasks[error.index :], DecisionFailed(poison.command, cause))

    def _is_consistent(self, state: EventState, tasks: tuple[ParsedMessage, ...]) -> bool:
        """Return whether a second read finds the same.

        If so, ledger and registrations were true at one moment, between the two reads. Those of one read alone need
        not be: another registrar may have committed meanwhile.
        """
        event_id = state.ledger.event_id
        again = self._load({event_id: [task.command for task in tasks]})[event_id]
        if not isinstance(again, EventState) or again.ledger != state.ledger:
            return False
        return set(again.registrations) == set(state.registrations)


def _undecidable(state: EventState, task: ParsedMessage) -> ParkingReason | None:
    match task.command:
        case Configure():
            return None if state.configurable else EventNotFound()
        case Register(registration_id=key) | Cancel(registration_id=key) if key in state.unreadable:
            return RecordUndecodable(key, state.unreadable[key])
        case _:
            return None


def _is_last_try(task: ParsedMessage) -> bool:
    return task.message.receives >= RECEIVES_BEFORE_PARKING


def _append(plan: StepPlan, rest: tuple[ParsedMessage, ...], reason: ParkingReason) -> StepPlan:
    """Return the plan with the tasks behind it, the first of which cannot be decided."""
    if plan.failed:
        return replace(plan, failed=plan.failed + rest)
    if plan.parked or plan.later:
        return replace(plan, later=plan.later + rest)
    return _park_or_retry(plan, rest, reason)


def _park_or_retry(plan: StepPlan, tasks: tuple[ParsedMessage, ...], reason: ParkingReason) -> StepPlan:
    """Return the plan that parks the first of these tasks, or retries all of them while it has few deliveries."""
    if isinstance(reason, EventNotFound) or _is_last_try(tasks[0]):
        return replace(plan, parked=((tasks[0], reason),), later=tasks[1:])
    note = Note("warning", "a command waits for another try", tasks[0].command, fields={"reason": str(reason)})
    return replace(plan, failed=tasks, notes=(*plan.notes, note))
