"""The function on the queue: it decides a batch of commands, event by event, and commits them in one transaction.

`Registrar._step` has the three parts: `workers.aws.load` reads, `workers.registrar.plan` decides by the rules in
`workers.domain.decide`, and `workers.aws.commit` writes. The rest handles failures: a cancelled transaction, a message
that cannot be processed, an overloaded AWS. If a message fails, so do the later ones of its group, but the other groups
of the batch are decided. Messages are parked after the commit, so that none is both parked and delivered again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from workers.aws import clients
from workers.aws.clock import SYSTEM_CLOCK, Clock
from workers.aws.commit import MAX_ITEMS, CommitCancelled, commit, transaction_items
from workers.aws.items import timestamp
from workers.aws.load import DecisionTables, load
from workers.aws.send import ReceivedMessage, back_off, park
from workers.domain.commands import Command
from workers.metrics import Metric
from workers.registrar.batch import Groups, ParsedMessage, UndecodableTail, read, waiting_since
from workers.registrar.parking import ParkingReason, Undecodable
from workers.registrar.plan import Planner, StepPlan
from workers.registrar.report import CommittedDecision, report
from workers.settings import RegistrarSettings
from workers.telemetry import log_fields, logger, measure

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

_MAX_STEPS = 50
_TIME_LIMIT = 6_000_000
"""Microseconds after which no further step and no further event is begun. Ten events whose keys stay unprocessed take
4 s; a call that hangs takes up to 9 s (three attempts of 3 s); and the function has 15 s."""


class Registrar:
    """The handler and its dependencies. `handle` never raises because of a message."""

    def __init__(
        self,
        dynamodb: DynamoDBClient,
        sqs: SQSClient,
        tables: DecisionTables,
        queue_url: str,
        dead_letter_queue_url: str,
        clock: Clock,
    ) -> None:
        self._dynamodb = dynamodb
        self._sqs = sqs
        self._tables = tables
        self._queue_url = queue_url
        self._dead_letter_queue_url = dead_letter_queue_url
        self._clock = clock
        self._load = partial(load, dynamodb, clock, tables)
        self._planner = Planner(self._load, clock)

    def handle(self, event: dict[str, Any]) -> dict[str, Any]:
        """Process an SQS event. Returns the failed messages in the format of a partial batch response."""
        started = self._clock.now()
        messages: dict[str, list[ReceivedMessage]] = {}
        for message in map(ReceivedMessage.of, event["Records"]):
            messages.setdefault(message.group, []).append(message)
        failed: list[ReceivedMessage] = []
        while messages:
            groups, behind = read(messages)
            failed += [task.message for task in self._process(groups, started)]
            messages = self._park_unreadable(behind, failed)
        if failed:
            self._back_off(failed)
        if event["Records"]:
            measure({Metric.BATCH_SIZE: len(event["Records"]), **self._failure_metrics(failed)})
        return {"batchItemFailures": [{"itemIdentifier": message.message_id} for message in failed]}

    def _failure_metrics(self, failed: Sequence[ReceivedMessage]) -> dict[Metric, float]:
        """Return how many messages failed, and for how long the oldest of them has been waiting, in seconds.

        SQS has no such metric: its ApproximateAgeOfOldestMessage ignores messages received more than three times.
        """
        if not failed:
            return {}
        waited = self._clock.now() - min(map(waiting_since, failed))
        return {Metric.RETRIED: len(failed), Metric.FAILED_COMMAND_AGE: max(0, waited) / 1_000_000}

    def _park_unreadable(
        self, behind: Mapping[str, UndecodableTail], failed: list[ReceivedMessage]
    ) -> dict[str, list[ReceivedMessage]]:
        """Park the first message of each tail, unless an earlier one of its group failed; return those behind it.

        They are parked in order, because operators replay dead letters in the order in which they were parked.
        """
        stopped = {message.group for message in failed}
        after: dict[str, list[ReceivedMessage]] = {}
        for group, unread in behind.items():
            head, *later = unread.messages
            if group in stopped or not self._park(head, Undecodable(unread.reason)):
                failed += unread.messages
            elif later:
                after[group] = later
        return after

    def _process(self, groups: Groups, started: int, *, alone: bool = False) -> list[ParsedMessage]:
        """Repeat steps until all messages are decided or have failed; return the failed ones.

        If a step for several events fails, one event may be the cause. So each is processed `alone`, on newly loaded
        state, and what fails again has failed. With a single event, a transient error is not worth a second attempt.
        """
        failed: list[ParsedMessage] = []
        for _ in range(_MAX_STEPS):
            if not groups or self._clock.now() - started > _TIME_LIMIT:
                break
            try:
                groups, step_failed = self._step(groups)
                failed += step_failed
            except Exception as error:  # noqa: BLE001 - on any error the messages must be delivered again
                if alone or (len(groups) == 1 and clients.is_transient(error)):
                    self._log_fault(error, groups)
                    break
                reasons = error.reasons if isinstance(error, CommitCancelled) else (type(error).__name__,)
                for tasks in groups.values():
                    fields = log_fields(tasks[0].command) | {"reasons": reasons}
                    logger.warning("a common commit was refused; this event goes alone", extra=fields)
                measure({Metric.COMMITS_FALLEN_BACK: 1})
                return failed + self._process_separately(groups, started)
        return failed + [task for tasks in groups.values() for task in tasks]

    def _process_separately(self, groups: Groups, started: int) -> list[ParsedMessage]:
        """Process each event alone, while there is time.

        If the function timed out, all its messages would stay invisible until the queue's timeout.
        """
        failed: list[ParsedMessage] = []
        for event_id, tasks in groups.items():
            if self._clock.now() - started > _TIME_LIMIT:
                logger.warning("no time is left for an event of this batch", extra=log_fields(tasks[0].command))
                failed += tasks
            else:
                failed += self._process({event_id: tasks}, self._clock.now(), alone=True)
        return failed

    def _step(self, groups: Groups) -> tuple[Groups, list[ParsedMessage]]:
        """Load, decide and commit. Returns the messages that need another step, and those that failed."""
        commands = {event_id: [task.command for task in tasks] for event_id, tasks in groups.items()}
        states = self._load(commands)
        plans = {event_id: self._planner.plan(states[event_id], tasks) for event_id, tasks in groups.items()}
        for note in (note for plan in plans.values() for note in plan.notes):
            log = logger.error if note.level == "error" else logger.warning
            log(note.text, exc_info=note.error, extra=log_fields(note.command) | dict(note.fields))
        made = [CommittedDecision(plan.decision, plan.messages) for plan in plans.values() if plan.decision is not None]
        items = transaction_items(self._tables, [decided.decision for decided in made])
        if len(items) > MAX_ITEMS and len(plans) > 1:
            raise CommitCancelled(["more items than one transaction takes"])
        if items:
            commit(self._dynamodb, items)
        report(made, self._clock.now())
        done = {event_id: self._park_planned(plan) for event_id, plan in plans.items()}
        later = {event_id: [*plan.later] for event_id, plan in done.items() if plan.later}
        return later, [task for plan in done.values() for task in plan.failed]

    def _park_planned(self, plan: StepPlan) -> StepPlan:
        """Park what the plan says. If a message cannot be parked, those behind it fail too: none may overtake it."""
        for index, (task, reason) in enumerate(plan.parked):
            if not self._park(task.message, reason, task.command):
                stuck = tuple(task for task, _ in plan.parked[index:])
                return replace(plan, later=(), failed=(*stuck, *plan.later, *plan.failed))
        return plan

    def _park(self, message: ReceivedMessage, reason: ParkingReason, command: Command | None = None) -> bool:
        """Send a message to the dead-letter queue; return whether it is safely there."""
        fields: dict[str, object] = {
            "message_id": message.message_id,
            "group": message.group,
            "receives": message.receives,
            "reason": str(reason),
        }
        if command is not None:
            fields |= log_fields(command)
        try:
            parked = park(self._sqs, self._dead_letter_queue_url, message, str(reason), timestamp(self._clock.now()))
        except Exception:  # noqa: BLE001 - on any error the message must be delivered again
            logger.exception("a message could not be parked", extra=fields)
            return False
        logger.error("a message was parked in the dead-letter queue", extra=fields | {"dead_letter_id": parked})
        measure({Metric.DEAD_LETTERED: 1})
        return True

    def _back_off(self, messages: Iterable[ReceivedMessage]) -> None:
        try:
            back_off(self._sqs, self._queue_url, messages)
        except Exception:  # noqa: BLE001 - the messages are only delivered later
            # They are not lost: they come back after the queue's own visibility timeout.
            logger.exception("the visibility of failed messages could not be shortened")

    def _log_fault(self, error: Exception, groups: Groups) -> None:
        passing = isinstance(error, CommitCancelled) or clients.is_transient(error)
        log = logger.warning if passing else logger.error
        for tasks in groups.values():
            fields = log_fields(tasks[0].command) | {"commands": len(tasks)}
            log("the event's commands will be tried again", exc_info=error, extra=fields)


@cache
def _registrar() -> Registrar:
    settings = RegistrarSettings.load(os.environ)
    tables = DecisionTables(settings.events_table, settings.registrations_table, settings.ledger_table)
    queues = settings.queue_url, settings.dead_letter_queue_url
    return Registrar(clients.dynamodb(), clients.sqs(), tables, *queues, SYSTEM_CLOCK)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Handle an event of the queue."""
    logger.append_keys(request_id=getattr(context, "aws_request_id", None))
    return _registrar().handle(event)
