"""The queue's entry: takes a batch of commands, decides them event by event, commits them in one transaction.

Gather (`workers.aws.load`), decide (`workers.domain.decide`), apply (`workers.aws.commit`): `Registrar._step` is
those three. The rest of this file is about what can go wrong: a transaction that is refused, a message that cannot be
processed, AWS out of breath. A failed message takes the later ones of its group with it, and nobody else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from workers.aws import clients
from workers.aws.clock import SYSTEM_CLOCK, Clock
from workers.aws.commit import MAX_ITEMS, CommitCancelled, commit, transaction_items
from workers.aws.items import timestamp
from workers.aws.load import Damaged, EventState, Tables, Unknown, load
from workers.aws.messages import Unreadable, decode, group_of
from workers.aws.send import Letter, back_off, park
from workers.domain.commands import Command
from workers.domain.decide import CommandFailed, Decision, Outcome, decide
from workers.observability import logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

RECEIVES_BEFORE_PARKING = 3
"""A command that raises in `decide` is parked on this delivery: earlier ones may have met a fault that passes."""

_MAX_STEPS = 50


@dataclass(frozen=True, slots=True)
class Task:
    """A message that was understood."""

    letter: Letter
    command: Command


Groups = dict[str, list[Task]]
"""Tasks by event id, in the order of the queue."""


@dataclass(slots=True)
class Plan:
    """What one step does for one event: `done` tasks need `decision` committed, `later` ones another step."""

    decision: Decision | None = None
    done: list[Task] = field(default_factory=list)
    later: list[Task] = field(default_factory=list)
    failed: list[Task] = field(default_factory=list)


class Registrar:
    """The handler with everything that it needs. `handle` never raises for what is in a message."""

    def __init__(
        self, dynamodb: DynamoDBClient, sqs: SQSClient, tables: Tables, queue_url: str, dead_letters: str, clock: Clock
    ) -> None:
        self._dynamodb = dynamodb
        self._sqs = sqs
        self._tables = tables
        self._queue_url = queue_url
        self._dead_letters = dead_letters
        self._clock = clock

    def handle(self, event: dict[str, Any]) -> dict[str, Any]:
        """Processes an SQS event; answers which messages are to be delivered again, in SQS's partial-batch format."""
        groups, failed = self._open([_letter(record) for record in event["Records"]])
        failed += [task.letter for task in self._process(groups)]
        if failed:
            self._back_off(failed)
        return {"batchItemFailures": [{"itemIdentifier": letter.message_id} for letter in failed]}

    def _open(self, letters: Sequence[Letter]) -> tuple[Groups, list[Letter]]:
        """Reads the messages; those that are no command are parked at once, and the group goes on without them."""
        groups: Groups = {}
        failed: list[Letter] = []
        stopped: set[str] = set()
        for letter in letters:
            if letter.group in stopped:
                failed.append(letter)
                continue
            try:
                command = decode(letter.body)
                if group_of(command.event_id) != letter.group:
                    raise Unreadable("the message is in another event's group")
            except Unreadable as error:
                if not self._park(letter, f"unreadable: {error}"):
                    stopped.add(letter.group)
                    failed.append(letter)
                continue
            groups.setdefault(command.event_id, []).append(Task(letter, command))
        return groups, failed

    def _process(self, groups: Groups, *, alone: bool = False) -> list[Task]:
        """Steps until all is decided or has failed.

        If the common step is refused, maybe for the sake of one event, each goes `alone`, loaded anew; what is refused
        again has failed.
        """
        failed: list[Task] = []
        for _ in range(_MAX_STEPS):
            if not groups:
                break
            try:
                groups, step_failed = self._step(groups)
                failed += step_failed
            except Exception as error:  # noqa: BLE001 - whatever it is, the messages must be delivered again
                if alone or clients.passes_by_itself(error):
                    self._log_fault(error, groups)
                    break
                reasons = error.reasons if isinstance(error, CommitCancelled) else (type(error).__name__,)
                logger.warning("commit fell back to one event at a time", extra={"reasons": reasons})
                each = [self._process({event_id: tasks}, alone=True) for event_id, tasks in groups.items()]
                return failed + [task for tasks in each for task in tasks]
        return failed + _tasks(groups)

    def _step(self, groups: Groups) -> tuple[Groups, list[Task]]:
        """Gather, decide, apply. Answers the tasks that need another step and those that failed."""
        commands = {event_id: [task.command for task in tasks] for event_id, tasks in groups.items()}
        states = load(self._dynamodb, self._clock, self._tables, commands)
        plans = {event_id: self._plan(states[event_id], tasks) for event_id, tasks in groups.items()}
        decisions = [plan.decision for plan in plans.values() if plan.decision is not None]
        items = transaction_items(self._tables, decisions)
        if len(items) > MAX_ITEMS and len(plans) > 1:
            raise CommitCancelled(["more items than one transaction takes"])
        if items:
            commit(self._dynamodb, items)
        for plan in plans.values():
            _log_decision(plan)
        later = {event_id: plan.later for event_id, plan in plans.items() if plan.later}
        return later, [task for plan in plans.values() for task in plan.failed]

    def _plan(self, state: EventState | Unknown | Damaged, tasks: list[Task]) -> Plan:
        match state:
            case Unknown():
                return self._park_all(tasks, "event-not-found: there is no such event")
            case Damaged(error):
                logger.error("an event's records cannot be read", exc_info=error, extra=_fields(tasks[0].command))
                return Plan(failed=tasks)
            case EventState():
                return self._decide(state, tasks)

    def _decide(self, state: EventState, tasks: list[Task]) -> Plan:
        commands = [task.command for task in tasks]
        try:
            decision = decide(state.ledger, state.registrations, commands, self._clock.now())
        except CommandFailed as error:
            return self._without_poison(state, tasks, error)
        done, undecided = tasks[: len(decision.outcomes)], tasks[len(decision.outcomes) :]
        if decision.changes_anything or not undecided:
            return Plan(decision, done=done, later=undecided)
        # Nothing moved: the index does not show the head of the line yet. Guessing could promote the wrong person.
        logger.info("the index lags behind the line", extra=_fields(undecided[0].command))
        return Plan(decision, done=done, failed=undecided)

    def _without_poison(self, state: EventState, tasks: list[Task], error: CommandFailed) -> Plan:
        """Decides what comes before a command that raises (all of it: the core got past it); that one is parked, or
        tried again while it is young."""
        poison, behind = tasks[error.index], tasks[error.index + 1 :]
        logger.exception("a command cannot be processed", extra=_fields(poison.command))
        plan = self._decide(state, tasks[: error.index]) if error.index else Plan()
        cause = error.__cause__
        reason = f"failed: {type(cause).__name__} while deciding {type(poison.command).__name__}"
        if poison.letter.receives >= RECEIVES_BEFORE_PARKING and self._park(poison.letter, reason):
            return Plan(plan.decision, plan.done, later=behind)
        return Plan(plan.decision, plan.done, failed=[poison, *behind])

    def _park_all(self, tasks: list[Task], reason: str) -> Plan:
        for index, task in enumerate(tasks):
            if not self._park(task.letter, reason):
                return Plan(failed=tasks[index:])
        return Plan()

    def _park(self, letter: Letter, reason: str) -> bool:
        """True once the message is safe in the dead-letter queue."""
        fields = {"message_id": letter.message_id, "group": letter.group, "reason": reason}
        try:
            park(self._sqs, self._dead_letters, letter, reason, timestamp(self._clock.now()))
        except Exception:  # noqa: BLE001 - whatever it is, the message must be delivered again
            logger.exception("a message could not be parked", extra=fields)
            return False
        logger.error("a message was parked in the dead-letter queue", extra=fields)
        return True

    def _back_off(self, letters: Iterable[Letter]) -> None:
        try:
            back_off(self._sqs, self._queue_url, letters)
        except Exception:  # noqa: BLE001 - a failure to hurry must not become a failure
            # Not lost: without this they come back when the queue's own visibility timeout runs out.
            logger.exception("the visibility of failed messages could not be shortened")

    def _log_fault(self, error: Exception, groups: Groups) -> None:
        passing = isinstance(error, CommitCancelled) or clients.passes_by_itself(error)
        log = logger.warning if passing else logger.error
        log("a batch will be tried again", exc_info=error, extra={"events": list(groups)})


def _letter(record: dict[str, Any]) -> Letter:
    attributes = record["attributes"]
    return Letter(
        message_id=record["messageId"],
        receipt_handle=record["receiptHandle"],
        group=attributes["MessageGroupId"],
        receives=int(attributes["ApproximateReceiveCount"]),
        body=record["body"],
    )


def _tasks(groups: Groups) -> list[Task]:
    return [task for tasks in groups.values() for task in tasks]


def _log_decision(plan: Plan) -> None:
    if plan.decision is None:
        return
    for outcome in plan.decision.outcomes:
        logger.info("decided", extra=_outcome_fields(outcome, plan.decision.ledger.version))
    for record in plan.decision.promoted:
        fields = {"event_id": record.event_id, "registration_id": record.registration_id}
        logger.info("promoted", extra=fields | {"ledger_version": plan.decision.ledger.version})


def _outcome_fields(outcome: Outcome, ledger_version: int) -> dict[str, object]:
    result = {"outcome": str(outcome.result), "reason": str(outcome.reason), "ledger_version": ledger_version}
    return _fields(outcome.command) | result


def _fields(command: Command) -> dict[str, object]:
    fields = {"command": type(command).__name__, "command_id": command.command_id, "event_id": command.event_id}
    registration_id = getattr(command, "registration_id", None)
    return fields | ({"registration_id": registration_id} if registration_id else {})


@cache
def _registrar() -> Registrar:
    env = os.environ
    tables = Tables(
        events=clients.setting(env, "EVENTS_TABLE"),
        registrations=clients.setting(env, "REGISTRATIONS_TABLE"),
        ledger=clients.setting(env, "LEDGER_TABLE"),
    )
    queue_url = clients.setting(env, "QUEUE_URL")
    dead_letters = clients.setting(env, "DEAD_LETTER_QUEUE_URL")
    return Registrar(clients.dynamodb(), clients.sqs(), tables, queue_url, dead_letters, SYSTEM_CLOCK)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The Lambda entry of the queue."""
    return _registrar().handle(event)
